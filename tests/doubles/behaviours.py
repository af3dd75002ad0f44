"""What somebody outside does about a particular order: lines of behaviours.ndjson, found by the customer's own reference.

A double learns them from a file (--behaviours) or over HTTP (PUT /behaviours with the file's text); an order without a line
gets the usual treatment. See tests/data/README.md for the fields.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from program import Answer, Program, Request


class Behaviours:
    def __init__(self, file: str = ""):
        self._lock = threading.Lock()
        self._by_ref: dict[str, dict] = {}
        self._by_po: dict[str, dict] = {}
        if file:
            self.add(Path(file).read_text(encoding="utf-8"))

    def add(self, ndjson: str) -> int:
        rows = [json.loads(line) for line in ndjson.splitlines() if line.strip()]
        with self._lock:
            for row in rows:
                self._by_ref[row["channel_ref"]] = row
                if row.get("customer_po"):
                    self._by_po[row["customer_po"]] = row
        return len(rows)

    def empty(self) -> bool:
        with self._lock:
            return not self._by_ref

    def of_ref(self, channel_ref: str) -> dict:
        with self._lock:
            return self._by_ref.get(channel_ref, {})

    def of_po(self, customer_po: str) -> dict:
        with self._lock:
            return self._by_po.get(customer_po, {})

    def routes(self, program: Program) -> None:
        def put(request: Request) -> Answer:
            return Answer(200, {"behaviours": self.add(request.body.decode())})

        program.route("PUT", r"/behaviours", put)
