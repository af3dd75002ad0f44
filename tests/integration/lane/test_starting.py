"""Services started while the broker or the database is away wait for it: alive, not ready and saying why, and then ready."""

from __future__ import annotations

import uuid

import pytest
from oclocal import services


@pytest.fixture
def started(stack, monkeypatch):
    """Starts every service, one process each, while a part of the infrastructure is away. Its schemas are there."""
    for name in services.SERVICE_NAMES:
        service = services.PROGRAMS[name]
        settings = {"SMTP_URL": "smtp://127.0.0.1:1"} if name == "notifier" else {}
        monkeypatch.setitem(services.PROGRAMS, name, services.Service(name, service.binary, 1, settings=settings))
    stack.up(services.SERVICE_NAMES)
    for name in services.SERVICE_NAMES:
        stack.stop(name)

    def start(away: str) -> None:
        stack.kill(away)
        for name in services.SERVICE_NAMES:
            stack.start(name)
    yield stack, start


def answer(stack, name: str, method: str, path: str, **more):
    """None while nothing listens."""
    try:
        return stack.http(name, method, path, **more)
    except OSError:
        return None


def waits_for(stack, name: str, word: str) -> None:
    def told() -> bool:
        assert stack.alive(name), f"{name} has ended"
        ready = answer(stack, name, "GET", "/ready")
        if ready is None or ready.status != 503:
            return False
        assert ready.headers["content-type"] == "application/problem+json" and int(ready.headers["retry-after"]) > 0
        return word in ready.json()["detail"]
    stack.wait(told, 60, f"{name} to say that it waits for the {word}")
    assert stack.http(name, "GET", "/live").status == 200
    assert stack.http(name, "GET", "/metrics").status == 200


def comes_back(stack, away: str) -> None:
    stack.start(away)
    stack.wait_ready(away)
    for name in services.SERVICE_NAMES:
        stack.wait_ready(name, timeout_s=120)


def test_broker_away_at_the_start(started):
    stack, start = started
    start("kafka")
    for name in services.SERVICE_NAMES:
        waits_for(stack, name, "broker")
    # What needs no broker works: the desk shows what it knows, intake keeps what comes in.
    assert stack.http("desk", "GET", "/v1/orders").json()["orders"] == []
    document = {"customer": {"customer_id": "C1"}, "delivery": {"country": "CN"}, "currency": "CNY", "lines": [{"product_code": "P-1", "quantity": 1}]}
    taken = stack.http("intake", "POST", "/v1/orders", json=document, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert taken.status in (202, 503) and (taken.status == 202 or "retry-after" in taken.headers)
    comes_back(stack, "kafka")
    if taken.status == 202:
        order = taken.json()["order_id"]
        stack.wait(lambda: stack.http("desk", "GET", f"/v1/orders/{order}").status == 200, 60, "the order on the desk")


def test_database_away_at_the_start(started):
    stack, start = started
    start("postgres")
    for name in services.SERVICE_NAMES:
        waits_for(stack, name, "database")
    for name, path in (("desk", "/v1/orders"), ("desk", "/v1/tasks"), ("intake", f"/v1/orders/{uuid.uuid4()}"), ("fulfillment", "/openapi.json")):
        refused = stack.http(name, "GET", path)
        assert refused.status == 503 and refused.json()["type"] == "urn:orderclerk:problem:starting" and int(refused.headers["retry-after"]) > 0
    assert stack.http("intake", "POST", "/v1/orders", json={}).status == 503
    comes_back(stack, "postgres")
    assert stack.http("desk", "GET", "/v1/orders").status == 200


def test_told_to_end_while_waiting(started):
    stack, start = started
    start("kafka")
    for name in services.SERVICE_NAMES:
        waits_for(stack, name, "broker")
    for name in services.SERVICE_NAMES:
        assert stack.stop(name), f"{name} ends by itself"
