"""All that is known of an order that didn't end as it should: for whoever reads a failure of which nothing else is left."""

from __future__ import annotations

import json

from oclocal import services

from faultrun.injection import Run
from faultrun.record import read_lines

LINE_MAX = 400
ROWS = {
    "saga": "SELECT state, revision, waiting_on, state_since, deadline FROM orchestrator.saga WHERE order_id = %s::uuid",
    "history": "SELECT at, revision, from_state, to_state, event, topic, record_partition, record_offset FROM orchestrator.saga_history"
               " WHERE order_id = %s::uuid ORDER BY revision",
    "shipment": "SELECT shipment_id::text, state, cancel_request, released_at, due, last_reply_at, early IS NOT NULL AS early FROM fulfillment.shipment"
                " WHERE order_id = %s::uuid",
}
IN_EVERY_SERVICE = {
    "held": "SELECT topic, partition, record_offset, event_id, reason, at FROM {}.held WHERE key = %s",
    "effect": "SELECT id::text, target, attempt, due, created_at FROM {}.effect WHERE key = %s",
}


def told(what: str, row: tuple) -> str:
    return f"{what}: {' | '.join(str(value) for value in row)}"[:LINE_MAX]


def of_order(run: Run, order_id: str) -> list[str]:
    """Rows of the services' tables, then what the doubles received and sent, as lines."""
    lines = [told(what, row) for what, statement in ROWS.items() for row in run.rig.sql(statement, order_id)]
    for service in services.SERVICE_NAMES:
        for table, statement in IN_EVERY_SERVICE.items():
            lines += [told(f"{service}.{table}", row) for row in run.rig.sql(statement.format(service), order_id)]
    for file in sorted(run.folder.receivers.glob("*.jsonl")):
        lines += [f"{file.stem}: {json.dumps(entry, ensure_ascii=False)}"[:LINE_MAX] for entry in read_lines(file) if order_id in json.dumps(entry)]
    return lines


def refused_callbacks(run: Run) -> list[str]:
    """The doubles sign well and say nothing that a tracker may refuse: who isn't heard won't say it again."""
    found = []
    for file in sorted(run.folder.receivers.glob("*.jsonl")):
        found += [f"{file.stem}: callback {entry['callback']['kind']} of order {entry['callback']['order_id']}: answered {entry['status']}"
                  for entry in read_lines(file) if entry["what"] == "callback" and 400 <= entry["status"] < 500]
    return found
