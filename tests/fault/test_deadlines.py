"""The orchestrator down over its orders' deadlines while customers' answers wait in the topic: the answers win. Orders without an
answer are cancelled, once, and their customers are told once."""

from __future__ import annotations

import protos
from desk_run import DeskRun
from oclocal import services

KINDS = ("address_incomplete", "never_answered")  # both are asked about; the test answers for the first
DEADLINE = "25s"
LIMIT_S = 120
NO_ANSWER_RULE, ANSWER_RULE = 1008, 122


def answers_in_the_topic(stack) -> int:
    request = protos.load().orders.OrderRequest
    return sum(request.FromString(record.value()).WhichOneof("body") == "answer" for record in stack.records("orders"))


def test_an_answer_that_waited_out_an_outage_beats_the_deadline(stack, tmp_path):
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s", "DEADLINE_AWAITING_CUSTOMER": DEADLINE}, "customer": {"SILENT": "1"}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    run = DeskRun(stack, tmp_path, kinds=KINDS)
    run.feed()
    orders = {row["channel_ref"]: row["kind"] for row in run.orders()}
    ids = run.answered()
    stack.wait(lambda: stack.value("SELECT count(*) FROM orchestrator.saga WHERE state = 'AWAITING_CUSTOMER'") == len(orders), LIMIT_S, "all orders to wait")
    # Intake refuses what it knows to be impossible: its own copy of the orders' states must have come this far.
    stack.wait(lambda: stack.value("SELECT count(*) FROM intake.order_view WHERE state = 'AWAITING_CUSTOMER'") == len(orders), LIMIT_S, "intake to know it")
    for index in (1, 2):
        stack.kill("orchestrator", index)

    answered = {ref: ids[ref] for ref, kind in orders.items() if kind == "address_incomplete"}
    silent = {ref: ids[ref] for ref, kind in orders.items() if kind == "never_answered"}
    assert len(answered) >= 10 and len(silent) >= 3
    for channel_ref, order_id in answered.items():
        answer = run.answer(channel_ref, order_id)
        assert answer.status == 202, answer
    assert stack.value("SELECT min(deadline) > clock_timestamp() FROM orchestrator.saga WHERE state = 'AWAITING_CUSTOMER'"), "the answers came too late"
    stack.wait(lambda: answers_in_the_topic(stack) == len(answered), LIMIT_S, "the answers in the topic")
    stack.wait(lambda: stack.value("SELECT max(deadline) < clock_timestamp() FROM orchestrator.saga"), LIMIT_S, "the deadlines to pass", 0.2)
    waiting = stack.value("SELECT count(*) FROM orchestrator.saga WHERE state = 'AWAITING_CUSTOMER'")
    assert waiting == len(orders)
    print(f"{len(answered)} answers wait in the topic, the deadlines of all {waiting} orders are over")

    stack.settings["orchestrator"]["BATCH_MAX"] = "1"  # deadlines are due with every record, and most answers are yet unread
    for index in (1, 2):
        stack.start("orchestrator", index)
    history = run.finish(tmp_path)
    for order_id in answered.values():
        rules = history.rules(order_id)
        assert ANSWER_RULE in rules and NO_ANSWER_RULE not in rules, rules
        assert run.mails(order_id, "cancelled") == []
    for order_id in silent.values():
        assert history.rules(order_id).count(NO_ANSWER_RULE) == 1
        stack.wait(lambda order_id=order_id: run.mails(order_id, "cancelled"), LIMIT_S, "the customer to be told", 0.2)
        assert len(run.mails(order_id, "cancelled")) == 1
        assert stack.value("SELECT reason FROM desk.order_row WHERE order_id = %s", order_id) == "no_answer"
