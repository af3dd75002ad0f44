"""The fulfillment tracker on a real broker and database, with the warehouse and carrier doubles, and callbacks by hand."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import uuid
from collections import defaultdict
from pathlib import Path

import pytest
import wall_clock

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "doubles"), str(TESTS / "integration" / "intake")]

import webhook  # noqa: E402
from openapi_check import OpenApi  # noqa: E402
from protos import load  # noqa: E402

pb = load()
SECRET = "whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ="
WAY = ["accepted", "picking", "packed", "handed_over", "in_transit", "delivered"]


class Yard:
    """What the orchestrator would send, and what the tracker says."""

    def __init__(self, stack):
        self.stack = stack
        self.sequences: dict[str, int] = defaultdict(int)
        self.api: OpenApi | None = None

    def warehouse(self, code: str, url: str = "", adapter: str = "http", version: int = 1, secret: str = SECRET) -> None:
        message = pb.reference.Warehouse(event_id=str(uuid.uuid4()), order_id=code, source="intake", saga_revision=version, warehouse=code,
                                         adapter=adapter, url=url, secret=secret)
        self.stack.produce("reference.warehouses", code, message.SerializeToString())

    def known(self, *codes: str) -> None:
        self.stack.wait(lambda: self.stack.value("SELECT count(*) FROM fulfillment.warehouse_ref WHERE warehouse = ANY(%s)", list(codes)) == len(codes),
                        20, "the warehouses' master data")

    def _command(self, order: str, **body) -> None:
        self.sequences[order] += 1
        message = pb.commands.FulfillmentCommand(event_id=str(uuid.uuid4()), order_id=order, source="orchestrator", saga_revision=5,
                                                 sequence=self.sequences[order], occurred_at_us=int(time.time() * 1e6), **body)
        self.stack.produce("commands.fulfillment", order, message.SerializeToString())

    def release(self, order: str, shipment: str, warehouse: str, country: str = "CN", po: str = "") -> None:
        lines = [pb.order.ShipmentLine(line_no=1, sku="P-100", quantity=3)]
        self._command(order, release=pb.commands.ReleaseShipment(shipment_id=shipment, warehouse=warehouse, order_no="OC-1", customer_po=po, lines=lines,
                                                                 deliver_to=pb.order.Address(country=country, city="上海", street="世纪大道 1 号")))

    def cancel(self, order: str, shipment: str) -> None:
        self._command(order, cancel=pb.commands.CancelShipment(shipment_id=shipment))

    def events(self, *orders: str, last: str, timeout_s: float = 30) -> dict[str, list]:
        """Of each order, once each has had this event."""
        def seen(messages):
            found: dict[str, list] = defaultdict(list)
            for message in messages:
                event = pb.shipment_events.ShipmentEvent.FromString(message.value())
                if event.sequence == len(found[event.order_id]) + 1:  # another copy is no news
                    found[event.order_id].append(event)
            return found
        messages = self.stack.consume("shipment-events", timeout_s=timeout_s,
                                      until=lambda them: all(any(e.WhichOneof("body") == last for e in seen(them)[order]) for order in orders))
        return seen(messages)

    def call_back(self, warehouse: str, body: dict | bytes, message_id: str = "", secret: str = SECRET, at: float = 0, headers=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = webhook.headers(secret, message_id or "msg_" + uuid.uuid4().hex, int(at or time.time()), raw)
        path = f"/v1/warehouses/{warehouse}/callbacks"
        answer = self.stack.http("fulfillment", "POST", path, raw, headers={"content-type": "application/json", **signed, **(headers or {})})
        self.api = self.api or OpenApi(self.stack.http("fulfillment", "GET", "/openapi.json").json())
        self.api.check("POST", path, answer.status, answer.headers, answer.body)
        return answer


def kinds(events: list) -> list[str]:
    return [event.WhichOneof("body") for event in events]


def ids(count: int) -> list[tuple[str, str]]:
    return [(str(uuid.uuid4()), str(uuid.uuid4())) for _ in range(count)]


@pytest.fixture
def yard(stack):
    stack.settings = {"fulfillment": {"ACCEPT_SILENCE": "1s", "EFFECT_TIMEOUT": "1s", "UNREACHABLE_AFTER": "10s", "CALLBACK_CACHE": "100ms"}}
    stack.up(["fulfillment", "warehouse", "carrier"])
    yard = Yard(stack)
    yard.warehouse("SH1", f"http://127.0.0.1:{stack.home.port('warehouse')}")
    yard.warehouse("AUTO", adapter="auto", secret="")
    yard.known("SH1", "AUTO")
    return yard


@pytest.fixture
def alone(stack):
    """Without doubles: the warehouse is this test."""
    stack.up(["fulfillment"])
    yard = Yard(stack)
    yard.warehouse("SH1", "http://127.0.0.1:1")
    yard.known("SH1")
    return yard


def test_goods_go_all_the_way(yard):
    orders = ids(20)
    for at, (order, shipment) in enumerate(orders):
        yard.release(order, shipment, "SH1", country="CN" if at % 2 == 0 else "DE")
    automatic = ids(5)
    for order, shipment in automatic:
        yard.release(order, shipment, "AUTO")
    found = yard.events(*[order for order, _ in orders + automatic], last="delivered")
    for at, (order, shipment) in enumerate(orders):
        assert kinds(found[order]) == WAY
        handed = found[order][3].handed_over
        assert handed.carrier == ("SF" if at % 2 == 0 else "UPS") and handed.tracking_no and handed.eta_date
        assert [(line.line_no, line.sku, line.quantity) for line in handed.lines] == [(1, "P-100", 3)]
        assert all(event.shipment_id == shipment and event.saga_revision == 5 for event in found[order])
    for order, _ in automatic:
        assert kinds(found[order]) == ["accepted", "picking", "packed", "handed_over", "delivered"]
        assert found[order][3].handed_over.carrier == "AUTO"
    yard.stack.wait(lambda: yard.stack.value("SELECT count(*) FROM fulfillment.effect") == 0, 10, "finished requests")
    assert yard.stack.value("SELECT count(*) FROM fulfillment.shipment WHERE state <> 'DELIVERED'") == 0


def test_a_chaotic_warehouse_changes_nothing(yard):
    chaos = {"twice": 0.5, "late": 0.3, "late_ms": 300, "reorder": 0.5, "fail": 0.3, "slow": 0.2, "slow_ms": 300}
    for double in ("warehouse", "carrier"):
        assert yard.stack.http(double, "PUT", "/control", json=chaos).status == 200
    orders = ids(30)
    for order, shipment in orders:
        yard.release(order, shipment, "SH1")
    yard.stack.wait(lambda: yard.stack.value("SELECT (SELECT count(*) FROM fulfillment.shipment) = %s"
                                             " AND NOT EXISTS (SELECT FROM fulfillment.effect WHERE attempt = 0)", len(orders)), 60, "a try of every request")
    for double in ("warehouse", "carrier"):  # else a request's pauses grow without bound
        assert yard.stack.http(double, "PUT", "/control", json={**chaos, "fail": 0}).status == 200
    found = yard.events(*[order for order, _ in orders], last="delivered", timeout_s=60)
    for order, _ in orders:
        told = kinds(found[order])
        assert [kind for kind in told if kind not in ("in_transit", "unreachable")] == [kind for kind in WAY if kind != "in_transit"], told


def test_cancelling(yard):
    behaviours = [{"channel_ref": "r1", "customer_po": "PO-HOLD", "warehouse": "hold_until_cancel"},
                  {"channel_ref": "r2", "customer_po": "PO-REFUSE", "warehouse": "refuse_cancel"}]
    yard.stack.http("warehouse", "PUT", "/behaviours", "\n".join(map(json.dumps, behaviours)))
    (granted, s1), (refused, s2), (unknown, s3) = ids(3)
    yard.release(granted, s1, "SH1", po="PO-HOLD")
    yard.release(refused, s2, "SH1", po="PO-REFUSE")
    yard.events(granted, refused, last="picking")
    for order, shipment in ((granted, s1), (refused, s2), (unknown, s3)):
        yard.cancel(order, shipment)
    assert kinds(yard.events(granted, last="cancel_accepted")[granted]) == ["accepted", "picking", "cancel_accepted"]
    assert kinds(yard.events(unknown, last="cancel_accepted")[unknown]) == ["cancel_accepted"]
    told = kinds(yard.events(refused, last="delivered")[refused])
    assert told[:3] == ["accepted", "picking", "cancel_rejected"] and told[3:] == WAY[2:]


def test_a_hanging_warehouse_holds_up_nobody_else(yard):
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def accept():
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yard.warehouse("HANG", f"http://127.0.0.1:{server.getsockname()[1]}")
        yard.known("HANG")
        stuck, free = ids(20), ids(10)
        for order, shipment in stuck:
            yard.release(order, shipment, "HANG")
        for order, shipment in free:
            yard.release(order, shipment, "SH1")
        found = yard.events(*[order for order, _ in free], last="delivered", timeout_s=20)
        assert all(kinds(found[order]) == WAY for order, _ in free)
        found = yard.events(*[order for order, _ in stuck], last="unreachable", timeout_s=60)
        assert all(kinds(found[order]) == ["unreachable"] for order, _ in stuck)
        server.close()
        for connection in held:
            connection.close()


def test_a_killed_tracker_goes_on(yard):
    orders = ids(40)
    for at, (order, shipment) in enumerate(orders):
        yard.release(order, shipment, "SH1")
        if at in (10, 25):
            yard.stack.kill("fulfillment")
            yard.stack.start("fulfillment")
    found = yard.events(*[order for order, _ in orders], last="delivered", timeout_s=60)
    for order, _ in orders:
        told = kinds(found[order])
        assert [kind for kind in told if kind != "unreachable"] == WAY, told


def test_who_may_call_back(alone):
    order, shipment = ids(1)[0]
    body = {"shipment_id": shipment, "order_id": order, "kind": "accepted", "happened_at": "2026-09-21T08:00:00Z"}
    assert alone.call_back("NOWHERE", body).status == 404
    assert alone.call_back("SH1", body, secret="whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==").status == 401
    assert alone.call_back("SH1", body, at=time.time() - 400).status == 401
    assert alone.call_back("SH1", body, headers={"webhook-signature": ""}).status == 401
    answer = alone.stack.http("fulfillment", "POST", "/v1/warehouses/SH1/callbacks", json=body)
    assert answer.status == 401 and answer.headers["content-type"] == "application/problem+json"
    assert "webhook-id" in answer.json()["detail"]
    assert alone.call_back("SH1", b"{").status == 400
    assert alone.call_back("SH1", body, headers={"content-type": "text/plain"}).status == 415
    assert alone.call_back("SH1", {**body, "reason": "x" * 300_000}).status == 413
    for change, field in (({"kind": "teleported"}, "kind"), ({"order_id": "17"}, "order_id"), ({"color": "red"}, "color"),
                          ({"happened_at": ""}, "happened_at"), ({"kind": "handed_over"}, "lines")):
        answer = alone.call_back("SH1", {**body, **change})
        assert answer.status == 422 and answer.json()["field"] == field, answer.body
    assert alone.stack.value("SELECT count(*) FROM fulfillment.submission") == 0


def test_a_wrong_clock_refuses_no_callback(alone, tmp_path):
    """Nor while the broker is away, when the lane, which goes by the database's time too, hasn't begun."""
    order, shipment = ids(1)[0]
    body = {"shipment_id": shipment, "order_id": order, "kind": "accepted", "happened_at": "2026-09-21T08:00:00Z"}
    assert alone.call_back("SH1", body, "msg_1").status == 202
    alone.stack.stop("fulfillment")
    alone.stack.kill("kafka")
    clock = tmp_path / "clock"
    wall_clock.set_off(clock, 3600)
    alone.stack.settings = {"fulfillment": {"FAULT_CLOCK": str(clock)}}
    alone.stack.start("fulfillment")
    answers = []

    def answered() -> bool:
        try:
            answers.append(alone.call_back("SH1", body, "msg_2"))
        except OSError:
            return False
        return answers[-1].status != 503
    alone.stack.wait(answered, 30, "an answer to the callback")
    assert answers[-1].status == 202, answers[-1].body
    assert "broker" in alone.stack.http("fulfillment", "GET", "/ready").json()["detail"]


def test_a_callback_is_taken_once(alone):
    order, shipment = ids(1)[0]
    alone.release(order, shipment, "SH1")
    body = {"shipment_id": shipment, "order_id": order, "kind": "accepted", "happened_at": "2026-09-21T08:00:00Z"}
    first = alone.call_back("SH1", body, "msg_1")
    assert first.status == 202, first.body
    again = alone.call_back("SH1", body, "msg_1")
    assert again.status == 200 and again.json()["submission"] == first.json()["submission"]
    other = alone.call_back("SH1", {**body, "kind": "packed"}, "msg_1")
    assert other.status == 422 and other.json()["field"] == "webhook-id"
    assert kinds(alone.events(order, last="accepted")[order]) == ["accepted"]
    assert len(alone.stack.records("warehouse-replies")) == 1


def test_a_new_secret_holds_soon(alone):
    other = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWM="
    order, shipment = ids(1)[0]
    body = {"shipment_id": shipment, "order_id": order, "kind": "accepted", "happened_at": "2026-09-21T08:00:00Z"}
    assert alone.call_back("SH1", body).status == 202
    alone.warehouse("SH1", "http://127.0.0.1:1", version=2, secret=f"{SECRET} {other}")  # both, while the warehouse changes over
    alone.stack.wait(lambda: alone.call_back("SH1", body, secret=other).status == 202, 20, "the new secret")
    assert alone.call_back("SH1", body).status == 202


def test_without_the_database_nothing_is_taken(alone):
    order, shipment = ids(1)[0]
    body = {"shipment_id": shipment, "order_id": order, "kind": "accepted", "happened_at": "2026-09-21T08:00:00Z"}
    assert alone.call_back("SH1", body, "msg_1").status == 202
    alone.stack.stop("postgres")
    answer = alone.call_back("SH1", body, "msg_2")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    alone.stack.start("postgres")
    alone.stack.wait(lambda: alone.call_back("SH1", body, "msg_2").status in (200, 202), 30, "the callback to be taken")
