"""Command line of the checker."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .check import check
from .departments import TOPICS as DEPARTMENT_TOPICS
from .history import Live
from .report import Report
from .run import topics

SETTLE_S = 120.0
LOOK_S = 0.2


def check_at_rest(history: Live, read_up: Callable[[], bool], settle_s: float) -> Report:
    """Checks an instant at which all was published and read; when there is none, an instant all the same, to name what wasn't.
    read_up: whether the receivers' logs are whole."""
    give_up = time.monotonic() + settle_s
    while True:
        whole = read_up()
        still, calm = history.cut()
        late = time.monotonic() > give_up
        if still and ((whole and calm) or late):
            return check(history)
        if late:
            report = Report()
            report.vacuous.append(f"the system was never still for a moment within {settle_s:.0f} s")
            return report
        time.sleep(LOOK_S)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="check", description="Checks the invariants I1 to I17 over what a run has left behind.",
                                     epilog="Exit: 0 all hold and the run proves something; 1 violations, or a vacuous run.")
    parser.add_argument("--run", required=True, type=Path, metavar="FOLDER",
                        help="clients.jsonl or feed.jsonl, faults.jsonl, epochs.jsonl, receivers/*.jsonl, as far as there are any")
    parser.add_argument("--pg", required=True, metavar="DSN", help="a role that may read every schema")
    parser.add_argument("--kafka", required=True, metavar="BOOTSTRAP")
    parser.add_argument("--topic-prefix", default="orderclerk.", metavar="P")
    parser.add_argument("--json", type=Path, metavar="OUT", help="the report as a document, too")
    parser.add_argument("--departments-group", default="departments-double", metavar="GROUP",
                        help="whose log receivers/departments.jsonl is: waited for until it has read everything")
    parser.add_argument("--settle-s", type=float, default=SETTLE_S, metavar="S", help="how long to wait until all is published and read")
    options = parser.parse_args(argv)
    history = Live(options.run, options.pg, options.kafka, options.topic_prefix)
    names = [f"{options.topic_prefix}{topic}.v1" for topic in DEPARTMENT_TOPICS]
    journal = (options.run / "receivers" / "departments.jsonl").exists()
    try:
        report = check_at_rest(history, lambda: not journal or topics.lag(options.kafka, options.departments_group, names) == 0, options.settle_s)
    finally:
        history.close()
    print(report.text())
    if options.json:
        options.json.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
