#!/usr/bin/python3
"""Which branches of the services' code the seeds of a simulator built with -DBRANCHES=ON have taken.

    branches.py BUILD            forgets what was counted
    branches.py BUILD --tell     prints a line per service, and writes BUILD/branches.txt: each branch that no seed has taken

A branch is a way out of a decision that gcc has compiled; asserts don't count (their other way out is the end), nor do functions that no
seed has entered: they are listed by name. Files of which nothing was entered (HTTP, queries) aren't the simulator's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class File:
    taken: int = 0
    total: int = 0
    missed: list[str] = field(default_factory=list)
    asleep: list[str] = field(default_factory=list)


def counted(build: Path) -> list[Path]:
    return sorted((build / "services").rglob("*.gcda"))


def asserting(source: list[str], number: int) -> bool:
    """Whether the line belongs to an assert, which may go over several."""
    for at in range(number, max(0, number - 4), -1):
        text = source[at - 1].strip()
        if text.startswith("assert("):
            return True
        if at < number and text.endswith((";", "{", "}")):
            return False
    return False


def read(data: Path) -> tuple[str, File] | None:
    """What gcov says of one object's own source; None: nothing of it was entered."""
    told = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout", str(data)], cwd=data.parent, check=True, capture_output=True).stdout
    for one in json.loads(told)["files"]:
        path = Path(one["file"])
        path = path if path.is_absolute() else (data.parent / path).resolve()
        if path.suffix != ".c" or ROOT / "services" not in path.parents:
            continue
        found, source = File(), path.read_text(encoding="utf-8").splitlines()
        asleep = {function["name"] for function in one["functions"] if function["execution_count"] == 0}
        if len(asleep) == len(one["functions"]):
            return None
        found.asleep = sorted(asleep)
        for line in one["lines"]:
            if line.get("function_name") in asleep or asserting(source, line["line_number"]):
                continue
            for number, branch in enumerate(line["branches"]):
                found.total += 1
                if branch["count"] > 0:
                    found.taken += 1
                else:
                    found.missed.append(f"{path.relative_to(ROOT)}:{line['line_number']} branch {number}: {source[line['line_number'] - 1].strip()}")
        return str(path.relative_to(ROOT)), found
    return None


def main() -> None:
    build = Path(sys.argv[1]).resolve()
    if sys.argv[2:] != ["--tell"]:
        for data in counted(build):
            data.unlink()
        return
    services: dict[str, File] = defaultdict(File)
    for data in counted(build):
        one = read(data)
        if one is None:
            continue
        service = services[one[0].split("/")[1]]
        service.taken += one[1].taken
        service.total += one[1].total
        service.missed += one[1].missed
        service.asleep += [f"{one[0]}: {name} was never entered" for name in one[1].asleep]
    if not services:
        sys.exit(f"{build}: no branch was counted; is it built with -DBRANCHES=ON?")
    lines = [line for name in sorted(services) for line in (*services[name].asleep, *services[name].missed)]
    (build / "branches.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    listed = build / "branches.txt"
    shown = listed.relative_to(ROOT) if ROOT in listed.parents else listed
    print("branches of the services' code: " + ", ".join(f"{name} {one.taken} of {one.total}" for name, one in sorted(services.items())))
    print(f"functions never entered: {sum(len(one.asleep) for one in services.values())}; all that was missed: {shown}")


if __name__ == "__main__":
    main()
