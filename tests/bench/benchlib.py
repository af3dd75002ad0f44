"""What every bench shares: a stack with the cheap peers of bench_peers, load, what it costs.

A bench is a function of its Options that returns a dictionary of numbers. Everything runs on this machine, the loader too;
completed orders are counted by a consumer of order-events outside the services. The clock of a latency starts when the
request should have been sent, so that a late sender hides nothing (coordinated omission).
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "doubles")]

from stack import Stack  # noqa: E402  (puts deploy/local on the path)
import client  # noqa: E402
from oclocal import kafka, services  # noqa: E402

FIRST = HERE.parent / "data" / "first"
NDJSON = {"content-type": "application/x-ndjson"}
NO_WINDOW = {"orchestrator": {"DISPUTE_WINDOW": "0s"}}
UNLIMITED = {"intake": {"ORDERS_WAITING_MAX": "1000000000"}}  # where orders pile up on purpose
STOCK = 100_000_000
SATURATING = 4000  # orders, enough to fill every service for seconds


WARM_S = 120
WARM_ORDERS, WARM_ORDERS_SHORT = 4000, 500  # at a time
STATISTICS_S = 11  # PostgreSQL's sessions tell what they counted at latest after 10 s
REFUSING = "CLOSED"  # a warehouse that refuses to ship …
REFUSED_SKU = "PEN-02"  # … all there is of this


@dataclass(frozen=True)
class Options:
    short: bool = False  # only shows that a bench works
    long: bool = False
    runs: int = 3  # of those benches that give a median
    warm_s: float = WARM_S
    against: Path | None = None  # another build's folder: each of those runs with its programs too, in turn


@dataclass(frozen=True)
class Answered:
    """One request of bench_load."""

    number: int
    due: float  # when it should have been sent
    answered: float
    status: int  # 0: no answer
    says_when: bool  # has Retry-After
    order_id: str


class Peers:
    """bench_peers: finance, mail server, a warehouse that refuses, a person who cancels then, and counter in one C program."""

    def __init__(self, stack: Stack, types: tuple[str, ...], person: bool):
        self._folder = Path(tempfile.mkdtemp(prefix="orderclerk-bench-"))
        self._counted_file = self._folder / "counted"
        self._counted_file.touch()
        self.seen: dict[str, dict[str, float]] = {name: {} for name in types}  # by type: order and when
        self.process = subprocess.Popen(
            [str(stack.build_folder / "bin" / "bench_peers"), "--brokers", stack.kafka.bootstrap, "--prefix", stack.prefix,
             "--counted", str(self._counted_file), "--types", ",".join(types), *(("--intake", stack.url("intake")) if person else ())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.smtp = f"127.0.0.1:{ports['smtp_port']}"
        self.warehouse = f"http://127.0.0.1:{ports['warehouse_port']}"
        self._reader = open(self._counted_file, encoding="ascii")
        self._rest = ""

    def read(self, type_name: str) -> dict[str, float]:
        """Orders with such an event and when it was there, so far."""
        *lines, self._rest = (self._rest + self._reader.read()).split("\n")
        for line in lines:
            order_id, at, kind = line.split(" ")
            self.seen[kind].setdefault(order_id, int(at) / 1e6)
        return self.seen[type_name]

    def close(self) -> None:
        self._reader.close()
        self.process.stdin.close()
        self.process.wait()
        self._counted_file.unlink()
        self._folder.rmdir()


@dataclass(frozen=True)
class DatabaseCounts:
    tables: dict[str, int]  # rows inserted, updated and deleted, by table
    updates: int
    hot_updates: int
    statements: dict[str, int]  # by role; BEGIN and COMMIT aren't counted
    transactions: int  # of everybody, the bench's own few too

    def since(self, before: DatabaseCounts, orders: int) -> dict:
        tables = {name: round((count - before.tables.get(name, 0)) / orders, 3) for name, count in self.tables.items()}
        statements = {name: round((count - before.statements.get(name, 0)) / orders, 3) for name, count in self.statements.items()}
        updates = self.updates - before.updates
        return {"statements_per_order": round(sum(statements.values()), 3), "statements_by_role": statements,
                "transactions_per_order": round((self.transactions - before.transactions) / orders, 3),
                "row_operations_per_order": round(sum(tables.values()), 2), "row_operations_by_table": {name: n for name, n in tables.items() if n > 0},
                "hot_share": round((self.hot_updates - before.hot_updates) / updates, 3) if updates else None}


def ticks(pid: int, fields: slice) -> int:
    """User and system time (11:13), with that of children that have ended (11:15)."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[fields]))
    except FileNotFoundError:
        return 0


