"""Each event applied once (I11), seen from its effects: one answer per command, one name per call to a warehouse."""

from __future__ import annotations

from array import array

from .history import Record
from .run import Run
from .topic_log import TopicLog

ANSWERED = {"commands.validator": "validation-events", "commands.inventory": "inventory-events"}  # exactly one event for each command
LOOKS_UP = "commands.validator"  # what has to be looked up first is answered because of that, not of the command


class Applied:
    def __init__(self, run: Run):
        self._run = run
        self._causes = {topic: run.keys.objects() for topic in ANSWERED.values()}

    def taker(self, topic: str):
        causes = self._causes[topic]

        def take(head, at: int, record: Record, fresh: bool) -> None:
            if not fresh:
                return
            if causes[at] is None:
                causes[at] = array("q")
            causes[at].append(hash(head.causation_id))
        return take

    def compare(self, logs: dict[str, TopicLog], read: dict) -> None:
        """read[service, topic]: how far each key has been applied."""
        inv, names = self._run.report["I11"], self._run.keys.names
        for commands, answers in ANSWERED.items():
            service = self._run.topics[commands].readers[0]
            for at, ids in enumerate(logs[commands].ids):
                if at in self._run.strangers:
                    continue
                causes = self._causes[answers][at] or ()
                done = (ids or ())[:read[service, commands][at]]
                # Inventory also tells of goods that came in for an order: those have other causes.
                for number, command in enumerate(done, 1):
                    count = causes.count(command)
                    inv.check(count == 1 or (count == 0 and commands == LOOKS_UP), names[at], f"number {number} of {commands} has {count} answers on {answers}")
                if commands == LOOKS_UP and len(causes) != len(done):
                    inv.fail(names[at], f"{len(done)} records of {commands} have {len(causes)} answers on {answers}")
        self._warehouse_calls(inv)

    def _warehouse_calls(self, inv) -> None:
        calls: dict[str, tuple[str, str]] = {}
        again = 0
        for line in self._run.history.lines("receivers/warehouse.jsonl"):
            if line.get("what") != "release":
                continue
            shipment, key = line["shipment_id"], line.get("idempotency_key", "")
            again += shipment in calls
            first = calls.setdefault(shipment, (key, str(line["release"].get("order_id", shipment))))
            inv.check(first[0] == key, first[1], f"shipment {shipment} was asked for as {first[0]} and as {key}")
        if calls:
            self._run.report.numbers["warehouse calls that came again"] = again
