"""What the checker reads, as a few methods: the real thing here, a synthetic one in the checker's tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg2
import topics
from confluent_kafka import Consumer, TopicPartition

Record = tuple[int, int, bytes, bytes]  # partition, offset, key, value

EARLIEST, LATEST = -2, -1  # in the place of a time
KAFKA_TIMEOUT_S = 30
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

    def counts(self, schema: str, table: str, by: str, number: str, most: str) -> Iterator[tuple]:
        """by…, the sum of `number`, the highest `most`."""

    def lines(self, name: str) -> Iterator[dict]:
        """A file of JSON lines in the run's folder; nothing if there is none."""


class Live:
    """Kafka, PostgreSQL and a run's folder, as they were at one instant: see `cut`."""

    def __init__(self, folder: Path, pg: str, kafka: str, prefix: str):
        self._folder, self._prefix = folder, prefix
        self._consumer = Consumer({
            "bootstrap.servers": kafka, "group.id": "checker", "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20,
            "fetch.message.max.bytes": 4 << 20, "queued.max.messages.kbytes": 128 << 10, "log_level": 3})
        self._topics = topics.read()
        self._ends: dict[str, dict[int, tuple[int, int]]] = {}
        self._db = psycopg2.connect(pg)
        self._db.set_session(readonly=True, isolation_level="REPEATABLE READ")
        self._before = psycopg2.connect(pg)
        self._before.set_session(readonly=True, autocommit=True)
        self._types: dict[tuple[str, str], dict[str, str]] = {}
        self._cursors = 0
        self._at_us = 0

    def close(self) -> None:
        self._db.close()
        self._before.close()
        self._consumer.close()

    def cut(self) -> tuple[bool, bool]:
        """Fixes what is read from now on: the topics' ends, and a snapshot of the tables. True, …: no service has committed in
        between, so the two belong together. …, True: everything was published and read up to the ends."""
        self._db.rollback()
        before = self._mark(self._before)
        self._take_ends()
        after = self._mark(self._db)
        self._at_us = time.time_ns() // 1000
        slots, positions = after
        published = all(batch_no == published_no for *_, batch_no, published_no in slots)
        found = {(schema, number, slot): offset for schema, slot, number, offset in positions}
        schemas = {schema for schema, table, *_ in slots if table == "slot"}
        read = all(found.get((reader, topic.number, partition), 0) == high for topic in self._topics for reader in topic.readers if reader in schemas
                   for partition, (_, high) in self._ends[topic.name].items())
        return before == after, published and read

    @staticmethod
    def _mark(db) -> tuple[list, list]:
        """Changes whenever a service commits, publishes or reads on: its slots and its positions."""
        with db.cursor() as cursor:
            cursor.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ('slot', 'ingress_slot', 'position') ORDER BY 1, 2")
            tables = cursor.fetchall()
            cursor.execute(" UNION ALL ".join(
                f"SELECT '{schema}', '{table}', {'p' if table == 'slot' else 'i'}, epoch, batch_no, published_no FROM {schema}.{table}"
                for schema, table in tables if table != "position") + " ORDER BY 1, 2, 3")
            slots = cursor.fetchall()
            cursor.execute(" UNION ALL ".join(f"SELECT '{schema}', p, topic, next_offset FROM {schema}.position"
                                              for schema, table in tables if table == "position") + " ORDER BY 1, 2, 3")
            return slots, cursor.fetchall()

    # ---- Kafka
    def _name(self, topic: str) -> str:
        return f"{self._prefix}{topic}.v1"

    def _take_ends(self) -> None:
        """All topics' in two requests: whoever asks partition by partition gets ends of different instants."""
        known = self._consumer.list_topics(timeout=KAFKA_TIMEOUT_S).topics
        wanted = [(topic.name, partition) for topic in self._topics for partition in known[self._name(topic.name)].partitions]
        low, high = ({(one.topic, one.partition): one.offset for one in self._consumer.offsets_for_times(
            [TopicPartition(self._name(name), partition, which) for name, partition in wanted], KAFKA_TIMEOUT_S)} for which in (EARLIEST, LATEST))
        self._ends = {topic.name: {} for topic in self._topics}
        for name, partition in wanted:
            self._ends[name][partition] = (low[self._name(name), partition], high[self._name(name), partition])

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
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

    def counts(self, schema: str, table: str, by: str, number: str, most: str) -> Iterator[tuple]:
        groups = ", ".join(self._column(schema, table, name) for name in by.split())
        return self._select(f"SELECT {groups}, sum({number})::bigint, max({most}) FROM {schema}.{table} GROUP BY {', '.join(by.split())}")

    # ---- files
    def lines(self, name: str) -> Iterator[dict]:
        path = self._folder / name
        if not path.exists():
            return
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n") and line.strip():  # a killed writer's last line may be cut
                    found = json.loads(line)
                    if found.get("at_us", 0) <= self._at_us:  # the receivers' logs may go on
                        yield found
