"""Customer, feed and wait against a stub of intake and desk: real HTTP and SMTP, inside this process."""

import json
import smtplib
import subprocess
import sys
import threading
import uuid
from argparse import Namespace
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import customer
import feed
import generate
import pytest
import wait
from behaviours import Behaviours
from program import Program, options_parser
from schedule import Schedule

PATIENCE_S = 20
HERE = Path(__file__).resolve().parent


class Company:
    """Takes what intake and desk would; remembers it. Refuses the first post of each order with 503."""

    def __init__(self):
        self.changed = threading.Condition()
        self.requests = []  # (path, body, key)
        self.orders = {}  # channel identity: order_id
        self.states = {}
        self.refused_once = set()
        company = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                self.answer(*company.take(urlsplit(self.path).path, raw, self.headers["idempotency-key"]))

            def do_GET(self):
                self.answer(*company.show(urlsplit(self.path).path))

            def answer(self, status, document):
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, path, raw, key):
        with self.changed:
            try:
                if path == "/v1/orders":
                    if key not in self.refused_once:
                        self.refused_once.add(key)
                        return 503, {}
                    order = json.loads(raw)
                    self.requests.append((path, order, key))
                    if order["currency"] == "XQZ" or not order["lines"] or not isinstance(order["lines"][0]["quantity"], int):
                        return 400, {"type": "bad"}
                    if order["lines"][0]["quantity"] < 1 or order["lines"][0]["unit_price"].startswith("-") or order["lines"][0]["requested_date"] == "2026-02-30":
                        return 422, {"type": "bad"}
                    identity = (order["channel"], order["channel_account"], order["channel_ref"])
                    return 202, {"order_id": self.orders.setdefault(identity, str(uuid.uuid4()))}
                body = json.loads(raw) if not path.endswith(":import") else raw.decode()
                self.requests.append((path, body, key))
                return 202, {}
            finally:
                self.changed.notify_all()

    def show(self, path):
        if path == "/v1/orders":
            return 200, {"orders": list(self.states.values())}
        order = self.states.get(path.removeprefix("/v1/orders/"))
        return (200, order) if order else (404, {})

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), self.requests


@pytest.fixture
def company():
    company = Company()
    yield company
    company.server.shutdown()
    company.server.server_close()


@pytest.fixture
def desk_and_mail(company, tmp_path):
    """A mail server of its own process, and a customer who reads it."""
    mail = subprocess.Popen([sys.executable, str(HERE / "mail.py"), "--keep", str(tmp_path / "mail")], stdout=subprocess.PIPE, text=True)
    ports = {}
    while len(ports) < 2:
        line = json.loads(mail.stdout.readline())
        ports[line["text"]] = line["port"]
    parser = options_parser("test")
    options = parser.parse_args(["--journal", str(tmp_path / "customer.jsonl")])
    vars(options).update(mail=f"http://127.0.0.1:{ports['listening']}", intake=company.url, desk=company.url, answer_ms=1)
    program = Program("customer", options)
    schedule = Schedule(4)
    behaviours = Behaviours()
    person = customer.Customer(program, options, behaviours, schedule)
    threads = [threading.Thread(target=person.run, daemon=True), threading.Thread(target=program._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)]
    for thread in threads:
        thread.start()

    def send(order_id, kind, message_id, questions=""):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"], message["Message-ID"] = "desk@a.example", "buyer@b.example", kind, message_id
        message["X-Orderclerk-Order"], message["X-Orderclerk-Kind"] = order_id, kind
        if questions:
            message["X-Orderclerk-Questions"] = questions
        message.set_content("…")
        with smtplib.SMTP("127.0.0.1", ports["smtp listening"], timeout=PATIENCE_S) as smtp:
            smtp.send_message(message)

    def known(order_id, **behaviour):
        behaviours.add(json.dumps({"channel_ref": order_id + "-ref", **behaviour}))
        feed.client.call("POST", f"http://127.0.0.1:{program.port}/orders", json.dumps({"order_id": order_id, "channel_ref": order_id + "-ref"}).encode())

    yield Namespace(send=send, known=known)
    program.stopping.set()
    schedule.stop()
    program._server.shutdown()
    program._server.server_close()
    mail.terminate()
    assert mail.wait(PATIENCE_S) == 0


def asked(company):
    return [(path, body) for path, body, _ in company.requests]


def test_questions_are_answered_once(company, desk_and_mail):
    desk_and_mail.send("o1", "clarification", "<1@a>", "ADDRESS_INCOMPLETE@delivery.phone,PRODUCT_UNKNOWN@lines[0].product_code")
    desk_and_mail.known("o1", customer={"answers": {"delivery.phone": "+86 199 0000 0001", "lines[0].product_code": "A-100"}})
    company.wait(lambda: len(company.requests) == 1)
    desk_and_mail.send("o1", "clarification", "<1@a>", "ADDRESS_INCOMPLETE@delivery.phone")  # the same mail once more
    desk_and_mail.known("o2", customer={"answers": {"remarks": "9 to 5"}})
    desk_and_mail.send("o2", "clarification", "<2@a>", "CHANGES_WANTED@")
    company.wait(lambda: len(company.requests) == 2)
    assert asked(company) == [
        ("/v1/orders/o1/requests", {"type": "answer", "changes": [{"field": "delivery.phone", "value": "+86 199 0000 0001"},
                                                                   {"field": "lines[0].product_code", "value": "A-100"}]}),
        ("/v1/orders/o2/requests", {"type": "answer", "changes": [{"field": "remarks", "value": "9 to 5"}]})]


