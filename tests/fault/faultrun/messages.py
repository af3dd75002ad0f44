"""Records that no service has sent: copies, old ones in reverse, cut, garbled, on the wrong topic, too large, poison."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import protos
import topics
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from google.protobuf.message import DecodeError
from murmur2 import partition

from faultrun.injection import Run

PER_TOPIC = 200  # real records looked at
READ_S = 60
SOURCE = "faultrun"
AT_ONCE = 50
LARGE_BYTES, TOO_LARGE_BYTES = 950_000, 1_200_000  # above our own limit; above the broker's
# Per thousand. What would pass for a real record of a living order (its sequence or id made up) is not among them: whoever may
# write such a record may write anything, and is kept out by ACLs.
SHARES = {"duplicated": 450, "reordered": 200, "truncated": 140, "corrupt": 140, "wrong topic": 60, "oversized": 9, "poison": 1}
TARGETS = ("orders", "order-events", "commands.validator", "commands.inventory", "commands.fulfillment", "commands.notifier", "commands.departments",
           "validation-events", "inventory-events", "shipment-events", "warehouse-replies", "department-replies", "notification-events", "inventory-internal")
# Departments' own programs read these, and look at less than our services do: a made-up command is obeyed by them.
READ_OUTSIDE = ("order-events", "commands.departments", "shipment-events", "notification-events")


class Injector:
    def __init__(self, run: Run):
        self._run, self._stack = run, run.rig.stack
        self._pb = protos.load()
        self._types = {topic.name: topic.message for topic in topics.read()}
        self._producer = Producer({"bootstrap.servers": self._stack.kafka.bootstrap, "message.max.bytes": 2_000_000, "linger.ms": 5, "log_level": 0})
        self.refused = 0
        self.written = 0
        self._records = {name: self._read(name) for name in TARGETS}

    def _read(self, name: str) -> list[Message]:
        """Some of the topic's latest records, in order."""
        consumer = Consumer({"bootstrap.servers": self._stack.kafka.bootstrap, "group.id": "faultrun", "enable.auto.commit": False, "log_level": 0,
                             "enable.partition.eof": True})
        try:
            starts = []
            for number in range(self._stack.partitions):
                low, high = consumer.get_watermark_offsets(TopicPartition(self._stack.topic(name), number), READ_S)
                if high > low:
                    starts.append(TopicPartition(self._stack.topic(name), number, max(low, high - PER_TOPIC // self._stack.partitions)))
            consumer.assign(starts)
            left, found, end = {one.partition for one in starts}, [], time.monotonic() + READ_S
            while left and time.monotonic() < end:
                for record in consumer.consume(500, 0.2):
                    if record.error() is None:
                        found.append(record)
                    elif record.error().code() == KafkaError._PARTITION_EOF:
                        left.discard(record.partition())
                    else:
                        raise KafkaException(record.error())
            return [record for record in found if self._is_real(name, record)]
        finally:
            consumer.close()

    def _is_real(self, name: str, record: Message) -> bool:
        """A service's own, not one of ours from before."""
        try:
            message = self._type(name).FromString(record.value() or b"")
        except DecodeError:
            return False
        return message.order_id.encode() == record.key() and message.source != SOURCE

    def write(self, topic: str, key: bytes, value: bytes, what: str, headers: list | None = None) -> None:
        def report(error, record) -> None:
            if error is not None:
                self.refused += 1
                return
            self.written += 1
            self._run.folder.injected.write(topic=self._stack.topic(topic), partition=record.partition(), offset=record.offset(), key=key.decode(), what=what,
                                            at=time.time())
        try:
            self._producer.produce(self._stack.topic(topic), value, key, partition=partition(key, self._stack.partitions), headers=headers or [], on_delivery=report)
        except KafkaException:  # larger than the producer sends
            self.refused += 1
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(READ_S) == 0, "records to inject are not taken by the broker"

    # ---- what is written
    def _pick(self) -> tuple[str, Message]:
        name = self._run.draw.choice([name for name, records in self._records.items() if records])
        return name, self._run.draw.choice(self._records[name])

    def duplicated(self) -> None:
        name, record = self._pick()
        self.write(name, record.key(), record.value(), "duplicated", record.headers())

    def reordered(self) -> None:
        """A key's records once more, the last first."""
        name, record = self._pick()
        for one in reversed([one for one in self._records[name] if one.key() == record.key()]):
            self.write(name, one.key(), one.value(), "reordered", one.headers())

    def truncated(self) -> None:
        name, record = self._pick()
        value = record.value()
        self.write(name, record.key(), value[:self._run.draw.randrange(1, len(value))], "truncated", record.headers())

    def corrupt(self) -> None:
        """Garbage under a living order's key, or a real record with bits turned over under a key that it isn't about."""
        name, record = self._pick()
        value = bytearray(record.value())
        if self._run.draw.random() < 0.5 or name in READ_OUTSIDE:
            self.write(name, record.key(), b"\xff" + self._run.draw.randbytes(len(value)), "corrupt", record.headers())
            return
        for _ in range(self._run.draw.randint(1, 8)):
            value[self._run.draw.randrange(len(value))] ^= 1 << self._run.draw.randrange(8)
        self.write(name, str(uuid.UUID(int=self._run.draw.getrandbits(128))).encode(), bytes(value), "corrupt", record.headers())

    def wrong_topic(self) -> None:
        """A real record, made about an order that doesn't exist, where another kind is expected. Its source writes to no topic of
        ours: it is refused even where it reads as something that could be carried out."""
        name, record = self._pick()
        other = self._run.draw.choice([topic for topic in TARGETS if topic != name and topic not in READ_OUTSIDE])
        key = str(uuid.UUID(int=self._run.draw.getrandbits(128)))
        message = self._type(name).FromString(record.value())
        message.source, message.order_id, message.event_id = SOURCE, key, str(uuid.UUID(int=self._run.draw.getrandbits(128)))
        self.write(other, key.encode(), message.SerializeToString(), "wrong topic", record.headers())

    def oversized(self) -> None:
        name, _ = self._pick()
        size = self._run.draw.choice((LARGE_BYTES, TOO_LARGE_BYTES))
        self.write(name, str(uuid.UUID(int=self._run.draw.getrandbits(128))).encode(), b"\x0a" + b"\0" * size, "oversized")

    def poison(self) -> None:
        """Decodable, addressed, and nothing that can be done: a submission without an order."""
        key = str(uuid.UUID(int=self._run.draw.getrandbits(128)))
        request = self._pb.orders.OrderRequest(event_id=str(uuid.UUID(int=self._run.draw.getrandbits(128))), order_id=key, source="intake")
        request.submit.SetInParent()
        self.write("orders", key.encode(), request.SerializeToString(), "poison")

    def _type(self, name: str):
        message = self._types[name]
        return next(getattr(module, message) for module in vars(self._pb).values() if message in module.DESCRIPTOR.message_types_by_name)


def injector_of(run: Run) -> Injector:
    """Reads the topics once for all kinds of records."""
    if run.injector is None:
        run.injector = Injector(run)
    return run.injector


def inject(run: Run, what: str, count: int) -> None:
    rig = run.rig
    with run.injection("messages", what) as it:
        injector = injector_of(run)
        injector.refused = injector.written = 0
        it.watch_batches("orchestrator", rig.owned("orchestrator"))
        it.struck()
        write = getattr(injector, what.replace(" ", "_"))
        while injector.written + injector.refused < count:
            try:
                for _ in range(min(AT_ONCE, count - injector.written - injector.refused)):
                    write()
            finally:
                injector.flush()
        it.line["records"], it.line["refused"] = injector.written, injector.refused
        it.recovered()


def jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    return [("all", lambda what=what, share=share: inject(run, what, max(1, times * share // 1000))) for what, share in SHARES.items()]
