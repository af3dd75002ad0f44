"""Looks at every slot's epoch again and again while a run goes on: epochs.jsonl, from which the checker sees that none ever falls (I13)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psycopg2

INTERVAL_S = 0.2
CONNECT_S = 2


class Watch:
    """Used by `with`; a database that is away is looked at again when it is back."""

    def __init__(self, pg: str, folder: Path):
        self._pg, self._path = pg, folder / "epochs.jsonl"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with open(self._path, "a", encoding="utf-8", buffering=1) as file:
            while not self._stop.is_set():
                try:
                    self._look(file)
                except psycopg2.Error:  # killed, or starting: the next look is at another connection
                    self._stop.wait(INTERVAL_S)

    def _look(self, file) -> None:
        db = psycopg2.connect(self._pg, connect_timeout=CONNECT_S)
        try:
            db.set_session(readonly=True, autocommit=True)
            last: dict[tuple, tuple] = {}
            with db.cursor() as cursor:
                cursor.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ('slot', 'ingress_slot') ORDER BY 1, 2")
                tables = cursor.fetchall()
                sql = " UNION ALL ".join(f"SELECT '{schema}', '{table}', {'p' if table == 'slot' else 'i'}, epoch, batch_no, published_no FROM {schema}.{table}"
                                         for schema, table in tables)
                while not self._stop.wait(INTERVAL_S):
                    cursor.execute(sql)
                    for schema, table, slot, *numbers in cursor.fetchall():
                        if last.get((schema, table, slot)) != numbers:
                            last[schema, table, slot] = numbers
                            line = dict(zip(("epoch", "batch_no", "published_no"), numbers), schema=schema, table=table, slot=slot)
                            file.write(json.dumps(line) + "\n")
        finally:
            db.close()
