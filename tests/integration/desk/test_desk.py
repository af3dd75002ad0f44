"""The desk on a real broker and database: what is on the topics can be asked for."""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from protos import load

TESTS = Path(__file__).resolve().parents[2]
sys.path.append(str(TESTS / "integration" / "intake"))

from openapi_check import OpenApi  # noqa: E402

pb = load()
SOURCES = TESTS.parent / "services" / "desk"
ORDER = "0190b7a4-0000-7000-8000-00000000000a"


class Desk:
    """Asks the desk; every answer is checked against the document that it serves."""

    def __init__(self, stack):
        self.stack = stack
        self.wait, self.produce = stack.wait, stack.produce
        self.api = OpenApi(stack.http("desk", "GET", "/openapi.json").json())

    def http(self, name: str, method: str, path: str):
        answer = self.stack.http(name, method, path)
        self.api.check(method, path.split("?")[0], answer.status, answer.headers, answer.body)
        return answer


@pytest.fixture
def desk(stack):
    stack.up(["desk"])
    return Desk(stack)


def state(revision: int, name: str, **fields):
    message = pb.order_state.OrderState(event_id=str(uuid.uuid4()), order_id=ORDER, source="orchestrator", occurred_at_us=int(time.time() * 1e6),
                                        saga_revision=revision, state=name, definition="standard", definition_version=1,
                                        submitted_at_us=int(time.time() * 1e6), state_since_us=int(time.time() * 1e6), total_minor=1250, **fields)
    order = message.order
    order.channel, order.customer_po, order.currency = "WEB", "PO-7", "CNY"
    order.customer.customer_id, order.customer.company, order.customer.phone = "C001", "测试公司", "+86 138-0000 0000"
    line = order.lines.add()
    line.line_no, line.product_code, line.quantity = 1, "A-100", 2
    task = message.tasks.add()
    task.task_id, task.owner, task.kind, task.since_us = f"{ORDER}:1", "customer", "CLARIFY", int(time.time() * 1e6)
    return message


def event(sequence: int):
    message = pb.order_events.OrderEvent(event_id=str(uuid.uuid4()), order_id=ORDER, source="orchestrator", sequence=sequence,
                                         occurred_at_us=int(time.time() * 1e6), departments=["sales"])
    message.transition.rule_id, message.transition.from_state, message.transition.to_state = 7, "RECEIVED", "VALIDATING"
    message.transition.event, message.transition.cause_topic, message.transition.cause_offset = "ORDER_SUBMITTED", "orders", 3
    message.received.order.channel = "WEB"
    return message


def wait_order(desk, revision):
    def there():
        answer = desk.http("desk", "GET", f"/v1/orders/{ORDER}")
        return answer.status == 200 and answer.json()["saga_revision"] >= revision
    desk.wait(there, 20, "the order on the desk")


def test_an_order_is_found_by_what_people_know_of_it(desk):
    for message in (state(1, "VALIDATING"), state(3, "AWAITING_CUSTOMER", order_no="SO20261124-000001-42", waiting_on="customer"), state(2, "RESERVING")):
        desk.produce("order-state", ORDER, message.SerializeToString())
    desk.produce("order-events", ORDER, event(1).SerializeToString())
    wait_order(desk, 3)
    for query in ("order_no=SO20261124-000001-42", "customer_po=PO-7", "phone=%2B86%20138%200000-0000", "customer=C001", "product=A-100",
                  "state=AWAITING_CUSTOMER", "waiting_on=customer", "channel=WEB", "customer=C001&state=AWAITING_CUSTOMER", ""):
        orders = desk.http("desk", "GET", f"/v1/orders?{query}").json()["orders"]
        assert [order["order_id"] for order in orders] == [ORDER], query
    assert desk.http("desk", "GET", "/v1/orders?customer=C001&state=SHIPPED").json()["orders"] == []
    shown = desk.http("desk", "GET", "/v1/orders/SO20261124-000001-42").json()
    assert shown["state"] == "AWAITING_CUSTOMER" and shown["order"]["customer"]["company"] == "测试公司"
    desk.wait(lambda: desk.http("desk", "GET", f"/v1/orders/{ORDER}/timeline").json()["timeline"], 20, "a timeline")
    row = desk.http("desk", "GET", f"/v1/orders/{ORDER}/timeline").json()["timeline"][0]
    assert row["kind"] == "OrderReceived" and row["rule"] == 7 and row["cause_topic"] == "orders" and row["cause_offset"] == 3
    tasks = desk.http("desk", "GET", "/v1/tasks?owner=customer").json()["tasks"]
    assert [task["order_no"] for task in tasks] == ["SO20261124-000001-42"]


