"""Nothing lost, nothing twice: each order's history as order-events tells it, as saga_history keeps it, and where the saga stands."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import protos
from stack import Stack

PUBLISHED_TIMEOUT_S = 60


@dataclass
class Histories:
    """moves: by order, by revision: (rule, from, to, event, definition's version)."""

    moves: dict[str, dict[int, tuple]] = field(default_factory=lambda: defaultdict(dict))
    events: int = 0
    copies: int = 0  # records published once more: by a slot's new owner, or to answer a copy (then marked `again`)
    problems: list[str] = field(default_factory=list)

    def rules(self, order_id: str) -> list[int]:
        return [move[0] for _, move in sorted(self.moves[order_id].items())]

    def __str__(self) -> str:
        return f"{len(self.moves)} orders, {sum(map(len, self.moves.values()))} transitions, {self.events} events and {self.copies} copies of them"


def read(stack: Stack) -> Histories:
    """Of a stack at rest. Asserts that every revision of every order is told, told once, and kept as it is told."""
    stack.wait(lambda: stack.value("SELECT count(*) FROM orchestrator.slot WHERE batch_no <> published_no") == 0, PUBLISHED_TIMEOUT_S,
               "the orchestrator's last records to be published")
    found = Histories()
    _read_events(stack, found)
    _compare(stack, found)
    assert found.problems == [], "\n".join(found.problems[:40])
    assert found.events > 0, "no event was read"
    return found


def _read_events(stack: Stack, found: Histories) -> None:
    order_event = protos.load().order_events.OrderEvent
    values: dict[tuple[str, int], bytes] = {}
    last: dict[str, int] = defaultdict(int)
    for record in stack.records("order-events"):
        event = order_event.FromString(record.value())
        event.again = False
        value = event.SerializeToString(deterministic=True)
        known = values.get((event.order_id, event.sequence))
        if known is not None:
            found.copies += 1
            if known != value:
                found.problems.append(f"{event.order_id}: two events have number {event.sequence}")
            continue
        values[event.order_id, event.sequence] = value
        found.events += 1
        if event.sequence != last[event.order_id] + 1:
            found.problems.append(f"{event.order_id}: event {event.sequence} follows {last[event.order_id]}")
        last[event.order_id] = event.sequence
        move = event.transition
        told = (move.rule_id, move.from_state, move.to_state, move.event, move.definition_version)
        before = found.moves[event.order_id].setdefault(event.saga_revision, told)
        if before != told:
            found.problems.append(f"{event.order_id}: revision {event.saga_revision} is told as {before} and as {told}")


def _compare(stack: Stack, found: Histories) -> None:
    kept: dict[str, dict[int, tuple]] = defaultdict(dict)
    for row in stack.sql("SELECT order_id::text, revision, rule_id, from_state, to_state, event FROM orchestrator.saga_history"):
        kept[row.order_id][row.revision] = row[2:]
    sagas = {row.order_id: row for row in stack.sql("SELECT order_id::text, revision, state FROM orchestrator.saga")}
    for order_id in sorted(set(sagas) | set(found.moves) | set(kept)):
        moves, saga = found.moves[order_id], sagas.get(order_id)
        if saga is None:
            found.problems.append(f"{order_id}: has a history and no saga")
            continue
        if sorted(moves) != list(range(1, saga.revision + 1)):
            found.problems.append(f"{order_id}: the events tell revisions {sorted(moves)}, the saga has {saga.revision}")
        elif moves[saga.revision][2] != saga.state:
            found.problems.append(f"{order_id}: the events end in {moves[saga.revision][2]}, the saga is in {saga.state}")
        if {revision: move[:4] for revision, move in moves.items()} != kept[order_id]:
            found.problems.append(f"{order_id}: saga_history differs from the events")
