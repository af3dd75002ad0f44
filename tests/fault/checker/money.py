"""Money, in minor units (I16): what was invoiced, paid and given back, in events, in commands and in the saga's document."""

from __future__ import annotations

from .history import Record
from .run import Run


class Money:
    def __init__(self, run: Run):
        self._run = run
        columns = run.keys.integers
        self._requested, self._recorded, self._paid = columns(), columns(), columns()  # by order-events
        self._asked, self._credited = columns(), columns()  # by commands to finance
        self._document = run.message("order-state")()

    def take_event(self, event, at: int, record: Record, fresh: bool) -> None:
        body = event.WhichOneof("body") if fresh else None
        inv = self._run.report["I16"]
        if body == "invoice_requested":
            one = event.invoice_requested
            self._requested[at] += one.gross_minor
            inv.check(one.net_minor + one.tax_minor == one.gross_minor, event.order_id,
                      f"invoice of {one.shipment_id}: {one.net_minor} + {one.tax_minor} is not {one.gross_minor}")
        elif body == "invoice_recorded":
            self._recorded[at] += event.invoice_recorded.gross_minor
        elif body == "payment_recorded":
            one = event.payment_recorded
            self._paid[at] += one.amount_minor
            inv.check(self._paid[at] == one.paid_minor, event.order_id, f"{one.paid_minor} paid so far, by the events {self._paid[at]}")

    def take_command(self, command, at: int, fresh: bool) -> None:
        body = command.WhichOneof("body") if fresh else None
        if body == "request_invoice":
            self._asked[at] += command.request_invoice.gross_minor
        elif body == "credit_note":
            self._credited[at] += command.credit_note.amount_minor

    def compare(self, order_id: str, at: int, state: str, packed: bytes) -> None:
        """The row's document against all of it."""
        inv, doc = self._run.report["I16"], self._document
        doc.ParseFromString(packed)
        inv.checked += 1
        for what, kept, counted in (("invoiced", doc.invoiced_minor, self._requested[at]), ("asked of finance", doc.invoiced_minor, self._asked[at]),
                                    ("paid", doc.paid_minor, self._paid[at]), ("given back", doc.credited_minor, self._credited[at]),
                                    ("total", doc.total_minor, sum(line.gross_minor for line in doc.resolved))):
            if kept != counted:
                inv.fail(order_id, f"{what}: {kept} in the document, {counted} by the records")
        for line in doc.resolved:
            if line.net_minor + line.tax_minor != line.gross_minor:
                inv.fail(order_id, f"line {line.line_no}: {line.net_minor} + {line.tax_minor} is not {line.gross_minor}")
        whole = doc.resolved and all(one.shipped + one.cancelled >= one.ordered and not one.cancelled for one in doc.quantities)
        if whole and doc.invoiced_minor != doc.total_minor:
            inv.fail(order_id, f"all has left: {doc.invoiced_minor} invoiced of {doc.total_minor}")
        kept = doc.paid_minor - doc.credited_minor
        written_off = doc.payment_state == "WRITTEN_OFF"
        if state == "COMPLETED":
            if self._recorded[at] != doc.invoiced_minor:
                inv.fail(order_id, f"finance issued {self._recorded[at]} of {doc.invoiced_minor}")
            if kept != doc.invoiced_minor and not written_off:
                inv.fail(order_id, f"completed: {kept} kept of what was paid, {doc.invoiced_minor} payable")
        elif state in ("CANCELLED", "REJECTED") and kept > doc.invoiced_minor:
            inv.fail(order_id, f"undone: {kept} kept of what was paid, {doc.invoiced_minor} payable")
