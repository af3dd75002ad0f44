#!/usr/bin/python3
"""The departments: production, warehouse, logistics, finance, sales, QA. Reads commands.departments, answers on department-replies.

Each reply's event_id comes from its command's (uuid5): a command seen twice is answered twice by the same replies. Also reads
order-events, to know which order is which (`behaviours`) and when production may begin. Behaviours (field `departments`):
    approval  list of approve | refuse | refuse_fatal | silent: the first request gets the first, … the last repeats
    review    list of approve | changes | reject | silent
    credit    ok | refuse | silent
    plan      {"PRODUCTION": "infeasible" | "silent"}; `earliest_date` is what an infeasible plan (once) offers
    produce   done | slip | never
    pay       full | never
Misbehaviour: slow, silent, twice, late, reorder; `fail` sends an undecodable record before the reply.
"""

from __future__ import annotations

import heapq
import itertools
import time
import uuid
from argparse import Namespace
from collections.abc import Callable
from datetime import date, timedelta

import api
import bus
import client
import protos
from behaviours import Behaviours
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from program import Program, options_parser, parse

NAMESPACE = uuid.UUID("0f6f6c35-0b1c-5a5e-8d7e-2b8a4f0e9c11")
JOIN_WAIT_S = 60.0  # a command whose order isn't known yet is looked at again this long: a broker that comes back shows its topics in any order
REORDER_WAIT_S = 0.3
CREDIT_LIMIT_MINOR = 100_000_000_00


def short_number(event_id: str) -> str:
    return f"{uuid.uuid5(NAMESPACE, event_id).int % 10**8:08d}"


