"""The checker finds what is wrong, and nothing else: synthetic histories, whole and broken in one place each."""

from __future__ import annotations

import copy
import json
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checker.check import check  # noqa: E402
from checker.keys import Keys  # noqa: E402
from checker.report import EXAMPLES_MAX, NAMES, Report  # noqa: E402
from checker.synthetic import CANCELLED, COMPLETED, QUANTITY, Repeated, World, order_id_of  # noqa: E402
from checker.wire import Head, body_at  # noqa: E402

DONE, UNDONE = order_id_of(COMPLETED), order_id_of(CANCELLED)
STRANGER = str(uuid.UUID(int=7))


def broken(report: Report) -> set[str]:
    return {number for number, one in report.invariants.items() if one.violations}


def drop(rows: list, keep) -> None:
    rows[:] = [row for row in rows if keep(row)]


# ---- each way to break a history: (invariant, whom it names, how, which other invariants it can't but break as well)

def lost_saga(world: World) -> None:
    """Accepted and published, and the orchestrator forgot it: without a trace in its own tables and topics."""
    world.tables["orchestrator", "saga"].remove(world.row("orchestrator", "saga", order_id=DONE))


def acknowledged_unkept(world: World) -> None:
    world.files["clients.jsonl"].append({"op": "submit", "key": "lost", "order_id": STRANGER, "status": 202, "definite": True})


def acknowledged_cancel_unkept(world: World) -> None:
    world.files["clients.jsonl"].append({"op": "cancel", "key": "other", "order_id": UNDONE, "status": 202, "definite": True})


def submission_not_published(world: World) -> None:
    world.tables["intake", "submission"].append({"id": STRANGER, "kind": "request", "client_key": None, "subject": UNDONE})


def nobody_sent_it(world: World) -> None:
    drop(world.files["clients.jsonl"], lambda line: line["order_id"] != DONE)
    world.tables["intake", "submission"].remove(world.row("intake", "submission", subject=DONE))


def retry_got_another_order(world: World) -> None:
    """The second try of the first client was answered with the second order."""
    again = next(line for line in world.files["clients.jsonl"] if line["order_id"] == DONE and line["tries"] == 2)
    again["order_id"] = UNDONE


def same_reference_twice(world: World) -> None:
    world.change("orders", 0, CANCELLED, lambda one: setattr(one.submit.order, "channel_ref", f"W-{COMPLETED}"))


def ledger_skips(world: World) -> None:
    world.row("inventory", "stock_ledger", order_id=DONE, kind="CONSUME")["movement"] += 1
    world.row("inventory", "stock", sku=f"P-{COMPLETED}")["movements"] += 1


def ledger_does_not_add_up(world: World) -> None:
    row = world.row("inventory", "stock_ledger", order_id=DONE, kind="CONSUME")
    row["on_hand_after"] += 1
    world.row("inventory", "stock", sku=f"P-{COMPLETED}")["on_hand"] += 1


def counter_differs(world: World) -> None:
    world.row("inventory", "stock", sku=f"P-{COMPLETED}")["on_hand"] -= 1


def backorders_differ(world: World) -> None:
    world.row("inventory", "stock", sku=f"P-{COMPLETED}")["backordered"] = 2


def oversold(world: World) -> None:
    """More is reserved than there is, and everything adds up."""
    for row in world.tables["inventory", "stock_ledger"]:
        if row["sku"] == f"P-{COMPLETED}" and row["kind"] == "RESERVE":
            row["quantity"], row["reserved_change"], row["reserved_after"] = 101, 101, 101
        elif row["sku"] == f"P-{COMPLETED}" and row["kind"] == "CONSUME":
            row["reserved_after"] = 101 - QUANTITY
    world.row("inventory", "stock", sku=f"P-{COMPLETED}")["reserved"] = 101 - QUANTITY
    world.row("inventory", "allocation", order_id=DONE)["reserved"] = 101 - QUANTITY


