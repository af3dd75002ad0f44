"""Slots and outboxes: one writer at a time (I13), everything published, nothing held but what was injected (I15)."""

from __future__ import annotations

from .run import INGRESSES, SERVICES, Run
from .topic_log import TopicLog

OUTBOXES = [(schema, "slot", "p", "outbox") for schema in SERVICES] + [(schema, "ingress_slot", "i", "ingress_outbox") for schema in INGRESSES]


class Slots:
    def __init__(self, run: Run, logs: dict[str, TopicLog]):
        self._run, self._logs = run, logs
        self._batch = run.pb.outbox.OutboxBatch()
        self._written = {name: run.keys.integers() for name in logs}  # records in outboxes, copies not counted
        self._best = {name: run.keys.integers(-1) for name, log in logs.items() if log.mode == "VERSIONED"}

    def compare(self) -> None:
        for schema, slots, number, outbox in OUTBOXES:
            ends = self._slots(schema, slots, number)
            self._outbox(schema, outbox, ends)
        self._compare_topics()
        self._samples()
        for schema in SERVICES:
            self._held(schema)

    def _slots(self, schema: str, table: str, number: str) -> dict[int, int]:
        one_writer, published = self._run.report["I13"], self._run.report["I15"]
        ends = {}
        for slot, epoch, batch_no, published_no in self._run.history.rows(schema, table, f"{number} epoch batch_no published_no"):
            name = f"{schema}.{table} {slot}"
            published.check(batch_no == published_no, name, f"published up to batch {published_no} of {batch_no}")
            one_writer.check(epoch > 0 or batch_no == 0, name, f"has {batch_no} batches and was never claimed")
            ends[slot] = batch_no
        return ends

    def _outbox(self, schema: str, table: str, ends: dict[int, int]) -> None:
        inv, current, last_no, last_at = self._run.report["I13"], None, 0, 0
        for slot, batch_no, created_at, packed in self._run.history.rows(schema, table, "slot batch_no created_at records", "slot batch_no created_at"):
            name = f"{schema}.{table} {slot}"
            if slot != current:
                self._end(inv, schema, table, current, last_no, ends)
                current, last_no, last_at = slot, batch_no - 1, 0
            inv.checked += 1
            if batch_no != last_no + 1:
                inv.fail(name, f"batch {batch_no} follows {last_no}: written " + ("twice" if batch_no == last_no else "not one after the other"))
            if created_at < last_at:
                inv.fail(name, f"batch {batch_no} is older than the one before: its writer was not the slot's owner any more")
            last_no, last_at = batch_no, created_at
            self._records(schema, packed)
        self._end(inv, schema, table, current, last_no, ends)

    @staticmethod
    def _end(inv, schema: str, table: str, slot: int | None, last_no: int, ends: dict[int, int]) -> None:
        if slot is not None and ends.get(slot) != last_no:
            inv.fail(f"{schema}.{table} {slot}", f"ends with batch {last_no}, the slot counts {ends.get(slot)}")

    def _records(self, schema: str, packed: bytes) -> None:
        inv = self._run.report["I15"]
        self._batch.ParseFromString(packed)
        for record in self._batch.records:
            topic = self._run.topic_of[record.topic]
            log, key = self._logs[topic], record.key.decode(errors="replace")
            at = self._run.keys.number(key)
            inv.checked += 1
            if log.mode == "VERSIONED":
                continue  # older ones may be compacted away; see stands in _compare_topics
            written = self._written[topic]
            if record.sequence == 0 or record.sequence == written[at] + 1:  # else a copy, sent again
                written[at] += 1
            ids = log.ids[at]
            if ids is None or hash(record.event_id) not in ids:
                inv.fail(key, f"{record.type} {record.event_id} stands in {schema}'s outbox and is not on {topic}")

    def _compare_topics(self) -> None:
        """Nothing is on a topic that was not committed with its cause."""
        inv, names = self._run.report["I13"], self._run.keys.names
        for topic, log in self._logs.items():
            if log.mode == "VERSIONED" or "departments" in self._run.topics[topic].writers:
                continue
            written = self._written[topic]
            for at, ids in enumerate(log.ids):
                if ids:
                    count = len(ids) - log.foreign.get(at, 0)
                    inv.check(count == written[at], names[at], f"{count} records on {topic}, {written[at]} in its writers' outboxes: "
                                                               "something was published that was not committed")

    def _samples(self) -> None:
        """epochs.jsonl, written during the run: {"schema", "table", "slot", "epoch", "batch_no", "published_no"} as it was seen."""
        inv, last = self._run.report["I13"], {}
        for one in self._run.history.lines("epochs.jsonl"):
            name = f"{one['schema']}.{one['table']} {one['slot']}"
            now = (one["epoch"], one["batch_no"], one["published_no"])
            before = last.get(name, (0, 0, 0))
            inv.check(all(a >= b for a, b in zip(now, before)), name, f"epoch, batch, published went from {before} to {now}")
            last[name] = now

    def _held(self, schema: str) -> None:
        inv, because_injected, keys = self._run.report["I15"], set(), {}
        for key, topic, partition, offset, reason in self._run.history.rows(schema, "held", "key topic partition record_offset reason"):
            name = self._run.topic_of[topic]
            if (partition, offset) in self._run.injected.get(name, ()):
                because_injected.add(key)
            keys.setdefault(key, f"{name}/{partition}@{offset} is held by {schema}: {reason}")
        for key, held, detail in self._run.history.rows(schema, "key_state", "key held held_detail"):
            if held:
                keys.setdefault(key, f"is held by {schema}: {held} {detail or ''}")
        for key, text in keys.items():
            inv.check(key in because_injected or self._run.keys.number(key) in self._run.strangers, key, text)
