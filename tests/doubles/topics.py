"""What proto/topics.def says about the topics, and how far consumer groups have come. Needs no group membership."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

FILE = Path(__file__).resolve().parents[2] / "proto" / "topics.def"
_ROW = re.compile(r'^TOPIC\(\s*\w+\s*,\s*(\d+)\s*,\s*"([^"]+)"\s*,\s*"[^"]+"\s*,\s*(\w+)\s*,\s*\w+\s*,\s*(\w+)\s*,\s*\w+\s*,\s*\d+\s*,\s*"([^"]*)"\s*,\s*"([^"]*)"')
TIMEOUT_S = 10


@dataclass(frozen=True)
class Topic:
    number: int  # in outbox rows and positions
    name: str
    message: str
    mode: str  # SEQUENCED, BY_ID, VERSIONED
    writers: tuple[str, ...]
    readers: tuple[str, ...]


def read() -> list[Topic]:
    found = (_ROW.match(line) for line in FILE.read_text().splitlines())
    return [Topic(int(match[1]), *match.group(2, 3, 4), tuple(match[5].split()), tuple(match[6].split())) for match in found if match]


def _consumer(kafka: str, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": kafka, "group.id": group, "enable.auto.commit": False, "log_level": 3})


def partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    known = consumer.list_topics(topic, TIMEOUT_S).topics[topic]
    if known.error is not None:
        raise RuntimeError(f"{topic}: {known.error}")
    return [TopicPartition(topic, number) for number in sorted(known.partitions)]


def lag(kafka: str, group: str, topics: list[str]) -> int:
    """Records of these topics that the group has not committed yet. Doesn't join the group."""
    consumer = _consumer(kafka, group)
    try:
        behind = 0
        for topic in topics:
            for position in consumer.committed(partitions(consumer, topic), timeout=TIMEOUT_S):
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, position.partition), TIMEOUT_S)
                behind += high - max(position.offset, low)
        return behind
    finally:
        consumer.close()


def wait_taken(kafka: str, prefix: str, names: Callable[[str], bool], groups: dict[str, str], timeout_s: float, say: Callable[[str], None]) -> bool:
    """Until each service (name: its group) has read all of those of the named topics that it reads."""
    todo = {service: [f"{prefix}{topic.name}.v1" for topic in read() if names(topic.name) and service in topic.readers] for service in groups}
    end = time.monotonic() + timeout_s
    while True:
        try:
            behind = {service: lag(kafka, groups[service], topics) for service, topics in todo.items() if topics}
        except KafkaException as error:
            behind = {"kafka": 1}
            say(f"waiting: {error}")
        if not any(behind.values()):
            return True
        if time.monotonic() > end:
            say(f"not taken in time: {behind}")
            return False
        time.sleep(0.2)
