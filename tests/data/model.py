"""What must become of each order: an independent model of the order desk over the data files.

Knows nothing of the product's code. Reads the files, lets each order through judging, the customer's and the departments'
answers (behaviours), stock, thresholds and cancels, and says the ending, the invoiced total and what leaves the stock.
Where the data would let the ending depend on chance (two orders for one scarce product, a date at the very limit), it
refuses with Ambiguous: such data can't be expected anything of. README.md lists the rules.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

EXPONENTS = {"CNY": 2, "USD": 2, "EUR": 2, "GBP": 2, "JPY": 0}
REVIEW_TOTAL_MINOR = 100_000_00
REVIEW_UNITS = 1000
EXPRESS_TOTAL_MINOR = 20_000_00
EXPRESS_UNITS = 50
DATE_MARGIN_DAYS = 4  # calendar and cut-off may move a limit by this much: no order asks for a date that near to it
ROUNDS_MAX = 8  # of questions and answers


class Ambiguous(Exception):
    """The data doesn't determine an ending."""


def read_ndjson(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def minor(text: str, exponent: int) -> int:
    """"12.50" in minor units; ValueError if it has more places than the currency."""
    scaled = Decimal(text).scaleb(exponent)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text}: more than {exponent} places")
    return int(scaled)


def rate_bp(text: str) -> int:
    return minor(text, 2)


def half_up(numerator: int, denominator: int) -> int:
    """Rounded to the nearest, halves away from zero."""
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


def tax_of_net(net: int, bp: int) -> int:
    return half_up(net * bp, 10000)


def tax_in_gross(gross: int, bp: int) -> int:
    return gross - half_up(gross * 10000, 10000 + bp)


@dataclass(frozen=True)
class Violation:
    code: str
    field: str
    who: str  # customer, a department, or fatal


@dataclass
class Reference:
    """Master data as the files say it."""

    products: dict[str, dict]
    customers: dict[str, dict]
    prices: dict[tuple[str, str], dict]
    calendars: dict[str, dict]
    gtins: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Reference:
        products = {row["sku"]: row for row in read_ndjson(folder / "products.ndjson")}
        return cls(products, {row["customer_id"]: row for row in read_ndjson(folder / "customers.ndjson")},
                   {(row["price_list"], row["sku"]): row for row in read_ndjson(folder / "prices.ndjson")},
                   {row["calendar_id"]: row for row in read_ndjson(folder / "calendars.ndjson")},
                   {row["gtin"]: sku for sku, row in products.items() if row.get("gtin")})

    def sku_of(self, code: str) -> str | None:
        code = code.strip()
        return code if code in self.products else self.gtins.get(code)

    def factor(self, sku: str, unit: str) -> int | None:
        product = self.products[sku]
        if unit in ("", product["base_unit"]):
            return 1
        return next((pack["factor"] for pack in product["packs"] if pack["unit"] == unit), None)

    def price(self, price_list: str, sku: str, quantity: int) -> tuple[int, int] | None:
        """Net minor units per base unit at this quantity, and tax in basis points."""
        row = self.prices.get((price_list, sku))
        if row is None:
            return None
        fitting = [one["net_minor"] for one in row["breaks"] if one["min_quantity"] <= quantity]
        return (fitting[-1], rate_bp(row["tax_rate"])) if fitting else None

    def works(self, calendar_id: str, day: date) -> bool:
        calendar = self.calendars[calendar_id]
        if day.isoformat() in calendar["holidays"]:
            return False
        return day.weekday() < 5 or day.isoformat() in calendar["workdays"]

    def after_working_days(self, calendar_id: str, start: date, days: int) -> date:
        while days > 0:
            start += timedelta(days=1)
            days -= self.works(calendar_id, start)
        return start


# ---- judging

ADDRESS_FIELDS = ("country", "province", "city", "street", "postcode", "recipient", "phone")
_POSTCODE_DIGITS = {"CN": 6, "US": 5, "DE": 5, "SG": 6, "AU": 4, "JP": 7}


