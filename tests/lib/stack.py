"""A private stack for a test: real PostgreSQL, real Kafka, the services that the test names, in a folder that goes away.

    with Stack() as stack:                       # database, broker, roles, topics
        stack.up(["intake", "orchestrator"])     # built, migrated, ready
        stack.http("intake", "POST", "/v1/orders", json={...})
        stack.kill("orchestrator", 2)
        stack.start("orchestrator", 2)
        stack.wait(lambda: stack.value("SELECT count(*) FROM saga") == 3, 10, "three sagas", ...)

It is deploy/local's Stack with what tests need beside it. Whatever happens to the test process, a reaper stops what it
started. The fixtures in stack_fixtures.py share one broker and one database among the tests of a run.
"""

from __future__ import annotations

import atexit
import http.client
import json as json_module
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
import psycopg2
import psycopg2.extras
from confluent_kafka.admin import AdminClient

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "deploy" / "local"))

from oclocal import kafka, postgres, services, topics  # noqa: E402
from oclocal import stack as local  # noqa: E402
from oclocal.errors import LocalError  # noqa: E402
from oclocal.process import Process, log_tail  # noqa: E402

__all__ = ["Answer", "LocalError", "Stack", "live_stacks"]

CONSUME_TIMEOUT_S = 30.0
_live: weakref.WeakSet[Stack] = weakref.WeakSet()


def live_stacks() -> list[Stack]:
    return list(_live)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self):
        return json_module.loads(self.body)


