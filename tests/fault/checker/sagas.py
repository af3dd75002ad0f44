"""The sagas: every transition against the table (I6), where orders are at rest (I7), the rebuilt saga against the row (I14)."""

from __future__ import annotations

from .history import Record
from .keys import Words
from .rules import BACK, Rules
from .run import Run
from .wire import body_at


class Sagas:
    """Folds order-events (take) and order-state (take_state); then compares with the tables."""

    def __init__(self, run: Run):
        self._run, self._keys = run, run.keys
        self.rules = Rules(run.history)
        self._words = Words()
        self._revision = run.keys.integers()
        self._state = run.keys.integers(-1)
        self._definition = run.keys.integers(-1)
        self._version = run.keys.integers()
        self._deadline = run.keys.integers()
        self._waiting_on = run.keys.integers(-1)
        self._order_no = run.keys.integers(-1)
        self._told = run.keys.integers()  # a digest of all transitions, in order
        self._last = run.keys.integers()  # of the last one
        self._snapshot = run.keys.integers()  # of the body of order-state's newest record
        self.shipped_after_all = run.keys.integers()  # goods left although the order was undone

    # ---- topics
    def take(self, event, at: int, record: Record, fresh: bool) -> None:
        if not fresh:
            return
        inv, move, words = self._run.report["I6"], event.transition, self._words
        revision, before = event.saga_revision, self._revision[at]
        state, former = words.number(move.to_state), words.number(move.from_state)
        digest = hash((revision, move.rule_id, former, state, words.number(move.event), move.cause_topic, move.cause_partition, move.cause_offset))
        if event.HasField("cancel_lost"):
            self.shipped_after_all[at] = 1
        if revision == before:  # several events may tell of one transition
            if digest != self._last[at]:
                inv.fail(event.order_id, f"two transitions have revision {revision}")
            return
        inv.checked += 1
        if revision != before + 1:
            inv.fail(event.order_id, f"revision {revision} follows {before}")
        if before and former != self._state[at]:
            inv.fail(event.order_id, f"revision {revision} leaves {move.from_state}, the order was in {words.name(self._state[at])}")
        self._by_the_table(inv, event, move, words.name(self._definition[at]))
        self._revision[at], self._state[at], self._last[at] = revision, state, digest
        self._told[at] = hash((self._told[at], digest))
        self._definition[at], self._version[at] = words.number(move.definition), move.definition_version
        self._deadline[at], self._waiting_on[at] = move.deadline_us, words.number(move.waiting_on)
        self._order_no[at] = hash(event.order_no)

    def _by_the_table(self, inv, event, move, definition_before: str) -> None:
        # The rule that chooses the definition fired under the one before.
        for definition in (definition_before or move.definition, move.definition):
            cell = self.rules.cell(move.definition_version, definition, move.from_state, move.event)
            if move.rule_id not in cell:
                continue
            to_state = cell[move.rule_id]
            if to_state == BACK or move.to_state == (to_state or move.from_state):
                return
        inv.fail(event.order_id, f"no rule {move.rule_id} leads from {move.from_state} by {move.event} to {move.to_state}")

    def take_state(self, head, at: int, record: Record, fresh: bool) -> None:
        if fresh:  # the newest so far
            self._snapshot[at] = hash(record[3][body_at(record[3]):])

    # ---- tables
    def compare_history(self) -> None:
        """saga_history says the same as the events (I6), and applied each cause once (I11)."""
        inv, once, words, keys = self._run.report["I6"], self._run.report["I11"], self._words, self._keys
        told, transitions, current = keys.integers(), 0, None
        causes: set = set()
        last_cause = last_event = last_rule = None
        for order_id, revision, rule, former, state, event, topic, partition, offset, cause in self._run.history.rows(
                "orchestrator", "saga_history", "order_id revision rule_id from_state to_state event topic record_partition record_offset causation_id",
                "order_id revision"):
            at = keys.number(order_id)
            transitions += 1
            told[at] = hash((told[at], hash((revision, rule, words.number(former), words.number(state), words.number(event), topic or "",
                                             partition, offset))))
            if order_id != current:
                current, causes, last_cause, last_event, last_rule = order_id, set(), None, None, None
            if cause is None:
                last_cause = None
                continue
            if cause != last_cause:
                once.checked += 1
                if cause in causes:
                    once.fail(order_id, f"{cause} from {topic}/{partition}@{offset} moved the order twice, again at revision {revision}")
                causes.add(cause)
            elif event != "GO" and not (event == last_event and self.rules.goes_back(self._version[at], last_rule)):
                once.fail(order_id, f"{cause} from {topic}/{partition}@{offset} moved the order twice, again at revision {revision}")
            last_cause, last_event, last_rule = cause, event, rule
        inv.checked += transitions
        for at, name in enumerate(keys.names):
            if told[at] != self._told[at]:
                inv.fail(name, "saga_history and order-events tell different transitions")
        keys.drop(told)

    def compare_rows(self, each) -> None:
        """each(order_id, number, state, document bytes) is called for every saga."""
        rebuilt, rest, words = self._run.report["I14"], self._run.report["I7"], self._words
        seen, tasks = self._keys.integers(), self._keys.integers()
        for order_id, closed in self._run.history.rows("desk", "task", "order_id closed"):
            tasks[self._keys.number(order_id)] += closed is None
        for order_id, definition, version, state, revision, order_no, waiting_on, deadline, doc in self._run.history.rows(
                "orchestrator", "saga", "order_id definition definition_version state revision order_no waiting_on deadline doc"):
            at = self._keys.number(order_id)
            seen[at] = 1
            rebuilt.checked += 1
            differences = [f"{name} is {kept}, from Kafka {folded}" for name, kept, folded in (
                ("state", state, words.name(self._state[at])), ("revision", revision, self._revision[at]),
                ("definition", definition, words.name(self._definition[at])), ("version", version, self._version[at]),
                ("waiting_on", waiting_on or "", words.name(self._waiting_on[at])), ("deadline", deadline or 0, self._deadline[at]))
                if kept != folded]
            if hash(order_no or "") != self._order_no[at]:
                differences.append(f"order_no {order_no} isn't the events'")
            if hash(doc[body_at(doc):]) != self._snapshot[at]:
                differences.append("order-state's newest record isn't the document")
            if differences:
                rebuilt.fail(order_id, "; ".join(differences))
            if at not in self._run.strangers:
                self._at_rest(rest, order_id, state, waiting_on or "", deadline, tasks[at])
            each(order_id, at, state, doc)
        for at, name in enumerate(self._keys.names):
            if self._revision[at] and not seen[at]:
                rebuilt.fail(name, "has events and no row")
        self._keys.drop(seen)
        self._keys.drop(tasks)

    def compare_view(self) -> None:
        """Intake follows order-state, and leaves out revisions that show nothing new: it has the newest state all the same (I17)."""
        inv, words, keys = self._run.report["I17"], self._words, self._keys
        found = keys.integers(-1)
        for order_id, state, waiting_on in self._run.history.rows("intake", "order_view", "order_id state waiting_on"):
            found[keys.number(order_id)] = hash((state, waiting_on or ""))
        for at, revision in enumerate(self._revision):
            if revision:
                state, waiting_on = words.name(self._state[at]), words.name(self._waiting_on[at])
                inv.check(found[at] == hash((state, waiting_on)), keys.names[at], f"intake doesn't know that it is {state}, waiting on {waiting_on or 'nobody'}")
        keys.drop(found)

    def _at_rest(self, inv, order_id: str, state: str, waiting_on: str, deadline: int | None, open_tasks: int) -> None:
        inv.checked += 1
        kind = self.rules.kinds.get(state)
        if kind in ("ENDED", "FINAL"):
            return
        if kind != "WAITING":
            inv.fail(order_id, f"rests in {state}, a state of kind {kind}")
        elif not self.rules.has_task[state] or not waiting_on:
            inv.fail(order_id, f"{state} waits for {waiting_on or 'nobody'}: it is no person's turn")
        elif not open_tasks:
            inv.fail(order_id, f"{state} waits for {waiting_on}, and the desk shows nobody a task")
        elif deadline is None:
            inv.fail(order_id, f"{state} waits for {waiting_on} without a deadline")
