"""What the checker reads, as a few methods: the real thing here, a synthetic one in the checker's tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg2
from confluent_kafka import Consumer, TopicPartition

Record = tuple[int, int, bytes, bytes]  # partition, offset, key, value

READ_TIMEOUT_S = 120  # without a single record
BATCH_RECORDS = 10_000
BATCH_ROWS = 5_000


class History(Protocol):
    def records(self, topic: str) -> Iterator[Record]:
        """Everything on a topic (its name in topics.def), each partition from its beginning to its end."""

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """partition: (low, high watermark)"""

    def rows(self, schema: str, table: str, columns: str, order: str = "") -> Iterator[tuple]:
        """Columns by name, blank-separated; instants as microseconds, UUIDs as text, bytea as bytes. order: columns likewise."""

    def counts(self, schema: str, table: str, by: str, most: str) -> Iterator[tuple]:
        """by…, how many rows, the highest `most`."""

    def lines(self, name: str) -> Iterator[dict]:
        """A file of JSON lines in the run's folder; nothing if there is none."""


class Live:
    """Kafka, PostgreSQL and a run's folder. The tables are read as they were at one instant; the topics up to where they
    ended when each was first asked for. `mark` before and after says whether the two belong together."""

    def __init__(self, folder: Path, pg: str, kafka: str, prefix: str):
        self._folder, self._prefix = folder, prefix
        self._consumer = Consumer({
            "bootstrap.servers": kafka, "group.id": "checker", "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20,
            "fetch.message.max.bytes": 4 << 20, "queued.max.messages.kbytes": 128 << 10, "log_level": 3})
        self._ends: dict[str, dict[int, tuple[int, int]]] = {}
        self._db = psycopg2.connect(pg)
        self._db.set_session(readonly=True, isolation_level="REPEATABLE READ")
        self._types: dict[tuple[str, str], dict[str, str]] = {}
        self._cursors = 0

    def close(self) -> None:
        self._db.close()
        self._consumer.close()

    def begin(self) -> None:
        """Forgets what was read: the next look is at how things are then."""
        self._db.rollback()
        self._ends.clear()

    # ---- Kafka
    def _name(self, topic: str) -> str:
        return f"{self._prefix}{topic}.v1"

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        if topic not in self._ends:
            name = self._name(topic)
            known = self._consumer.list_topics(name, 30).topics[name]
            if known.error is not None:
                raise RuntimeError(f"{name}: {known.error}")
            self._ends[topic] = {number: self._consumer.get_watermark_offsets(TopicPartition(name, number), 30) for number in sorted(known.partitions)}
        return self._ends[topic]

    def records(self, topic: str) -> Iterator[Record]:
        name, ends = self._name(topic), self.ends(topic)
        left = {number: high for number, (low, high) in ends.items() if high > low}
        self._consumer.assign([TopicPartition(name, number, ends[number][0]) for number in left])
        give_up = time.monotonic() + READ_TIMEOUT_S
        while left:
            batch = self._consumer.consume(BATCH_RECORDS, 0.02)
            for record in batch:
                if record.error() is not None:
                    raise RuntimeError(f"{name}: {record.error()}")
                partition, offset = record.partition(), record.offset()
                high = left.get(partition)
                if high is None or offset >= high or record.topic() != name:
                    continue
                if offset + 1 == high:
                    del left[partition]
                yield partition, offset, record.key() or b"", record.value() or b""
            if batch:
                give_up = time.monotonic() + READ_TIMEOUT_S
            elif time.monotonic() > give_up:
                raise TimeoutError(f"{name}: no record of partitions {sorted(left)} for {READ_TIMEOUT_S} s")
            elif left:  # compaction leaves holes, also just before the end
                for one in self._consumer.position([TopicPartition(name, number) for number in left]):
                    if one.offset >= left[one.partition]:
                        del left[one.partition]

    # ---- PostgreSQL
    def _column(self, schema: str, table: str, name: str) -> str:
        types = self._types.get((schema, table))
        if types is None:
            with self._db.cursor() as cursor:
                cursor.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s", (schema, table))
                types = self._types[schema, table] = dict(cursor.fetchall())
        if types[name] == "timestamp with time zone":
            return f"(extract(epoch FROM {name}) * 1000000)::bigint"
        return f"{name}::text" if types[name] == "uuid" else name

    def _select(self, sql: str) -> Iterator[tuple]:
        self._cursors += 1
        with self._db.cursor(f"checker_{self._cursors}") as cursor:
            cursor.itersize = BATCH_ROWS
            cursor.execute(sql)
            for row in cursor:
                yield tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)

    def rows(self, schema: str, table: str, columns: str, order: str = "") -> Iterator[tuple]:
        wanted = ", ".join(self._column(schema, table, name) for name in columns.split())
        sorted_by = f" ORDER BY {', '.join(order.split())}" if order else ""
        return self._select(f"SELECT {wanted} FROM {schema}.{table}{sorted_by}")

    def counts(self, schema: str, table: str, by: str, most: str) -> Iterator[tuple]:
        groups = ", ".join(self._column(schema, table, name) for name in by.split())
        return self._select(f"SELECT {groups}, count(*), max({most}) FROM {schema}.{table} GROUP BY {', '.join(by.split())}")

    def mark(self) -> tuple:
        """Moves whenever a service commits, publishes or reads on."""
        self._db.rollback()
        marks = []
        with self._db.cursor() as cursor:
            cursor.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ('slot', 'ingress_slot') ORDER BY 1, 2")
            for schema, table in cursor.fetchall():
                cursor.execute(f"SELECT sum(epoch), sum(batch_no), sum(published_no) FROM {schema}.{table}")
                marks.append((schema, table, *cursor.fetchone()))
            for schema in sorted({schema for schema, table, *_ in marks if table == "slot"}):
                cursor.execute(f"SELECT sum(next_offset) FROM {schema}.position")
                marks.append((schema, *cursor.fetchone()))
        self._db.rollback()
        return tuple(marks)

    # ---- files
    def lines(self, name: str) -> Iterator[dict]:
        path = self._folder / name
        if not path.exists():
            return
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n") and line.strip():  # a killed writer's last line may be cut
                    yield json.loads(line)