class Bench:
    """A stack with every service, reference data in.

    names: the services that run; processes: of each, instead of the stack's usual numbers; types: of order-events, counted;
    products: beside the first."""

    def __init__(self, options: Options, settings: dict[str, dict[str, str]] | None = None, *, partitions: int = 6,
                 names=services.SERVICE_NAMES, processes: int = 0, types: tuple[str, ...] = ("OrderCompleted",), person: bool = False, products: int = 0):
        self.options = options
        self._settings = {**NO_WINDOW, **(settings or {})}
        self.stack = Stack(settings={}, small=False, full_jit=True, partitions=partitions)
        self._names, self._processes, self._types, self._person, self._products = names, processes, types, person, products
        self._sent = 0
        self._template = json.loads((FIRST / "order.json").read_text(encoding="utf-8"))

    def __enter__(self) -> Bench:
        self.stack.__enter__()
        try:
            self._up()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.peers.close()
        self.stack.close()

    def _up(self) -> None:
        self.peers = Peers(self.stack, self._types, self._person)
        self.stack.settings = {name: dict(values) for name, values in self._settings.items()}
        self.stack.settings.setdefault("notifier", {})["SMTP_URL"] = f"smtp://{self.peers.smtp}"
        self.stack.up(self._names)
        self._number_of_processes()
        self._reference_data()

    def _number_of_processes(self) -> None:
        usual = {name: services.PROGRAMS[name].processes for name in self._names}
        self.processes = {name: self._processes or count for name, count in usual.items()}
        for name, count in usual.items():
            for index in range(self.processes[name] + 1, count + 1):
                self.stack.stop(name, index)
            for index in range(count + 1, self.processes[name] + 1):
                self.stack.start(name, index)
                self.stack.wait_ready(name, index)

    def renew(self, settings: dict[str, dict[str, str]] | None = None, *, partitions: int = 0, processes: int = 0) -> None:
        """Empty tables and topics, on the broker that is warm."""
        self.peers.close()
        self._settings = {**self._settings, **(settings or {})}
        self._processes = processes or self._processes
        self.stack.partitions = partitions or self.stack.partitions
        self.stack.fresh()
        self._up()

    def use(self, build: Path) -> None:
        """The services of this build on the same tables, topics and broker; it must know the same migrations."""
        if self.stack.build_folder == build:
            return
        every = [(name, index) for name in self._names for index in range(1, self.processes[name] + 1)]
        for name, index in every:
            self.stack.stop(name, index)
        self.stack.build_folder = build
        for name, index in every:
            self.stack.start(name, index)
        for name, index in every:
            self.stack.wait_ready(name, index)
        self.run_orders(WARM_ORDERS_SHORT)
        self.rest()

    @property
    def intakes(self) -> range:
        """The indices of intake's processes that are given load."""
        return range(1, min(2, self.processes["intake"]) + 1)

    def _import(self, kind: str, rows: bytes) -> None:
        answer = client.call("POST", f"{self.stack.url('intake')}/v1/{kind}:import", rows, NDJSON)
        assert answer.ok, answer.body

    def _reference_data(self) -> None:
        rows = {kind: [json.loads(line) for line in (FIRST / f"{kind}.ndjson").read_text(encoding="utf-8").splitlines()]
                for kind in ("warehouses", "calendars", "products", "customers", "prices")}
        rows["warehouses"].append({**rows["warehouses"][0], "warehouse": REFUSING, "adapter": "http", "url": self.peers.warehouse})
        self.skus = ["PEN-01", *(f"MANY-{number}" for number in range(self._products))]
        more = [(sku, True) for sku in self.skus[1:]] + [(REFUSED_SKU, False)]
        product, price = rows["products"][0], rows["prices"][0]
        rows["products"] += [{**product, "sku": sku, "no_picking": no_picking} for sku, no_picking in more]
        rows["prices"] += [{**price, "sku": sku} for sku, _ in more]
        for kind, documents in rows.items():
            self._import(f"reference/{kind}", b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in documents))
        stock = [(sku, "AUTO") for sku in self.skus] + [(REFUSED_SKU, REFUSING)]
        self._import("stock", b"".join(json.dumps({"type": "received", "sku": sku, "warehouse": warehouse, "quantity": STOCK}).encode() + b"\n"
                                       for sku, warehouse in stock))
        counts = "SELECT (SELECT count(*) FROM validator.price) = %s AND (SELECT count(*) FROM desk.stock_level) = %s"
        self.stack.wait(lambda: self.stack.value(counts, len(rows["prices"]), len(stock)), 60, "reference data and stock")

    # ---- load
    def order(self, **changes) -> bytes:
        self._sent += 1
        ref = f"B{os.getpid()}-{self._sent}"
        return json.dumps({**self._template, "channel": "FILE", "channel_account": "bench", "channel_ref": ref, "customer_po": ref, **changes},
                          ensure_ascii=False).encode()

    def order_of(self, sku: str) -> bytes:
        return self.order(lines=[{**self._template["lines"][0], "product_code": sku}])

    def feed(self, bodies: list[bytes]) -> float:
        """A file of these orders by the import, from the intakes at once; returns when the first byte went out."""
        begun = time.time()

        def send(index: int) -> None:
            body = b"".join(order + b"\n" for order in bodies[index - 1::len(self.intakes)])
            answer = client.call("POST", f"{self.stack.url('intake', index)}/v1/orders:import", body, NDJSON, timeout_s=900)
            assert answer.ok, answer.body[:500]

        threads = [threading.Thread(target=send, args=(index,)) for index in self.intakes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return begun

    def request(self, bodies: list[bytes], *, rate: float = 0, connections: int = 64) -> list[Answered]:
        """One order a request, by bench_load: at this rate, or as fast as so many clients that wait for their answers."""
        with tempfile.TemporaryDirectory(prefix="orderclerk-bench-") as name:
            folder = Path(name)
            (folder / "bodies").write_bytes(b"".join(body + b"\n" for body in bodies))
            urls = [part for index in self.intakes for part in ("--url", f"{self.stack.url('intake', index)}/v1/orders")]
            subprocess.run([str(self.stack.build_folder / "bin" / "bench_load"), *urls, "--bodies", str(folder / "bodies"), "--answers", str(folder / "answers"),
                            "--rate", str(rate), "--connections", str(connections)], check=True)
            answers = []
            for line in (folder / "answers").read_text(encoding="utf-8").splitlines():
                number, due, answered, status, says_when, order_id = line.split(" ")
                answers.append(Answered(int(number), int(due) / 1e6, int(answered) / 1e6, int(status), says_when == "1", order_id))
            return answers

    def wait_count(self, type_name: str, count: int, timeout_s: float = 900) -> None:
        self.stack.wait(lambda: len(self.peers.read(type_name)) >= count, timeout_s, f"{count} events {type_name}", 0.02)

    def run_bodies(self, bodies: list[bytes], type_name: str = "OrderCompleted") -> float:
        """Feeds them and waits until all are there: seconds."""
        before = len(self.peers.read(type_name))
        begun = self.feed(bodies)
        self.wait_count(type_name, before + len(bodies))
        return max(self.peers.seen[type_name].values()) - begun

    def run_orders(self, orders: int) -> float:
        return self.run_bodies([self.order() for _ in range(orders)])

    def warm(self) -> None:
        """A cold JVM costs two to four times as much: load for so long, then rest, before anything is measured."""
        begun = time.monotonic()
        while True:
            self.run_orders(WARM_ORDERS_SHORT if self.options.short else WARM_ORDERS)
            if time.monotonic() - begun >= self.options.warm_s:
                break
        self.rest()

    def rest(self) -> None:
        """Nothing of what came before is under way: mails are out, no lane has had anything for a second."""
        self.stack.wait(lambda: self.stack.value("SELECT count(*) FROM notifier.effect") == 0, 600, "mails to be out", 0.1)
        before = -1.0

        def still() -> bool:
            nonlocal before
            last, before = before, sum(totals.get("applied_total", 0) for totals in self.lane_totals().values())
            return before == last

        self.stack.wait(still, 600, "lanes to have nothing to do", 1.0)

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
            for index in range(1, self.processes[name] + 1):
                if not self.stack.alive(name, index):
                    continue
                for key, value in self.stack.metrics(name, index).items():
                    if key.startswith("orderclerk_lane_") and "{" not in key:
                        into = totals.setdefault(name, {})
                        into[key[16:]] = into.get(key[16:], 0) + value
        return totals

    def wal_bytes(self) -> int:
        return int(self.stack.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))

    def database_counts(self) -> DatabaseCounts:
        """What the database has counted of the services' work. Exact after a rest: sessions tell what they did with delay."""
        if not self.options.short:
            time.sleep(STATISTICS_S)
        tables = {f"{row.schemaname}.{row.relname}": row.operations for row in self.stack.sql(
            "SELECT schemaname, relname, n_tup_ins + n_tup_upd + n_tup_del AS operations FROM pg_stat_user_tables")}
        updates = self.stack.sql("SELECT sum(n_tup_upd)::bigint AS all_of_them, sum(n_tup_hot_upd)::bigint AS hot FROM pg_stat_user_tables")[0]
        statements = {row.role: row.calls for row in self.stack.sql(
            "SELECT r.rolname AS role, sum(s.calls)::bigint AS calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid "
            "WHERE s.toplevel AND r.rolname LIKE 'orderclerk\\_%' GROUP BY 1")}
        transactions = self.stack.value("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        return DatabaseCounts(tables, updates.all_of_them, updates.hot, statements, transactions)

    def database_bytes(self) -> int:
        return int(self.stack.value("SELECT pg_database_size(current_database())"))

    def topic_bytes(self) -> int:
        """Of all records in this stack's topics, without those that `renew` has left to be deleted; the indices beside them are
        reserved in advance and tell nothing."""
        return sum(file.stat().st_size for file in (self.stack.home.path / "kafka" / "data").glob(f"{self.stack.prefix}*/*.log"))

    def measured(self, orders: int, run) -> dict:
        """What `run` (which returns its seconds) costs per order."""
        counts, cpu, wal, lanes, size = self.database_counts(), self.cpu(), self.wal_bytes(), self.lane_totals(), self.database_bytes()
        topics = self.topic_bytes()
        seconds = run()
        by_program = self.cpu_since(cpu, 1000 / orders)
        batches = {name: {key: totals[key] - lanes.get(name, {}).get(key, 0) for key in ("batches_total", "round_trips_total", "batch_size_sum")}
                   for name, totals in self.lane_totals().items()}
        result = {"orders": orders, "seconds": round(seconds, 2), "orders_per_second": round(orders / seconds),
                  "cpu_ms_per_order": round(sum(by_program.values()), 3), "cpu_ms_by_program": by_program,
                  "wal_kb_per_order": round((self.wal_bytes() - wal) / 1000 / orders, 2),
                  "database_kb_per_order": round((self.database_bytes() - size) / 1000 / orders, 2),
                  "topics_kb_per_order": round((self.topic_bytes() - topics) / 1000 / orders, 2),
                  "inputs_per_batch": {name: round(b["batch_size_sum"] / b["batches_total"], 1) for name, b in batches.items() if b["batches_total"]}}
        self.rest()
        return {**result, **self.database_counts().since(counts, orders)}

    def saturation(self) -> float:
        """Orders a second when there is more to do than can be done."""
        begun = self.run_orders(SATURATING)
        return SATURATING / begun

    def conditions(self) -> dict:
        """Versions, cores and the durability settings found in force."""
        shown = {name: self.stack.value(f"SHOW {name}") for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_compression")}
        return {"cores": os.cpu_count(), **shown, "kafka": kafka.version(), "kafka_jit": self.stack.kafka.compilers(), "warm_s": self.options.warm_s,
                "acks": "all", "partitions": self.stack.partitions}


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1) for name, share in at.items()}


def _merged(values: list, merge: Callable[[list], object]):
    """Dictionaries of numbers, number by number; anything else as in the first."""
    if all(isinstance(value, dict) for value in values):
        return {key: _merged([value[key] for value in values if key in value], merge) for key in values[0]}
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return round(merge(values), 3)
    return values[0]


def _summary(results: list[dict]) -> dict:
    """The median of runs, number by number, and least and most of those at the top."""
    numbers = {key: [result[key] for result in results] for key, value in results[0].items() if isinstance(value, (int, float))}
    return {"runs": len(results), **_merged(results, statistics.median), "least_and_most": {key: f"{min(values)}–{max(values)}" for key, values in numbers.items()}}


def several(bench: Bench, run: Callable[[], dict]) -> dict:
    """So many runs as the options say; with another build to compare with, as many pairs, under `against` what that one did."""
    own, against = bench.stack.build_folder, bench.options.against
    results: dict[Path, list[dict]] = {build: [] for build in (against, own) if build}
    for _ in range(bench.options.runs):
        for build, of_build in results.items():
            bench.use(build)
            of_build.append(run())
    return _summary(results[own]) | ({"against": _summary(results[against])} if against else {})
