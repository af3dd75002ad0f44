"""Inventory as two processes on a real broker and database: nothing is sold twice, nothing is lost, the books balance."""

from __future__ import annotations

import random
import time
import uuid

import psycopg2
import pytest
from stockroom import Stockroom


@pytest.fixture
def room(stack):
    return Stockroom(stack)


def orders(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def on_hand(room: Stockroom, sku: str) -> int:
    return room.stack.value("SELECT coalesce(sum(on_hand), 0)::bigint FROM inventory.stock WHERE sku = %s", sku)


def wait_on_hand(room: Stockroom, sku: str, quantity: int) -> None:
    room.flush()
    room.stack.wait(lambda: on_hand(room, sku) == quantity, 30, f"{quantity} of {sku}")


def test_oversell_storm(room):
    """One product, two lanes, one of them killed in the middle: what is promised is what is there."""
    stock = {"SH1": 180, "GZ1": 120}
    room.product("HOT")
    for warehouse, quantity in stock.items():
        room.receive("HOT", warehouse, quantity)
    wait_on_hand(room, "HOT", 300)
    wanted = {order: random.Random(order).randint(1, 3) for order in orders(500)}
    for at, (order, quantity) in enumerate(wanted.items()):
        room.reserve(order, ("HOT", quantity))
        if at == 250:
            room.flush()
            room.stack.wait(lambda: room.applied() > 50, 30, "some orders to be answered")
            room.stack.kill("inventory", 2)
    room.flush()
    room.stack.start("inventory", 2)
    room.wait_applied()
    room.check()
    answers = room.answers()
    held = 0
    for order, quantity in wanted.items():
        assert len(answers[order]) == 1, "one answer for one command"
        event = answers[order][0]
        body = event.WhichOneof("body")
        allocations = event.reserved.allocations if body == "reserved" else event.short_of_stock.allocations
        got = sum(allocation.reserved for allocation in allocations)
        assert (body == "reserved") == (got == quantity) and body in ("reserved", "short_of_stock")
        held += got
    assert sum(wanted.values()) > 300 and held == 300
    assert room.stack.value("SELECT sum(reserved)::bigint FROM inventory.stock WHERE sku = 'HOT'") == 300


def test_two_lanes_and_the_same_products_in_any_order(room):
    """Reservations, releases, departures and receipts of a few products from both lanes: no deadlock, no drift."""
    skus = [f"P{number}" for number in range(6)]
    for sku in skus:
        room.product(sku, substitutes=[other for other in skus if other != sku][:2])
        room.receive(sku, "SH1", 40)
        room.receive(sku, "GZ1", 40)
    for sku in skus:
        wait_on_hand(room, sku, 80)
    dice = random.Random(7)
    known = orders(60)
    for at in range(600):
        order = dice.choice(known)
        what = dice.randrange(10)
        if what < 5:
            lines = [(sku, dice.randint(0, 6)) for sku in dice.sample(skus, dice.randint(1, 4))]
            room.reserve(order, *lines, backorder=dice.random() < 0.6, priority=dice.randint(0, 3))
        elif what < 7:
            room.release(order, *dice.sample(skus, dice.randint(0, 3)))
        elif what < 8:
            room.consume(order, f"SHIP-{at}", dice.choice(("SH1", "GZ1")), (dice.randint(1, 4), dice.choice(skus), dice.randint(1, 3)))
        else:
            room.receive(dice.choice(skus), dice.choice(("SH1", "GZ1")), dice.randint(1, 8))
    room.wait_quiet()
    room.check()
    answers = room.answers()
    commands = {order: number for order, number in room.sequences.items()}
    for order, number in commands.items():
        kinds = [event.WhichOneof("body") for event in answers[order]]
        assert sum(kind != "backorder_filled" for kind in kinds) == number, "each command has its answer"
    for order in known:
        room.release(order)
    room.wait_quiet()
    room.check()
    assert room.stack.value("SELECT sum(reserved + backordered)::bigint FROM inventory.stock") == 0
    assert "deadlock detected" not in room.stack.log("postgres")


def test_receipt_fills_who_waits(room):
    room.product("W")
    room.receive("W", "SH1", 5)
    wait_on_hand(room, "W", 5)
    patient, urgent = orders(2)
    room.reserve(patient, ("W", 8), backorder=True, priority=1)
    room.wait_applied()
    room.reserve(urgent, ("W", 4), backorder=True, priority=5)
    room.wait_applied()
    room.receive("W", "GZ1", 5)
    room.wait_quiet()
    room.check()
    assert [event.WhichOneof("body") for event in room.answers()[urgent]] == ["reserved", "backorder_filled"]
    held = {str(row.order_id): (row.reserved, row.backordered) for row in room.stack.sql(
        "SELECT order_id, sum(reserved)::bigint AS reserved, sum(backordered)::bigint AS backordered FROM inventory.allocation GROUP BY 1")}
    assert held == {urgent: (4, 0), patient: (6, 2)}


def test_count_in_the_past(room):
    """What came and went after the count isn't part of its difference."""
    room.product("C")
    room.receive("C", "SH1", 50)
    wait_on_hand(room, "C", 50)
    counted_at = int(time.time() * 1e6)
    room.stack.wait(lambda: time.time() * 1e6 > counted_at + 1000, 5, "the clock")
    order, = orders(1)
    room.reserve(order, ("C", 20))
    room.consume(order, "SHIP-C", "SH1", (1, "C", 20))
    room.wait_applied()
    room.count("C", "SH1", 48, counted_at)
    wait_on_hand(room, "C", 28)
    room.check()


def test_table_refuses_what_must_not_be(room):
    room.receive("T", "SH1", 5)
    wait_on_hand(room, "T", 5)
    for change in ("on_hand = -1", "reserved = -1", "reserved = 6", "backordered = -1", "safety = -1", "incoming = -1", "damaged = 5, reserved = 1", "version = 0"):
        with pytest.raises(psycopg2.errors.CheckViolation):
            room.stack.sql(f"UPDATE inventory.stock SET {change} WHERE sku = 'T'")
    for table, values in (("backorder", "('T', gen_random_uuid(), 1, 'SH1', 0, 0, NULL, now())"),
                          ("allocation", "(gen_random_uuid(), 1, 'T', 'SH1', -1, 0, 0, 0, 0, NULL, NULL, false)"),
                          ("allocation", "(gen_random_uuid(), 1, 'T', 'SH1', 0, 1, 0, 0, 0, NULL, NULL, false)"),
                          ("substitute", "('T', 'U', 0, true, '', -1)")):
        with pytest.raises(psycopg2.errors.CheckViolation):
            room.stack.sql(f"INSERT INTO inventory.{table} VALUES {values}")


def test_what_is_written_stays(room):
    """The service's own role can't change or delete the ledger."""
    room.receive("L", "SH1", 5)
    wait_on_hand(room, "L", 5)
    for statement in ("UPDATE inventory.stock_ledger SET quantity = 1", "DELETE FROM inventory.stock_ledger", "DELETE FROM inventory.stock",
                      "DELETE FROM inventory.allocation", "UPDATE inventory.consumed_shipment SET at = now()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            room.stack.sql(statement, role="inventory")
    assert room.stack.value("SELECT count(*) FROM inventory.stock_ledger", role="inventory") == 1
