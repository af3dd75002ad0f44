"""The folder of one stack: what was started, on which ports, with which secrets.

    state.json   processes, ports, settings of the last `up`
    lock         held while something is started or stopped
    secrets/     a password file per role (libpq's passfile format), 0600
    log/         one file per process
    kafka/ postgres/   their data and settings
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import secrets
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

from .errors import LocalError
from .process import Process, wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
# Below the kernel's range for outgoing connections: nobody gets one of these by chance between choosing and listening.
PORTS = range(20000, 32000)
PORT_WAIT_S = 2.0  # a process that has just been killed may not have let go of its port yet


def default_home() -> Path:
    return Path(os.environ.get("ORDERCLERK_HOME") or REPOSITORY / ".local").absolute()


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "orderclerk"


class Home:
    def __init__(self, path: Path):
        self.path = path
        self.log = path / "log"
        self.secrets = path / "secrets"
        self._state_file = path / "state.json"
        self.state: dict = {"ports": {}, "processes": {}}
        self.load()

    # ---- state.json
    def load(self) -> None:
        if self._state_file.exists():
            self.state = json.loads(self._state_file.read_text())

    def save(self) -> None:
        new = self._state_file.with_name("state.json.new")
        with open(new, "w") as file:
            json.dump(self.state, file, indent=2, sort_keys=True)
            file.write("\n")
        new.replace(self._state_file)

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.log.mkdir(exist_ok=True)

    def exists(self) -> bool:
        return self._state_file.exists()

    def wipe(self) -> None:
        for port, owner in list(_claims()):
            if owner == str(self.path):
                _claim_file(port).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            raise LocalError(f"can't delete {self.path}")
        self.state = {"ports": {}, "processes": {}}

    @contextmanager
    def locked(self):
        """One command at a time changes a stack."""
        self.create()
        with open(self.path / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("waiting for another command on this stack", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            self.load()
            yield

    # ---- processes
    def process(self, name: str) -> Process | None:
        """The recorded process, whether it still runs or not."""
        record = self.state["processes"].get(name)
        return Process(**record) if record else None

    def running(self, name: str) -> Process | None:
        process = self.process(name)
        return process if process and process.alive() else None

    def set_process(self, name: str, process: Process | None) -> None:
        if process:
            self.state["processes"][name] = process.to_json()
        else:
            self.state["processes"].pop(name, None)
        self.save()

    def log_file(self, name: str) -> Path:
        return self.log / f"{name}.log"

    # ---- ports
    def port(self, name: str) -> int:
        """The port of this name: chosen once, kept unless somebody else goes on listening there."""
        port = self.state["ports"].get(name)
        if port is None or not (self.running(name.split(":")[0]) or wait_until(lambda: _is_free(port), PORT_WAIT_S)):
            port = _choose_port(str(self.path))
            self.state["ports"][name] = port
            self.save()
        return port

    # ---- secrets
    def password(self, role: str) -> str:
        """A random password, made at first use; `passfile` holds the same for libpq."""
        file = self.passfile(role)
        if file.exists():
            return file.read_text().strip().rsplit(":", 1)[1]
        password = secrets.token_hex(24)
        new = file.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(f"*:*:*:{role}:{password}\n")
        new.replace(file)
        return password

    def passfile(self, role: str) -> Path:
        return self.secrets / f"{role}.pgpass"

    def short_name(self) -> str:
        """For what must live outside of the folder."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:12]


# A stack keeps its ports while it stands, also those of a process that a test has just killed: a folder with a file per port
# names the owners. A claim whose stack is gone counts for nothing.
def _claims_folder() -> Path:
    folder = Path(f"/tmp/orderclerk-ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise LocalError(f"{folder} belongs to somebody else")
    return folder


def _claim_file(port: int) -> Path:
    return _claims_folder() / str(port)


def _claims():
    for file in _claims_folder().iterdir():
        try:
            yield int(file.name), file.read_text()
        except (ValueError, FileNotFoundError):
            continue


def _claim(port: int, owner: str) -> bool:
    file = _claim_file(port)
    try:
        if not Path(file.read_text()).exists():
            file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    try:
        with open(file, "x") as out:
            out.write(owner)
    except FileExistsError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _choose_port(owner: str) -> int:
    for port in random.sample(PORTS, 500):
        if _is_free(port) and _claim(port, owner):
            if _is_free(port):
                return port
    raise LocalError(f"no free port between {PORTS.start} and {PORTS.stop}")
