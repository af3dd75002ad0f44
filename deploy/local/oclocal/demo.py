"""The demo: steps in order, each a function of the same run. A step is added by adding a row to STEPS."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import services
from .errors import LocalError
from .stack import Stack
from .state import REPOSITORY


# Waits that a person would not sit through, shortened by settings alone.
SETTINGS = {
    "orchestrator": {"DISPUTE_WINDOW": "2s", "DEADLINE_AWAITING_CUSTOMER": "25s", "DEADLINE_SHORTAGE_OFFERED": "25s", "CUSTOMER_REMINDER": "12s"},
}
WAIT_S = 240
TOOLS = REPOSITORY / "tests"
PYTHON = "/usr/bin/python3"


@dataclass
class Demo:
    stack: Stack
    orders: Path | None  # a folder of test data to feed; None: 500 orders made for today

    @property
    def data(self) -> Path:
        return self.orders or self.stack.home.path / "data"

    @property
    def log(self) -> Path:
        return self.stack.home.path / "feed.jsonl"

    def urls(self, name: str) -> str:
        return ",".join(self.stack.url(name, index) for index in range(1, services.program(name).processes + 1))


@dataclass(frozen=True)
class Step:
    title: str
    run: Callable[[Demo], None]


def _tool(*command: str, allowed: tuple[int, ...] = (0,)) -> int:
    """Runs one of the project's own tools with its output on the terminal."""
    status = subprocess.run([PYTHON, *command]).returncode
    if status not in allowed:
        raise LocalError(f"{command[0]} ended with status {status}")
    return status


def _start(demo: Demo) -> None:
    demo.stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))


def _generate(demo: Demo) -> None:
    if demo.orders is None:
        _tool(str(TOOLS / "data" / "generate.py"), "--out", str(demo.data), "--warehouse-url", demo.stack.url("warehouse"))


def _feed(demo: Demo) -> None:
    _tool(str(TOOLS / "doubles" / "feed.py"), "--data", str(demo.data), "--intake", demo.urls("intake"), "--kafka", demo.stack.kafka.bootstrap,
          "--topic-prefix", demo.stack.prefix, "--customer", demo.stack.url("customer"), "--departments", demo.stack.url("departments"),
          "--warehouse", demo.stack.url("warehouse"), "--log", str(demo.log))


def _wait(demo: Demo) -> None:
    _tool(str(TOOLS / "doubles" / "wait.py"), "--desk", demo.stack.url("desk"), "--log", str(demo.log), "--expected",
          str(demo.data / "expected.ndjson"), "--no-answer-ends", "--timeout-s", str(WAIT_S), "--quiet-s", "60")


def _timeline(demo: Demo) -> None:
    first = next((json.loads(line)["order_id"] for line in demo.log.read_text().splitlines() if json.loads(line).get("order_id")), None)
    if first is None:
        raise LocalError("no order was taken")
    env = {"ORDERCLERK_DESK_URL": demo.stack.url("desk"), "ORDERCLERK_INTAKE_URL": demo.stack.url("intake"), "PATH": "/usr/bin:/bin"}
    subprocess.run([str(demo.stack.build_folder / "bin" / "orderctl"), "order", "timeline", first], env=env, check=True)


STEPS = (
    Step("starting the stack", _start),
    Step("inventing master data, stock and orders", _generate),
    Step("feeding them", _feed),
    Step("waiting until each order has ended or waits for a person", _wait),
    Step("one order's timeline", _timeline),
)


def run(demo: Demo, keep: bool) -> None:
    """Runs the steps; stops the stack at the end, also after a failure or a signal, unless it ran before or `keep`."""
    stack = demo.stack
    ran_before = any(stack.home.running(name) for name in stack.home.state["processes"])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        for number, step in enumerate(STEPS, 1):
            print(f"[{number}/{len(STEPS)}] {step.title}", flush=True)
            begun = time.monotonic()
            step.run(demo)
            print(f"[{number}/{len(STEPS)}] {time.monotonic() - begun:.1f} s", flush=True)
    finally:
        if not keep and not ran_before:
            print("stopping", flush=True)
            stack.down()


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt
