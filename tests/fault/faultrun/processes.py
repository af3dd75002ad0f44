"""Processes killed or stopped at any moment: services, the broker, the database and its sessions."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from oclocal import kafka, postgres, services

from faultrun.injection import Run
from faultrun.rig import INSTANCES, PROCESSES

FOLLOW_S = 120
ANSWER_S = 10  # clients wait while enough orders are unfinished: after this a fault doesn't wait for their next answer


def kill(run: Run, service: str, index: int) -> None:
    rig = run.rig
    with run.injection("kill -9", services.instance(service, index)) as it:
        it.watch_process(service, rig.process(service, index))
        it.struck()
        rig.kill(service, index)
        rig.start(service, index)
        rig.wait_ready(service, index)
        it.recovered()


def zombie(run: Run, service: str) -> None:
    """Stopped until another process has all of its slots, then woken: it believes that they are its own."""
    rig, instance = run.rig, services.instance(service, 1)
    with run.injection("zombie", instance) as it:
        process = rig.process(service, 1)
        it.wait(lambda: rig.owned(service, process), FOLLOW_S, "slots of the one to be stopped")
        slots = rig.owned(service, process)
        it.watch_batches(service, slots)
        it.struck()
        process.signal(signal.SIGSTOP)
        try:
            it.wait(lambda: not set(slots) & set(rig.owned(service, process)), FOLLOW_S, "another owner of its slots")
            it.recovered()
        finally:
            process.signal(signal.SIGCONT)
        rig.wait_ready(service, 1)


def _just_acknowledged(run: Run) -> None:
    """Returns within milliseconds of an answer to a client: what was acknowledged last is what a database would lose first."""
    def accepted() -> int:
        return run.load.clients.counts["accepted"]

    before, end = accepted(), time.monotonic() + ANSWER_S
    while accepted() == before and time.monotonic() < end:
        time.sleep(0.001)


def _kill_and_start(run: Run, kind: str, name: str, watch: str) -> None:
    """watch: the injection's method that tells when work goes on."""
    rig = run.rig
    with run.injection(kind, name) as it:
        getattr(it, watch)("orchestrator", rig.owned("orchestrator"))
        _just_acknowledged(run)
        it.struck()
        rig.kill(name)
        rig.start(name)
        rig.wait_ready(name)
        it.recovered()


def kill_database(run: Run) -> None:
    _kill_and_start(run, "database killed", postgres.NAME, "watch_batches")


def kill_broker(run: Run) -> None:
    _kill_and_start(run, "broker killed", kafka.NAME, "watch_published")


def end_sessions(run: Run) -> None:
    """Every session of the services at once, in whatever transaction."""
    rig = run.rig
    with run.injection("sessions terminated", postgres.NAME) as it:
        it.watch_batches("orchestrator", rig.owned("orchestrator"))
        it.struck()
        count = rig.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'orderclerk\\_%%' AND pid <> pg_backend_pid()")[0][0]
        it.line["sessions"] = count
        it.recovered()


def kill_jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    picked = [run.draw.choice(PROCESSES) for _ in range(times)]
    return [(name, lambda name=name, index=index: kill(run, name, index)) for name, index in picked]


def zombie_jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    several = [name for name, count in INSTANCES.items() if count > 1]
    run.draw.shuffle(several)
    return [(several[number % len(several)], lambda name=several[number % len(several)]: zombie(run, name)) for number in range(times)]
