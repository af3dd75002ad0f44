#!/usr/bin/python3
"""What a department knows that reads nothing but order-events: folds the topic to each order's state, and compares.

    fold.py --kafka HOST:PORT [--against FILE]     FILE: `orderctl order list --json`, or the desk's GET /v1/orders

Reads every partition from its beginning to where it ends now. Checks on the way that each order's events are numbered without
gaps (copies have the same number and content), that each begins in the state in which the last one ended, and that the saga's
revision never goes back. Exit: 0 all is well; 1 differences.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import bus
import protos
import topics
from confluent_kafka import Consumer, TopicPartition
from google.protobuf.message import DecodeError
from program import parse, tool_parser

READ_TIMEOUT_S = 60


@dataclass
class Order:
    state: str = ""
    order_no: str = ""
    sequence: int = 0
    revision: int = 0
    events: int = 0


class Fold:
    """Folds events in the order of one partition."""

    def __init__(self):
        self.orders: dict[str, Order] = {}
        self.problems: list[str] = []
        self._ids: dict[tuple[str, int], str] = {}

    def add(self, event) -> None:
        order = self.orders.setdefault(event.order_id, Order())
        number, move = event.sequence, event.transition
        if number <= order.sequence:
            if self._ids.get((event.order_id, number)) != event.event_id:
                self.problems.append(f"{event.order_id}: two events have number {number}")
            return
        if number != order.sequence + 1:
            self.problems.append(f"{event.order_id}: number {number} follows {order.sequence}")
        self._ids[event.order_id, number] = event.event_id
        if move.to_state:
            # Several events may tell of one transition: they have its revision.
            told = event.saga_revision == order.revision and move.to_state == order.state
            if order.state and not told and move.from_state and move.from_state not in (order.state, move.to_state):
                self.problems.append(f"{event.order_id}: event {number} leaves {move.from_state}, the order was in {order.state}")
            order.state = move.to_state
        if event.saga_revision < order.revision:
            self.problems.append(f"{event.order_id}: revision {event.saga_revision} follows {order.revision}")
        order.sequence, order.revision = number, max(order.revision, event.saga_revision)
        order.order_no = event.order_no or order.order_no
        order.events += 1


def listed_states(text: str) -> dict[str, str]:
    """order_id: state, from a list, or from an object with `orders`."""
    document = json.loads(text)
    rows = document.get("orders", []) if isinstance(document, dict) else document
    return {row["order_id"]: row["state"] for row in rows}


def compare(orders: dict[str, Order], listed: dict[str, str]) -> list[str]:
    wrong = [f"{order_id}: {state} is listed, the events say {orders[order_id].state if order_id in orders else 'nothing'}"
             for order_id, state in listed.items() if order_id not in orders or orders[order_id].state != state]
    return wrong + [f"{order_id}: {order.state} by its events, not listed" for order_id, order in orders.items() if order_id not in listed]


def read_all(kafka: str, topic: str, take) -> int:
    """Calls take(record) for everything that is in the topic now; how many records that was."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "fold", "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "fetch.wait.max.ms": 50, "log_level": 3})
    try:
        ends: dict[int, int] = {}
        starts = []
        for one in topics.partitions(consumer, topic):
            low, high = consumer.get_watermark_offsets(one, topics.TIMEOUT_S)
            if high > low:
                ends[one.partition] = high
                starts.append(TopicPartition(topic, one.partition, low))
        count = 0
        if not starts:
            return 0
        consumer.assign(starts)
        give_up = time.monotonic() + READ_TIMEOUT_S
        while ends:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{topic}: partitions {sorted(ends)} aren't read after {READ_TIMEOUT_S} s")
            for record in consumer.consume(1000, 0.5):
                if record.error() is not None:
                    raise RuntimeError(str(record.error()))
                if record.partition() not in ends:
                    continue
                take(record)
                count += 1
                if record.offset() + 1 >= ends[record.partition()]:
                    del ends[record.partition()]
        return count
    finally:
        consumer.close()


def main(argv: list[str] | None = None) -> int:
    parser = tool_parser(__doc__.splitlines()[0])
    bus.add_options(parser)
    parser.add_argument("--against", default="", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print the folded orders")
    options = parse(parser, argv)
    event_type = protos.load().order_events.OrderEvent
    fold, foreign = Fold(), 0

    def take(record) -> None:
        nonlocal foreign
        try:
            fold.add(bus.message_of(event_type, record))
        except DecodeError:  # whoever else writes there is no business of a department's
            foreign += 1

    count = read_all(options.kafka, bus.topic_name(options.topic_prefix, "order-events"), take)
    wrong = list(fold.problems)
    if options.against:
        wrong += compare(fold.orders, listed_states(Path(options.against).read_text(encoding="utf-8")))
    if options.json:
        print(json.dumps({order_id: order.__dict__ for order_id, order in fold.orders.items()}, indent=1))
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{count} records with events of {len(fold.orders)} orders, {foreign} are none; {len(wrong)} differences", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
