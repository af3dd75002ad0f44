"""What every bench shares: a stack with the cheap peers of bench_peers, load, what it costs.

A bench is a function of a Bench that returns a dictionary of numbers. Everything runs on this machine, the loader too;
completed orders are counted by a consumer of order-events outside the services. The clock of a latency starts when the
request should have been sent, so that a late sender hides nothing (coordinated omission).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "doubles")]

from stack import Stack  # noqa: E402  (puts deploy/local on the path)
import client  # noqa: E402
from oclocal import kafka, services  # noqa: E402

FIRST = HERE.parent / "data" / "first"
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
NO_WINDOW = {"orchestrator": {"DISPUTE_WINDOW": "0s"}}
STOCK = 100_000_000
SATURATING = 4000  # orders, enough to fill every service for seconds


class Peers:
    """bench_peers: finance, mail server and counter in one C program."""

    def __init__(self, stack: Stack):
        self._folder = Path(tempfile.mkdtemp(prefix="orderclerk-bench-"))
        self._completed_file = self._folder / "completed"
        self._completed_file.touch()
        self.completed: dict[str, float] = {}
        self.process = subprocess.Popen(
            [str(stack.build_folder / "bin" / "bench_peers"), "--brokers", stack.kafka.bootstrap, "--prefix", stack.prefix,
             "--completed", str(self._completed_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.smtp = f"127.0.0.1:{json.loads(self.process.stdout.readline())['smtp_port']}"
        self._reader = open(self._completed_file, encoding="ascii")
        self._rest = ""

    def read(self) -> dict[str, float]:
        """Completed orders and when, so far."""
        *lines, self._rest = (self._rest + self._reader.read()).split("\n")
        for line in lines:
            order_id, at = line.split(" ")
            self.completed.setdefault(order_id, int(at) / 1e6)
        return self.completed

    def mails(self) -> int:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["mails"]

    def close(self) -> None:
        self._reader.close()
        self.process.stdin.close()
        self.process.wait()
        self._completed_file.unlink()
        self._folder.rmdir()


def ticks(pid: int, fields: slice) -> int:
    """User and system time (11:13), with that of children that have ended (11:15)."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[fields]))
    except FileNotFoundError:
        return 0


