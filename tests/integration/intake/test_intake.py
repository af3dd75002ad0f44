"""Intake as processes on a real database and broker. Every answer is checked against the served OpenAPI document."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "doubles")]

from openapi_check import OpenApi  # noqa: E402
from protos import load  # noqa: E402

pb = load()
SAMPLE = HERE.parents[1] / "data" / "sample"


def order(ref: str = "", **changes) -> dict:
    document = {"customer": {"customer_id": "C1", "email": "a@example.com"}, "delivery": {"country": "CN", "city": "上海"}, "currency": "CNY",
                "lines": [{"product_code": "P-1", "quantity": 2, "unit_price": "12.50", "tax_rate": "13"}]}
    if ref:
        document |= {"channel": "WEB", "channel_account": "shop", "channel_ref": ref}
    return document | changes


class Intake:
    """Calls intake and checks its answers."""

    def __init__(self, stack):
        self.stack = stack
        self.api = OpenApi(stack.http("intake", "GET", "/openapi.json").json())

    def call(self, method: str, path: str, body=None, *, headers=None, json=None, index: int = 1, check: bool = True):  # noqa: A002
        answer = self.stack.http("intake", method, path, body, json=json, headers=headers, index=index)
        if check:
            self.api.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    def post(self, document, key: str = "", **options):
        return self.call("POST", "/v1/orders", json=document, headers={"Idempotency-Key": key} if key else None, **options)

    def submit(self, document, key: str = "") -> str:
        answer = self.post(document, key)
        assert answer.status == 202, answer.body
        return answer.json()["order_id"]

    def load(self, path: str, text: str | bytes, content_type: str = "application/x-ndjson", status: int = 200, key: str = ""):
        headers = {"Content-Type": content_type} | ({"Idempotency-Key": key} if key else {})
        answer = self.call("POST", path, text.encode() if isinstance(text, str) else text, headers=headers)
        assert answer.status == status, answer.body[:1000]
        return [json.loads(line) for line in answer.body.splitlines()] if status == 200 else answer.json()

    def state(self, order_id: str, revision: int, state: str, **fields) -> None:
        """As the orchestrator would say it; returns when intake knows."""
        message = pb.order_state.OrderState(event_id=str(uuid.uuid4()), order_id=order_id, source="orchestrator", saga_revision=revision,
                                            occurred_at_us=int(time.time() * 1e6), state=state, **fields)
        self.stack.produce("order-state", order_id, message.SerializeToString())
        self.stack.wait(lambda: self.stack.value("SELECT revision FROM intake.order_view WHERE order_id = %s", order_id) == revision, 20, "order-state taken")


    def sent(self, topic: str, message, wanted, count: int = 1) -> list:
        """The first `count` messages of the topic that are wanted."""
        found = []

        def enough(records) -> bool:
            found[:] = [read for read in (message.FromString(record.value()) for record in records) if wanted(read)]
            return len(found) >= count

        self.stack.consume(topic, until=enough)
        return found

    def requests(self, wanted, count: int = 1) -> list:
        return self.sent("orders", pb.orders.OrderRequest, wanted, count)

    def wait_published(self) -> None:
        self.stack.wait(lambda: self.stack.value("SELECT sum(batch_no - published_no) FROM intake.ingress_slot") == 0, 60, "everything published")


@pytest.fixture(scope="module")
def calm(shared_stack):
    """Shared by the tests that disturb nobody; they come first."""
    shared_stack.fresh()
    shared_stack.up(["intake"])
    return Intake(shared_stack)


@pytest.fixture
def intake(stack):
    stack.settings = {"intake": {"ORDERS_WAITING_MAX": "1000000"}}  # no orchestrator reads them
    stack.up(["intake"])
    return Intake(stack)


def test_an_order_is_on_its_topic(calm):
    answer = calm.post(order("R-1", remarks="两行\n文字"), "key-1")
    assert answer.status == 202
    order_id = answer.json()["order_id"]
    assert answer.headers["location"] == f"/v1/orders/{order_id}"
    record = calm.stack.consume("orders", until=lambda records: any(r.key().decode() == order_id for r in records))[-1]
    request = pb.orders.OrderRequest.FromString(record.value())
    assert record.key().decode() == request.order_id == order_id
    assert request.submit.order.lines[0].unit_price_minor == 1250 and request.submit.order.revision == 1
    assert request.source == "intake" and request.submit.order.remarks == "两行\n文字" and request.submit.order.ordered_at_us > 0
    headers = dict(record.headers())
    assert headers["ce_id"] == request.event_id.encode() and headers["ce_type"] == b"orderclerk.v1.SubmitOrder"
    found = calm.call("GET", f"/v1/orders/{order_id}")
    assert found.status == 200 and found.json()["state"] == "RECEIVED"
    raw = bytes(calm.stack.value("SELECT raw FROM intake.submission WHERE id = %s", order_id))
    assert json.loads(raw)["channel_ref"] == "R-1"


def test_the_same_gets_the_same_answer(calm):
    bodies = [order("R-2")] * 3
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda n: calm.post(bodies[n], "key-2", index=n % 2 + 1), range(3)))
    assert [answer.status for answer in answers] == [202] * 3
    assert len({answer.body for answer in answers}) == 1
    assert calm.post(order("R-2"), index=2).body == answers[0].body, "known by its reference without the key"
    assert calm.post(order("R-2"), "another-key").body == answers[0].body
    for document, key in [(order("R-2", remarks="other"), ""), (order("R-3"), "key-2"), (order("R-2", remarks="other"), "key-2")]:
        answer = calm.post(document, key)
        assert answer.status == 422 and answer.json()["remedy"]
    # only a key
    first = calm.post(order(), "key-3")
    assert calm.post(order(), "key-3", index=2).body == first.body
    assert calm.post(order(remarks="x"), "key-3").status == 422
    # neither: twice the same is two orders, of which the second is suspected
    one, two = calm.submit(order(remarks="same")), calm.submit(order(remarks="same"))
    assert one != two
    ids = {answers[0].json()["order_id"], first.json()["order_id"], one, two}
    found = {request.order_id: request for request in calm.requests(lambda request: request.order_id in ids, 4)}
    assert set(found) == ids
    assert found[two].submit.suspected_duplicate_of == one and found[one].submit.suspected_duplicate_of == ""


def test_bad_input_is_told_what_is_wrong(calm):
    before = calm.stack.value("SELECT count(*) FROM intake.submission")
    line = {"product_code": "P", "quantity": 1}
    json_type = {"Content-Type": "application/json"}
    cases = [
        (b'{"currency":', 400, ""), (b"[]", 400, ""), (b'{"currency":"CNY","lines":[{"product_code":"\xff","quantity":1}]}', 400, ""),
        (b'{"a":1,"a":2}', 400, ""), (b"[" * 40 + b"]" * 40, 400, ""),
        (json.dumps(order(lines="none")).encode(), 400, "lines"), (json.dumps(order(colour="red")).encode(), 400, "colour"),
        (json.dumps(order(lines=[line] * 1001)).encode(), 400, "lines"), (json.dumps(order(lines=[line | {"unit_price": "-1"}])).encode(), 400, "lines[0].unit_price"),
        (json.dumps(order(lines=[line | {"quantity": 10**9, "unit_price": "90000000000000000"}])).encode(), 400, "lines[0].unit_price"),
        (json.dumps(order(lines=[line | {"quantity": "two"}])).encode(), 400, "lines[0].quantity"), (json.dumps(order(lines=[line | {"quantity": 1.5}])).encode(), 400, "lines[0].quantity"),
        (json.dumps(order(lines=[7])).encode(), 400, "lines[0]"), (json.dumps(order(customer="C1")).encode(), 400, "customer"), (json.dumps(order(currency=156)).encode(), 400, "currency"),
        (json.dumps(order(currency="ZZZ")).encode(), 400, "currency"), (json.dumps(order(remarks="x" * 300_000)).encode(), 413, ""),
    ]
    for body, status, field in cases:
        answer = calm.call("POST", "/v1/orders", body, headers=json_type)
        problem = answer.json()
        assert (answer.status, problem.get("field", "")) == (status, field), body[:80]
        assert answer.headers["content-type"] == "application/problem+json" and problem["remedy"] and problem["type"].startswith("urn:orderclerk:problem:")
    many = calm.post(order(currency="ZZZ", nope=1, lines=[{"quantity": 0}])).json()
    assert {p["field"] for p in many["problems"]} == {"currency", "nope", "lines[0].quantity", "lines[0].product_code"}
    assert calm.call("POST", "/v1/orders", b"<order/>", headers={"Content-Type": "text/xml"}).status == 415
    assert calm.post(order("R"), "has blank").status == 400
    wrong = calm.call("DELETE", "/v1/orders", check=False)
    assert wrong.status == 405 and wrong.headers["allow"] == "POST"
    assert calm.stack.value("SELECT count(*) FROM intake.submission") == before
    assert calm.submit(order("R-9")), "nothing else is disturbed"


def test_requests_by_the_order_s_state(calm):
    order_id = calm.submit(order("R-4"))
    path = f"/v1/orders/{order_id}/requests"
    taken = calm.call("POST", path, json={"type": "cancel", "reason": "changed my mind"}, headers={"Idempotency-Key": "c-1"})
    assert taken.status == 202
    request_id = taken.json()["request_id"]
    assert calm.call("GET", taken.headers["location"]).json()["status"] == "RECEIVED"
    sent = calm.requests(lambda request: request.request_id == request_id)[0]
    assert sent.request_id == request_id and sent.order_id == order_id and sent.cancel.reason == "changed my mind"
    calm.state(order_id, 7, "AWAITING_CUSTOMER", order_no="SO-1001", waiting_on="customer", reason="address")
    for name in (order_id, "SO-1001"):
        found = calm.call("GET", f"/v1/orders/{name}").json()
        assert (found["order_id"], found["state"], found["waiting_on"], found["reason"]) == (order_id, "AWAITING_CUSTOMER", "customer", "address")
    answer = {"type": "answer", "answer": {"changes": [{"field": "delivery.phone", "value": "123"}]}}
    by_number = calm.call("POST", "/v1/orders/SO-1001/requests", json=answer)
    assert by_number.status == 202 and by_number.json()["order_id"] == order_id
    # refused by the saga: shown at the request's own address
    refused = pb.order_state.RefusedRequest(request_id=request_id, reason="too late", allowed=["answer", "resolve"])
    calm.state(order_id, 8, "DELIVERED", refused_requests=[refused])
    shown = calm.call("GET", taken.headers["location"]).json()
    assert shown["status"] == "REFUSED" and shown["reason"] == "too late" and shown["allowed"] == ["answer", "resolve"]
    # ruled out by intake's own copy
    late = calm.call("POST", path, json={"type": "cancel", "reason": "again"})
    assert late.status == 409 and late.json()["allowed"] == ["resolve"] and late.json()["state"] == "DELIVERED"
    assert calm.call("POST", path, json={"type": "cancel", "reason": "x"}, headers={"Idempotency-Key": "c-2"}).status == 409
    again = calm.call("POST", path, json={"type": "cancel", "reason": "changed my mind"}, headers={"Idempotency-Key": "c-1"})
    assert again.status == 202 and again.body == taken.body, "what was taken stays taken"
    # an older record changes nothing
    old = pb.order_state.OrderState(event_id="x", order_id=order_id, saga_revision=3, state="VALIDATING")
    calm.stack.produce("order-state", order_id, old.SerializeToString())
    calm.state(calm.submit(order("R-5")), 1, "VALIDATING")
    assert calm.call("GET", f"/v1/orders/{order_id}").json()["state"] == "DELIVERED"


def test_requests_that_are_wrong(calm):
    order_id = calm.submit(order("R-6"))
    path = f"/v1/orders/{order_id}/requests"
    for body, field in [({}, "type"), ({"type": "dance"}, "type"), ({"type": "answer"}, "changes"), ({"type": "answer", "changes": [{"value": "x"}]}, "changes[0].field"),
                        ({"type": "cancel", "why": "x"}, "why"), ({"type": "resolve", "exit": "RUN", "reason": "x"}, "exit"), ({"type": "resolve", "exit": "RETRY"}, "reason"),
                        ({"type": "shortage", "choices": [{"line_no": 1, "kind": "SUBSTITUTE"}]}, "choices[0].substitute_sku"), ({"type": "submit"}, "type")]:
        answer = calm.call("POST", path, json=body)
        assert answer.status == 400 and answer.json()["field"] == field, (body, answer.body)
    for name in (str(uuid.uuid4()), "SO-404"):
        assert calm.call("POST", f"/v1/orders/{name}/requests", json={"type": "cancel"}).status == 404
        assert calm.call("GET", f"/v1/orders/{name}").status == 404
    assert calm.call("GET", f"{path}/{uuid.uuid4()}").status == 404
    assert calm.call("GET", f"{path}/nonsense").status == 404


def test_departments_and_control(calm):
    order_id = calm.submit(order("R-7"))
    path = "/v1/departments/finance/replies"
    flat = {"order_id": order_id, "type": "invoice_issued", "invoice_no": "I-1", "gross_minor": 2825, "date": "2026-12-01", "actor": "ann"}
    first = calm.call("POST", path, json=flat, headers={"Idempotency-Key": "i-1"})
    assert first.status == 202 and calm.call("POST", path, json=flat, headers={"Idempotency-Key": "i-1"}).body == first.body
    nested = {"order_id": order_id, "credit_ok": {"limit_minor": "500000"}}
    assert calm.call("POST", path, json=nested).status == 202
    replies = calm.sent("department-replies", pb.department_replies.DepartmentReply, lambda reply: reply.order_id == order_id, 2)
    assert {(reply.WhichOneof("body"), reply.department, reply.order_id) for reply in replies} == {("invoice_issued", "finance", order_id), ("credit_ok", "finance", order_id)}
    assert {reply.actor for reply in replies} == {"ann", "client:anonymous"}
    assert calm.call("POST", path, json=flat | {"date": "soon"}).json()["field"] == "date"
    assert calm.call("POST", path, json=flat | {"order_id": str(uuid.uuid4())}).status == 404
    assert calm.call("POST", "/v1/departments/kitchen/replies", json=flat).status == 404
    control = {"service": "orchestrator", "order_id": order_id, "action": "DISCARD", "event_id": "e-1", "actor": "olga", "reason": "poison"}
    assert calm.call("POST", "/v1/control", json=control).status == 202
    sent = calm.sent("control", pb.control.Control, lambda message: message.order_id == order_id)[0]
    assert (sent.service, sent.order_id, sent.actor, sent.reason, sent.discard.event_id) == ("orchestrator", order_id, "olga", "poison", "e-1")
    for change, field in [({"service": "kitchen"}, "service"), ({"action": "SING"}, "action"), ({"actor": ""}, "actor"), ({"topic": "x"}, "topic")]:
        assert calm.call("POST", "/v1/control", json=control | change).json()["field"] == field


CSV = ("\ufeffchannel_ref,currency,customer.company,delivery.city,product_code,quantity,unit_price,remarks\r\n"
       'F-1,CNY,"Müller, ""Söhne""",Graz,P-1,2,1.50,"two\r\nlines"\r\n'
       "F-1,,,,P-2,3,,\r\n"
       "F-2,CNY,华东,上海,P-1,0,1.50,\r\n"
       "F-7,CNY,华东,上海,P-1,1,1.50,\r\n"
       "F-3,CNY,华东,上海,P-1,1,1.50\r\n"
       "F-4,CNY,华东,上海,P-1,1,1.50,\r\n"
       "\r\n"
       "F-5,CNY,A,B,P-1,1,1,\r\n"
       "F-5,CNY,other,B,P-2,1,1,\r\n"
       ",CNY,A,B,P-1,1,1,\r\n"
       "F-6,CNY,A,B,P-1,7,1,")


