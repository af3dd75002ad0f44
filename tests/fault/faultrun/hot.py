"""One hot product that many want: its master data, its orders, and the count afterwards that it was never sold twice."""

from __future__ import annotations

import json
import random
from collections import Counter

import api
from oclocal import services

SKU = "HOT-1"
CUSTOMER = "HOT-C"
PRICE_LIST = "HOT"
WAREHOUSE = "SH1"  # of the test data
NET_MINOR = 1000
GTIN = "6990099000012"
PER_ORDER_MAX = 3
SHARES = (("warehouse_silent", 0.02), ("never_pays", 0.02), ("cancel_at_once", 0.06), ("cancel_racing", 0.15), ("hold_until_cancel", 0.03))


def check_digit(first: str) -> str:
    return str(-sum(int(digit) * (3 if number % 2 else 1) for number, digit in enumerate(first)) % 10)


GTIN = GTIN[:12] + check_digit(GTIN[:12])


def reference(stock: int) -> list[tuple[str, list[dict]]]:
    product = {"sku": SKU, "name_en": "What everybody wants", "name_zh": "人人都要的", "kind": "STOCK", "base_unit": "个", "lead_time_days": 0, "gtin": GTIN}
    price = {"price_list": PRICE_LIST, "sku": SKU, "currency": "CNY", "breaks": [{"min_quantity": 1, "net_minor": NET_MINOR}], "tax_rate": "13",
             "valid_from": "2020-01-01"}
    customer = {"customer_id": CUSTOMER, "company": "示例热卖店", "price_list": PRICE_LIST, "terms": ["PREPAID", "NET"], "max_net_days": 30,
                "credit_limit_minor": 10**12, "locale": "zh-CN", "country": "CN", "email": "hot@example.com", "phone": "+86 199 0000 0009"}
    received = {"type": "received", "sku": SKU, "warehouse": WAREHOUSE, "quantity": stock, "reference": "HOT-OPENING"}
    return [(api.reference_path("products"), [product]), (api.reference_path("prices"), [price]), (api.reference_path("customers"), [customer]),
            (api.STOCK_PATH, [received])]


class Orders:
    """Order number n is always the same: a function of the seed."""

    def __init__(self, seed: int):
        self._seed = seed

    def ref(self, number: int) -> str:
        return f"HOT-{self._seed}-{number:06d}"

    def mode(self, number: int) -> str:
        draw = random.Random(f"{self._seed}|mode|{number}").random()
        for name, share in SHARES:
            if draw < share:
                return name
            draw -= share
        return ""

    def document(self, number: int) -> dict:
        draw = random.Random(f"{self._seed}|order|{number}")
        return {"channel": "WEB", "channel_ref": self.ref(number), "customer_po": self.ref(number),
                "customer": {"customer_id": CUSTOMER, "company": "示例热卖店", "contact": "林一", "phone": "+86 199 0000 0009", "email": "hot@example.com",
                             "locale": "zh-CN"},
                "delivery": {"country": "CN", "province": "上海市", "city": "上海市", "district": "黄浦区", "street": f"示例路{number + 1}号", "postcode": "200001",
                             "recipient": "林一", "phone": "+86 199 0000 0009"},
                "lines": [{"product_code": GTIN if draw.random() < 0.1 else SKU, "quantity": draw.randint(1, PER_ORDER_MAX), "unit": "个", "unit_price": "10.00",
                           "tax_rate": "13"}],
                "currency": "CNY", "payment": {"kind": "NET", "net_days": 30}, "invoice": {"kind": "ORDINARY", "title": "示例热卖店"}}

    def behaviours(self, count: int) -> str:
        """What the doubles do about the first so many orders, as behaviours.ndjson."""
        rows = []
        for number in range(count):
            mode = self.mode(number)
            row = {"channel_ref": self.ref(number), "customer_po": self.ref(number)}
            if mode == "warehouse_silent":
                rows.append(row | {"warehouse": "silent"})
            elif mode == "hold_until_cancel":
                rows.append(row | {"warehouse": "hold_until_cancel"})
            elif mode == "never_pays":
                rows.append(row | {"departments": {"pay": "never"}})
        return "".join(json.dumps(row) + "\n" for row in rows)


ENDED = ("COMPLETED", "CANCELLED", "REJECTED", "ARCHIVED")
WAITS_BY_DESIGN = {"warehouse_silent": ("IN_FULFILMENT", "COMPENSATING"), "never_pays": ("DELIVERED",)}


def unfinished(rig, orders: dict[str, str]) -> list[str]:
    """orders: order_id and mode. Those that neither ended nor wait where their mode leaves them."""
    states = dict(rig.sql("SELECT order_id::text, state FROM orchestrator.saga WHERE order_id = ANY(%s::uuid[])", list(orders)))
    return [order_id for order_id, mode in orders.items()
            if states.get(order_id) not in ENDED and states.get(order_id) not in WAITS_BY_DESIGN.get(mode, ())]


def recount(rig, orders: dict[str, str], stock: int) -> tuple[list[str], dict]:
    """Never more than there is; ledger = counters = shares of orders; nobody has a share who has ended without goods."""
    wrong = []
    on_hand, reserved = rig.sql("SELECT sum(on_hand)::bigint, sum(reserved)::bigint FROM inventory.stock WHERE sku = %s", SKU)[0]
    moved, kept, received = rig.sql("SELECT sum(on_hand_change)::bigint, sum(reserved_change)::bigint, sum(quantity) FILTER (WHERE kind = 'RECEIPT')::bigint "
                                    "FROM inventory.stock_ledger WHERE sku = %s", SKU)[0]
    shares = rig.sql("SELECT order_id::text, sum(reserved)::bigint, sum(consumed)::bigint, sum(backordered)::bigint FROM inventory.allocation "
                     "WHERE sku = %s GROUP BY 1", SKU)
    states = dict(rig.sql("SELECT order_id::text, state FROM orchestrator.saga WHERE order_id = ANY(%s::uuid[])", list(orders)))
    consumed = sum(share[2] for share in shares)
    for what, seen, wanted in (("received", received, stock), ("ledger's sum of on hand", moved, on_hand), ("ledger's sum of reserved", kept, reserved),
                               ("on hand and sold", on_hand + consumed, stock), ("reserved by orders", sum(share[1] for share in shares), reserved)):
        if seen != wanted:
            wrong.append(f"{SKU}: {what}: {seen}, expected {wanted}")
    below = rig.sql("SELECT count(*) FROM inventory.stock_ledger WHERE sku = %s AND (on_hand_after < 0 OR reserved_after > on_hand_after)", SKU)[0][0]
    if below:
        wrong.append(f"{SKU}: sold more than there was at {below} points of the ledger")
    for order_id, held, sold, waits in shares:
        state = states.get(order_id)
        if order_id not in orders:
            wrong.append(f"{order_id}: has a share of {SKU}, but nobody sent it")
        elif state in ENDED and (held or waits):
            wrong.append(f"{order_id}: {state} and still holds {held + waits} of {SKU}")
        elif state in ("CANCELLED", "REJECTED") and sold:
            wrong.append(f"{order_id}: {state} and {sold} of {SKU} left for it")
    wrong += [f"{order_id}: acknowledged and lost" for order_id in orders if order_id not in states]
    return wrong, {"orders": len(orders), "sold": consumed, "stock": stock, "states": dict(Counter(states.values()))}


def targets(stack) -> list[str]:
    """Doubles that are told of behaviours."""
    return [stack.url(name) for name in services.DOUBLE_NAMES if name in ("warehouse", "departments")]
