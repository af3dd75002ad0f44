#!/usr/bin/python3
"""Feeds a folder of test data to a running system: behaviours to the doubles, master data and stock, then the orders.

    feed.py --data FOLDER --intake URL[,URL] [--kafka HOST:PORT] [--customer URL] [--departments URL] [--warehouse URL] --log FILE

Every request has an idempotency key that depends on the data alone, so that feeding the same folder again repeats everything.
The log has a JSON line per order document: line (from 0), channel_ref, key, status, order_id, tries, ms.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import api
import client
import topics
from journal import Journal
from program import parse, tool_parser

NAMESPACE = uuid.UUID("7c7d6a5e-0d53-5d0e-b2b3-0c5f5c1a3e21")
REFERENCE_KINDS = ("calendars", "warehouses", "products", "prices", "customers")
GROUPS = "validator=validator.v1,inventory=inventory.v1,fulfillment=fulfillment.v1"
TAKEN_TIMEOUT_S = 60
SEND_AGAIN_S = 0.5
PROGRESS_S = 0.2
LINES_S = 5.0


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, what: str):
        self._total, self._what = total, what
        self._lock = threading.Lock()
        self._done = self._bad = 0
        self._begun = self._shown = time.monotonic()
        self._tty = sys.stdout.isatty()

    def step(self, good: bool) -> None:
        with self._lock:
            self._done += 1
            self._bad += not good
            now = time.monotonic()
            if now - self._shown >= (PROGRESS_S if self._tty else LINES_S) or self._done == self._total:
                self._shown = now
                self._show(now)

    def _show(self, now: float) -> None:
        rate = self._done / max(now - self._begun, 0.001)
        text = f"{self._done}/{self._total} {self._what}, {self._bad} refused, {rate:.0f}/s"
        if self._tty:
            filled = 40 * self._done // max(self._total, 1)
            end = "\n" if self._done == self._total else ""
            print(f"\r[{'#' * filled}{'.' * (40 - filled)}] {text}", end=end, flush=True)
        else:
            print(text, flush=True)


def key_of(seed: int, *about: object) -> str:
    return str(uuid.uuid5(NAMESPACE, "|".join(map(str, (seed, *about)))))


def order_key(seed: int, number: int, channel_ref: str, run: str = "") -> str:
    """The idempotency key of the order at this place of the data."""
    return key_of(seed, "order", number, channel_ref, run)


class Feed:
    def __init__(self, options: Namespace):
        self._options = options
        self._data = Path(options.data)
        self._intakes = [url.rstrip("/") for url in options.intake.split(",")]
        self._journal = Journal(options.log)
        self._seed = json.loads((self._data / "about.json").read_text())["seed"]
        self._end = time.monotonic() + options.timeout_s
        self.failed = 0

    def _give_up(self) -> bool:
        return time.monotonic() > self._end

    # ---- before the orders
    def behaviours(self) -> None:
        text = (self._data / "behaviours.ndjson").read_bytes()
        for name in ("customer", "departments", "warehouse"):
            url = getattr(self._options, name)
            if url:
                response = client.call_until("PUT", url.rstrip("/") + "/behaviours", text, {"content-type": api.NDJSON}, self._give_up)
                if not response.ok:
                    raise SystemExit(f"feed: {name} doesn't take the behaviours: {response.status} {response.error}")

    def reference(self) -> None:
        for kind in REFERENCE_KINDS:
            self._import(kind, self._intakes[0] + api.reference_path(kind))
        self._import("stock", self._intakes[0] + api.STOCK_PATH)
        if self._options.kafka:
            groups = dict(pair.split("=") for pair in self._options.groups.split(","))
            taken = topics.wait_taken(self._options.kafka, self._options.topic_prefix, lambda name: name.startswith("reference.") or name == "stock-changes",
                                      groups, TAKEN_TIMEOUT_S, print)
            if not taken:
                raise SystemExit("feed: master data is not taken by the services")

    def _import(self, name: str, url: str) -> None:
        body = (self._data / f"{name}.ndjson").read_bytes()
        about = json.loads((self._data / "about.json").read_text())
        headers = {"content-type": api.NDJSON, "idempotency-key": key_of(self._seed, "reference", name, about["today"], self._options.run)}
        while True:
            response = client.call_until("POST", url, body, headers, self._give_up, timeout_s=60)
            if not response.ok:
                raise SystemExit(f"feed: {name} refused: {response.status} {response.error} {response.body.decode(errors='replace')[:2000]}")
            results = [line for line in _results(response.body) if isinstance(line, dict)]
            bad = [line for line in results if line.get("problems") or line.get("status") in ("refused", "failed")]
            if not bad:
                break
            # Lines that couldn't be stored for now are to be sent again; the others are known by the file's key.
            if self._give_up() or any(line.get("status") != "failed" for line in bad):
                raise SystemExit(f"feed: {len(bad)} lines of {name} are refused, the first: {json.dumps(bad[0], ensure_ascii=False)[:2000]}")
            time.sleep(SEND_AGAIN_S)
        print(f"{name}: {body.count(bytes([10]))} records", flush=True)

    # ---- orders
    def orders(self) -> None:
        lines = [line for line in (self._data / "orders.ndjson").read_text(encoding="utf-8").splitlines() if line.strip()]
        documents = [json.loads(line) for line in lines]
        after = {row["channel_ref"]: row.get("after", "") for row in map(json.loads, (self._data / "behaviours.ndjson").read_text(encoding="utf-8").splitlines())}
        answered = {document["channel_ref"]: threading.Event() for document in documents}
        seen: set[str] = set()
        progress = Progress(len(lines), "orders")
        interval = 1 / self._options.rate if self._options.rate else 0
        begun = time.monotonic()

        def post(number: int, first: bool) -> None:
            ref = documents[number]["channel_ref"]
            wait_for = after.get(ref) if first else ref
            if wait_for:
                answered[wait_for].wait(self._options.timeout_s)
            if interval:
                time.sleep(max(0.0, begun + number * interval - time.monotonic()))
            good = self._post(number, ref, lines[number].encode())
            answered[ref].set()
            progress.step(good)

        with ThreadPoolExecutor(self._options.concurrency) as pool:
            # What waits for another order stands behind it in the file, so a full pool can't wait for ever.
            for number, document in enumerate(documents):
                pool.submit(post, number, document["channel_ref"] not in seen)
                seen.add(document["channel_ref"])
        self._journal.close()

    def _post(self, number: int, ref: str, body: bytes) -> bool:
        key = order_key(self._seed, number, ref, self._options.run)
        url = self._intakes[number % len(self._intakes)] + api.ORDERS_PATH
        tries = 0

        def count(response: client.Response) -> None:
            nonlocal tries
            tries += 1

        begun = time.monotonic()
        response = client.call_until("POST", url, body, {"content-type": api.JSON, "idempotency-key": key}, self._give_up, on_try=count)
        answer = response.json()
        order_id = answer.get("order_id", "") if isinstance(answer, dict) and response.ok else ""
        self._journal.write("order", line=number, channel_ref=ref, key=key, status=response.status, order_id=order_id, tries=tries,
                            ms=round((time.monotonic() - begun) * 1000, 2), error=response.error, location=response.headers.get("location", ""),
                            problem=None if response.ok else answer)
        if order_id and self._options.customer:
            client.call_until("POST", self._options.customer.rstrip("/") + "/orders", json.dumps({"order_id": order_id, "channel_ref": ref}).encode(),
                              {"content-type": api.JSON}, self._give_up)
        if not response.ok and client.retryable(response.status):
            self.failed += 1
        return response.ok


def _results(body: bytes) -> list:
    """Results per line: NDJSON, or one document with `results`."""
    try:
        whole = json.loads(body)
        return whole.get("results", [whole]) if isinstance(whole, dict) else whole
    except ValueError:
        return [json.loads(line) for line in body.splitlines() if line.strip()]


def main(argv: list[str] | None = None) -> int:
    parser = tool_parser(__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="FOLDER")
    parser.add_argument("--intake", default="http://127.0.0.1:8080", metavar="URL[,URL]")
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="to see when master data has been taken; empty: don't wait")
    parser.add_argument("--topic-prefix", default="orderclerk.")
    parser.add_argument("--groups", default=GROUPS, metavar="SERVICE=GROUP,…")
    for name in ("customer", "departments", "warehouse"):
        parser.add_argument(f"--{name}", default="", metavar="URL", help=f"the {name} double, told of behaviours")
    parser.add_argument("--log", default="", metavar="FILE")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0, metavar="N", help="orders per second; 0: as fast as it goes")
    parser.add_argument("--timeout-s", type=float, default=300)
    parser.add_argument("--run", default="", metavar="NAME", help="part of the idempotency keys: the same data once more as new requests")
    parser.add_argument("--only", choices=("all", "reference", "orders"), default="all")
    options = parse(parser, argv)
    feed = Feed(options)
    if options.only != "orders":
        feed.behaviours()
        feed.reference()
    if options.only != "reference":
        feed.orders()
    return 1 if feed.failed else 0


if __name__ == "__main__":
    sys.exit(main())
