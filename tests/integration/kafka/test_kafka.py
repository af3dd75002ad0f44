"""The bus (common/kafka) on a real broker."""

from __future__ import annotations

import signal

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SLOTS = set(range(6))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def admin(stack) -> AdminClient:
    return AdminClient({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})


def test_a_record_arrives_with_key_value_and_trace(probe):
    bus = probe()
    bus.do("auto")
    bus.wait_slots(SLOTS)
    bus.send("validation-events", 3, "order-1", TRACE)
    bus.do("tombstone", "control", "order-1")
    records = bus.wait_records(4)
    assert [(r["value"], r["traceparent"]) for r in bus.records("validation-events")] == [
        ("order-1/0", TRACE), ("order-1/1", TRACE), ("order-1/2", TRACE)]
    assert bus.records("control")[0]["value"] is None
    assert bus.records("control")[0]["traceparent"] is None
    assert {r["key"] for r in records} == {"order-1"}
    assert {r["partition"] for r in records} == {bus.tell("partition", "order-1")["partition"]}
    assert [r["offset"] for r in bus.records("validation-events")] == [0, 1, 2]


def test_headers_are_cloudevents_and_the_partition_is_that_of_java_clients(stack, probe):
    bus = probe(inputs="-")
    for key in ("order-1", "order-2", "订单-3"):
        bus.send("control", 1, key, TRACE)
        theirs = stack.produce("control", key, b"x")  # librdkafka's murmur2_random
        assert theirs.partition() == bus.tell("partition", key)["partition"]
    ours = [m for m in stack.records("control") if m.value() != b"x"]
    assert len(ours) == 3
    headers = dict(next(m for m in ours if m.key() == b"order-1").headers())
    assert headers == {
        "ce_specversion": b"1.0", "ce_id": b"id-1", "ce_source": b"/orderclerk/probe", "ce_type": b"orderclerk.v1.Probe",
        "ce_time": b"2026-11-24T06:00:00.123456Z", "ce_subject": b"order-1", "content-type": b"application/protobuf",
        "traceparent": TRACE.encode()}


def test_records_without_headers_or_value_arrive(stack, probe):
    stack.produce("control", "k", b"")
    stack.produce("control", "k", None)
    stack.produce("control", None, b"keyless", partition=0)
    bus = probe()
    bus.do("auto")
    assert {(r["key"], r["value"]) for r in bus.wait_records(3)} == {("k", ""), ("k", None), (None, "keyless")}


def test_topics_with_different_partitions_are_refused(stack, probe):
    client = admin(stack)
    for made in client.create_topics([NewTopic("odd.control.v1", 3), NewTopic("odd.orders.v1", 4)]).values():
        made.result()
    stack.wait(lambda: {"odd.control.v1", "odd.orders.v1"} <= set(client.list_topics(timeout=5).topics), 10, "the topics")
    bus = probe(prefix="odd.", inputs="control", outputs="orders")
    assert bus.opened["class"] == "config"
    assert "odd.orders.v1 has 4" in bus.opened["text"] and "odd.control.v1 has 3" in bus.opened["text"]
    assert bus.close() == 2
    missing = probe(prefix="odd.", inputs="control", outputs="order-events")
    assert missing.opened["class"] == "config" and "odd.order-events.v1" in missing.opened["text"]
    assert "odd.order-events.v1" not in client.list_topics(timeout=5).topics, "asking must not create it"


def test_a_broker_that_is_away_is_a_matter_of_trying_again(stack, probe):
    bus = probe(brokers="127.0.0.1:9")
    assert bus.opened["class"] == "retry"


def test_two_members_share_complete_slots(probe):
    first = probe()
    first.do("auto")
    first.wait_slots(SLOTS)
    second = probe()
    second.do("auto")
    half = second.wait_slots(count=3)
    assert first.wait_slots(count=3) == SLOTS - half


def test_slots_of_a_topic_that_others_read_too_are_not_complete(probe):
    """A member with an older subscription in the same group: no slot may be claimed by half."""
    old = probe(inputs="control")
    old.wait_slots(SLOTS)
    new = probe(inputs="control,validation-events")
    new.wait(lambda lines: new.of("assigned"), "an assignment")
    old.wait_slots(count=3)
    mine = new.wait_slots(count=3)
    new.assign(*mine)
    other = (SLOTS - mine).pop()
    assert new.tell("assign", other)["class"] == "fenced"