def test_import_of_csv(calm):
    results = calm.load("/v1/orders:import", CSV, "text/csv; charset=utf-8")
    by_line = {result["line"]: result for result in results if "line" in result}
    assert {line: result["status"] for line, result in by_line.items()} == {
        2: "accepted", 5: "refused", 6: "refused", 7: "refused", 8: "refused", 10: "refused", 12: "refused", 13: "accepted"}
    assert by_line[2]["last_line"] == 4 and by_line[2]["channel_ref"] == "F-1"
    assert by_line[5]["problems"][0]["field"] == "lines[0].quantity"
    assert [by_line[n]["problems"][0]["code"] for n in (6, 7, 8)] == ["malformed"] * 3, "a row that can't be read may belong to its neighbours"
    assert by_line[10]["problems"][0]["code"] == "differs"
    assert by_line[12]["problems"][0]["field"] == "channel_ref"
    assert results[-1]["summary"] == {"accepted": 2, "repeated": 0, "refused": 6, "conflict": 0, "failed": 0}
    order_ = calm.requests(lambda request: request.submit.order.channel_ref == "F-1")[0].submit.order
    assert order_.customer.company == 'Müller, "Söhne"' and order_.remarks == "two\r\nlines" and order_.channel == "FILE"
    assert [(line.product_code, line.quantity, line.unit_price_minor) for line in order_.lines] == [("P-1", 2, 150), ("P-2", 3, 0)]
    again = calm.load("/v1/orders:import", CSV, "text/csv")
    assert again[-1]["summary"]["repeated"] == 2 and again[-1]["summary"]["accepted"] == 0
    changed = calm.load("/v1/orders:import", CSV.replace("P-1,7,", "P-1,8,"), "text/csv")
    assert changed[-1]["summary"]["conflict"] == 1
    problem = calm.load("/v1/orders:import", "channel_ref;product_code;colour\nF;P;red\n", "text/csv", status=400)
    assert {p["field"] for p in problem["problems"]} == {"currency", "quantity", "colour"}
    assert calm.load("/v1/orders:import", "", "text/csv", status=400)
    assert calm.call("POST", "/v1/orders:import", b"x", headers={"Content-Type": "application/pdf"}).status == 415


