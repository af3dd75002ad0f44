"""The parts that other programs must agree with: partitions, signatures, tracking numbers, choices, generated messages."""

import base64
import uuid
from types import SimpleNamespace

import bus
import protos
import pytest
import tracking
import webhook
from confluent_kafka import KafkaError, KafkaException
from misbehave import Misbehaviour
from murmur2 import murmur2, partition

# Computed by Kafka's Java client (its own unit test has the same table).
JAVA_VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize("data, hashed", JAVA_VECTORS)
def test_murmur2_is_javas(data, hashed):
    assert murmur2(data) == hashed & 0xFFFFFFFF
    assert partition(data, 6) == (hashed & 0x7FFFFFFF) % 6


def test_partitions_are_used_evenly():
    counts = [0] * 6
    for number in range(6000):
        counts[partition(str(uuid.UUID(int=number << 64 | 7)).encode(), 6)] += 1
    assert min(counts) > 850


def test_signature_is_the_published_example():
    # The example of the Standard Webhooks specification's reference libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = webhook.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_verify_refuses_what_it_must():
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    body = b"{}"
    good = webhook.sign(secret, "m", 1000, body)
    assert webhook.verify(secret, "m", "1000", "v1,AAAA " + good, body, 1100)
    assert not webhook.verify(secret, "m", "1000", good, b"{ }", 1100)
    assert not webhook.verify(secret, "other", "1000", good, body, 1100)
    assert not webhook.verify(secret, "m", "1000", good, body, 1301)
    assert not webhook.verify(secret, "m", "soon", good, body, 1100)


@pytest.mark.parametrize("number", ["1Z5R89390357567127", "1Z879E930346834440", "1Z999AA10123456784"])
def test_ups_check_digit(number):
    assert tracking.ups_check_digit(number[2:17]) == int(number[17])


def test_tracking_numbers_are_stable_and_formed():
    a, b = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    assert tracking.tracking_no("SF", a) == tracking.tracking_no("SF", a) != tracking.tracking_no("SF", b)
    assert len(tracking.sf(a)) == 15
    assert len(tracking.ups(a)) == 18 and tracking.ups_check_digit(tracking.ups(a)[2:17]) == int(tracking.ups(a)[17])


def test_choices_depend_on_seed_and_subject_alone():
    one, same, other = Misbehaviour(seed=1, silent=0.3), Misbehaviour(seed=1, silent=0.3), Misbehaviour(seed=2, silent=0.3)
    chosen = [one.choose("silent", n) for n in range(1000)]
    assert chosen == [same.choose("silent", n) for n in range(1000)]
    assert chosen != [other.choose("silent", n) for n in range(1000)]
    assert 230 < sum(chosen) < 370
    assert not any(Misbehaviour().choose("silent", n) for n in range(100))


def test_control_refuses_unknown_settings():
    misbehaviour = Misbehaviour()
    misbehaviour.change({"silent": 1, "late_ms": 7})
    assert (misbehaviour.silent, misbehaviour.late_ms) == (1.0, 7)
    for wrong in ({"silnt": 1}, {"silent": "yes"}, {"silent": True}):
        with pytest.raises(ValueError):
            misbehaviour.change(wrong)


def test_messages_are_generated():
    pb = protos.load()
    reply = pb.department_replies.DepartmentReply(order_id="o", erp_accepted=pb.department_replies.ErpAccepted(erp_no="E-1"))
    assert pb.department_replies.DepartmentReply.FromString(reply.SerializeToString()).WhichOneof("body") == "erp_accepted"


class FailingProducer:
    """Takes the first records, but the broker gets none: its fatal error comes with the first poll. Later ones work."""

    made: list["FailingProducer"] = []

    def __init__(self, settings):
        self.fails = not self.made
        self.taken = []
        self.made.append(self)

    def list_topics(self, topic, timeout):
        described = SimpleNamespace(error=None, partitions={0: None})
        return SimpleNamespace(topics={topic: described})

    def produce(self, topic, value, key, partition, headers, on_delivery):
        self.taken.append((value, on_delivery))

    def poll(self, timeout):
        if self.fails:
            raise KafkaException(KafkaError(KafkaError._FATAL, "sequence desynchronization", fatal=True))
        for _, report in self.taken:
            report(None, None)
        return len(self.taken)


def test_what_a_broken_producer_owes_is_written_by_a_new_one(monkeypatch):
    monkeypatch.setattr(bus, "Producer", FailingProducer)
    monkeypatch.setattr(FailingProducer, "made", [])
    done = []
    writer = bus.Writer("unused:9092", "replies")
    for value in (b"1", b"2"):
        writer.write("order", value, [], lambda value=value: done.append(value))
    writer.poll()
    assert done == [] and len(FailingProducer.made) == 2
    writer.write("order", b"3", [], lambda: done.append(b"3"))
    writer.poll()
    assert done == [b"1", b"2", b"3"]
    writer.poll()  # a report that comes again is nothing new
    assert done == [b"1", b"2", b"3"] and len(FailingProducer.made) == 2