def test_a_member_that_leaves_frees_its_slots(probe):
    first, second = probe(), probe()
    first.wait_slots(count=3)
    second.wait_slots(count=3)
    second.close()
    first.wait_slots(SLOTS, timeout_s=5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_member_that_dies_or_stands_still_loses_its_slots(probe, number):
    first, second = probe(), probe()
    first.wait_slots(count=3)
    second.wait_slots(count=3)
    second.signal(number)
    first.wait_slots(SLOTS, timeout_s=10)
    if number == signal.SIGSTOP:  # a zombie that comes back is told, and gets slots again
        second.signal(signal.SIGCONT)
        second.wait(lambda lines: second.of("revoked"), "revoked")
        second.wait_slots(count=3)


def test_a_member_that_never_assigns_does_not_hold_up_the_group(probe):
    silent = probe()  # is told its slots and never answers
    silent.wait_slots(SLOTS)
    other = probe()
    other.do("auto")
    other.wait_slots(count=3, timeout_s=10)
    silent.wait_slots(count=3, timeout_s=10)


def test_nothing_is_read_before_assign_and_then_from_the_given_position(probe):
    bus = probe()
    slot = bus.tell("partition", "k")["partition"]
    bus.send("validation-events", 10, "k")
    bus.wait_slots(SLOTS)
    assert bus.records() == []
    bus.assign(slot, f"validation-events@{slot}=7")
    assert [r["offset"] for r in bus.wait_records(3)] == [7, 8, 9]
    bus.assign(slot, f"validation-events@{slot}=2")  # claimed again
    bus.wait_records(3 + 8)
    assert [r["offset"] for r in bus.records()[3:]] == list(range(2, 10))
    bus.assign()
    bus.send("validation-events", 5, "k")
    bus.assign(slot, f"validation-events@{slot}=14")
    assert bus.wait_records(12)[11]["offset"] == 14


def test_a_position_outside_of_the_topic_stops_its_slot_only(stack, probe):
    bus = probe()
    keys = {bus.tell("partition", f"k{i}")["partition"]: f"k{i}" for i in range(40)}
    for slot in (0, 1, 2):
        bus.send("validation-events", 5, keys[slot])
        bus.send("control", 1, keys[slot])
    bus.do("trim", "validation-events@1=3")
    bus.wait_slots(SLOTS)
    bus.assign(0, 1, 2, "validation-events@0=6", "validation-events@1=2", "validation-events@2=5")
    bus.wait(lambda lines: len(bus.of("position")) == 2, "two BUS_POSITION")
    assert {(p["topic"], p["partition"]) for p in bus.of("position")} == {("validation-events", 0), ("validation-events", 1)}
    bus.send("validation-events", 1, keys[2])
    records = bus.wait_records(2)
    assert {r["partition"] for r in records} == {2}
    bus.assign(0, 1, "validation-events@0=5", "validation-events@1=3")
    bus.wait_records(2 + 2 + 2)
    assert sorted(r["offset"] for r in bus.records("validation-events") if r["partition"] == 1) == [3, 4]


def test_a_topic_that_shrinks_under_its_reader_is_told(stack, probe):
    """The topic is made anew, as after the loss of a broker: the reader's position is past its end."""
    bus = probe()
    bus.wait_slots(SLOTS)
    slot = bus.tell("partition", "k")["partition"]
    bus.assign(slot)
    bus.send("validation-events", 3, "k")
    bus.wait_records(3)
    name, client = stack.topic("validation-events"), admin(stack)
    client.delete_topics([name])[name].result()
    stack.wait(lambda: name not in client.list_topics(timeout=5).topics, 10, "the topic's end")
    client.create_topics([NewTopic(name, 6)])[name].result()
    bus.wait(lambda lines: bus.of("position") or bus.of("revoked"), "BUS_POSITION, or a new assignment")


def test_a_position_below_a_compacted_topics_beginning_is_no_loss(stack, probe):
    bus = probe(inputs="stock-levels", outputs="stock-levels")
    slot = bus.tell("partition", "k")["partition"]
    bus.send("stock-levels", 5, "k")
    bus.do("trim", f"stock-levels@{slot}=3")
    bus.wait_slots(SLOTS)
    bus.assign(slot, f"stock-levels@{slot}=1")
    bus.wait_records(2)
    assert bus.of("position") == []
    bus.assign(slot, f"stock-levels@{slot}=6")
    bus.wait(lambda lines: bus.of("position"), "BUS_POSITION")


def test_high_watermarks_are_those_of_now(stack, probe):
    bus = probe()
    slot = bus.tell("partition", "k")["partition"]
    other = (slot + 1) % 6
    for n in range(1, 6):
        stack.produce("control", "k", b"x", partition=slot)
        high = bus.do_again("high", slot, other)["high"]
        assert high == [0, n, 0, 0]  # [slot's validation-events, slot's control, other's …]
    stack.kill("kafka")
    assert bus.tell("high", slot)["class"] == "retry"
    stack.start("kafka")
    stack.wait_ready("kafka")
    bus.do_again("high", slot)


def test_positions_are_noted_for_lag_tools(stack, probe):
    bus = probe(group="lag.v1")
    bus.do("auto")
    bus.wait_slots(SLOTS)
    bus.do("note", "control@2=0", "validation-events@3=0")
    reader = stack.consumer("control", group="lag.v1")
    try:
        partition = TopicPartition(stack.topic("control"), 2)
        stack.wait(lambda: reader.committed([partition], timeout=5)[0].offset == 0, 10, "the committed position")
    finally:
        reader.close()


def test_a_killed_broker_comes_back_and_nothing_is_lost(stack, probe):
    bus = probe()
    bus.do("auto")
    bus.wait_slots(SLOTS)
    bus.send("validation-events", 100, "before")
    stack.kill("kafka")
    bus.do("send", "validation-events", 200, "during")
    stack.start("kafka")
    stack.wait_ready("kafka")
    bus.wait_sent(300, timeout_s=60)
    bus.do("send", "validation-events", 50, "after")
    bus.wait_sent(350)
    bus.wait(lambda lines: {r["value"] for r in bus.records()} >= {f"{key}/{i}" for key, n in
             (("before", 100), ("during", 200), ("after", 50)) for i in range(n)}, "every record", 60)
    assert bus.of("failed") == []
    stored = [m.value().decode() for m in stack.records("validation-events")]
    for key, count in (("before", 100), ("during", 200), ("after", 50)):
        assert [v for v in stored if v.startswith(key)] == [f"{key}/{i}" for i in range(count)], "in order, each once"


def test_reopen_makes_both_anew(probe):
    bus = probe()
    bus.do("auto")
    bus.wait_slots(SLOTS)
    bus.send("validation-events", 2, "k")
    bus.wait_records(2)
    assigned = len(bus.of("assigned"))
    bus.do("reopen")
    bus.wait(lambda lines: len(bus.of("assigned")) > assigned, "a fresh assignment")
    bus.send("validation-events", 1, "k")
    bus.wait_records(2 + 3)  # from the low watermark again


def test_reopen_and_close_with_the_broker_away_are_bounded(stack, probe):
    bus = probe()
    bus.do("auto")
    bus.wait_slots(SLOTS)
    stack.kill("kafka")
    bus.do("send", "validation-events", 10, "lost")
    bus.do("reopen")
    stack.start("kafka")
    stack.wait_ready("kafka")
    assigned = len(bus.of("assigned"))
    bus.wait(lambda lines: len(bus.of("assigned")) > assigned, "a fresh assignment", 60)
    bus.do("send", "validation-events", 1, "k")
    bus.wait(lambda lines: len(bus.of("report")) >= 1, "a report")
    stack.kill("kafka")
    assert bus.close() == 0


def test_a_full_queue_is_told_and_many_records_pass(probe):
    """More than the local queue holds (100 000 records): produce says RETRY until reports have been taken."""
    bus = probe(inputs="-")
    bus.do("send", "validation-events", 120000, "k")
    bus.wait_sent(120000, timeout_s=60)