def _more_ledger(world: World, mark: str, kind: str, on_hand: int, reserved: int) -> None:
    """One more row for the order's line, and a stock row that agrees with it."""
    stock = world.row("inventory", "stock", sku=f"P-{mark}")
    last = max((row for row in world.tables["inventory", "stock_ledger"] if row["sku"] == f"P-{mark}"), key=lambda row: row["movement"])
    world.tables["inventory", "stock_ledger"].append({
        **last, "movement": last["movement"] + 1, "kind": kind, "quantity": QUANTITY, "on_hand_change": on_hand, "reserved_change": reserved,
        "on_hand_after": last["on_hand_after"] + on_hand, "reserved_after": last["reserved_after"] + reserved})
    stock["movements"] += 1
    stock["on_hand"] += on_hand
    stock["reserved"] += reserved


def released_twice(world: World) -> None:
    _more_ledger(world, CANCELLED, "RELEASE", 0, -QUANTITY)


def shipped_unreserved(world: World) -> None:
    _more_ledger(world, COMPLETED, "LEFT", -QUANTITY, 0)


def consumed_twice(world: World) -> None:
    _more_ledger(world, COMPLETED, "RESERVE", 0, QUANTITY)
    _more_ledger(world, COMPLETED, "CONSUME", -QUANTITY, -QUANTITY)


def share_not_in_ledger(world: World) -> None:
    row = world.row("inventory", "allocation", order_id=DONE)
    row["reserved"] = 1


def two_products_on_a_line(world: World) -> None:
    row = world.row("inventory", "allocation", order_id=DONE)
    row["backordered"] = 1
    world.tables["inventory", "allocation"].append({**row, "sku": f"Q-{COMPLETED}", "backordered": 1})


def rule_not_in_table(world: World) -> None:
    """Cancelled out of a state in which the table has no such rule."""
    world.row("orchestrator", "saga_rule", rule_id=820)["in_states"] = "SHIPPED"


def wrong_target(world: World) -> None:
    world.row("orchestrator", "saga_rule", rule_id=1012)["to_state"] = "ARCHIVED"


def revision_skipped(world: World) -> None:
    records = [record for record in world.topics["order-events"] if COMPLETED.encode() in record[2]]
    event = world.types["order-events"]
    for record in records:
        message = event.FromString(record[3])
        if message.saga_revision > 8:
            message.saga_revision += 1
            record[3] = message.SerializeToString()


def history_differs(world: World) -> None:
    world.row("orchestrator", "saga_history", order_id=DONE, revision=3)["rule_id"] = 204


def stuck_in_passing(world: World) -> None:
    world.row("orchestrator", "saga_state", state="CANCELLED")["kind"] = "PASSING"


def waits_for_a_machine(world: World) -> None:
    _rewrite_end(world, "RESERVING", "inventory")


def waits_without_deadline(world: World) -> None:
    _rewrite_end(world, "REGISTERED", "finance", deadline=False)
    world.tables["desk", "task"].append({"order_id": DONE, "closed": None})


def waits_unseen(world: World) -> None:
    _rewrite_end(world, "REGISTERED", "finance")
    world.tables["desk", "task"].append({"order_id": DONE, "closed": 1})


def _rewrite_end(world: World, state: str, waiting_on: str, deadline: bool = True) -> None:
    """The completed order rests in another state: events, history, snapshot, views and rule agree."""
    row = world.row("orchestrator", "saga", order_id=DONE)
    doc = world.types["order-state"].FromString(row["doc"])
    doc.state, doc.waiting_on = state, waiting_on
    if not deadline:
        doc.deadline_us, row["deadline"] = 0, None
    row.update(state=state, waiting_on=waiting_on, doc=doc.SerializeToString())
    world.row("orchestrator", "saga_history", order_id=DONE, revision=9)["to_state"] = state
    world.row("orchestrator", "saga_rule", rule_id=1012)["to_state"] = state

    def event(one) -> None:
        one.transition.to_state, one.transition.waiting_on = state, waiting_on
        if not deadline:
            one.transition.deadline_us = 0

    def snapshot(one) -> None:
        one.state, one.waiting_on, one.deadline_us = state, waiting_on, doc.deadline_us
    world.change("order-events", -1, COMPLETED, event)
    world.change("order-state", -1, COMPLETED, snapshot)
    world.row("intake", "order_view", order_id=DONE).update(state=state, waiting_on=waiting_on)


