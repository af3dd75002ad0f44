#!/usr/bin/python3
"""How many express orders the whole desk completes a second, and how long one takes.

    tests/bench/saga.py [--orders N] [--latency-rate N] [--latency-s S]

Every service runs (two processes of intake, inventory and orchestrator), PostgreSQL with fsync and synchronous_commit, a
one-node Kafka, and the doubles of finance and of the mail server, all on this machine. Orders go in through
POST /v1/orders:import (saturation) and POST /v1/orders at a fixed rate (latency, from the request's own time in the schedule,
so that a late answer isn't left out); a consumer of order-events outside the services counts OrderCompleted. There is no
dispute window, by its setting. Prints one JSON line with versions, cores and the durability found in force.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "doubles")]

from stack import Stack  # noqa: E402  (puts deploy/local on the path)
import client  # noqa: E402
from oclocal import services  # noqa: E402
from protos import load  # noqa: E402

pb = load()
SETTINGS = {"orchestrator": {"DISPUTE_WINDOW": "0s"}, "departments": {"ANSWER_MS": "0"}}
FIRST = HERE.parent / "data" / "first"
NDJSON = {"content-type": "application/x-ndjson"}


class Counter(threading.Thread):
    """Reads COMPLETED from outside: when each order's OrderCompleted was there to be read."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.completed: dict[str, float] = {}
        self._consumer = stack.consumer("order-events")
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            for message in self._consumer.consume(1000, 0.02):
                if message.error():
                    continue
                event = pb.order_events.OrderEvent.FromString(message.value())
                if event.WhichOneof("body") == "completed":
                    self.completed.setdefault(event.order_id, time.time())
        self._consumer.close()


def order(ref: str) -> dict:
    document = json.loads((FIRST / "order.json").read_text(encoding="utf-8"))
    return {**document, "channel": "FILE", "channel_account": "bench", "channel_ref": ref, "customer_po": ref}


def cpu_s(stack) -> dict[str, float]:
    """User and system time of everything that the stack runs, by program."""
    seconds: dict[str, float] = {}
    for name in list(stack.home.state["processes"]):
        process = stack.home.running(name)
        if process is None:
            continue
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()  # PostgreSQL's sessions
        ticks = 0
        for pid in (process.pid, *children):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
            except FileNotFoundError:  # ended meanwhile: counted by its parent from now on
                continue
            ticks += sum(int(field) for field in fields[11:15 if pid == process.pid else 13])
        program = re.sub(r"-[0-9]+$", "", name)
        seconds[program] = seconds.get(program, 0) + ticks / os.sysconf("SC_CLK_TCK")
    return seconds


def prepare(stack, stock: int) -> None:
    url = stack.url("intake")
    for kind in ("warehouses", "calendars", "products", "customers", "prices"):
        answer = client.call("POST", f"{url}/v1/reference/{kind}:import", (FIRST / f"{kind}.ndjson").read_bytes(), NDJSON)
        assert answer.ok, answer.body
    row = json.dumps({"type": "received", "sku": "PEN-01", "warehouse": "AUTO", "quantity": stock}).encode() + b"\n"
    assert client.call("POST", f"{url}/v1/stock:import", row, NDJSON).ok
    stack.wait(lambda: stack.value("SELECT count(*) FROM desk.stock_level WHERE on_hand = %s", stock) == 1, 30, "stock")
    stack.wait(lambda: stack.value("SELECT count(*) FROM validator.price") == 1, 30, "prices")


def saturation(stack, counter, orders: int) -> dict:
    begun = time.time()
    body = b"".join(json.dumps(order(f"S{begun}-{n}"), ensure_ascii=False).encode() + b"\n" for n in range(orders))
    before, cpu, begun = len(counter.completed), cpu_s(stack), time.time()
    answer = client.call("POST", f"{stack.url('intake')}/v1/orders:import", body, NDJSON, timeout_s=600)
    assert answer.ok, answer.body[:500]
    stack.wait(lambda: len(counter.completed) - before >= orders, 600, f"{orders} completed orders", 0.05)
    seconds = time.time() - begun
    by_program = {name: round((after - cpu.get(name, 0)) * 1000 / orders, 3) for name, after in cpu_s(stack).items()}
    return {"orders": orders, "seconds": round(seconds, 2), "orders_per_second": round(orders / seconds),
            "cpu_ms_per_order": round(sum(by_program.values()), 2), "cpu_ms_by_program": by_program}


def latency(stack, counter, rate: int, seconds: int) -> dict:
    sent: dict[str, float] = {}

    def post(n: int, at: float) -> None:
        time.sleep(max(0.0, at - time.time()))
        answer = client.call("POST", f"{stack.url('intake')}/v1/orders", json.dumps(order(f"L{n}"), ensure_ascii=False).encode(),
                             {"content-type": "application/json"})
        sent[answer.json()["order_id"]] = at

    begun = time.time() + 0.5
    with ThreadPoolExecutor(16) as pool:
        for n in range(rate * seconds):
            pool.submit(post, n, begun + n / rate)
    stack.wait(lambda: all(order_id in counter.completed for order_id in sent), 120, "completed orders", 0.05)
    times = sorted(counter.completed[order_id] - at for order_id, at in sent.items())
    return {"rate": rate, "orders": len(times), "p50_ms": round(times[len(times) // 2] * 1000, 1),
            "p99_ms": round(times[len(times) * 99 // 100] * 1000, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument("--latency-rate", type=int, default=20)
    parser.add_argument("--latency-s", type=int, default=10)
    options = parser.parse_args()
    with Stack(settings=SETTINGS, small=False) as stack:
        stack.up((*services.SERVICE_NAMES, "departments", "mail"))
        prepare(stack, 10 * options.orders + 100000)
        counter = Counter(stack)
        counter.start()
        saturation(stack, counter, max(200, options.orders // 5))  # warm
        result = {"bench": "saga", "at": datetime.now().isoformat(timespec="seconds"), "cores": os.cpu_count(),
                  "postgres": stack.value("SHOW server_version"), "fsync": stack.value("SHOW fsync"),
                  "synchronous_commit": stack.value("SHOW synchronous_commit"), "partitions": stack.partitions,
                  "saturation": saturation(stack, counter, options.orders),
                  "latency": latency(stack, counter, options.latency_rate, options.latency_s)}
        counter.stop = True
        counter.join()
        print(json.dumps(result))


if __name__ == "__main__":
    main()