class Rules:
    """What is answered to what: pure, but for the count of how often an order was asked."""

    def __init__(self, pb, today: Callable[[], date], production_warehouse: str):
        self._replies = pb.department_replies
        self._today = today
        self._warehouse = production_warehouse
        self._asked: dict[tuple[str, str], list[str]] = {}

    def _nth(self, order_id: str, what: str, event_id: str) -> int:
        """How many different commands of this kind came before for this order."""
        seen = self._asked.setdefault((order_id, what), [])
        if event_id not in seen:
            seen.append(event_id)
        return seen.index(event_id)

    def answer(self, command, behaviour: dict) -> list[tuple[str, object]]:
        """(field of DepartmentReply, its message), in order; empty: silence."""
        body = command.WhichOneof("body")
        handler = getattr(self, f"_{body}", None) if body else None
        return handler(command, getattr(command, body), behaviour.get("departments", {})) if handler else []

    def _hand_over(self, command, body, rules):
        return [("erp_accepted", self._replies.ErpAccepted(erp_no="ERP-" + short_number(command.event_id)))]

    def _check_credit(self, command, body, rules):
        verdict = rules.get("credit", "ok")
        if verdict == "refuse":
            return [("credit_refused", self._replies.CreditRefused(reason="invoices of the last quarter are open"))]
        return [] if verdict == "silent" else [("credit_ok", self._replies.CreditOk(limit_minor=CREDIT_LIMIT_MINOR))]

    def _plan(self, command, body, rules):
        verdict = rules.get("plan", {}).get(body.kind, "")
        if verdict == "silent":
            return []
        if verdict == "infeasible" and self._nth(command.order_id, "plan-" + body.kind, command.event_id) == 0:
            earliest = rules.get("earliest_date") or (self._today() + timedelta(days=28)).isoformat()
            return [("plan_infeasible", self._replies.PlanInfeasible(kind=body.kind, earliest_date=earliest, reason="no capacity before"))]
        wanted = body.wanted_date or (self._today() + timedelta(days=2)).isoformat()
        return [("plan_confirmed", self._replies.PlanConfirmed(kind=body.kind, date=wanted, window="09:00-18:00"))]

    def _cancel_plan(self, command, body, rules):
        return [("plan_cancelled", self._replies.PlanCancelled(kind=body.kind))]

    def _cancel_production(self, command, body, rules):
        return [("production_cancelled", self._replies.ProductionCancelled(accepted=True))]

    def _cancel_erp(self, command, body, rules):
        return [("erp_cancelled", self._replies.ErpCancelled())]

    def _verdict(self, command, what: str, verdicts: list[str]) -> str:
        return verdicts[min(self._nth(command.order_id, what, command.event_id), len(verdicts) - 1)]

    def _request_approval(self, command, body, rules):
        verdict = self._verdict(command, "approval", rules.get("approval") or ["approve"])
        if verdict == "approve":
            return [("approved", self._replies.Approved(task_id=body.task_id, comment="within our margin"))]
        if verdict == "silent":
            return []
        return [("refused", self._replies.Refused(task_id=body.task_id, reason="not on these terms", fatal=verdict == "refuse_fatal"))]

    def _request_review(self, command, body, rules):
        verdict = self._verdict(command, "review", rules.get("review") or ["approve"])
        if verdict == "approve":
            return [("approved", self._replies.Approved(task_id=body.task_id, comment="planned"))]
        if verdict == "changes":
            return [("changes_wanted", self._replies.ChangesWanted(task_id=body.task_id, comment="the remarks need the site's opening hours"))]
        if verdict == "silent":
            return []
        return [("refused", self._replies.Refused(task_id=body.task_id, reason="not in our field", fatal=True))]

    def _request_invoice(self, command, body, rules):
        return [("invoice_issued", self._replies.InvoiceIssued(shipment_id=body.shipment_id, invoice_no="INV-" + short_number(command.event_id),
                                                               date=self._today().isoformat(), gross_minor=body.gross_minor))]

    def _payment_due(self, command, body, rules):
        if rules.get("pay", "full") == "never":
            return []
        return [("payment_received", self._replies.PaymentReceived(amount_minor=body.amount_minor, currency=body.currency,
                                                                   reference="PAY-" + short_number(command.event_id)))]

    def _credit_note(self, command, body, rules):
        return [("credit_note_issued", self._replies.CreditNoteIssued(note_no="CN-" + short_number(command.event_id), amount_minor=body.amount_minor))]

    def produce(self, lines, behaviour: dict) -> list[tuple[str, object]]:
        """What production reports about MAKE lines from their start to their end."""
        rules = behaviour.get("departments", {})
        how = rules.get("produce", "done")
        made = [line for line in lines if line.kind == 2]
        if how == "never":
            return [("production_progress", self._replies.ProductionProgress(line_no=line.line_no, percent=10)) for line in made]
        reports = [("production_progress", self._replies.ProductionProgress(line_no=line.line_no, percent=50)) for line in made]
        if how == "slip" and made:
            new_date = rules.get("earliest_date") or (self._today() + timedelta(days=28)).isoformat()
            reports.append(("schedule_slipped", self._replies.ScheduleSlipped(new_date=new_date, reason="a machine is down")))
        return reports + [("production_done", self._replies.ProductionDone(line_no=line.line_no, quantity=line.quantity, warehouse=self._warehouse))
                          for line in made]


