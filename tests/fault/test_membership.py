"""Processes of each service join and leave under load, gracefully and by kill: nothing lost, nothing twice."""

from __future__ import annotations

from dataclasses import dataclass

from desk_run import ENDED, DeskRun
from oclocal import services
from stack import Stack

IN_FLIGHT = 15  # orders under way when the first process joins or leaves
LIMIT_S = 120


@dataclass(frozen=True)
class Change:
    """`joins` starts; when it has its share of the slots, `leaves` go for good, one after the other."""

    service: str
    joins: int
    leaves: tuple[tuple[int, str], ...]  # process, how


# Whoever is called by a fixed address stays: intake 1, fulfillment 1 (the warehouse's callbacks), desk 1.
CHANGES = (
    Change("validator", 2, ((1, "kill"),)),
    Change("orchestrator", 3, ((1, "stop"), (2, "kill"))),
    Change("inventory", 3, ((2, "stop"), (1, "kill"))),
    Change("notifier", 2, ((1, "stop"),)),
    Change("fulfillment", 2, ((2, "kill"),)),
    Change("intake", 3, ((2, "kill"), (3, "stop"))),
    Change("desk", 2, ((2, "stop"),)),
)


def owners(stack: Stack, service: str) -> dict[int, int]:
    """How many slots each live process of the service owns."""
    counts = dict(stack.sql(f"SELECT split_part(owner, ':', 2)::int, count(*) FROM {service}.slot WHERE owner IS NOT NULL GROUP BY 1"))
    indexes = range(1, 4)
    pids = {stack.process(service, index).pid: index for index in indexes if services.instance(service, index) in stack.home.state["processes"]}
    return {pids[pid]: count for pid, count in counts.items() if pid in pids and stack.alive(service, pids[pid])}


def under_way(run: DeskRun) -> int:
    """Acknowledged orders that have neither ended nor come to where they wait for a person for good."""
    resting = sum("before" in row or row.get("state", "COMPLETED") not in ENDED for row in run.rows("expected.ndjson"))
    return run.unfinished() - resting


def change(run: DeskRun, what: Change) -> None:
    stack, name = run.stack, what.service
    stack.start(name, what.joins)
    stack.wait_ready(name, what.joins, LIMIT_S)
    stack.wait(lambda: owners(stack, name).get(what.joins), LIMIT_S, f"{name} {what.joins} to own slots")
    assert under_way(run) > 0
    print(f"{name}: {what.joins} joined, slots {owners(stack, name)}; {under_way(run)} orders under way")
    for index, how in what.leaves:
        if how == "kill":
            stack.kill(name, index)
        else:
            assert stack.stop(name, index), f"{name} {index} had to be killed"
        stack.wait(lambda: sum(owners(stack, name).values()) == stack.partitions, LIMIT_S, f"the slots of {name} {index} to be taken over")
        print(f"{name}: {index} left ({how}), slots {owners(stack, name)}; {under_way(run)} orders under way")


def test_processes_join_and_leave_under_load(stack, tmp_path):
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s"}, "departments": {"ANSWER_MS": "4000"}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    run = DeskRun(stack, tmp_path, sample=True, no_answer_ends=False, intakes=(1,))
    run.feed("--only", "reference")
    feeding = run.feeding("--only", "orders", "--rate", "3")
    stack.wait(lambda: under_way(run) >= IN_FLIGHT, LIMIT_S, "orders under way", 0.1)
    for what in CHANGES:
        change(run, what)
    output, _ = feeding.communicate(timeout=300)
    assert feeding.returncode == 0, output[-4000:]
    run.feed("--only", "orders")  # clients send everything once more, with the same keys
    run.finish(tmp_path)
