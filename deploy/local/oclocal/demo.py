"""The demo: steps in order, each a function of the same run. A step is added by adding a row to STEPS."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import services
from .stack import Stack


@dataclass
class Demo:
    stack: Stack
    orders: Path | None  # file to feed; None: the one of 500 orders


@dataclass(frozen=True)
class Step:
    title: str
    run: Callable[[Demo], None]


def _start(demo: Demo) -> None:
    demo.stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))


STEPS = (
    Step("starting the stack", _start),
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
