"""The saga's table as the running program wrote it (orchestrator.saga_rule, saga_state): which rules may decide in a cell."""

from __future__ import annotations

from .history import History

BACK = "BACK"  # to where the order was before it was set aside
FIRES = ("MOVE", "REFUSE")


class Rules:
    def __init__(self, history: History):
        self._rows: dict[int, list[tuple]] = {}
        for version, *rule in history.rows("orchestrator", "saga_rule", "version rule_id definitions kind in_states on_events when_name to_state",
                                           "version rule_id"):
            number, definitions, kind, in_states, on_events, when, to_state = rule
            self._rows.setdefault(version, []).append((number, set((definitions or "").split()), kind, set((in_states or "").split()),
                                                       set(on_events.split()), when, to_state))
        self._cells: dict[tuple, dict[int, str | None]] = {}
        self.kinds: dict[str, str] = {}
        self.has_task: dict[str, bool] = {}
        for state, kind, task in history.rows("orchestrator", "saga_state", "state kind task"):
            self.kinds[state], self.has_task[state] = kind, bool(task)

    def cell(self, version: int, definition: str, state: str, event: str) -> dict[int, str | None]:
        """Rules that may fire, with where they lead; None: the state stays. As saga_definition_new builds it."""
        key = (version, definition, state, event)
        found = self._cells.get(key)
        if found is not None:
            return found
        found, any_rule, open_end = {}, False, True
        for number, definitions, kind, states, events, when, to_state in self._rows.get(version, ()):
            if definition not in definitions or event not in events:
                continue
            # A rule for the rest decides where the last one above has a condition, or there is none.
            if not (state in states if states else (not any_rule or open_end)):
                continue
            any_rule, open_end = True, when is not None
            if kind in FIRES:
                found[number] = to_state if kind == "MOVE" else None
        self._cells[key] = found
        return found

    def goes_back(self, version: int, number: int) -> bool:
        return any(rule[0] == number and rule[6] == BACK for rule in self._rows.get(version, ()))
