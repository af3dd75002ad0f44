"""What must not break the latency of others: full tables, many deadlines at once, more load than can be carried."""

from __future__ import annotations

import time

from benchlib import Bench, Options, percentiles
from clones import Clones
from latency import at_rate

LIVE_RATE = 100  # orders a second beside the deadlines
OVERLOAD_CONNECTIONS = 1000
# One address stands for many clients here.
ONE_ADDRESS = {"intake": {"HTTP_CONNECTIONS": "4000", "HTTP_PER_ADDRESS": "4000"}}


def growth(options: Options) -> dict:
    """Cost per order with so many orders in the tables, seeded by COPY with the rows of real ones under other ids."""
    sizes = [1000, 5000] if options.short else [10**4, 10**6, *([10**7] if options.long else [])]
    patterns, orders = (100, 300) if options.short else (200, 5000)
    points: list[dict] = []
    with Bench(options) as bench:
        bench.warm()
        bench.renew()
        bench.run_orders(patterns)
        bench.rest()
        # A deadline that an order has left behind fires once, in vain: those of a million copies would all be due at once.
        bench.stack.wait(lambda: bench.stack.value("SELECT count(*) FROM orchestrator.key_state WHERE due < now() + interval '1 day'") == 0,
                         300, "the patterns' first deadlines to be past", 1.0)
        clones = Clones(bench.stack)
        for size in sizes:
            begun = time.time()
            present = clones.fill(size)
            seeded = time.time() - begun
            bench.run_orders(patterns)  # what an index of that size needs is in memory
            measured = bench.measured(orders, lambda: bench.run_orders(orders))
            points.append({"orders_in_tables": present, "seeding_s": round(seeded, 1), "database_mib": round(bench.database_bytes() / 2**20), **measured})
        first = points[0]["cpu_ms_per_order"]
        return {**bench.conditions(), "points": points, "cost_to_first": [round(point["cpu_ms_per_order"] / first, 3) for point in points]}


def timers(options: Options) -> dict:
    """Deadlines of many orders due at once, after the orchestrator was down over them, while live orders run: latency to OrderDelivered."""
    patterns, deadlines, seconds = (100, 1000, 4) if options.short else (200, 500_000, 30)
    window_s = 20 if options.short else 60  # what is delivered must stop before its window ends
    with Bench(options, types=("OrderCompleted", "OrderDelivered")) as bench:
        bench.warm()
        bench.renew({"orchestrator": {"DISPUTE_WINDOW": f"{window_s}s"}})
        bench.run_bodies([bench.order() for _ in range(LIVE_RATE)], "OrderDelivered")
        without = at_rate(bench, LIVE_RATE, seconds, "OrderDelivered")
        bench.rest()
        bench.stack.wait(lambda: bench.stack.value("SELECT count(*) FROM orchestrator.saga WHERE state = 'DELIVERED'") == 0, window_s + 60,
                         "the live orders' windows to end", 1.0)
        bench.run_bodies([bench.order() for _ in range(patterns)], "OrderDelivered")
        bench.rest()
        for index in (1, 2):
            bench.stack.stop("orchestrator", index)
        others = bench.stack.value("SELECT count(*) FROM orchestrator.saga WHERE state <> 'DELIVERED'")
        Clones(bench.stack, "state = 'DELIVERED'").fill(others + deadlines)
        waiting = {row.id for row in bench.stack.sql("SELECT order_id::text AS id FROM orchestrator.saga WHERE state = 'DELIVERED'")}
        bench.stack.wait(lambda: bench.stack.value("SELECT max(deadline) < now() FROM orchestrator.saga WHERE state = 'DELIVERED'"),
                         window_s + 60, "the last deadline to be due", 0.2)
        begun = time.time()
        for index in (1, 2):
            bench.stack.start("orchestrator", index)
            bench.stack.wait_ready("orchestrator", index)
        beside = at_rate(bench, LIVE_RATE, seconds, "OrderDelivered")
        during = len(waiting - bench.peers.read("OrderCompleted").keys())
        bench.stack.wait(lambda: waiting <= bench.peers.read("OrderCompleted").keys(), 3600, "all that was due to be completed", 1.0)
        last = max(bench.peers.seen["OrderCompleted"][order_id] for order_id in waiting)
        return {**bench.conditions(), "due_at_once": len(waiting), "left_after_the_live_ones": during,
                "deadlines_per_second": round(len(waiting) / (last - begun)), "live_without": without, "live_beside": beside,
                "p99_to_without": round(beside["completed"]["p99_ms"] / without["completed"]["p99_ms"], 2)}


def overload(options: Options) -> dict:
    """Twice as many orders offered as can be completed: what is refused says when to come again, what is accepted is not late."""
    seconds = 5 if options.short else 60
    with Bench(options, ONE_ADDRESS) as bench:
        bench.warm()
        saturation = bench.saturation()
        bodies = [bench.order() for _ in range(int(2 * saturation * seconds))]
        before = len(bench.peers.read("OrderCompleted"))
        begun = time.time()
        answers = bench.request(bodies, rate=2 * saturation, connections=OVERLOAD_CONNECTIONS)
        offered_s = time.time() - begun
        accepted = {answer.order_id: answer for answer in answers if answer.status == 202}
        refused = [answer for answer in answers if answer.status in (429, 503)]
        strange = [answer for answer in answers if answer.status not in (202, 429, 503)]
        assert not strange, f"{len(strange)} strange answers, such as {strange[0]}"
        mute = [answer for answer in refused if not answer.says_when]
        assert not mute, f"{len(mute)} refusals don't say when to come again"
        queued = len(accepted) - (len(bench.peers.read("OrderCompleted")) - before)
        bench.stack.wait(lambda: accepted.keys() <= bench.peers.read("OrderCompleted").keys(), 1800, "accepted orders to be completed", 0.05)
        seen = bench.peers.seen["OrderCompleted"]
        return {**bench.conditions(), "saturation": round(saturation), "offered_per_second": round(len(bodies) / offered_s), "offered_s": round(offered_s, 1),
                "accepted": len(accepted), "refused": len(refused), "accepted_answers": percentiles([a.answered - a.due for a in accepted.values()]),
                "completed": percentiles([seen[order_id] - answer.due for order_id, answer in accepted.items()]),
                "queued_at_end": queued, "rss_mib": bench.rss_mib()}
