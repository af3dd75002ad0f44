"""Topics from proto/topics.def: the one list."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from .errors import LocalError
from .state import REPOSITORY

FILE = REPOSITORY / "proto" / "topics.def"
CREATE_TIMEOUT_S = 30
_ROW = re.compile(r'^TOPIC\(\s*(\w+)\s*,\s*(\d+)\s*,\s*"([^"]+)"\s*,\s*"([^"]+)"\s*,\s*(\w+)\s*,\s*(\w+)\s*,\s*(\w+)\s*,'
                  r'\s*(DELETE|COMPACT)\s*,\s*(\d+)\s*,\s*"([^"]*)"\s*,\s*"([^"]*)"\s*\)\s*$')


@dataclass(frozen=True)
class Topic:
    enumerator: str
    number: int
    name: str  # between prefix and version
    key: str
    message: str  # in package orderclerk.v1
    mode: str  # SEQUENCED, BY_ID, VERSIONED
    compacted: bool
    retention_hours: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]

    def full_name(self, prefix: str) -> str:
        return f"{prefix}{self.name}.v1"

    def config(self) -> dict[str, str]:
        if self.compacted:
            # The desk must see the newest record of a key to know an older one behind it: it has a day for that.
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(24 * 3600 * 1000)}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_hours * 3600 * 1000)}


def read() -> list[Topic]:
    topics = []
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        if not line.lstrip().startswith("TOPIC("):
            continue
        row = _ROW.match(line.strip())
        if not row:
            raise LocalError(f"proto/topics.def:{number}: not a TOPIC(…) row as its header describes")
        enumerator, index, name, key, message, _, mode, cleanup, hours, writers, readers = row.groups()
        topics.append(Topic(enumerator, int(index), name, key, message, mode, cleanup == "COMPACT", int(hours),
                            tuple(writers.split()), tuple(readers.split())))
    if not topics:
        raise LocalError("proto/topics.def lists no topic")
    return topics


def create(bootstrap: str, prefix: str, partitions: int) -> int:
    """Creates what is missing, in one request, and waits until it is usable. Returns the number of new topics.
    Refuses a topic with another number of partitions: keys would move."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    wanted = {topic.full_name(prefix): topic for topic in read()}
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def present() -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items() if name in wanted}

    before = present()
    for name, count in sorted(before.items()):
        if count != partitions:
            raise LocalError(f"topic {name} has {count} partitions, not {partitions}: `down --wipe`, or set ORDERCLERK_PARTITIONS={count}")
    new = [NewTopic(name, num_partitions=partitions, replication_factor=1, config=topic.config())
           for name, topic in wanted.items() if name not in before]
    if not new:
        return 0
    for name, future in admin.create_topics(new, operation_timeout=CREATE_TIMEOUT_S, request_timeout=CREATE_TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            raise LocalError(f"can't create topic {name}: {error.args[0].str()}") from None
    deadline = time.monotonic() + CREATE_TIMEOUT_S
    while present() != dict.fromkeys(wanted, partitions):
        if time.monotonic() > deadline:
            raise LocalError("the broker doesn't show all topics that it created")
        time.sleep(0.02)
    return len(new)
