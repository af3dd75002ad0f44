#!/usr/bin/python3
"""Counts a run again, by SQL of its own: stock, money and messages in PostgreSQL against the data and its expectation.

    recount.py --data FOLDER --log FEED_LOG --pg DSN [--mails INDEX_JSONL] [--beside FILE] [--no-answer-ends] [--json]

DSN: a role that may read every schema. --mails: index.jsonl of the mail double (--keep). Exit: 0 equal to the unit and the
minor unit; 1 differences, one a line.

Stock    receipts are the opening figures and the arrivals; what left is what was expected, by order and by product; reserved is
         what waiting orders keep; on hand = received + made − left; the ledger's chain and sums are those of the stock rows.
Money    what finance was asked to invoice and what it invoiced is the expected total of each order; net + tax = gross; completed
         orders are paid in full; cancelled and rejected ones have nothing invoiced and everything paid given back.
Messages one notification per (cause, kind, recipient); every one that counts as sent is in the mailbox, and once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import psycopg2

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "doubles")]

import protos  # noqa: E402
from model import read_ndjson  # noqa: E402

ENDED = ("COMPLETED", "CANCELLED", "REJECTED", "ARCHIVED")


class Recount:
    def __init__(self, options: argparse.Namespace):
        self._db = psycopg2.connect(options.pg)
        self._db.set_session(readonly=True)
        self._pb = protos.load()
        self._no_answer_ends = options.no_answer_ends
        data = Path(options.data)
        self._stock_rows = read_ndjson(data / "stock.ndjson")
        self._products = {row["sku"]: row for row in read_ndjson(data / "products.ndjson")}
        behaviours = {row["channel_ref"]: row for row in read_ndjson(data / "behaviours.ndjson")}
        expected = read_ndjson(data / "expected.ndjson")
        self._mails = read_ndjson(Path(options.mails)) if options.mails else None
        # order_id: its expectation and behaviour, for every order that was taken and isn't the copy of another
        self.orders: dict[str, tuple[dict, dict]] = {}
        for posted in read_ndjson(Path(options.log)):
            row = expected[posted["line"]]
            if posted.get("order_id") and "state" in row:
                self.orders.setdefault(posted["order_id"], (row, behaviours[row["channel_ref"]]))
        self._beside = {row["order_id"] for row in read_ndjson(Path(options.beside))} if options.beside else set()
        self.wrong: list[str] = []

    def _rows(self, sql: str, *values) -> list[tuple]:
        with self._db.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    def _timeline(self, *names: str) -> Iterator[tuple]:
        """Order and message: the records of these topics that the desk has kept."""
        types = {"commands.departments": (8, self._pb.commands.DepartmentCommand), "order-events": (2, self._pb.order_events.OrderEvent),
                 "notification-events": (14, self._pb.notification_events.NotificationEvent)}
        of = dict(types[name] for name in names)
        for order_id, topic, part in self._rows("SELECT order_id::text, topic, part FROM desk.timeline_part WHERE topic = ANY(%s)", list(of)):
            for record in self._pb.timeline.TimelinePart.FromString(bytes(part)).records:
                yield order_id, of[topic].FromString(record.value)

    def _equal(self, what: str, seen, expected) -> None:
        if seen != expected:
            self.wrong.append(f"{what}: {seen}, expected {expected}")

    def _equal_all(self, what: str, seen: dict, expected: dict) -> None:
        for key in sorted(set(seen) | set(expected), key=str):
            if seen.get(key, 0) != expected.get(key, 0):
                self.wrong.append(f"{what} {key}: {seen.get(key, 0)}, expected {expected.get(key, 0)}")

    def _holds(self, row: dict) -> dict:
        if "before" in row:
            return {} if self._no_answer_ends else row["before"].get("holds", {})
        return row.get("holds", {})

    # ---- stock
    def stock(self) -> None:
        received: Counter = Counter()
        for row in self._stock_rows:
            if row["type"] == "received":
                received[row["sku"]] += row["quantity"]
        left, held = Counter(), Counter()
        for row, behaviour in self.orders.values():
            left.update(row["consumed"])
            held.update(self._holds(row))
            if row["kind"] == "shortage_wait":
                for one in behaviour["customer"].get("arrivals", []):
                    received[one["sku"]] += one["quantity"]
        movements = {sku: values for sku, *values in self._rows(
            "SELECT sku, sum(quantity) FILTER (WHERE kind = 'RECEIPT'), sum(quantity) FILTER (WHERE kind = 'MADE'), "
            "sum(-on_hand_change) FILTER (WHERE kind IN ('CONSUME', 'LEFT')), sum(on_hand_change), sum(reserved_change) "
            "FROM inventory.stock_ledger GROUP BY sku")}
        stock = {sku: (int(on_hand), int(reserved)) for sku, on_hand, reserved in self._rows(
            "SELECT sku, sum(on_hand), sum(reserved) FROM inventory.stock GROUP BY sku")}
        number = lambda sku, at: int(movements[sku][at] or 0) if sku in movements else 0  # noqa: E731
        if self._beside:
            movements, stock = ({sku: values for sku, values in counted.items() if sku in self._products} for counted in (movements, stock))
        skus = set(movements) | set(stock) | set(received) | set(left)
        self._equal_all("received", {sku: number(sku, 0) for sku in skus}, received)
        self._equal_all("left the stock", {sku: number(sku, 2) for sku in skus}, left)
        made_wanted = {sku: n + held.get(sku, 0) for sku, n in left.items() if self._products[sku]["kind"] == "MAKE"}
        self._equal_all("made", {sku: number(sku, 1) for sku in skus}, made_wanted)
        self._equal_all("reserved", {sku: reserved for sku, (_, reserved) in stock.items()}, held)
        self._equal_all("on hand", {sku: on_hand for sku, (on_hand, _) in stock.items()},
                        {sku: received.get(sku, 0) + number(sku, 1) - left.get(sku, 0) for sku in skus})
        self._equal_all("ledger's sum of on hand", {sku: number(sku, 3) for sku in skus}, {sku: values[0] for sku, values in stock.items()})
        self._equal_all("ledger's sum of reserved", {sku: number(sku, 4) for sku in skus}, {sku: values[1] for sku, values in stock.items()})
        self._ledger_chain()
        self._allocations()

    def _ledger_chain(self) -> None:
        broken = self._rows(
            "SELECT sku, warehouse, movement FROM (SELECT *, lag(movement, 1, 0::bigint) OVER w AS before, lag(on_hand_after, 1, 0::bigint) OVER w AS on_hand_before, "
            "lag(reserved_after, 1, 0::bigint) OVER w AS reserved_before FROM inventory.stock_ledger WINDOW w AS (PARTITION BY sku, warehouse ORDER BY movement)) l "
            "WHERE movement <> before + 1 OR on_hand_after <> on_hand_before + on_hand_change OR reserved_after <> reserved_before + reserved_change LIMIT 20")
        self.wrong += [f"ledger of {sku} in {warehouse} breaks at movement {movement}" for sku, warehouse, movement in broken]

    def _allocations(self) -> None:
        seen: dict[str, tuple[Counter, Counter]] = defaultdict(lambda: (Counter(), Counter()))
        for order_id, sku, consumed, reserved, backordered in self._rows(
                "SELECT order_id::text, sku, sum(consumed), sum(reserved), sum(backordered) FROM inventory.allocation GROUP BY 1, 2"):
            if consumed:
                seen[order_id][0][sku] = int(consumed)
            if reserved or backordered:
                seen[order_id][1][sku] = int(reserved + backordered)
        for order_id, (row, _) in self.orders.items():
            what = f"{row['channel_ref']} ({row['kind']}) {order_id}"
            consumed, holds = seen.pop(order_id, (Counter(), Counter()))
            self._equal(f"{what}: goods that left", dict(sorted(consumed.items())), row["consumed"])
            self._equal(f"{what}: goods held", dict(sorted(holds.items())), self._holds(row))
        self.wrong += [f"{order_id}: holds or got goods, but nobody sent it" for order_id in seen if order_id not in self._beside]

    # ---- money
    def money(self) -> None:
        asked, invoiced, paid, credited = Counter(), Counter(), Counter(), Counter()
        for order_id, message in self._timeline("commands.departments", "order-events"):
            kind = message.WhichOneof("body")
            if kind == "request_invoice":
                body = message.request_invoice
                asked[order_id] += body.gross_minor
                if body.net_minor + body.tax_minor != body.gross_minor:
                    self.wrong.append(f"{order_id}: {body.net_minor} + {body.tax_minor} is not {body.gross_minor}")
            elif kind == "credit_note":
                credited[order_id] += message.credit_note.amount_minor
            elif kind == "invoice_recorded":
                invoiced[order_id] += message.invoice_recorded.gross_minor
            elif kind == "payment_recorded":
                paid[order_id] += message.payment_recorded.amount_minor
        states = dict(self._rows("SELECT order_id::text, state FROM desk.order_row"))
        for order_id, (row, _) in self.orders.items():
            what = f"{row['channel_ref']} ({row['kind']}) {order_id}"
            self._equal(f"{what}: asked to be invoiced", asked[order_id], row["invoiced_minor"])
            self._equal(f"{what}: invoiced", invoiced[order_id], row["invoiced_minor"])
            state = states.get(order_id)
            if state == "COMPLETED":
                self._equal(f"{what}: paid", paid[order_id] - credited[order_id], row["invoiced_minor"])
            elif state in ENDED:
                self._equal(f"{what}: kept of what was paid", paid[order_id] - credited[order_id], 0)
        self.wrong += [f"{order_id}: invoiced, but nobody sent it" for order_id in set(asked) | set(invoiced)
                       if order_id not in self.orders and order_id not in self._beside]

    # ---- messages
    def messages(self) -> None:
        sent: Counter = Counter()
        once: Counter = Counter()
        for order_id, event in self._timeline("notification-events"):
            if event.WhichOneof("body") not in ("sent", "failed"):
                continue
            once[order_id, event.causation_id, event.kind, event.channel, event.recipient] += 1
            if event.WhichOneof("body") == "sent":
                sent[event.sent.message_id] += 1
        self.wrong += [f"notification {key} has {count} outcomes" for key, count in once.items() if count > 1]
        self.wrong += [f"message {message_id} counts as sent {count} times" for message_id, count in sent.items() if count > 1]
        if self._mails is None:
            return
        strip = lambda text: text.strip().strip("<>")  # noqa: E731
        box = Counter(strip(mail["message_id"]) for mail in self._mails if not mail["repeat"] and mail["order"] in self.orders)
        self.wrong += [f"message {message_id} counts as sent and is not in the mailbox" for message_id in map(strip, sent) if message_id not in box]
        known = set(map(strip, sent))
        self.wrong += [f"message {message_id} is in the mailbox and doesn't count as sent" for message_id in box if message_id not in known]
        by_order: dict[str, set] = defaultdict(set)
        for mail in self._mails:
            by_order[mail["order"]].add(mail["kind"])
        for order_id, (row, _) in self.orders.items():
            kinds = {"COMPLETED": {"received", "confirmed", "shipped", "delivered"}, "REJECTED": {"rejected"}, "CANCELLED": {"cancelled"}}
            missing = kinds.get(row["state"] if "before" not in row or self._no_answer_ends else "", set()) - by_order[order_id]
            if missing:
                self.wrong.append(f"{row['channel_ref']} ({row['kind']}) {order_id}: no mail of kind {', '.join(sorted(missing))}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER")
    parser.add_argument("--log", required=True, metavar="FILE", help="of feed.py")
    parser.add_argument("--pg", required=True, metavar="DSN")
    parser.add_argument("--mails", default="", metavar="FILE")
    parser.add_argument("--beside", default="", metavar="FILE", help="JSON lines with order_id: orders beside the data's, of products beside the data's")
    parser.add_argument("--no-answer-ends", action="store_true", help="customers' deadlines are over: orders without an answer are cancelled")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    recount = Recount(options)
    recount.stock()
    recount.money()
    recount.messages()
    result = {"orders": len(recount.orders), "differences": recount.wrong}
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        for line in recount.wrong:
            print(line)
        print(f"{len(recount.orders)} orders counted again: {len(recount.wrong) or 'no'} differences")
    return 1 if recount.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
