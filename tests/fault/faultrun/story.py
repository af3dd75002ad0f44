"""All that is known of an order that didn't end as it should: for whoever reads a failure of which nothing else is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from oclocal import services

from faultrun.injection import Run
from faultrun.record import read_lines

LINE_MAX = 400
STORIES_MAX = 3
ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
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


def journals(run: Run) -> Iterator[tuple[str, dict]]:
    """What the doubles received and sent: whose journal, and a line of it."""
    for file in sorted(run.folder.receivers.glob("*.jsonl")):
        for entry in read_lines(file):
            yield file.stem, entry


def of_order(run: Run, order_id: str) -> list[str]:
    """Rows of the services' tables, then what the doubles received and sent, as lines."""
    lines = [told(what, row) for what, statement in ROWS.items() for row in run.rig.sql(statement, order_id)]
    for service in services.SERVICE_NAMES:
        for table, statement in IN_EVERY_SERVICE.items():
            lines += [told(f"{service}.{table}", row) for row in run.rig.sql(statement.format(service), order_id)]
    texts = ((double, json.dumps(entry, ensure_ascii=False)) for double, entry in journals(run))
    return lines + [f"{double}: {text}"[:LINE_MAX] for double, text in texts if order_id in text]


def with_stories(run: Run, wrong: list[str]) -> list[str]:
    """What is wrong, and what is known of the first orders that it names."""
    named = list(dict.fromkeys(ID.findall("\n".join(wrong))))
    orders = {row[0] for row in run.rig.sql("SELECT subject::text FROM intake.submission WHERE subject = ANY(%s::uuid[])", named)}
    first = [order_id for order_id in named if order_id in orders][:STORIES_MAX]
    return wrong + [f"{order_id}: {line}" for order_id in first for line in of_order(run, order_id)]


def refused_callbacks(run: Run) -> list[str]:
    """The doubles sign well and say nothing that a tracker may refuse: who isn't heard won't say it again."""
    return [f"{double}: callback {entry['callback']['kind']} of order {entry['callback']['order_id']}: answered {entry['status']}"
            for double, entry in journals(run) if entry["what"] == "callback" and 400 <= entry["status"] < 500]
