"""clang-tidy over the project's C files, in parallel; a file whose preprocessed text and checks haven't changed since it
passed isn't looked at again.

    python3 tests/lib/tidy.py BUILD_FOLDER [file…]
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TIDY = "clang-tidy-14"
CLANG = "clang-14"
FOLDERS = ("common", "services", "tests")
PASSED_DAYS = 30
# Without inlining an assertion isn't known to end a test that met a null pointer.
TESTS_MAY = "-clang-analyzer-security.insecureAPI.strcpy,-clang-analyzer-deadcode.DeadStores,-clang-analyzer-core.NullDereference"
# The analyzer's deep mode takes five seconds for a test of a few hundred assertions, and sanitizers watch every test as it runs.
TESTS = [f"--checks={TESTS_MAY}", *(f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "mode=shallow"))]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderclerk" / "tidy"


def main() -> int:
    build, wanted = Path(sys.argv[1]), {Path(name).resolve() for name in sys.argv[2:]}
    version = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    base = hashlib.sha256((version + str(TESTS) + (REPOSITORY / ".clang-tidy").read_text()).encode())
    jobs = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(entry["file"]).resolve()
        if not any(file.is_relative_to(REPOSITORY / folder) for folder in FOLDERS) or file.is_relative_to(build.resolve()):
            continue
        if not wanted or file in wanted:
            jobs.append((file, entry))
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.iterdir():
        if old.stat().st_mtime < time.time() - PASSED_DAYS * 86400:
            old.unlink(missing_ok=True)

    def check(job) -> tuple[Path, str, bool]:
        file, entry = job
        digest = base.copy()
        digest.update(str(file).encode() + _preprocessed(entry))
        stamp = CACHE / digest.hexdigest()
        if stamp.exists():
            stamp.touch()
            return file, "", True
        more = TESTS if file.is_relative_to(REPOSITORY / "tests") else []
        done = subprocess.run([TIDY, "-p", str(build), "--quiet", *more, str(file)], capture_output=True, text=True)
        if done.returncode == 0:
            stamp.touch()
            return file, "", False
        return file, (done.stdout + done.stderr).replace(str(REPOSITORY) + "/", ""), False

    failed = cached = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for file, text, known in pool.map(check, jobs):
            cached += known
            if text:
                failed += 1
                print(text.strip(), flush=True)
    print(f"clang-tidy: {len(jobs)} files ({cached} unchanged since they passed), {failed} with findings")
    return 1 if failed else 0


def _preprocessed(entry: dict) -> bytes:
    """What the compiler sees, comments included: NOLINT is one."""
    arguments = entry.get("arguments") or shlex.split(entry["command"])
    while arguments and os.path.basename(arguments[0]) in ("ccache",):
        arguments = arguments[1:]
    kept, skip = [CLANG, "-E", "-CC", "-w"], False
    for argument in arguments[1:]:
        if skip or argument == "-c":
            skip = False
            continue
        if argument == "-o":
            skip = True
            continue
        kept.append(argument)
    return subprocess.run(kept, cwd=entry["directory"], capture_output=True).stdout


if __name__ == "__main__":
    sys.exit(main())
