"""One property of a service at a time: durable accepts, start, idleness."""

from __future__ import annotations

import threading
import time

from benchlib import JSON, Bench, client, services

WINDOW_S = 10


def intake(short: bool) -> dict:
    """Orders accepted durably a second over HTTP, one order a request, 64 clients that wait for each answer."""
    with Bench(names=("intake", "validator", "inventory", "desk")) as bench:
        accepted = [0] * 64
        until = time.time() + (2 if short else WINDOW_S)

        def post(n: int) -> None:
            while time.time() < until:
                answer = client.call("POST", f"{bench.stack.url('intake', 1 + n % 2)}/v1/orders", bench.order(), JSON)
                assert answer.status in (202, 503), answer.body
                accepted[n] += answer.status == 202

        cpu, begun = bench.cpu(), time.time()
        threads = [threading.Thread(target=post, args=(n,)) for n in range(len(accepted))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds, total = time.time() - begun, sum(accepted)
        return {**bench.conditions(), "accepted": total, "accepts_per_second": round(total / seconds),
                "cpu_ms_by_program": bench.cpu_since(cpu, 1000 / total)}


def startup(short: bool) -> dict:
    """Seconds from start to ready, broker and database up, tables there."""
    with Bench() as bench:
        seconds = {}
        for name in services.SERVICE_NAMES:
            bench.stack.stop(name, 1)
            begun = time.time()
            bench.stack.start(name, 1)
            bench.stack.wait_ready(name, 1)
            seconds[name] = round(time.time() - begun, 2)
        return {**bench.conditions(), "start_to_ready_s": seconds}


def idle(short: bool) -> dict:
    """What an idle desk costs: CPU, memory, database transactions a second by service."""
    with Bench() as bench:
        bench.warm(1000)
        bench.stack.wait(lambda: bench.stack.value("SELECT count(*) FROM notifier.effect") == 0, 120, "mails to be out")
        seconds = 5 if short else 30

        def transactions() -> dict[str, int]:
            return {row.usename: row.calls for row in bench.stack.sql(
                "SELECT r.rolname AS usename, sum(s.calls)::bigint AS calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid GROUP BY 1")}

        cpu, before = bench.cpu(), transactions()
        time.sleep(seconds)
        return {**bench.conditions(), "seconds": seconds,
                "cpu_percent": bench.cpu_since(cpu, 100 / seconds),
                "statements_per_second": {name: round((after - before.get(name, 0)) / seconds, 2) for name, after in transactions().items()
                                          if name.startswith("orderclerk_")},
                "rss_mib": bench.rss_mib()}
