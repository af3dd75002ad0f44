"""A run of test data through a whole stack: made, fed, waited for, counted again. What end-to-end and fault tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import api
import feed
import histories
import topics
from stack import REPOSITORY, Answer, Stack
from oclocal import services  # whose place stack knows

TESTS = REPOSITORY / "tests"
sys.path.append(str(TESTS / "fault"))

from checker.watch import Watch  # noqa: E402

PYTHON = "/usr/bin/python3"
ENDED = ("COMPLETED", "CANCELLED", "REJECTED", "ARCHIVED")


def journals(folder: Path, settings: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Settings of a stack whose doubles keep what they receive in this run's folder, for DeskRun.check."""
    kept = {name: {"JOURNAL": str(folder / "receivers" / f"{name}.jsonl")} for name in services.DOUBLE_NAMES}
    return {name: {**settings.get(name, {}), **kept.get(name, {})} for name in {**settings, **kept}}


class DeskRun:
    """The stack's services and doubles must be up. sample: one order of each kind and 40 express ones, not 500; kinds: only
    orders of these kinds; no_answer_ends: the customers' deadlines are short by settings; intakes: whom the orders are sent to."""

    def __init__(self, stack: Stack, folder: Path, *, sample: bool = False, kinds: Iterable[str] = (), no_answer_ends: bool = True,
                 intakes: Iterable[int] = (1, 2)):
        self.stack, self.data, self.log = stack, folder / "data", folder / "feed.jsonl"
        self.endings = ["--no-answer-ends"] if no_answer_ends else []
        self.intakes = tuple(intakes)
        made = self.tool("data/generate.py", "--out", str(self.data), "--warehouse-url", stack.url("warehouse"), *(["--sample"] if sample else []))
        assert made.returncode == 0, made.stdout
        if kinds:
            self._keep(set(kinds))

    def rows(self, name: str) -> list[dict]:
        return [json.loads(line) for line in (self.data / name).read_text(encoding="utf-8").splitlines()]

    def rewrite(self, name: str, rows: list[dict]) -> None:
        (self.data / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def _keep(self, kinds: set[str]) -> None:
        behaviours = [row for row in self.rows("behaviours.ndjson") if row["kind"] in kinds]
        assert {row["kind"] for row in behaviours} == kinds, "a kind of which there is no order"
        kept = {row["channel_ref"] for row in behaviours}
        self.rewrite("behaviours.ndjson", behaviours)
        self.rewrite("orders.ndjson", [row for row in self.rows("orders.ndjson") if row["channel_ref"] in kept])
        counted = self.tool("data/generate.py", "--expect", str(self.data))
        assert counted.returncode == 0, counted.stdout

    def orders(self) -> list[dict]:
        """The documents in the order in which they are fed; `kind` says which kind of case each is."""
        kinds = {row["channel_ref"]: row["kind"] for row in self.rows("behaviours.ndjson")}
        return [{**row, "kind": kinds[row["channel_ref"]]} for row in self.rows("orders.ndjson")]

    @staticmethod
    def tool(name: str, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess:
        return subprocess.run([PYTHON, str(TESTS / name), *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s)

    def _feed_command(self, *more: str) -> list[str]:
        stack = self.stack
        return ["--data", str(self.data), "--intake", ",".join(stack.url("intake", index) for index in self.intakes), "--kafka", stack.kafka.bootstrap,
                "--topic-prefix", stack.prefix, "--customer", stack.url("customer"), "--departments", stack.url("departments"),
                "--warehouse", stack.url("warehouse"), "--log", str(self.log), *more]

    def feed(self, *more: str) -> None:
        done = self.tool("doubles/feed.py", *self._feed_command(*more))
        assert done.returncode == 0, done.stdout[-4000:]

    def feeding(self, *more: str) -> subprocess.Popen:
        """In the background; the caller waits for it."""
        return subprocess.Popen([PYTHON, str(TESTS / "doubles/feed.py"), *self._feed_command(*more)], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def post(self, number: int, index: int = 1) -> Answer:
        """One try of the order at this place of the data, with the key that the feed gives it."""
        seed = json.loads((self.data / "about.json").read_text())["seed"]
        line = (self.data / "orders.ndjson").read_text(encoding="utf-8").splitlines()[number]
        key = feed.order_key(seed, number, json.loads(line)["channel_ref"])
        return self.stack.http("intake", "POST", "/v1/orders", line.encode(), index=index,
                               headers={"Content-Type": "application/json", "Idempotency-Key": key})

    def answer(self, channel_ref: str, order_id: str) -> Answer:
        """What the customer says when asked, as the data has it; for stacks whose customers are silent."""
        behaviour = next(row for row in self.rows("behaviours.ndjson") if row["channel_ref"] == channel_ref)
        changes = [{"field": field, "value": value} for field, value in behaviour["customer"]["answers"].items()]
        return self.stack.http("intake", "POST", api.requests_path(order_id), json=api.answer(changes), headers={"Idempotency-Key": f"answer-{order_id}"})

    def mails(self, order_id: str, kind: str) -> list[dict]:
        return self.stack.http("mail", "GET", f"/mails?order={order_id}&kind={kind}").json()["mails"]

    def answered(self) -> dict[str, str]:
        """channel_ref: order_id, of the orders that the feed's log has as taken."""
        return {row["channel_ref"]: row["order_id"] for row in self._log_rows() if row.get("order_id")}

    def _log_rows(self) -> list[dict]:
        if not self.log.exists():
            return []
        rows = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # being written
                continue
        return rows

    def accepted(self) -> set[str]:
        return {row["order_id"] for row in self._log_rows() if row.get("order_id")}

    def unfinished(self) -> int:
        """Accepted orders that have not ended yet."""
        accepted = self.accepted()
        ended = {str(row[0]) for row in self.stack.sql("SELECT order_id FROM orchestrator.saga WHERE state = ANY(%s)", list(ENDED))}
        return len(accepted - ended)

    def wait(self, timeout_s: int = 600, quiet_s: int = 90) -> subprocess.CompletedProcess:
        """Until all orders have ended, and the desk has read whatever else was told of them."""
        waited = self.tool("doubles/wait.py", "--desk", self.stack.url("desk"), "--log", str(self.log), "--expected", str(self.data / "expected.ndjson"),
                           *self.endings, "--timeout-s", str(timeout_s), "--quiet-s", str(quiet_s))
        if waited.returncode == 0:
            assert topics.wait_taken(self.stack.kafka.bootstrap, self.stack.prefix, lambda name: True, {"desk": "desk.v1"}, timeout_s, print)
        return waited

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

    def watch(self) -> Watch:
        """Used by `with` while faults are made: whether epochs only rise is part of the check then."""
        return Watch(self.stack.postgres.dsn("postgres"), self.log.parent)

    def check(self) -> subprocess.CompletedProcess:
        """The invariants over the client's log, topics, tables and receivers' logs; the stack must have been made with `journals`."""
        return self.tool("fault/check", "--run", str(self.log.parent), "--pg", self.stack.postgres.dsn("postgres"), "--kafka",
                         self.stack.kafka.bootstrap, "--topic-prefix", self.stack.prefix)

    def finish(self, folder: Path) -> histories.Histories:
        """Every order is where the data says; stock, money and messages, a department's fold and each order's history agree."""
        waited = self.wait()
        assert waited.returncode == 0, waited.stdout[-6000:]
        counted = self.recount()
        assert counted.returncode == 0, counted.stdout[-6000:]
        folded = self.fold(folder)
        assert folded.returncode == 0, folded.stdout[-4000:]
        found = histories.read(self.stack)
        print(f"at rest: {found}")
        return found
