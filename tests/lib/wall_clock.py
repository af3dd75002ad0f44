"""By how much a fault build's wall clock is wrong: the file that ORDERCLERK_FAULT_CLOCK names (common/base/fault_clock.h)."""

from __future__ import annotations

import sys
from pathlib import Path


def set_off(file: Path, off_s: int) -> None:
    """Written where it lies: a process that runs has it mapped, and its clock jumps."""
    file.touch()
    with open(file, "r+b", buffering=0) as out:
        out.write((off_s * 1_000_000).to_bytes(8, sys.byteorder, signed=True))


def off_s(file: Path) -> int:
    return int.from_bytes(file.read_bytes(), sys.byteorder, signed=True) // 1_000_000