def undone_and_holding(world: World) -> None:
    """It was cancelled and nobody gave its goods back; ledger, stock and share agree on that."""
    world.tables["inventory", "stock_ledger"].remove(world.row("inventory", "stock_ledger", order_id=UNDONE, kind="RELEASE"))
    stock = world.row("inventory", "stock", sku=f"P-{CANCELLED}")
    stock["reserved"], stock["movements"] = QUANTITY, stock["movements"] - 1
    world.row("inventory", "allocation", order_id=UNDONE)["reserved"] = QUANTITY


def undone_and_queueing(world: World) -> None:
    world.tables["inventory", "backorder"].append({"order_id": UNDONE, "sku": f"P-{CANCELLED}", "quantity": 3})
    world.row("inventory", "stock", sku=f"P-{CANCELLED}")["backordered"] = 3
    world.row("inventory", "allocation", order_id=UNDONE)["backordered"] = 3
    last = world.row("inventory", "stock_ledger", order_id=UNDONE, kind="RELEASE")
    world.tables["inventory", "stock_ledger"].append({**last, "movement": last["movement"] + 1, "kind": "BACKORDER", "quantity": 3, "reserved_change": 0})
    world.row("inventory", "stock", sku=f"P-{CANCELLED}")["movements"] += 1


def department_missed_one(world: World) -> None:
    lines = world.files["receivers/departments.jsonl"]
    lines.remove(next(line for line in lines if line["topic"] == "t.order-events.v1" and line["partition"] == 0 and line["offset"] == 0))


def timeline_missed_one(world: World) -> None:
    drop(world.tables["desk", "timeline_part"], lambda row: row["order_id"] != DONE or row["topic"] != 2 or row["last"] != 4)


def sequence_gap(world: World) -> None:
    """A record of the orchestrator is gone from its topic; its reader says it has applied up to the end."""
    _remove(world, "commands.inventory", COMPLETED, 0)


def _remove(world: World, topic: str, mark: str, number: int) -> None:
    """The topic never had it: positions behind it stay, as on a compacted topic."""
    mine = [record for record in world.topics[topic] if mark.encode() in record[2]]
    world.topics[topic].remove(mine[number])


def out_of_order(world: World) -> None:
    first, second = [record for record in world.topics["shipment-events"] if COMPLETED.encode() in record[2]][:2]
    first[3], second[3] = second[3], first[3]


def two_with_one_number(world: World) -> None:
    record = [record for record in world.topics["shipment-events"] if COMPLETED.encode() in record[2]][1]
    message = world.types["shipment-events"].FromString(record[3])
    message.event_id, message.sequence = STRANGER, 1
    _append(world, "shipment-events", record, message, readers=("orchestrator",))


def _append(world: World, topic: str, like: list, message, readers: tuple[str, ...]) -> list:
    """A record behind all others, and its readers have read it."""
    offset = world.ends(topic)[like[0]][1]
    record = [like[0], offset, like[2], message.SerializeToString()]
    world.topics[topic].append(record)
    for reader in readers:
        world.row(reader, "position", p=like[0], topic=world.catalogue[topic].number)["next_offset"] = offset + 1
    return record


def resent_with_new_number(world: World) -> None:
    """A copy that counts as a new event: the same id under the next number, and inventory took it for one."""
    record = [record for record in world.topics["commands.inventory"] if COMPLETED.encode() in record[2]][-1]
    message = world.types["commands.inventory"].FromString(record[3])
    message.sequence += 1
    _append(world, "commands.inventory", record, message, readers=("inventory",))
    world.row("inventory", "key_state", key=DONE)["read"] = f"5:{message.sequence}"
    _into_outbox(world, "orchestrator", "commands.inventory", message)


def _into_outbox(world: World, writer: str, topic: str, message) -> None:
    row = world.row(writer, "outbox", slot=0)
    batch = world.pb.outbox.OutboxBatch.FromString(row["records"])
    batch.records.add(topic=world.catalogue[topic].number, key=message.order_id.encode(), sequence=message.sequence, event_id=message.event_id)
    row["records"] = batch.SerializeToString()


