"""Members that come and go: a rebalance storm, and a rolling upgrade to the next subscription version and back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from oclocal import services

from faultrun.injection import Injection, Run
from faultrun.rig import INSTANCES

STORM = {"validator": 2, "inventory": 5, "notifier": 2}  # service: the process that comes and goes
ROUNDS = 3
_next_lock = threading.Lock()


def storm(run: Run) -> None:
    """In three services at once a member joins, leaves in peace, joins, is killed, …"""
    rig = run.rig
    with run.injection("rebalance storm", " ".join(STORM)) as it:
        it.watch_batches("orchestrator", rig.owned("orchestrator"))
        it.struck()
        problems: list[str] = []

        def come_and_go(service: str, index: int) -> None:
            try:
                for number in range(ROUNDS):
                    rig.start(service, index)
                    rig.wait_ready(service, index)
                    if number % 2:
                        rig.kill(service, index)
                    else:
                        rig.stop(service, index)
            except Exception as error:
                problems.append(f"{service}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=come_and_go, args=one) for one in STORM.items()]
        for thread in threads:
            thread.start()
        it.recovered()
        for thread in threads:
            thread.join()
        it.line["joins"] = ROUNDS * len(STORM)
        assert not problems, "; ".join(problems)


def next_build(run: Run) -> Path:
    """The same binaries under the next subscription version: their Kafka group's name differs in its last letter."""
    stack = run.rig.stack
    folder = stack.home.path / "next"
    with _next_lock:
        if not folder.exists():
            (folder / "bin.new").mkdir(parents=True)
            for service in services.SERVICES:
                source = stack.build_folder / "bin" / service.binary
                data = source.read_bytes()
                old, new = f"{service.name}.v1\0".encode(), f"{service.name}.v2\0".encode()
                assert old in data, f"{source} has no group {service.name}.v1"
                file = folder / "bin.new" / service.binary
                file.write_bytes(data.replace(old, new))
                shutil.copymode(source, file)
            (folder / "bin.new").rename(folder / "bin")
    return folder


def upgrade(run: Run, service: str) -> None:
    """One process after the other from N to N+1, then back: for a while two groups claim the same slots from each other."""
    stack = run.rig.stack
    with run.injection("rolling upgrade", service) as it:
        newer = next_build(run)
        it.struck()
        try:
            for build in (newer, None):
                _restart_all(run, service, build, it)
        except Exception:
            _restart_all(run, service, None, None)  # never some of each for the rest of the run
            raise
        with run.rig.lock:  # another service's upgrade may be starting a process just now
            assert stack.build_folder != newer


def _restart_all(run: Run, service: str, build: Path | None, it: Injection | None) -> None:
    """The first one's slots must have a batch more after it has gone: what it did while it ended doesn't count."""
    rig = run.rig
    for index in range(1, INSTANCES[service] + 1):
        first = it is not None and it.line["recovered_s"] is None
        rig.stop(service, index)
        if first:
            it.lap("stopped_s")
            it.watch_batches(service, rig.owned(service))
        rig.start(service, index, build=build)
        rig.wait_ready(service, index)
        if first:
            it.lap("ready_s")
            it.recovered()


def upgrade_jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    return [(service, lambda service=service: upgrade(run, service)) for service in INSTANCES for _ in range(times)]
