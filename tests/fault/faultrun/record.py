"""The run folder: what clients sent, what was injected and when, written as it happens for the checker to read."""

from __future__ import annotations

import json
import threading
from pathlib import Path


class Lines:
    """A file of JSON lines; whole lines even when several threads write."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8", buffering=1)

    def write(self, **fields) -> None:
        line = json.dumps(fields, ensure_ascii=False)
        with self._lock:
            self._file.write(line + "\n")

    def close(self) -> None:
        self._file.close()


class RunFolder:
    """clients.jsonl, faults.jsonl, injected.jsonl, receivers/*.jsonl, manifest.json, recovery.json. See ../README.md."""

    def __init__(self, path: Path):
        self.path = path
        self.receivers = path / "receivers"
        self.receivers.mkdir(parents=True, exist_ok=True)
        self.clients = Lines(path / "clients.jsonl")
        self.faults = Lines(path / "faults.jsonl")
        self.injected = Lines(path / "injected.jsonl")

    def write(self, name: str, document: object) -> None:
        (self.path / name).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def close(self) -> None:
        for lines in (self.clients, self.faults, self.injected):
            lines.close()


def read_lines(path: Path) -> list[dict]:
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # the last one, being written
            continue
    return found
