"""Commands for the echo service of this folder, and what must be true of its answers and tables."""

from __future__ import annotations

import random
import time
import uuid

from protos import load

ORDERS = 60
PER_ORDER = 10
pb = load()


def command(order: str, n: int, remarks: str = "", again: bool = False) -> bytes:
    message = pb.commands.ValidatorCommand(event_id=str(uuid.uuid5(uuid.UUID(order), str(n))), order_id=order, source="orchestrator",
                                           sequence=n, occurred_at_us=int(time.time() * 1e6), again=again)
    message.validate.order.remarks = remarks
    return message.SerializeToString()


class Feeder:
    """Sends each order's commands in order, some of them twice."""

    def __init__(self, stack, seed: int):
        self.stack = stack
        self.random = random.Random(seed)
        self.orders = [str(uuid.UUID(int=(1790000000000 << 80) | 7 << 76 | 2 << 62 | i)) for i in range(ORDERS)]
        self.sent = dict.fromkeys(self.orders, 0)

    def send(self, count: int) -> None:
        records: list[tuple[str, bytes]] = []
        for _ in range(count):
            open_orders = [order for order in self.orders if self.sent[order] < PER_ORDER]
            if not open_orders:
                break
            order = self.random.choice(open_orders)
            self.sent[order] += 1
            records += [(order, command(order, self.sent[order]))] * self.random.choice((1, 1, 1, 2))
        self.stack.produce_all("commands.validator", records)

    def total(self) -> int:
        return sum(self.sent.values())

    def wait_done(self, timeout_s: float = 40) -> None:
        self.stack.wait(lambda: self.stack.value("SELECT coalesce(sum(count), 0) FROM validator.echo") >= self.total(), timeout_s,
                        "every command applied")

    def check(self) -> None:
        rows = {str(order): count for order, count in self.stack.sql("SELECT order_id, count FROM validator.echo")}
        assert rows == {order: n for order, n in self.sent.items() if n}
        answers: dict[str, dict[int, bytes]] = {}
        last: dict[str, int] = {}
        for record in self.stack.records("validation-events"):
            event = pb.validation_events.ValidationEvent.FromString(record.value())
            seen = answers.setdefault(event.order_id, {})
            if event.sequence in seen:
                assert seen[event.sequence] == event.event_id, "a copy has the id of what it copies"
                continue
            assert event.sequence == last.get(event.order_id, 0) + 1, "no gap, nothing out of order"
            last[event.order_id] = event.sequence
            seen[event.sequence] = event.event_id
            headers = dict(record.headers())
            assert headers["ce_id"] == event.event_id.encode() and headers["ce_type"] == b"orderclerk.v1.OrderValidated"
        assert last == rows
        self.stack.wait(lambda: self.stack.value("SELECT count(*) FROM validator.slot WHERE batch_no <> published_no") == 0, 10,
                        "everything published and marked")
        assert self.stack.value("SELECT count(*) FROM validator.held") == 0
