"""After the faults: everything comes to its end, and is counted again by programs that know nothing of the services' code."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from oclocal import services, topics
from stack import REPOSITORY

from faultrun import hot, story
from faultrun.injection import Run
from faultrun.rig import CHAOS, INSTANCES

DONE_S = 900
QUIET_S = 150
SETTLE_S = 600
POLL_S = 0.3
CHECK = REPOSITORY / "tests" / "fault" / "check"
BAD_IN_LOGS = re.compile(r"AddressSanitizer|runtime error:|Assertion .* failed|LeakSanitizer|ThreadSanitizer")


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


def logs(run: Run) -> list[str]:
    found = []
    for file in sorted(run.rig.stack.home.log.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if BAD_IN_LOGS.search(line):
                found.append(f"{file.stem}: {line[:300]}")
    return found[:20]


def tool(what: str, done: subprocess.CompletedProcess) -> list[str]:
    return [] if done.returncode == 0 else [f"{what}: {line}" for line in done.stdout.splitlines()[-40:]]


def wait_read(run: Run, service: str, topic: str) -> list[str]:
    """What is on the topic now."""
    number = next(one.number for one in topics.read() if one.name == topic)
    ends, end = run.rig.stack.ends(topic), time.monotonic() + DONE_S
    while True:
        positions = dict(run.rig.sql(f"SELECT p, next_offset FROM {service}.position WHERE topic = %s", number))
        left = [f"{service} has read {topic}/{p} up to {positions.get(p, 0)} of {high}" for p, high in ends.items() if positions.get(p, 0) < high]
        if not left or time.monotonic() > end:
            return left
        time.sleep(POLL_S)


def stand_still(run: Run) -> list[str]:
    """Alarms about orders that nobody pays go on for ever: the orchestrator is stopped in peace, the others read what is left.
    Before that it answers what the desk asks when an older snapshot came behind the newest."""
    left = wait_read(run, "desk", "order-state") + wait_read(run, "desk", "stock-levels") + wait_published(run) + wait_read(run, "orchestrator", "control")
    if left:
        return left
    for index in range(1, INSTANCES["orchestrator"] + 1):
        run.rig.stop("orchestrator", index)
    return wait_published(run)


def check(run: Run, json_file: Path) -> list[str]:
    addresses = run.rig.addresses()
    done = subprocess.run([str(CHECK), "--run", str(run.folder.path), "--pg", addresses["pg"], "--kafka", addresses["kafka"], "--topic-prefix",
                           addresses["topic_prefix"], "--json", str(json_file), "--settle-s", str(SETTLE_S)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    (run.folder.path / "check.log").write_text(done.stdout + done.stderr)
    print(done.stdout, flush=True)
    return [] if done.returncode == 0 else [f"check: exit code {done.returncode}, see {run.folder.path / 'check.log'}"]


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
    fallen = run.rig.fallen()
    for name in [name for name in services.DOUBLE_NAMES if name in CHAOS and name not in fallen]:
        run.rig.stack.http(name, "PUT", "/control", json={key: 0 for key in CHAOS[name] if not key.endswith("_ms")})
    run.load.desk.feed("--only", "orders")  # clients send everything once more, with the same keys
    return run.load.errors + [f"{name} ended by itself: {run.rig.log_since(name, max(0, run.rig.log_size(name) - 1500))}" for name in fallen]


def operations(run: Run) -> list[str]:
    """The log of the data's orders joins the other clients'."""
    run.load.write_base()
    counts = run.load.clients.counts
    run.notes.append(f"{counts['operations']} operations of clients, {counts['definite']} definite, {counts['accepted']} accepted, "
                     f"{counts['repeated']} sent more than once")
    return []


def finish(run: Run) -> None:
    """Appends what is wrong to run.failures."""
    steps = [("clients end", clients_end), ("hot orders end", lambda run: story.with_stories(run, wait_done(run))),
             ("the data's orders end", lambda run: story.with_stories(run, tool("wait", run.load.desk.wait(DONE_S, QUIET_S)))),
             ("callbacks", story.refused_callbacks), ("published", wait_published), ("hot product", recount_hot), ("recount", recount),
             ("operations", operations), ("stand still", stand_still),
             ("logs", logs)]
    for name, step in steps:
        begun = time.monotonic()
        run.failures += step(run)
        print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
