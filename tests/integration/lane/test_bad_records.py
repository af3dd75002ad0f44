"""Records that nobody should have written, on every topic, to every service that reads it: each becomes one dead letter of each
reader, and nothing else is disturbed."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter

import pytest
from google.protobuf.message import DecodeError
from murmur2 import partition
from oclocal import services, topics
from protos import load

pb = load()
READ = {topic.name: set(topic.readers) & set(services.SERVICE_NAMES) for topic in topics.read()}
READ = {name: readers for name, readers in READ.items() if readers}
# Topics whose readers do something according to a body: one that they don't know is refused. (desk shows any event.)
BODIES = {"orders": "orchestrator", "department-replies": "orchestrator", "commands.validator": "validator", "commands.inventory": "inventory",
          "commands.fulfillment": "fulfillment", "commands.notifier": "notifier", "stock-changes": "inventory", "inventory-internal": "inventory",
          "warehouse-replies": "fulfillment"}
SEQUENCED = {topic.name for topic in topics.read() if topic.mode == "SEQUENCED"}
# Of what the test puts on dead-letters: see letters().
WRITER = {topic.name: "test" if topic.name == "dead-letters" else topic.writers[0] for topic in topics.read()}
COMPACTED = {topic.name for topic in topics.read() if topic.compacted}


@pytest.fixture
def desk(stack, monkeypatch):
    """Every service, one process of each."""
    for name in services.SERVICE_NAMES:
        service = services.PROGRAMS[name]
        monkeypatch.setitem(services.PROGRAMS, name, services.Service(name, service.binary, 1, settings={"SMTP_URL": "smtp://127.0.0.1:1"} if name == "notifier" else {}))
    stack.settings = {"*": {"UNKNOWN_HOLD": "2s", "EFFECT_TIMEOUT": "1s"}}
    stack.up(services.SERVICE_NAMES)
    return stack


def head(order: str, topic: str = "orders", **fields):
    """A message with the common fields and no body; every topic's message has these at the same places."""
    return pb.orders.OrderRequest(event_id=str(uuid.uuid4()), order_id=order, source=WRITER[topic], occurred_at_us=int(time.time() * 1e6), **fields)


def letters(stack) -> list:
    """The services' own; what a test has put on this topic isn't theirs."""
    found = []
    for record in stack.records("dead-letters"):
        try:
            letter = pb.dead_letters.DeadLetter.FromString(record.value())
        except DecodeError:
            continue
        if letter.source in services.SERVICE_NAMES:
            found.append(letter)
    return found


def settled(letter) -> tuple:
    return letter.service, letter.topic, letter.partition, letter.offset


def wait_letters(stack, count: int) -> list:
    return stack.wait(lambda: found if len(found := letters(stack)) >= count else None, 90, f"{count} dead letters", 0.2)


def works(stack) -> None:
    """An order goes through intake, orchestrator and validator and is seen on the desk; there is no master data, so it waits."""
    document = {"customer": {"customer_id": "C1"}, "delivery": {"country": "CN"}, "currency": "CNY", "lines": [{"product_code": "P-1", "quantity": 1}]}
    answer = stack.http("intake", "POST", "/v1/orders", json=document)
    assert answer.status == 202
    order = answer.json()["order_id"]

    def judged() -> bool:
        shown = stack.http("desk", "GET", f"/v1/orders/{order}")
        return shown.status == 200 and shown.json()["state"] not in ("RECEIVED", "VALIDATING")
    stack.wait(judged, 90, "an order to be judged", 0.1)
    assert all(stack.is_ready(name) for name in services.SERVICE_NAMES)


def refused(desk, expected: Counter) -> list:
    """Exactly these are dead letters, by reader and place, and everything still works."""
    found = wait_letters(desk, sum(expected.values()))
    works(desk)
    assert Counter(settled(letter) for letter in letters(desk)) == expected
    return found


def test_what_is_no_message_of_its_topic(desk):
    expected = Counter()
    for topic, readers in READ.items():
        order = str(uuid.uuid4())
        numbered = {"sequence": 1} if topic in SEQUENCED else {}
        bad = [(order, b"\xff\xfe not protobuf"), (order, b""), (str(uuid.uuid4()), head(order, topic, **numbered).SerializeToString()), (order, b"\x0a\x03abc"),
               (order, pb.orders.OrderRequest(order_id=order, **numbered).SerializeToString())]
        if topic in SEQUENCED:
            bad.append((order, head(order, topic).SerializeToString()))
        if topic not in COMPACTED:  # there the broker itself refuses what has no key
            bad.append((None, head(order, topic, **numbered).SerializeToString()))
        for key, value in bad:
            record = desk.produce(topic, key, value)
            for reader in readers:
                expected[reader, topic, record.partition(), record.offset()] += 1
    # Dead letters are records of a topic that desk reads: those above are among its own.
    found = refused(desk, expected)
    for letter in found:
        assert letter.reason == "UNDECODABLE" and letter.detail and not letter.held, letter
    for name in services.SERVICE_NAMES:
        assert desk.value(f"SELECT count(*) FROM {name}.key_state WHERE held IS NOT NULL") == 0


