"""The invented orders: one function for each kind of case, how many of each, and what the customer and others do about it.

A case is right first (its prices, dates and address fit the master data) and is then spoilt in exactly one way.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

import catalogue
import model

CHANNELS = (("WEB", "shop"), ("EMAIL", "orders@orderclerk.example"), ("CHAT", "webchat"), ("WECOM", "corp-1"), ("MARKETPLACE", "market-7"), ("FILE", "sftp-3"),
            ("PHONE", "desk-2"))
_CN_PLACES = (("上海市", "上海市", "浦东新区", "张江路", "201203"), ("广东省", "广州市", "天河区", "体育西路", "510620"), ("江苏省", "苏州市", "吴中区", "东环路", "215128"),
              ("浙江省", "杭州市", "滨江区", "江南大道", "310051"), ("北京市", "北京市", "海淀区", "中关村大街", "100080"), ("四川省", "成都市", "武侯区", "天府大道", "610041"),
              ("湖北省", "武汉市", "洪山区", "珞喻路", "430074"))
_EX_PLACES = {"US": (("OR", "Portland", "Alder Street", "97205"), ("OH", "Columbus", "Maple Avenue", "43215")), "DE": (("", "Hamburg", "Hafenstraße", "20459"),),
              "GB": (("", "Leeds", "Park Row", "LS1 5HD"),), "SG": (("", "Singapore", "Tuas Avenue", "637336"),), "AU": (("VIC", "Melbourne", "Collins Street", "3000"),),
              "JP": (("Tokyo", "Ota-ku", "Kamata", "1440052"),)}
_REMARKS_CN = ("", "", "", "送货前请电话联系。", "请附送货单两份。", "周末不收货。", "麻烦尽快安排，谢谢！", "收货请走北门。")
_REMARKS_EX = ("", "", "", "Please call before delivery.", "Two copies of the packing list, please.", "No deliveries after 4 pm.", "Gate B, ask for receiving.")

EXPRESS_SMALL_MINOR = 1_900_000  # orders meant as express stay clearly below the limits …
FOREIGN_MINOR = 190_000  # … and foreign ones below any reading of them
STANDARD_MINOR = (2_100_000, 9_500_000)


@dataclass
class Case:
    order: dict
    behaviour: dict
    after: str = ""  # channel_ref that must be posted first
    same_ref: bool = False


@dataclass
class Maker:
    """Builds right orders; everything random comes from its own generator."""

    seed: int
    today: date
    ref: model.Reference
    rng: random.Random = field(init=False)
    number: int = 0
    contents: set = field(default_factory=set)
    shortage: int = 0
    split: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed}|orders")
        stock = [sku for sku, row in self.ref.products.items() if row["kind"] == "STOCK" and sku[0] not in "QPXS"]
        self.stock_skus = stock
        self.small_skus = [sku for sku in stock if sku[0] != "T"]
        self.make_skus = [sku for sku, row in self.ref.products.items() if row["kind"] == "MAKE"]
        self.service_skus = [sku for sku, row in self.ref.products.items() if row.get("no_picking")]
        self.good = [row for row in self.ref.customers.values() if not row["blocked"]]
        self.chinese = [row for row in self.good if row["country"] == "CN"]

    # ---- parts of an order
    def workday(self, low: int, high: int) -> str:
        day = self.today + timedelta(days=self.rng.randint(low, high))
        while not self.ref.works("CN", day) or day.weekday() > 4:
            day += timedelta(days=1)
        return day.isoformat()

    def address(self, customer: dict) -> dict:
        house = self.rng.randint(1, 999)
        country = customer["country"]
        if country == "CN":
            province, city, district, street, postcode = self.rng.choice(_CN_PLACES)
            return {"country": "CN", "province": province, "city": city, "district": district, "street": f"{street}{house}号", "postcode": postcode,
                    "recipient": catalogue.contact_of(customer), "phone": customer["phone"]}
        province, city, street, postcode = self.rng.choice(_EX_PLACES[country])
        address = {"country": country, "province": province, "city": city, "street": f"{house} {street}", "postcode": postcode,
                   "recipient": catalogue.contact_of(customer), "phone": customer["phone"]}
        return {name: value for name, value in address.items() if value}

    def decimal(self, minor: int, currency: str) -> str:
        places = model.EXPONENTS[currency]
        return f"{minor // 10**places}.{minor % 10**places:0{places}d}" if places else str(minor)

    def line(self, customer: dict, sku: str, quantity: int, unit: str = "", with_tax: bool = False, requested: str | None = None) -> dict:
        product = self.ref.products[sku]
        unit = unit or product["base_unit"]
        factor = self.ref.factor(sku, unit)
        net, bp = self.ref.price(customer["price_list"], sku, quantity * factor)
        currency = self.ref.prices[customer["price_list"], sku]["currency"]
        price = net * factor
        with_tax = with_tax and price * bp % 10000 == 0  # only where the price with tax is exact
        if with_tax:
            price += price * bp // 10000
        line = {"product_code": sku, "product_name": product["name_zh" if customer["locale"] == "zh-CN" else "name_en"], "quantity": quantity, "unit": unit,
                "unit_price": self.decimal(price, currency), "price_includes_tax": with_tax, "tax_rate": self.ref.prices[customer["price_list"], sku]["tax_rate"],
                "requested_date": requested or self.workday(30, 70), "kind": product["kind"]}
        if product["kind"] == "MAKE":
            line["specification"] = "按图纸加工" if customer["locale"] == "zh-CN" else "to drawing"
            line["technical_requirements"] = "公差 ±0.1 mm" if customer["locale"] == "zh-CN" else "tolerance ±0.1 mm"
        return line

    def payment(self, customer: dict) -> dict:
        kind = self.rng.choice(customer["terms"])
        if kind == "NET":
            return {"kind": "NET", "net_days": self.rng.choice([days for days in (30, 60) if days <= customer["max_net_days"]])}
        return {"kind": "INSTALMENT", "instalments": 3} if kind == "INSTALMENT" else {"kind": kind}

    def document(self, customer: dict, lines: list[dict]) -> dict:
        self.number += 1
        channel, account = self.rng.choice(CHANNELS)
        chinese = customer["locale"] == "zh-CN"
        contact = catalogue.contact_of(customer)
        invoice = {"kind": "VAT_SPECIAL", "title": customer["company"], "tax_number": f"91310000MA{int(customer['customer_id'][1:]):08d}"} \
            if chinese and self.rng.random() < 0.5 else {"kind": "ORDINARY", "title": customer["company"]}
        for number, line in enumerate(lines, 1):
            line["line_no"] = number
        order = {"channel": channel, "channel_account": account, "channel_ref": f"{channel[:2]}-{self.seed:02d}{self.number:05d}",
                 "customer_po": f"PO{self.today:%y%m}-{self.number:04d}",
                 "customer": {"customer_id": customer["customer_id"], "company": customer["company"], "contact": contact, "phone": customer["phone"],
                              "email": customer["email"], "locale": customer["locale"]},
                 "delivery": self.address(customer), "lines": lines, "currency": self.ref.prices[customer["price_list"], "A-100"]["currency"],
                 "payment": self.payment(customer), "invoice": invoice, "ordered_at": f"{self.today.isoformat()}T0{self.rng.randint(0, 3)}:{self.rng.randint(10, 59)}:00Z"}
        remark = self.rng.choice(_REMARKS_CN if chinese else _REMARKS_EX)
        if remark:
            order["remarks"] = remark
        if self.rng.random() < 0.2:
            order["carrier_wish"] = "SF" if chinese else "UPS"
        return order

    # ---- right orders of a size
    def totals(self, order: dict) -> tuple[int, int]:
        priced = model.price_order(order, self.ref)
        return sum(line.gross for line in priced), sum(line.quantity for line in priced)

    def fresh(self, order: dict) -> bool:
        """No other order of this customer asks for the same: it would look like a second copy."""
        content = (order["customer"]["customer_id"], tuple(sorted((line["product_code"], line["quantity"], line["unit"]) for line in order["lines"])))
        if content in self.contents:
            return False
        self.contents.add(content)
        return True

    def until(self, build: Callable[[], dict], fits: Callable[[dict, int, int], bool]) -> dict:
        for _ in range(3000):
            order = build()
            if fits(order, *self.totals(order)) and self.fresh(order):
                return order
            self.number -= 1
        raise RuntimeError("no order of this size can be made from the master data")

    def _any_lines(self, customer: dict, skus: list[str], count: int, low: int, high: int) -> list[dict]:
        lines = []
        for sku in self.rng.sample(skus, count):
            packs = [pack["unit"] for pack in self.ref.products[sku]["packs"] if 1 < pack["factor"] <= 24]
            unit = self.rng.choice(packs) if packs and high >= 4 and self.rng.random() < 0.25 else ""
            quantity = self.rng.randint(1, 2) if unit else self.rng.randint(low, high)
            lines.append(self.line(customer, sku, quantity, unit, with_tax=self.rng.random() < 0.3))
        return lines

    def express(self, customers: list[dict] | None = None, count: int = 0) -> dict:
        def build() -> dict:
            customer = self.rng.choice(customers or self.good)
            return self.document(customer, self._any_lines(customer, self.stock_skus, count or self.rng.choice((1, 1, 1, 2, 2, 3)), 1, 20))

        def fits(order: dict, total: int, units: int) -> bool:
            return total <= (EXPRESS_SMALL_MINOR if order["currency"] == "CNY" else FOREIGN_MINOR) and units <= model.EXPRESS_UNITS - 2

        return self.until(build, fits)

    def standard(self) -> dict:
        def build() -> dict:
            customer = self.rng.choice(self.chinese)
            return self.document(customer, self._any_lines(customer, self.stock_skus, self.rng.choice((1, 2, 3, 4, 6)), 40, 220))

        return self.until(build, lambda order, total, units: STANDARD_MINOR[0] <= total <= STANDARD_MINOR[1] and 60 <= units <= 950)

    def made(self, stock_lines: int) -> dict:
        def build() -> dict:
            customer = self.rng.choice(self.chinese)
            lines = [self.line(customer, self.rng.choice(self.make_skus), self.rng.randint(5, 60), requested=self.workday(45, 90))]
            return self.document(customer, lines + (self._any_lines(customer, self.small_skus, stock_lines, 5, 40) if stock_lines else []))

        return self.until(build, lambda order, total, units: total <= STANDARD_MINOR[1] and units <= 950)

    def with_sku(self, sku: str, quantity: int, more: int = 0, customers: list[dict] | None = None) -> dict:
        customer = self.rng.choice(customers or self.chinese)
        return self.until(lambda: self.document(customer, [self.line(customer, sku, quantity)] + self._any_lines(customer, self.small_skus, more, 1, 5)),
                          lambda order, total, units: True)


# ---- kinds

def _clean(build: Callable[[Maker], dict]) -> Callable[[Maker], Case]:
    return lambda maker: Case(build(maker), {})


def _review_amount(maker: Maker) -> Case:
    def build() -> dict:
        customer = maker.rng.choice(maker.chinese)
        tools = maker._any_lines(customer, [sku for sku in maker.stock_skus if sku[0] == "T"], 2, 110, 300)
        return maker.document(customer, tools)

    return Case(maker.until(build, lambda order, total, units: total >= 10_500_000 and units <= 950), {})


def _review_units(maker: Maker) -> Case:
    def build() -> dict:
        customer = maker.rng.choice(maker.chinese)
        return maker.document(customer, maker._any_lines(customer, [sku for sku in maker.small_skus if sku[0] in "ABZ"], 2, 600, 2500))

    return Case(maker.until(build, lambda order, total, units: units >= 1100 and total <= STANDARD_MINOR[1]), {})


def _split(maker: Maker) -> Case:
    sku = f"P-{401 + maker.split}"
    maker.split += 1
    return Case(maker.with_sku(sku, 150), {})


def _no_picking(more: int) -> Callable[[Maker], Case]:
    def make(maker: Maker) -> Case:
        def build() -> dict:
            customer = maker.rng.choice(maker.chinese)
            lines = [maker.line(customer, maker.rng.choice(maker.service_skus), maker.rng.randint(1, 4))]
            return maker.document(customer, lines + (maker._any_lines(customer, maker.small_skus, more, 1, 12) if more else []))

        return Case(maker.until(build, lambda order, total, units: total <= EXPRESS_SMALL_MINOR and units <= 48), {})

    return make


def _answered(order: dict, path: str, wrong: str, right: str, **behaviour) -> Case:
    """The field is spoilt, and the customer puts it right when asked."""
    model.set_field(order, path, wrong)
    return Case(order, {"customer": {"answers": {path: right}}, **behaviour})


def _wrong_code(maker: Maker) -> Case:
    order = maker.express(maker.chinese)
    right = order["lines"][0]["product_code"]
    wrong = maker.rng.choice((right.replace("0", "O", 1), right.replace("-", "- ", 1) + "X", right[:-1], right.replace("1", "I", 1) + "0"))
    if maker.ref.sku_of(wrong) is not None:
        wrong = right + "-X"
    return _answered(order, "lines[0].product_code", wrong, right)


def _retired(maker: Maker) -> Case:
    retired = maker.rng.choice([row for row in maker.ref.products.values() if row.get("retired")])
    order = maker.with_sku(retired["successor"], maker.rng.randint(1, 40), 1)
    return _answered(order, "lines[0].product_code", retired["sku"], retired["successor"])


def _gtin(maker: Maker) -> Case:
    order = maker.express(maker.chinese)
    order["lines"][0]["product_code"] = maker.ref.products[order["lines"][0]["product_code"]]["gtin"]
    return Case(order, {})


def _discount(maker: Maker) -> Case:
    """A twentieth off the first line, rounded down."""
    order = _dear_line(maker)
    line = order["lines"][0]
    exponent = model.EXPONENTS[order["currency"]]
    line["discount"] = maker.decimal(model.minor(line["unit_price"], exponent) * line["quantity"] // 20, order["currency"])
    return Case(order, {})


def _change_price(maker: Maker, order: dict, change: Callable[[int], int]) -> str:
    """Changes the first line's price; the right one."""
    line = order["lines"][0]
    right = line["unit_price"]
    line["unit_price"] = maker.decimal(change(model.minor(right, model.EXPONENTS[order["currency"]])), order["currency"])
    return right


