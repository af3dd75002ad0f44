"""Configuring and building with CMake; what is up to date costs a fraction of a second."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LocalError
from .state import REPOSITORY


def default_folder() -> Path:
    return Path(os.environ.get("ORDERCLERK_BUILD") or REPOSITORY / "build").absolute()


def build(folder: Path, binaries: Sequence[str]) -> None:
    """Builds these programs into folder/bin. A folder that is configured already keeps its configuration."""
    if not (folder / "build.ninja").exists():
        print(f"configuring {_shown(folder)}", flush=True)
        _run(["cmake", "-S", str(REPOSITORY), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"], "configuring")
    _run(["cmake", "--build", str(folder), "--target", *binaries], "building")


def check(folder: Path, binaries: Sequence[str]) -> None:
    missing = [binary for binary in binaries if not os.access(folder / "bin" / binary, os.X_OK)]
    if missing:
        raise LocalError(f"not built in {_shown(folder)}/bin: {', '.join(missing)}")


def _run(command: list[str], what: str) -> None:
    if not shutil.which(command[0]):
        raise LocalError(f"{command[0]} is not installed (package cmake)")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LocalError(f"{what} failed:\n{done.stdout.strip()}")


def _shown(folder: Path) -> str:
    return str(folder.relative_to(REPOSITORY)) if folder.is_relative_to(REPOSITORY) else str(folder)
