"""A release that changes the saga: orders that began under version 1 end by version 1, new ones by version 2.

The later release is orchestrator_v2: the product's orchestrator with a second version of the definitions in its book. In version 2 an
order without its customer's answer is rejected (1009), where version 1 cancels it (1008), and no mail tells of the last arrival (627
for 626).
"""

from __future__ import annotations

from pathlib import Path

from desk_run import DeskRun
from oclocal import services
from stack import Stack

LIMIT_S = 120
PER_KIND = {"standard": 8, "address_incomplete": 8, "never_answered": 4}  # half of each before the release, half after
NO_ANSWER = {1: 1008, 2: 1009}
LAST_ARRIVAL = {1: 626, 2: 627}


def halves(run: DeskRun) -> tuple[list[int], list[int]]:
    """Keeps so many orders of each kind; the places of those before and after the release."""
    rows, kinds = run.rows("orders.ndjson"), [row["kind"] for row in run.orders()]
    kept = [[number for number, kind in enumerate(kinds) if kind == wanted][:count] for wanted, count in PER_KIND.items()]
    old = [number for numbers in kept for number in numbers[::2]]
    new = [number for numbers in kept for number in numbers[1::2]]
    run.rewrite("orders.ndjson", [rows[number] for number in old + new])
    expected = run.rows("expected.ndjson")
    no_answer_now = {number: {**expected[number], "state": "REJECTED"} for number in new if expected[number]["kind"] == "never_answered"}
    run.rewrite("expected.ndjson", [no_answer_now.get(number, expected[number]) for number in old + new])
    return list(range(len(old))), list(range(len(old), len(old) + len(new)))


def later_release(stack: Stack, folder: Path) -> Path:
    """The build with the orchestrator of version 2 in the place of the product's."""
    (folder / "bin").mkdir(parents=True)
    for name in (*(service.binary for service in services.SERVICES), "orderctl"):
        (folder / "bin" / name).symlink_to(stack.build_folder / "bin" / ("orchestrator_v2" if name == "orchestrator" else name))
    return folder


def take(run: DeskRun, numbers: list[int]) -> dict[str, str]:
    """Posts these orders and returns their ids by channel_ref once they wait for somebody outside."""
    orders, ids = run.rows("orders.ndjson"), {}
    for number in numbers:
        answer = run.post(number)
        assert answer.status == 202, answer
        ids[orders[number]["channel_ref"]] = answer.json()["order_id"]
    waiting = "SELECT count(*) FROM intake.order_view WHERE state IN ('AWAITING_CUSTOMER', 'REGISTERED') AND order_id::text = ANY(%s)"
    run.stack.wait(lambda: run.stack.value(waiting, list(ids.values())) == len(ids), LIMIT_S, "the orders to be half-way")
    return ids


def rule_ids(stack: Stack, version: int) -> set[int]:
    return {row.rule_id for row in stack.sql("SELECT rule_id FROM orchestrator.saga_rule WHERE version = %s", version)}


def ended_by_version(run: DeskRun, history, version: int, ids: dict[str, str]) -> None:
    kinds = {row["channel_ref"]: row["kind"] for row in run.orders()}
    for channel_ref, order_id in ids.items():
        assert run.stack.value("SELECT definition_version FROM orchestrator.saga WHERE order_id = %s", order_id) == version
        assert {move[4] for move in history.moves[order_id].values()} == {version}
        rules, state = history.rules(order_id), run.stack.http("desk", "GET", f"/v1/orders/{order_id}").json()["state"]
        other = 3 - version
        assert NO_ANSWER[other] not in rules and LAST_ARRIVAL[other] not in rules
        if kinds[channel_ref] == "never_answered":
            assert NO_ANSWER[version] in rules and state == {1: "CANCELLED", 2: "REJECTED"}[version]
        else:
            assert LAST_ARRIVAL[version] in rules and state == "COMPLETED"
            assert len(run.mails(order_id, "delivered")) == {1: 1, 2: 0}[version]


def test_running_orders_keep_their_definition(stack, tmp_path, monkeypatch):
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s", "DEADLINE_AWAITING_CUSTOMER": "30s"}, "customer": {"SILENT": "1"}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    run = DeskRun(stack, tmp_path, kinds=PER_KIND)
    before, after = halves(run)
    run.feed("--only", "reference")
    stack.pause("departments")  # standard orders wait for their plans
    old = take(run, before)

    for index in (1, 2):
        assert stack.stop("orchestrator", index)
    half_way = stack.value("SELECT count(*) FROM orchestrator.saga WHERE state IN ('AWAITING_CUSTOMER', 'REGISTERED') AND definition_version = 1")
    assert half_way == len(old) and not rule_ids(stack, 2)
    monkeypatch.setattr(stack, "build_folder", later_release(stack, tmp_path / "release"))
    stack.settings["orchestrator"]["DEADLINE_AWAITING_CUSTOMER"] = "25s"  # of new orders
    for index in (1, 2):
        stack.start("orchestrator", index)
    for index in (1, 2):
        stack.wait_ready("orchestrator", index, LIMIT_S)
    assert rule_ids(stack, 1) ^ rule_ids(stack, 2) == {*NO_ANSWER.values(), *LAST_ARRIVAL.values()}

    new = take(run, after)
    print(f"{half_way} orders half-way under version 1 at the release, {len(new)} new ones under version 2")
    kinds = {row["channel_ref"]: row["kind"] for row in run.orders()}
    for channel_ref, order_id in {**old, **new}.items():
        if kinds[channel_ref] == "address_incomplete":
            answer = run.answer(channel_ref, order_id)
            assert answer.status == 202, answer
    stack.resume("departments")
    run.feed("--only", "orders")  # the same keys: nothing new, but the log names every order
    history = run.finish(tmp_path)
    ended_by_version(run, history, 1, old)
    ended_by_version(run, history, 2, new)
    unexplained = stack.value(
        "SELECT count(*) FROM orchestrator.saga_history h JOIN orchestrator.saga s USING (order_id) "
        "LEFT JOIN orchestrator.saga_rule r ON r.version = s.definition_version AND r.rule_id = h.rule_id "
        "WHERE r.rule_id IS NULL OR NOT s.definition = ANY(string_to_array(r.definitions, ' '))")
    assert unexplained == 0, "transitions that no rule of their own version explains"
