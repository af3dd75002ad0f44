"""Every record of every reader is accounted for (I17): applied, a duplicate, a dead letter, or held."""

from __future__ import annotations

from .history import Record
from .run import SERVICES, Run
from .topic_log import TopicLog, read as read_topic

# Dead letters of these reasons were not applied; others tell of something that was.
NOT_APPLIED = ("UNDECODABLE", "WRONG_SOURCE", "WRONG_PARTITION", "HELD_FULL")
MASK = (1 << 62) - 1
# schema, table, the record's key by columns, its version: what readers of VERSIONED topics keep
VERSIONS = {
    ("desk", "order-state"): ("order_row", "order_id", "revision"),
    ("desk", "stock-levels"): ("stock_level", "key", "version"),
    ("validator", "reference.products"): ("product", "sku", "version"),
    ("validator", "reference.customers"): ("customer", "customer_id", "version"),
    ("validator", "reference.prices"): ("price", "price_list sku", "version"),
    ("validator", "reference.calendars"): ("calendar", "calendar_id", "version"),
    ("inventory", "reference.products"): ("product_ref", "sku", "version"),
    ("inventory", "reference.warehouses"): ("warehouse_ref", "warehouse", "version"),
    ("fulfillment", "reference.warehouses"): ("warehouse_ref", "warehouse", "version"),
}