def test_import_of_many_lines(calm):
    lines = [json.dumps(order(f"M-{n}", channel="MARKETPLACE")) for n in range(3000)]
    lines[1500] = "{"
    results = calm.load("/v1/orders:import", "\n".join(lines))
    assert results[-1]["summary"] == {"accepted": 2999, "repeated": 0, "refused": 1, "conflict": 0, "failed": 0}
    assert len({result["order_id"] for result in results if "order_id" in result}) == 2999
    assert [result["line"] for result in results if result.get("status") == "refused"] == [1501]
    calm.wait_published()
    assert sum(calm.stack.ends("orders").values()) >= 2999


def test_master_data_and_stock(calm):
    for kind in ("products", "customers", "prices", "calendars", "warehouses", "stock"):
        text = (SAMPLE / f"{kind}.ndjson").read_bytes()
        results = calm.load(f"/v1/reference/{kind}:import", text, key=f"data-{kind}")
        assert results[-1]["summary"] == {"accepted": text.count(b"\n"), "repeated": 0, "refused": 0, "conflict": 0, "failed": 0}, \
            [result for result in results if result.get("status") != "accepted"][:3]
    again = calm.load("/v1/stock:import", (SAMPLE / "stock.ndjson").read_bytes(), key="data-stock")
    assert again[-1]["summary"]["accepted"] == 0, "the key makes it the same import"
    csv = "sku,kind,base_unit,packs,substitutes,no_picking\nX-1,STOCK,pcs,BOX:12;PALLET:480,A;B,true\nX-1,MAKE,pcs,,,\nX-2,SOFT,pcs,BOX:0,,\n"
    results = calm.load("/v1/reference/products:import", csv, "text/csv")
    assert [result["status"] for result in sorted(results[:-1], key=lambda r: r["line"])] == ["accepted", "accepted", "refused"]
    found = [pb.reference.Product.FromString(record.value()) for record in
             calm.stack.consume("reference.products", until=lambda m: sum(r.key() == b"X-1" for r in m) >= 2)]
    mine = sorted((product for product in found if product.sku == "X-1"), key=lambda product: product.saga_revision)
    assert [product.saga_revision for product in mine] == [1, 2]
    assert [(pack.unit, pack.factor) for pack in mine[0].packs] == [("BOX", 12), ("PALLET", 480)] and list(mine[0].substitutes) == ["A", "B"]
    rows = "type,sku,warehouse,quantity,on_hand,reference\nreceived,X-1,SH1,5,,PO-1\ncounted,X-1,SH1,,7,\nreceived,X-1,SH1,0,,\nlost,X-1,SH1,1,,\n"
    results = calm.load("/v1/stock:import", rows, "text/csv")
    assert results[-1]["summary"]["accepted"] == 2 and results[-1]["summary"]["refused"] == 2
    changes = [pb.stock.StockChange.FromString(record.value()) for record in
               calm.stack.consume("stock-changes", until=lambda m: sum(r.key() == b"X-1@SH1" for r in m) >= 2) if record.key() == b"X-1@SH1"]
    assert {change.WhichOneof("body") for change in changes} == {"received", "counted"}


