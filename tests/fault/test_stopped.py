"""A process of the orchestrator stopped (SIGSTOP) in the middle of a transaction, for longer than the session timeout: another
process goes on with its orders; the one that wakes up changes nothing any more, and becomes useful again."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass

import pytest
from desk_run import ENDED, DeskRun
from oclocal import postgres, services
from stack import Stack

STOPPED = 1  # of the orchestrator's two processes
APPLICATION = services.instance("orchestrator", STOPPED)
IN_FLIGHT = 20  # orders of its slots that have not ended
LIMIT_S = 120
DROPPED = "everything in memory is dropped"  # said by a lane that finds its slots lost
LOCK_HELD_S = 1.0  # shorter than the lanes' lock_timeout


@dataclass
class Transaction:
    """The stopped process's: its server process, and since when."""

    backend: int
    since: float
    at: object  # likewise, by the database's clock


def owned(stack: Stack, index: int) -> dict[int, int]:
    """The slots that this process has claimed, with their epochs."""
    pid = stack.process("orchestrator", index).pid
    return dict(stack.sql("SELECT p, epoch FROM orchestrator.slot WHERE owner LIKE %s", f"%:{pid}"))


def backend_waiting(stack: Stack) -> int | None:
    """The lane's server process while its batch waits for a slot's lock."""
    return stack.value("SELECT pid FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock' AND query LIKE '%%batch_no + 1%%'",
                       APPLICATION)


def stop_in_transaction(stack: Stack, slots: list[int]) -> Transaction:
    """Lets a batch wait for a lock of ours, stops the process, and gives the lock back: the transaction is open then, has locks of
    its own, and nobody ends it."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with closing(stack.connect()) as ours, ours.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orchestrator.slot WHERE p = ANY(%s) FOR UPDATE", (slots,))
            give_up = time.monotonic() + LOCK_HELD_S
            while (backend := backend_waiting(stack)) is None and time.monotonic() < give_up:
                pass
            if backend is None:
                continue
            stack.pause("orchestrator", STOPPED)
            since, at = time.monotonic(), stack.value("SELECT clock_timestamp()")
        try:
            stack.wait(lambda: stack.value("SELECT state FROM pg_stat_activity WHERE pid = %s", backend) == "idle in transaction", 1, "the open transaction")
        except AssertionError:
            stack.resume("orchestrator", STOPPED)  # the lock had timed out before
            continue
        locked = stack.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND granted AND mode = 'RowExclusiveLock'", backend)
        print(f"stopped with an open transaction that holds row locks in {locked} tables and indexes")
        assert locked > 0
        return Transaction(backend, since, at)
    raise AssertionError("the process could not be stopped in a transaction")


def unfinished(stack: Stack, slots: list[int]) -> int:
    return stack.value("SELECT count(*) FROM orchestrator.saga WHERE slot = ANY(%s) AND NOT state = ANY(%s)", slots, list(ENDED))


# Who ends the open transaction: PostgreSQL, after idle_in_transaction_session_timeout, or the process that claims the slots.
@pytest.mark.parametrize("idle_timeout, ended_by", [("2000", "idle-in-transaction timeout"), ("0", "administrator command")], ids=["database", "successor"])
def test_stopped_in_a_transaction(stack, tmp_path, idle_timeout, ended_by):
    dsn = stack.postgres.dsn(postgres.role_of("orchestrator"), application_name=APPLICATION, options=f"-c idle_in_transaction_session_timeout={idle_timeout}")
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s"}, APPLICATION: {"PG": dsn}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    run = DeskRun(stack, tmp_path, sample=True, no_answer_ends=False)
    run.feed("--only", "reference")
    stack.pause("departments")  # no order ends before the end of this test
    feeding = run.feeding("--only", "orders", "--rate", "12")
    stack.wait(lambda: owned(stack, STOPPED) and owned(stack, 2), LIMIT_S, "both processes to own slots")
    mine = owned(stack, STOPPED)
    slots = sorted(mine)
    stack.wait(lambda: unfinished(stack, slots) >= IN_FLIGHT, LIMIT_S, f"{IN_FLIGHT} orders in its slots")

    transaction = stop_in_transaction(stack, slots)
    print(f"{unfinished(stack, slots)} unfinished orders in its slots {slots}")
    stack.wait(lambda: {p: epoch for p, epoch in owned(stack, 2).items() if epoch > mine.get(p, epoch)}.keys() == mine.keys(), LIMIT_S,
               "the other process to own its slots under higher epochs")
    claimed_s = time.monotonic() - transaction.since
    stack.wait(lambda: stack.value("SELECT count(*) FROM orchestrator.saga_history JOIN orchestrator.saga USING (order_id) WHERE slot = ANY(%s) AND at > %s",
                                   slots, transaction.at), LIMIT_S, "orders of its slots to go on")
    print(f"another process owned its slots after {claimed_s:.2f} s, their orders went on after {time.monotonic() - transaction.since:.2f} s")
    assert stack.process("orchestrator", STOPPED).state() == "T"
    assert stack.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", transaction.backend) == 0
    assert re.search(rf"\[{transaction.backend}\] .*FATAL:  terminating connection due to {ended_by}", stack.log("postgres"))

    before = stack.metrics("orchestrator", 2)["orderclerk_lane_applied_total"]
    dropped = stack.log("orchestrator", STOPPED).count(DROPPED)
    stack.resume("orchestrator", STOPPED)
    stack.wait(lambda: stack.log("orchestrator", STOPPED).count(DROPPED) > dropped, LIMIT_S, "the woken process to notice")
    again = stack.wait(lambda: owned(stack, STOPPED), LIMIT_S, "the woken process to own slots again")
    stack.wait_ready("orchestrator", STOPPED, LIMIT_S)
    applied = stack.metrics("orchestrator", STOPPED)["orderclerk_lane_applied_total"]
    stack.resume("departments")
    stack.wait(lambda: stack.metrics("orchestrator", STOPPED)["orderclerk_lane_applied_total"] > applied, LIMIT_S, "it to apply input again")
    print(f"woken: owns slots {sorted(again)}; the other had applied {before:.0f} inputs meanwhile")

    output, _ = feeding.communicate(timeout=LIMIT_S)
    assert feeding.returncode == 0, output[-4000:]
    run.finish(tmp_path)