class Bench:
    """A stack with every service, reference data in, warm."""

    def __init__(self, settings: dict[str, dict[str, str]] | None = None, *, partitions: int = 6, names=services.SERVICE_NAMES):
        self.stack = Stack(settings={**NO_WINDOW, **(settings or {})}, small=False, partitions=partitions)
        self._names = names
        self._sent = 0
        self._template = json.loads((FIRST / "order.json").read_text(encoding="utf-8"))

    def __enter__(self) -> Bench:
        self.stack.__enter__()
        try:
            self.peers = Peers(self.stack)
            self.stack.settings.setdefault("notifier", {})["SMTP_URL"] = f"smtp://{self.peers.smtp}"
            self.stack.up(self._names)
            self._reference_data()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.peers.close()
        self.stack.close()

    def _reference_data(self) -> None:
        url = self.stack.url("intake")
        for kind in ("warehouses", "calendars", "products", "customers", "prices"):
            answer = client.call("POST", f"{url}/v1/reference/{kind}:import", (FIRST / f"{kind}.ndjson").read_bytes(), NDJSON)
            assert answer.ok, answer.body
        self.receive_stock("PEN-01", STOCK)
        self.stack.wait(lambda: self.stack.value("SELECT count(*) FROM validator.price") == 1, 60, "prices")

    def receive_stock(self, sku: str, quantity: int) -> None:
        row = json.dumps({"type": "received", "sku": sku, "warehouse": "AUTO", "quantity": quantity}).encode() + b"\n"
        assert client.call("POST", f"{self.stack.url('intake')}/v1/stock:import", row, NDJSON).ok
        self.stack.wait(lambda: self.stack.value("SELECT count(*) FROM desk.stock_level WHERE sku = %s", sku) == 1, 60, "stock")

    # ---- load
    def order(self, **changes) -> bytes:
        self._sent += 1
        ref = f"B{os.getpid()}-{self._sent}"
        return json.dumps({**self._template, "channel": "FILE", "channel_account": "bench", "channel_ref": ref, "customer_po": ref, **changes},
                          ensure_ascii=False).encode()

    def feed(self, orders: int, **changes) -> float:
        """A file of so many orders by the import, from both intakes at once; returns when the first byte went out."""
        bodies = [b"".join(self.order(**changes) + b"\n" for _ in range(orders // 2 + part * (orders % 2))) for part in (0, 1)]
        begun = time.time()

        def send(index: int) -> None:
            answer = client.call("POST", f"{self.stack.url('intake', index + 1)}/v1/orders:import", bodies[index], NDJSON, timeout_s=900)
            assert answer.ok, answer.body[:500]

        threads = [threading.Thread(target=send, args=(index,)) for index in (0, 1) if bodies[index]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return begun

    def wait_completed(self, count: int, timeout_s: float = 900) -> None:
        self.stack.wait(lambda: len(self.peers.read()) >= count, timeout_s, f"{count} completed orders", 0.02)

    def run_orders(self, orders: int, **changes) -> float:
        """Feeds them and waits until all are completed: seconds."""
        before = len(self.peers.read())
        begun = self.feed(orders, **changes)
        self.wait_completed(before + orders)
        return max(self.peers.completed.values()) - begun

    def warm(self, orders: int = 5000) -> None:
        """A cold JVM costs two to four times as much."""
        self.run_orders(orders)

    # ---- cost
    def cpu(self) -> dict[str, float]:
        """Seconds of user and system time by program, the peers among them, the loader left out."""
        seconds = {"peers": float(ticks(self.peers.process.pid, slice(11, 13)))}
        for name in list(self.stack.home.state["processes"]):
            process = self.stack.home.running(name)
            if process is None:
                continue
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()  # PostgreSQL's sessions
            spent = ticks(process.pid, slice(11, 15)) + sum(ticks(int(pid), slice(11, 13)) for pid in children)
            program = re.sub(r"-[0-9]+$", "", name)
            seconds[program] = seconds.get(program, 0) + spent
        return {name: spent / os.sysconf("SC_CLK_TCK") for name, spent in seconds.items()}

    def cpu_since(self, before: dict[str, float], share: float) -> dict[str, float]:
        """CPU time by program since then, times a share: 1000 / orders makes milliseconds an order, 100 / seconds percent."""
        return {name: round((after - before.get(name, 0)) * share, 3) for name, after in self.cpu().items()}

    def rss_mib(self) -> dict[str, float]:
        """Resident memory of each process."""
        sizes = {}
        for name in list(self.stack.home.state["processes"]):
            process = self.stack.home.running(name)
            if process is not None:
                status = Path(f"/proc/{process.pid}/status").read_text()
                sizes[name] = round(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024, 1)
        return sizes

    def lane_totals(self) -> dict[str, dict[str, float]]:
        """Counters of the lanes, by service."""
        totals: dict[str, dict[str, float]] = {}
        for name in self._names:
            for index in range(1, services.PROGRAMS[name].processes + 1):
                for key, value in self.stack.metrics(name, index).items():
                    if key.startswith("orderclerk_lane_") and "{" not in key:
                        into = totals.setdefault(name, {})
                        into[key[16:]] = into.get(key[16:], 0) + value
        return totals

    def wal_bytes(self) -> int:
        return int(self.stack.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))

    def row_operations(self) -> int:
        return int(self.stack.value("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"))

    def database_bytes(self) -> int:
        return int(self.stack.value("SELECT pg_database_size(current_database())"))

    def measured(self, orders: int, run) -> dict:
        """What `run` (which returns its seconds) costs per order."""
        cpu, wal, lanes, size = self.cpu(), self.wal_bytes(), self.lane_totals(), self.database_bytes()
        seconds = run()
        by_program = self.cpu_since(cpu, 1000 / orders)
        batches = {name: {key: totals[key] - lanes.get(name, {}).get(key, 0) for key in ("batches_total", "round_trips_total", "batch_size_sum")}
                   for name, totals in self.lane_totals().items()}
        return {"orders": orders, "seconds": round(seconds, 2), "orders_per_second": round(orders / seconds),
                "cpu_ms_per_order": round(sum(by_program.values()), 3), "cpu_ms_by_program": by_program,
                "wal_kb_per_order": round((self.wal_bytes() - wal) / 1000 / orders, 2),
                "database_kb_per_order": round((self.database_bytes() - size) / 1000 / orders, 2),
                "inputs_per_batch": {name: round(b["batch_size_sum"] / b["batches_total"], 1) for name, b in batches.items() if b["batches_total"]}}

    def saturation(self) -> float:
        """Orders a second when there is more to do than can be done."""
        return self.measured(SATURATING, lambda: self.run_orders(SATURATING))["orders_per_second"]

    def measured_accepting(self, orders: int) -> dict:
        """How fast a file is taken in."""
        begun = time.time()
        self.feed(orders)
        seconds = time.time() - begun
        return {"orders": orders, "seconds": round(seconds, 2), "orders_per_second": round(orders / seconds)}

    def conditions(self) -> dict:
        """Versions, cores and the durability settings found in force."""
        shown = {name: self.stack.value(f"SHOW {name}") for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_compression")}
        return {"cores": os.cpu_count(), **shown, "kafka": kafka.version(), "acks": "all", "partitions": self.stack.partitions}


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) for name, share in at.items()}
