"""Processes that outlive their starter: started in sessions of their own, known by pid, start time and boot."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import LocalError

LOG_BYTES_MAX = 64 * 1024 * 1024  # a log that is larger when its process starts moves to <name>.log.1


@functools.cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start time in clock ticks since boot; None: no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rsplit(")", 1)[1].split()  # the name before ")" may hold anything
    return fields[0], int(fields[19])


@dataclass(frozen=True)
class Process:
    pid: int
    started: int  # clock ticks since boot, as in /proc/<pid>/stat
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process:
        stat = _stat(pid)
        if stat is None:
            raise LocalError(f"process {pid} is gone")
        return cls(pid, stat[1], boot_id())

    def to_json(self) -> dict:
        return asdict(self)

    def state(self) -> str | None:
        """The state letter of /proc ("T": stopped by a signal); None once it has ended."""
        stat = _stat(self.pid)
        if stat is None or stat[1] != self.started or self.boot != boot_id():
            return None
        if stat[0] in "ZX":
            try:
                os.waitpid(self.pid, os.WNOHANG)  # a child of ours stays a zombie until it is waited for
            except ChildProcessError:
                pass
            return "Z" if self._has_threads() else None
        return stat[0]

    def _has_threads(self) -> bool:
        """The first thread has ended; others still hold files and ports."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/task")) > 1
        except (FileNotFoundError, ProcessLookupError):
            return False

    def alive(self) -> bool:
        return self.state() is not None

    def signal(self, number: int) -> bool:
        """Sends a signal unless the process has ended. The pidfd is opened first: no other process can get it."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)


def spawn(args: Sequence[str], log: Path, env: dict[str, str], cwd: Path | None = None) -> Process:
    """Starts a program in its own session, output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".1"))
    with open(log, "ab") as out:
        try:
            child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                     start_new_session=True)
        except OSError as error:
            raise LocalError(f"can't start {args[0]}: {error.strerror}") from None
    child.returncode = 0  # waiting is Process.state's business; Popen must not warn when it is collected
    return Process.of(child.pid)


def wait_until(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.02) -> bool:
    """Polls; True as soon as the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
    return True


def stop_all(stops: Sequence[tuple[Process, int]], grace_s: float) -> list[Process]:
    """Sends each process its signal, waits, then kills what is left. Returns those that had to be killed."""
    for process, number in stops:
        process.signal(number)
        process.signal(signal.SIGCONT)  # one that a test has stopped couldn't take the signal
    wait_until(lambda: not any(process.alive() for process, _ in stops), grace_s)
    killed = [process for process, _ in stops if process.signal(signal.SIGKILL)]
    if not wait_until(lambda: not any(process.alive() for process in killed), 10):
        raise LocalError("processes survive SIGKILL: " + ", ".join(str(p.pid) for p in killed if p.alive()))
    return killed


def log_tail(log: Path, lines: int = 20) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])