def _address(address: dict) -> list[Violation]:
    found = [Violation("ADDRESS_INCOMPLETE", f"delivery.{name}", "customer") for name in ADDRESS_FIELDS
             if not address.get(name) and not (name == "province" and address.get("country") not in ("CN", "US"))]
    street = address.get("street", "")
    if street and not any(character.isdigit() for character in street):
        found.append(Violation("ADDRESS_NO_HOUSE_NUMBER", "delivery.street", "customer"))
    digits = _POSTCODE_DIGITS.get(address.get("country", ""))
    postcode = address.get("postcode", "").replace("-", "")
    if postcode and digits and not (postcode.isdigit() and len(postcode) == digits):
        found.append(Violation("ADDRESS_POSTCODE", "delivery.postcode", "customer"))
    return found


def _terms(order: dict, customer: dict) -> list[Violation]:
    payment = order["payment"]
    granted = payment["kind"] in customer["terms"] and (payment["kind"] != "NET" or payment["net_days"] <= customer["max_net_days"])
    return [] if granted else [Violation("TERMS_NOT_GRANTED", "payment", "finance")]


def _date(line: dict, path: str, product: dict, ref: Reference, calendar: str, today: date) -> list[Violation]:
    if not line.get("requested_date"):
        return []
    wanted = date.fromisoformat(line["requested_date"])
    if wanted < today:
        return [Violation("DATE_PAST", f"{path}.requested_date", "customer")]
    earliest = ref.after_working_days(calendar, today, product["lead_time_days"])
    if abs((wanted - earliest).days) <= DATE_MARGIN_DAYS and wanted != today:
        raise Ambiguous(f"{path}.requested_date: {wanted} is at the limit, which is about {earliest}")
    if wanted < earliest:
        return [Violation("DATE_TOO_EARLY", f"{path}.requested_date", "production" if product["kind"] == "MAKE" else "customer")]
    return []


def _price(order: dict, line: dict, path: str, sku: str, factor: int, ref: Reference, price_list: str) -> list[Violation]:
    listed = ref.price(price_list, sku, line["quantity"] * factor)
    if listed is None:
        raise Ambiguous(f"{path}: {sku} has no price in {price_list}")
    net, bp = listed[0] * factor, listed[1]
    found = []
    if rate_bp(line.get("tax_rate", "0")) != bp:
        found.append(Violation("TAX_RATE_WRONG", f"{path}.tax_rate", "customer"))
    right = net + tax_of_net(net, bp) if line.get("price_includes_tax") else net
    asked = minor(line["unit_price"], EXPONENTS[order["currency"]])
    if asked < right:
        found.append(Violation("PRICE_BELOW_LIST", f"{path}.unit_price", "sales"))
    elif asked > right:
        found.append(Violation("PRICE_ABOVE_LIST", f"{path}.unit_price", "customer"))
    return found


def judge(order: dict, ref: Reference, today: date) -> list[Violation]:
    customer = ref.customers.get(order["customer"].get("customer_id", ""))
    if customer is None:
        return [Violation("CUSTOMER_UNKNOWN", "customer.customer_id", "fatal")]
    if customer["blocked"]:
        return [Violation("CUSTOMER_BLOCKED", "customer.customer_id", "fatal")]
    found = _address(order.get("delivery", {})) + _terms(order, customer)
    for index, line in enumerate(order["lines"]):
        path = f"lines[{index}]"
        sku = ref.sku_of(line["product_code"])
        if sku is None:
            found.append(Violation("PRODUCT_UNKNOWN", f"{path}.product_code", "customer"))
            continue
        product = ref.products[sku]
        if product.get("retired"):
            found.append(Violation("PRODUCT_RETIRED", f"{path}.product_code", "customer"))
            continue
        factor = ref.factor(sku, line.get("unit", ""))
        if factor is None:
            found.append(Violation("UNIT_UNKNOWN", f"{path}.unit", "customer"))
            continue
        found += _price(order, line, path, sku, factor, ref, customer["price_list"]) + _date(line, path, product, ref, order["delivery"].get("country", "CN"), today)
    return found


