"""The clients' log against what became of it: nothing acknowledged is lost (I1), nothing invented (I2), retries are one (I3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .history import Record
from .report import ACCEPTED_MIN, DEFINITE_MIN
from .run import Run

SUBMITS = ("submit", "order")  # what the two kinds of logs call an order's submission
TRY_AGAIN = (408, 425, 429)


@dataclass(frozen=True)
class Operation:
    op: str
    key: str
    order_id: str  # empty: unknown to the client
    status: int
    definite: bool  # the client knows whether it was taken
    tries: int
    ref: str  # the client's own name for the order, beside the key

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


def _operations(run: Run) -> Iterator[Operation]:
    for line in run.history.lines("clients.jsonl"):
        yield Operation(line["op"], line.get("key", ""), line.get("order_id") or "", line.get("status") or 0, bool(line["definite"]),
                        line.get("tries", 1), line.get("channel_ref", ""))
    for line in run.history.lines("feed.jsonl"):  # tests/doubles/feed.py
        if line.get("what") == "order":
            status = line["status"]
            definite = 200 <= status < 500 and status not in TRY_AGAIN
            yield Operation("order", line["key"], line["order_id"], status, definite, line["tries"], line["channel_ref"])


class Clients:
    def __init__(self, run: Run):
        self._run = run
        self._submits = run.keys.integers()  # on the topic, by order
        self._requests: set[int] = set()  # hashes of the request ids on the topic
        self._identities: dict[int, int] = {}  # hash of channel, account, reference: the order
        self._saga = run.keys.integers()
        self._keys: set[int] = set()
        self._acknowledged = run.keys.integers()

    def take_request(self, request, at: int, record: Record, fresh: bool) -> None:
        if not fresh:
            return
        self._requests.add(hash(request.request_id))
        if not request.HasField("submit") or at in self._run.strangers:
            return
        self._submits[at] += 1
        order = request.submit.order
        if order.channel_ref:
            identity = hash((order.channel, order.channel_account, order.channel_ref))
            if self._identities.setdefault(identity, at) != at:
                first = self._run.keys.names[self._identities[identity]]
                self._run.report["I3"].fail(request.order_id, f"{order.channel} {order.channel_ref} is order {first} already")

    def take_saga(self, at: int) -> None:
        self._saga[at] = 1

    def compare(self) -> None:
        kept_keys = self._compare_log()
        self._compare_submissions(kept_keys)
        inv, names = self._run.report["I3"], self._run.keys.names
        for at, count in enumerate(self._submits):
            if count > 1:
                inv.fail(names[at], f"was submitted {count} times on the topic")

    def _compare_log(self) -> dict[int, str]:
        """Returns acknowledged requests other than submissions: hash of the key, and its order."""
        lost, numbers, keys = self._run.report["I1"], self._run.report.numbers, self._run.keys
        operations = definite = 0
        orders: dict[int, bool] = {}  # by key: whether one of the tries was taken
        answers: dict[int, str] = {}  # by key and by reference: the order that was answered
        tries: dict[int, int] = {}
        others: dict[int, str] = {}
        for one in _operations(self._run):
            operations += 1
            definite += one.definite
            key = hash(one.key)
            self._keys.add(key)
            if one.op not in SUBMITS:
                if one.acknowledged:
                    others[key] = one.order_id
                continue
            orders[key] = orders.get(key, False) or one.acknowledged
            if one.acknowledged:
                self._acknowledge(lost, keys.number(one.order_id), one)
                self._same_answer(answers, tries, one)
        numbers["client operations"] = operations
        self._run.report.share("definite", definite, operations, DEFINITE_MIN)
        self._run.report.share("accepted", sum(orders.values()), len(orders), ACCEPTED_MIN)
        return others

    def _acknowledge(self, inv, at: int, one: Operation) -> None:
        if self._acknowledged[at]:
            return
        self._acknowledged[at] = 1
        inv.check(bool(self._saga[at] and self._submits[at]), one.order_id,
                  f"acknowledged with {one.status} (key {one.key}), " + ("not on the topic" if not self._submits[at] else "no saga"))

    def _same_answer(self, answers: dict[int, str], tries: dict[int, int], one: Operation) -> None:
        for name in {("key", one.key), ("ref", one.ref or one.key)}:
            name = hash(name)
            first = answers.setdefault(name, one.order_id)
            tries[name] = tries.get(name, 0) + one.tries
            if tries[name] > 1:
                self._run.report["I3"].check(first == one.order_id, one.order_id, f"key {one.key}, reference {one.ref} was answered with {first} before")

    def _compare_submissions(self, others: dict[int, str]) -> None:
        """What intake keeps: every accepted request is on its topic, every order's key is a client's."""
        lost, invented, keys = self._run.report["I1"], self._run.report["I2"], self._run.keys
        known = keys.integers()
        for number, kind, client_key, subject in self._run.history.rows("intake", "submission", "id kind client_key subject"):
            # endpoint, client and key; a line of a file has its number behind #
            key = hash(re.split(r"[\x00-\x1f]", client_key)[-1].split("#")[0]) if client_key else 0
            others.pop(key, None)
            if kind not in ("order", "request"):
                continue
            lost.check(hash(number) in self._requests, subject, f"{kind} {number} was accepted and is not on the topic")
            if kind == "order" and (key in self._keys or self._acknowledged[keys.number(subject)]):
                known[keys.number(subject)] = 1
        for order_id in others.values():
            lost.fail(order_id, "an acknowledged request of its client was not kept")
        for at, saga in enumerate(self._saga):
            if saga and at not in self._run.strangers:
                invented.check(bool(known[at] or self._acknowledged[at]), keys.names[at], "no client has sent it")
        keys.drop(known)