def moved_twice_by_one_event(world: World) -> None:
    """The payment completed the order, as the table allows, after it had been recorded before: one cause, applied twice."""
    paid = world.row("orchestrator", "saga_history", order_id=DONE, event="PAYMENT_RECEIVED")
    last = world.row("orchestrator", "saga_history", order_id=DONE, revision=9)
    last.update({name: paid[name] for name in ("event", "topic", "record_partition", "record_offset", "causation_id")})
    world.row("orchestrator", "saga_rule", rule_id=1012)["on_events"] = "PAYMENT_RECEIVED"

    def event(one) -> None:
        move = one.transition
        move.event, move.cause_topic = paid["event"], paid["topic"]
        move.cause_partition, move.cause_offset = paid["record_partition"], paid["record_offset"]
    world.row("orchestrator", "saga_rule", rule_id=718)["when_name"] = "a part"  # else no rule after it could decide
    world.change("order-events", -1, COMPLETED, event)


def receipt_booked_twice(world: World) -> None:
    receipt = next(row for row in world.tables["inventory", "stock_ledger"] if row["kind"] == "RECEIPT" and row["sku"] == f"P-{COMPLETED}")
    for row in world.tables["inventory", "stock_ledger"]:
        if row["sku"] == receipt["sku"] and row is not receipt:
            row["movement"] += 1
            row["on_hand_after"] += receipt["quantity"]
    world.tables["inventory", "stock_ledger"].append({**receipt, "movement": 2, "on_hand_after": 2 * receipt["quantity"]})
    stock = world.row("inventory", "stock", sku=receipt["sku"])
    stock["on_hand"] += receipt["quantity"]
    stock["movements"] += 1


def answered_twice(world: World) -> None:
    """One command, two different answers, both in order."""
    record = [record for record in world.topics["inventory-events"] if COMPLETED.encode() in record[2]][-1]
    message = world.types["inventory-events"].FromString(record[3])
    message.sequence, message.event_id = message.sequence + 1, STRANGER
    _append(world, "inventory-events", record, message, readers=("orchestrator",))
    row = world.row("orchestrator", "key_state", key=DONE)
    row["read"] = " ".join(pair if not pair.startswith("10:") else f"10:{message.sequence}" for pair in row["read"].split())
    _into_outbox(world, "inventory", "inventory-events", message)


def warehouse_called_by_two_names(world: World) -> None:
    line = world.files["receivers/warehouse.jsonl"][0]
    world.files["receivers/warehouse.jsonl"].append({**line, "idempotency_key": "another"})


def notified_twice(world: World) -> None:
    row = world.row("notifier", "notification", order_id=DONE)
    world.tables["notifier", "notification"].append({**row, "id": STRANGER})


def never_notified(world: World) -> None:
    world.tables["notifier", "notification"].remove(world.row("notifier", "notification", order_id=DONE))
    drop(world.files["receivers/mail.jsonl"], lambda line: COMPLETED not in line["message_id"])
    for record in world.topics["notification-events"]:
        if COMPLETED.encode() in record[2]:
            message = world.types["notification-events"].FromString(record[3])
            message.failed.reason = "no such mailbox"
            record[3] = message.SerializeToString()


def mail_never_came(world: World) -> None:
    drop(world.files["receivers/mail.jsonl"], lambda line: COMPLETED not in line["message_id"])


def batch_written_twice(world: World) -> None:
    """Two owners of one slot have each written a batch of this number."""
    row = world.row("validator", "outbox", slot=0)
    world.tables["validator", "outbox"].append({**row, "created_at": row["created_at"] + 1, "records": b""})


def batch_of_a_late_writer(world: World) -> None:
    row = world.row("validator", "outbox", slot=0)
    world.tables["validator", "outbox"].append({**row, "batch_no": 2, "created_at": row["created_at"] - 1, "records": b""})
    slot = world.row("validator", "slot", p=0)
    slot["batch_no"] = slot["published_no"] = 2


def epoch_fell(world: World) -> None:
    seen = {"schema": "orchestrator", "table": "slot", "slot": 1, "batch_no": 7, "published_no": 7}
    world.files["epochs.jsonl"] += [{**seen, "epoch": 4}, {**seen, "epoch": 3}]


def published_uncommitted(world: World) -> None:
    """What a batch produced that was never committed is on the topic."""
    record = [record for record in world.topics["notification-events"] if COMPLETED.encode() in record[2]][-1]
    message = world.types["notification-events"].FromString(record[3])
    message.sequence, message.event_id = message.sequence + 1, STRANGER
    message.ClearField("sent")
    message.failed.reason = "given up"
    _append(world, "notification-events", record, message, readers=("desk",))
    world.row("desk", "key_state", key=DONE)["read"] = world.row("desk", "key_state", key=DONE)["read"].replace("14:1", "14:2")
    world.tables["desk", "timeline_part"].append({"order_id": DONE, "topic": 14, "records": 1, "last": 2})


