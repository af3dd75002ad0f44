"""Inventory from outside: commands and news about stock as records, answers from the topic, and what must hold in its tables."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict

import confluent_kafka
from protos import load

pb = load()

# Each row of the ledger against the sums of all rows before it, for the same product in the same warehouse.
_BROKEN_PREFIXES = """
    WITH sums AS (
        SELECT sku, warehouse, movement, on_hand_after, reserved_after,
               row_number() OVER w AS nth, sum(on_hand_change) OVER w AS on_hand, sum(reserved_change) OVER w AS reserved
        FROM inventory.stock_ledger WINDOW w AS (PARTITION BY sku, warehouse ORDER BY movement))
    SELECT * FROM sums
    WHERE movement <> nth OR on_hand <> on_hand_after OR reserved <> reserved_after OR reserved < 0 OR reserved > on_hand"""
_BROKEN_STOCK = """
    SELECT s.sku, s.warehouse, s.on_hand, s.reserved, l.on_hand AS booked, l.reserved AS booked_reserved, a.reserved AS held
    FROM inventory.stock s
    LEFT JOIN (SELECT sku, warehouse, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
               FROM inventory.stock_ledger GROUP BY 1, 2) l USING (sku, warehouse)
    LEFT JOIN (SELECT sku, warehouse, sum(reserved) AS reserved FROM inventory.allocation GROUP BY 1, 2) a USING (sku, warehouse)
    WHERE s.on_hand <> coalesce(l.on_hand, 0) OR s.reserved <> coalesce(l.reserved, 0) OR s.reserved <> coalesce(a.reserved, 0)"""
_BROKEN_QUEUE = """
    SELECT sku, s.n AS counted, q.n AS queued, a.n AS agreed, s.available
    FROM (SELECT sku, sum(backordered) AS n, sum(greatest(on_hand - reserved - safety - damaged - qc_hold - missing, 0)) AS available
          FROM inventory.stock GROUP BY 1) s
    LEFT JOIN (SELECT sku, sum(quantity) AS n FROM inventory.backorder GROUP BY 1) q USING (sku)
    LEFT JOIN (SELECT sku, sum(backordered) AS n FROM inventory.allocation GROUP BY 1) a USING (sku)
    WHERE s.n <> coalesce(q.n, 0) OR s.n <> coalesce(a.n, 0) OR (s.n > 0 AND s.available > 0)"""


class Stockroom:
    """Two lanes of inventory on a private stack. Records go out at once; flush() waits until the broker has them."""

    def __init__(self, stack):
        self.stack = stack
        stack.up(["inventory"])
        self.sequences: dict[str, int] = defaultdict(int)
        self.producer = confluent_kafka.Producer({"bootstrap.servers": stack.kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0})

    def _send(self, topic: str, key: str, message) -> str:
        message.event_id, message.order_id, message.source = str(uuid.uuid4()), key, "orchestrator" if topic.startswith("commands.") else "intake"
        message.occurred_at_us = int(time.time() * 1e6)
        self.producer.produce(self.stack.topic(topic), message.SerializeToString(), key)
        self.producer.poll(0)
        return message.event_id

    def flush(self) -> None:
        assert self.producer.flush(30) == 0, "the broker doesn't take the records"

    def product(self, sku: str, version: int = 1, **fields) -> None:
        self._send("reference.products", sku, pb.reference.Product(sku=sku, name_en=sku, saga_revision=version, **fields))

    def receive(self, sku: str, warehouse: str, quantity: int) -> None:
        change = pb.stock.StockChange(sku=sku, warehouse=warehouse)
        change.received.quantity = quantity
        self._send("stock-changes", f"{sku}@{warehouse}", change)

    def count(self, sku: str, warehouse: str, on_hand: int, as_of_us: int) -> None:
        change = pb.stock.StockChange(sku=sku, warehouse=warehouse)
        change.counted.on_hand, change.counted.as_of_us = on_hand, as_of_us
        self._send("stock-changes", f"{sku}@{warehouse}", change)

    def _command(self, order: str, command) -> str:
        self.sequences[order] += 1
        command.sequence = self.sequences[order]
        return self._send("commands.inventory", order, command)

    def reserve(self, order: str, *lines: tuple[str, int], backorder: bool = False, priority: int = 0) -> str:
        command = pb.commands.InventoryCommand()
        command.reserve.order_revision = 1
        for number, (sku, quantity) in enumerate(lines, 1):
            command.reserve.lines.add(line_no=number, sku=sku, quantity=quantity, backorder=backorder, priority=priority)
        return self._command(order, command)

    def release(self, order: str, *skus: str) -> str:
        command = pb.commands.InventoryCommand()
        command.release.skus.extend(skus)
        command.release.reason = "test"
        return self._command(order, command)

    def consume(self, order: str, shipment: str, warehouse: str, *lines: tuple[int, str, int]) -> str:
        command = pb.commands.InventoryCommand()
        command.consume.shipment_id, command.consume.warehouse = shipment, warehouse
        for number, sku, quantity in lines:
            command.consume.lines.add(line_no=number, sku=sku, quantity=quantity)
        return self._command(order, command)

    # ---- seeing
    def answers(self) -> dict[str, list]:
        """Events by order, in sequence; copies (same id) are dropped."""
        found: dict[str, dict[int, object]] = defaultdict(dict)
        for record in self.stack.records("inventory-events"):
            event = pb.inventory_events.InventoryEvent.FromString(record.value())
            before = found[event.order_id].setdefault(event.sequence, event)
            assert before.event_id == event.event_id, "two events of an order have one number"
        for order, events in found.items():
            assert sorted(events) == list(range(1, len(events) + 1)), f"{order}: a gap in {sorted(events)}"
        return {order: [events[number] for number in sorted(events)] for order, events in found.items()}

    def applied(self) -> int:
        """Commands that have been applied, over all orders."""
        topic = 5  # commands.inventory in topics.def
        return int(self.stack.value(f"SELECT coalesce(sum(substring(read FROM '(?:^| ){topic}:([0-9]+)')::bigint), 0) FROM inventory.key_state"))

    def wait_applied(self, timeout_s: float = 60) -> None:
        self.flush()
        expected = sum(self.sequences.values())
        self.stack.wait(lambda: self.applied() == expected, timeout_s, f"{expected} commands to be applied")

    def wait_quiet(self, timeout_s: float = 60) -> None:
        """Nothing on its way from inventory to itself either."""
        self.wait_applied(timeout_s)

        def settled():
            sent = len({pb.stock.InventoryInternal.FromString(record.value()).event_id for record in self.stack.records("inventory-internal")})
            booked = self.stack.value("""SELECT count(*) FROM inventory.stock_ledger WHERE kind = 'GRANT'""")
            return sent >= booked and not self.stack.sql(_BROKEN_STOCK) and not self.stack.sql(_BROKEN_QUEUE)

        self.stack.wait(settled, timeout_s, "inventory to settle", 0.2)

    def check(self) -> None:
        assert self.stack.sql(_BROKEN_PREFIXES) == []
        assert self.stack.sql(_BROKEN_STOCK) == []
        assert self.stack.sql(_BROKEN_QUEUE) == []
