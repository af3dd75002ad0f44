"""Kafka as a department uses it: own consumer group, replies with CloudEvents headers, positions kept only for what is done."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from datetime import datetime, timezone

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from google.protobuf.message import DecodeError
from murmur2 import partition

METADATA_TIMEOUT_S = 30


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kafka", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--topic-prefix", default="orderclerk.")


def topic_name(prefix: str, name: str) -> str:
    return f"{prefix}{name}.v1"


def message_type(message) -> str:
    """The type of the body that is set, as in our services' ce_type: orderclerk.v1.ErpAccepted."""
    body = message.WhichOneof("body") if "body" in message.DESCRIPTOR.oneofs_by_name else None
    return getattr(message, body).DESCRIPTOR.full_name if body else message.DESCRIPTOR.full_name


def message_of(kind, record):
    """A record's message. DecodeError: it is none, or speaks of another order than its key says, as our services also refuse it."""
    message = kind.FromString(record.value() or b"")
    if message.order_id.encode() != record.key():
        raise DecodeError(f"about {message.order_id}, under the key {record.key()!r}")
    return message


def cloud_headers(message, source: str) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0, Kafka binding, binary mode."""
    at = datetime.fromtimestamp(message.occurred_at_us / 1e6, timezone.utc)
    fields = {"ce_specversion": "1.0", "ce_id": message.event_id, "ce_source": source, "ce_type": message_type(message),
              "ce_time": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "ce_subject": message.order_id, "content-type": "application/protobuf"}
    return [(name, value.encode()) for name, value in fields.items()]


def is_fatal(error: KafkaError) -> bool:
    return error.fatal() or error.code() == KafkaError._FATAL


class Writer:
    """Produces to one topic; the partition is computed here, as every writer of ours does."""

    def __init__(self, kafka: str, topic: str):
        self._kafka = kafka
        self._topic = topic
        self._numbers = itertools.count()
        self._owed: dict[int, Callable[[], None]] = {}  # what the broker doesn't have yet: how to write it
        self._broken = ""  # why the producer can write no more
        self._producer = self._make()
        # Asked for at once: the first reply may be due while the broker is away.
        known = self._producer.list_topics(topic, METADATA_TIMEOUT_S).topics[topic]
        if known.error is not None or not known.partitions:
            raise RuntimeError(f"{topic}: {known.error or 'no partitions'}")
        self._partitions = len(known.partitions)

    def _make(self) -> Producer:
        return Producer({"bootstrap.servers": self._kafka, "enable.idempotence": True, "linger.ms": 2, "socket.nagle.disable": True,
                         "reconnect.backoff.max.ms": 500, "message.timeout.ms": 0, "log_level": 3})

    def _attempt(self, call: Callable, *args, **named):
        """Any call of the producer may raise its fatal error: remembered, since a new producer takes over then."""
        try:
            return call(*args, **named)
        except KafkaException as error:
            if not is_fatal(error.args[0]):
                raise
            self._broken = self._broken or str(error)
            return None

    def write(self, key: str, value: bytes, headers: list[tuple[str, bytes]], done: Callable[[], None]) -> None:
        """`done()` is called from poll() or flush() once the broker has the record. A fatal error of the producer takes a new one: librdkafka's
        sequence numbers don't always survive a broker that is killed and restarted."""
        number = next(self._numbers)

        def report(error, record) -> None:
            if error is None:
                if self._owed.pop(number, None):
                    done()
            elif not is_fatal(error) and not self._broken:  # after a long stop, say: nothing that is owed gets lost
                print(f"{self._topic}: written again, since {error}", flush=True)
                produce()

        def produce() -> None:
            while not self._broken:
                try:
                    self._attempt(self._producer.produce, self._topic, value, key.encode(), partition=partition(key.encode(), self._partitions),
                                  headers=headers, on_delivery=report)
                    return
                except BufferError:
                    self._attempt(self._producer.poll, 0.1)

        self._owed[number] = produce
        produce()

    def poll(self) -> None:
        self._attempt(self._producer.poll, 0)
        if self._broken:
            print(f"{self._topic}: a new producer, since {self._broken}", flush=True)
            self._producer, self._broken = self._make(), ""
            for produce in list(self._owed.values()):
                produce()

    def flush(self, seconds: float) -> None:
        self._attempt(self._producer.flush, seconds)


class Reader:
    """Reads topics in its own group. A record's position is committed once it and all before it are done."""

    def __init__(self, kafka: str, group: str, topics: list[str]):
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                   "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "partition.assignment.strategy": "range",
                                   "reconnect.backoff.max.ms": 500, "socket.nagle.disable": True, "fetch.wait.max.ms": 50,
                                   "log_level": 3})
        self._open: dict[tuple[str, int], dict[int, bool]] = {}  # offsets read and not committed yet: done or not
        self._committed_at = 0.0
        self.assigned = False
        self._consumer.subscribe(topics, on_assign=self._on_assign, on_revoke=self._on_revoke)

    def _on_assign(self, consumer, partitions) -> None:
        self.assigned = True

    def _on_revoke(self, consumer, partitions) -> None:
        self.commit(force=True)
        for one in partitions:
            self._open.pop((one.topic, one.partition), None)

    def read(self, timeout_s: float, limit: int = 500) -> list:
        records = []
        for record in self._consumer.consume(limit, timeout_s):
            if record.error() is None:
                self._open.setdefault((record.topic(), record.partition()), {})[record.offset()] = False
                records.append(record)
            elif is_fatal(record.error()):
                raise RuntimeError(str(record.error()))
            elif record.error().code() != KafkaError._PARTITION_EOF:  # the broker is away, or has just come back
                print(f"reading goes on after: {record.error()}", flush=True)
        return records

    def done(self, record) -> None:
        offsets = self._open.get((record.topic(), record.partition()))
        if offsets is not None and record.offset() in offsets:
            offsets[record.offset()] = True

    def commit(self, force: bool = False) -> None:
        """At most once a second unless forced. A failure is left to the next time: records would be read again."""
        if not force and time.monotonic() - self._committed_at < 1:
            return
        self._committed_at = time.monotonic()
        positions = []
        for (topic, number), offsets in self._open.items():
            last = None
            for offset in sorted(offsets):
                if not offsets[offset]:
                    break
                last = offset
            if last is None:
                continue
            for offset in [offset for offset in offsets if offset <= last]:
                del offsets[offset]
            positions.append(TopicPartition(topic, number, last + 1))
        if positions:
            try:
                self._consumer.commit(offsets=positions, asynchronous=not force)
            except Exception as error:  # KafkaException: the group moved on, or the broker is away
                print(f"positions not committed: {error}", flush=True)

    def close(self) -> None:
        self.commit(force=True)
        self._consumer.close()