def test_no_promise_without_a_database(intake):
    intake.submit(order("D-1"))
    intake.stack.kill("postgres")
    promised = set()  # a backend can outlive its postmaster for a moment, and what it commits then is kept
    for n in range(6):
        answer = intake.post(order(f"D-2-{n}"))
        if answer.status == 202:
            promised.add(f"D-2-{n}")
        else:
            assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
    assert "D-2-5" not in promised
    assert intake.call("GET", f"/v1/orders/{uuid.uuid4()}").status == 503
    intake.stack.start("postgres")
    intake.stack.wait_ready("postgres")
    intake.stack.wait(lambda: intake.post(order("D-3")).status == 202, 20, "intake takes orders again")
    keys = [row.key for row in intake.stack.sql("SELECT key FROM intake.submission WHERE key LIKE '%%D-2-%%'")]
    assert len(keys) == len(promised) and all(any(ref in key for key in keys) for ref in promised), keys


def test_a_broker_away_delays_but_loses_nothing(intake):
    intake.submit(order("B-0"))
    intake.stack.kill("kafka")
    taken = 0
    for n in range(50):
        answer = intake.post(order(f"B-{n + 1}"), index=n % 2 + 1)
        assert answer.status in (202, 503)
        assert answer.status == 202 or "retry-after" in answer.headers
        taken += answer.status == 202
    assert taken > 0
    intake.stack.start("kafka")
    intake.stack.wait_ready("kafka")
    intake.wait_published()
    assert len({request.order_id for request in intake.requests(lambda _: True, taken + 1)}) == taken + 1