def _dear_line(maker: Maker) -> dict:
    """An order whose first price is large enough to be changed by a few per cent."""
    return maker.with_sku(maker.rng.choice([sku for sku in maker.stock_skus if sku[0] in "CDKRU"]), maker.rng.randint(2, 30), 1)


def _price_below(maker: Maker) -> Case:
    order = _dear_line(maker)
    _change_price(maker, order, lambda minor: minor * 97 // 100)
    return Case(order, {"departments": {"approval": ["approve"]}})


def _price_below_refused(maker: Maker) -> Case:
    order = _dear_line(maker)
    _change_price(maker, order, lambda minor: minor // 2)
    return Case(order, {"departments": {"approval": ["refuse_fatal"]}})


def _price_below_corrected(maker: Maker) -> Case:
    order = _dear_line(maker)
    right = _change_price(maker, order, lambda minor: minor * 9 // 10)
    return Case(order, {"departments": {"approval": ["refuse"]}, "customer": {"answers": {"lines[0].unit_price": right}}})


def _price_above(maker: Maker) -> Case:
    order = _dear_line(maker)
    right = _change_price(maker, order, lambda minor: minor + 1)
    return Case(order, {"departments": {"approval": ["refuse"]}, "customer": {"answers": {"lines[0].unit_price": right}}})


def _tax_wrong(maker: Maker) -> Case:
    order = maker.with_sku(maker.rng.choice([sku for sku in maker.stock_skus if sku[0] in "KR"]), maker.rng.randint(2, 30))
    order["lines"][0]["price_includes_tax"] = False
    return _answered(order, "lines[0].tax_rate", "13", "9", departments={"approval": ["refuse"]})


def _unit_unknown(maker: Maker) -> Case:
    order = maker.with_sku(maker.rng.choice([sku for sku in maker.stock_skus if sku[0] in "TCK"]), 20)
    return _answered(order, "lines[0].unit", "箱", order["lines"][0]["unit"])


def _address_incomplete(answered: bool) -> Callable[[Maker], Case]:
    def make(maker: Maker) -> Case:
        order = maker.express(maker.chinese)
        delivery = order["delivery"]
        answers = {}
        for name in maker.rng.sample(("street", "phone", "postcode", "city", "recipient"), maker.rng.randint(1, 3)):
            answers[f"delivery.{name}"] = delivery[name]
            if name == "street":
                delivery[name] = delivery[name].rstrip("0123456789号")
            else:
                del delivery[name]
        return Case(order, {"customer": {"answers": answers}} if answered else {"customer": {"answers": {}}})

    return make


def _date_past(maker: Maker) -> Case:
    order = maker.express(maker.chinese, 1)
    right = order["lines"][0]["requested_date"]
    past = (maker.today - timedelta(days=maker.rng.randint(6, 20))).isoformat()
    return _answered(order, "lines[0].requested_date", past, right, departments={"approval": ["refuse"]})


def _date_too_early(approval: str) -> Callable[[Maker], Case]:
    """Made goods wanted in three days, which production can't or will make possible."""
    def make(maker: Maker) -> Case:
        order = maker.made(0)
        slow = [sku for sku in maker.make_skus if maker.ref.products[sku]["lead_time_days"] >= 8]
        customer = maker.ref.customers[order["customer"]["customer_id"]]
        order["lines"] = [{**maker.line(customer, maker.rng.choice(slow), maker.rng.randint(5, 30), requested=maker.workday(60, 90)), "line_no": 1}]
        right = order["lines"][0]["requested_date"]
        soon = (maker.today + timedelta(days=2)).isoformat()
        case = _answered(order, "lines[0].requested_date", soon, right, departments={"approval": [approval]})
        return case

    return make


def _terms(approval: str) -> Callable[[Maker], Case]:
    def make(maker: Maker) -> Case:
        order = maker.express([row for row in maker.chinese if row["max_net_days"] == 30])
        order["payment"] = {"kind": "NET", "net_days": 90}
        return Case(order, {"departments": {"approval": [approval]}})

    return make


def _blocked(maker: Maker) -> Case:
    return Case(maker.express([row for row in maker.ref.customers.values() if row["blocked"]]), {})


def _shortage(kind: str) -> Callable[[Maker], Case]:
    """Each has a product of its own, which nobody else orders: 60 wanted, 24 on hand (stock.ndjson)."""
    def make(maker: Maker) -> Case:
        sku = f"Q-{301 + maker.shortage}"
        maker.shortage += 1
        order = maker.with_sku(sku, SHORTAGE_WANTED, 1 if kind in ("CANCEL_LINE", "WAIT") else 0)
        customer: dict = {"shortage": [{"line_no": 1, "kind": kind}]}
        if kind == "SUBSTITUTE":
            customer["shortage"][0]["substitute_sku"] = catalogue.SUBSTITUTE
        elif kind == "REDUCE":
            customer["shortage"][0]["quantity"] = SHORTAGE_ON_HAND
        elif kind == "WAIT":
            customer["arrivals"] = [{"sku": sku, "warehouse": "SH1", "quantity": SHORTAGE_INCOMING}]
        elif kind == "NEVER":
            customer = {"shortage": []}
        return Case(order, {"customer": customer})

    return make


SHORTAGE_WANTED = 60
SHORTAGE_ON_HAND = 24
SHORTAGE_INCOMING = 80


def _cancel_at_once(maker: Maker) -> Case:
    return Case(maker.express(maker.chinese), {"customer": {"cancel": {"when": "at_once"}}, "warehouse": "hold_until_cancel"})


def _cancel_when_asked(maker: Maker) -> Case:
    case = _address_incomplete(False)(maker)
    case.behaviour["customer"] = {"cancel": {"when": "asked"}}
    return case


def _cancel_in_review(maker: Maker) -> Case:
    return Case(maker.made(1), {"customer": {"cancel": {"when": "at_once"}}, "departments": {"review": ["silent"]}})


def _cancel_in_fulfilment(mode: str) -> Callable[[Maker], Case]:
    def make(maker: Maker) -> Case:
        return Case(maker.standard(), {"customer": {"cancel": {"when": "state", "state": "IN_FULFILMENT"}}, "warehouse": mode})

    return make


def _cancel_too_late(maker: Maker) -> Case:
    return Case(maker.standard(), {"customer": {"cancel": {"when": "mail", "mail": "shipped"}}})


def _department(build: Callable[[Maker], dict], **rules) -> Callable[[Maker], Case]:
    return lambda maker: Case(build(maker), {"departments": dict(rules)})


def _plan_infeasible(maker: Maker) -> Case:
    order = maker.made(0)
    later = maker.workday(95, 110)
    return Case(order, {"departments": {"plan": {"PRODUCTION": "infeasible"}, "earliest_date": later},
                        "customer": {"answers": {"lines[0].requested_date": later}}})


def _slip(maker: Maker) -> Case:
    return Case(maker.made(0), {"departments": {"produce": "slip", "earliest_date": maker.workday(95, 110)}})


def _review_changes(maker: Maker) -> Case:
    return Case(maker.made(1), {"departments": {"review": ["changes", "approve"]}, "customer": {"answers": {"remarks": "收货时间为工作日 9 点至 17 点。"}}})


def _never_paid(maker: Maker) -> Case:
    order = maker.standard()
    while "NET" not in maker.ref.customers[order["customer"]["customer_id"]]["terms"]:
        order = maker.standard()
    order["payment"] = {"kind": "NET", "net_days": 30}
    return Case(order, {"departments": {"pay": "never"}})


def _warehouse(mode: str) -> Callable[[Maker], Case]:
    return lambda maker: Case(maker.standard(), {"warehouse": mode})


def _at_the_door(maker: Maker) -> Case:
    order = maker.express(maker.chinese)
    spoil = (lambda: order.update(currency="XQZ"), lambda: order["lines"][0].update(quantity=0), lambda: order["lines"][0].update(unit_price="-1.00"),
             lambda: order["lines"][0].update(requested_date="2026-02-30"), lambda: order["lines"][0].update(quantity="three"),
             lambda: order.update(lines=[]))
    spoil[maker.number % len(spoil)]()
    return Case(order, {"kind": "refused_at_the_door"})


def _express(maker: Maker) -> dict:
    return maker.express()


def _standard(maker: Maker) -> dict:
    return maker.standard()


# kind, how many, how made, what is expected of it (checked against the model when the data is made)
KINDS: tuple[tuple[str, int, Callable[[Maker], Case], str], ...] = (
    ("standard", 62, _clean(_standard), "COMPLETED"),
    ("review_amount", 12, _review_amount, "COMPLETED"),
    ("review_units", 10, _review_units, "COMPLETED"),
    ("make", 22, _clean(lambda maker: maker.made(0)), "COMPLETED"),
    ("make_and_stock", 12, _clean(lambda maker: maker.made(2)), "COMPLETED"),
    ("split_warehouses", catalogue.SPLIT_SKUS, _split, "COMPLETED"),
    ("no_picking", 14, _no_picking(0), "COMPLETED"),
    ("no_picking_and_stock", 8, _no_picking(2), "COMPLETED"),
    ("gtin_as_code", 5, _gtin, "COMPLETED"),
    ("discount", 5, _discount, "COMPLETED"),
    ("wrong_code", 14, _wrong_code, "COMPLETED"),
    ("retired_code", 7, _retired, "COMPLETED"),
    ("price_below_approved", 8, _price_below, "COMPLETED"),
    ("price_below_rejected", 3, _price_below_refused, "REJECTED"),
    ("price_below_corrected", 3, _price_below_corrected, "COMPLETED"),
    ("price_above", 4, _price_above, "COMPLETED"),
    ("tax_wrong", 4, _tax_wrong, "COMPLETED"),
    ("unit_unknown", 4, _unit_unknown, "COMPLETED"),
    ("address_incomplete", 12, _address_incomplete(True), "COMPLETED"),
    ("never_answered", 4, _address_incomplete(False), "CANCELLED"),
    ("date_past", 5, _date_past, "COMPLETED"),
    ("date_too_early_possible", 4, _date_too_early("approve"), "COMPLETED"),
    ("date_too_early_moved", 3, _date_too_early("refuse"), "COMPLETED"),
    ("terms_granted_once", 5, _terms("approve"), "COMPLETED"),
    ("terms_refused", 2, _terms("refuse_fatal"), "REJECTED"),
    ("approval_silent", 2, _terms("silent"), "AWAITING_DEPARTMENT"),
    ("customer_blocked", 4, _blocked, "REJECTED"),
    ("shortage_wait", 7, _shortage("WAIT"), "COMPLETED"),
    ("shortage_substitute", 5, _shortage("SUBSTITUTE"), "COMPLETED"),
    ("shortage_reduce", 5, _shortage("REDUCE"), "COMPLETED"),
    ("shortage_cancel_line", 4, _shortage("CANCEL_LINE"), "COMPLETED"),
    ("shortage_refuse", 4, _shortage("REFUSE"), "CANCELLED"),
    ("shortage_never_answered", 3, _shortage("NEVER"), "CANCELLED"),
    ("cancel_at_once", 8, _cancel_at_once, "CANCELLED"),
    ("cancel_when_asked", 4, _cancel_when_asked, "CANCELLED"),
    ("cancel_in_review", 3, _cancel_in_review, "CANCELLED"),
    ("cancel_granted_by_warehouse", 4, _cancel_in_fulfilment("hold_until_cancel"), "CANCELLED"),
    ("cancel_refused_by_warehouse", 3, _cancel_in_fulfilment("refuse_cancel"), "COMPLETED"),
    ("cancel_too_late", 3, _cancel_too_late, "COMPLETED"),
    ("credit_refused", 2, _department(_standard, credit="refuse"), "REGISTERED"),
    ("plan_infeasible", 4, _plan_infeasible, "COMPLETED"),
    ("production_slips", 3, _slip, "COMPLETED"),
    ("production_never_done", 2, _department(lambda maker: maker.made(0), produce="never"), "IN_PRODUCTION"),
    ("review_rejected", 3, _department(lambda maker: maker.made(0), review=["reject"]), "REJECTED"),
    ("review_changes", 2, _review_changes, "COMPLETED"),
    ("never_paid", 3, _never_paid, "DELIVERED"),
    ("warehouse_silent", 2, _warehouse("silent"), "IN_FULFILMENT"),
    ("warehouse_rejects", 2, _warehouse("reject"), "NEEDS_PERSON"),
    ("refused_at_the_door", 6, _at_the_door, "refused"),
)
DUPLICATES = 10
LOOKALIKES_KEPT = 3
LOOKALIKES_DROPPED = 3
ORDER_COUNT = 500
SMALL_KINDS = 40  # a sample has one of each kind and is filled up with this many express orders


def make(seed: int, today: date, ref: model.Reference, sample: bool = False) -> list[Case]:
    maker = Maker(seed, today, ref)
    cases: list[Case] = []

    def add(kind: str, case: Case) -> Case:
        order = case.order
        case.behaviour = {"channel_ref": order["channel_ref"], "customer_po": order["customer_po"], "kind": kind, **case.behaviour}
        cases.append(case)
        return case

    for kind, count, build, _ in KINDS:
        for _ in range(1 if sample else count):
            add(kind, build(maker))
    copies = 3 if sample else DUPLICATES + LOOKALIKES_KEPT + LOOKALIKES_DROPPED
    express = SMALL_KINDS if sample else ORDER_COUNT - len(cases) - copies
    originals = [add("express", Case(maker.express(), {})) for _ in range(express)]
    for number, original in enumerate(maker.rng.sample(originals, copies)):
        ref_name = original.order["channel_ref"]
        order = copy.deepcopy(original.order)
        if number < (1 if sample else DUPLICATES):
            cases.append(Case(order, original.behaviour, after=ref_name, same_ref=True))
            continue
        kept = number < (2 if sample else DUPLICATES + LOOKALIKES_KEPT)
        order["channel_ref"] = ref_name + "-B"
        add("lookalike_kept" if kept else "lookalike_dropped", Case(order, {"duplicate": "keep" if kept else "cancel"}, after=ref_name))
    maker.rng.shuffle(cases)
    return _originals_first(cases)


def _originals_first(cases: list[Case]) -> list[Case]:
    """Keeps the order but moves what needs another one before it to the end."""
    return [case for case in cases if not case.after] + [case for case in cases if case.after]
