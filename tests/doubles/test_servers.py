"""The warehouse, carrier and mail doubles as their peers see them: HTTP and SMTP over sockets, inside this process."""

import argparse
import asyncio
import json
import smtplib
import threading
import uuid
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import client
import mail
import pytest
import warehouse
import webhook
from behaviours import Behaviours
from callbacks import Callbacks
from carrier import Carrier
from program import Program, address, options_parser
from schedule import Schedule

SECRET = "whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ="
PATIENCE_S = 20


class Tracker:
    """Takes callbacks as the tracker's ingress does; refuses the first `failures` of them with 503."""

    def __init__(self, failures=0):
        self.changed = threading.Condition()
        self.callbacks = []
        self.webhook_ids = []
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                nonlocal failures
                body = self.rfile.read(int(self.headers["content-length"]))
                stamp = self.headers["webhook-timestamp"]
                good = webhook.verify(SECRET, self.headers["webhook-id"], stamp, self.headers["webhook-signature"], body, int(stamp))
                with tracker.changed:
                    status = 503 if failures > 0 else 202 if good else 401
                    failures -= 1
                    tracker.webhook_ids.append(self.headers["webhook-id"])
                    if status == 202:
                        tracker.callbacks.append((self.path, json.loads(body)))
                    tracker.changed.notify_all()
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def kinds(self):
        return [callback["kind"] for _, callback in self.callbacks]

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), self.kinds()


