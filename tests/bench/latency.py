"""How long a single order takes, from the moment its request should have been sent to OrderCompleted read outside."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchlib import JSON, Bench, client, percentiles

SENDERS = 32


def at_rate(bench: Bench, rate: float, seconds: float) -> dict:
    """Open loop: requests by the clock, whatever the answers do."""
    count = max(1, int(rate * seconds))
    due: dict[str, float] = {}
    answered: list[float] = []
    bodies = [bench.order() for _ in range(count)]
    begun = time.time() + 0.3

    def post(n: int) -> None:
        at = begun + n / rate
        time.sleep(max(0.0, at - time.time()))
        answer = client.call("POST", f"{bench.stack.url('intake', 1 + n % 2)}/v1/orders", bodies[n], JSON)
        assert answer.ok, answer.body
        answered.append(time.time() - at)
        due[answer.json()["order_id"]] = at

    def run() -> float:
        before = len(bench.peers.read())
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(post, range(count)))
        bench.wait_completed(before + count)
        return time.time() - begun

    measured = bench.measured(count, run)
    return {"rate": rate, "orders": count, "accepted": percentiles(answered),
            "completed": percentiles([bench.peers.completed[order_id] - at for order_id, at in due.items()]),
            "cpu_ms_per_order": measured["cpu_ms_per_order"], "cpu_ms_by_program": measured["cpu_ms_by_program"],
            "inputs_per_batch": measured["inputs_per_batch"]}


def latency(short: bool) -> dict:
    """Latency at 20, 100 and 500 orders a second."""
    with Bench() as bench:
        bench.warm(1000 if short else 10000)
        return {**bench.conditions(), "points": [at_rate(bench, rate, 3 if short else 20) for rate in ((20, 100) if short else (20, 100, 500))]}


def curve(short: bool) -> dict:
    """CPU and latency from 20 orders a second up to saturation: the curve between few and many."""
    with Bench() as bench:
        bench.warm(1000 if short else 10000)
        saturation = bench.saturation()
        points = []
        for rate in (20, 50, 100, 200, 400, 800, 1600, 3200):
            if rate < saturation * 0.9:
                points.append(at_rate(bench, rate, 2 if short else 10))
        points.append({"half_of_saturation": at_rate(bench, saturation / 2, 2 if short else 10)})
        return {**bench.conditions(), "saturation": saturation, "points": points}


def soak(short: bool) -> dict:
    """Half load for ten minutes: memory, latency by the minute, size of the database."""
    with Bench() as bench:
        bench.warm(1000 if short else 10000)
        saturation = bench.saturation()
        minutes = []
        for _ in range(1 if short else 10):
            point = at_rate(bench, saturation / 2, 5 if short else 60)
            minutes.append({"completed": point["completed"], "cpu_ms_per_order": point["cpu_ms_per_order"], "rss_mib": bench.rss_mib(),
                            "database_mib": round(bench.database_bytes() / 2**20, 1)})
        return {**bench.conditions(), "rate": saturation / 2, "minutes": minutes}
