#!/usr/bin/python3
"""A carrier: takes parcels from warehouses and reports in_transit and delivered to the tracker.

POST /carrier/v1/parcels {"shipment_id","order_id","warehouse","carrier","tracking_no","lines"}: 202; the same again: 200.
GET  /carrier/v1/parcels/{tracking_no}: the events so far.

Misbehaviour: `reorder` sends delivered before in_transit, `twice` and `late` send events again, `silent` never delivers.
A warehouse double without --carrier runs this class in its own process.
"""

from __future__ import annotations

import argparse
import threading
import time

from callbacks import Callbacks
from program import Answer, Program, Request, options_parser, parse
from schedule import Schedule

REQUIRED = ("shipment_id", "order_id", "warehouse", "carrier", "tracking_no", "lines")


class Carrier:
    def __init__(self, program: Program, callbacks: Callbacks, schedule: Schedule, options: argparse.Namespace):
        self._program = program
        self._callbacks = callbacks
        self._schedule = schedule
        self._transit_ms = options.transit_ms
        self._deliver_ms = options.deliver_ms
        self._lock = threading.Lock()
        self._parcels: dict[str, dict] = {}  # by tracking number

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--transit-ms", type=int, default=20, help="from hand-over to in_transit")
        parser.add_argument("--deliver-ms", type=int, default=50, help="from in_transit to delivered")

    def take(self, parcel: dict) -> bool:
        """False: known already."""
        missing = [name for name in REQUIRED if not parcel.get(name)]
        if missing:
            raise ValueError(f"missing: {', '.join(missing)}")
        with self._lock:
            if parcel["tracking_no"] in self._parcels:
                return False
            self._parcels[parcel["tracking_no"]] = {**parcel, "events": []}
        chaos = self._program.misbehaviour
        if chaos.choose("silent", "carrier", parcel["shipment_id"]):
            return True
        kinds = ["in_transit", "delivered"]
        if chaos.choose("reorder", "carrier", parcel["shipment_id"]):
            kinds.reverse()
        self._later(parcel, kinds)
        return True

    def _later(self, parcel: dict, kinds: list[str]) -> None:
        if not kinds:
            return
        chaos = self._program.misbehaviour
        delay = chaos.jitter(self._transit_ms if kinds[0] == "in_transit" else self._deliver_ms, parcel["shipment_id"], kinds[0])
        if chaos.choose("slow", "carrier", parcel["shipment_id"], kinds[0]):
            delay += chaos.slow_ms / 1000
        self._schedule.after(delay, lambda: self._report(parcel, kinds))

    def _report(self, parcel: dict, kinds: list[str]) -> None:
        kind = kinds[0]
        now = time.time()
        event = {"shipment_id": parcel["shipment_id"], "order_id": parcel["order_id"], "kind": kind,
                 "carrier": parcel["carrier"], "tracking_no": parcel["tracking_no"], "lines": parcel["lines"],
                 "eta_date": time.strftime("%Y-%m-%d", time.gmtime(now + 86400)),
                 "happened_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}
        with self._lock:
            self._parcels[parcel["tracking_no"]]["events"].append(event)
        chaos = self._program.misbehaviour
        for _ in range(2 if chaos.choose("twice", "carrier", parcel["shipment_id"], kind) else 1):
            self._callbacks.send(parcel["warehouse"], event)
        if chaos.choose("late", "carrier", parcel["shipment_id"], kind):
            self._schedule.after(chaos.late_ms / 1000, lambda: self._callbacks.send(parcel["warehouse"], event))
        self._later(parcel, kinds[1:])

    def routes(self, program: Program) -> None:
        program.route("POST", r"/carrier/v1/parcels", self._post)
        program.route("GET", r"/carrier/v1/parcels/([^/]+)", self._get)

    def _post(self, request: Request) -> Answer:
        parcel = request.json()
        self._program.journal.write("parcel", parcel=parcel)
        return Answer(202 if self.take(parcel) else 200, {"tracking_no": parcel["tracking_no"]})

    def _get(self, request: Request) -> Answer:
        with self._lock:
            parcel = self._parcels.get(request.params[0])
            return Answer(200, parcel) if parcel else Answer(404, {"title": "unknown parcel"}, "application/problem+json")


def main(argv: list[str] | None = None) -> None:
    parser = options_parser(__doc__.splitlines()[0])
    parser.add_argument("--fulfillment", default="http://127.0.0.1:8084", metavar="URL", help="where callbacks go")
    parser.add_argument("--warehouse-secret", default="whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ=", help="signs callbacks")
    parser.add_argument("--workers", type=int, default=16)
    Carrier.add_options(parser)
    options = parse(parser, argv)
    program = Program("carrier", options)
    schedule = Schedule(options.workers)
    carrier = Carrier(program, Callbacks(program, options.fulfillment, lambda warehouse: options.warehouse_secret), schedule, options)
    carrier.routes(program)
    program.run()
    schedule.stop()


if __name__ == "__main__":
    main()
