"""A private PostgreSQL cluster: loopback and a socket folder, passwords everywhere, durability as in production."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .errors import LocalError
from .process import Process, log_tail, spawn, wait_until
from .state import REPOSITORY, Home

NAME = "postgres"
DATABASE = "orderclerk"
SUPERUSER = "postgres"
MIGRATOR = "orderclerk_migrate"
AUDITOR = "orderclerk_audit"  # orderctl's audits: reads, never writes
SYSTEM_USER = "postgres"  # PostgreSQL refuses to run as root
SOCKET_PATH_MAX = 90  # bytes of the folder; a socket's whole path ends at 107
STOP_SIGNAL = signal.SIGINT  # fast shutdown: sessions are ended, data is flushed
START_TIMEOUT_S = 60  # after a crash it replays the log first

SERVICES = ("intake", "validator", "inventory", "fulfillment", "notifier", "orchestrator", "desk")
SMALL = ("-c", "shared_buffers=128MB", "-c", "max_wal_size=1GB")


def role_of(service: str) -> str:
    return f"orderclerk_{service}"


def _binary(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("[0-9]*"), key=lambda p: int(p.name), reverse=True)
    for folder in folders:
        if int(folder.name) >= 15 and (folder / "bin" / name).exists():
            return str(folder / "bin" / name)
    found = shutil.which(name)
    if not found:
        raise LocalError(f"{name} of PostgreSQL 15 or later is not installed (package postgresql-15)")
    return found


def quote_dsn(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Postgres:
    def __init__(self, home: Home, small: bool = False):
        self.home = home
        self.small = small

    # ---- where things are
    @property
    def _root(self) -> Path:
        """Holds data and socket. Beside the rest, unless the system user can't get there (a clone below /root)."""
        recorded = self.home.state.get("postgres_root")
        if recorded:
            return Path(recorded)
        root = self.home.path / "postgres"
        if os.geteuid() == 0 and not self._user_reaches(self.home.path):
            root = Path("/var/lib/orderclerk") / self.home.short_name()
        self.home.state["postgres_root"] = str(root)
        self.home.save()
        return root

    @property
    def data(self) -> Path:
        return self._root / "data"

    @property
    def socket(self) -> Path:
        folder = self._root / "socket"
        if len(os.fsencode(folder)) > SOCKET_PATH_MAX:
            folder = Path(tempfile.gettempdir()) / f"orderclerk-{self.home.short_name()}"
        return folder

    @property
    def port(self) -> int:
        return self.home.port(NAME)

    def dsn(self, role: str, tcp: bool = False, **more: str) -> str:
        """A libpq connection string; the password stays in the role's password file."""
        self.home.password(role)
        parts = {"host": "127.0.0.1" if tcp else str(self.socket), "port": str(self.port), "dbname": DATABASE, "user": role,
                 "passfile": str(self.home.passfile(role)), **more}
        return " ".join(f"{key}={quote_dsn(value)}" for key, value in parts.items())

    # ---- the system user
    @staticmethod
    def _as_user() -> list[str]:
        if os.geteuid() != 0:
            return []
        try:
            user = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            raise LocalError(f"no system user {SYSTEM_USER} (package postgresql-15 makes it)") from None
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]

    @classmethod
    def _user_reaches(cls, folder: Path) -> bool:
        return subprocess.run([*cls._as_user(), "test", "-x", str(folder)]).returncode == 0

    def _make_folder(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._give_to_user(folder)

    @staticmethod
    def _give_to_user(path: Path) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(SYSTEM_USER)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    # ---- life
    def _init(self) -> None:
        new = self._root / "data.new"  # renamed when whole: an interrupted initdb is begun again
        shutil.rmtree(new, ignore_errors=True)
        self._make_folder(new)
        password_file = self._root / "password"  # for the time of initdb; the system user must be able to read it
        with open(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(self.home.password(SUPERUSER))
        self._give_to_user(password_file)
        done = subprocess.run(
            [*self._as_user(), _binary("initdb"), "-D", str(new), "-U", SUPERUSER, f"--pwfile={password_file}", "--encoding=UTF8",
             "--lc-collate=C", "--lc-ctype=C.UTF-8", "--auth-local=scram-sha-256", "--auth-host=scram-sha-256"],
            stdin=subprocess.DEVNULL, text=True, capture_output=True, env=self._environment(), cwd="/")
        password_file.unlink()
        if done.returncode != 0:
            raise LocalError(f"initdb failed:\n{done.stdout}{done.stderr}")
        with open(new / "postgresql.conf", "a") as file:
            file.write("include 'orderclerk.conf'\n")
        new.rename(self.data)

    def start(self) -> Process:
        running = self.home.running(NAME)
        if running:
            return running
        self._make_folder(self._root)
        if self._root.parent == Path("/var/lib/orderclerk"):
            self._root.parent.chmod(0o711)
        self._make_folder(self.socket)
        self._root.chmod(0o711)  # the socket is for everybody who knows a password
        self.socket.chmod(0o755)
        if not self.data.exists():
            self._init()
        settings = (REPOSITORY / "deploy/postgres/postgresql.conf").read_text()
        (self.data / "orderclerk.conf").write_text(settings)  # included by the cluster's own, which knows what initdb found
        args = [*self._as_user(), _binary("postgres"), "-D", str(self.data),
                "-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.socket}",
                "-c", "logging_collector=off", *(SMALL if self.small else ())]
        process = spawn(args, self.home.log_file(NAME), self._environment(), cwd=Path("/"))
        self.home.set_process(NAME, process)
        return process

    def wait_ready(self) -> None:
        """Accepts connections. After a kill the old backends hold the shared memory for a moment: it is started again."""
        import psycopg2  # only what starts a stack needs it

        dsn = self.dsn(SUPERUSER, dbname="postgres", connect_timeout="5")
        last_error = ""

        def ready() -> bool:
            nonlocal last_error
            process = self.home.running(NAME)
            if process is None:
                tail = log_tail(self.home.log_file(NAME), 5)
                if "still in use" not in tail and "lock file" not in tail:
                    raise LocalError(f"PostgreSQL ended while starting:\n{log_tail(self.home.log_file(NAME))}")
                self.start()
                return False
            try:
                psycopg2.connect(dsn).close()
                return True
            except psycopg2.OperationalError as error:
                last_error = str(error).strip()
                return False

        if not wait_until(ready, START_TIMEOUT_S, 0.03):
            raise LocalError(f"PostgreSQL isn't ready after {START_TIMEOUT_S} s: {last_error}")

    def apply_roles(self) -> None:
        """Database, schemas and roles as in deploy/postgres/roles.sql, with this stack's passwords."""
        env = {"PATH": os.environ["PATH"], "PGPASSFILE": str(self.home.passfile(SUPERUSER)), "PGOPTIONS": "-c client_min_messages=warning"}
        env["ORDERCLERK_PASSWORD_MIGRATE"] = self.home.password(MIGRATOR)
        env["ORDERCLERK_PASSWORD_AUDIT"] = self.home.password(AUDITOR)
        for service in SERVICES:
            env[f"ORDERCLERK_PASSWORD_{service.upper()}"] = self.home.password(role_of(service))
        done = subprocess.run([_binary("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", f"database={DATABASE}", "-h", str(self.socket),
                               "-p", str(self.port), "-U", SUPERUSER, "-d", "postgres",
                               "-f", str(REPOSITORY / "deploy/postgres/roles.sql")], capture_output=True, text=True, env=env)
        if done.returncode != 0:
            raise LocalError(f"roles.sql failed:\n{done.stderr.strip()}")

    def drop_database(self) -> None:
        """For tests that want an empty one: roles and cluster stay."""
        import psycopg2

        connection = psycopg2.connect(self.dsn(SUPERUSER, dbname="postgres"))
        try:
            connection.autocommit = True
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        finally:
            connection.close()

    def wipe(self) -> None:
        """What lies outside of the home folder."""
        root = self.home.state.get("postgres_root")
        if root and not Path(root).is_relative_to(self.home.path):
            shutil.rmtree(root, ignore_errors=True)
        if root and not self.socket.is_relative_to(root):
            shutil.rmtree(self.socket, ignore_errors=True)
