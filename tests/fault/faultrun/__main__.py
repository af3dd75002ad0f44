"""tests/fault/run: the plan of a run, carried out. See ../README.md."""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oclocal import services
from stack import REPOSITORY

from faultrun import clocks, finish, groups, messages, network, points, pressure, processes, report
from faultrun.epochs import Epochs
from faultrun.injection import Run
from faultrun.load import Load
from faultrun.record import RunFolder
from faultrun.rig import CHAOS, SETTINGS, Rig

Job = tuple[str, Callable[[], None]]  # what it needs for itself, what it does
WARM_S = 180
WARM = 20  # orders under way before the first fault
ROUNDS = 40  # of a long run, each on a stack of its own
INVENTORIES = 4  # processes of inventory in a long run
ORDERS_SHORT, ORDERS_LONG = 400, 2000  # of the hot product


class Kind:
    """A row of the fault table. short, long: how often; at_once: how many at a time, of different services; beside: likewise with
    the kind before it."""

    def __init__(self, name: str, short: int, long: int, jobs: Callable[[Run, int], list[Job]], at_once: int = 1, beside: bool = False):
        self.name, self.short, self.long, self.jobs, self.at_once, self.beside = name, short, long, jobs, at_once, beside


def plain(resource: str, fault: Callable[[Run], None]) -> Callable[[Run, int], list[Job]]:
    return lambda run, times: [(resource, lambda: fault(run)) for _ in range(times)]


KINDS = [
    Kind("points", 1, 40, points.jobs, at_once=7),
    Kind("kill", 20, 2000, processes.kill_jobs, at_once=7, beside=True),
    Kind("zombie", 2, 150, processes.zombie_jobs, at_once=7, beside=True),
    Kind("network", 3, 200, network.jobs, at_once=7, beside=True),
    Kind("broker", 2, 300, plain("kafka", processes.kill_broker)),
    Kind("database", 2, 300, plain("postgres", processes.kill_database)),
    Kind("sessions", 2, 300, plain("postgres", processes.end_sessions)),
    Kind("lines", 3, 200, network.line_jobs),
    Kind("pressure", 1, 100, pressure.jobs),
    Kind("clock", 10, 50, clocks.jobs, at_once=7),
    Kind("messages", 1000, 500_000, messages.jobs),
    Kind("storm", 1, 30, plain("all", groups.storm)),
    Kind("upgrade", 1, 30, groups.upgrade_jobs, at_once=4),
]
UNSUPPORTED = {
    "3 brokers, standby": "comes with scaling: this stack has one broker and one database",
}


def carry_out(run: Run, jobs: list[Job], at_once: int) -> None:
    """Each resource's jobs one after the other, several resources at a time."""
    queues: dict[str, list[Callable[[], None]]] = {}
    for resource, job in jobs:
        queues.setdefault(resource, []).append(job)
    order = sorted(queues, key=lambda resource: -len(queues[resource]))

    def work(resource: str) -> None:
        for job in queues[resource]:
            if run.load.errors:
                return
            job()

    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(work, resource) for resource in order]:
            done.result()


def together(kinds: list[tuple[Kind, int]]) -> list[list[tuple[Kind, int]]]:
    """Kinds that are made at the same time."""
    groups: list[list[tuple[Kind, int]]] = []
    for kind, times in kinds:
        if kind.beside and groups and (groups[-1][0][0].beside or groups[-1][0][0].at_once > 1):
            groups[-1].append((kind, times))
        else:
            groups.append([(kind, times)])
    return groups


def revision() -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"], text=True, capture_output=True)
    return done.stdout.strip()


