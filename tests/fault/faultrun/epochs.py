"""Watches every slot during the run: epochs.jsonl has a line whenever one has moved, for the checker to see that they only rise."""

from __future__ import annotations

import threading

from faultrun.record import Lines, RunFolder
from faultrun.rig import INSTANCES, Rig

LOOK_S = 0.5
TABLES = [(name, "slot", "p") for name in INSTANCES] + [(name, "ingress_slot", "i") for name in ("intake", "fulfillment")]
STATEMENT = " UNION ALL ".join(f"SELECT '{schema}', '{table}', {number}, epoch, batch_no, published_no FROM {schema}.{table}" for schema, table, number in TABLES)


class Epochs:
    def __init__(self, rig: Rig, folder: RunFolder):
        self._rig = rig
        self._lines = Lines(folder.path / "epochs.jsonl")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        last: dict[tuple, tuple] = {}
        while not self._stop.wait(LOOK_S):
            for schema, table, slot, epoch, batch_no, published_no in self._rig.try_sql(STATEMENT) or ():
                now = (epoch, batch_no, published_no)
                if last.get((schema, table, slot)) != now:
                    last[schema, table, slot] = now
                    self._lines.write(schema=schema, table=table, slot=slot, epoch=epoch, batch_no=batch_no, published_no=published_no)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._lines.close()