def row_behind_events(world: World) -> None:
    """PostgreSQL has forgotten the last change; the document with it."""
    row = world.row("orchestrator", "saga", order_id=DONE)
    row["revision"] -= 1


def older_snapshot_last(world: World) -> None:
    """What somebody had under way for long came behind the newest: compaction would leave only that."""
    records = [record for record in world.topics["order-state"] if COMPLETED.encode() in record[2]]
    _append(world, "order-state", records[-1], world.types["order-state"].FromString(records[-2][3]), readers=("desk", "intake"))


def document_differs(world: World) -> None:
    row = world.row("orchestrator", "saga", order_id=DONE)
    doc = world.types["order-state"].FromString(row["doc"])
    doc.steps.add(step_no=1, name="reserve", state="ASKED")
    row["doc"] = doc.SerializeToString()


def unpublished(world: World) -> None:
    world.row("notifier", "slot", p=1)["published_no"] -= 1


def outbox_not_on_topic(world: World) -> None:
    """published_no says that it is there."""
    message = world.types["control"](event_id=STRANGER, order_id=DONE, source="notifier")
    _into_outbox(world, "notifier", "control", message)


def held_uninjected(world: World) -> None:
    world.row("orchestrator", "key_state", key=DONE).update(held="REJECTED", held_detail="no")


def invoice_does_not_add_up(world: World) -> None:
    def edit(event) -> None:
        event.invoice_requested.net_minor += 1
    number = next(i for i, record in enumerate(one for one in world.topics["order-events"] if COMPLETED.encode() in one[2])
                  if world.types["order-events"].FromString(record[3]).HasField("invoice_requested"))
    world.change("order-events", number, COMPLETED, edit)


def a_unit_lost(world: World) -> None:
    """One minor unit less was invoiced than the order's total; documents and records agree on it."""
    def less(message) -> None:
        message.invoiced_minor -= 1
    _edit_document(world, less)
    for topic, field in (("order-events", "invoice_requested"), ("order-events", "invoice_recorded"), ("commands.departments", "request_invoice")):
        for record in world.topics[topic]:
            message = world.types[topic].FromString(record[3])
            if message.HasField(field) and message.order_id == DONE:
                body = getattr(message, field)
                body.gross_minor -= 1
                if field != "invoice_recorded":
                    body.net_minor -= 1
                record[3] = message.SerializeToString()


def _edit_document(world: World, edit) -> None:
    row = world.row("orchestrator", "saga", order_id=DONE)
    doc = world.types["order-state"].FromString(row["doc"])
    edit(doc)
    row["doc"] = doc.SerializeToString()
    world.change("order-state", -1, COMPLETED, edit)


def money_kept(world: World) -> None:
    """Completed, and more was paid than is payable."""
    world.change("order-events", -2, COMPLETED, lambda event: _pay_more(event.payment_recorded))
    _edit_document(world, lambda doc: setattr(doc, "paid_minor", doc.paid_minor + 5))


def _pay_more(body) -> None:
    body.amount_minor += 5
    body.paid_minor += 5


def record_not_read(world: World) -> None:
    world.row("orchestrator", "position", p=0, topic=11)["next_offset"] -= 1


def sequenced_not_applied(world: World) -> None:
    """Read on past it, and neither applied nor kept."""
    row = world.row("orchestrator", "key_state", key=DONE)
    row["read"] = " ".join(pair if not pair.startswith("11:") else "11:1" for pair in row["read"].split())


def by_id_not_applied(world: World) -> None:
    seen = world.tables["orchestrator", "seen"]
    seen.remove(next(row for row in seen if row["key"] == DONE))


def applied_from_nowhere(world: World) -> None:
    world.tables["orchestrator", "seen"].append({"id": STRANGER, "key": DONE})


def undecodable_skipped(world: World) -> None:
    record = _append(world, "department-replies", world.topics["department-replies"][0], world.types["department-replies"](), readers=("orchestrator",))
    record[3] = b"\xff not protobuf"


