"""The stack that is hurt: services reach database and broker through the proxy, everybody else reaches them directly."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import wall_clock
from oclocal import kafka, postgres, services
from oclocal.process import Process, stop_all
from stack import Stack

from faultrun.record import RunFolder

PROXIED = f"{kafka.NAME}:proxied"  # the broker's second listener; what it advertises is the proxy
READY_S = 180
WAL_SIZE = "256m"
AWAY = ("08", "53", "57P", "58", "XX")  # SQLSTATE: connection, resources, shutdown, input and output, internal
BROKER_ROUTE = "kafka"
INSTANCES = {service.name: service.processes for service in services.SERVICES}
PROCESSES = [(name, index) for name, count in INSTANCES.items() for index in range(1, count + 1)]  # that always run
# Instances that faults add for a time: a second process to take over from, more of inventory for the storm.
SPARE = {"fulfillment": 2, "inventory": 5, "validator": 2, "notifier": 2, "desk": 2, "intake": 2, "orchestrator": 3}
# Customers have the time that they have in life: how long an outage delays their mail must not decide how an order ends.
SETTINGS = {"orchestrator": {"DISPUTE_WINDOW": "2s", "CUSTOMER_REMINDER": "12s"}, "notifier": {"EFFECT_PER_TARGET": "32"}, "departments": {"ANSWER_MS": "1500"}}
# Answers that come late, twice, out of order or not at first: nothing that changes how an order must end.
CHAOS = {
    "warehouse": {"slow": 0.1, "slow_ms": 800, "twice": 0.2, "late": 0.1, "late_ms": 3000, "reorder": 0.2, "fail": 0.1},
    "carrier": {"slow": 0.1, "slow_ms": 800, "twice": 0.2, "late": 0.1, "late_ms": 3000, "reorder": 0.2, "fail": 0.1},
    "departments": {"slow": 0.1, "slow_ms": 1500, "twice": 0.2, "late": 0.1, "late_ms": 3000, "reorder": 0.1, "fail": 0.02},
    "mail": {"slow": 0.05, "slow_ms": 500, "fail": 0.05},
    "customer": {"twice": 0.3},
}


def instances() -> list[str]:
    """Every process that may run, by its name in the stack."""
    return [services.instance(name, index) for name in INSTANCES for index in range(1, max(SPARE[name], INSTANCES[name]) + 1)]


class ProxyProcess:
    def __init__(self, routes: dict[str, tuple[str, str]], seed: int):
        self.lost: list[dict] = []  # COMMIT answers, as they are lost
        self._answers: queue.Queue[dict] = queue.Queue()
        self._lock = threading.Lock()
        program = Path(__file__).with_name("proxy.py")
        self._process = subprocess.Popen([sys.executable, str(program), json.dumps(routes), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports: dict[str, int] = json.loads(self._process.stdout.readline())["ports"]
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            document = json.loads(line)
            if "lost" in document:
                self.lost.append(document)
            else:
                self._answers.put(document)

    def tell(self, names: list[str] | None = None, **command) -> dict:
        with self._lock:
            self._process.stdin.write(json.dumps({**command, "names": names or []}) + "\n")
            self._process.stdin.flush()
            return self._answers.get(timeout=30)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


class ProxiedKafka(kafka.Kafka):
    """A second listener for those who come through the proxy: it tells them to go on there."""

    proxy_port = 0

    def _settings(self) -> Path:
        file = super()._settings()
        own, controller, proxied = self.bootstrap, self.home.port(f"{kafka.NAME}:controller"), self.home.port(PROXIED)
        with open(file, "a") as out:  # a key's last line holds
            out.write(f"""listeners=PLAINTEXT://{own},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{own},PROXIED://127.0.0.1:{self.proxy_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
