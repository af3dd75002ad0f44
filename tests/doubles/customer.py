#!/usr/bin/python3
"""The customers: read their mail at the mail double and answer through the public API, as behaviours.ndjson says.

PUT  /behaviours   the file's text (a feed registers it)
POST /orders       {"order_id","channel_ref"}: whose order it is; a customer knows it from the answer to the order

Mails say what they are about by headers: X-Orderclerk-Order, X-Orderclerk-Kind, and X-Orderclerk-Questions: code@field,code@field.
An answer is given once per mail (a resent mail has the same Message-ID), with an idempotency key made from it. Questions that
the behaviour has no answer for stay unanswered and are logged. Misbehaviour: slow, silent, twice (same key), late (same key again).
"""

from __future__ import annotations

import threading
import time
import uuid
from argparse import Namespace

import api
import client
from behaviours import Behaviours
from program import Answer, Program, Request, options_parser, parse
from schedule import Schedule

NAMESPACE = uuid.UUID("5b1d6f0a-93b1-5f3e-8a66-3b1d9f20c7aa")
MAIL_WAIT_MS = 1000
# The order's state reaches intake by another way than the mail reaches the customer: a refusal may be a matter of moments.
TOO_EARLY = (404, 409)
TOO_EARLY_S = 15.0
POLL_S = 0.1


def changes_for(questions: list[tuple[str, str]], behaviour: dict) -> list[dict] | None:
    """The answers to these (code, field) questions; None: not all of them can be answered."""
    answers = behaviour.get("customer", {}).get("answers", {})
    changes: dict[str, str] = {}
    for code, field in questions:
        if "DUPLICATE" in code and "duplicate" in behaviour:
            changes[field] = "yes"
            continue
        fitting = {path: value for path, value in answers.items() if path == field or path.startswith(field + ".")}
        if not fitting:
            # A department's wish or an offered date names no field of the order by itself: everything that was prepared is said.
            fitting = dict(answers)
        if not fitting:
            return None
        changes.update(fitting)
    return [{"field": field, "value": value} for field, value in changes.items()]


def questions_of(header: str) -> list[tuple[str, str]]:
    found = []
    for one in header.split(","):
        code, _, field = one.strip().partition("@")
        if code:
            found.append((code, field))
    return found


