"""How much the desk gets done when there is more to do than it can do at once."""

from __future__ import annotations

import time

from benchlib import Bench


def _at_once(warm: int, orders: int) -> dict:
    with Bench() as bench:
        bench.warm(warm)
        return {**bench.conditions(), **bench.measured(orders, lambda: bench.run_orders(orders)), "rss_mib": bench.rss_mib()}


def saga(short: bool) -> dict:
    """Completed express orders a second at saturation, real work in every service."""
    return _at_once(1000, 2000) if short else _at_once(10000, 20000)


def import_(short: bool) -> dict:
    """A large file: from its first byte to the last completed order."""
    return _at_once(1000, 3000) if short else _at_once(10000, 100000)


def backlog(short: bool) -> dict:
    """The orchestrator is down while orders come in; then it catches up."""
    with Bench() as bench:
        bench.warm(1000 if short else 5000)
        orders = 2000 if short else 200000
        before = len(bench.peers.read())
        for index in (1, 2):
            bench.stack.stop("orchestrator", index)
        accepting = bench.measured_accepting(orders)

        def catch_up() -> float:
            begun = time.time()
            for index in (1, 2):
                bench.stack.start("orchestrator", index)
            bench.wait_completed(before + orders, 3600)
            return time.time() - begun

        return {**bench.conditions(), "accepting": accepting, **bench.measured(orders, catch_up)}
