"""A private one-node Apache Kafka: jars by Maven into the user's cache folder, run by java itself."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

from .errors import LocalError
from .process import Process, log_tail, spawn, stop_all, wait_until
from .state import REPOSITORY, Home, cache_folder

NAME = "kafka"
SETTINGS = REPOSITORY / "deploy" / "kafka"
STOP_SIGNAL = signal.SIGTERM
START_TIMEOUT_S = 60

# The serial collector starts sooner than G1 and costs the same under load (measured: 53 µs of CPU per record with either).
# `small` stays with the first compiler, unless told otherwise: a broker that lives for one test never earns the second one
# back (ready after 1.1 s instead of 1.4 s, 53 instead of 70 µs per record in its first 15 s, but 60 instead of 53 µs for
# ever after).
JVM = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto", "-Djava.awt.headless=true")
JVM_NORMAL = ("-Xms512m", "-Xmx1g")
JVM_SMALL = ("-Xms256m", "-Xmx512m")
FIRST_COMPILER = "-XX:TieredStopAtLevel=1"


def version() -> str:
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", (SETTINGS / "pom.xml").read_text())
    if not found:
        raise LocalError("deploy/kafka/pom.xml names no kafka.version")
    return found[1]


def java() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    debian = Path(f"/usr/lib/jvm/java-17-openjdk-{machine}/bin/java")
    found = str(debian) if debian.exists() else shutil.which("java")
    if not found:
        raise LocalError("no Java 17 or later (package openjdk-17-jre-headless)")
    return found


def _folder() -> Path:
    """The jars; named by version and by what else the pom says."""
    content = hashlib.sha256((SETTINGS / "pom.xml").read_bytes()).hexdigest()[:8]
    return cache_folder() / f"kafka-{version()}-{content}"


def _archive() -> Path:
    """The class data of a broker as it starts: 0.7 s less of start. Java ignores one that doesn't fit it."""
    path = Path(java()).resolve()
    build = hashlib.sha256(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    return _folder() / f"classes-{build}.jsa"


def _base_command(heap: tuple[str, ...]) -> list[str]:
    return [java(), *heap, *JVM, f"-Dlog4j2.configurationFile={SETTINGS}/log4j2.properties", "-cp", f"{_folder()}/*"]


def prepare() -> None:
    """Jars and class archive are in the cache folder. Safe to run in parallel."""
    folder = _folder()
    if _archive().exists():
        return
    cache_folder().mkdir(parents=True, exist_ok=True)
    with open(cache_folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            print(f"fetching Apache Kafka {version()} by Maven", flush=True)
            _fetch(folder)
        if not _archive().exists():
            _make_archive()


def _fetch(folder: Path) -> None:
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        done = subprocess.run(["mvn", "-B", "-q", "-C", "-f", str(SETTINGS / "pom.xml"), "dependency:copy-dependencies",
                               f"-DoutputDirectory={new}"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise LocalError("mvn is not installed (package maven)") from None
    if done.returncode != 0:
        raise LocalError(f"Maven could not fetch Kafka's jars:\n{done.stdout}{done.stderr}")
    new.rename(folder)


def _make_archive() -> None:
    """Starts a throw-away broker once and lets Java store the classes that it loaded."""
    with tempfile.TemporaryDirectory(prefix="orderclerk-kafka-") as folder:
        home = Home(Path(folder) / "home")
        home.create()
        try:
            kafka = Kafka(home)
            new = _archive().with_suffix(".new")
            kafka.start([f"-XX:ArchiveClassesAtExit={new}"])
            kafka.wait_ready()
            stop_all([(kafka.running(), STOP_SIGNAL)], 60)
            if not new.exists():
                raise LocalError(f"Java wrote no class archive:\n{log_tail(home.log_file(NAME))}")
            new.replace(_archive())
        finally:
            left = home.running(NAME)
            if left:
                stop_all([(left, signal.SIGKILL)], 0)
            home.wipe()


class Kafka:
    def __init__(self, home: Home, small: bool = False, full_jit: bool | None = None):
        """full_jit: both of the JVM's compilers; as said above if None."""
        self.home = home
        self.small = small
        self.full_jit = not small if full_jit is None else full_jit
        self._folder = home.path / "kafka"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.home.port(NAME)}"

    def running(self) -> Process | None:
        return self.home.running(NAME)

    def compilers(self) -> str:
        """What the running broker's JVM compiles with."""
        command = Path(f"/proc/{self.running().pid}/cmdline").read_bytes().decode().split("\0")
        return "C1" if FIRST_COMPILER in command else "C1 and C2"

    def _settings(self) -> Path:
        controller = self.home.port(f"{NAME}:controller")
        file = self._folder / "server.properties"
        self._folder.mkdir(exist_ok=True)
        file.write_text((SETTINGS / "server.properties").read_text() + f"""
# This stack
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.bootstrap}
log.dirs={self._folder}/data
""")
        return file

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self, jvm: list[str] | None = None) -> Process:
        running = self.running()
        if running:
            return running
        settings = self._settings()
        command = _base_command((*(JVM_SMALL if self.small else JVM_NORMAL), *(() if self.full_jit else (FIRST_COMPILER,))))
        command[1:1] = jvm or [f"-XX:SharedArchiveFile={_archive()}"]
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(settings)
        process = spawn([*command, "kafka.Kafka", str(settings)], self.home.log_file(NAME), self._environment())
        self.home.set_process(NAME, process)
        return process

    def _format(self, settings: Path) -> None:
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if cluster.startswith("-"):
            cluster = "A" + cluster[1:]  # it would look like an option
        command = _base_command((*JVM_SMALL, FIRST_COMPILER))
        command[1:1] = [f"-XX:SharedArchiveFile={_archive()}"]
        done = subprocess.run([*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)],
                              capture_output=True, text=True, env=self._environment())
        if done.returncode != 0:
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            raise LocalError(f"Kafka's storage can't be formatted:\n{done.stdout}{done.stderr}")

    def wait_ready(self) -> None:
        """The broker answers a metadata request with itself in it."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        admin: AdminClient | None = None

        def ready() -> bool:
            nonlocal admin
            if self.running() is None:
                raise LocalError(f"Kafka ended while starting:\n{log_tail(self.home.log_file(NAME))}")
            if not _listens(self.home.port(NAME)):
                return False
            admin = admin or AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.ms": 20,
                                          "reconnect.backoff.max.ms": 50})
            try:
                return bool(admin.list_topics(timeout=2).brokers)
            except KafkaException:
                return False

        if not wait_until(ready, START_TIMEOUT_S):
            raise LocalError(f"Kafka isn't ready after {START_TIMEOUT_S} s:\n{log_tail(self.home.log_file(NAME))}")


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
