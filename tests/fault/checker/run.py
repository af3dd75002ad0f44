"""One check of one history: what its modules share."""

from __future__ import annotations

import itertools

import protos
import topics

from .history import History
from .keys import Keys
from .report import Report

SERVICES = ("intake", "validator", "inventory", "fulfillment", "notifier", "orchestrator", "desk")  # with a lane: their schemas
INGRESSES = ("intake", "fulfillment")  # schemas with ways in


class Run:
    def __init__(self, history: History):
        self.history = history
        self.report = Report()
        self.keys = Keys()
        self.pb = protos.load()
        self.topics = {topic.name: topic for topic in topics.read()}
        self.topic_of = {topic.number: topic.name for topic in self.topics.values()}
        self.injected: dict[str, set[tuple[int, int]]] = {}  # by topic: partition and offset of records that the harness wrote
        self.strangers: set[int] = set()  # numbers of keys that only such records speak of: made up
        self._take_faults()

    def message(self, topic: str):
        """The protobuf type of a topic."""
        name = self.topics[topic].message
        return next(getattr(module, name) for module in vars(self.pb).values() if name in module.DESCRIPTOR.message_types_by_name)

    def _take_faults(self) -> None:
        """faults.jsonl: {"kind", "in_flight", …} each; there or in injected.jsonl: {"topic", "partition", "offset"} of each record
        that the harness wrote."""
        count = under_way = 0
        for fault in itertools.chain(self.history.lines("faults.jsonl"), self.history.lines("injected.jsonl")):
            if "topic" in fault and "offset" in fault:
                name = fault["topic"]
                short = next((topic for topic in self.topics if name == topic or name.endswith(f".{topic}.v1")), name)
                self.injected.setdefault(short, set()).add((int(fault.get("partition", 0)), int(fault["offset"])))
            elif "kind" in fault:
                count += 1
                under_way += fault.get("in_flight", 0) > 0
        injected = sum(map(len, self.injected.values()))
        if count or injected:
            self.report.numbers.update({"faults": count, "faults with work in flight": under_way, "injected records": injected})
        if count and not under_way:
            self.report.vacuous.append(f"none of {count} faults met work in flight")