# ---- amounts

@dataclass(frozen=True)
class Priced:
    line_no: int
    sku: str
    kind: str
    quantity: int  # base units
    no_picking: bool
    net: int
    tax: int

    @property
    def gross(self) -> int:
        return self.net + self.tax


def price_line(order: dict, line: dict, number: int, ref: Reference) -> Priced:
    sku = ref.sku_of(line["product_code"])
    product = ref.products[sku]
    exponent = EXPONENTS[order["currency"]]
    bp = rate_bp(line.get("tax_rate", "0"))
    amount = minor(line["unit_price"], exponent) * line["quantity"] - minor(line.get("discount", "0"), exponent)
    tax = tax_in_gross(amount, bp) if line.get("price_includes_tax") else tax_of_net(amount, bp)
    net = amount - tax if line.get("price_includes_tax") else amount
    quantity = line["quantity"] * ref.factor(sku, line.get("unit", ""))
    return Priced(line.get("line_no", number), sku, product["kind"], quantity, bool(product.get("no_picking")), net, tax)


def price_order(order: dict, ref: Reference) -> list[Priced]:
    return [price_line(order, line, number, ref) for number, line in enumerate(order["lines"], 1)]


# ---- stock

@dataclass
class Stock:
    """What is there, and who may want it: judged before any order takes something, so that no order of processing matters."""

    on_hand: Counter
    wanted: dict[str, dict[str, int]]  # sku: {order: most that it may hold at a time}

    @classmethod
    def load(cls, folder: Path) -> Stock:
        on_hand: Counter = Counter()
        for row in read_ndjson(folder / "stock.ndjson"):
            if row["type"] == "received":
                on_hand[row["sku"]] += row["quantity"]
            elif row["type"] == "safety":
                on_hand[row["sku"]] -= row["safety"]
        return cls(on_hand, defaultdict(dict))

    def want(self, order: str, lines: list[Priced]) -> None:
        for sku, quantity in Counter({sku: n for sku, n in _by_sku(lines, "STOCK").items()}).items():
            self.wanted[sku][order] = max(self.wanted[sku].get(order, 0), quantity)

    def available(self, order: str, sku: str, quantity: int) -> int:
        """How much of `quantity` this order gets."""
        total = sum(self.wanted[sku].values())
        if total <= self.on_hand[sku]:
            return quantity
        if len(self.wanted[sku]) > 1:
            raise Ambiguous(f"{sku}: {len(self.wanted[sku])} orders want {total}, there are {self.on_hand[sku]}: the first come would be served")
        return min(quantity, max(self.on_hand[sku], 0))


def _by_sku(lines: list[Priced], kind: str = "") -> Counter:
    total: Counter = Counter()
    for line in lines:
        if not kind or line.kind == kind:
            total[line.sku] += line.quantity
    return total


# ---- one order

@dataclass
class Ending:
    state: str
    waiting_on: str = ""
    reason: str = ""
    definition: str = ""
    currency: str = ""
    invoiced_minor: int = 0
    consumed: Counter = field(default_factory=Counter)
    holds: Counter = field(default_factory=Counter)  # what a waiting order keeps reserved, made goods included
    total_minor: int = 0
    timed_out: bool = False  # the deadline of a state ended it: before that it waits in `before`
    before: tuple[str, str] = ("", "")


class Ended(Exception):
    def __init__(self, ending: Ending):
        self.ending = ending