def test_an_import_waits_for_the_publisher(stack):
    """Faster than its lines are published, it is slowed down; it used to fail the lines that came meanwhile."""
    stack.settings = {"intake": {"INGRESS_UNPUBLISHED_MAX": "1", "INGRESS_COMMIT_MAX": "5"}}
    stack.up(["intake"])
    intake = Intake(stack)
    count = 5000
    lines = "\n".join(json.dumps({"sku": f"Q-{n}", "kind": "STOCK", "base_unit": "pcs"}) for n in range(count))
    results = intake.load("/v1/reference/products:import", lines)
    assert results[-1]["summary"] == {"accepted": count, "repeated": 0, "refused": 0, "conflict": 0, "failed": 0}
    intake.wait_published()
    assert sum(stack.ends("reference.products").values()) == count


def test_new_orders_wait_outside_while_the_orchestrator_is_behind(stack):
    """What was taken waits for a bounded number of others. Requests and replies are no new work: they are taken all the same."""
    stack.settings = {"intake": {"ORDERS_WAITING_MAX": "20"}}
    stack.up(["intake", "orchestrator"])
    stack.stop("orchestrator")
    intake, numbers = Intake(stack), iter(range(10**6))
    taken = [intake.submit(order("W-first"))]

    def refused():
        answer = intake.post(order(f"W-{next(numbers)}"))
        if answer.status == 202:
            taken.append(answer.json()["order_id"])
            return None
        return answer
    answer = stack.wait(refused, 60, "a refusal")
    assert answer.status == 503 and answer.json()["type"].endswith("overloaded") and 1 <= int(answer.headers["retry-after"]) <= 30
    assert len(taken) > 20
    assert intake.load("/v1/orders:import", json.dumps(order("W-import")), status=503)["type"].endswith("overloaded")
    assert intake.call("POST", f"/v1/orders/{taken[0]}/requests", json={"type": "cancel", "reason": "too slow"}).status == 202
    stack.start("orchestrator")
    stack.wait(lambda: intake.post(order("W-last")).status == 202, 60, "an order to be taken again")
    lines = "\n".join(json.dumps(order(f"W-line-{n}")) for n in range(300))
    summary = intake.load("/v1/orders:import", lines)[-1]["summary"]
    assert summary["accepted"] == 300, summary
    stack.wait(lambda: stack.value("SELECT count(*) FROM orchestrator.saga") == len(taken) + 301, 60, "a saga of each order")


