"""A program's log of everything that it received and sent: one JSON object a line, for the checker to read later."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path


class Journal:
    """Lines are whole even when several threads write; `path` None keeps nothing."""

    def __init__(self, path: str | Path | None):
        self._lock = threading.Lock()
        self._file = None
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a", encoding="utf-8", buffering=1)

    def write(self, what: str, **fields) -> None:
        if self._file is None:
            return
        line = json.dumps({"at_us": time.time_ns() // 1000, "what": what, **fields}, ensure_ascii=False)
        with self._lock:
            self._file.write(line + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
