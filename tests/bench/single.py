"""One property of a service at a time: durable accepts, start, idleness."""

from __future__ import annotations

import time

from benchlib import UNLIMITED, Bench, Options, services

WINDOW_S = 10


def intake(options: Options) -> dict:
    """Orders accepted durably a second over HTTP, one order a request, 64 clients that wait for each answer."""
    with Bench(options, UNLIMITED, names=("intake", "validator", "inventory", "desk")) as bench:
        bench.request([bench.order() for _ in range(500 if options.short else 20000)])  # as warm as it gets without the others
        bodies = [bench.order() for _ in range(1000 if options.short else 50000)]
        cpu, begun = bench.cpu(), time.time()
        answers = bench.request(bodies)
        seconds = time.time() - begun
        accepted = sum(answer.status == 202 for answer in answers)
        strange = [answer for answer in answers if answer.status not in (202, 503)]
        assert accepted and not strange, strange[:1]
        return {**bench.conditions(), "accepted": accepted, "accepts_per_second": round(accepted / seconds),
                "cpu_ms_by_program": bench.cpu_since(cpu, 1000 / accepted)}


def startup(options: Options) -> dict:
    """Seconds from start to ready, broker and database up, tables there."""
    with Bench(options) as bench:
        seconds = {}
        for name in services.SERVICE_NAMES:
            bench.stack.stop(name, 1)
            begun = time.time()
            bench.stack.start(name, 1)
            bench.stack.wait_ready(name, 1)
            seconds[name] = round(time.time() - begun, 2)
        return {**bench.conditions(), "start_to_ready_s": seconds}


def idle(options: Options) -> dict:
    """What an idle desk costs: CPU, memory, database transactions a second by service."""
    with Bench(options) as bench:
        bench.warm()
        seconds = 5 if options.short else 30

        def transactions() -> dict[str, int]:
            return {row.usename: row.calls for row in bench.stack.sql(
                "SELECT r.rolname AS usename, sum(s.calls)::bigint AS calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE s.toplevel GROUP BY 1")}

        cpu, before = bench.cpu(), transactions()
        time.sleep(seconds)
        return {**bench.conditions(), "seconds": seconds,
                "cpu_percent": bench.cpu_since(cpu, 100 / seconds),
                "statements_per_second": {name: round((after - before.get(name, 0)) / seconds, 2) for name, after in transactions().items()
                                          if name.startswith("orderclerk_")},
                "rss_mib": bench.rss_mib()}
