"""Clients at work while faults run: the test data's 500 orders, and as many orders of a hot product as the faults take time.

Every request is repeated with the same idempotency key until it has a definite answer; each operation is a line of clients.jsonl:
{op, key, order_id, channel_ref, sent_at, answered_at, status, definite, tries, body, answer}, times in seconds since 1970.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
import uuid
from pathlib import Path

import api
import client
from desk_run import DeskRun
from oclocal import postgres, services
from wait import place_of

from faultrun import hot
from faultrun.record import read_lines
from faultrun.rig import CHAOS, Rig

NAMESPACE = uuid.UUID("3a7c2a8e-58b1-5b5d-9c8c-9b7f1d2f0a44")
CLIENTS = 8
OPERATION_S = 240  # a client gives up on a request after this: its outcome is then indefinite
POLL_S = 0.2
ORDERS = 500  # of the test data
RACE_IN = ("IN_FULFILMENT", "SHIPPED", "DELIVERED")
SETTLED = ("SHIPPED", "DELIVERED", *hot.ENDED)
BEHAVIOURS_MAX = 20000  # hot orders that the doubles are told of


class Clients:
    """Sends requests until they have an answer, and keeps a line of each."""

    def __init__(self, rig: Rig, seed: int):
        self.rig = rig
        self._seed = seed
        self.counts = {"operations": 0, "definite": 0, "accepted": 0, "repeated": 0}
        self._lock = threading.Lock()

    def key(self, *about: object) -> str:
        return str(uuid.uuid5(NAMESPACE, "|".join(map(str, (self._seed, *about)))))

    def operation(self, op: str, key: str, path: str, document: dict, order_id: str = "") -> tuple[int, dict]:
        """Status and answer; 0: none within OPERATION_S. Each try may go to another intake process."""
        draw = random.Random(key)
        end = time.monotonic() + OPERATION_S
        sent_at, tries, wait_s = time.time(), 0, 0.05
        while True:
            url = self.rig.stack.url("intake", draw.randint(1, 2))
            response = client.call("POST", url + path, api.encode(document), {"content-type": api.JSON, "idempotency-key": key}, timeout_s=15)
            tries += 1
            definite = not client.retryable(response.status)
            if definite or time.monotonic() > end:
                break
            time.sleep(draw.uniform(wait_s / 2, wait_s))  # a client's back-off
            wait_s = min(wait_s * 2, 1.0)
        answer = response.json()
        answer = answer if isinstance(answer, dict) else {}
        with self._lock:
            self.counts["operations"] += 1
            self.counts["definite"] += definite
            self.counts["accepted"] += response.ok
            self.counts["repeated"] += tries > 1
        self.rig.folder.clients.write(op=op, key=key, order_id=answer.get("order_id") or order_id,
                                      channel_ref=document.get("channel_ref", ""), sent_at=sent_at, answered_at=time.time(),
                                      status=response.status, definite=definite, tries=tries, body=document, answer=answer)
        return response.status, answer


class Load:
    def __init__(self, rig: Rig, seed: int, *, stock: int, orders_min: int, at_once: int, rate: float):
        """stock and orders_min of the hot product; at_once: its unfinished orders at a time; rate: of the test data's orders, a second."""
        self.rig, self.seed, self.stock, self.orders_min, self.at_once, self.rate = rig, seed, stock, orders_min, at_once, rate
        self.clients = Clients(rig, seed)
        self.orders = hot.Orders(seed)
        self.desk: DeskRun | None = None
        self.hot: dict[str, str] = {}  # acknowledged: order_id and mode
        self._lock = threading.Lock()
        self._unfinished: set[str] = set()
        self._racing: set[str] = set()  # whose customers may still cancel
        self._base_read = 0
        self._expected: list[dict] = []
        self._waits: dict[str, str] = {}  # of the test data's orders: where they are left, if they don't end
        self._next = 0
        self._stop = threading.Event()
        self.ended = threading.Event()  # nobody looks any more
        self._threads: list[threading.Thread] = []
        self._feeding: subprocess.Popen | None = None
        self.states: dict[str, str] = {}
        self.errors: list[str] = []

    # ---- before
    def prepare(self) -> None:
        """Data made, master data taken in, doubles told how to behave."""
        stack, path = self.rig.stack, self.rig.folder.path
        (path / "base").mkdir(exist_ok=True)
        self.desk = DeskRun(stack, path / "base", no_answer_ends=False)
        self._expected = read_lines(self.desk.data / "expected.ndjson")
        for url in hot.targets(stack):
            response = client.call("PUT", url + "/behaviours", self.orders.behaviours(BEHAVIOURS_MAX).encode(), {"content-type": api.NDJSON}, 60)
            assert response.ok, f"{url}: {response.status} {response.error}"
        for path_of, rows in hot.reference(self.stock):
            body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
            response = client.call("POST", stack.url("intake") + path_of, body, {"content-type": api.NDJSON, "idempotency-key": self.clients.key(path_of)}, 60)
            assert response.ok, f"{path_of}: {response.status} {response.body[:500]!r}"
        self.desk.feed("--only", "reference")
        for name, settings in CHAOS.items():
            answer = stack.http(name, "PUT", "/control", json=settings)
            assert answer.status == 200, f"{name}: {answer.body!r}"

    # ---- during
    def start(self) -> None:
        self._feeding = self.desk.feeding("--only", "orders", "--rate", str(self.rate), "--timeout-s", str(OPERATION_S + ORDERS / self.rate))
        for _ in range(CLIENTS):
            self._thread(self._client)
        self._thread(self._racer)
        self._thread(self._watch)

    def _thread(self, work) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # the run must not go on as if all was well
                self.errors.append(f"{work.__name__}: {type(error).__name__}: {error}")
                self._stop.set()
                raise

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _take_number(self) -> int | None:
        with self._lock:
            waiting = sum(1 for order_id in self._unfinished if order_id in self.hot)
            if waiting >= self.at_once:
                return None
            self._next += 1
            return self._next - 1

    def _client(self) -> None:
        while not self.errors and not (self._stop.is_set() and self._next >= self.orders_min):
            number = self._take_number()
            if number is None:
                time.sleep(POLL_S)  # polls for room
                continue
            self._submit(number)

    def _submit(self, number: int) -> None:
        key, document = self.clients.key("order", number), self.orders.document(number)
        status, answer = self.clients.operation("submit", key, api.ORDERS_PATH, document)
        if not 200 <= status < 300:
            return
        order_id, mode = answer["order_id"], self.orders.mode(number)
        with self._lock:
            self.hot[order_id] = mode
            self._unfinished.add(order_id)
            if mode != "cancel_at_once":
                self._racing.add(order_id)
        if number % 10 == 0:  # a client that has not seen its answer
            again, other = self.clients.operation("submit", key, api.ORDERS_PATH, document)
            if 200 <= again < 300 and other.get("order_id") != order_id:
                self.errors.append(f"key {key}: orders {order_id} and {other.get('order_id')}")
        if mode == "cancel_at_once":
            self.cancel(order_id)

    def cancel(self, order_id: str) -> None:
        """Taken, or refused because it's too late; 404 while the order's state isn't known there yet: asked again."""
        key = self.clients.key("cancel", order_id)
        end = time.monotonic() + OPERATION_S
        while True:
            status, _ = self.clients.operation("cancel", key, api.requests_path(order_id), api.cancel("changed my mind"), order_id)
            if status != 404 or time.monotonic() > end:
                return
            time.sleep(POLL_S)

    def _racer(self) -> None:
        """Cancels some orders whose goods are being released, so that shipment and cancel are under way at once, and what is short."""
        clients = self._threads[:CLIENTS]
        while (any(thread.is_alive() for thread in clients) or self._racing) and not self.errors:
            ready = []
            with self._lock:
                for order_id in list(self._racing):
                    state = self.states.get(order_id, "")
                    if state == "SHORTAGE_OFFERED" or (state in RACE_IN and self.hot[order_id] in ("cancel_racing", "hold_until_cancel")):
                        ready.append(order_id)
                    if order_id in ready or state in SETTLED or state in hot.WAITS_BY_DESIGN.get(self.hot[order_id], ()):
                        self._racing.discard(order_id)
            for order_id in ready:
                self.cancel(order_id)
            time.sleep(POLL_S)

    # ---- who is under way
    def _read_base(self) -> None:
        file = self.desk.log
        if not file.exists():
            return
        with open(file, encoding="utf-8") as lines:
            lines.seek(self._base_read)
            for line in iter(lines.readline, ""):
                if not line.endswith("\n"):
                    break
                self._base_read = lines.tell()
                row = json.loads(line)
                if row.get("order_id"):
                    with self._lock:
                        self._waits[row["order_id"]] = place_of(self._expected[row["line"]], False)[0] if "state" in self._expected[row["line"]] else ""
                        self._unfinished.add(row["order_id"])

    def refresh(self) -> bool:
        """Looks at the unfinished orders' states; False while the database doesn't answer."""
        self._read_base()
        with self._lock:
            asked = list(self._unfinished)
        rows = self.rig.try_sql("SELECT order_id::text, state FROM orchestrator.saga WHERE order_id = ANY(%s::uuid[])", asked)
        if rows is None:
            return False
        with self._lock:
            for order_id, state in rows:
                self.states[order_id] = state
                if state in hot.ENDED or state == self._waits.get(order_id) or state in hot.WAITS_BY_DESIGN.get(self.hot.get(order_id, ""), ()):
                    self._unfinished.discard(order_id)
        return True

    def in_flight(self) -> int:
        """Acknowledged orders that have neither ended nor wait for somebody by design; as of the last look."""
        with self._lock:
            return len(self._unfinished)

    def _watch(self) -> None:
        while not self.ended.is_set() and not self.errors:
            self.refresh()
            # What it had to do would be waited for in vain. (A database that is started too soon ends, and is started again.)
            self.errors += [f"{name} ended by itself" for name in self.rig.fallen() if name != postgres.NAME]
            time.sleep(POLL_S)

    # ---- after
    def stop(self, timeout_s: float) -> None:
        """No new orders beyond orders_min; returns when every client has its answers."""
        self._stop.set()
        output, _ = self._feeding.communicate(timeout=timeout_s)
        end = time.monotonic() + timeout_s
        for thread in self._threads[:-1]:  # the watch goes on until all orders are done
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                self.errors.append("a client didn't come to an end")
        if self._feeding.returncode != 0:
            self.errors.append(f"feed.py ended with {self._feeding.returncode}: {output[-1000:]}")

    def write_base(self) -> None:
        """The test data's orders as lines of clients.jsonl; their log has only the end of each operation."""
        documents = (self.desk.data / "orders.ndjson").read_text(encoding="utf-8").splitlines()
        for row in read_lines(self.desk.log):
            definite = not client.retryable(row["status"])
            with self.clients._lock:
                self.clients.counts["operations"] += 1
                self.clients.counts["definite"] += definite
                self.clients.counts["accepted"] += 200 <= row["status"] < 300
                self.clients.counts["repeated"] += row["tries"] > 1
            answered_at = row["at_us"] / 1e6
            self.rig.folder.clients.write(op="submit", key=row["key"], order_id=row["order_id"], channel_ref=row["channel_ref"],
                                          sent_at=answered_at - row["ms"] / 1000, answered_at=answered_at, status=row["status"], definite=definite,
                                          tries=row["tries"], body=json.loads(documents[row["line"]]), answer=row.get("problem") or {})

    def write_beside(self, path: Path) -> None:
        path.write_text("".join(json.dumps({"order_id": order_id}) + "\n" for order_id in self.hot))


def double_urls(rig: Rig) -> dict[str, str]:
    return {name: rig.stack.url(name) for name in services.DOUBLE_NAMES}
