"""Departments (I9): whatever is addressed to one is in its reader's log, and in the desk's timeline."""

from __future__ import annotations

from .history import Record
from .run import Run

TOPICS = ("order-events", "commands.departments")
TIMELINE = ("order-events", "commands.departments", "notification-events")  # what the desk keeps of each order


class Offsets:
    """A set of record positions of one topic, a bit each."""

    def __init__(self):
        self._bits: dict[int, bytearray] = {}

    def add(self, partition: int, offset: int) -> None:
        bits = self._bits.setdefault(partition, bytearray())
        if offset >> 3 >= len(bits):
            bits.extend(bytes((offset >> 3) + 4096 - len(bits)))
        bits[offset >> 3] |= 1 << (offset & 7)

    def __contains__(self, where: tuple[int, int]) -> bool:
        bits = self._bits.get(where[0], b"")
        return where[1] >> 3 < len(bits) and bool(bits[where[1] >> 3] >> (where[1] & 7) & 1)


class Departments:
    def __init__(self, run: Run):
        self._run = run
        self._read: dict[str, Offsets] = {topic: Offsets() for topic in TOPICS}
        self._journal = False
        for line in run.history.lines("receivers/departments.jsonl"):
            self._journal = True
            if line.get("what") in ("event", "command"):
                topic = next((name for name in TOPICS if line["topic"].endswith(f"{name}.v1")), None)
                if topic:
                    self._read[topic].add(line["partition"], line["offset"])

    def take_event(self, event, record: Record) -> None:
        if self._journal and len(event.departments):
            self._take("order-events", event, record, " ".join(event.departments), len(event.departments))

    def take_command(self, command, record: Record) -> None:
        if self._journal:
            self._take("commands.departments", command, record, command.department, 1)

    def _take(self, topic: str, message, record: Record, whom: str, count: int) -> None:
        inv = self._run.report["I9"]
        inv.checked += count
        if record[:2] not in self._read[topic]:
            inv.fail(message.order_id, f"{topic}/{record[0]}@{record[1]} for {whom}: {message.WhichOneof('body')} is not in their log")

    def compare_timeline(self, logs: dict) -> None:
        inv, keys = self._run.report["I9"], self._run.keys
        kept = {name: keys.integers() for name in TIMELINE}
        for order_id, topic, count, last in self._run.history.counts("desk", "timeline_part", "order_id topic", "records", "last"):
            name = self._run.topic_of[topic]
            if count != last and keys.number(order_id) not in self._run.strangers:
                inv.fail(order_id, f"the timeline has {count} of the first {last} records of {name}")
            kept[name][keys.number(order_id)] = last
        for name, column in kept.items():
            ids = logs[name].ids
            for at, key in enumerate(keys.names):
                wanted = len(ids[at]) if ids[at] else 0
                if (wanted or column[at]) and at not in self._run.strangers:
                    inv.check(column[at] == wanted, key, f"the timeline goes to number {column[at]} of {wanted} on {name}")
            keys.drop(column)
