"""Processes, broker and database killed in the middle of real work: every order still ends as the data says, nothing twice."""

from __future__ import annotations

import pytest
from desk_run import DeskRun, journals
from oclocal import demo, services
from stack import Stack

IN_FLIGHT = 200  # acknowledged, unfinished orders at the first kill
# Slow departments keep many orders under way. Customers have all the time that they have by default: how long a broker is away
# must not decide who has answered too late.
SETTINGS = {"orchestrator": {"DISPUTE_WINDOW": demo.SETTINGS["orchestrator"]["DISPUTE_WINDOW"]}, "departments": {"ANSWER_MS": "3000"}}


@pytest.fixture
def run(tmp_path):
    with Stack(settings=journals(tmp_path, SETTINGS)) as stack:
        stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
        desk = DeskRun(stack, tmp_path, no_answer_ends=False)
        with desk.watch():
            yield desk


def finish(run: DeskRun, folder) -> None:
    run.feed("--only", "orders")  # clients send everything once more, with the same keys
    waited = run.wait()
    assert waited.returncode == 0, waited.stdout[-6000:]
    counted = run.recount()
    assert counted.returncode == 0, counted.stdout[-6000:]
    folded = run.fold(folder)
    assert folded.returncode == 0, folded.stdout[-4000:]
    checked = run.check()
    print(checked.stdout[-6000:])
    assert checked.returncode == 0, checked.stdout[-6000:]


def test_each_service_killed_once(run, tmp_path):
    feeding = run.feeding()
    run.stack.wait(lambda: run.unfinished() >= IN_FLIGHT or feeding.poll() is not None, 180, "orders under way", 0.2)
    for name in services.SERVICE_NAMES:
        print(f"{name}: killed with {run.unfinished()} acknowledged, unfinished orders")
        run.stack.kill(name, 1)
        run.stack.start(name, 1)
        run.stack.wait_ready(name, 1)
    output, _ = feeding.communicate(timeout=300)
    assert feeding.returncode == 0, output[-4000:]
    finish(run, tmp_path)


def test_broker_and_database_killed(run, tmp_path):
    feeding = run.feeding()
    run.stack.wait(lambda: run.unfinished() >= IN_FLIGHT or feeding.poll() is not None, 180, "orders under way", 0.2)
    for name in ("kafka", "postgres"):
        print(f"{name}: killed with {run.unfinished()} acknowledged, unfinished orders")
        run.stack.kill(name)
        run.stack.start(name)
        run.stack.wait_ready(name)
    output, _ = feeding.communicate(timeout=300)
    assert feeding.returncode == 0, output[-4000:]
    finish(run, tmp_path)
