"""What the departments double answers, without Kafka: its rules are pure."""

from datetime import date

import bus
import departments
import protos
import pytest
from google.protobuf.message import DecodeError

pb = protos.load()
TODAY = date(2026, 11, 24)


@pytest.fixture
def rules():
    return departments.Rules(pb, lambda: TODAY, "SH1")


def command(event_id="11111111-1111-5111-8111-111111111111", **body):
    return pb.commands.DepartmentCommand(event_id=event_id, order_id="o1", department="finance", **body)


def answer(rules, asked, **behaviour):
    return [(field, body) for field, body in rules.answer(asked, {"departments": behaviour} if behaviour else {})]


def test_the_invoice_repeats_the_amount(rules):
    asked = command(request_invoice=pb.commands.RequestInvoice(shipment_id="s", gross_minor=11300, net_minor=10000, tax_minor=1300, currency="CNY"))
    [(field, body)] = answer(rules, asked)
    assert field == "invoice_issued" and (body.shipment_id, body.gross_minor, body.date) == ("s", 11300, "2026-11-24")
    assert answer(rules, asked) == [(field, body)]  # the same command, the same number


def test_payment_is_full_or_never_comes(rules):
    asked = command(payment_due=pb.commands.PaymentDue(invoice_no="I", amount_minor=500, currency="USD"))
    [(field, body)] = answer(rules, asked)
    assert (field, body.amount_minor, body.currency) == ("payment_received", 500, "USD")
    assert answer(rules, asked, pay="never") == []


def test_each_kind_of_command_has_an_answer(rules):
    c = pb.commands
    pairs = {"hand_over": (c.HandOverToErp(), "erp_accepted"), "check_credit": (c.CheckCredit(), "credit_ok"), "plan": (c.Plan(kind="WAREHOUSE"), "plan_confirmed"),
             "cancel_plan": (c.CancelPlan(kind="WAREHOUSE"), "plan_cancelled"), "cancel_production": (c.CancelProduction(), "production_cancelled"),
             "cancel_erp": (c.CancelErpOrder(), "erp_cancelled"), "request_approval": (c.RequestApproval(task_id="t"), "approved"),
             "request_review": (c.RequestReview(task_id="t"), "approved"), "request_invoice": (c.RequestInvoice(), "invoice_issued"),
             "payment_due": (c.PaymentDue(), "payment_received"), "credit_note": (c.IssueCreditNote(), "credit_note_issued")}
    bodies = {field.name for field in c.DepartmentCommand.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert set(pairs) == bodies
    for name, (body, reply) in pairs.items():
        assert [field for field, _ in answer(rules, command(**{name: body}))] == [reply]


def test_plans_keep_the_wanted_date_or_are_infeasible_once(rules):
    plan = pb.commands.Plan(kind="PRODUCTION", wanted_date="2026-12-10")
    [(_, confirmed)] = answer(rules, command(plan=plan))
    assert (confirmed.kind, confirmed.date, confirmed.window) == ("PRODUCTION", "2026-12-10", "09:00-18:00")
    behaviour = {"plan": {"PRODUCTION": "infeasible"}, "earliest_date": "2027-01-04"}
    first, second = command("a", plan=plan), command("b", plan=plan)
    [(field, body)] = answer(rules, first, **behaviour)
    assert (field, body.earliest_date) == ("plan_infeasible", "2027-01-04")
    assert [field for field, _ in answer(rules, first, **behaviour)] == ["plan_infeasible"]  # asked again: the same answer
    assert [field for field, _ in answer(rules, second, **behaviour)] == ["plan_confirmed"]
    assert [field for field, _ in answer(rules, command("c", plan=pb.commands.Plan(kind="TRANSPORT")), **behaviour)] == ["plan_confirmed"]


def test_verdicts_follow_the_list_and_the_last_repeats(rules):
    fields = []
    for number in range(3):
        asked = command(f"r{number}", request_review=pb.commands.RequestReview(task_id=f"t{number}"))
        [(field, body)] = answer(rules, asked, review=["changes", "approve"])
        fields.append((field, body.task_id))
    assert fields == [("changes_wanted", "t0"), ("approved", "t1"), ("approved", "t2")]
    approval = pb.commands.RequestApproval(task_id="t")
    [(field, body)] = answer(rules, command("x", request_approval=approval), approval=["refuse_fatal"])
    assert field == "refused" and body.fatal
    assert answer(rules, command("y", request_approval=approval), approval=["silent"]) == []


def test_production_reports_made_lines_only(rules):
    lines = [pb.order.ResolvedLine(line_no=1, sku="A", kind=1, quantity=9), pb.order.ResolvedLine(line_no=2, sku="M", kind=2, quantity=4)]
    assert [(field, body.line_no) for field, body in rules.produce(lines, {})] == [("production_progress", 2), ("production_done", 2)]
    slipped = rules.produce(lines, {"departments": {"produce": "slip", "earliest_date": "2027-02-01"}})
    assert [field for field, _ in slipped] == ["production_progress", "schedule_slipped", "production_done"]
    assert [field for field, _ in rules.produce(lines, {"departments": {"produce": "never"}})] == ["production_progress"]


class Record:
    def __init__(self, key: bytes, value: bytes):
        self.key, self.value = lambda: key, lambda: value


def test_a_record_under_another_orders_key_is_no_command():
    kind, value = pb.commands.DepartmentCommand, command(payment_due=pb.commands.PaymentDue(amount_minor=500)).SerializeToString()
    assert bus.message_of(kind, Record(b"o1", value)).payment_due.amount_minor == 500
    for key, spoilt in ((b"o2", value), (b"o1", value[:-1]), (b"o1", b"")):
        with pytest.raises(DecodeError):
            bus.message_of(kind, Record(key, spoilt))


def test_cloud_event_headers():
    reply = pb.department_replies.DepartmentReply(event_id="e", order_id="o", occurred_at_us=1_700_000_000_123_456, credit_ok=pb.department_replies.CreditOk())
    headers = dict(bus.cloud_headers(reply, "/departments/d"))
    assert headers["ce_type"] == b"orderclerk.v1.CreditOk" and headers["ce_id"] == b"e" and headers["ce_subject"] == b"o"
    assert headers["ce_time"] == b"2023-11-14T22:13:20.123456Z" and headers["content-type"] == b"application/protobuf"
    assert bus.topic_name("orderclerk.", "department-replies") == "orderclerk.department-replies.v1"