class Departments:
    """The loop: reads, lets Rules decide, writes replies when they are due. One thread."""

    def __init__(self, program: Program, options: Namespace, behaviours: Behaviours):
        self._program = program
        self._options = options
        self._behaviours = behaviours
        self._pb = protos.load()
        self._rules = Rules(self._pb, lambda: date.fromisoformat(options.today) if options.today else date.today(), options.production_warehouse)
        self._orders: dict[str, tuple[str, str]] = {}  # order_id: (channel_ref, customer_po)
        self._stopped_production: set[str] = set()
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._swapped: Callable[[], None] | None = None
        commands = bus.topic_name(options.topic_prefix, "commands.departments")
        self._events = bus.topic_name(options.topic_prefix, "order-events")
        self._reader = bus.Reader(options.kafka, options.group, [commands, self._events])
        self._writer = bus.Writer(options.kafka, bus.topic_name(options.topic_prefix, "department-replies"))
        program.ready = lambda: self._reader.assigned

    def run(self) -> None:
        while not self._program.stopping.is_set():
            wait = min(0.1, max(self._jobs[0][0] - time.monotonic(), 0)) if self._jobs else 0.1
            for record in self._reader.read(wait):
                self._take(record)
            self._work()
            self._writer.poll()
            self._reader.commit()
        self._writer.flush(3)
        self._reader.close()

    def _later(self, seconds: float, job: Callable[[], None]) -> None:
        heapq.heappush(self._jobs, (time.monotonic() + seconds, next(self._numbers), job))

    def _work(self) -> None:
        while self._jobs and self._jobs[0][0] <= time.monotonic():
            heapq.heappop(self._jobs)[2]()

    # ---- reading
    def _take(self, record) -> None:
        try:
            if record.topic() == self._events:
                self._take_event(record, bus.message_of(self._pb.order_events.OrderEvent, record))
            else:
                command = bus.message_of(self._pb.commands.DepartmentCommand, record)
                self._log("command", record, command)
                self._take_command(record, command, time.monotonic() + JOIN_WAIT_S)
        except DecodeError as error:
            self._program.say("undecodable record", topic=record.topic(), partition=record.partition(), offset=record.offset(), error=str(error))
            self._reader.done(record)

    def _log(self, what: str, record, message) -> None:
        self._program.journal.write(what, topic=record.topic(), partition=record.partition(), offset=record.offset(), order_id=message.order_id,
                                    event_id=message.event_id, body=message.WhichOneof("body"), again=message.again)

    def _take_event(self, record, event) -> None:
        body = event.WhichOneof("body")
        self._log("event", record, event)
        if body == "received":
            self._orders[event.order_id] = (event.received.order.channel_ref, event.received.order.customer_po)
        elif body in ("cancelled", "rejected", "completed"):
            self._stopped_production.add(event.order_id)
        elif body == "production_started":
            self._produce(record, event)
            return
        self._reader.done(record)

    def _behaviour(self, order_id: str) -> dict:
        channel_ref, customer_po = self._orders.get(order_id, ("", ""))
        return self._behaviours.of_ref(channel_ref) or self._behaviours.of_po(customer_po)

    def _take_command(self, record, command, until: float) -> None:
        if command.order_id not in self._orders and not self._behaviours.empty() and time.monotonic() < until:
            self._later(0.02, lambda: self._take_command(record, command, until))
            return
        if command.WhichOneof("body") == "cancel_production":
            self._stopped_production.add(command.order_id)
        answers = self._rules.answer(command, self._behaviour(command.order_id))
        chaos = self._program.misbehaviour
        if not answers or chaos.choose("silent", command.event_id):
            self._program.journal.write("silence", order_id=command.order_id, event_id=command.event_id)
            self._reader.done(record)
            return
        replies = [self._reply(command, command.department, ordinal, field, body) for ordinal, (field, body) in enumerate(answers)]
        self._send_all(record, replies, self._options.answer_ms)

    def _produce(self, record, event) -> None:
        """Progress and the finished goods, one after the other; a cancelled production stops."""
        reports = self._rules.produce(event.production_started.lines, self._behaviour(event.order_id))
        replies = [self._reply(event, "production", ordinal, field, body) for ordinal, (field, body) in enumerate(reports)]
        if not replies:
            self._reader.done(record)
            return
        self._send_all(record, replies, self._options.production_ms, lambda: event.order_id not in self._stopped_production)

    # ---- writing
    def _reply(self, cause, department: str, ordinal: int, field: str, body):
        reply = self._pb.department_replies.DepartmentReply(
            event_id=str(uuid.uuid5(NAMESPACE, f"{cause.event_id}|{ordinal}")), order_id=cause.order_id, source="departments",
            causation_id=cause.event_id, department=department, actor=f"{department}:{self._program.instance}")
        getattr(reply, field).CopyFrom(body)
        return reply

    def _send_all(self, record, replies: list, mean_ms: int, wanted: Callable[[], bool] = lambda: True) -> None:
        """One after the other; the record is done when the last is out."""
        chaos = self._program.misbehaviour
        left = len(replies)

        def done() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._reader.done(record)

        delay = 0.0
        for reply in replies:
            delay += chaos.jitter(mean_ms, reply.event_id)
            if chaos.choose("slow", reply.event_id):
                delay += chaos.slow_ms / 1000
            self._later(delay, lambda reply=reply: self._send(reply, done) if wanted() else done())

    def _send(self, reply, done: Callable[[], None]) -> None:
        chaos = self._program.misbehaviour
        if self._swapped is None and chaos.choose("reorder", reply.event_id):
            self._swapped = lambda: self._write(reply, done)
            self._later(REORDER_WAIT_S, self._flush_swapped)
            return
        if chaos.choose("fail", reply.event_id):
            self._writer.write(reply.order_id, b"\xff not protobuf", [], lambda: None)
        self._write(reply, done)
        if chaos.choose("twice", reply.event_id):
            self._write(reply, lambda: None)
        if chaos.choose("late", reply.event_id):
            self._later(chaos.late_ms / 1000, lambda: self._write(reply, lambda: None))
        self._flush_swapped()

    def _flush_swapped(self) -> None:
        swapped, self._swapped = self._swapped, None
        if swapped is not None:
            swapped()

    def _write(self, reply, done: Callable[[], None]) -> None:
        reply.occurred_at_us = time.time_ns() // 1000
        self._program.journal.write("reply", order_id=reply.order_id, event_id=reply.event_id, causation_id=reply.causation_id,
                                    department=reply.department, body=reply.WhichOneof("body"), by=self._options.reply)
        if self._options.reply == "http":
            self._post(reply)
            done()
        else:
            self._writer.write(reply.order_id, reply.SerializeToString(), bus.cloud_headers(reply, "/departments/" + self._program.instance), done)

    def _post(self, reply) -> None:
        field = reply.WhichOneof("body")
        body = {name: int(value) if name.endswith("_minor") or name == "quantity" else value  # protobuf's JSON has int64 as text
                for name, value in MessageToDict(getattr(reply, field), preserving_proto_field_name=True).items()}
        url = self._options.intake.split(",")[0].rstrip("/") + api.replies_path(reply.department)
        response = client.call_until("POST", url, api.encode(api.department_reply(reply.order_id, reply.actor, field, body)),
                                     {"content-type": api.JSON, "idempotency-key": reply.event_id}, self._program.stopping.is_set)
        if not response.ok:
            self._program.say("reply refused", order_id=reply.order_id, status=response.status, answer=response.body.decode(errors="replace")[:500])


def main(argv: list[str] | None = None) -> None:
    parser = options_parser(__doc__.splitlines()[0])
    bus.add_options(parser)
    parser.add_argument("--group", default="departments-double")
    parser.add_argument("--behaviours", default="", metavar="FILE")
    parser.add_argument("--reply", choices=("kafka", "http"), default="kafka")
    parser.add_argument("--intake", default="http://127.0.0.1:8080", metavar="URL", help="for --reply http")
    parser.add_argument("--today", default="", metavar="YYYY-MM-DD", help="the date on invoices and plans; empty: today")
    parser.add_argument("--answer-ms", type=int, default=10, help="command to reply, on average")
    parser.add_argument("--production-ms", type=int, default=50, help="between production's reports")
    parser.add_argument("--production-warehouse", default="SH1")
    options = parse(parser, argv)
    program = Program("departments", options)
    behaviours = Behaviours(options.behaviours)
    behaviours.routes(program)
    program.run(Departments(program, options, behaviours).run)


if __name__ == "__main__":
    main()
