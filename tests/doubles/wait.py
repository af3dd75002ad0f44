#!/usr/bin/python3
"""Waits until every fed order has ended or waits for a person, by the desk's API, and compares with what was expected.

    wait.py --desk URL --log FEED_LOG [--expected FILE] [--no-answer-ends] [--json]

An order is done when it has ended or is where expected.ndjson leaves it. Without --expected: when nothing has changed for
--quiet-s. Exit: 0 everything as expected; 1 differences (listed); 2 not done in time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import client
from program import parse, tool_parser

ENDED = ("COMPLETED", "CANCELLED", "REJECTED", "ARCHIVED")
POLL_S = 0.5


def all_orders(desk: str) -> dict[str, dict]:
    """Every order that the desk lists, by order_id."""
    found: dict[str, dict] = {}
    after = ""
    while True:
        response = client.call("GET", f"{desk.rstrip('/')}/v1/orders?limit=500" + (f"&after={after}" if after else ""))
        page = response.json() if response.ok else None
        if not isinstance(page, dict):
            raise ConnectionError(f"the desk answers {response.status} {response.error} {response.body[:300]!r}")
        found.update({order["order_id"]: order for order in page["orders"]})
        after = page.get("next", "")
        if not after:
            return found


def fed(log: str) -> dict[str, dict]:
    """Accepted orders of a feed's log: order_id: the log's first line of it."""
    rows = [json.loads(line) for line in Path(log).read_text(encoding="utf-8").splitlines()]
    orders: dict[str, dict] = {}
    for row in rows:
        if row.get("order_id"):
            orders.setdefault(row["order_id"], row)
    return orders


def owner_fits(expected: str, seen: str) -> bool:
    """`warehouse` stands for any of them: warehouse:SH1. An order may wait on several."""
    return not expected or any(one == expected or one.startswith(expected + ":") for one in seen.split())


def place_of(row: dict, no_answer_ends: bool) -> tuple[str, str]:
    """State and owner where the expectation leaves the order."""
    if "before" in row and not no_answer_ends:
        return row["before"]["state"], row["before"]["waiting_on"]
    return row["state"], row.get("waiting_on", "")


def compare(orders: dict[str, dict], listed: dict[str, dict], log: list[dict], expected: list[dict], no_answer_ends: bool) -> list[str]:
    """Differences between the expectation and what the desk and the feed's log say, one line each."""
    wrong = []
    by_line = {row["line"]: row for row in log}
    first_id: dict[str, str] = {}
    for number, row in enumerate(expected):
        what = f"{row['channel_ref']} ({row['kind']})"
        posted = by_line.get(number)
        if posted is None:
            wrong.append(f"{what}: never posted")
            continue
        if "http" in row:
            if posted["status"] not in row["http"]:
                wrong.append(f"{what}: answered {posted['status']}, expected one of {row['http']}")
            continue
        if not posted["order_id"]:
            wrong.append(f"{what}: answered {posted['status']}, expected to be taken: {json.dumps(posted.get('problem'), ensure_ascii=False)}")
            continue
        if "same_as" in row:
            if posted["order_id"] != first_id.get(row["channel_ref"]):
                wrong.append(f"{what}: the second posting became another order")
            continue
        first_id.setdefault(row["channel_ref"], posted["order_id"])
        seen = listed.get(posted["order_id"])
        state, owner = place_of(row, no_answer_ends)
        if seen is None:
            wrong.append(f"{what}: not on the desk")
        elif seen["state"] != state or (state not in ENDED and not owner_fits(owner, seen.get("waiting_on", ""))):
            wrong.append(f"{what}: {seen['state']} waiting on {seen.get('waiting_on') or 'nobody'}, expected {state}{' waiting on ' + owner if owner else ''} "
                         f"[{posted['order_id']}] {seen.get('reason', '')}")
        elif row.get("reason") and state in ENDED and seen.get("reason") != row["reason"]:
            wrong.append(f"{what}: reason {seen.get('reason')!r}, expected {row['reason']!r}")
        elif state == "COMPLETED" and row.get("definition") and seen.get("definition") and seen["definition"] != row["definition"]:
            wrong.append(f"{what}: definition {seen['definition']}, expected {row['definition']}")
    return wrong


