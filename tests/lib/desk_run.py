"""A run of test data through a whole stack: made, fed, waited for, counted again. What end-to-end and fault tests share."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from stack import REPOSITORY, Stack

TESTS = REPOSITORY / "tests"
PYTHON = "/usr/bin/python3"
ENDED = ("COMPLETED", "CANCELLED", "REJECTED", "ARCHIVED")


class DeskRun:
    """The stack's services and doubles must be up. no_answer_ends: the customers' deadlines are short by settings."""

    def __init__(self, stack: Stack, folder: Path, *, sample: bool = False, no_answer_ends: bool = True):
        self.stack, self.data, self.log = stack, folder / "data", folder / "feed.jsonl"
        self.endings = ["--no-answer-ends"] if no_answer_ends else []
        made = self.tool("data/generate.py", "--out", str(self.data), "--warehouse-url", stack.url("warehouse"), *(["--sample"] if sample else []))
        assert made.returncode == 0, made.stdout

    @staticmethod
    def tool(name: str, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess:
        return subprocess.run([PYTHON, str(TESTS / name), *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s)

    def _feed_command(self, *more: str) -> list[str]:
        stack = self.stack
        return ["--data", str(self.data), "--intake", ",".join(stack.url("intake", index) for index in (1, 2)), "--kafka", stack.kafka.bootstrap,
                "--topic-prefix", stack.prefix, "--customer", stack.url("customer"), "--departments", stack.url("departments"),
                "--warehouse", stack.url("warehouse"), "--log", str(self.log), *more]

    def feed(self, *more: str) -> None:
        done = self.tool("doubles/feed.py", *self._feed_command(*more))
        assert done.returncode == 0, done.stdout[-4000:]

    def feeding(self, *more: str) -> subprocess.Popen:
        """In the background; the caller waits for it."""
        return subprocess.Popen([PYTHON, str(TESTS / "doubles/feed.py"), *self._feed_command(*more)], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def accepted(self) -> set[str]:
        if not self.log.exists():
            return set()
        rows = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # being written
                continue
        return {row["order_id"] for row in rows if row.get("order_id")}

    def unfinished(self) -> int:
        """Accepted orders that have not ended yet."""
        accepted = self.accepted()
        ended = {str(row[0]) for row in self.stack.sql("SELECT order_id FROM orchestrator.saga WHERE state = ANY(%s)", list(ENDED))}
        return len(accepted - ended)

    def wait(self, timeout_s: int = 600, quiet_s: int = 90) -> subprocess.CompletedProcess:
        return self.tool("doubles/wait.py", "--desk", self.stack.url("desk"), "--log", str(self.log), "--expected", str(self.data / "expected.ndjson"),
                         *self.endings, "--timeout-s", str(timeout_s), "--quiet-s", str(quiet_s))

    def recount(self) -> subprocess.CompletedProcess:
        return self.tool("data/recount.py", "--data", str(self.data), "--log", str(self.log), "--pg", self.stack.postgres.dsn("postgres"), *self.endings)

    def orderctl(self, *words: str) -> subprocess.CompletedProcess:
        env = {"ORDERCLERK_DESK_URL": self.stack.url("desk"), "ORDERCLERK_INTAKE_URL": self.stack.url("intake"), "PATH": "/usr/bin:/bin",
               **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}
        return subprocess.run([str(self.stack.build_folder / "bin" / "orderctl"), *words], text=True, env=env, capture_output=True, timeout=60)

    def fold(self, folder: Path) -> subprocess.CompletedProcess:
        listed = self.orderctl("order", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        (folder / "orders.json").write_text(listed.stdout)
        return self.tool("doubles/fold.py", "--kafka", self.stack.kafka.bootstrap, "--topic-prefix", self.stack.prefix, "--against",
                         str(folder / "orders.json"))
