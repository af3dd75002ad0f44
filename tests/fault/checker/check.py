"""Reads a history in the order in which the modules need it, and fills the report."""

from __future__ import annotations

import time

from . import topic_log
from .accounts import Accounts
from .applied import Applied
from .clients import Clients
from .departments import Departments
from .history import History
from .messages import Messages
from .money import Money
from .report import Report
from .run import Run
from .sagas import Sagas
from .slots import Slots
from .stock import Stock

UNDONE = ("CANCELLED", "REJECTED")


def check(history: History) -> Report:
    begun = time.monotonic()
    run = Run(history)
    accounts, clients, money, stock = Accounts(run), Clients(run), Money(run), Stock(run)
    sagas, applied, messages, departments = Sagas(run), Applied(run), Messages(run), Departments(run)

    def order_event(event, at, record, fresh):
        sagas.take(event, at, record, fresh)
        money.take_event(event, at, record, fresh)
        departments.take_event(event, record)

    def department_command(command, at, record, fresh):
        money.take_command(command, at, fresh)
        departments.take_command(command, record)

    takers = {
        "dead-letters": accounts.take_dead_letter, "control": accounts.take_control, "orders": clients.take_request,
        "order-events": order_event, "commands.departments": department_command, "stock-changes": stock.take_change,
        "commands.inventory": stock.take_command, "commands.notifier": messages.take_command, "notification-events": messages.take_outcome,
    }
    heads = {"order-state": sagas.take_state, **{topic: applied.taker(topic) for topic in ("validation-events", "inventory-events")}}
    logs = {name: topic_log.read(run, name, takers.get(name) or heads.get(name), head=name in heads) for name in run.topics}
    for event_id in accounts.refused_changes:
        stock.refused(event_id)

    accounts.load()
    sagas.compare_history()
    undone: set[int] = set()
    orders = 0

    def row(order_id, at, state, doc):
        nonlocal orders
        orders += 1
        clients.take_saga(at)
        money.compare(order_id, at, state, doc)
        if state in UNDONE:
            undone.add(at)

    sagas.compare_rows(row)
    sagas.compare_view()
    clients.compare()
    stock.walk_ledger(sagas.shipped_after_all)
    stock.compare_rows()
    stock.compare_undone(undone)
    applied.compare(logs, accounts.read)
    messages.compare()
    departments.compare_timeline(logs)
    Slots(run, logs).compare()
    accounts.compare(logs)

    seconds = time.monotonic() - begun
    run.report.numbers.update({"orders": orders, "records on topics": sum(log.records for log in logs.values()),
                               "seconds": round(seconds, 2), "orders a second": round(orders / max(seconds, 1e-9))})
    run.report.finish()
    return run.report