def version_not_kept(world: World) -> None:
    world.row("desk", "order_row", order_id=DONE)["revision"] -= 1


def view_is_old(world: World) -> None:
    world.row("intake", "order_view", order_id=DONE)["state"] = "DELIVERED"


BREAKS = [
    ("I1", DONE, lost_saga, {"I14"}),
    ("I1", STRANGER, acknowledged_unkept, ()),
    ("I1", UNDONE, acknowledged_cancel_unkept, ()),
    ("I1", UNDONE, submission_not_published, ()),
    ("I2", DONE, nobody_sent_it, ()),
    ("I3", UNDONE, retry_got_another_order, ()),
    ("I3", UNDONE, same_reference_twice, ()),
    ("I4", DONE, ledger_skips, ()),
    ("I4", DONE, ledger_does_not_add_up, ()),
    ("I4", f"P-{COMPLETED}@SH1", counter_differs, ()),
    ("I4", f"P-{COMPLETED}", backorders_differ, ()),
    ("I4", DONE, oversold, ()),
    ("I5", UNDONE, released_twice, {"I4"}),  # a product of its own: less than nothing is reserved
    ("I5", DONE, shipped_unreserved, ()),
    ("I5", DONE, consumed_twice, ()),
    ("I5", DONE, share_not_in_ledger, {"I4"}),
    ("I5", DONE, two_products_on_a_line, {"I4"}),
    ("I6", UNDONE, rule_not_in_table, ()),
    ("I6", DONE, wrong_target, ()),
    ("I6", DONE, revision_skipped, {"I14"}),
    ("I6", DONE, history_differs, ()),
    ("I7", UNDONE, stuck_in_passing, ()),
    ("I7", DONE, waits_for_a_machine, ()),
    ("I7", DONE, waits_without_deadline, ()),
    ("I7", DONE, waits_unseen, ()),
    ("I8", UNDONE, undone_and_holding, ()),
    ("I8", UNDONE, undone_and_queueing, ()),
    ("I9", DONE, department_missed_one, ()),
    ("I9", DONE, timeline_missed_one, ()),
    ("I10", DONE, sequence_gap, {"I11", "I15"}),
    ("I10", DONE, out_of_order, ()),
    ("I10", DONE, two_with_one_number, ()),
    ("I10", DONE, resent_with_new_number, ()),
    ("I11", DONE, moved_twice_by_one_event, ()),
    ("I11", f"P-{COMPLETED}@SH1", receipt_booked_twice, ()),
    ("I11", DONE, answered_twice, ()),
    ("I11", DONE, warehouse_called_by_two_names, ()),
    ("I12", DONE, notified_twice, ()),
    ("I12", DONE, never_notified, ()),
    ("I12", DONE, mail_never_came, ()),
    ("I13", "validator.outbox 0", batch_written_twice, ()),
    ("I13", "validator.outbox 0", batch_of_a_late_writer, ()),
    ("I13", "orchestrator.slot 1", epoch_fell, ()),
    ("I13", DONE, published_uncommitted, ()),
    ("I14", DONE, row_behind_events, ()),
    ("I14", DONE, document_differs, ()),
    ("I14", DONE, older_snapshot_last, ()),
    ("I15", "notifier.slot 1", unpublished, ()),
    ("I15", DONE, outbox_not_on_topic, ()),
    ("I15", DONE, held_uninjected, ()),
    ("I16", DONE, invoice_does_not_add_up, ()),
    ("I16", DONE, a_unit_lost, ()),
    ("I16", DONE, money_kept, ()),
    ("I17", "shipment-events/0", record_not_read, ()),
    ("I17", DONE, sequenced_not_applied, ()),
    ("I17", DONE, by_id_not_applied, ()),
    ("I17", "orchestrator", applied_from_nowhere, ()),
    ("I17", "department-replies/0@", undecodable_skipped, ()),
    ("I17", DONE, version_not_kept, ()),
    ("I17", DONE, view_is_old, ()),
]


