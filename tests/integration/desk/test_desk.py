"""The desk on a real broker and database: what is on the topics can be asked for."""

from __future__ import annotations

import time
import uuid

import pytest
from protos import load

pb = load()
ORDER = "0190b7a4-0000-7000-8000-00000000000a"


@pytest.fixture
def desk(stack):
    stack.up(["desk"])
    return stack


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