def one_round(folder: Path, options: argparse.Namespace, seed: int, kinds: list[tuple[Kind, int]]) -> Run:
    """A fresh stack, hurt while it works, and counted at rest."""
    record = RunFolder(folder)
    rig = Rig(record, seed, options.keep_stack)
    load = Load(rig, seed, stock=options.stock, orders_min=options.orders, at_once=options.at_once, rate=options.rate)
    try:
        run = Run(rig, load, record, random.Random(seed), options.long)
        begun = time.monotonic()
        rig.up(INVENTORIES if options.long else 0)
        run.small_disk = rig.wal is not None
        load.prepare()
        record.write("manifest.json", {"seed": seed, "revision": revision(), "long": options.long, "settings": SETTINGS, "chaos": CHAOS,
                                       "kinds": {kind.name: times for kind, times in kinds}, "hot": {"stock": load.stock, "orders_min": load.orders_min},
                                       "small_disk": bool(rig.wal), **rig.addresses()})
        epochs = Epochs(rig, record)
        load.start()
        rig.stack.wait(lambda: load.in_flight() >= WARM or load.errors, WARM_S, "orders under way", 0.1)
        print(f"seed {seed}: under load after {time.monotonic() - begun:.1f} s", flush=True)
        for group in together(kinds):
            since = time.monotonic()
            carry_out(run, [job for kind, times in group for job in kind.jobs(run, times)], max(kind.at_once for kind, _ in group))
            print(f"{', '.join(kind.name for kind, _ in group)}: {time.monotonic() - since:.1f} s, {load.in_flight()} orders in flight", flush=True)
        since = time.monotonic()
        finish.finish(run)
        epochs.close()
        record.close()
        run.failures += finish.check(run, folder / "check.json")
        print(f"at rest and counted {time.monotonic() - since:.1f} s after the last fault; {time.monotonic() - begun:.1f} s in all", flush=True)
        return run
    except BaseException:
        print(rig.stack.log_tails(15), file=sys.stderr)
        raise
    finally:
        load.ended.set()
        rig.down()


def parse() -> argparse.Namespace:
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(prog="tests/fault/run", description="Hurts a whole running system while clients are at work; see tests/fault/README.md.")
    parser.add_argument("--long", action="store_true", help=f"the table's long column, in {ROUNDS} rounds")
    parser.add_argument("--rounds", type=int, help="only so many rounds of a long run; another time the rest, from another --seed on")
    parser.add_argument("--only", action="append", choices=names, metavar="KIND", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="the run folder, kept; otherwise it goes away when all went well")
    parser.add_argument("--keep-stack", action="store_true", help="leave the stack running, for a look")
    parser.add_argument("--stock", type=int, default=500, help="of the hot product")
    parser.add_argument("--orders", type=int, help="of the hot product, at least")
    parser.add_argument("--at-once", type=int, default=40, help="unfinished orders of the hot product")
    parser.add_argument("--rate", type=float, default=3.0, help="of the test data's 500 orders, a second")
    parser.add_argument("--times", type=int, help="how often, instead of the table's number")
    options = parser.parse_args()
    options.orders = options.orders or (ORDERS_LONG if options.long else ORDERS_SHORT)
    return options


def main() -> int:
    options = parse()
    rounds = options.rounds or ROUNDS if options.long else 1
    failures = points.placement()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="orderclerk-fault-"))
    chosen = [kind for kind in KINDS if not options.only or kind.name in options.only]
    kinds = [(kind, options.times or (math.ceil(kind.long / ROUNDS) if options.long else kind.short)) for kind in chosen]
    lines: list[dict] = []
    notes: list[str] = []
    unsupported = dict(UNSUPPORTED)
    for number in range(rounds):
        one = folder / f"round-{number + 1:02}" if options.long else folder
        run = one_round(one, options, options.seed + number, kinds)
        lines += run.lines
        notes += run.notes
        failures += run.failures
        if not run.small_disk:
            unsupported["full disk"] = "mounting a small file system is not allowed here"
    counted, times = report.counts(lines), report.recovery(lines)
    (folder / "recovery.json").write_text(json.dumps({"counts": counted, "recovery": times, "unsupported": unsupported, "failures": failures}, indent=1) + "\n")
    report.show(counted, times, unsupported, notes, failures)
    if failures or options.keep:
        print(f"run folder: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failures else 0


if __name__ == "__main__":
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(wanted, signal.default_int_handler)  # the stack goes down with the run, also in the background
    threading.excepthook = lambda args: print(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}", file=sys.stderr)
    assert set(services.SERVICE_NAMES) == set(points.WHERE), "a service without fault points"
    sys.exit(main())