def is_done(order: dict | None, row: dict | None, no_answer_ends: bool) -> bool:
    if order is None:
        return False
    if order["state"] in ENDED:
        return True
    if row is None:
        return False
    state, owner = place_of(row, no_answer_ends)
    return order["state"] == state and owner_fits(owner, order.get("waiting_on", ""))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def summary(orders: dict[str, dict], listed: dict[str, dict]) -> dict:
    rows = [listed[order_id] for order_id in orders if order_id in listed]
    completed = sorted(_seconds(row["state_since"]) - _seconds(row["submitted_at"]) for row in rows if row["state"] == "COMPLETED" and row.get("submitted_at"))
    times = [_seconds(row["state_since"]) for row in rows if row["state"] == "COMPLETED"] + [_seconds(row["submitted_at"]) for row in rows]
    span = max(times) - min(times) if times else 0.0
    result = {"orders": len(orders), "by_state": Counter(row["state"] for row in rows), "by_channel": Counter(row.get("channel", "") for row in rows),
              "by_reason": Counter(row["reason"] for row in rows if row.get("reason")),
              "waiting_on": Counter(row.get("waiting_on") or "nobody" for row in rows if row["state"] not in ENDED),
              "seconds": round(span, 1), "completed_per_second": round(len(completed) / span, 1) if span else 0}
    if completed:
        result["completed_p50_s"] = round(completed[len(completed) // 2], 3)
        result["completed_p99_s"] = round(completed[min(len(completed) * 99 // 100, len(completed) - 1)], 3)
    return result


def show(result: dict) -> None:
    print(f"{result['orders']} orders in {result['seconds']} s, {result['completed_per_second']} completed a second, "
          f"p50 {result.get('completed_p50_s', '-')} s, p99 {result.get('completed_p99_s', '-')} s")
    for name in ("by_state", "by_channel", "by_reason", "waiting_on"):
        if result[name]:
            print(f"  {name.replace('_', ' ')}: " + ", ".join(f"{count} {key}" for key, count in sorted(result[name].items(), key=lambda pair: -pair[1])))


def main(argv: list[str] | None = None) -> int:
    parser = tool_parser(__doc__.splitlines()[0])
    parser.add_argument("--desk", default="http://127.0.0.1:8086", metavar="URL")
    parser.add_argument("--log", required=True, metavar="FILE", help="of feed.py")
    parser.add_argument("--expected", default="", metavar="FILE")
    parser.add_argument("--no-answer-ends", action="store_true", help="the customers' deadlines are short: orders without an answer are cancelled")
    parser.add_argument("--timeout-s", type=float, default=300)
    parser.add_argument("--quiet-s", type=float, default=15, help="give up when nothing has changed for so long")
    parser.add_argument("--json", action="store_true")
    options = parse(parser, argv)
    orders = fed(options.log)
    log = [json.loads(line) for line in Path(options.log).read_text(encoding="utf-8").splitlines()]
    expected = [json.loads(line) for line in Path(options.expected).read_text(encoding="utf-8").splitlines()] if options.expected else []
    row_of = {row["order_id"]: expected[row["line"]] for row in reversed(log) if row.get("order_id") and row["line"] < len(expected) and "state" in expected[row["line"]]}
    begun = changed = time.monotonic()
    before: dict[str, str] = {}
    shown = 0.0
    while True:
        listed = all_orders(options.desk)
        now = time.monotonic()
        states = {order_id: f"{listed[order_id]['state']} {listed[order_id]['revision']}" for order_id in orders if order_id in listed}
        if states != before:
            before, changed = states, now
        left = [order_id for order_id in orders if not is_done(listed.get(order_id), row_of.get(order_id), options.no_answer_ends)]
        done = not left or (not expected and now - changed > options.quiet_s)
        if done or now - begun > options.timeout_s or now - changed > options.quiet_s:
            break
        if now - shown > 5 and not options.json:
            shown = now
            print(f"{len(orders) - len(left)}/{len(orders)} orders have ended or wait for a person", flush=True)
        time.sleep(POLL_S)
    result = summary(orders, listed)
    result["differences"] = compare(orders, listed, log, expected, options.no_answer_ends)
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        show(result)
        for line in result["differences"]:
            print("  differs: " + line)
    if not done:
        print(f"wait: {len(left)} orders are not done, the first: {left[0]}", file=sys.stderr)
        return 2
    return 1 if result["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
