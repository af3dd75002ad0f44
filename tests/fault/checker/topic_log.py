"""What one topic says, read once: which events each key has, in which order, and which records are copies (I10)."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from google.protobuf.message import DecodeError

from .history import Record
from .report import Invariant
from .run import Run
from .wire import Head

Take = Callable[[object, int, Record, bool], None]  # message, its key's number, the record, whether it is no copy


class TopicLog:
    """ids[key]: hashes of the event ids, on SEQUENCED topics in the order of their numbers. best[key], last[key]: the
    highest version, and that of the last record."""

    def __init__(self, run: Run, name: str):
        self.name, self.mode = name, run.topics[name].mode
        self.ids = run.keys.objects()
        self.best = run.keys.integers(-1)
        self.last = run.keys.integers(-1)
        self.records = self.copies = 0
        self.bad: set[tuple[int, int]] = set()  # partition and offset of what is no message of this topic
        self.injected: set[tuple[int, int]] = set()  # of what the harness put on a SEQUENCED topic, and is a message
        self.foreign: dict[int, int] = {}  # by key: events that the harness made up, on other topics

    def distinct(self) -> int:
        return self.records - self.copies - len(self.bad) - len(self.injected)

    def close(self, run: Run) -> None:
        run.keys.drop(self.ids)
        run.keys.drop(self.best)
        run.keys.drop(self.last)


def read(run: Run, name: str, take: Take | None = None, *, head: bool = False, quiet: bool = False) -> TopicLog:
    """take sees each message that can be decoded (head: its common fields) and must not keep it. What the harness itself
    has put on a SEQUENCED topic counts for no order. quiet: violations were told before."""
    log = TopicLog(run, name)
    message = (run.message(name) if take and not head else Head)()
    parse, number_of, invariant = message.ParseFromString, run.keys.number, Invariant("") if quiet else run.report["I10"]
    injected = run.injected.get(name, ())
    sequenced, versioned = log.mode == "SEQUENCED", log.mode == "VERSIONED"
    for record in run.history.records(name):
        partition, offset, key, value = record
        log.records += 1
        mine = bool(injected) and (partition, offset) in injected
        try:
            parse(value)
        except DecodeError:
            message.Clear()
        if not message.event_id or message.order_id.encode() != key or (sequenced and message.sequence == 0):
            log.bad.add((partition, offset))
            if sequenced and not mine:
                invariant.fail(key.decode(errors="replace"), f"{name}/{partition}@{offset} can't be read and was not injected")
            continue
        at = number_of(message.order_id)
        if sequenced and mine:
            log.injected.add((partition, offset))
            if message.sequence > len(log.ids[at] or ()):
                run.strangers.add(at)
            continue
        if sequenced:
            fresh = _next_in_order(log, invariant, message, at)
        elif versioned:
            fresh = message.saga_revision > log.best[at]
            log.last[at] = message.saga_revision
            if fresh:
                log.best[at] = message.saga_revision
        else:
            fresh = _first_of_its_id(log, message, at)
            if fresh and mine:
                log.foreign[at] = log.foreign.get(at, 0) + 1
                run.strangers.add(at)
        log.copies += not fresh
        if take:
            take(message, at, record, fresh)
    if sequenced:
        invariant.checked += log.distinct()
    return log


def _next_in_order(log: TopicLog, invariant, message, at: int) -> bool:
    ids, sequence, event = log.ids[at], message.sequence, hash(message.event_id)
    if ids is None:
        ids = log.ids[at] = array("q")
    last = len(ids)
    if sequence == last + 1:
        if event in ids:
            invariant.fail(message.order_id, f"{log.name}: {message.event_id} has number {sequence} and another before")
        ids.append(event)
        return True
    if sequence > last:
        invariant.fail(message.order_id, f"{log.name}: number {sequence} follows {last}")
        ids.extend([0] * (sequence - last - 1))
        ids.append(event)
        return True
    if ids[sequence - 1] == 0:  # told already, as a gap
        ids[sequence - 1] = event
        return True
    if ids[sequence - 1] != event:
        invariant.fail(message.order_id, f"{log.name}: two events have number {sequence}; the second is {message.event_id}")
    return False


def _first_of_its_id(log: TopicLog, message, at: int) -> bool:
    ids, event = log.ids[at], hash(message.event_id)
    if ids is None:
        log.ids[at] = array("q", [event])
        return True
    if event in ids:
        return False
    ids.append(event)
    return True