def set_field(order: dict, path: str, value: str) -> None:
    """Puts an answer at its path: delivery.street, lines[1].quantity."""
    at: object = order
    parts = path.replace("[", ".[").split(".")
    for part in parts[:-1]:
        at = at[int(part[1:-1])] if part.startswith("[") else at.setdefault(part, {})
    old = at.get(parts[-1])
    at[parts[-1]] = int(value) if isinstance(old, int) and not isinstance(old, bool) else value


class Run:
    """One order's way through the desk."""

    def __init__(self, order: dict, behaviour: dict, ref: Reference, stock: Stock, today: date):
        self.order = copy.deepcopy(order)
        self.ref, self.stock, self.today = ref, stock, today
        self.behaviour = behaviour
        self.rules = behaviour.get("departments", {})
        self.customer = behaviour.get("customer", {})
        self.cancel = self.customer.get("cancel", {})
        self.asked: Counter = Counter()
        self.ref_name = order["channel_ref"]
        self.lines: list[Priced] = []
        self.waived: set[str] = set()
        self.made_total = 0

    def _verdict(self, what: str) -> str:
        verdicts = self.rules.get(what) or ["approve"]
        self.asked[what] += 1
        return verdicts[min(self.asked[what], len(verdicts)) - 1]

    def _end(self, state: str, **more) -> None:
        raise Ended(Ending(state, **more))

    def _customer_waits(self, state: str) -> None:
        """The customer is asked and gives no answer: it ends at the deadline."""
        if self.cancel.get("when") == "asked":
            self._end("CANCELLED")
        held = {sku: self.stock.available(self.ref_name, sku, n) for sku, n in _by_sku(self.lines, "STOCK").items()} if state == "SHORTAGE_OFFERED" else {}
        self._end("CANCELLED", reason="no_answer", timed_out=True, before=(state, "customer"), holds=Counter({sku: n for sku, n in held.items() if n}))

    def _answer(self, fields: list[str]) -> None:
        answers = self.customer.get("answers", {})
        for path in fields:
            chosen = {at: value for at, value in answers.items() if at == path or at.startswith(path + ".")}
            if not chosen:
                self._customer_waits("AWAITING_CUSTOMER")
            for at, value in chosen.items():
                set_field(self.order, at, value)

    def validate(self) -> None:
        for _ in range(ROUNDS_MAX):
            violations = [one for one in judge(self.order, self.ref, self.today) if f"{one.code}@{one.field}" not in self.waived]
            if any(one.who == "fatal" for one in violations):
                self._end("REJECTED")
            mine = [one.field for one in violations if one.who == "customer"]
            if mine:
                self._answer(mine)
                continue
            if not violations:
                self.lines = price_order(self.order, self.ref)
                return
            verdict = self._verdict("approval")
            departments = {one.who for one in violations}
            if len(departments) > 1:
                raise Ambiguous(f"{self.ref_name}: two departments are asked at once: {sorted(departments)}")
            if verdict == "approve":
                self.waived |= {f"{one.code}@{one.field}" for one in violations}
            elif verdict == "silent":
                self._end("AWAITING_DEPARTMENT", waiting_on=departments.pop())
            elif verdict == "refuse_fatal":
                self._end("REJECTED")
            else:
                self._answer([one.field for one in violations])
        raise Ambiguous(f"{self.ref_name}: still not right after {ROUNDS_MAX} rounds")

    def reserve(self) -> None:
        wanted = _by_sku(self.lines, "STOCK")
        short = {sku: got for sku, n in wanted.items() if (got := self.stock.available(self.ref_name, sku, n)) < n}
        if not short:
            return
        choices = {choice["line_no"]: choice for choice in self.customer.get("shortage", [])}
        for line in self.lines:
            if line.sku not in short:
                continue
            choice = choices.get(line.line_no)
            if choice is None:
                self._customer_waits("SHORTAGE_OFFERED")
            self._choose(line, choice, short[line.sku])
        if not any(line["quantity"] for line in self.order["lines"]):
            self._end("CANCELLED")
        self.order["lines"] = [line for line in self.order["lines"] if line["quantity"]]
        self.lines = price_order(self.order, self.ref)

    def _choose(self, line: Priced, choice: dict, available: int) -> None:
        document = next(one for at, one in enumerate(self.order["lines"], 1) if one.get("line_no", at) == line.line_no)
        document.setdefault("line_no", line.line_no)
        kind = choice["kind"]
        if kind == "REFUSE":
            self._end("CANCELLED")
        elif kind == "CANCEL_LINE":
            document["quantity"] = 0
        elif kind == "REDUCE":
            if not 0 < choice["quantity"] <= available:
                raise Ambiguous(f"{self.ref_name}: {choice['quantity']} of {line.sku} are chosen, {available} are there")
            document["quantity"] = choice["quantity"]
        elif kind == "SUBSTITUTE":
            document["product_code"] = choice["substitute_sku"]
        elif kind == "WAIT":
            arriving = sum(one["quantity"] for one in self.customer.get("arrivals", []) if one["sku"] == line.sku)
            if available + arriving < line.quantity:
                self._end("SCHEDULED", waiting_on="stock")
        if document["quantity"] and kind != "WAIT":
            priced = price_line(self.order, document, line.line_no, self.ref)
            if self.stock.available(self.ref_name, priced.sku, priced.quantity) < priced.quantity:
                raise Ambiguous(f"{self.ref_name}: {priced.sku} is short as well")

    def definition(self) -> str:
        """The thresholds are amounts of CNY: orders in other currencies go the standard way."""
        total = sum(line.gross for line in self.lines)
        units = sum(line.quantity for line in self.lines)
        small = self.order["currency"] == "CNY" and total <= EXPRESS_TOTAL_MINOR and units <= EXPRESS_UNITS and all(line.kind == "STOCK" for line in self.lines)
        granted = not _terms(self.order, self.ref.customers[self.order["customer"]["customer_id"]])
        return "express" if small and granted else "standard"

    def review(self) -> None:
        total = sum(line.gross for line in self.lines)
        units = sum(line.quantity for line in self.lines)
        if total < REVIEW_TOTAL_MINOR and units < REVIEW_UNITS and all(line.kind == "STOCK" for line in self.lines):
            return
        verdict = self._verdict("review")
        if verdict == "changes":
            self._answer(["remarks"])
            verdict = self._verdict("review")
        if verdict == "silent":
            if self.cancel.get("when") == "at_once":
                self._end("CANCELLED")
            self._end("IN_REVIEW", waiting_on="sales")
        if verdict == "reject":
            self._end("REJECTED")

    def schedule(self) -> None:
        made = any(line.kind == "MAKE" for line in self.lines)
        if self.rules.get("credit") in ("refuse", "silent"):
            self._end("REGISTERED", waiting_on="finance")
        for kind, verdict in self.rules.get("plan", {}).items():
            if kind == "PRODUCTION" and not made:
                continue
            if verdict == "silent":
                self._end("REGISTERED", waiting_on={"PRODUCTION": "production", "WAREHOUSE": "warehouse", "TRANSPORT": "logistics"}[kind])
            if verdict == "infeasible":
                self._answer([f"lines[{at}].requested_date" for at, line in enumerate(self.lines) if kind != "PRODUCTION" or line.kind == "MAKE"])
        if made and self.rules.get("produce") == "never":
            self._end("IN_PRODUCTION", waiting_on="production")

    def ship(self) -> None:
        mode = self.behaviour.get("warehouse", "")
        if mode == "hold_until_cancel":
            if not self.cancel:
                raise Ambiguous(f"{self.ref_name}: the warehouse holds for a cancel that nobody asks for")
            self._end("CANCELLED")
        if mode == "silent":
            self._end("IN_FULFILMENT", waiting_on="warehouse")
        if mode == "reject":
            self._end("NEEDS_PERSON", waiting_on="operator")

    def run(self) -> Ending:
        definition = ""
        try:
            if self.behaviour.get("duplicate") == "cancel":
                self._end("CANCELLED")
            self.validate()
            self.reserve()
            self.validate()
            # A choice about a shortage may or may not be judged anew: the definition is said where nothing depends on that.
            definition = self.definition()
            self.review()
            if definition == "standard":
                self.schedule()
            self.ship()
            ending = Ending("COMPLETED")
            if self.rules.get("pay") == "never":
                ending = Ending("DELIVERED", waiting_on="finance")
            ending.invoiced_minor = sum(line.gross for line in self.lines)
            ending.consumed = _by_sku(self.lines)
        except Ended as ended:
            ending = ended.ending
            if ending.state in ("REGISTERED", "IN_PRODUCTION", "IN_FULFILMENT", "IN_REVIEW", "NEEDS_PERSON", "SCHEDULED"):
                ending.holds = _by_sku(self.lines, "" if ending.state in ("IN_FULFILMENT", "NEEDS_PERSON") else "STOCK")
        ending.definition = "" if self.customer.get("shortage") else definition
        ending.currency = self.order["currency"]
        ending.total_minor = sum(line.gross for line in self.lines)
        return ending


