"""tests/fault/run: the plan of a run, carried out. See ../README.md."""

from __future__ import annotations

import argparse
import random
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

from faultrun import finish, points, processes, report
from faultrun.injection import Run
from faultrun.load import Load
from faultrun.record import RunFolder
from faultrun.rig import CHAOS, SETTINGS, Rig

Job = tuple[str, Callable[[], None]]  # what it needs for itself, what it does
WARM_S = 180
WARM = 20  # orders under way before the first fault


class Kind:
    """A row of the fault table. short, long: how often; at_once: how many at a time, of different services."""

    def __init__(self, name: str, short: int, long: int, jobs: Callable[[Run, int], list[Job]], at_once: int = 1):
        self.name, self.short, self.long, self.jobs, self.at_once = name, short, long, jobs, at_once


def plain(resource: str, fault: Callable[[Run], None]) -> Callable[[Run, int], list[Job]]:
    return lambda run, times: [(resource, lambda: fault(run)) for _ in range(times)]


KINDS = [
    Kind("points", 1, 40, points.jobs, at_once=7),
    Kind("kill", 20, 2000, processes.kill_jobs, at_once=2),
    Kind("zombie", 2, 150, processes.zombie_jobs),
    Kind("broker", 2, 300, plain("kafka", processes.kill_broker)),
    Kind("database", 2, 300, plain("postgres", processes.kill_database)),
    Kind("sessions", 2, 300, plain("postgres", processes.end_sessions)),
]
UNSUPPORTED = {
    "clock jumps": "no service reads the wall clock to decide (the database's now() does); a jump needs a preloaded clock, which the sanitizers refuse",
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


def revision() -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"], text=True, capture_output=True)
    return done.stdout.strip()


def one_run(folder: Path, options: argparse.Namespace, kinds: list[tuple[Kind, int]]) -> Run:
    record = RunFolder(folder)
    rig = Rig(record, options.seed, options.keep_stack)
    try:
        load = Load(rig, options.seed, stock=options.stock, orders_min=options.orders, at_once=options.at_once, rate=options.rate)
        run = Run(rig, load, record, random.Random(options.seed), options.long)
        begun = time.monotonic()
        rig.up()
        load.prepare()
        record.write("manifest.json", {"seed": options.seed, "revision": revision(), "long": options.long, "settings": SETTINGS, "chaos": CHAOS,
                                       "kinds": {kind.name: times for kind, times in kinds}, "hot": {"stock": load.stock, "orders_min": load.orders_min},
                                       **rig.addresses()})
        load.start()
        rig.stack.wait(lambda: load.in_flight() >= WARM or load.errors, WARM_S, "orders under way", 0.1)
        print(f"under load after {time.monotonic() - begun:.1f} s", flush=True)
        for kind, times in kinds:
            since = time.monotonic()
            print(f"{kind.name}: {times}", flush=True)
            carry_out(run, kind.jobs(run, times), kind.at_once)
            print(f"{kind.name}: {time.monotonic() - since:.1f} s, {load.in_flight()} orders in flight", flush=True)
        since = time.monotonic()
        finish.finish(run)
        record.close()
        run.failures += finish.check(run, folder / "check.json")
        print(f"counted {time.monotonic() - since:.1f} s after the last fault; {time.monotonic() - begun:.1f} s in all", flush=True)
        return run
    except BaseException:
        print(rig.stack.log_tails(15), file=sys.stderr)
        raise
    finally:
        rig.down()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/fault/run", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the table's long column, in rounds")
    parser.add_argument("--only", action="append", choices=[kind.name for kind in KINDS], metavar="KIND", help=", ".join(kind.name for kind in KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="the run folder, kept; else it goes away when all went well")
    parser.add_argument("--keep-stack", action="store_true", help="leave the stack running, for a look")
    parser.add_argument("--stock", type=int, default=500, help="of the hot product")
    parser.add_argument("--orders", type=int, default=400, help="of the hot product, at least")
    parser.add_argument("--at-once", type=int, default=40, help="unfinished orders of the hot product")
    parser.add_argument("--rate", type=float, default=2.5, help="of the test data's 500 orders, a second")
    parser.add_argument("--times", type=int, help="how often, instead of the table's number")
    return parser.parse_args()


def main() -> int:
    options = parse()
    wrong = points.placement()
    for line in wrong:
        print(f"FAILED {line}")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="orderclerk-fault-"))
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [(kind, options.times or (kind.long if options.long else kind.short)) for kind in KINDS if not options.only or kind.name in options.only]
    run = one_run(folder, options, kinds)
    failures = wrong + run.failures
    counted, times = report.counts(run.lines), report.recovery(run.lines)
    run.folder.write("recovery.json", {"counts": counted, "recovery": times, "failures": failures})
    report.show(counted, times, UNSUPPORTED, run.notes, failures)
    print(f"run folder: {folder}")
    return 1 if failures else 0


if __name__ == "__main__":
    threading.excepthook = lambda args: print(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}", file=sys.stderr)
    assert set(services.SERVICE_NAMES) == set(points.WHERE), "a service without fault points"
    sys.exit(main())
