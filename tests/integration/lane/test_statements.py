"""Statements per batch: of each service with a lane, a batch of one input and a batch of 500 take the same statements, each
equally often, and the same number of round trips to the database.

A stopped process (SIGSTOP) finds all records at once when it goes on; everything has the key's slot 0, so that they are one
batch. What is counted is pg_stat_statements by role and the lane's own count of round trips.
"""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections import Counter

import confluent_kafka
import pytest
from murmur2 import partition
from oclocal import services
from protos import load

pb = load()
MANY = 500
CNY = "CNY"
CAUSE = str(uuid.uuid4())
CONSTANT = re.compile(r"'[^']*'|-?\$?\b\d+\b|\b(?:true|false|NULL)\b")  # written as it is by a statement that was prepared before the statistics were reset
# A statement for one row has the same name as the one for many, which takes arrays: what it does, and to which table.
CHANGE = re.compile(r'((?:WITH mine AS \()?(?:INSERT INTO|UPDATE|DELETE FROM) [\w".]+).*', re.S)
# Statements of a service's processes that belong to no batch: marking what is published while idle, upkeep, ingress.
OUTSIDE = (".slot s SET published_no", "maintain", "ingress", "advisory")


def keys(stack, count: int) -> list[str]:
    """Orders of slot 0."""
    found: list[str] = []
    while len(found) < count:
        key = str(uuid.uuid4())
        if partition(key.encode(), stack.partitions) == 0:
            found.append(key)
    return found


def head(key: str, source: str = "orchestrator", **fields) -> dict:
    return {"event_id": str(uuid.uuid4()), "order_id": key, "source": source, "occurred_at_us": int(time.time() * 1e6), **fields}


def order() -> dict:
    return {"channel": "WEB", "customer_po": "PO-1", "currency": CNY, "revision": 1, "ordered_at_us": int(time.time() * 1e6),
            "customer": {"customer_id": "C1", "company": "示例设计工作室", "contact": "林一", "phone": "+86 199 0000 0001", "email": "studio@example.com",
                         "locale": "zh-CN"},
            "delivery": {"country": "CN", "province": "上海市", "city": "上海市", "district": "黄浦区", "street": "示例路1号", "postcode": "200001",
                         "recipient": "林一", "phone": "+86 199 0000 0001"},
            "lines": [{"line_no": 1, "product_code": "PEN-01", "quantity": 1, "unit": "个", "unit_price_minor": 1000, "tax_rate_bp": 1300}],
            "payment": {"kind": "PAYMENT_KIND_NET", "net_days": 30}, "invoice": {"kind": "INVOICE_KIND_ORDINARY", "title": "示例设计工作室"}}


class Ward:
    """One process of one service, its partitions all its own, and what its lane did between two looks."""

    def __init__(self, stack, name: str, monkeypatch, **settings: str):
        self.stack, self.name = stack, name
        service = services.PROGRAMS[name]
        monkeypatch.setitem(services.PROGRAMS, name, services.Service(name, service.binary, 1, settings=service.settings))
        # A process that is stopped for a while stays a member; nothing but the records that a test sends makes a batch.
        stack.settings = {name: {"SESSION_TIMEOUT": "60s", "EFFECT_TIMEOUT": "1h", **settings}}
        stack.up([name])

    def lane(self, what: str) -> int:
        return int(self.stack.metrics(self.name).get(f"orderclerk_lane_{what}_total", 0))

    def settled(self) -> bool:
        """All that was committed is published and marked, and nothing waits to be decided."""
        return self.stack.value(f"SELECT count(*) FROM {self.name}.slot WHERE batch_no <> published_no") == 0

    def feed(self, topic: str, messages: dict[str, object], count: str = "applied") -> None:
        """All of it as one record batch of the broker's; returns when the lane has done with it, as this count of its shows."""
        until = self.lane(count) + len(messages)
        self.stack.wait(self.settled, 60, "a quiet lane")
        self.stack.pause(self.name)
        # Nothing is sent before the last is there: the linger is longer than producing can take, and the leader is known.
        producer = confluent_kafka.Producer({"bootstrap.servers": self.stack.kafka.bootstrap, "linger.ms": 60000, "batch.num.messages": len(messages),
                                             "batch.size": 4 << 20, "log_level": 0})
        producer.list_topics(self.stack.topic(topic), 60)
        for key, message in messages.items():
            producer.produce(self.stack.topic(topic), message.SerializeToString(), key, partition=partition(key.encode(), self.stack.partitions))
        assert producer.flush(60) == 0
        self.stack.resume(self.name)
        self.stack.wait(lambda: self.lane(count) >= until, 120, f"{len(messages)} records of {topic}: {count}")
        assert self.lane(count) == until and self.lane("dead_letters") == 0 and self.lane("held") == 0
        self.stack.wait(self.settled, 60, "a quiet lane")

    def measure(self, topic: str, messages: dict[str, object], count: str = "applied") -> tuple[Counter, float, int]:
        """Calls by statement and round trips of one batch, and how many batches there were."""
        self.stack.sql("SELECT pg_stat_statements_reset()")
        batches, trips = self.lane("batches"), self.lane("round_trips")
        self.feed(topic, messages, count)
        batches, trips = self.lane("batches") - batches, self.lane("round_trips") - trips
        rows = self.stack.sql("SELECT s.query, s.calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = %s",
                              f"orderclerk_{self.name}")
        calls: Counter = Counter()
        for row in rows:
            if not any(word in row.query for word in OUTSIDE):
                calls[CONSTANT.sub("?", CHANGE.sub(r"\1", row.query))] += row.calls
        return calls, trips, batches


