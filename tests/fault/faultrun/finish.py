"""After the faults: everything comes to its end, and is counted again by programs that know nothing of the services' code."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from stack import REPOSITORY

from faultrun import hot
from faultrun.injection import Run
from faultrun.rig import INSTANCES

DONE_S = 900
QUIET_S = 150
POLL_S = 0.3
CHECK = REPOSITORY / "tests" / "fault" / "check"
BAD_IN_LOGS = re.compile(r"AddressSanitizer|runtime error:|Assertion .* failed|LeakSanitizer|ThreadSanitizer")
DEFINITE_MIN, ACCEPTED_MIN = 0.95, 0.90


def wait_done(run: Run) -> list[str]:
    """Until each order of either kind has ended or waits where its data leaves it; what hasn't, once nothing moves any more."""
    load, rig = run.load, run.rig
    end = time.monotonic() + DONE_S
    moved, before = time.monotonic(), None
    while True:
        left = hot.unfinished(rig, load.hot)
        state = (len(left), rig.sql("SELECT sum(revision)::bigint FROM orchestrator.saga")[0][0])
        if state != before:
            before, moved = state, time.monotonic()
        if not left:
            return []
        if time.monotonic() > end or time.monotonic() - moved > QUIET_S:
            states = dict(rig.sql("SELECT order_id::text, state FROM orchestrator.saga WHERE order_id = ANY(%s::uuid[])", left))
            return [f"{order_id} ({load.hot[order_id] or 'as usual'}): {states.get(order_id, 'no saga')} for good" for order_id in left]
        time.sleep(POLL_S)


def wait_published(run: Run) -> list[str]:
    """At rest every batch is published, in every service."""
    end = time.monotonic() + DONE_S
    while True:
        left = [f"{service}: slot {p} has published {published_no} of {batch_no} batches" for service in INSTANCES
                for p, (batch_no, published_no) in run.rig.owned(service).items() if batch_no != published_no]
        for service in ("intake", "fulfillment"):
            left += [f"{service}: ingress slot {i} has published {published_no} of {batch_no} batches"
                     for i, batch_no, published_no in run.rig.sql(f"SELECT i, batch_no, published_no FROM {service}.ingress_slot WHERE batch_no <> published_no")]
        if not left or time.monotonic() > end:
            return left
        time.sleep(POLL_S)


def held(run: Run) -> list[str]:
    """Nothing is held but what was injected."""
    from faultrun.record import read_lines

    injected = {row["key"] for row in read_lines(run.folder.injected.path)}
    found = []
    for service in INSTANCES:
        found += [f"{service}: {key} is held: {reason} {detail}" for key, reason, detail in
                  run.rig.sql(f"SELECT key, held, held_detail FROM {service}.key_state WHERE held IS NOT NULL") if key not in injected]
    return found


def logs(run: Run) -> list[str]:
    found = []
    for file in sorted(run.rig.stack.home.log.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if BAD_IN_LOGS.search(line):
                found.append(f"{file.stem}: {line[:300]}")
    return found[:20]


def tool(what: str, done: subprocess.CompletedProcess) -> list[str]:
    return [] if done.returncode == 0 else [f"{what}: {line}" for line in done.stdout.splitlines()[-40:]]


def check(run: Run, json_file: Path) -> list[str]:
    if not CHECK.exists():
        run.notes.append("tests/fault/check isn't there yet: counted by recount.py, fold.py and the hot product's own count")
        return []
    addresses = run.rig.addresses()
    done = subprocess.run([str(CHECK), "--run", str(run.folder.path), "--pg", addresses["pg"], "--kafka", addresses["kafka"], "--topic-prefix",
                           addresses["topic_prefix"], "--json", str(json_file)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    (run.folder.path / "check.log").write_text(done.stdout)
    print(done.stdout[-6000:], flush=True)
    return [] if done.returncode == 0 else [f"check: exit code {done.returncode}, see check.log"]


def shares(run: Run) -> list[str]:
    counts = run.load.clients.counts
    definite, accepted = counts["definite"] / counts["operations"], counts["accepted"] / counts["operations"]
    run.notes.append(f"{counts['operations']} operations of clients, {definite:.1%} definite, {accepted:.1%} accepted, {counts['repeated']} sent more than once")
    wrong = [f"only {definite:.1%} of the operations have a definite outcome"] if definite < DEFINITE_MIN else []
    # Cancels that come too late are refused rightly: orders are what must be accepted.
    return wrong


def recount(run: Run) -> list[str]:
    load = run.load
    beside = run.folder.path / "beside.jsonl"
    load.write_beside(beside)
    return tool("recount", load.desk.tool("data/recount.py", "--data", str(load.desk.data), "--log", str(load.desk.log), "--pg", run.rig.addresses()["pg"],
                                          "--beside", str(beside), *load.desk.endings))


def recount_hot(run: Run) -> list[str]:
    wrong, summary = hot.recount(run.rig, run.load.hot, run.load.stock)
    run.notes.append(f"hot product: {summary['orders']} orders on a stock of {summary['stock']}, {summary['sold']} sold, {summary['states']}")
    return wrong


def clients_end(run: Run) -> list[str]:
    run.load.stop(DONE_S)
    fallen = [f"{name} ended by itself: {run.rig.log_since(name, max(0, run.rig.log_size(name) - 800))}" for name in run.rig.fallen()]
    run.load.desk.feed("--only", "orders")  # clients send everything once more, with the same keys
    return run.load.errors + fallen


def operations(run: Run) -> list[str]:
    run.load.write_base()
    return shares(run)


def finish(run: Run) -> None:
    """Appends what is wrong to run.failures."""
    steps = [("clients end", clients_end), ("hot orders end", wait_done), ("the data's orders end", lambda run: tool("wait", run.load.desk.wait(DONE_S, QUIET_S))),
             ("published", wait_published), ("held", held), ("hot product", recount_hot), ("recount", recount),
             ("fold", lambda run: tool("fold", run.load.desk.fold(run.folder.path))), ("operations", operations), ("logs", logs)]
    for name, step in steps:
        begun = time.monotonic()
        run.failures += step(run)
        print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
