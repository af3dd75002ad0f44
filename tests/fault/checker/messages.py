"""Notifications (I12): one per causing event, kind, channel and recipient: commands, rows, outcomes, the mailbox."""

from __future__ import annotations

from .history import Record
from .run import Run


class Messages:
    def __init__(self, run: Run):
        self._run = run
        self._asked: dict[int, int] = {}  # hash of cause, kind, channel, recipient: the order
        self._sent: dict[int, int] = {}  # hash of a message id: the order

    def take_command(self, command, at: int, record: Record, fresh: bool) -> None:
        if fresh and command.HasField("notify"):
            one = command.notify
            self._asked[hash((command.causation_id or command.event_id, one.kind, one.channel, one.recipient))] = at

    def take_outcome(self, event, at: int, record: Record, fresh: bool) -> None:
        if not fresh or not event.HasField("sent"):
            return
        message = hash(_bare(event.sent.message_id))
        if message in self._sent:
            self._run.report["I12"].fail(event.order_id, f"message {event.sent.message_id} counts as sent twice")
        self._sent[message] = at

    def compare(self) -> None:
        inv, names = self._run.report["I12"], self._run.keys.names
        ids: set[int] = set()
        rows: set[int] = set()
        for cause, kind, channel, recipient, number, order_id in self._run.history.rows(
                "notifier", "notification", "causing_event kind channel recipient id order_id"):
            one, message = hash((cause, kind, channel, recipient)), hash(number)
            inv.check(one not in rows, order_id, f"{kind} to {recipient} because of {cause} twice")
            if message in ids:
                inv.fail(order_id, f"two notifications have the id {number}")
            if one not in self._asked and self._run.keys.number(order_id) not in self._run.strangers:
                inv.fail(order_id, f"{kind} to {recipient} because of {cause}: nobody asked for it")
            rows.add(one)
            ids.add(message)
        for one, at in self._asked.items():
            if one not in rows:
                inv.fail(names[at], "a notification was asked for and is not there")
        self._compare_mailbox(inv, ids)

    def _compare_mailbox(self, inv, ids: set[int]) -> None:
        """A message may come twice when its sender died before the answer: it has the same id then."""
        came: dict[int, int] = {}
        journal = False
        for line in self._run.history.lines("receivers/mail.jsonl"):
            journal = True
            if line.get("what") != "mail" or not str(line.get("answer", "")).startswith("250"):
                continue
            number = _bare(line["message_id"]).split("@")[0]
            message = hash(_bare(line["message_id"]))
            came[message] = came.get(message, 0) + 1
            inv.checked += 1
            if hash(number) not in ids:
                inv.fail(number, "is in the mailbox, and there is no such notification")
        if not journal:
            return
        for message, at in self._sent.items():
            if message not in came:
                inv.fail(self._run.keys.names[at], "a message counts as sent and is not in the mailbox")
        self._run.report.numbers["mails that came again"] = sum(count - 1 for count in came.values())


def _bare(message_id: str) -> str:
    return message_id.strip().strip("<>")
