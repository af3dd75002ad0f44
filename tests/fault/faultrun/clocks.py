"""A service's wall clock jumps by an hour while it works, and stays wrong until it jumps again."""

from __future__ import annotations

from collections.abc import Callable

from oclocal import services

from faultrun.injection import Run
from faultrun.rig import PROCESSES

HOUR_S = 3600


def jump(run: Run, service: str, index: int) -> None:
    """Forth or back, an hour at most from the right time. The slots of the process must go on."""
    rig, instance = run.rig, services.instance(service, index)
    with run.injection("clock jump", instance) as it:
        it.watch_process(service, rig.process(service, index))
        off_s = rig.clock_off_s(instance)
        it.struck()
        it.line["off_s"] = off_s - HOUR_S if off_s > 0 or (off_s == 0 and run.draw.random() < 0.5) else off_s + HOUR_S
        rig.set_clock(instance, it.line["off_s"])
        it.recovered()


def jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    """One process after the other has its turn."""
    every = run.draw.sample(PROCESSES, len(PROCESSES))
    picked = [every[number % len(every)] for number in range(times)]
    return [(name, lambda name=name, index=index: jump(run, name, index)) for name, index in picked]
