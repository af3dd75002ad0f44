"""The notifier on a real broker and database, with the mail double: what arrives is read by Python's e-mail parser."""

from __future__ import annotations

import email
import email.policy
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "doubles"))

from protos import load  # noqa: E402

pb = load()
TEMPLATES = Path(__file__).resolve().parents[3] / "services" / "notifier" / "templates"
VALUES = {"order_no": "OC-1004-7", "customer_po": "PO-77", "company": "华东机械", "contact": "李雷", "total": "1250.00", "currency": "CNY",
          "deadline": "2026-09-23T04:00:00Z", "promise_date": "2026-09-28", "promise_window": "09:00-12:00", "promise_zone": "Asia/Shanghai",
          "old_date": "2026-09-25", "new_date": "2026-09-28", "cause": "production is late", "carrier": "SF", "tracking_no": "SF1234567890123",
          "eta_date": "2026-09-24", "warehouse": "SH1", "report_until": "2026-10-01T04:00:00Z", "reason": "no_answer", "state": "AWAITING_CUSTOMER"}


class Office:
    def __init__(self, stack):
        self.stack = stack
        self.sequences: dict[str, int] = defaultdict(int)

    def notify(self, order: str, kind: str, locale: str = "zh-CN", recipient: str = "li@customer.example", cause: str = "", **fields) -> None:
        self.sequences[order] += 1
        message = pb.commands.NotifierCommand(event_id=str(uuid.uuid4()), order_id=order, source="orchestrator", sequence=self.sequences[order],
                                              occurred_at_us=int(time.time() * 1e6), causation_id=cause or str(uuid.uuid4()), order_no="OC-1004-7")
        notify = message.notify
        notify.kind, notify.channel, notify.recipient, notify.locale = kind, "email", recipient, locale
        for name, value in {**VALUES, "order_id": order, **fields.pop("values", {})}.items():
            notify.values.add(name=name, value=value)
        for name, items in fields.items():
            getattr(notify, name).extend(items)
        self.stack.produce("commands.notifier", order, message.SerializeToString())

    def mails(self, count: int, timeout_s: float = 20, **filters) -> list[dict]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())

        def read():
            mails = self.stack.http("mail", "GET", f"/mails?{query}").json()["mails"]
            return mails if len(mails) >= count else None
        return self.stack.wait(read, timeout_s, f"{count} mails")

    def parsed(self, mail: dict):
        raw = self.stack.http("mail", "GET", f"/mails/{mail['number']}").body
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert not message.defects and all(not header.defects for _, header in message.items()), message.defects
        assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
        return message

    def events(self, order: str, count: int) -> list:
        messages = self.stack.consume("notification-events", until=lambda them: sum(m.key().decode() == order for m in them) >= count)
        return [pb.notification_events.NotificationEvent.FromString(m.value()) for m in messages if m.key().decode() == order]


@pytest.fixture
def office(stack):
    stack.settings = {"notifier": {"MAIL_FROM_NAME": "华东办事处", "BREAKER_OPEN": "100ms"}}
    stack.up(["notifier", "mail"])
    return Office(stack)