@pytest.mark.parametrize(("number", "named", "spoil", "besides"), BREAKS, ids=[f"{number}-{spoil.__name__}" for number, _, spoil, _ in BREAKS])
def test_a_broken_history_is_found_out(number, named, spoil, besides):
    world = World()
    spoil(world)
    report = check(world)
    assert not report.good
    assert broken(report) == {number, *besides}, report.text()
    assert any(example.startswith(named) for example in report[number].examples), report.text()


def test_each_invariant_is_broken_by_some_test():
    assert {number for number, *_ in BREAKS} == set(NAMES)


# ---- what is in order

def test_a_whole_history_is_good():
    report = check(World(6))
    assert report.good, report.text()
    assert all(one.checked for one in report.invariants.values())


def test_waiting_for_a_person_is_good():
    world = World()
    _rewrite_end(world, "REGISTERED", "finance")
    world.tables["desk", "task"].append({"order_id": DONE, "closed": None})
    report = check(world)
    assert report.good, report.text()


def test_copies_and_late_copies_are_duplicates():
    world = World()
    copies = 0
    for topic, readers in (("order-events", ("desk",)), ("commands.inventory", ("inventory",)), ("department-replies", ("orchestrator",))):
        for record in [one for one in world.topics[topic] if COMPLETED.encode() in one[2]]:
            message = world.types[topic].FromString(record[3])
            message.again = True
            again = _append(world, topic, record, message, readers)
            copies += 1
            if topic == "order-events":
                world.files["receivers/departments.jsonl"].append({"what": "event", "topic": "t.order-events.v1", "partition": again[0], "offset": again[1]})
    report = check(world)
    assert report.good, report.text()
    assert f"{copies} duplicates" in report.numbers["records"]


def test_a_mail_may_come_again_under_its_own_id():
    world = World()
    world.files["receivers/mail.jsonl"] += copy.deepcopy(world.files["receivers/mail.jsonl"])
    report = check(world)
    assert report.good, report.text()
    assert report.numbers["mails that came again"] == 2


@pytest.mark.parametrize("reason", ["UNDECODABLE", "WRONG_SOURCE", "WRONG_PARTITION"])
def test_what_was_injected_may_be_held_or_a_dead_letter(reason):
    world = World()
    number = world.catalogue["shipment-events"].number
    held = _append(world, "shipment-events", world.topics["shipment-events"][0], world.types["shipment-events"](
        event_id=STRANGER, order_id=DONE, sequence=3), readers=("orchestrator",))
    garbage = _append(world, "shipment-events", held, world.types["shipment-events"](), readers=("orchestrator",))
    garbage[3] = b"\xff"
    world.tables["orchestrator", "held"].append({"key": DONE, "topic": number, "partition": 0, "record_offset": held[1], "reason": "REJECTED"})
    world.row("orchestrator", "key_state", key=DONE).update(held="REJECTED", held_detail="unknown body")
    letter = world.types["dead-letters"](event_id=str(uuid.UUID(int=9)), order_id=DONE, source="orchestrator", service="orchestrator", topic="shipment-events",
                                         partition=0, offset=garbage[1], key=DONE.encode(), reason=reason)
    world.put("dead-letters", DONE, letter.SerializeToString(), 0)
    world.row("desk", "position", p=0, topic=24)["next_offset"] = 1
    world.tables["desk", "seen"].append({"id": letter.event_id, "key": DONE})
    _into_outbox(world, "orchestrator", "dead-letters", letter)
    injected = [{"topic": "t.shipment-events.v1", "partition": 0, "offset": record[1], "kind": "corrupt"} for record in (held, garbage)]
    assert broken(check(world)) == {"I10", "I13", "I15"}  # as long as nobody says that they were injected
    world.files["injected.jsonl"] = injected
    report = check(world)
    assert report.good, report.text()
    assert report.numbers["injected records"] == 2
    assert "1 dead letters + 1 held" in report.numbers["records"]