def test_who_is_no_writer_of_a_topic(desk):
    expected = Counter()
    for topic, readers in READ.items():
        order = str(uuid.uuid4())
        message = head(order, topic, **({"sequence": 1} if topic in SEQUENCED else {}))
        message.source = "desk" if topic == "department-replies" else "somebody"  # departments' programs are anybody but our services
        record = desk.produce(topic, order, message.SerializeToString())
        for reader in readers:
            expected[reader, topic, record.partition(), record.offset()] += 1
    found = refused(desk, expected)
    for letter in found:
        assert letter.reason == "WRONG_SOURCE" and f"{letter.topic} is written by {WRITER[letter.topic].replace('test', '')}" in letter.detail and not letter.held


def test_what_is_on_another_partition_than_its_key_belongs_to(desk):
    """As a client sends it that has another partitioner: two lanes would write one order's rows."""
    expected = Counter()
    for topic, readers in READ.items():
        if topic == "dead-letters":
            continue  # the test is no writer of it, which is seen first
        order = str(uuid.uuid4())
        message = head(order, topic, **({"sequence": 1} if topic in SEQUENCED else {}))
        wrong = (partition(order.encode(), desk.partitions) + 1) % desk.partitions
        record = desk.produce(topic, order, message.SerializeToString(), partition=wrong)
        for reader in readers:
            expected[reader, topic, wrong, record.offset()] += 1
    for letter in refused(desk, expected):
        right = partition(letter.key, desk.partitions)
        assert letter.reason == "WRONG_PARTITION" and f"belong on partition {right}" in letter.detail and not letter.held, letter
    for name in services.SERVICE_NAMES:
        assert desk.value(f"SELECT count(*) FROM {name}.key_state WHERE held IS NOT NULL") == 0


def test_a_body_of_an_unknown_type(desk):
    """A field that this version doesn't know: the record is kept, its order alone is held where it has a sequence to keep."""
    future = b"\xea\x3f\x03new"  # field 1021, length-delimited
    expected = {}
    for topic, reader in BODIES.items():
        order = str(uuid.uuid4())
        key = f"{order}@SH1" if topic == "stock-changes" else order
        message = head(key, topic, **({"sequence": 1} if topic in SEQUENCED else {}))
        record = desk.produce(topic, key, message.SerializeToString() + future)
        expected[reader, topic, record.partition(), record.offset()] = (key, record.value())
    wait_letters(desk, len(expected))
    works(desk)
    found = {settled(letter): letter for letter in letters(desk)}
    assert set(found) == set(expected)
    for place, (key, value) in expected.items():
        letter = found[place]
        assert letter.order_id == key and letter.value == value and letter.detail.strip(), place
        assert letter.reason in ("REJECTED", "STOCK_CHANGE_REFUSED", "WAREHOUSE_REPLY_UNUSABLE"), letter
        assert (desk.value(f"SELECT held FROM {place[0]}.key_state WHERE key = %s", key) == "REJECTED") == letter.held


def test_no_headers_are_needed_and_wrong_ones_mislead_nobody(desk):
    """CloudEvents headers are for others; what is in the record counts."""
    for headers in ({}, {"ce_id": "x", "ce_type": "orderclerk.v1.CancelOrder", "content-type": "text/plain"}):
        order = str(uuid.uuid4())
        message = head(order, request_id=str(uuid.uuid4()), actor="customer:C1", submit={"order": {"currency": "CNY", "lines": [{"line_no": 1}]}})
        desk.produce("orders", order, message.SerializeToString(), headers)
        desk.wait(lambda o=order: desk.value("SELECT count(*) FROM orchestrator.saga WHERE order_id = %s", o), 60, "the order")
    assert letters(desk) == []


def test_an_unknown_order_is_held_for_a_while_and_then_a_dead_letter(desk):
    order, other = str(uuid.uuid4()), str(uuid.uuid4())
    for key in (order, other):
        reply = pb.department_replies.DepartmentReply(event_id=str(uuid.uuid4()), order_id=key, source="finance", department="finance",
                                                      occurred_at_us=int(time.time() * 1e6), erp_accepted={"erp_no": "E-1"})
        desk.produce("department-replies", key, reply.SerializeToString())
        desk.wait(lambda k=key: desk.value("SELECT held FROM orchestrator.key_state WHERE key = %s", k) == "UNKNOWN", 30, "the reply to be held")
        if key == order:  # it comes after all, in time
            message = head(order, request_id=str(uuid.uuid4()), actor="customer:C1", submit={"order": {"currency": "CNY", "lines": [{"line_no": 1}]}})
            desk.produce("orders", order, message.SerializeToString())
            desk.wait(lambda: desk.value("SELECT count(*) FROM orchestrator.saga WHERE order_id = %s", order), 30, "the order")
    found = desk.wait(lambda: [one for one in letters(desk) if one.order_id == other], 60, "the dead letter", 0.2)
    assert [(one.service, one.topic, one.reason, one.held) for one in found] == [("orchestrator", "department-replies", "UNKNOWN_ORDER", False)]
    assert desk.value("SELECT held FROM orchestrator.key_state WHERE key = %s", other) is None
    assert [one for one in letters(desk) if one.order_id == order and one.reason == "UNKNOWN_ORDER"] == []
    shown = json.loads(desk.http("desk", "GET", "/v1/dead-letters").body)["dead_letters"]
    assert [one["reason"] for one in shown if one["key"] == other] == ["UNKNOWN_ORDER"]