class Accounts:
    def __init__(self, run: Run):
        self._run = run
        self.read: dict[tuple[str, str], object] = {}  # service and SEQUENCED topic: a column of the last number applied
        self._dead: dict[tuple[str, str], set[tuple[int, int]]] = {}
        self._held: dict[tuple[str, str], set[tuple[int, int]]] = {}
        self._control: dict[str, dict[int, list[int]]] = {name: {} for name in SERVICES}
        self._rejected_keys: set[tuple[str, str, str]] = set()
        self.refused_changes: list[str] = []  # event ids of news about stock that inventory did not take

    # ---- topics
    def take_dead_letter(self, letter, at: int, record: Record, fresh: bool) -> None:
        versioned = letter.topic in self._run.topics and self._run.topics[letter.topic].mode == "VERSIONED"
        if letter.reason in NOT_APPLIED or (letter.reason == "REJECTED" and versioned):
            self._dead.setdefault((letter.service, letter.topic), set()).add((letter.partition, letter.offset))
            self._rejected_keys.add((letter.service, letter.topic, letter.key.decode(errors="replace")))
        if letter.reason == "STOCK_CHANGE_REFUSED":
            self.refused_changes.append(letter.record_event_id)

    def take_control(self, control, at: int, record: Record, fresh: bool) -> None:
        if fresh and control.service in self._control:
            self._control[control.service].setdefault(at, []).append(hash(control.event_id))

    # ---- tables
    def load(self) -> None:
        sequenced = {topic.number: topic for topic in self._run.topics.values() if topic.mode == "SEQUENCED"}
        for service in SERVICES:
            mine = {topic.number: self._run.keys.integers() for topic in sequenced.values() if service in topic.readers}
            self.read.update({(service, sequenced[number].name): column for number, column in mine.items()})
            for key, read in self._run.history.rows(service, "key_state", "key read"):
                at = self._run.keys.number(key)
                for pair in (read or "").split():
                    number, _, last = pair.partition(":")
                    if int(number) in mine:
                        mine[int(number)][at] = int(last)
            for topic, partition, offset in self._run.history.rows(service, "held", "topic partition record_offset"):
                self._held.setdefault((service, self._run.topic_of[topic]), set()).add((partition, offset))

    # ---- the sums
    def compare(self, logs: dict[str, TopicLog]) -> None:
        total = dict.fromkeys(("consumed", "applied", "duplicates", "dead letters", "held"), 0)
        for service in SERVICES:
            positions = {(self._run.topic_of[topic], slot): offset
                         for slot, topic, offset in self._run.history.rows(service, "position", "p topic next_offset")}
            read = [log for log in logs.values() if service in self._run.topics[log.name].readers]
            by_id = [log for log in read if log.mode == "BY_ID"]
            applied = {log.name: self._applied(service, log) for log in read if log.mode != "BY_ID"}
            applied.update(self._applied_by_id(service, by_id))
            for log in read:
                self._position(service, log, positions)
                self._sum(service, log, applied[log.name], total)
        self._run.report.numbers["records"] = "{consumed} consumed = {applied} applied + {duplicates} duplicates + {dead letters} dead letters + {held} held".format(**total)

    def _position(self, service: str, log: TopicLog, positions: dict) -> None:
        inv = self._run.report["I17"]
        for partition, (_, high) in self._run.history.ends(log.name).items():
            if high > 0:
                at = positions.get((log.name, partition), 0)
                inv.check(at == high, f"{log.name}/{partition}", f"{service} has read up to {at} of {high}")

    def _sum(self, service: str, log: TopicLog, applied: int, total: dict[str, int]) -> None:
        inv = self._run.report["I17"]
        dead, held = self._dead.get((service, log.name), set()), self._held.get((service, log.name), set())
        duplicates = log.copies - self._kept_copies(log, dead | held) + len(log.injected - held - dead)
        if log.name == "control":
            duplicates += log.distinct() - sum(map(len, self._control[service].values()))
        for partition, offset in log.bad - dead - held:
            inv.fail(f"{log.name}/{partition}@{offset}", f"can't be read, and is no dead letter of {service}")
        inv.checked += log.records
        parts = {"consumed": log.records, "applied": applied, "duplicates": duplicates, "dead letters": len(dead), "held": len(held)}
        for name, count in parts.items():
            total[name] += count
        if log.records != applied + duplicates + len(dead) + len(held):
            inv.fail(f"{service} {log.name}", ", ".join(f"{count} {name}" for name, count in parts.items()))

    def _kept_copies(self, log: TopicLog, kept: set[tuple[int, int]]) -> int:
        """Copies that came while their order was held: they are held too, or dead letters."""
        found = 0

        def take(message, at: int, record: Record, fresh: bool) -> None:
            nonlocal found
            found += not fresh and record[:2] in kept
        if kept and log.copies:
            read_topic(self._run, log.name, take, head=True, quiet=True).close(self._run)
        return found

    def _applied(self, service: str, log: TopicLog) -> int:
        if log.mode == "VERSIONED":
            self._versions(service, log)
            return log.distinct() - len(self._held.get((service, log.name), ())) - len(self._dead.get((service, log.name), set()) - log.bad)
        read, inv, names, late, applied = self.read[service, log.name], self._run.report["I17"], self._run.keys.names, set(), 0
        for at, ids in enumerate(log.ids):
            last = len(ids) if ids else 0
            if read[at] > last and at not in self._run.strangers:
                inv.fail(names[at], f"{service} has applied number {read[at]} of {log.name}, which ends with {last}")
            elif read[at] < last:
                late.add(at)
            if ids:
                applied += min(read[at], last) - (ids[:read[at]].count(0) if 0 in ids else 0)
        if late:
            self._name_missing(service, log, lambda message, at: at in late and message.sequence > read[at])
        return applied

    def _versions(self, service: str, log: TopicLog) -> None:
        kept = VERSIONS.get((service, log.name))
        if kept is None:
            return
        inv, keys, (table, by, version) = self._run.report["I17"], self._run.keys, kept
        found = keys.integers(-1)
        for *key, number in self._run.history.rows(service, table, f"{by} {version}"):
            found[keys.number("/".join(key))] = number
        for at, best in enumerate(log.best):
            if best >= 0 and (service, log.name, keys.names[at]) not in self._rejected_keys:
                inv.check(found[at] == best, keys.names[at], f"{service} keeps version {found[at]}, {log.name} has {best}")
                if service == "desk":  # it asks for the newest
                    last = log.last[at]
                    self._run.report["I14"].check(last == best, keys.names[at], f"{log.name} ends with version {last}: compaction would lose {best}")
        keys.drop(found)

    def _applied_by_id(self, service: str, logs: list[TopicLog]) -> dict[str, int]:
        """By topic. The ids that a service has seen are summed up by key; where the sums differ, its records are looked at."""
        keys = self._run.keys
        sums, counts = keys.integers(), keys.integers()
        applied = {}
        for log in logs:
            applied[log.name] = 0
            of_key = self._control[service].items() if log.name == "control" else ((at, ids) for at, ids in enumerate(log.ids) if ids)
            for at, ids in of_key:
                applied[log.name] += len(ids)
                counts[at] += len(ids)
                sums[at] = (sums[at] + sum(ids)) & MASK
        for number, key in self._run.history.rows(service, "seen", "id key"):
            at = keys.number(key)
            counts[at] -= 1
            sums[at] = (sums[at] - hash(number)) & MASK
        suspects = {at for at in range(len(keys)) if counts[at] or sums[at]}
        keys.drop(sums)
        keys.drop(counts)
        if suspects:
            seen = {hash(number) for number, key in self._run.history.rows(service, "seen", "id key") if keys.number(key) in suspects}
            for log in logs:
                mine = {event for ids in self._control[service].values() for event in ids} if log.name == "control" else None
                missing = self._name_missing(service, log, lambda message, at: at in suspects and hash(message.event_id) not in seen and (
                    mine is None or hash(message.event_id) in mine))
                applied[log.name] -= missing
                for at in suspects:
                    seen.difference_update(log.ids[at] or ())
            if seen:
                self._run.report["I17"].fail(service, f"has applied {len(seen)} events that are on no topic")
        return applied

    def _name_missing(self, service: str, log: TopicLog, is_missing) -> int:
        """Reads the topic once more; how many of the missing are held or dead letters. The others are violations."""
        inv, ids = self._run.report["I17"], set()
        excused = self._held.get((service, log.name), set()) | self._dead.get((service, log.name), set())
        excused_ids: set[int] = set()

        def take(message, at: int, record: Record, fresh: bool) -> None:
            if not is_missing(message, at):
                return
            event = hash(message.event_id)
            if record[:2] in excused:
                excused_ids.add(event)
            elif fresh:
                ids.add((event, message.order_id, record[0], record[1]))
        read_topic(self._run, log.name, take, head=True, quiet=True).close(self._run)
        for event, order_id, partition, offset in ids:
            if event not in excused_ids:
                inv.fail(order_id, f"{service} has neither applied nor kept {log.name}/{partition}@{offset}")
        return len(excused_ids)
