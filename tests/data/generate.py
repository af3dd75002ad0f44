#!/usr/bin/python3
"""Makes the test data: generate.py --out FOLDER [--seed N] [--today YYYY-MM-DD] [--sample]

    products customers prices calendars warehouses .ndjson   master data, as POST /v1/reference/{kind}:import takes it
    stock.ndjson        opening receipts and announced deliveries
    orders.ndjson       order documents for POST /v1/orders, one a line
    behaviours.ndjson   what the customer, the departments and the warehouse do about each order
    expected.ndjson     how each must end (model.py), in the order of orders.ndjson
    about.json          seed, day, counts

`generate.py --expect FOLDER` computes expected.ndjson again from the other files, after somebody changed a price or a stock
figure. Dates count from --today, so that requested dates are possible: the data is made anew for each run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
import catalogue  # noqa: E402
import model  # noqa: E402

SECRET = "whsec_b3JkZXJjbGVyay10ZXN0LXdhcmVob3VzZS1zZWNyZXQ="  # the doubles' default
ROUND_UP = 500  # stock figures are round


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def received(sku: str, warehouse: str, quantity: int) -> dict:
    return {"type": "received", "sku": sku, "warehouse": warehouse, "quantity": quantity, "reference": "OPENING"}


def stock(ref: model.Reference, made: list[cases.Case], today: date) -> list[dict]:
    """Plenty of everything that several orders want, in each warehouse; exactly planned figures where there must be too little."""
    wanted: Counter = Counter()
    for case in made:
        if case.behaviour["kind"] != "refused_at_the_door":
            for line in model.most_wanted(case.order, case.behaviour, ref, today):
                wanted[line.sku] += line.quantity
    rows = []
    restock = (today + timedelta(days=7)).isoformat()
    for sku, product in ref.products.items():
        if product["kind"] == "MAKE" or product.get("retired"):
            continue
        if sku.startswith("Q-") and sku != catalogue.SUBSTITUTE:
            rows.append(received(sku, "SH1", cases.SHORTAGE_ON_HAND))
            rows.append({"type": "incoming", "sku": sku, "warehouse": "SH1", "quantity": cases.SHORTAGE_INCOMING, "date": restock, "reference": f"PO-{sku}"})
        elif sku.startswith("P-"):
            rows += [received(sku, "SH1", 100), received(sku, "GZ1", 100)]
        else:
            plenty = (wanted[sku] * 2 // ROUND_UP + 2) * ROUND_UP
            rows += [received(sku, "AUTO", plenty)] if product.get("no_picking") else [received(sku, "SH1", plenty), received(sku, "GZ1", plenty)]
    return rows


def generate(seed: int, today: date, out: Path, sample: bool, warehouse_url: str, secret: str) -> dict:
    out.mkdir(parents=True, exist_ok=True)
    products, base = catalogue.products(seed)
    write(out / "products.ndjson", products)
    write(out / "customers.ndjson", catalogue.customers(seed))
    write(out / "prices.ndjson", catalogue.prices(seed, products, base))
    write(out / "calendars.ndjson", catalogue.calendars(today))
    write(out / "warehouses.ndjson", catalogue.warehouses(warehouse_url, secret))
    ref = model.Reference.load(out)
    made = cases.make(seed, today, ref, sample)
    write(out / "orders.ndjson", [case.order for case in made])
    write(out / "behaviours.ndjson", [case.behaviour | ({"after": case.after} if case.after else {}) for case in made if not case.same_ref])
    write(out / "stock.ndjson", stock(ref, made, today))
    (out / "about.json").write_text(json.dumps({"seed": seed, "today": today.isoformat(), "orders": len(made)}) + "\n")
    return expect(out)


def expect(out: Path) -> dict:
    rows = model.expect(out)
    write(out / "expected.ndjson", rows)
    return dict(Counter("duplicate" if "same_as" in row else "refused" if "http" in row else row["state"] for row in rows))


def check_kinds(out: Path) -> list[str]:
    """Where the model disagrees with what a kind of case is meant to end as."""
    meant = {kind: state for kind, _, _, state in cases.KINDS} | {"express": "COMPLETED", "lookalike_kept": "COMPLETED", "lookalike_dropped": "CANCELLED"}
    return [f"{row['channel_ref']} ({row['kind']}): {row.get('state', 'refused')}, meant: {meant[row['kind']]}" for row in model.read_ndjson(out / "expected.ndjson")
            if "same_as" not in row and row.get("state", "refused") != meant[row["kind"]]]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(timezone.utc).date(), metavar="YYYY-MM-DD")
    parser.add_argument("--sample", action="store_true", help="one order of each kind and a few more, instead of 500")
    parser.add_argument("--warehouse-url", default="http://127.0.0.1:8090", metavar="URL", help="of the warehouses with adapter http")
    parser.add_argument("--warehouse-secret", default=SECRET, help="signs their callbacks")
    parser.add_argument("--expect", type=Path, metavar="FOLDER", help="only compute FOLDER's expected.ndjson again")
    options = parser.parse_args(argv)
    if options.expect:
        counts = expect(options.expect)
    elif options.out:
        counts = generate(options.seed, options.today, options.out, options.sample, options.warehouse_url, options.warehouse_secret)
        wrong = check_kinds(options.out)
        if wrong:
            print("\n".join(wrong), file=sys.stderr)
            return 1
    else:
        parser.error("--out or --expect is needed")
    print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
