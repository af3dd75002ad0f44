"""How long a single order takes, from the moment its request should have been sent to an event of it read outside."""

from __future__ import annotations

import time

from benchlib import Bench, Options, percentiles, several

CONNECTIONS = 256  # an open loop: enough to send on while answers are slow


def at_rate(bench: Bench, rate: float, seconds: float, type_name: str = "OrderCompleted") -> dict:
    """Open loop: requests by the clock, whatever the answers do. Until `type_name` of the last."""
    count = max(1, int(rate * seconds))
    bodies = [bench.order() for _ in range(count)]
    due: dict[str, float] = {}
    answered: list[float] = []

    def run() -> float:
        before, begun = len(bench.peers.read(type_name)), time.time()
        for answer in bench.request(bodies, rate=rate, connections=CONNECTIONS):
            assert answer.status == 202, answer
            answered.append(answer.answered - answer.due)
            due[answer.order_id] = answer.due
        bench.stack.wait(lambda: due.keys() <= bench.peers.read(type_name).keys(), 900, f"{type_name} of {count} orders after {before}", 0.02)
        return time.time() - begun

    measured = bench.measured(count, run)
    seen = bench.peers.seen[type_name]
    return {"rate": rate, "orders": count, "accepted": percentiles(answered), "completed": percentiles([seen[order_id] - at for order_id, at in due.items()]),
            "cpu_ms_per_order": measured["cpu_ms_per_order"], "cpu_ms_by_program": measured["cpu_ms_by_program"],
            "statements_per_order": measured["statements_per_order"], "inputs_per_batch": measured["inputs_per_batch"]}


def latency(options: Options) -> dict:
    """Latency at 20, 100 and 500 orders a second."""
    rates, seconds = ((20, 100), 3) if options.short else ((20, 100, 500), 20)
    with Bench(options) as bench:
        bench.warm()
        points = [{"rate": rate, **several(bench, lambda: at_rate(bench, rate, seconds))} for rate in rates]
        return {**bench.conditions(), "points": points}


def curve(options: Options) -> dict:
    """CPU and latency from 20 orders a second up to saturation: the curve between few and many."""
    with Bench(options) as bench:
        bench.warm()
        saturation = bench.saturation()
        points = []
        for rate in (20, 50, 100, 200, 400, 800, 1600, 3200):
            if rate < saturation * 0.9:
                points.append(at_rate(bench, rate, 2 if options.short else 10))
        points.append({"half_of_saturation": at_rate(bench, saturation / 2, 2 if options.short else 10)})
        return {**bench.conditions(), "saturation": round(saturation), "points": points}


def soak(options: Options) -> dict:
    """Half load for ten minutes: memory, latency by the minute, size of the database."""
    with Bench(options) as bench:
        bench.warm()
        saturation = bench.saturation()
        minutes = []
        for _ in range(1 if options.short else 10):
            point = at_rate(bench, saturation / 2, 5 if options.short else 60)
            minutes.append({"completed": point["completed"], "cpu_ms_per_order": point["cpu_ms_per_order"], "rss_mib": bench.rss_mib(),
                            "database_mib": round(bench.database_bytes() / 2**20, 1)})
        return {**bench.conditions(), "rate": round(saturation / 2), "minutes": minutes}