def most_wanted(order: dict, behaviour: dict, ref: Reference, today: date) -> list[Priced]:
    """What the order may hold at most, shortage or not: its right document and the substitutes that it would take."""
    run = Run(order, behaviour, ref, Stock(Counter(), defaultdict(dict)), today)
    try:
        run.validate()
    except Ended:
        return []
    lines = list(run.lines)
    for choice in behaviour.get("customer", {}).get("shortage", []):
        if choice["kind"] == "SUBSTITUTE":
            wanted = next(line for line in run.lines if line.line_no == choice["line_no"])
            lines.append(Priced(wanted.line_no, choice["substitute_sku"], "STOCK", wanted.quantity, wanted.no_picking, 0, 0))
    return lines


def expect(folder: Path) -> list[dict]:
    """The expected ending of every line of orders.ndjson, in its order. Everything comes from the files of the folder."""
    ref, stock = Reference.load(folder), Stock.load(folder)
    orders = read_ndjson(folder / "orders.ndjson")
    behaviours = {row["channel_ref"]: row for row in read_ndjson(folder / "behaviours.ndjson")}
    today = date.fromisoformat(json.loads((folder / "about.json").read_text())["today"])
    seen: set[tuple] = set()
    rows = []
    for order in orders:
        behaviour = behaviours[order["channel_ref"]]
        if behaviour["kind"] != "refused_at_the_door":
            stock.want(order["channel_ref"], most_wanted(order, behaviour, ref, today))
    for order in orders:
        behaviour = behaviours[order["channel_ref"]]
        identity = (order.get("channel"), order.get("channel_account"), order["channel_ref"])
        row = {"channel_ref": order["channel_ref"], "kind": behaviour["kind"]}
        if identity in seen:
            row["same_as"] = order["channel_ref"]
        elif behaviour["kind"] == "refused_at_the_door":
            row["http"] = [400, 422]
        else:
            row.update(_row(Run(order, behaviour, ref, stock, today).run()))
        seen.add(identity)
        rows.append(row)
    return rows


def _row(ending: Ending) -> dict:
    row: dict = {"state": ending.state, "currency": ending.currency, "invoiced_minor": ending.invoiced_minor,
                 "consumed": dict(sorted(ending.consumed.items()))}
    if ending.definition:
        row["definition"] = ending.definition
    if ending.waiting_on:
        row["waiting_on"] = ending.waiting_on
    if ending.reason:
        row["reason"] = ending.reason
    where = row
    if ending.timed_out:
        where = row["before"] = {"state": ending.before[0], "waiting_on": ending.before[1]}
    if ending.holds:
        where["holds"] = dict(sorted(ending.holds.items()))
    return row