def test_a_shortage_is_answered_and_goods_arrive(company, desk_and_mail):
    desk_and_mail.known("o1", customer={"shortage": [{"line_no": 1, "kind": "WAIT"}], "arrivals": [{"sku": "Q-301", "warehouse": "SH1", "quantity": 80}]})
    desk_and_mail.send("o1", "shortage_offer", "<1@a>")
    company.wait(lambda: len(company.requests) == 2)
    assert asked(company)[0] == ("/v1/orders/o1/requests", {"type": "shortage", "choices": [{"line_no": 1, "kind": "WAIT"}]})
    path, row = asked(company)[1]
    assert path == "/v1/stock:import" and json.loads(row) == {"type": "received", "sku": "Q-301", "warehouse": "SH1", "quantity": 80, "reference": "SUPPLIER Q-301"}


def test_cancels_come_when_they_should(company, desk_and_mail):
    desk_and_mail.known("o1", customer={"cancel": {"when": "at_once"}})
    company.wait(lambda: len(company.requests) == 1)
    desk_and_mail.known("o2", customer={"cancel": {"when": "mail", "mail": "shipped"}})
    desk_and_mail.send("o2", "confirmed", "<1@a>")
    desk_and_mail.send("o2", "shipped", "<2@a>")
    company.wait(lambda: len(company.requests) == 2)
    desk_and_mail.known("o3", customer={"cancel": {"when": "state", "state": "IN_FULFILMENT"}})
    company.states["o3"] = {"order_id": "o3", "state": "REGISTERED"}
    company.states["o3"] = {"order_id": "o3", "state": "IN_FULFILMENT"}
    company.wait(lambda: len(company.requests) == 3)
    desk_and_mail.known("o4", customer={"cancel": {"when": "asked"}, "answers": {}})
    desk_and_mail.send("o4", "clarification", "<3@a>", "X@delivery.city")
    company.wait(lambda: len(company.requests) == 4)
    assert [path for path, _ in asked(company)] == [f"/v1/orders/o{n}/requests" for n in (1, 2, 3, 4)]
    assert all(body["type"] == "cancel" for _, body in asked(company))


def test_unforeseen_questions_stay_open():
    assert customer.changes_for([("PRICE_ABOVE_LIST", "lines[0].unit_price")], {"customer": {"answers": {}}}) is None
    assert customer.changes_for([("DUPLICATE_SUSPECTED", "channel_ref")], {"duplicate": "keep"}) == [{"field": "channel_ref", "value": "yes"}]
    assert customer.questions_of("A@x.y, B@lines[0].z ,,") == [("A", "x.y"), ("B", "lines[0].z")]


def test_a_feed_can_be_repeated_and_is_compared(company, tmp_path):
    from datetime import date

    data = tmp_path / "data"
    generate.generate(1, date(2026, 11, 24), data, True, "http://127.0.0.1:1", generate.SECRET)
    expected = [json.loads(line) for line in (data / "expected.ndjson").read_text().splitlines()]
    for run in ("one", "two"):
        assert feed.main(["--data", str(data), "--intake", company.url, "--log", str(tmp_path / run), "--timeout-s", "60"]) == 0
    posted = [(body["channel_ref"], key) for path, body, key in company.requests if path == "/v1/orders"]
    assert len(posted) == 2 * len(expected) and len(set(posted)) == len(expected)  # the second run repeated every key
    imports = [path for path, _, _ in company.requests if path.endswith(":import")]
    assert imports[:6] == [f"/v1/reference/{kind}:import" for kind in feed.REFERENCE_KINDS] + ["/v1/stock:import"]
    order_of = {}
    for line in (tmp_path / "one").read_text().splitlines():
        row = json.loads(line)
        want = expected[row["line"]]
        assert row["tries"] == 2 and (row["status"] in want["http"] if "http" in want else row["status"] == 202)
        if "state" in want:
            order_of[row["order_id"]] = want
    for order_id, want in order_of.items():
        state, owner = wait.place_of(want, False)
        company.states[order_id] = {"order_id": order_id, "state": state, "waiting_on": owner, "revision": 1, "submitted_at": "2026-11-24T00:00:00Z",
                                    "state_since": "2026-11-24T00:00:01Z", "definition": want.get("definition", "")}
    arguments = ["--desk", company.url, "--log", str(tmp_path / "one"), "--expected", str(data / "expected.ndjson"), "--timeout-s", "30"]
    assert wait.main(arguments) == 0
    wrong = next(order_id for order_id, want in order_of.items() if want["state"] == "COMPLETED")
    company.states[wrong]["state"] = "CANCELLED"
    assert wait.main(arguments) == 1
    company.states[wrong]["state"] = "SHIPPED"
    assert wait.main([*arguments, "--quiet-s", "0"]) == 2
