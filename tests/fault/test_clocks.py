"""Machines whose clocks are an hour wrong, each by itself: orders go their way, what failed is tried again in seconds, and what
everybody signs and says bears the database's time."""

from __future__ import annotations

import time

import pytest
import wall_clock
from desk_run import DeskRun
from oclocal import services

HOUR_S = 3600
LIMIT_S = 120
CALLERS = ("fulfillment", "notifier")  # of others outside, again and again: what failed waits for its time
KINDS = ("express", "standard", "never_answered")


def wrong_clock(folder, name: str, off_s: int) -> str:
    file = folder / f"clock-{name}"
    wall_clock.set_off(file, off_s)
    return str(file)


@pytest.mark.parametrize("sign", [-1, 1])
def test_clocks_that_are_an_hour_wrong_change_nothing(stack, tmp_path, sign):
    off = {name: sign * (HOUR_S if name in CALLERS else -HOUR_S) for name in services.SERVICE_NAMES}
    stack.settings = {name: {"FAULT_CLOCK": wrong_clock(tmp_path, name, off_s)} for name, off_s in off.items()}
    stack.settings["orchestrator"].update(DISPUTE_WINDOW="2s", DEADLINE_AWAITING_CUSTOMER="15s")
    stack.settings["customer"] = {"SILENT": "1"}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    for double in ("warehouse", "mail"):
        assert stack.http(double, "PUT", "/control", json={"fail": 1}).status == 200
    run = DeskRun(stack, tmp_path, kinds=KINDS)
    begun = time.time()
    run.feed()
    failed = "SELECT count(*) FROM {}.effect WHERE attempt > 0"
    for service in CALLERS:
        stack.wait(lambda: stack.value(failed.format(service)) > 0, LIMIT_S, f"tries that failed in {service}")
    for double in ("warehouse", "mail"):
        assert stack.http(double, "PUT", "/control", json={"fail": 0}).status == 200
    run.finish(tmp_path)
    ended = time.time()
    for first, last in stack.sql("SELECT min(at), max(at) FROM orchestrator.saga_history"):
        assert begun - 1 < first.timestamp() <= last.timestamp() < ended + 1, "the history's times are the database's"
