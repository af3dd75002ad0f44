"""One stack: brought up in order, looked at, taken down."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import build, kafka, postgres, services, topics
from .errors import LocalError
from .kafka import Kafka
from .postgres import Postgres
from .process import Process, log_tail, spawn, stop_all, wait_until
from .state import Home

INFRASTRUCTURE = (postgres.NAME, kafka.NAME)
READY_TIMEOUT_S = 60
MIGRATE_TIMEOUT_S = 120
KAFKA_GRACE_S = 20
POSTGRES_GRACE_S = 30
PREFIX = "orderclerk."
PARTITIONS = 6
SETTING = "ORDERCLERK_"
# What `status --env` tells under names of its own, so that a service started from that shell takes nothing for a setting …
STACK = "STACK_"
# … and what programs read by their own names: settings that all services share, what orderctl reads, deploy/local's.
SHARED = ("HOME", "KAFKA", "TOPIC_PREFIX", "PARTITIONS", "INTAKE_URL", "DESK_URL", "PG_AUDIT")


def _say(text: str) -> None:
    print(text, flush=True)


class Stack:
    """build: folder of the binaries. small: a broker and a database for short lives (tests). full_jit: see Kafka.
    settings: {service, "service-2" or "*": {KEY: value}}, beside and above what services.py says."""

    def __init__(self, home: Path, build_folder: Path | None = None, *, small: bool = False, prefix: str | None = None,
                 partitions: int | None = None, settings: dict[str, dict[str, str]] | None = None, full_jit: bool | None = None,
                 say=_say):
        self.home = Home(home)
        state = self.home.state
        self.build_folder = build_folder or build.default_folder()
        self.prefix = prefix or os.environ.get("ORDERCLERK_TOPIC_PREFIX") or state.get("prefix") or PREFIX
        self.partitions = partitions or int(os.environ.get("ORDERCLERK_PARTITIONS") or state.get("partitions") or PARTITIONS)
        self.settings = settings if settings is not None else state.get("settings", {})
        self.small = small or state.get("small", False)
        self.postgres = Postgres(self.home, self.small)
        self.kafka = Kafka(self.home, self.small, full_jit if full_jit is not None else state.get("full_jit"))
        self.say = say

    # ---- up
    def up(self, names: Iterable[str] = (), infrastructure: Iterable[str] = INFRASTRUCTURE, *, do_build: bool = True) -> None:
        """Starts what doesn't run yet of these, and returns when everything is ready."""
        programs = [services.program(name) for name in names]
        infrastructure = set(infrastructure)
        unknown = infrastructure - set(INFRASTRUCTURE)
        if unknown:
            raise LocalError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(INFRASTRUCTURE)}")
        begun = time.monotonic()
        with self.home.locked():
            self._remember()
            if kafka.NAME in infrastructure:
                kafka.prepare()
                self.kafka.start()  # boots while the rest goes on
            if postgres.NAME in infrastructure:
                self.postgres.start()
            binaries = [p.binary for p in programs if isinstance(p, services.Service)]
            for program in programs:
                if isinstance(program, services.Double) and not Path(program.command(None)[1]).exists():
                    raise LocalError(f"the double {program.name} is missing: {program.command(None)[1]}")
            if binaries and do_build:
                self.say(f"building {' '.join(binaries)}")
                build.build(self.build_folder, [*binaries, *services.TOOLS])
            build.check(self.build_folder, binaries)
            if postgres.NAME in infrastructure:
                self.postgres.wait_ready()
                self.postgres.apply_roles()
            if kafka.NAME in infrastructure:
                self.kafka.wait_ready()
                created = topics.create(self.kafka.bootstrap, self.prefix, self.partitions)
                if created:
                    self.say(f"{created} topics with {self.partitions} partitions each")
            self._migrate([p for p in programs if isinstance(p, services.Service)])
            instances = [(program.name, index) for program in programs for index in range(1, program.processes + 1)]
            for name, index in instances:
                self._start(name, index)
        for name, index in instances:
            self.wait_ready(name, index)
        self.say(f"up after {time.monotonic() - begun:.1f} s")

    def _remember(self) -> None:
        self.home.state.update(prefix=self.prefix, partitions=self.partitions, settings=self.settings, small=self.small,
                               full_jit=self.kafka.full_jit, build=str(self.build_folder))
        self.home.save()

    def _migrate(self, programs: list[services.Service]) -> None:
        """All schemas at once: they share nothing."""
        def run(program: services.Service) -> str | None:
            dsn = self.postgres.dsn(postgres.MIGRATOR, application_name=f"migrate-{program.name}")
            env = {**_inherited(), SETTING + "PG": dsn, SETTING + "KAFKA": self.kafka.bootstrap,
                   SETTING + "TOPIC_PREFIX": self.prefix}
            try:
                done = subprocess.run([*program.command(self.build_folder), "--migrate"], env=env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=MIGRATE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return f"{program.binary} --migrate doesn't end within {MIGRATE_TIMEOUT_S} s"
            return None if done.returncode == 0 else f"{program.binary} --migrate failed:\n{done.stdout.strip()}"

        with ThreadPoolExecutor(4) as pool:
            failures = [failure for failure in pool.map(run, programs) if failure]
        if failures:
            raise LocalError("\n".join(failures))

    # ---- one process
    def start(self, name: str, index: int = 1) -> Process:
        """Starts one process again, without waiting until it is ready."""
        with self.home.locked():
            if name == postgres.NAME:
                return self.postgres.start()
            if name == kafka.NAME:
                return self.kafka.start()
            return self._start(name, index)

    def _start(self, name: str, index: int) -> Process:
        program = services.program(name)
        instance = services.instance(name, index)
        running = self.home.running(instance)
        if running:
            return running
        process = spawn(program.command(self.build_folder), self.home.log_file(instance), self.environment(name, index))
        self.home.set_process(instance, process)
        return process

    def environment(self, name: str, index: int = 1) -> dict[str, str]:
        """What a process is told. Nothing that starts with ORDERCLERK_ is inherited: services refuse what they don't know."""
        program = services.program(name)
        instance = services.instance(name, index)
        own = {"KAFKA": self.kafka.bootstrap, "TOPIC_PREFIX": self.prefix, "INSTANCE": instance,
               "HTTP_LISTEN": f"127.0.0.1:{self.home.port(instance)}"}
        if program.database:
            own["PG"] = self.postgres.dsn(postgres.role_of(name), application_name=instance)
        for port in program.ports():
            own[f"{port.upper()}_LISTEN"] = self.address(f"{name}:{port}")
        for group in (program.settings, self.settings.get("*", {}), self.settings.get(name, {}), self.settings.get(instance, {})):
            own.update({key: value.format_map(_Addresses(self)) for key, value in group.items()})
        return {**_inherited(), **{SETTING + key: value for key, value in own.items()}}

    def address(self, name: str) -> str:
        """host:port of `mail:smtp`."""
        return f"127.0.0.1:{self.home.port(name)}"

    def url(self, name: str, index: int = 1) -> str:
        return f"http://127.0.0.1:{self.home.port(services.instance(name, index))}"

    def process(self, name: str, index: int = 1) -> Process:
        instance = name if name in INFRASTRUCTURE else services.instance(name, index)
        process = self.home.process(instance)
        if process is None:
            raise LocalError(f"{instance} was never started")
        return process

    def asked_ready(self, name: str, index: int = 1) -> tuple[int, str]:
        """What /ready answers; status 0: why it doesn't."""
        connection = http.client.HTTPConnection("127.0.0.1", self.home.port(services.instance(name, index)), timeout=2)
        try:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def is_ready(self, name: str, index: int = 1) -> bool:
        return self.asked_ready(name, index)[0] == 200

    def wait_ready(self, name: str, index: int = 1, timeout_s: float = READY_TIMEOUT_S) -> None:
        if name == postgres.NAME:
            return self.postgres.wait_ready()
        if name == kafka.NAME:
            return self.kafka.wait_ready()
        instance = services.instance(name, index)

        def ready() -> bool:
            if self.home.running(instance) is None:
                raise LocalError(f"{instance} ended while starting:\n{log_tail(self.home.log_file(instance))}")
            return self.is_ready(name, index)

        if not wait_until(ready, timeout_s):
            status, text = self.asked_ready(name, index)
            raise LocalError(f"{instance} isn't ready after {timeout_s:.0f} s, it says {status} {text}:\n{log_tail(self.home.log_file(instance))}")

    def stop(self, name: str, index: int = 1) -> bool:
        """Gracefully; False if it had to be killed."""
        if name in INFRASTRUCTURE:
            grace_s, number = (KAFKA_GRACE_S, kafka.STOP_SIGNAL) if name == kafka.NAME else (POSTGRES_GRACE_S, postgres.STOP_SIGNAL)
        else:
            grace_s, number = services.program(name).grace_s, signal.SIGTERM
        return not stop_all([(self.process(name, index), number)], grace_s)

    # ---- down
    def down(self, wipe: bool = False, grace: bool = True) -> None:
        """Services finish their batches first; broker and database go last. Data stays unless wiped."""
        if not self.home.exists():
            return
        with self.home.locked():
            names = list(self.home.state["processes"])
            programs = [name for name in names if name not in INFRASTRUCTURE]
            grace_s = max((services.program(name.rsplit("-", 1)[0]).grace_s for name in programs), default=0.0)
            self._stop_group(programs, grace_s if grace else 0)
            self._stop_group([name for name in names if name in INFRASTRUCTURE], max(KAFKA_GRACE_S, POSTGRES_GRACE_S) if grace else 0)
            if wipe:
                self.postgres.wipe()
        if wipe:
            self.home.wipe()

    def _stop_group(self, names: list[str], grace_s: float) -> None:
        signals = {postgres.NAME: postgres.STOP_SIGNAL, kafka.NAME: kafka.STOP_SIGNAL}
        running = {name: process for name in names if (process := self.home.running(name))}
        killed = stop_all([(process, signals.get(name, signal.SIGTERM)) for name, process in running.items()], grace_s)
        for name, process in running.items():
            if process in killed and grace_s:
                self.say(f"{name} had to be killed: it didn't end within {grace_s:.0f} s")
        for name in names:
            self.home.set_process(name, None)

    # ---- looking
    def status(self) -> dict:
        """Everything that a script needs to talk to the stack; `cli` prints it as JSON, shell lines or a table."""
        home = self.home
        processes = home.state["processes"]

        def part(name: str, instance: str, ready) -> dict:
            process = home.running(instance)
            state = "stopped" if instance not in processes else "ended"
            if process:
                state = "paused" if process.state() == "T" else "ready" if ready() else "starting"
            return {"name": instance, "pid": process.pid if process else None, "state": state, "log": str(home.log_file(instance))}

        def programs(names: Iterable[str]) -> dict:
            found = {}
            for name in names:
                program = services.program(name)
                instances = []
                for index in range(1, program.processes + 1):
                    instance = services.instance(name, index)
                    if instance in processes:
                        row = part(name, instance, lambda: self.is_ready(name, index))
                        row["url"] = self.url(name, index)
                        row.update({port: self.address(f"{name}:{port}") for port in program.ports()})
                        instances.append(row)
                if instances:
                    found[name] = {"instances": instances}
                    if program.database:
                        role = postgres.role_of(name)
                        found[name].update(role=role, dsn=self.postgres.dsn(role))
            return found

        result: dict = {"home": str(home.path), "build": home.state.get("build"), "postgres": None, "kafka": None}
        if postgres.NAME in processes:
            result["postgres"] = {
                **part(postgres.NAME, postgres.NAME, lambda: True), "host": "127.0.0.1", "port": self.postgres.port,
                "socket": str(self.postgres.socket), "database": postgres.DATABASE,
                "dsn_admin": self.postgres.dsn(postgres.SUPERUSER), "dsn_migrate": self.postgres.dsn(postgres.MIGRATOR),
                "dsn_audit": self.postgres.dsn(postgres.AUDITOR)}
        if kafka.NAME in processes:
            result["kafka"] = {**part(kafka.NAME, kafka.NAME, lambda: True), "bootstrap": self.kafka.bootstrap,
                               "topic_prefix": self.prefix, "partitions": self.partitions}
        result["services"] = programs(services.SERVICE_NAMES)
        result["doubles"] = programs(services.DOUBLE_NAMES)
        rows = [row for row in (result["postgres"], result["kafka"]) if row]
        rows += [row for group in ("services", "doubles") for item in result[group].values() for row in item["instances"]]
        states = {row["state"] for row in rows}
        result["state"] = ("stopped" if states <= {"stopped", "ended"} else "ready" if states == {"ready"} else "partly")
        return result

    def shell_variables(self, status: dict | None = None) -> dict[str, str]:
        """Addresses, connection strings and process ids by variable: ORDERCLERK_ for those of SHARED, STACK_ for the rest."""
        status = status or self.status()
        found = {"HOME": status["home"]}
        if status["kafka"]:
            found.update(KAFKA=status["kafka"]["bootstrap"], TOPIC_PREFIX=status["kafka"]["topic_prefix"],
                         PARTITIONS=str(status["kafka"]["partitions"]), KAFKA_PID=str(status["kafka"]["pid"] or ""))
        if status["postgres"]:
            found.update(PG_ADMIN=status["postgres"]["dsn_admin"], PG_MIGRATE=status["postgres"]["dsn_migrate"],
                         POSTGRES_PID=str(status["postgres"]["pid"] or ""))
            found["PG_AUDIT"] = status["postgres"]["dsn_audit"]
            found.update({f"PG_{name.upper()}": self.postgres.dsn(postgres.role_of(name)) for name in services.SERVICE_NAMES})
        for name, item in {**status["services"], **status["doubles"]}.items():
            for row in item["instances"]:
                key = row["name"].upper().replace("-", "_")
                found.update({f"{key}_URL": row["url"], f"{key}_PID": str(row["pid"] or "")})
                found.update({f"{key}_{port.upper()}": row[port] for port in services.program(name).ports()})
            found[f"{name.upper()}_URL"] = item["instances"][0]["url"]
        return {(SETTING if key in SHARED else STACK) + key: value for key, value in found.items()}

    def shell_lines(self) -> str:
        return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in self.shell_variables().items())


class _Addresses(dict):
    """Resolves {intake} to a URL and {mail:smtp} to host:port; format_map splits at the colon, so that the port's name
    arrives as a format specification."""

    def __init__(self, stack: Stack):
        super().__init__()
        self._stack = stack

    def __missing__(self, name: str):
        services.program(name)
        return _Address(self._stack, name)


class _Address:
    def __init__(self, stack: Stack, name: str):
        self._stack = stack
        self._name = name

    def __format__(self, port: str) -> str:
        return self._stack.address(f"{self._name}:{port}") if port else self._stack.url(self._name)


def _inherited() -> dict[str, str]:
    """The caller's environment without our own variables and without what Python tools have put there."""
    return {key: value for key, value in os.environ.items() if not key.startswith(SETTING) and key not in ("PYTHONPATH", "PYTHONHOME")}
