"""The expectation model: its arithmetic by known values, and that endings follow from the data files."""

import json
from collections import Counter
from datetime import date

import cases
import generate
import model
import pytest

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    generate.generate(1, TODAY, out, False, "http://127.0.0.1:1", generate.SECRET)
    return out


@pytest.fixture
def copy(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def rows(folder, name):
    return model.read_ndjson(folder / f"{name}.ndjson")


def expected(folder):
    return {row["channel_ref"]: row for row in rows(folder, "expected") if "same_as" not in row}


@pytest.mark.parametrize("net, bp, tax", [(1000, 1300, 130), (5, 1000, 1), (4, 1000, 0), (15, 1000, 2), (-15, 1000, -2), (333, 600, 20), (0, 1300, 0)])
def test_tax_of_net_rounds_half_away_from_zero(net, bp, tax):
    assert model.tax_of_net(net, bp) == tax


@pytest.mark.parametrize("gross, bp, tax", [(1130, 1300, 130), (113, 1300, 13), (100, 1300, 12), (100, 0, 0), (-1130, 1300, -130)])
def test_tax_in_gross(gross, bp, tax):
    assert model.tax_in_gross(gross, bp) == tax


def test_minor_units():
    assert model.minor("12.5", 2) == 1250 and model.minor("1200", 0) == 1200 and model.rate_bp("13.5") == 1350
    with pytest.raises(ValueError):
        model.minor("1.005", 2)


def test_the_file_is_as_described(folder):
    orders = rows(folder, "orders")
    assert len(orders) == 500 and len(rows(folder, "products")) == 120 and len(rows(folder, "customers")) == 30
    assert {order["payment"]["kind"] for order in orders} == {"PREPAID", "COD", "NET", "INSTALMENT"}
    assert {order["payment"].get("net_days") for order in orders} >= {30, 60}
    assert {order["customer"]["locale"] for order in orders} == {"zh-CN", "en"}
    assert {price["tax_rate"] for price in rows(folder, "prices")} == {"13", "9", "6", "0"}
    refs = Counter((order["channel"], order["channel_account"], order["channel_ref"]) for order in orders)
    assert sum(1 for count in refs.values() if count == 2) == cases.DUPLICATES and max(refs.values()) == 2


def test_every_kind_ends_as_meant(folder):
    assert generate.check_kinds(folder) == []
    kinds = Counter(row["kind"] for row in expected(folder).values())
    for kind, count, _, _ in cases.KINDS:
        assert kinds[kind] == count


def test_same_seed_and_day_make_the_same_files(folder, tmp_path):
    generate.generate(1, TODAY, tmp_path, False, "http://127.0.0.1:1", generate.SECRET)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("seed, day", [(2, date(2026, 12, 31)), (3, date(2028, 2, 29)), (4, date(2027, 2, 6))])
def test_other_seeds_and_days_are_sound(tmp_path, seed, day):
    generate.generate(seed, day, tmp_path, True, "http://127.0.0.1:1", generate.SECRET)
    assert generate.check_kinds(tmp_path) == []


def test_goods_and_money_of_completed_orders(folder):
    """By plain arithmetic over the documents of orders that nobody touches: no call into the model."""
    prices = {(row["price_list"], row["sku"]): row for row in rows(folder, "prices")}
    packs = {row["sku"]: {row["base_unit"]: 1} | {pack["unit"]: pack["factor"] for pack in row["packs"]} for row in rows(folder, "products")}
    customers = {row["customer_id"]: row for row in rows(folder, "customers")}
    seen = 0
    for order in rows(folder, "orders"):
        row = expected(folder)[order["channel_ref"]]
        if row["kind"] not in ("express", "standard") or any(line["price_includes_tax"] for line in order["lines"]):
            continue
        seen += 1
        goods, total = Counter(), 0
        for line in order["lines"]:
            units = line["quantity"] * packs[line["product_code"]][line["unit"]]
            goods[line["product_code"]] += units
            price = prices[customers[order["customer"]["customer_id"]]["price_list"], line["product_code"]]
            net = [one["net_minor"] for one in price["breaks"] if one["min_quantity"] <= units][-1] * units
            total += net + int(net * int(price["tax_rate"]) / 100 + 0.5)
        assert (row["consumed"], row["invoiced_minor"]) == (dict(sorted(goods.items())), total), order["channel_ref"]
    assert seen > 100


def change(folder, name, edit):
    path = folder / f"{name}.ndjson"
    changed = [edit(row) for row in model.read_ndjson(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in changed if row is not None), encoding="utf-8")


def test_a_changed_price_changes_the_expectation(copy):
    before = expected(copy)
    ref = next(row["channel_ref"] for row in rows(copy, "expected") if row["kind"] == "express")
    order = next(order for order in rows(copy, "orders") if order["channel_ref"] == ref)
    sku = order["lines"][0]["product_code"]

    def cheaper(row):
        if row["sku"] == sku:
            for one in row["breaks"]:
                one["net_minor"] -= 1
        return row

    change(copy, "prices", cheaper)
    generate.expect(copy)
    after = expected(copy)
    # Its price is above the list now: the customer is asked, and nobody answers.
    assert before[ref]["state"] == "COMPLETED" and (after[ref]["state"], after[ref]["reason"]) == ("CANCELLED", "no_answer")


def test_a_changed_stock_figure_changes_the_expectation(copy):
    ref, row = next((ref, row) for ref, row in expected(copy).items() if row["kind"] == "shortage_refuse")
    order = next(order for order in rows(copy, "orders") if order["channel_ref"] == ref)
    sku = order["lines"][0]["product_code"]
    assert row["state"] == "CANCELLED"

    def enough(row):
        if row["type"] == "received" and row["sku"] == sku:
            row["quantity"] = cases.SHORTAGE_WANTED
        return row

    change(copy, "stock", enough)
    generate.expect(copy)
    assert expected(copy)[ref]["state"] == "COMPLETED" and expected(copy)[ref]["consumed"] == {sku: cases.SHORTAGE_WANTED}


def test_contended_stock_is_refused(copy):
    wanted = Counter(sku for row in expected(copy).values() for sku in row.get("consumed", {}))
    sku = next(sku for sku, count in wanted.most_common() if count > 1 and not sku.startswith("Q"))

    def scarce(row):
        if row["type"] == "received" and row["sku"] == sku:
            row["quantity"] = 1
        return row

    change(copy, "stock", scarce)
    with pytest.raises(model.Ambiguous):
        generate.expect(copy)


def test_a_date_at_the_limit_is_refused(copy):
    def soon(order):
        if order["channel_ref"] == first and isinstance(order["lines"][0]["quantity"], int):
            order["lines"][0]["requested_date"] = "2026-11-26"
        return order

    first = next(ref for ref, row in expected(copy).items() if row["kind"] == "standard")
    change(copy, "orders", soon)
    with pytest.raises(model.Ambiguous):
        generate.expect(copy)


def test_questions_are_put_once_and_together():
    order = {"channel_ref": "r", "currency": "CNY", "customer": {"customer_id": "C"}, "payment": {"kind": "COD"},
             "delivery": {"country": "CN", "province": "上海市", "city": "上海市", "street": "张江路", "postcode": "2012", "recipient": "王丽"}, "lines": []}
    customer = {"customer_id": "C", "blocked": False, "terms": ["PREPAID"], "max_net_days": 0, "price_list": "L"}
    ref = model.Reference({}, {"C": customer}, {}, {})
    assert {(one.code, one.field, one.who) for one in model.judge(order, ref, TODAY)} == {
        ("ADDRESS_INCOMPLETE", "delivery.phone", "customer"), ("ADDRESS_NO_HOUSE_NUMBER", "delivery.street", "customer"),
        ("ADDRESS_POSTCODE", "delivery.postcode", "customer"), ("TERMS_NOT_GRANTED", "payment", "finance")}
