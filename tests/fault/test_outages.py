"""The broker or the database stopped while orders are under way: intake takes an order or says 503 with Retry-After, and never
takes what it can't keep. Clients send everything again with the same keys, and all orders end."""

from __future__ import annotations

import pytest
from desk_run import ENDED, DeskRun
from oclocal import services
from stack import Answer

BEFORE = 50  # orders taken before the outage, of the sample's 92
LIMIT_S = 120
UNPUBLISHED_MAX = 12  # per intake process: the broker's outage is felt after so many batches
INTAKES = (1, 2)


@pytest.fixture
def run(stack, tmp_path):
    """A stack with orders under way: departments are slow."""
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s"}, "departments": {"ANSWER_MS": "3000"},
                      "intake": {"INGRESS_UNPUBLISHED_MAX": str(UNPUBLISHED_MAX)}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    run = DeskRun(stack, tmp_path, sample=True, no_answer_ends=False)
    run.feed("--only", "reference")
    return run


def right(run: DeskRun) -> list[int]:
    """Places of orders that nobody would refuse at the door, each order once."""
    orders = run.orders()
    first = {row["channel_ref"]: number for number, row in reversed(list(enumerate(orders)))}
    return [number for number, row in enumerate(orders) if row["kind"] != "refused_at_the_door" and first[row["channel_ref"]] == number]


def refused_for_now(answer: Answer) -> bool:
    """503 as a problem document that says when to try again."""
    if answer.status != 503:
        return False
    assert answer.headers["content-type"].startswith("application/problem+json") and int(answer.headers["retry-after"]) >= 1, answer
    assert answer.json()["status"] == 503 and answer.json()["title"], answer
    return True


def taken_at_last(run: DeskRun, number: int) -> Answer | None:
    """None: not yet, since the publisher is behind."""
    answer = run.post(number, INTAKES[number % 2])
    if refused_for_now(answer):
        return None
    assert answer.status == 202, answer
    return answer


def begin(run: DeskRun, numbers: list[int]) -> dict[int, str]:
    """Takes them, and returns the ids by place once the orchestrator has them all."""
    taken = {}
    for number in numbers:
        answer = run.stack.wait(lambda number=number: taken_at_last(run, number), LIMIT_S, "the order to be taken")
        taken[number] = answer.json()["order_id"]
    run.stack.wait(lambda: run.stack.value("SELECT count(*) FROM orchestrator.saga") == len(taken), LIMIT_S, "sagas of all orders")
    under_way = run.stack.value("SELECT count(*) FROM orchestrator.saga WHERE NOT state = ANY(%s)", list(ENDED))
    print(f"{under_way} orders under way at the outage")
    assert under_way >= BEFORE // 2
    return taken


def finish(run: DeskRun, taken: dict[int, str], folder) -> None:
    """Clients send everything again: what had been taken is known by its key."""
    run.feed("--only", "orders")
    ids = run.answered()
    orders = run.orders()
    assert {number: ids[orders[number]["channel_ref"]] for number in taken} == taken
    run.finish(folder)


def test_broker_stopped(run, tmp_path):
    numbers = right(run)
    taken = begin(run, numbers[:BEFORE])
    assert run.stack.stop("kafka"), "the broker had to be killed"
    refused = 0
    for number in numbers[BEFORE:]:
        answer = run.post(number, INTAKES[number % 2])
        if refused_for_now(answer):
            refused += 1
        else:
            assert answer.status == 202, answer
            taken[number] = answer.json()["order_id"]
    print(f"without the broker: {len(taken) - BEFORE} orders taken, {refused} refused for now")
    assert len(taken) > BEFORE and refused > 0
    kept = run.stack.value("SELECT count(*) FROM intake.submission WHERE kind = 'order'")
    assert kept == len(taken), "an order is kept exactly if it was taken"
    run.stack.start("kafka")
    run.stack.wait_ready("kafka")
    finish(run, taken, tmp_path)


def test_database_stopped(run, tmp_path):
    numbers = right(run)
    taken = begin(run, numbers[:BEFORE])
    assert run.stack.stop("postgres"), "the database had to be killed"
    answers = [run.post(number, INTAKES[number % 2]) for number in numbers[BEFORE:]]
    answers += [run.post(number, INTAKES[number % 2]) for number in numbers[:4]]  # known keys: nobody can look them up
    answers.append(run.stack.http("intake", "POST", f"/v1/orders/{taken[numbers[0]]}/requests", json={"type": "cancel", "reason": "no longer needed"}))
    assert [answer.status for answer in answers if not refused_for_now(answer)] == []
    print(f"without the database: {len(answers)} submissions, all refused for now")
    for index in INTAKES:
        assert run.stack.alive("intake", index) and not run.stack.is_ready("intake", index)
    run.stack.start("postgres")
    run.stack.wait_ready("postgres")
    finish(run, taken, tmp_path)