def test_what_cannot_be_asked_is_refused_by_name(desk):
    for query, field in (("limit=0", "limit"), ("due_before=tomorrow", "due_before"), ("after=x", "after")):
        answer = desk.http("desk", "GET", f"/v1/orders?{query}")
        assert answer.status == 400 and answer.json()["field"] == field
    assert desk.http("desk", "GET", f"/v1/orders/{uuid.uuid4()}").status == 404


def test_dead_letters_are_shown_until_settled(desk):
    letter = pb.dead_letters.DeadLetter(event_id=str(uuid.uuid4()), order_id=ORDER, source="validator", occurred_at_us=1, service="validator",
                                        topic="commands.validator", partition=2, offset=9, reason="REJECTED", held=True, detail="why")
    desk.produce("dead-letters", ORDER, letter.SerializeToString())
    desk.wait(lambda: desk.http("desk", "GET", "/v1/dead-letters").json()["dead_letters"], 20, "the dead letter")
    shown = desk.http("desk", "GET", f"/v1/dead-letters/{letter.event_id}").json()
    assert shown["held"] is True and shown["reason"] == "REJECTED"
    letter.event_id, letter.settled = str(uuid.uuid4()), True
    desk.produce("dead-letters", ORDER, letter.SerializeToString())
    desk.wait(lambda: not desk.http("desk", "GET", "/v1/dead-letters").json()["dead_letters"], 20, "nothing open")


def test_stock_and_the_summary(desk):
    level = pb.stock.StockLevel(event_id=str(uuid.uuid4()), order_id="A-100@SH1", source="inventory", saga_revision=3, occurred_at_us=int(time.time() * 1e6),
                                sku="A-100", warehouse="SH1", on_hand=10, reserved=3, incoming=5, incoming_date="2026-12-01")
    desk.produce("stock-levels", "A-100@SH1", level.SerializeToString())
    desk.produce("order-state", ORDER, state(1, "VALIDATING", waiting_on="validator").SerializeToString())
    wait_order(desk, 1)
    desk.wait(lambda: desk.http("desk", "GET", "/v1/stock").json()["stock"], 60, "the stock level")
    row, = desk.http("desk", "GET", "/v1/stock?sku=A-100&warehouse=SH1").json()["stock"]
    assert (row["available"], row["on_hand"], row["incoming_date"]) == (7, 10, "2026-12-01")
    group, = desk.http("desk", "GET", "/v1/summary").json()["groups"]
    assert (group["state"], group["orders"], group["waiting_on"]) == ("VALIDATING", 1, "validator")


def test_without_its_database_the_desk_says_so(desk):
    desk.stack.kill("postgres")
    for path in ("/v1/orders", f"/v1/orders/{ORDER}", f"/v1/orders/{ORDER}/timeline", "/v1/tasks", "/v1/stock", "/v1/dead-letters", "/v1/summary"):
        answer = desk.http("desk", "GET", path)
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, path


def every_field(message, depth: int = 0) -> None:
    """Fills a message, so that its JSON shows each member that there can be."""
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = getattr(message, field.name)
            every_field(inner.add() if field.label == FieldDescriptor.LABEL_REPEATED else inner, depth + 1)
            continue
        value = {FieldDescriptor.CPPTYPE_STRING: "x", FieldDescriptor.CPPTYPE_BOOL: True, FieldDescriptor.CPPTYPE_ENUM: 1}.get(field.cpp_type, 7)
        if field.label == FieldDescriptor.LABEL_REPEATED:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


@pytest.mark.parametrize("currency", ["CNY", ""])
def test_the_document_knows_every_member_of_an_order(desk, currency):
    message = pb.order_state.OrderState()
    every_field(message)
    message.event_id, message.order_id, message.saga_revision, message.sequence, message.order.currency = str(uuid.uuid4()), ORDER, 1, 0, currency
    message.source, message.definition, message.state = "orchestrator", "standard", "VALIDATING"
    desk.produce("order-state", ORDER, message.SerializeToString())
    wait_order(desk, 1)
    shown = desk.http("desk", "GET", f"/v1/orders/{ORDER}").json()
    document = json.loads((SOURCES / "openapi.json").read_text())
    known = document["components"]["schemas"]["OrderState"]["properties"]
    assert set(known) - set(shown) == {"sequence"}, "no member that orders don't have; a VERSIONED record has no sequence"


def test_the_document_names_every_route_and_no_other():
    routes = set(re.findall(r'\.method = "(\w+)", \.path = "([^"]+)"', (SOURCES / "desk_http.c").read_text()))
    document = json.loads((SOURCES / "openapi.json").read_text())
    assert routes == {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