def test_every_mail_is_read_as_it_was_meant(office):
    kinds = sorted({path.name.split(".")[0] for path in TEMPLATES.glob("*.txt")})
    order = str(uuid.uuid4())
    violations = [pb.order.Violation(code="ADDRESS_INCOMPLETE", field="delivery.street", text_en="The street is missing.", text_zh="缺少街道地址。"),
                  pb.order.Violation(code="PRODUCT_UNKNOWN", field="lines[2].product_code", text_en="No such product.", text_zh="没有该产品。", suggestions=["P-100"])]
    shortages = [pb.order.Shortage(line_no=2, sku="P-100", wanted=10, available=4, restock_date="2026-10-05",
                                   substitutes=[pb.order.Substitute(sku="P-101", name="螺栓 M8", available=500)])]
    lines = [pb.order.OrderLine(line_no=1, product_code="P-100", product_name="螺栓 M6", quantity=3, unit="PCS")]
    for kind in kinds:
        for locale in ("zh-CN", "en"):
            office.notify(order, kind, locale, violations=violations, shortages=shortages, lines=lines)
    mails = office.mails(2 * len(kinds))
    for mail in mails:
        message = office.parsed(mail)
        body = message.get_content()
        assert message["from"].addresses[0].display_name == "华东办事处"
        assert message["to"].addresses[0].display_name == "李雷" and message["to"].addresses[0].addr_spec == "li@customer.example"
        assert "OC-1004-7" in message["subject"] and "{{" not in message["subject"] + body
        assert message["x-orderclerk-order"] == order and mail["kind"] in kinds
        assert message["x-orderclerk-questions"].split(", ") == ["ADDRESS_INCOMPLETE@delivery.street", "PRODUCT_UNKNOWN@lines[2].product_code"]
        assert message["x-orderclerk-shortages"] == "2:P-100"
        assert ("此致" in body) == (message["content-language"] == "zh-CN")
        assert email.utils.parsedate_to_datetime(message["date"]) is not None
    assert len({mail["message_id"] for mail in mails}) == len(mails)
    events = office.events(order, len(mails))
    assert {event.sent.message_id for event in events} == {mail["message_id"] for mail in mails}


def test_a_mail_server_in_trouble_gets_it_later_and_once_by_id(office):
    assert office.stack.http("mail", "PUT", "/control", json={"fail": 0.8}).status == 200
    orders = [str(uuid.uuid4()) for _ in range(20)]
    for order in orders:
        office.notify(order, "received")
    office.stack.wait(lambda: office.stack.value("SELECT count(*) FROM notifier.effect WHERE attempt >= 2"), 60, "a mail refused twice")
    assert office.stack.http("mail", "PUT", "/control", json={"fail": 0}).status == 200  # else a mail's pauses grow without bound
    mails = office.mails(len(orders), timeout_s=60)
    assert sorted(mail["order"] for mail in mails) == sorted(orders)
    records = office.stack.consume("notification-events", until=lambda them: len({record.key() for record in them}) == len(orders))
    told = [pb.notification_events.NotificationEvent.FromString(record.value()) for record in records]
    assert {(event.order_id, event.sequence, event.WhichOneof("body")) for event in told} == {(order, 1, "sent") for order in orders}


def test_refused_and_impossible(office):
    order = str(uuid.uuid4())
    office.notify(order, "received", recipient="nobody at all")
    office.notify(order, "received", recipient="a@b.example\r\nBcc: c@d.example")
    office.notify(order, "received", values={"contact": "Li\r\nBcc: thief@evil.example"})
    events = office.events(order, 3)
    assert sorted(event.WhichOneof("body") for event in events) == ["failed", "failed", "sent"]
    message = office.parsed(office.mails(1)[0])
    assert message["bcc"] is None and "thief" in message["to"].addresses[0].display_name


def test_the_same_cause_is_told_once(office):
    order, cause = str(uuid.uuid4()), str(uuid.uuid4())
    for _ in range(3):
        office.notify(order, "shipped", cause=cause)
    office.notify(order, "delivered", cause=cause)
    office.mails(1, kind="delivered")
    assert len(office.mails(1, kind="shipped")) == 1
    assert len(office.events(order, 2)) == 2


def test_a_killed_notifier_sends_everything_and_repeats_only_by_id(office):
    office.stack.http("mail", "PUT", "/control", json={"slow": 0.5, "slow_ms": 200})
    orders = [str(uuid.uuid4()) for _ in range(60)]
    for at, order in enumerate(orders):
        office.notify(order, "confirmed")
        if at in (20, 40):
            office.stack.kill("notifier")
            office.stack.start("notifier")

    def all_there():
        mails = office.mails(1)
        return mails if {mail["order"] for mail in mails} == set(orders) else None
    mails = office.stack.wait(all_there, 180, "all mails")
    by_order = defaultdict(set)
    for mail in mails:
        by_order[mail["order"]].add(mail["message_id"])
    assert all(len(ids) == 1 for ids in by_order.values())
    office.stack.wait(lambda: office.stack.value("SELECT count(*) FROM notifier.notification WHERE state = 'SENT'") == len(orders), 30, "all told")
