"""Not dead, but short of something: a slow database, a slow consumer, a full disk."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from oclocal import postgres

from faultrun.injection import Run
from faultrun.network import bad_line, database_routes

RATE = 30_000.0  # bytes a second, each way, each connection
SLOW_DELAY_MS = 30
STOPPED_S, RUNNING_S = 0.4, 0.05  # a process that gets an eighth of its time; far below the session timeout
BATCHES = 5
SLOW_S = 120
FULL_S = 120
BLOCK = 64 * 1024


def slow_database(run: Run) -> None:
    bad_line(run, "slow database", {"rate": RATE, "delay_ms": SLOW_DELAY_MS}, database_routes())


def slow_consumer(run: Run, service: str = "orchestrator") -> None:
    """Both of its processes run for an eighth of the time, until they have made some batches all the same."""
    rig = run.rig
    with run.injection("slow consumer", service) as it:
        processes = [process for name, process in list(rig.expected.items()) if name.rsplit("-", 1)[0] == service]
        slots = rig.owned(service)
        begun = sum(batch_no for batch_no, _ in slots.values())
        it.watch_batches(service, slots)
        it.struck()
        end = time.monotonic() + SLOW_S
        try:
            while sum(batch_no for batch_no, _ in rig.owned(service).values()) < begun + BATCHES and time.monotonic() < end:
                for number, pause_s in ((signal.SIGSTOP, STOPPED_S), (signal.SIGCONT, RUNNING_S)):
                    for process in processes:
                        process.signal(number)
                    time.sleep(pause_s)  # the fault itself
        finally:
            for process in processes:
                process.signal(signal.SIGCONT)
        it.recovered()


def _fill(file: Path) -> None:
    with open(file, "wb", buffering=0) as out:
        for size in (BLOCK, 512):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                continue


def _refuses(run: Run, database) -> bool:
    """Whether the database can't write its log any more: switching its file needs a new one."""
    try:
        with psycopg2.connect(run.rig.stack.postgres.dsn(postgres.SUPERUSER, connect_timeout="5")) as connection, connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5s'")
            cursor.execute("SELECT pg_switch_wal()")
        return not database.alive()
    except psycopg2.Error:
        return True


def full_disk(run: Run) -> None:
    """The tmpfs with the database's log is filled until it gives up; then there is room again, and it is started if it has to be."""
    rig = run.rig
    ballast = rig.wal / "ballast"
    with run.injection("full disk", postgres.NAME) as it:
        database = rig.process(postgres.NAME)
        it.watch_batches("orchestrator", rig.owned("orchestrator"))
        with rig.lock:
            rig.expected.pop(postgres.NAME, None)
        try:
            _fill(ballast)
            it.wait(lambda: _refuses(run, database), FULL_S, "the database to run out of room")
            it.struck()
        finally:
            ballast.unlink(missing_ok=True)
        it.line["ended"] = not database.alive()
        rig.start(postgres.NAME)  # nothing if it runs
        rig.wait_ready(postgres.NAME)
        it.recovered()


def jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    made: list[tuple[str, Callable[[], None]]] = []
    for _ in range(times):
        made += [("all", lambda: slow_database(run)), ("all", lambda: slow_consumer(run))]
        if run.rig.wal:
            made.append(("all", lambda: full_disk(run)))
    return made