class Running:
    """A double's HTTP server without its main loop."""

    def __init__(self, program):
        self.program = program
        self.url = f"http://127.0.0.1:{program.port}"
        threading.Thread(target=program._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def start():
    """Starts a warehouse (with its own carrier) that calls back a Tracker."""
    ends = []

    def starter(failures=0, behaviours="", **flags):
        tracker = Tracker(failures)
        parser = options_parser("test")
        Carrier.add_options(parser)
        arguments = ["--transit-ms=1", "--deliver-ms=1", *(f"--{name.replace('_', '-')}={value}" for name, value in flags.items())]
        options = parser.parse_args(arguments)
        vars(options).update(warehouse="SH1", carrier="", accept_ms=1, pick_ms=1, pack_ms=1, hand_over_ms=1, cancel_ms=1)
        program = Program("warehouse", options)
        schedule = Schedule(8)
        known = Behaviours()
        known.add(behaviours)
        callbacks = Callbacks(program, tracker.url, lambda code: SECRET)
        carrier = Carrier(program, callbacks, schedule, options)
        carrier.routes(program)
        warehouse.Warehouse(program, options, schedule, callbacks, known, carrier)
        running = Running(program)
        ends.append((program, schedule, tracker))
        return running, tracker

    yield starter
    for program, schedule, tracker in ends:
        program.stopping.set()
        schedule.stop()
        for server in (program._server, tracker.server):
            server.shutdown()
            server.server_close()


def release(running, shipment_id, po="PO-1", quantity=3):
    body = {"shipment_id": shipment_id, "order_id": str(uuid.UUID(int=9)), "customer_po": po, "deliver_to": {"country": "CN"},
            "lines": [{"line_no": 1, "sku": "A-100", "quantity": quantity}]}
    return client.call("PUT", f"{running.url}/GZ1/wms/v1/shipments/{shipment_id}", json.dumps(body).encode())


def cancel(running, shipment_id):
    return client.call("POST", f"{running.url}/GZ1/wms/v1/shipments/{shipment_id}/cancel-request", b'{"reason":"changed my mind"}')


USUAL = ["accepted", "picking", "packed", "handed_over", "in_transit", "delivered"]


def test_a_shipment_goes_its_way(start):
    running, tracker = start(failures=2)
    shipment_id = str(uuid.uuid4())
    assert release(running, shipment_id).status == 202
    tracker.wait(lambda: len(tracker.callbacks) == 6)
    assert tracker.kinds() == USUAL
    assert {path for path, _ in tracker.callbacks} == {"/v1/warehouses/GZ1/callbacks"}
    handed_over = tracker.callbacks[3][1]
    assert handed_over["lines"] == [{"line_no": 1, "sku": "A-100", "quantity": 3}]
    assert handed_over["tracking_no"].startswith("SF") and handed_over["carrier"] == "SF"
    # The refused tries had the same id as the one that was taken.
    assert len(tracker.webhook_ids) == 8 and len(set(tracker.webhook_ids)) == 6
    assert release(running, shipment_id).status == 200
    assert release(running, shipment_id, quantity=4).status == 409
    assert cancel(running, shipment_id).status == 202
    tracker.wait(lambda: len(tracker.callbacks) == 7)
    assert tracker.kinds()[-1] == "cancel_rejected"


def test_a_silent_warehouse_accepts_and_never_answers(start):
    running, tracker = start(silent=1)
    assert release(running, "s1").status == 202
    assert client.call("PUT", f"{running.url}/control", b'{"silent":0}').status == 200
    assert release(running, "s2").status == 202
    tracker.wait(lambda: len(tracker.callbacks) == 6)
    assert {callback["shipment_id"] for _, callback in tracker.callbacks} == {"s2"}


def test_a_held_shipment_is_cancelled(start):
    running, tracker = start(behaviours='{"channel_ref":"r","customer_po":"PO-H","warehouse":"hold_until_cancel"}')
    release(running, "s1", po="PO-H")
    tracker.wait(lambda: len(tracker.callbacks) == 2)
    cancel(running, "s1")
    cancel(running, "s1")
    tracker.wait(lambda: len(tracker.callbacks) == 3)
    assert tracker.kinds() == ["accepted", "picking", "cancel_accepted"]
    assert cancel(running, "unknown").status == 404


@pytest.mark.parametrize("wait_for_picking", [True, False])
def test_a_refused_cancel_lets_the_shipment_go_on(start, wait_for_picking):
    running, tracker = start(behaviours='{"channel_ref":"r","customer_po":"PO-R","warehouse":"refuse_cancel"}')
    release(running, "s1", po="PO-R")
    if wait_for_picking:
        tracker.wait(lambda: "picking" in tracker.kinds())
    cancel(running, "s1")
    tracker.wait(lambda: "delivered" in tracker.kinds() and "cancel_rejected" in tracker.kinds())
    assert sorted(tracker.kinds()) == sorted([*USUAL, "cancel_rejected"])


def test_a_warehouse_may_reject(start):
    running, tracker = start(behaviours='{"channel_ref":"r","customer_po":"PO-N","warehouse":"reject"}')
    release(running, "s1", po="PO-N")
    tracker.wait(lambda: tracker.kinds() == ["rejected"])
    assert tracker.callbacks[0][1]["reason"]


def test_misbehaviour_doubles_delays_and_reorders(start):
    running, tracker = start(twice=1, reorder=1, late=1, late_ms=1)
    release(running, "s1")
    tracker.wait(lambda: all(tracker.kinds().count(kind) == 3 for kind in USUAL))
    assert tracker.kinds().index("delivered") < tracker.kinds().index("in_transit")


def test_failing_releases_are_repeated_until_taken(start):
    running, tracker = start(fail=0.5, seed=3)
    for number in range(8):
        for _ in range(60):
            if release(running, f"s{number}").ok:
                break
        else:
            pytest.fail("60 tries failed")
    tracker.wait(lambda: len(tracker.callbacks) == 48)


@pytest.fixture
def mailbox(tmp_path):
    """An SMTP server and its box, without the HTTP API."""
    options = options_parser("test").parse_args([])
    program = Program("mail", options)
    box = mail.Box(str(tmp_path))
    ports = []
    listening = threading.Event()

    def on_listening(port):
        ports.append(port)
        listening.set()

    async def serve():
        await mail.Server(program, box, refuse=0.0).serve(address("127.0.0.1:0"), on_listening)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert listening.wait(PATIENCE_S)
    yield argparse.Namespace(program=program, box=box, port=ports[0], folder=tmp_path)
    program.stopping.set()
    thread.join(PATIENCE_S)
    program._server.server_close()


def message(message_id="<m1@orderclerk.example>", body="您好，\n.隐藏的点\n请补充门牌号。\n"):
    built = EmailMessage()
    built["From"], built["To"], built["Subject"] = "desk@orderclerk.example", "buyer@kunpeng.example", "订单需要确认"
    built["Message-ID"] = message_id
    built["X-Orderclerk-Order"], built["X-Orderclerk-Kind"] = "order-1", "clarification"
    built["X-Orderclerk-Questions"] = "ADDRESS_INCOMPLETE@delivery.street"
    built.set_content(body)
    return built


def test_mail_is_kept_decoded_and_found(mailbox):
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=PATIENCE_S) as smtp:
        smtp.login("user", "password")
        smtp.send_message(message())
        smtp.send_message(message())
        with pytest.raises(smtplib.SMTPResponseException):
            smtp.docmd("NONSENSE")
            raise smtplib.SMTPResponseException(*smtp.docmd("DATA"))
    number, mails = mailbox.box.find(0, 0, {"to": "buyer@kunpeng.example"})
    assert number == 2 and [m["repeat"] for m in mails] == [False, True]
    assert mails[0]["subject"] == "订单需要确认"
    assert "门牌号" in mails[0]["body"] and "\n.隐藏的点" in mails[0]["body"].replace("\r\n", "\n")
    assert mails[0]["headers"]["x-orderclerk-questions"] == "ADDRESS_INCOMPLETE@delivery.street"
    assert mailbox.box.find(0, 0, {"kind": "shipped"}) == (2, [])
    again = mail.Box(str(mailbox.folder))  # a restart finds what was kept
    assert again.find(1, 0, {})[1][0]["message_id"] == "<m1@orderclerk.example>"


def test_mail_server_refuses_for_now(mailbox):
    mailbox.program.misbehaviour.change({"fail": 1})
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=PATIENCE_S) as smtp:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.send_message(message())
        assert refused.value.smtp_code == 451
        mailbox.program.misbehaviour.change({"fail": 0})
        smtp.send_message(message())
    assert mailbox.box.find(0, 0, {})[0] == 1
