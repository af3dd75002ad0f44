#!/usr/bin/python3
"""A warehouse (or several) that speaks the canonical JSON protocol: takes releases, picks, packs, hands over, calls back.

PUT  [/{warehouse}]/wms/v1/shipments/{id}                 release: 202; the same again 200; other content 409
POST [/{warehouse}]/wms/v1/shipments/{id}/cancel-request  202; the answer is a callback; unknown shipment: 404
GET  [/{warehouse}]/wms/v1/shipments/{id}                 what it knows

Callbacks go to {fulfillment}/v1/warehouses/{warehouse}/callbacks, signed as Standard Webhooks. The next stage begins when
the callback before it was taken, so that news are in order; `reorder` breaks that on purpose.
Behaviours by customer_po (field `warehouse`): silent, reject, hold_until_cancel, refuse_cancel (holds, says no, goes on).
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from dataclasses import dataclass, field

import client
import tracking
from behaviours import Behaviours
from callbacks import Callbacks
from carrier import Carrier
from program import Answer, HangUp, Program, Request, options_parser, parse
from schedule import Schedule

STAGES = ("accepted", "picking", "packed", "handed_over")
CANCELLABLE = ("released", "accepted", "picking")  # packed goods stay in the parcel


@dataclass
class Shipment:
    shipment_id: str
    warehouse: str
    release: dict
    mode: str  # "": as usual; else a behaviour
    stage: str = "released"
    held: bool = False  # waits for a cancel request
    cancel: str = ""  # "", accepted, rejected
    lock: threading.Lock = field(default_factory=threading.Lock)


class Warehouse:
    def __init__(self, program: Program, options: argparse.Namespace, schedule: Schedule, callbacks: Callbacks,
                 behaviours: Behaviours, carrier: Carrier | None):
        self._program = program
        self._options = options
        self._schedule = schedule
        self._callbacks = callbacks
        self._behaviours = behaviours
        self._carrier = carrier
        self._lock = threading.Lock()
        self._shipments: dict[str, Shipment] = {}
        self._tries: dict[str, int] = {}  # of each release: a failure is chosen per try, not for ever
        program.route("PUT", r"(?:/([^/]+))?/wms/v1/shipments/([^/]+)", self._release)
        program.route("GET", r"(?:/([^/]+))?/wms/v1/shipments/([^/]+)", self._show)
        program.route("POST", r"(?:/([^/]+))?/wms/v1/shipments/([^/]+)/cancel-request", self._cancel)

    # ---- requests
    def _misbehave(self, shipment_id: str, what: str) -> None:
        """Slow or broken answers, before anything is stored or (every second time) after it."""
        chaos = self._program.misbehaviour
        if chaos.choose("slow", what, shipment_id):
            self._program.stopping.wait(chaos.slow_ms / 1000)

    def _fails(self, shipment_id: str, what: str, tries: int) -> bool:
        return self._program.misbehaviour.choose("fail", what, shipment_id, tries)

    def _release(self, request: Request) -> Answer:
        prefix, shipment_id = request.params
        release = request.json()
        warehouse = prefix or release.get("warehouse") or self._options.warehouse
        self._program.journal.write("release", shipment_id=shipment_id, warehouse=warehouse, release=release,
                                    idempotency_key=request.headers.get("idempotency-key", ""))
        if not isinstance(release.get("lines"), list) or not release["lines"] or not release.get("order_id"):
            raise ValueError("a release has order_id and lines")
        self._misbehave(shipment_id, "release")
        with self._lock:
            known = self._shipments.get(shipment_id)
            tries = self._tries[shipment_id] = self._tries.get(shipment_id, 0) + 1
            if known is None and self._fails(shipment_id, "release", tries):
                return Answer(503, {"title": "try again"}, "application/problem+json")
            if known is None:
                mode = self._behaviours.of_po(release.get("customer_po", "")).get("warehouse", "")
                shipment = self._shipments[shipment_id] = Shipment(shipment_id, warehouse, release, mode)
        if known is not None:
            if known.release != release:
                return Answer(409, {"title": "another release has this id"}, "application/problem+json")
            return Answer(200, self._view(known))
        silent = shipment.mode == "silent" or self._program.misbehaviour.choose("silent", "release", shipment_id)
        if not silent:
            self._next(shipment, "rejected" if shipment.mode == "reject" else STAGES[0])
        if self._fails(shipment_id, "answer", tries):
            raise HangUp  # stored, but the answer is lost
        return Answer(202, self._view(shipment))

    def _show(self, request: Request) -> Answer:
        with self._lock:
            shipment = self._shipments.get(request.params[1])
        if shipment is None:
            return Answer(404, {"title": "unknown shipment"}, "application/problem+json")
        return Answer(200, self._view(shipment))

    def _cancel(self, request: Request) -> Answer:
        shipment_id = request.params[1]
        self._program.journal.write("cancel_request", shipment_id=shipment_id, body=request.body.decode(errors="replace"))
        self._misbehave(shipment_id, "cancel")
        with self._lock:
            shipment = self._shipments.get(shipment_id)
        if shipment is None:
            return Answer(404, {"title": "unknown shipment"}, "application/problem+json")
        chaos = self._program.misbehaviour
        if shipment.mode == "silent" or chaos.choose("silent", "release", shipment_id):
            return Answer(202, self._view(shipment))
        with shipment.lock:
            if not shipment.cancel:
                refuses = shipment.mode == "refuse_cancel" or shipment.stage not in CANCELLABLE
                shipment.cancel = "rejected" if refuses else "accepted"
                held, shipment.held = shipment.held, False
                first = True
            else:
                held = first = False
            verdict = shipment.cancel
        if first:
            self._schedule.after(chaos.jitter(self._options.cancel_ms, shipment_id, "cancel"),
                                 lambda: self._answer_cancel(shipment, verdict, held))
        return Answer(202, self._view(shipment))

    def _view(self, shipment: Shipment) -> dict:
        return {"shipment_id": shipment.shipment_id, "warehouse": shipment.warehouse, "stage": shipment.stage,
                "cancel_request": shipment.cancel or "none"}

    # ---- work
    def _answer_cancel(self, shipment: Shipment, verdict: str, held: bool) -> None:
        self._call_back(shipment, f"cancel_{verdict}", reason="" if verdict == "accepted" else "the goods are packed")
        if held and verdict == "rejected":
            self._next(shipment, "packed")

    def _next(self, shipment: Shipment, stage: str) -> None:
        chaos = self._program.misbehaviour
        mean_ms = {"accepted": self._options.accept_ms, "rejected": self._options.accept_ms, "picking": self._options.pick_ms,
                   "packed": self._options.pack_ms, "handed_over": self._options.hand_over_ms}[stage]
        delay = chaos.jitter(mean_ms, shipment.shipment_id, stage)
        if chaos.choose("slow", stage, shipment.shipment_id):
            delay += chaos.slow_ms / 1000
        self._schedule.after(delay, lambda: self._work(shipment, stage))

    def _work(self, shipment: Shipment, stage: str) -> None:
        with shipment.lock:
            if shipment.cancel == "accepted":
                return
            shipment.stage = stage
            # Held in picking, where a cancel request can still be granted or refused; its answer sends the shipment on.
            holds = stage == "picking" and shipment.mode in ("hold_until_cancel", "refuse_cancel") and not shipment.cancel
            shipment.held = holds
        reorder = stage in ("accepted", "picking") and self._program.misbehaviour.choose("reorder", stage, shipment.shipment_id)
        if not reorder:
            self._call_back(shipment, stage)
        if stage == "handed_over":
            self._to_carrier(shipment)
        elif stage != "rejected" and not holds:
            self._next(shipment, STAGES[STAGES.index(stage) + 1])
        if reorder:
            self._call_back(shipment, stage)

    def _carrier_of(self, shipment: Shipment) -> str:
        return tracking.carrier_of((shipment.release.get("deliver_to") or {}).get("country", "CN"))

    def _call_back(self, shipment: Shipment, kind: str, reason: str = "") -> None:
        now = time.time()
        lines = [{name: line[name] for name in ("line_no", "sku", "quantity")} for line in shipment.release["lines"]]
        callback = {"shipment_id": shipment.shipment_id, "order_id": shipment.release["order_id"], "kind": kind,
                    "happened_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}
        if kind in ("packed", "handed_over"):
            callback["lines"] = lines
        if kind == "handed_over":
            carrier = self._carrier_of(shipment)
            callback.update(carrier=carrier, tracking_no=tracking.tracking_no(carrier, shipment.shipment_id),
                            eta_date=time.strftime("%Y-%m-%d", time.gmtime(now + 2 * 86400)))
        if kind == "rejected":
            callback["reason"] = "the warehouse is closed for stock-taking"
        if reason:
            callback["reason"] = reason
        chaos = self._program.misbehaviour
        self._callbacks.send(shipment.warehouse, callback)
        if chaos.choose("twice", kind, shipment.shipment_id):
            self._callbacks.send(shipment.warehouse, callback)
        if chaos.choose("late", kind, shipment.shipment_id):
            self._schedule.after(chaos.late_ms / 1000, lambda: self._callbacks.send(shipment.warehouse, callback))

    def _to_carrier(self, shipment: Shipment) -> None:
        carrier = self._carrier_of(shipment)
        parcel = {"shipment_id": shipment.shipment_id, "order_id": shipment.release["order_id"], "warehouse": shipment.warehouse,
                  "carrier": carrier, "tracking_no": tracking.tracking_no(carrier, shipment.shipment_id),
                  "lines": [{name: line[name] for name in ("line_no", "sku", "quantity")} for line in shipment.release["lines"]]}
        if self._carrier is not None:
            self._carrier.take(parcel)
            return
        client.call_until("POST", self._options.carrier.rstrip("/") + "/carrier/v1/parcels", json.dumps(parcel).encode(),
                          {"content-type": "application/json"}, self._program.stopping.is_set)


def main(argv: list[str] | None = None) -> None:
    parser = options_parser(__doc__.splitlines()[0])
    parser.add_argument("--fulfillment", default="http://127.0.0.1:8084", metavar="URL", help="where callbacks go")
    parser.add_argument("--warehouse", default="SH1", metavar="CODE", help="of releases whose path and body name none")
    parser.add_argument("--warehouse-secret", default="whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ=", help="signs callbacks")
    parser.add_argument("--carrier", default="", metavar="URL", help="who delivers; empty: done by this process")
    parser.add_argument("--behaviours", default="", metavar="FILE")
    parser.add_argument("--workers", type=int, default=32, help="callbacks under way")
    for name, default, text in (("accept", 5, "release to accepted"), ("pick", 10, "accepted to picking"),
                                ("pack", 10, "picking to packed"), ("hand-over", 10, "packed to handed_over"),
                                ("cancel", 10, "cancel request to its answer")):
        parser.add_argument(f"--{name}-ms", type=int, default=default, help=text)
    Carrier.add_options(parser)
    options = parse(parser, argv)
    program = Program("warehouse", options)
    schedule = Schedule(options.workers)
    callbacks = Callbacks(program, options.fulfillment, lambda warehouse: options.warehouse_secret)
    behaviours = Behaviours(options.behaviours)
    behaviours.routes(program)
    carrier = None if options.carrier else Carrier(program, callbacks, schedule, options)
    if carrier is not None:
        carrier.routes(program)
    Warehouse(program, options, schedule, callbacks, behaviours, carrier)
    program.run()
    schedule.stop()


if __name__ == "__main__":
    main()
