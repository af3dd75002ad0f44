"""How fast the checker is: python3 -m checker.measure [ORDERS], over a synthetic history."""

from __future__ import annotations

import resource
import sys
import time

from .check import check
from .synthetic import Repeated

ORDERS = 100_000


def main() -> int:
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
    history = Repeated(orders)
    begun = time.monotonic()
    records = sum(1 for topic in history.world.catalogue for _ in history.records(topic))
    making = time.monotonic() - begun
    report = check(history)
    print(report.text())
    print(f"making the {records} records alone: {making:.1f} s; at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