class Stack(local.Stack):
    """names, settings: as in deploy/local's Stack; started by `with`. keep: leave it running and on disk (for a look)."""

    def __init__(self, names: Iterable[str] = (), *, infrastructure: Iterable[str] = local.INFRASTRUCTURE,
                 settings: dict[str, dict[str, str]] | None = None, build_folder: Path | None = None, partitions: int = 6,
                 small: bool = True, full_jit: bool | None = None, do_build: bool = False, keep: bool | None = None):
        folder = Path(tempfile.mkdtemp(prefix="orderclerk-test-"))
        folder.chmod(0o711)  # PostgreSQL's system user passes through
        self.output: list[str] = []  # what deploy/local would have told a person
        super().__init__(folder, build_folder, small=small, prefix="t1.", partitions=partitions, settings=settings or {},
                         full_jit=full_jit, say=self.output.append)
        self.keep = bool(os.environ.get("ORDERCLERK_KEEP")) if keep is None else keep
        self._names = tuple(names)
        self._infrastructure = tuple(infrastructure)
        self._do_build = do_build
        self._generation = 1
        self._producer: confluent_kafka.Producer | None = None
        self._connections: dict[str, psycopg2.extensions.connection] = {}
        self._reaper: subprocess.Popen | None = None
        if not self.keep:
            reaper = REPOSITORY / "deploy" / "local" / "oclocal" / "reaper.py"
            self._reaper = subprocess.Popen([sys.executable, str(reaper), str(folder)], stdin=subprocess.PIPE, start_new_session=True)
        _live.add(self)
        atexit.register(self.close)

    def __enter__(self) -> Stack:
        try:
            self.up(self._names)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def up(self, names: Iterable[str] = (), infrastructure: Iterable[str] | None = None, *, do_build: bool | None = None) -> None:
        """Binaries are taken as they are unless do_build: tests/run has built them."""
        super().up(names, self._infrastructure if infrastructure is None else infrastructure,
                   do_build=self._do_build if do_build is None else do_build)

    def close(self, grace: bool = False) -> None:
        """Ends everything and deletes the folder. Again: nothing."""
        self._close_clients()
        _live.discard(self)
        atexit.unregister(self.close)
        if self.keep:
            print(f"kept: ORDERCLERK_HOME={self.home.path}")
            return
        if self.home.path.exists():
            self.down(wipe=True, grace=grace)
            shutil.rmtree(self.home.path, ignore_errors=True)
        if self._reaper:
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def _close_clients(self) -> None:
        if self._producer:
            self._producer.purge()
            self._producer = None
        self._close_connections()

    def _close_connections(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def fresh(self) -> None:
        """Back to nothing, on the running broker and database: no services, an empty database, new topics under a new
        prefix. Takes half a second, a new stack two."""
        programs = [name for name in self.home.state["processes"] if name not in local.INFRASTRUCTURE]
        with self.home.locked():
            self._stop_group(programs, 0)
        self._close_clients()
        for name in self._infrastructure:  # a test may have stopped them
            self.start(name)
        if postgres.NAME in self._infrastructure:
            self.postgres.wait_ready()
            self.postgres.drop_database()
        if kafka.NAME in self._infrastructure:
            self.kafka.wait_ready()
            old = [self.topic(topic.name) for topic in topics.read()]
            admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
            for future in admin.delete_topics(old).values():
                future.result()
        self._generation += 1
        self.prefix = f"t{self._generation}."
        self.settings = {}
        self.up(())

    # ---- processes
    def start(self, name: str, index: int = 1) -> Process:
        if name == postgres.NAME:  # what was connected to the one before is of no use
            self._close_connections()
        return super().start(name, index)

    def signal(self, name: str, index: int = 1, number: int = signal.SIGTERM) -> None:
        if not self.process(name, index).signal(number):
            raise AssertionError(f"{name} {index} has ended before")

    def kill(self, name: str, index: int = 1) -> None:
        """SIGKILL; returns when it is gone."""
        process = self.process(name, index)
        self.signal(name, index, signal.SIGKILL)
        self.wait(lambda: not process.alive(), 10, f"the end of {name} {index}")

    def pause(self, name: str, index: int = 1) -> None:
        """SIGSTOP; returns when it stands still."""
        self.signal(name, index, signal.SIGSTOP)
        self.wait(lambda: self.process(name, index).state() == "T", 10, f"{name} {index} to stop")

    def resume(self, name: str, index: int = 1) -> None:
        self.signal(name, index, signal.SIGCONT)

    def restart(self, name: str, index: int = 1) -> None:
        """Gracefully, and ready again."""
        self.stop(name, index)
        self.start(name, index)
        self.wait_ready(name, index)

    def alive(self, name: str, index: int = 1) -> bool:
        return self.process(name, index).alive()

    def log(self, name: str, index: int = 1) -> str:
        instance = name if name in local.INFRASTRUCTURE else services.instance(name, index)
        return self.home.log_file(instance).read_text(errors="replace")

    def log_tails(self, lines: int = 25) -> str:
        """The end of each process's log, for a failed test's report."""
        files = sorted(self.home.log.glob("*.log"))
        return "\n".join(f"{file.stem}:\n{log_tail(file, lines)}" for file in files)

    # ---- waiting
    @staticmethod
    def wait(condition: Callable[[], object], timeout_s: float, what: str, interval_s: float = 0.02):
        """Polls until the condition is true and returns its value; fails naming what was waited for."""
        deadline = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= deadline:
                raise AssertionError(f"waited {timeout_s} s in vain for {what}; last: {value!r}")
            time.sleep(interval_s)

    # ---- HTTP
    def http(self, name: str, method: str, path: str, body: bytes | str | None = None, *, json=None, headers: dict[str, str] | None = None,
             index: int = 1, timeout_s: float = 30) -> Answer:
        headers = dict(headers or {})
        if json is not None:
            body = json_module.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.home.port(services.instance(name, index)), timeout=timeout_s)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def metrics(self, name: str, index: int = 1) -> dict[str, float]:
        """Samples of /metrics by name with labels, as printed: {'orders_total{state="X"}': 3.0}."""
        lines = self.http(name, "GET", "/metrics", index=index).body.decode().splitlines()
        return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}

    # ---- SQL
    def connect(self, role: str = "admin", database: str = postgres.DATABASE) -> psycopg2.extensions.connection:
        """A connection of its own. role: admin (superuser), migrate, or a service's name."""
        user = {"admin": postgres.SUPERUSER, "migrate": postgres.MIGRATOR}.get(role, postgres.role_of(role))
        return psycopg2.connect(self.postgres.dsn(user, dbname=database, application_name="test"),
                                cursor_factory=psycopg2.extras.NamedTupleCursor)

    def sql(self, statement: str, *parameters, role: str = "admin") -> list:
        """Runs one statement (%s for parameters) in its own transaction; rows as named tuples, [] if there are none."""
        connection = self._connections.get(role)
        if connection is None or connection.closed:
            connection = self._connections[role] = self.connect(role)
            connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *parameters, role: str = "admin"):
        """The first column of the only row; None without a row."""
        rows = self.sql(statement, *parameters, role=role)
        assert len(rows) <= 1, f"{len(rows)} rows where one was expected"
        return rows[0][0] if rows else None

    # ---- Kafka
    def topic(self, name: str) -> str:
        """orders -> t1.orders.v1; names as in proto/topics.def."""
        return f"{self.prefix}{name}.v1"

    def produce(self, topic: str, key: str | bytes | None, value: bytes | None, headers: dict[str, str | bytes] | None = None,
                partition: int | None = None) -> confluent_kafka.Message:
        """Writes one record, to the partition that Java's clients would choose, and returns it as the broker took it."""
        return self.produce_all(topic, [(key, value)], headers, partition)[0]

    def produce_all(self, topic: str, records: Iterable[tuple[str | bytes | None, bytes | None]], headers: dict[str, str | bytes] | None = None,
                    partition: int | None = None) -> list[confluent_kafka.Message]:
        """The same of several records, in order; the broker has all of them when it returns."""
        self._producer = self._producer or confluent_kafka.Producer(
            {"bootstrap.servers": self.kafka.bootstrap, "partitioner": "murmur2_random", "linger.ms": 0, "log_level": 0})
        messages: list[confluent_kafka.Message] = []

        def report(error, message) -> None:
            assert error is None, f"{topic}: {error}"
            messages.append(message)

        more = {} if partition is None else {"partition": partition}
        count = 0
        for count, (key, value) in enumerate(records, 1):
            self._producer.produce(self.topic(topic), value, key, headers=headers or {}, on_delivery=report, **more)
        self._producer.flush(CONSUME_TIMEOUT_S)
        assert len(messages) == count, f"the broker has taken {len(messages)} of {count} records of {topic}"
        return messages

    def consumer(self, *names: str, group: str | None = None) -> confluent_kafka.Consumer:
        """Reads from the beginning; without a group by assignment, so that it never disturbs one. The caller closes it."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.kafka.bootstrap, "group.id": group or "test", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50, "enable.partition.eof": False, "log_level": 0})
        full = [self.topic(name) for name in names]
        if group:
            consumer.subscribe(full)
        else:
            consumer.assign([confluent_kafka.TopicPartition(name, partition, 0) for name in full for partition in range(self.partitions)])
        return consumer

    def consume(self, *names: str, until: int | Callable[[list], bool], timeout_s: float = CONSUME_TIMEOUT_S) -> list[confluent_kafka.Message]:
        """Records of these topics from the beginning, until there are so many or the condition on them holds."""
        enough = until if callable(until) else lambda messages: len(messages) >= until
        consumer = self.consumer(*names)
        messages: list[confluent_kafka.Message] = []
        deadline = time.monotonic() + timeout_s
        try:
            while not enough(messages):
                assert time.monotonic() < deadline, f"after {timeout_s} s only {len(messages)} records: {self._read_and_there(messages, names)}"
                for message in consumer.consume(500, 0.05):
                    assert message.error() is None, message.error()
                    messages.append(message)
            return messages
        finally:
            consumer.close()

    def _read_and_there(self, messages: list[confluent_kafka.Message], names: tuple[str, ...]) -> str:
        """Whether what is missing is on the topic: offsets read, and the topic's ends, by partition."""
        read: dict[tuple[str, int], list[int]] = {}
        for message in messages:
            read.setdefault((message.topic(), message.partition()), []).append(message.offset())
        return "; ".join(f"{name} ends at {self.ends(name)}, read {({partition: at for (topic, partition), at in read.items() if topic == self.topic(name)})}"
                         for name in names)

    def records(self, name: str) -> list[confluent_kafka.Message]:
        """All records that the topic holds now."""
        ends = self.ends(name)
        return self.consume(name, until=lambda messages: sum(ends.values()) == 0 or _reached(messages, ends))

    def ends(self, name: str) -> dict[int, int]:
        """High watermark by partition, of partitions that hold records."""
        consumer = self.consumer(name)
        try:
            found = {}
            for partition in range(self.partitions):
                low, high = self._watermarks(consumer, confluent_kafka.TopicPartition(self.topic(name), partition))
                if high > low:
                    found[partition] = high
            return found
        finally:
            consumer.close()

    @staticmethod
    def _watermarks(consumer: confluent_kafka.Consumer, partition: confluent_kafka.TopicPartition) -> tuple[int, int]:
        """Asks again while the partition has no leader yet: a broker that has just started, a topic that is new."""
        deadline = time.monotonic() + CONSUME_TIMEOUT_S
        while True:
            try:
                return consumer.get_watermark_offsets(partition, CONSUME_TIMEOUT_S)
            except confluent_kafka.KafkaException:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)


def _reached(messages: list[confluent_kafka.Message], ends: dict[int, int]) -> bool:
    """Compaction leaves holes, but never at the end."""
    last = {message.partition(): message.offset() for message in messages}
    return all(last.get(partition, -1) >= high - 1 for partition, high in ends.items())
