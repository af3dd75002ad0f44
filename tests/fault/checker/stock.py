"""Stock: the ledger by product and warehouse (I4), each order line's share in it (I5), nothing held for who was undone (I8)."""

from __future__ import annotations

from .history import Record
from .run import Run

# kind: (on hand, reserved) by quantity; None: as the row says
CHANGES = {"RECEIPT": (1, 0), "MADE": (1, 1), "RESERVE": (0, 1), "RELEASE": (0, -1), "CONSUME": (-1, -1), "LEFT": (None, 0), "GRANT": (0, 1),
           "GRANT_BACK": (0, -1), "BACKORDER": (0, 0), "BACKORDER_CUT": (0, 0), "COUNT": (None, 0), "WRITE_OFF": (-1, 0), "SAFETY": (0, 0),
           "INCOMING": (0, 0)}
WAITING = {"BACKORDER": 1, "BACKORDER_CUT": -1, "GRANT": -1}  # for the queue's length


class Stock:
    def __init__(self, run: Run):
        self._run, self._keys = run, run.keys
        self._received: dict[int, int] = {}  # hash of a stock change's event id: units
        self._consumed = run.keys.objects()  # by order: what its shipments took, {(line, sku): units}
        self._shipments: set[int] = set()
        self._levels: dict[str, tuple[int, int, int]] = {}  # at the end of the ledger: on hand, reserved, movements
        self._waiting: dict[str, int] = {}  # by sku
        self._shares = run.keys.objects()  # by order: {(line, sku, warehouse): units} reserved at the ledger's end
        self._left = run.keys.objects()  # by order: {(line, sku): units} gone by the ledger

    # ---- topics
    def take_change(self, change, at: int, record: Record, fresh: bool) -> None:
        if fresh and change.HasField("received"):
            self._received[hash(change.event_id)] = change.received.quantity

    def refused(self, event_id: str) -> None:
        """A dead letter says that this change was not applied."""
        self._received.pop(hash(event_id), None)

    def take_command(self, command, at: int, record: Record, fresh: bool) -> None:
        if not fresh or not command.HasField("consume"):
            return
        shipment = hash(command.consume.shipment_id)
        if shipment in self._shipments:
            return
        self._shipments.add(shipment)
        gone = self._consumed[at] = self._consumed[at] or {}
        for line in command.consume.lines:
            gone[line.line_no, line.sku] = gone.get((line.line_no, line.sku), 0) + line.quantity

    # ---- the ledger
    def walk_ledger(self, shipped_after_all) -> None:
        """shipped_after_all: a column that marks orders whose goods left although they had been given back."""
        inv, shares_inv, once = (self._run.report[number] for number in ("I4", "I5", "I11"))
        place, movement, on_hand, reserved, balances = None, 0, 0, 0, {}
        for sku, warehouse, number, order_id, line_no, kind, quantity, more, more_reserved, now, now_reserved, cause in self._run.history.rows(
                "inventory", "stock_ledger", "sku warehouse movement order_id line_no kind quantity on_hand_change reserved_change on_hand_after "
                "reserved_after causation", "sku warehouse movement"):
            here = f"{sku}@{warehouse}"
            if here != place:
                self._keep_level(place, on_hand, reserved, movement, balances)
                place, movement, on_hand, reserved, balances = here, 0, 0, 0, {}
            inv.checked += 1
            name = order_id or here
            if number != movement + 1:
                inv.fail(name, f"{here}: movement {number} follows {movement}")
            if now != on_hand + more or now_reserved != reserved + more_reserved:
                inv.fail(name, f"{here} movement {number}: {on_hand}/{reserved} and {more}/{more_reserved} make {now}/{now_reserved}")
            if not 0 <= now_reserved <= now:
                inv.fail(name, f"{here} movement {number}: {now_reserved} reserved of {now}")
            wanted = CHANGES.get(kind)
            if wanted is None or more_reserved != wanted[1] * quantity or (wanted[0] is not None and more != wanted[0] * quantity):
                inv.fail(name, f"{here} movement {number}: {kind} of {quantity} changes {more}/{more_reserved}")
            movement, on_hand, reserved = number, now, now_reserved
            if kind in WAITING:
                self._waiting[sku] = self._waiting.get(sku, 0) + WAITING[kind] * quantity
            if kind == "RECEIPT":
                once.check(self._received.pop(hash(cause), None) == quantity, here, f"receipt of {quantity} by {cause}: no such news, or a second time")
            if order_id:
                self._line(shares_inv, balances, order_id, line_no, sku, here, kind, quantity, more_reserved, shipped_after_all)
        self._keep_level(place, on_hand, reserved, movement, balances)
        for quantity in self._received.values():
            once.fail("stock", f"a receipt of {quantity} was sent and is not in the ledger")

    def _line(self, inv, balances: dict, order_id: str, line_no: int, sku: str, here: str, kind: str, quantity: int, more_reserved: int,
              shipped_after_all) -> None:
        at = self._keys.number(order_id)
        if more_reserved:
            inv.checked += 1
            balance = balances.get((at, line_no), 0) + more_reserved
            balances[at, line_no] = balance
            if balance < 0:
                inv.fail(order_id, f"line {line_no}: {kind} of {quantity} from {here}, {-balance} more than were reserved")
        if kind in ("CONSUME", "LEFT"):
            gone = self._left[at] = self._left[at] or {}
            gone[line_no, sku] = gone.get((line_no, sku), 0) + quantity
            if kind == "LEFT" and not shipped_after_all[at]:
                inv.fail(order_id, f"line {line_no}: {quantity} left {here} without being reserved")

    def _keep_level(self, place: str | None, on_hand: int, reserved: int, movement: int, balances: dict) -> None:
        if place is None:
            return
        self._levels[place] = (on_hand, reserved, movement)
        for (at, line_no), balance in balances.items():
            if balance:
                shares = self._shares[at] = self._shares[at] or {}
                shares[line_no, place] = balance

    # ---- the rows
    def compare_rows(self) -> None:
        self._compare_levels(*self._allocations())
        for at, consumed in enumerate(self._consumed):
            left = self._left[at]
            if (consumed or left) and at not in self._run.strangers:
                self._run.report["I5"].check((consumed or {}) == (left or {}), self._keys.names[at],
                                             f"shipments took {consumed or 'nothing'}, by the ledger {left or 'nothing'} left")

    def _allocations(self) -> tuple[dict[str, int], dict[str, int]]:
        """Checks each line's share; returns what the shares add up to, reserved by place and waiting by sku."""
        inv, reserved_at, wanted = self._run.report["I5"], {}, {}
        line, lines_skus = None, set()
        for order_id, line_no, sku, warehouse, reserved, backordered in self._run.history.rows(
                "inventory", "allocation", "order_id line_no sku warehouse reserved backordered", "order_id line_no sku warehouse"):
            at, place = self._keys.number(order_id), f"{sku}@{warehouse}"
            shares = self._shares[at] or {}
            inv.check(shares.pop((line_no, place), 0) == reserved, order_id, f"line {line_no} holds {reserved} at {place}, not what the ledger says")
            reserved_at[place] = reserved_at.get(place, 0) + reserved
            wanted[sku] = wanted.get(sku, 0) + backordered
            if (order_id, line_no) != line:
                line, lines_skus = (order_id, line_no), set()
            if reserved or backordered:
                lines_skus.add(sku)
                if len(lines_skus) > 1:
                    inv.fail(order_id, f"line {line_no} holds several products: {', '.join(sorted(lines_skus))}")
        for at, shares in enumerate(self._shares):
            for (line_no, place), balance in (shares or {}).items():
                inv.fail(self._keys.names[at], f"line {line_no}: {balance} stay reserved at {place} by the ledger, and nobody holds them")
        return reserved_at, wanted

    def _compare_levels(self, reserved_at: dict[str, int], wanted: dict[str, int]) -> None:
        inv, counted = self._run.report["I4"], {}
        for sku, warehouse, on_hand, reserved, backordered, movements, damaged, qc_hold in self._run.history.rows(
                "inventory", "stock", "sku warehouse on_hand reserved backordered movements damaged qc_hold"):
            place = f"{sku}@{warehouse}"
            inv.check(self._levels.get(place, (0, 0, 0)) == (on_hand, reserved, movements), place,
                      f"{on_hand} on hand, {reserved} reserved after {movements} movements, not what the ledger says: {self._levels.get(place)}")
            inv.check(reserved_at.get(place, 0) == reserved, place, f"{reserved} reserved, orders hold {reserved_at.get(place, 0)}")
            if on_hand < 0 or reserved < 0 or on_hand - reserved - damaged - qc_hold < 0:
                inv.fail(place, f"{reserved} reserved, {damaged + qc_hold} blocked of {on_hand}")
            counted[sku] = counted.get(sku, 0) + backordered
        queued: dict[str, int] = {}
        for sku, quantity in self._run.history.rows("inventory", "backorder", "sku quantity"):
            queued[sku] = queued.get(sku, 0) + quantity
        for sku, backordered in counted.items():
            others = (self._waiting.get(sku, 0), queued.get(sku, 0), wanted.get(sku, 0))
            inv.check(others == (backordered,) * 3, sku, f"{backordered} backordered; by the ledger, the queue, the orders {others}")

    # ---- who was undone
    def compare_undone(self, undone) -> None:
        """undone: keys' numbers of orders that ended cancelled or rejected."""
        inv, held = self._run.report["I8"], set()
        inv.checked += len(undone)
        for order_id, line_no, sku, reserved, backordered in self._run.history.rows("inventory", "allocation", "order_id line_no sku reserved backordered"):
            at = self._keys.number(order_id)
            if (reserved or backordered) and at in undone:
                held.add(at)
                inv.fail(order_id, f"undone, and line {line_no} holds {reserved} of {sku}, waits for {backordered}")
        for order_id, sku, quantity in self._run.history.rows("inventory", "backorder", "order_id sku quantity"):
            at = self._keys.number(order_id)
            if at in undone and at not in held:
                inv.fail(order_id, f"undone, and stands in the queue for {quantity} of {sku}")