""")
        return file


class SmallDiskPostgres(postgres.Postgres):
    """Its log lies on a small file system in memory, so that it can be filled. Without the right to mount: where everything lies."""

    wal: Path | None = None

    def _init(self) -> None:
        super()._init()
        with open(self.data / "postgresql.auto.conf", "a") as out:  # read after the cluster's own settings
            out.write("max_wal_size = 96MB\nmin_wal_size = 32MB\nshared_buffers = 128MB\n")
        wal = self.home.path / "wal"
        wal.mkdir()
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={WAL_SIZE}", "tmpfs", str(wal)], capture_output=True).returncode == 0
        if not mounted:
            return
        wal.chmod(0o711)
        shutil.move(self.data / "pg_wal", wal / "pg_wal")
        subprocess.run(["chown", "-R", postgres.SYSTEM_USER, str(wal / "pg_wal")], check=True)
        (self.data / "pg_wal").symlink_to(wal / "pg_wal")
        self.wal = wal

    def release(self) -> None:
        if self.wal:
            subprocess.run(["umount", "-l", str(self.wal)], check=True)
            self.wal = None


class FaultStack(Stack):
    def __init__(self, **options):
        super().__init__(**options, small=False)
        self.kafka = ProxiedKafka(self.home, True)
        self.postgres = SmallDiskPostgres(self.home, False)


class Rig:
    """Starts, stops and watches the processes of one run. Safe from several threads."""

    def __init__(self, folder: RunFolder, seed: int, keep: bool):
        self.folder = folder
        self.lock = threading.RLock()
        self._local = threading.local()
        settings = {name: dict(values) for name, values in SETTINGS.items()}
        for number, name in enumerate(services.DOUBLE_NAMES):
            settings.setdefault(name, {}).update(JOURNAL=str(folder.receivers / f"{name}.jsonl"), SEED=str(seed + number))
        self.stack = FaultStack(settings=settings, keep=keep)
        self.stack.home.create()
        self.expected: dict[str, Process] = {}  # processes that must be alive
        self.dead_by_us: set[int] = set()
        home = self.stack.home
        socket = f"{self.stack.postgres.socket}/.s.PGSQL.{self.stack.postgres.port}"
        routes = {f"pg-{instance}": ("pg", socket) for instance in instances()}
        routes[BROKER_ROUTE] = ("raw", f"127.0.0.1:{home.port(PROXIED)}")
        self.proxy = ProxyProcess(routes, seed)
        self.stack.kafka.proxy_port = self.proxy.ports[BROKER_ROUTE]
        for service in INSTANCES:
            for index in range(1, max(SPARE[service], INSTANCES[service]) + 1):
                instance = services.instance(service, index)
                dsn = self.stack.postgres.dsn(postgres.role_of(service), tcp=True, port=str(self.proxy.ports[f"pg-{instance}"]),
                                              application_name=instance, sslmode="disable", gssencmode="disable")
                self.set_clock(instance, 0)
                settings.setdefault(instance, {}).update(PG=dsn, KAFKA=f"127.0.0.1:{self.proxy.ports[BROKER_ROUTE]}", FAULT_CLOCK=str(self._clock_file(instance)))

    # ---- the services' wall clocks, by how much they are wrong
    def _clock_file(self, instance: str) -> Path:
        return self.stack.home.path / f"clock-{instance}"

    def clock_off_s(self, instance: str) -> int:
        return wall_clock.off_s(self._clock_file(instance))

    def set_clock(self, instance: str, off_s: int) -> None:
        wall_clock.set_off(self._clock_file(instance), off_s)

    # ---- life
    def up(self, inventories: int) -> None:
        """inventories: processes of inventory, which the hot product's stock is the matter of."""
        self.stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
        for index in range(INSTANCES["inventory"] + 1, inventories + 1):
            self.start("inventory", index)
            self.wait_ready("inventory", index)
        for name in (*services.SERVICE_NAMES, *services.DOUBLE_NAMES):
            for index in range(1, INSTANCES.get(name, 1) + 1):
                self._expect(name, index)

    @property
    def wal(self) -> Path | None:
        """The small file system with the database's log; None if there is none."""
        return self.stack.postgres.wal

    def down(self) -> None:
        if not self.stack.keep:
            with self.stack.home.locked():
                self.stack._stop_group(list(self.stack.home.state["processes"]), 0)
            self.stack.postgres.release()
        self.stack.close()
        self.proxy.close()

    def _expect(self, name: str, index: int) -> None:
        self.expected[services.instance(name, index)] = self.stack.process(name, index)

    def start(self, name: str, index: int = 1, point: str = "", build: Path | None = None) -> Process:
        """point: <name>:<nth>, where the process is to die. build: other binaries than the stack's."""
        instance = name if name in (postgres.NAME, kafka.NAME) else services.instance(name, index)
        with self.lock:
            own = self.stack.settings.setdefault(instance, {})
            if point:
                own["FAULT"] = point
            usual = self.stack.build_folder
            self.stack.build_folder = build or usual
            try:
                process = self.stack.start(name, index)
            finally:
                self.stack.build_folder = usual
                own.pop("FAULT", None)
            if point:
                self.expected.pop(instance, None)
                self.dead_by_us.add(process.pid)
            else:
                self.expected[instance] = process
            return process

    def process(self, name: str, index: int = 1) -> Process:
        with self.lock:
            return self.stack.process(name, index)

    def wait_ready(self, name: str, index: int = 1) -> None:
        if name in INSTANCES:
            self.stack.wait_ready(name, index, READY_S)
            return
        self.stack.wait_ready(name)
        with self.lock:
            self.expected[name] = self.stack.process(name)  # a database that was started too soon has been started again

    def _no_longer(self, name: str, index: int) -> None:
        self.expected.pop(name if name in (postgres.NAME, kafka.NAME) else services.instance(name, index), None)

    def kill(self, name: str, index: int = 1) -> Process:
        """SIGKILL; returns when it is gone."""
        with self.lock:
            process = self.stack.process(name, index)
            self._no_longer(name, index)
            self.dead_by_us.add(process.pid)
        self.stack.kill(name, index)
        return process

    def stop(self, name: str, index: int = 1) -> bool:
        """Gracefully; False if it had to be killed."""
        with self.lock:
            process = self.stack.process(name, index)
            self._no_longer(name, index)
            self.dead_by_us.add(process.pid)
        return not stop_all([(process, 15)], services.program(name).grace_s + READY_S)

    def fallen(self) -> list[str]:
        """Processes that ended though nobody ended them."""
        with self.lock:
            return sorted(name for name, process in self.expected.items() if not process.alive())

    def log_size(self, instance: str) -> int:
        file = self.stack.home.log_file(instance)
        return file.stat().st_size if file.exists() else 0

    def log_since(self, instance: str, size: int) -> str:
        with open(self.stack.home.log_file(instance), "rb") as file:
            file.seek(size)
            return file.read().decode(errors="replace")

    # ---- the database, directly and by this thread's own connection
    def sql(self, statement: str, *values) -> list[tuple]:
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = psycopg2.connect(self.stack.postgres.dsn(postgres.SUPERUSER, application_name="faultrun", connect_timeout="5"))
            connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            connection.close()
            if error.pgcode is None or error.pgcode.startswith(AWAY):  # a session that ends while it answers: a plain DatabaseError
                raise psycopg2.OperationalError(str(error)) from error
            raise

    def try_sql(self, statement: str, *values) -> list[tuple] | None:
        """None while the database doesn't answer."""
        try:
            return self.sql(statement, *values)
        except psycopg2.OperationalError:
            return None

    def owned(self, service: str, process: Process | None = None) -> dict[int, tuple[int, int]]:
        """Slots of a service, those of one process of it if given: batch_no and published_no."""
        rows = self.sql(f"SELECT p, batch_no, published_no, owner FROM {service}.slot")
        ending = f":{process.pid}" if process else ""
        return {p: (batch_no, published_no) for p, batch_no, published_no, owner in rows if not process or (owner or "").endswith(ending)}

    def addresses(self) -> dict:
        stack = self.stack
        return {"pg": stack.postgres.dsn(postgres.SUPERUSER), "kafka": stack.kafka.bootstrap, "topic_prefix": stack.prefix, "partitions": stack.partitions,
                "home": str(stack.home.path), "build": str(stack.build_folder),
                "services": {services.instance(name, index): stack.url(name, index) for name, index in PROCESSES},
                "doubles": {name: stack.url(name) for name in services.DOUBLE_NAMES}, "cpus": os.cpu_count()}
