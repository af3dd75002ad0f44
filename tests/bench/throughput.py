"""How much the desk gets done when there is more to do than it can do at once."""

from __future__ import annotations

import time
from dataclasses import replace

from benchlib import REFUSED_SKU, UNLIMITED, Bench, Options, several

PRODUCTS = 500  # of `hot`: what many products are


def _at_once(options: Options, orders: int) -> dict:
    with Bench(options) as bench:
        bench.warm()
        return {**bench.conditions(), **several(bench, lambda: bench.measured(orders, lambda: bench.run_orders(orders))), "rss_mib": bench.rss_mib()}


def saga(options: Options) -> dict:
    """Completed express orders a second at saturation, real work in every service."""
    return _at_once(options, 2000 if options.short else 20000)


def import_(options: Options) -> dict:
    """A large file: from its first byte to the last completed order."""
    return _at_once(replace(options, runs=1), 3000 if options.short else 100000)


def compensate(options: Options) -> dict:
    """The warehouse refuses, a person cancels, everything is released: cancelled orders a second, against completed ones in the same run."""
    orders = 300 if options.short else 10000
    with Bench(options, types=("OrderCompleted", "OrderCancelled"), person=True) as bench:
        def both() -> dict:
            completed = bench.measured(orders, lambda: bench.run_orders(orders))
            bodies = [bench.order_of(REFUSED_SKU) for _ in range(orders)]
            compensated = bench.measured(orders, lambda: bench.run_bodies(bodies, "OrderCancelled"))
            return {"compensated": compensated, "completed": completed,
                    "compensated_to_completed": round(compensated["orders_per_second"] / completed["orders_per_second"], 3)}

        bench.warm()
        bench.run_bodies([bench.order_of(REFUSED_SKU) for _ in range(100)], "OrderCancelled")
        result = several(bench, both)
        held = bench.stack.value("SELECT sum(reserved)::bigint FROM inventory.stock")
        assert held == 0, f"{held} units are still reserved"
        return {**bench.conditions(), **result}


def hot(options: Options) -> dict:
    """All orders on one product, against as many on many products in the same run."""
    orders = 500 if options.short else 20000
    with Bench(options, products=20 if options.short else PRODUCTS) as bench:
        def both() -> dict:
            one = bench.measured(orders, lambda: bench.run_orders(orders))
            bodies = [bench.order_of(bench.skus[number % len(bench.skus)]) for number in range(orders)]
            many = bench.measured(orders, lambda: bench.run_bodies(bodies))
            return {"one": one, "many": many, "one_to_many": round(one["orders_per_second"] / many["orders_per_second"], 3)}

        bench.warm()
        return {**bench.conditions(), "products": len(bench.skus), **several(bench, both)}


def scale(options: Options) -> dict:
    """Processes of each service from 1 to 4, partitions from 1 to 24: the broker the same and warm, tables and topics new for each."""
    orders = 300 if options.short else 20000
    points = []
    with Bench(options) as bench:
        bench.warm()
        for processes, partitions in ((1, 1), (4, 24)) if options.short else ((1, 6), (2, 6), (3, 6), (4, 6), (1, 1), (2, 12), (2, 24), (4, 24)):
            bench.renew(partitions=partitions, processes=processes)
            bench.run_orders(200 if options.short else 2000)
            measured = bench.measured(orders, lambda: bench.run_orders(orders))
            points.append({"processes": processes, "partitions": partitions, **measured, "rss_mib": round(sum(bench.rss_mib().values()), 1)})
        return {**bench.conditions(), "points": points}


def backlog(options: Options) -> dict:
    """The orchestrator is down while orders come in; then it catches up."""
    with Bench(options, UNLIMITED) as bench:
        bench.warm()
        orders = 2000 if options.short else 200000
        before = len(bench.peers.read("OrderCompleted"))
        for index in (1, 2):
            bench.stack.stop("orchestrator", index)
        bodies = [bench.order() for _ in range(orders)]
        begun = bench.feed(bodies)
        accepting = time.time() - begun

        def catch_up() -> float:
            begun = time.time()
            for index in (1, 2):
                bench.stack.start("orchestrator", index)
            bench.wait_count("OrderCompleted", before + orders, 3600)
            return time.time() - begun

        return {**bench.conditions(), "accepted_per_second": round(orders / accepting), **bench.measured(orders, catch_up)}
