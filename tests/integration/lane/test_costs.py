"""What an express order costs, in numbers that don't depend on the machine's speed: SQL statements, round trips to the database,
row operations, WAL, Kafka records and allocations, from its acceptance to COMPLETED, with every service at work.

Singly: one order after the other, by services whose batches hold one input (BATCH_MAX), which is the most that an order can
cost: how many inputs meet in a batch is a matter of the machine's speed otherwise. Together: 500 orders go through the services
in turns. While one works the others are stopped (SIGSTOP), and each finds what the turns before have made at once. The budgets
are what was measured, with headroom. Singly that is 491 statements, 140 round trips and 310 to 312 row operations. 500
together take 1.3 statements an order where each service finds them in one piece, and up to 2.7 were seen where a busy broker
delivered them in several. A change that breaks a budget either costs too much or says here what it costs and why.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import client
import confluent_kafka
import pytest
from departments import Rules
from oclocal import services, topics
from protos import load
from stack import Stack

pb = load()
FIRST = Path(__file__).resolve().parents[2] / "data" / "first"
NDJSON = {"content-type": "application/x-ndjson"}
SINGLY, TOGETHER = 10, 500
ANSWER_S = 60
# Stopped processes must stay members, and nobody may take what they are silent about for an answer that is missing.
SETTINGS = {name: {"SESSION_TIMEOUT": "5m"} for name in services.SERVICE_NAMES}
SETTINGS["orchestrator"]["DISPUTE_WINDOW"] = "0s"
# Statements of no order: marking what is published while idle, upkeep, holding ingress slots.
OUTSIDE = (".slot s SET published_no", "maintain", "ingress_slot", "advisory")
PACED = "notifier"  # its batches follow the mail server's pace: its statements and round trips aren't counted
CHANGES = ("INSERT", "UPDATE", "DELETE", "WITH given")


@dataclass
class Costs:
    """Per order."""

    statements: float
    round_trips: float
    row_operations: float
    wal_bytes: float
    kafka_records: float
    allocations: float  # of the services' own code


BUDGET = {
    SINGLY: Costs(statements=525, round_trips=150, row_operations=330, wal_bytes=125000, kafka_records=63, allocations=30),
    TOGETHER: Costs(statements=4, round_trips=1.2, row_operations=130, wal_bytes=68000, kafka_records=58, allocations=20),
}


class Desk:
    """Every service once, on topics of one partition; finance is the test itself."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self._topics = topics.read()
        self._rules = Rules(pb, date.today, "SH1")
        self._sent = 0
        self._answered = 0  # finance's next offset
        self._producer = confluent_kafka.Producer({"bootstrap.servers": stack.kafka.bootstrap, "linger.ms": 100, "log_level": 0})
        stack.up([*services.SERVICE_NAMES, "mail"])
        self._commands = stack.consumer("commands.departments")
        self._watch = stack.consumer()
        for kind in ("warehouses", "calendars", "products", "customers", "prices"):
            self._post(f"/v1/reference/{kind}:import", (FIRST / f"{kind}.ndjson").read_bytes())
        self._post("/v1/stock:import", json.dumps({"type": "received", "sku": "PEN-01", "warehouse": "AUTO", "quantity": 1000000}).encode() + b"\n")
        stack.wait(lambda: all(self.quiet(name) for name in services.SERVICE_NAMES), 120, "reference data to be taken in")

    def _post(self, path: str, body: bytes) -> None:
        answer = client.call("POST", self.stack.url("intake") + path, body, NDJSON, timeout_s=120)
        assert answer.ok, answer.body[:500]

    def submit(self, count: int) -> None:
        template = json.loads((FIRST / "order.json").read_text(encoding="utf-8"))
        lines = []
        for _ in range(count):
            self._sent += 1
            ref = f"C-{self._sent}"
            lines.append(json.dumps({**template, "channel": "FILE", "channel_account": "costs", "channel_ref": ref, "customer_po": ref}).encode())
        self._post("/v1/orders:import", b"\n".join(lines) + b"\n")

    def end(self, topic) -> int:
        return self._watch.get_watermark_offsets(confluent_kafka.TopicPartition(self.stack.topic(topic.name), 0), 60)[1]

    def quiet(self, name: str) -> bool:
        """It has applied all there is for it, performed what that asked for, and published everything."""
        next_offset = {row.topic: row.next_offset for row in self.stack.sql(f"SELECT topic, next_offset FROM {name}.position")}
        if any(self.end(topic) > next_offset.get(topic.number, 0) for topic in self._topics if name in topic.readers):
            return False
        return self.stack.value(f"SELECT count(*) FROM {name}.slot WHERE batch_no > published_no") == 0 and \
            self.stack.value(f"SELECT count(*) FROM {name}.effect") == 0

    def completed(self) -> int:
        return self.stack.value("SELECT count(*) FROM desk.order_row WHERE state = 'COMPLETED'")

    def finance(self) -> None:
        """Answers every command that has come by now."""
        end = self.end(next(topic for topic in self._topics if topic.name == "commands.departments"))
        deadline = time.monotonic() + ANSWER_S
        while self._answered < end:
            assert time.monotonic() < deadline, f"finance has read {self._answered} of {end} commands in {ANSWER_S} s"
            message = self._commands.poll(1)
            if message is None or message.error():
                continue
            self._answered = message.offset() + 1
            command = pb.commands.DepartmentCommand.FromString(message.value())
            for field, body in self._rules.answer(command, {}):
                reply = pb.department_replies.DepartmentReply(event_id=f"{command.event_id}-{field}", order_id=command.order_id, source="finance",
                                                              department=command.department, **{field: body})
                self._producer.produce(self.stack.topic("department-replies"), reply.SerializeToString(), command.order_id)
        assert self._producer.flush(60) == 0

    # ---- counting
    def _totals(self) -> Costs:
        rows = self.stack.sql("SELECT r.rolname, s.query, s.calls::bigint, s.rows::bigint, s.wal_bytes::bigint FROM pg_stat_statements s "
                              "JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname LIKE 'orderclerk\\_%%'")
        rows = [row for row in rows if not any(word in row.query for word in OUTSIDE)]
        metrics = [self.stack.metrics(name) for name in services.SERVICE_NAMES if name != PACED]
        return Costs(statements=sum(row.calls for row in rows if row.rolname != f"orderclerk_{PACED}"),
                     round_trips=sum(of_one["orderclerk_lane_round_trips_total"] for of_one in metrics),
                     row_operations=sum(row.rows for row in rows if row.query.startswith(CHANGES)), wal_bytes=sum(row.wal_bytes for row in rows),
                     kafka_records=sum(self.end(topic) for topic in self._topics),
                     allocations=sum(of_one["orderclerk_allocations_total"] for of_one in metrics))

    def costs(self, orders: int, run) -> Costs:
        before, done = asdict(self._totals()), self.completed()
        run()
        assert self.completed() == done + orders
        return Costs(**{name: round((value - before[name]) / orders, 3) for name, value in asdict(self._totals()).items()})

    # ---- running
    def singly(self) -> None:
        for _ in range(SINGLY):
            before = self.completed()
            self.submit(1)
            self.stack.wait(lambda: self.finance() or self.completed() > before, 120, "the order to be completed")
        self.stack.wait(lambda: all(self.quiet(name) for name in services.SERVICE_NAMES), 120, "all to be quiet")

    def together(self) -> None:
        before = self.completed()
        self.submit(TOGETHER)
        self.stack.wait(lambda: self.quiet("intake"), 120, "the orders to be published")
        for name in services.SERVICE_NAMES:
            self.stack.pause(name)
        for _ in range(20):  # rounds; an order needs seven
            for name in ("orchestrator", "validator", "inventory", "fulfillment", "notifier", "intake", "desk"):
                self.stack.resume(name)
                self.stack.wait(lambda: self.quiet(name), 180, f"{name} to be quiet")
                self.stack.pause(name)
            self.finance()
            if self.completed() == before + TOGETHER:
                break
        for name in services.SERVICE_NAMES:
            self.stack.resume(name)
        self.stack.wait(lambda: all(self.quiet(name) for name in services.SERVICE_NAMES), 120, "all to be quiet")


@contextmanager
def desk(**settings: str):
    each = {name: {**SETTINGS[name], **settings} for name in services.SERVICE_NAMES}
    with pytest.MonkeyPatch.context() as patch, Stack(settings=each, partitions=1) as stack:
        for name in services.SERVICE_NAMES:
            service = services.PROGRAMS[name]
            patch.setitem(services.PROGRAMS, name, services.Service(name, service.binary, 1, settings=service.settings))
        yield Desk(stack)


def check(costs: Costs, budget: Costs) -> None:
    print(costs)
    over = {name: (value, asdict(budget)[name]) for name, value in asdict(costs).items() if value > asdict(budget)[name]}
    assert not over, f"an order costs more than its budget (cost, budget): {over}"


def test_orders_one_after_the_other():
    with desk(BATCH_MAX="1") as singly:
        singly.costs(SINGLY, singly.singly)  # what only the first orders cost
        check(singly.costs(SINGLY, singly.singly), BUDGET[SINGLY])


def test_five_hundred_orders_together():
    with desk() as together:
        check(together.costs(TOGETHER, together.together), BUDGET[TOGETHER])
