"""The lane as processes on a real broker and database: kill -9, stopped processes, a stopped broker, a stopped database."""

from __future__ import annotations

import random
import time
import uuid

import pytest
from oclocal import services
from protos import load

ORDERS = 60
PER_ORDER = 10
pb = load()


@pytest.fixture
def echo(stack, monkeypatch):
    monkeypatch.setitem(services.PROGRAMS, "validator", services.Service("validator", "echo_service", 2))
    stack.up(["validator"])
    return stack


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
        for _ in range(count):
            open_orders = [order for order in self.orders if self.sent[order] < PER_ORDER]
            if not open_orders:
                return
            order = self.random.choice(open_orders)
            self.sent[order] += 1
            value = command(order, self.sent[order])
            for _ in range(self.random.choice((1, 1, 1, 2))):
                self.stack.produce("commands.validator", order, value)

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


def test_two_processes_share_the_work(echo):
    feeder = Feeder(echo, 1)
    feeder.send(200)
    feeder.wait_done()
    feeder.check()
    owners = echo.sql("SELECT p, epoch FROM validator.slot ORDER BY p")
    assert [p for p, _ in owners] == list(range(echo.partitions))


def test_kill_9_under_load(echo):
    feeder = Feeder(echo, 2)
    for round_ in range(6):
        feeder.send(40)
        victim = round_ % 2 + 1
        echo.kill("validator", victim)
        feeder.send(10)
        echo.start("validator", victim)
    feeder.wait_done()
    feeder.check()


def test_a_stopped_process_loses_its_slots_and_does_no_harm(echo):
    feeder = Feeder(echo, 3)
    feeder.send(50)
    echo.pause("validator", 1)
    feeder.send(100)
    feeder.wait_done()  # the other has taken over
    echo.resume("validator", 1)
    feeder.send(100)
    feeder.wait_done()
    feeder.check()


def test_database_away_for_a_while(echo):
    feeder = Feeder(echo, 4)
    feeder.send(60)
    echo.kill("postgres")
    feeder.send(60)
    echo.start("postgres")
    echo.wait_ready("postgres")
    feeder.wait_done()
    feeder.check()


def test_broker_away_for_a_while(echo):
    feeder = Feeder(echo, 5)
    feeder.send(60)
    echo.kill("kafka")
    echo.start("kafka")
    echo.wait_ready("kafka")
    feeder.send(60)
    feeder.wait_done()
    feeder.check()


def test_poison_and_gap(echo):
    feeder = Feeder(echo, 6)
    feeder.send(20)
    order = feeder.orders[0]
    echo.produce("commands.validator", order, b"not protobuf")
    late = feeder.orders[1]
    n = feeder.sent[late]
    echo.produce("commands.validator", late, command(late, n + 2))
    echo.wait(lambda: echo.value("SELECT held FROM validator.key_state WHERE key = %s", late) == "GAP", 20, "the gap is held")
    echo.produce("commands.validator", late, command(late, n + 1))
    feeder.sent[late] += 2
    feeder.wait_done()
    feeder.check()
    letters = [pb.dead_letters.DeadLetter.FromString(record.value()) for record in echo.records("dead-letters")]
    assert [letter.reason for letter in letters] == ["UNDECODABLE"]


def test_graceful_end_leaves_nothing_dirty(echo):
    feeder = Feeder(echo, 7)
    feeder.send(100)
    feeder.wait_done()
    echo.stop("validator", 1)
    echo.stop("validator", 2)
    assert echo.value("SELECT count(*) FROM validator.slot WHERE dirty <> 0 OR batch_no <> published_no") == 0