def check(ward: Ward, topic: str, make) -> None:
    """make(key) is the input for a key that the service hasn't seen."""
    fresh = iter(keys(ward.stack, 2 + MANY))
    first = {key: make(key) for key in [next(fresh)]}
    one = {key: make(key) for key in [next(fresh)]}
    many = {key: make(key) for key in fresh}
    ward.feed(topic, first)  # what only the first input of all does is behind us
    calls, trips, batches = ward.measure(topic, one)
    assert batches == 1 and calls
    many_calls, many_trips, many_batches = ward.measure(topic, many)
    assert many_batches == 1
    assert many_calls == calls
    assert many_trips == trips


@pytest.fixture
def warded(stack, monkeypatch):
    """Makes wards. They leave their groups at the end: the next one of the same service would wait for a session's whole time."""
    made: list[Ward] = []

    def make(name: str, **settings: str) -> Ward:
        made.append(Ward(stack, name, monkeypatch, **settings))
        return made[-1]

    yield make
    for ward in made:
        stack.stop(ward.name)


@pytest.fixture
def silent():
    """An address that takes connections and never says a word: what is asked for there stays under way."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_validator(stack, warded):
    ward = warded("validator")
    made = {"reference.calendars": ("CN", pb.reference.Calendar(calendar_id="CN", zone="Asia/Shanghai", cutoff="16:00", saga_revision=1)),
            "reference.customers": ("C1", pb.reference.Customer(customer_id="C1", company="示例设计工作室", price_list="CN", max_net_days=30, country="CN",
                                                               terms=["PAYMENT_KIND_NET"], credit_limit_minor=1000000, saga_revision=1)),
            "reference.products": ("PEN-01", pb.reference.Product(sku="PEN-01", name_en="Pen", name_zh="笔", kind="LINE_KIND_STOCK", base_unit="个",
                                                                  no_picking=True, saga_revision=1)),
            "reference.prices": ("CN/PEN-01", pb.reference.Price(price_list="CN", sku="PEN-01", currency=CNY, tax_rate_bp=1300, valid_from="2020-01-01",
                                                                 breaks=[{"min_quantity": 1, "net_minor": 1000}], saga_revision=1))}
    for topic, (key, message) in made.items():
        message.event_id, message.order_id, message.source = str(uuid.uuid4()), key, "intake"
        ward.feed(topic, {key: message})
    check(ward, "commands.validator", lambda key: pb.commands.ValidatorCommand(**head(key, sequence=1), validate={"order": order()}))
    assert stack.value("SELECT count(*) FROM validator.effect") == 0, "the orders were judged, not looked up"


def test_inventory(stack, warded):
    ward = warded("inventory")
    ward.feed("reference.products", {"PEN-01": pb.reference.Product(**head("PEN-01", "intake", saga_revision=1), sku="PEN-01")})
    change = pb.stock.StockChange(**head("PEN-01@SH1", "intake"), sku="PEN-01", warehouse="SH1", received={"quantity": 10000})
    ward.feed("stock-changes", {"PEN-01@SH1": change})
    check(ward, "commands.inventory", lambda key: pb.commands.InventoryCommand(
        **head(key, sequence=1), reserve={"order_revision": 1, "lines": [{"line_no": 1, "sku": "PEN-01", "quantity": 1}]}))
    assert stack.value("SELECT sum(reserved)::bigint FROM inventory.stock") == 2 + MANY


def test_fulfillment(stack, warded, silent):
    ward = warded("fulfillment")
    ward.feed("reference.warehouses", {"SH1": pb.reference.Warehouse(**head("SH1", "intake", saga_revision=1), warehouse="SH1", adapter="http",
                                                                    url=f"http://{silent}", secret="whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ=")})
    check(ward, "commands.fulfillment", lambda key: pb.commands.FulfillmentCommand(**head(key, sequence=1), release={
        "shipment_id": str(uuid.uuid4()), "warehouse": "SH1", "order_no": "OC-1", "lines": [{"line_no": 1, "sku": "PEN-01", "quantity": 1}],
        "deliver_to": order()["delivery"]}))
    assert stack.value("SELECT count(*) FROM fulfillment.effect") == 2 + MANY


def test_notifier(stack, warded, silent):
    ward = warded("notifier", SMTP_URL=f"smtp://{silent}")
    values = [{"name": name, "value": value} for name, value in (("order_no", "OC-1"), ("customer_po", "PO-1"), ("company", "示例"), ("contact", "林一"))]
    check(ward, "commands.notifier", lambda key: pb.commands.NotifierCommand(**head(key, sequence=1, causation_id=str(uuid.uuid4())), order_no="OC-1", notify={
        "kind": "received", "channel": "email", "recipient": "studio@example.com", "locale": "zh-CN", "values": values}))
    assert stack.value("SELECT count(*) FROM notifier.effect") == 2 + MANY


def test_orchestrator(stack, warded):
    ward = warded("orchestrator")
    check(ward, "orders", lambda key: pb.orders.OrderRequest(**head(key, "intake"), request_id=str(uuid.uuid4()), actor="customer:C1", submit={"order": order()}))
    assert stack.value("SELECT count(*) FROM orchestrator.saga") == 2 + MANY


def state(key: str):
    return pb.order_state.OrderState(**head(key, saga_revision=1), state="VALIDATING", definition="standard", definition_version=1, submitted_at_us=1,
                                     state_since_us=1, order=order(), tasks=[{"task_id": f"{key}:1", "owner": "sales", "kind": "REVIEW", "since_us": 1}])


def test_desk(stack, warded):
    check(warded("desk"), "order-state", state)
    assert stack.value("SELECT count(*) FROM desk.order_row") == 2 + MANY


def test_intake(stack, warded):
    check(warded("intake"), "order-state", state)
    assert stack.value("SELECT count(*) FROM intake.order_view") == 2 + MANY


def test_commands_sent_again(stack, warded):
    """Silence heals: what was applied before is answered from the outbox, and 500 such commands read it together."""
    ward = warded("inventory")
    ward.feed("reference.products", {"PEN-01": pb.reference.Product(**head("PEN-01", "intake", saga_revision=1), sku="PEN-01")})
    orders = {key: pb.commands.InventoryCommand(**head(key, sequence=1), release={"reason": "test"}) for key in keys(stack, 1 + MANY)}
    ward.feed("commands.inventory", orders)
    for order_ in orders.values():
        order_.again = True
    one, *many = orders.items()
    calls, trips, batches = ward.measure("commands.inventory", dict([one]), "duplicates")
    assert batches == 1 and any("outbox" in query and query.startswith("SELECT") for query in calls)
    assert ward.lane("again") == 1
    assert ward.measure("commands.inventory", dict(many), "duplicates") == (calls, trips, 1)
    assert ward.lane("again") == 1 + MANY