def test_another_process_publishes_what_a_dead_one_left(intake):
    intake.stack.kill("kafka")
    ids = {intake.submit(order(f"K-{n}")) for n in range(30)}
    intake.stack.kill("intake", 1)
    intake.stack.start("kafka")
    intake.stack.wait_ready("kafka")
    intake.wait_published()
    assert {request.order_id for request in intake.requests(lambda _: True, 30)} == ids
    for n in range(30):
        answer = intake.post(order(f"K-{n}"), index=2)
        assert answer.json()["order_id"] in ids


def test_a_stopped_process_gives_way_and_comes_back(intake):
    intake.stack.kill("kafka")
    ids = {intake.submit(order(f"Z-{n}")) for n in range(10)}
    intake.stack.pause("intake", 1)
    intake.stack.start("kafka")
    intake.stack.wait_ready("kafka")
    intake.wait_published()  # by the other, which ends the stopped one's session
    intake.stack.resume("intake", 1)
    intake.stack.wait(lambda: intake.post(order("Z-again")).status == 202, 20, "it takes orders again")
    intake.wait_published()
    assert {request.order_id for request in intake.requests(lambda request: request.submit.order.channel_ref != "Z-again", 10)} == ids


def test_kill_9_under_load(intake):
    """Clients resend until they have an answer: one order each, one record's id each."""
    numbers, answers = iter(range(10**6)), {}
    stop, lock = threading.Event(), threading.Lock()

    def client(which: int) -> None:
        while not stop.is_set():
            with lock:
                n = next(numbers)
            for attempt in range(100):
                try:
                    answer = intake.post(order(f"L-{n}"), f"l-{n}", index=(which + attempt) % 2 + 1)
                except OSError:
                    continue
                if answer.status == 202:
                    answers[n] = answer.json()["order_id"]
                    break
                time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for round_ in range(4):
        before = len(answers)
        intake.stack.wait(lambda b=before: len(answers) > b + 50, 30, "orders under way")
        intake.stack.kill("intake", round_ % 2 + 1)
        intake.stack.start("intake", round_ % 2 + 1)
        intake.stack.wait_ready("intake", round_ % 2 + 1)
    stop.set()
    for thread in threads:
        thread.join()
    intake.wait_published()
    found: dict[str, set[str]] = {}
    for record in intake.stack.records("orders"):
        request = pb.orders.OrderRequest.FromString(record.value())
        found.setdefault(request.submit.order.channel_ref, set()).add((request.order_id, request.event_id))
    for n, order_id in answers.items():
        assert {pair[0] for pair in found[f"L-{n}"]} == {order_id} and len(found[f"L-{n}"]) == 1
    assert len(set(answers.values())) == len(answers)