class Customer:
    def __init__(self, program: Program, options: Namespace, behaviours: Behaviours, schedule: Schedule):
        self._program = program
        self._options = options
        self._intake = options.intake.split(",")[0].rstrip("/")
        self._behaviours = behaviours
        self._schedule = schedule
        self._lock = threading.Lock()
        self._orders: dict[str, str] = {}  # order_id: channel_ref
        self._waiting: dict[str, list[dict]] = {}  # mails of orders that nobody has told us about yet
        self._seen: set[str] = set()  # Message-IDs
        program.route("POST", "/orders", self._register)

    # ---- whose order
    def _register(self, request: Request) -> Answer:
        body = request.json()
        order_id, channel_ref = body["order_id"], body["channel_ref"]
        with self._lock:
            known = order_id in self._orders
            self._orders[order_id] = channel_ref
            mails = self._waiting.pop(order_id, [])
        if not known:
            cancel = self._behaviours.of_ref(channel_ref).get("customer", {}).get("cancel", {})
            if cancel.get("when") == "at_once":
                self._later(order_id, "cancel at once", lambda: self._cancel(order_id, "at_once"))
            elif cancel.get("when") == "state":
                self._schedule.after(POLL_S, lambda: self._watch(order_id, cancel["state"]))
        for mail in mails:
            self._read(mail)
        return Answer(200, {"known": known})

    # ---- mail
    def run(self) -> None:
        since = 0
        while not self._program.stopping.is_set():
            response = client.call("GET", f"{self._options.mail.rstrip('/')}/mails?since={since}&wait={MAIL_WAIT_MS}", timeout_s=MAIL_WAIT_MS / 1000 + 5)
            found = response.json() if response.ok else None
            if not isinstance(found, dict):
                self._program.stopping.wait(0.5)
                continue
            if found["next"] < since:  # the mail server forgot: it was started anew
                since = 0
                continue
            since = found["next"]
            for mail in found["mails"]:
                if mail["order"]:
                    self._receive(mail)

    def _receive(self, mail: dict) -> None:
        with self._lock:
            if mail["message_id"] in self._seen:
                return
            self._seen.add(mail["message_id"])
            if mail["order"] not in self._orders:
                self._waiting.setdefault(mail["order"], []).append(mail)
                return
        self._read(mail)

    def _read(self, mail: dict) -> None:
        order_id, kind, message_id = mail["order"], mail["kind"], mail["message_id"]
        behaviour = self._behaviours.of_ref(self._orders[order_id])
        customer = behaviour.get("customer", {})
        cancel = customer.get("cancel", {})
        self._program.journal.write("mail", order_id=order_id, kind=kind, message_id=message_id)
        asked = kind in ("clarification", "shortage_offer")
        if asked and (cancel.get("when") == "asked" or behaviour.get("duplicate") == "cancel"):
            self._later(order_id, message_id, lambda: self._cancel(order_id, message_id))
        elif cancel.get("when") == "mail" and cancel.get("mail") == kind:
            self._later(order_id, message_id, lambda: self._cancel(order_id, message_id, too_early_s=0))
        elif kind == "clarification":
            self._answer_questions(mail, behaviour)
        elif kind == "shortage_offer" and customer.get("shortage"):
            self._later(order_id, message_id, lambda: self._choose(order_id, message_id, customer))

    def _answer_questions(self, mail: dict, behaviour: dict) -> None:
        order_id, message_id = mail["order"], mail["message_id"]
        questions = questions_of(mail["headers"].get("x-orderclerk-questions", ""))
        changes = changes_for(questions, behaviour) if questions else None
        if not changes:
            self._program.journal.write("unanswered", order_id=order_id, message_id=message_id, questions=questions)
            return
        body = api.answer(changes)
        self._later(order_id, message_id, lambda: self._ask(order_id, message_id, body))

    # ---- doing
    def _later(self, order_id: str, about: str, job) -> None:
        chaos = self._program.misbehaviour
        if chaos.choose("silent", order_id, about):
            self._program.journal.write("silence", order_id=order_id, about=about)
            return
        delay = chaos.jitter(self._options.answer_ms, order_id, about)
        if chaos.choose("slow", order_id, about):
            delay += chaos.slow_ms / 1000
        self._schedule.after(delay, job)
        if chaos.choose("twice", order_id, about):
            self._schedule.after(delay, job)
        if chaos.choose("late", order_id, about):
            self._schedule.after(delay + chaos.late_ms / 1000, job)

    def _ask(self, order_id: str, about: str, body: dict, too_early_s: float = TOO_EARLY_S) -> bool:
        """One request of the public API; true if it was taken."""
        key = str(uuid.uuid5(NAMESPACE, f"{order_id}|{about}|{body['type']}"))
        url = self._intake + api.requests_path(order_id)
        headers = {"content-type": api.JSON, "idempotency-key": key}
        end = time.monotonic() + too_early_s
        while True:
            response = client.call_until("POST", url, api.encode(body), headers, self._program.stopping.is_set)
            if response.status not in TOO_EARLY or time.monotonic() > end or self._program.stopping.is_set():
                break
            self._program.stopping.wait(POLL_S)
        self._program.journal.write("request", order_id=order_id, body=body, key=key, status=response.status, answer=response.body.decode(errors="replace")[:2000])
        return response.ok

    def _cancel(self, order_id: str, about: str, too_early_s: float = TOO_EARLY_S) -> None:
        self._ask(order_id, about, api.cancel("no longer needed"), too_early_s)

    def _choose(self, order_id: str, message_id: str, customer: dict) -> None:
        if self._ask(order_id, message_id, api.shortage(customer["shortage"])):
            for arrival in customer.get("arrivals", []):
                self._deliver(order_id, arrival)

    def _deliver(self, order_id: str, arrival: dict) -> None:
        """The supplier's goods come in. Before or after the choice is carried out makes no difference: they are enough."""
        row = api.goods_received(arrival["sku"], arrival["warehouse"], arrival["quantity"], f"SUPPLIER {arrival['sku']}")
        headers = {"content-type": api.NDJSON, "idempotency-key": str(uuid.uuid5(NAMESPACE, f"{order_id}|arrival|{arrival['sku']}"))}
        response = client.call_until("POST", self._intake + api.STOCK_PATH, api.encode(row) + b"\n", headers, self._program.stopping.is_set)
        self._program.journal.write("arrival", order_id=order_id, arrival=arrival, status=response.status, answer=response.body.decode(errors="replace")[:500])

    def _watch(self, order_id: str, state: str) -> None:
        """Cancels once the desk shows the order in this state."""
        response = client.call("GET", f"{self._options.desk.rstrip('/')}/v1/orders/{order_id}")
        found = response.json() if response.ok else None
        if isinstance(found, dict) and found.get("state") == state and _is_known_to_warehouses(found):
            self._later(order_id, "state", lambda: self._cancel(order_id, "state"))
        elif not self._program.stopping.is_set() and not (isinstance(found, dict) and found.get("state") in ("COMPLETED", "CANCELLED", "REJECTED")):
            self._schedule.after(POLL_S, lambda: self._watch(order_id, state))


def _is_known_to_warehouses(order: dict) -> bool:
    """A cancel that overtakes the release is accepted without asking the warehouse: which comes first would be chance."""
    return all(shipment.get("state") not in ("DRAFT", "RELEASE_REQUESTED") for shipment in order.get("shipments", []))


def main(argv: list[str] | None = None) -> None:
    parser = options_parser(__doc__.splitlines()[0])
    parser.add_argument("--mail", default="http://127.0.0.1:8025", metavar="URL", help="the mail double's HTTP API")
    parser.add_argument("--intake", default="http://127.0.0.1:8080", metavar="URL")
    parser.add_argument("--desk", default="http://127.0.0.1:8086", metavar="URL")
    parser.add_argument("--behaviours", default="", metavar="FILE")
    parser.add_argument("--answer-ms", type=int, default=30, help="mail to answer, on average")
    parser.add_argument("--workers", type=int, default=16)
    options = parse(parser, argv)
    program = Program("customer", options)
    schedule = Schedule(options.workers)
    behaviours = Behaviours(options.behaviours)
    behaviours.routes(program)
    program.run(Customer(program, options, behaviours, schedule).run)
    schedule.stop()


if __name__ == "__main__":
    main()