def test_what_follows_from_a_made_up_order_is_no_violation():
    """Records on the wrong topics, of an order that nobody has sent: notifier and desk have taken them for what they seem to be."""
    world = World()
    for topic, reader in (("commands.notifier", "notifier"), ("order-events", "desk")):
        like = world.topics[topic][0]
        record = _append(world, topic, [like[0], 0, STRANGER.encode(), b""], world.types[topic](event_id=STRANGER, order_id=STRANGER, sequence=1), (reader,))
        world.tables[reader, "key_state"].append({"key": STRANGER, "read": f"{world.catalogue[topic].number}:1", "held": None, "held_detail": None})
        world.files["injected.jsonl"].append({"topic": f"t.{topic}.v1", "partition": record[0], "offset": record[1], "key": STRANGER})
    world.tables["desk", "timeline_part"].append({"order_id": STRANGER, "topic": 2, "records": 1, "last": 1})
    world.tables["notifier", "notification"].append({**world.row("notifier", "notification", order_id=DONE), "causing_event": STRANGER, "id": STRANGER,
                                                     "order_id": STRANGER})
    world.tables["orchestrator", "key_state"].append({"key": STRANGER, "read": "", "held": "UNKNOWN", "held_detail": "no such order"})
    report = check(world)
    assert report.good, report.text()
    del world.files["injected.jsonl"][:]
    assert {"I9", "I10", "I12", "I15"} & broken(check(world))


def test_repeated_histories_are_whole_and_large():
    history = Repeated(400)
    report = check(history)
    assert report.good, report.text()
    assert report.numbers["orders"] == 400
    assert report["I6"].checked == 200 * check(history.world)["I6"].checked


# ---- a run that proves nothing

def test_an_empty_history_fails():
    report = check(World(0))
    assert not report.good and not broken(report)
    assert "I1 was never checked" in report.vacuous


def test_too_many_unknown_outcomes_fail():
    world = World()
    world.files["clients.jsonl"].append({"op": "submit", "key": "lost", "order_id": "", "status": 0, "definite": False})
    report = check(world)
    assert not broken(report)
    assert any("definite" in reason for reason in report.vacuous)


def test_too_many_refusals_fail():
    world = World()
    world.files["clients.jsonl"].append({"op": "submit", "key": "bad", "order_id": "", "status": 422, "definite": True})
    report = check(world)
    assert not broken(report)
    assert report.vacuous == ["only 2 of 3 operations are accepted: at least 90% must be"]


@pytest.mark.parametrize(("in_flight", "good"), [(0, False), (3, True)])
def test_faults_without_work_in_flight_prove_nothing(in_flight, good):
    world = World()
    world.files["faults.jsonl"] = [{"at": 1.0, "kind": "kill", "target": "orchestrator", "in_flight": 0},
                                   {"at": 2.0, "kind": "kill", "target": "orchestrator", "in_flight": in_flight}]
    report = check(world)
    assert report.good is good, report.text()


def test_the_log_of_the_feed_counts_as_the_clients_log():
    world = World()
    for line in world.files.pop("clients.jsonl"):
        if line["op"] == "submit":
            world.files["feed.jsonl"].append({"what": "order", "channel_ref": "r" + line["key"], **line})
    report = check(world)
    assert report.good, report.text()
    assert report["I3"].checked > 0


# ---- parts

def test_many_violations_are_counted_and_a_few_are_told():
    report = Report()
    for number in range(EXAMPLES_MAX + 5):
        report["I8"].fail(f"order {number}", "holds goods")
    assert report["I8"].violations == EXAMPLES_MAX + 5 and len(report["I8"].examples) == EXAMPLES_MAX
    assert "and 5 more" in report.text()
    assert json.loads(json.dumps(report.document()))["invariants"]["I8"]["violations"] == EXAMPLES_MAX + 5


def test_the_common_fields_and_the_rest_are_told_apart():
    world = World(1)
    for topic in ("order-state", "order-events", "orders"):
        for _, _, _, value in world.topics[topic]:
            message, head = world.types[topic].FromString(value), Head.FromString(value)
            assert (head.event_id, head.order_id, head.saga_revision) == (message.event_id, message.order_id, message.saga_revision)
            for name in ("event_id", "order_id", "source", "sequence", "occurred_at_us", "causation_id", "saga_revision", "again"):
                message.ClearField(name)
            assert value[body_at(value):] == message.SerializeToString()


def test_columns_follow_the_keys():
    keys = Keys()
    assert keys.number("a") == 0
    column, others = keys.integers(-1), keys.objects()
    assert keys.number("b") == 1 and keys.number("a") == 0
    assert list(column) == [-1, -1] and others == [None, None]
    keys.drop(column)
    keys.number("c")
    assert len(column) == 2 and len(others) == 3 and keys.find("d") is None
