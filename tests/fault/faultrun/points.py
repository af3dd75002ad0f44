"""Crashes at every named point of every service in which it can be hit, each process started again without it."""

from __future__ import annotations

import re
from collections.abc import Callable

from oclocal import services
from stack import REPOSITORY

from faultrun.injection import Run, Vacuous

FIRE_S = 120
HEADER = REPOSITORY / "common" / "base" / "fault.h"
LANE = ("lane_before_load", "lane_after_load", "lane_after_decide", "lane_after_save", "lane_commit_sent", "lane_after_commit")
PUBLISH = ("lane_after_produce", "lane_after_report")
CLAIM = ("claim_after_epoch", "claim_after_publish")
EFFECT = ("effect_before_call", "effect_after_call")
INGRESS = ("ingress_after_claim", "ingress_before_commit", "ingress_after_commit", "ingress_after_produce", "ingress_after_report")
TAKEOVER = "ingress_after_takeover"
# Where each can be hit: intake and desk publish nothing but dead letters, and two services call the outside or take requests in.
WHERE = {
    "intake": (*LANE, *CLAIM, *INGRESS, TAKEOVER),
    "validator": (*LANE, *PUBLISH, *CLAIM),
    "inventory": (*LANE, *PUBLISH, *CLAIM),
    "fulfillment": (*LANE, *PUBLISH, *CLAIM, *EFFECT, *INGRESS, TAKEOVER),
    "notifier": (*LANE, *PUBLISH, *CLAIM, *EFFECT),
    "orchestrator": (*LANE, *PUBLISH, *CLAIM),
    "desk": (*LANE, *CLAIM),
}
# Hits before the crash: some work is done first, so that three crashes in a row don't look like one input's fault.
AGAIN = {"lane": (3, 8), "effect": (1, 3), "ingress": (1, 3)}


def listed() -> list[str]:
    """The points of base/fault.h."""
    text = HEADER.read_text()
    block = text[text.index("#define FAULT_POINTS"):text.index("enum fault_point")]
    return re.findall(r"^    X\((\w+)\)", block, re.MULTILINE)


def placement() -> list[str]:
    """Points that are listed but stand nowhere, stand in code but aren't listed, or that this table forgets."""
    code = ""
    for folder in ("common", "services"):
        for file in (REPOSITORY / folder).rglob("*.c"):
            code += file.read_text()
    placed = set(re.findall(r"FAULT_POINT\((\w+)\)", code))
    names = set(listed())
    tried = {point for points in WHERE.values() for point in points}
    return [f"{name} is placed nowhere" for name in sorted(names - placed)] + [f"{name} is not tried anywhere" for name in sorted(names - tried)] \
        + [f"{name} is tried and isn't a point" for name in sorted(tried - names)]


def nth(run: Run, point: str) -> int:
    low, high = next((span for prefix, span in AGAIN.items() if point.startswith(prefix)), (1, 1))
    return 1 if point in (TAKEOVER, "ingress_after_claim") else run.draw.randint(low, high)


def crash(run: Run, service: str, point: str) -> None:
    """The first process of the service dies at the point."""
    rig, instance = run.rig, services.instance(service, 1)
    with run.injection("crash point", instance, point) as it:
        rig.stop(service, 1)
        size = rig.log_size(instance)
        process = rig.start(service, 1, f"{point}:{nth(run, point)}")
        it.wait(lambda: not process.alive(), FIRE_S, "the point to be reached")
        it.struck()
        try:
            if f"fault point {point}" not in rig.log_since(instance, size):
                raise Vacuous(f"the process ended, but not at the point: {rig.log_since(instance, size)[-600:]}")
            it.watch_process(service, process)
        finally:
            rig.start(service, 1)
        rig.wait_ready(service, 1)
        it.recovered()


def crash_in_takeover(run: Run, service: str) -> None:
    """One process dies with something unpublished, the other at taking that over."""
    rig = run.rig
    with run.injection("crash point", services.instance(service, 2), TAKEOVER) as it:
        spare = services.instance(service, 2) not in rig.expected
        if not spare:
            rig.stop(service, 2)
        second = services.instance(service, 2)
        size = rig.log_size(second)
        heir = rig.start(service, 2, f"{TAKEOVER}:1")
        rig.wait_ready(service, 2)
        rig.stop(service, 1)
        first = rig.start(service, 1, "ingress_after_commit:1")
        try:
            it.wait(lambda: not first.alive(), FIRE_S, "the first process to die after its commit")
            it.wait(lambda: not heir.alive(), FIRE_S, "the second to take over")
            it.struck()
            if f"fault point {TAKEOVER}" not in rig.log_since(second, size):
                raise Vacuous("the process ended, but not at the point")
            it.watch_process(service, first)
        finally:
            rig.start(service, 1)
            if not spare:
                rig.start(service, 2)
            elif heir.alive():
                rig.kill(service, 2)
        rig.wait_ready(service, 1)
        if not spare:
            rig.wait_ready(service, 2)
        it.recovered()


def jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    """(service, what to do), in an order of chance within each service."""
    made = []
    for service, points in WHERE.items():
        todo = [point for point in points for _ in range(times)]
        run.draw.shuffle(todo)
        for point in todo:
            if point == TAKEOVER:
                made.append((service, lambda service=service: crash_in_takeover(run, service)))
            else:
                made.append((service, lambda service=service, point=point: crash(run, service, point)))
    return made
