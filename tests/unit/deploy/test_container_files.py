"""docker-compose.yml and deploy/docker without an engine: what docker-compose makes of the file is held against the product.

Debian's docker-compose reads, interpolates and checks the file (`config`); everything that it can't know is checked here:
names of settings, binaries, roles and files, and what --scale and a read-only, non-root container need.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "deploy" / "local"))

from oclocal import build, postgres, services, topics  # noqa: E402

DOCKER = REPOSITORY / "deploy" / "docker"
BINARIES = {service.binary: service for service in services.SERVICES}
SCALED = set(BINARIES)
INFRASTRUCTURE = {"postgres", "kafka", "roles", "migrate", "topics"}
BUILD_PACKAGES = re.compile(r"-dev\b|^(build-essential|cmake|ninja-build|pkg-config|protobuf-c?-?compiler)$")


def run(*command, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, **more)


@pytest.fixture(scope="module")
def compose() -> dict:
    """The file as docker-compose understands it, with the example's values."""
    done = run("docker-compose", "--env-file", DOCKER / "env.example", "-f", REPOSITORY / "docker-compose.yml", "config", cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def stages() -> list[dict[str, list[str]]]:
    """The Dockerfile's stages: arguments by instruction, lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DOCKER / "Dockerfile").read_text())
    found: list[dict[str, list[str]]] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            found.append({})
        found[-1].setdefault(word, []).append(rest)
    return found


def binary(name: str) -> Path:
    return Path(os.environ.get("ORDERCLERK_BUILD") or build.default_folder()) / "bin" / name


def installed(stage: dict[str, list[str]]) -> set[str]:
    return {word for line in stage["RUN"] for part in line.split("&&") if "apt-get install" in part
            for word in part.split("install", 1)[1].split() if not word.startswith("-")}


def test_every_service_and_what_it_stands_on_is_there(compose, tmp_path):
    assert set(compose["services"]) == SCALED | INFRASTRUCTURE
    for name in ("POSTGRES_PASSWORD", "ORDERCLERK_DB_PASSWORD", "ORDERCLERK_SMTP_URL"):
        lines = [line for line in (DOCKER / "env.example").read_text().splitlines() if not line.startswith(name)]
        (tmp_path / "env").write_text("\n".join(lines))
        done = run("docker-compose", "--env-file", tmp_path / "env", "-f", REPOSITORY / "docker-compose.yml", "config", "-q", env={"PATH": os.environ["PATH"]})
        assert done.returncode != 0 and name in done.stdout, f"{name} is asked for"


@pytest.mark.parametrize("name", sorted(BINARIES))
def test_a_service_takes_its_settings_and_nothing_else(compose, stages, name):
    given = compose["services"][name]["environment"]
    image = dict(pair.split("=", 1) for line in stages[-1].get("ENV", []) for pair in line.split())
    environment = {"PATH": os.environ["PATH"], **image, **given, **{key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}}
    done = run(binary(name), "--settings", env=environment)
    assert done.returncode == 0, done.stdout
    assert all(key.startswith("ORDERCLERK_") for key in given)
    assert f"user={postgres.role_of(BINARIES[name].name)} " in given["ORDERCLERK_PG"] and f"dbname={postgres.DATABASE} " in given["ORDERCLERK_PG"]
    done = run(binary(name), "--settings", env={**environment, "ORDERCLERK_NO_SUCH_NAME": "1"})
    assert done.returncode == 2 and "ORDERCLERK_NO_SUCH_NAME" in done.stdout


@pytest.mark.parametrize("name", sorted(BINARIES))
def test_a_service_can_be_scaled_and_has_no_rights(compose, stages, name):
    service = compose["services"][name]
    assert service["command"] == [name]
    assert "container_name" not in service and "hostname" not in service
    for port in service.get("ports", []):
        assert isinstance(port, str) and ":" not in port or isinstance(port, dict) and "published" not in port, "a fixed port serves one container only"
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}, "topics": {"condition": "service_completed_successfully"}}
    port = stages[-1]["EXPOSE"][0]
    assert service["healthcheck"]["test"] == ["CMD", "orderctl", "ready", f"http://127.0.0.1:{port}"]
    assert stages[-1]["ENV"] == [f"ORDERCLERK_HTTP_LISTEN=0.0.0.0:{port}"]


def test_waiting_for_another_is_waiting_for_something_that_comes(compose):
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            target = compose["services"][other]
            if how["condition"] == "service_healthy":
                assert target["healthcheck"]["test"], f"{name} waits for {other}'s health"
            else:
                assert how["condition"] == "service_completed_successfully" and "restart" not in target, f"{name} waits for {other}'s end"


def test_files_and_roles_that_are_named_exist(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0] if isinstance(volume, str) else volume["source"]
            assert Path(source).exists() if source.startswith("/") else source in compose["volumes"], source
    read = set(re.findall(r"\\getenv \w+ (\w+)", (REPOSITORY / "deploy/postgres/roles.sql").read_text()))
    assert read == {key for key in compose["services"]["roles"]["environment"] if key != "PGPASSWORD"}
    database = compose["services"]["postgres"]
    assert "POSTGRES_DB" not in database["environment"], "roles.sql makes the database, with its own collation"
    migrate = compose["services"]["migrate"]
    script = migrate["command"][2]
    assert set(re.search(r"for s in ([\w -]+);", script).group(1).split()) == set(BINARIES) and "--migrate" in script
    assert f"user={postgres.MIGRATOR} " in migrate["environment"]["ORDERCLERK_PG"]
    assert Path(migrate["build"]["context"]) == REPOSITORY and (REPOSITORY / migrate["build"]["dockerfile"]).exists()
    assert {compose["services"][name]["image"] for name in SCALED} == {migrate["image"]}


def test_the_broker_allows_what_lanes_need(compose):
    given = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in compose["services"]["kafka"]["environment"].items()}
    local = dict(line.split("=", 1) for line in (REPOSITORY / "deploy/kafka/server.properties").read_text().splitlines() if "=" in line and line[0] != "#")
    for name in ("auto.create.topics.enable", "group.min.session.timeout.ms", "group.initial.rebalance.delay.ms", "offsets.topic.replication.factor"):
        assert given[name] == local[name], name
    brokers = {compose["services"][name]["environment"]["ORDERCLERK_KAFKA"] for name in SCALED}
    assert brokers == {given["advertised.listeners"].removeprefix("PLAINTEXT://")} == {compose["services"]["topics"]["environment"]["BROKER"]}


def test_topics_are_made_as_the_list_says(compose, tmp_path):
    """The script as the container runs it, its two paths elsewhere, against a program that writes down what it is told."""
    log, tool = tmp_path / "log", tmp_path / "kafka-topics.sh"
    tool.write_text(f'#!/bin/bash\nprintf "%s " "$@" >> {log}\necho >> {log}\n')
    tool.chmod(0o755)
    script = (DOCKER / "topics.sh").read_text()
    assert "/opt/kafka/bin/kafka-topics.sh" in script and "/topics.def" in script
    moved = tmp_path / "topics.sh"
    moved.write_text(script.replace("/opt/kafka/bin/kafka-topics.sh", str(tool)).replace("/topics.def", str(topics.FILE)))
    environment = compose["services"]["topics"]["environment"]
    done = run("bash", moved, env={"PATH": os.environ["PATH"], **environment})
    assert done.returncode == 0, done.stdout
    made = {}
    for line in log.read_text().splitlines():
        words = line.split()
        assert words[words.index("--partitions") + 1] == environment["PARTITIONS"] and "--if-not-exists" in words
        made[words[words.index("--topic") + 1]] = {words[at + 1] for at, word in enumerate(words) if word == "--config"}
    assert made == {topic.full_name(environment["PREFIX"]): {f"{key}={value}" for key, value in topic.config().items()} for topic in topics.read()}


def test_the_image_holds_the_programs_and_no_tools(stages):
    made, runtime = stages
    name = re.fullmatch(r"(\S+) AS (\w+)", made["FROM"][0]).group(2)
    copied = [word for line in runtime["COPY"] for word in line.split()]
    assert copied[0] == f"--from={name}" and copied[-1] == "/usr/local/bin/"
    programs = {Path(word).name for word in copied[1:-1]}
    assert programs == set(BINARIES) | set(services.TOOLS)
    assert programs == set(re.search(r"ninja -C /build ([\w -]+?)\s*&&", made["RUN"][1]).group(1).split()), "what is built is what is copied"
    assert not [package for package in installed(runtime) if BUILD_PACKAGES.search(package)]
    assert "tzdata" in installed(runtime), "calendars and promises need zones"
    user = runtime["USER"][-1]
    assert user.isdigit() and int(user) > 0 and f"--uid {user} " in " ".join(runtime["RUN"])
    assert runtime["STOPSIGNAL"] == ["SIGTERM"]


@functools.lru_cache
def owners(library: str) -> set[str]:
    return {line.split(":")[0] for line in run("dpkg", "-S", f"*/{library}").stdout.splitlines()}


def test_the_image_holds_every_library_that_the_programs_name(stages):
    packages = installed(stages[-1]) | {"libc6", "libgcc-s1"}  # the last two are in every Debian
    for name in [*BINARIES, *services.TOOLS]:
        dump = run("objdump", "-p", binary(name)).stdout
        needed = re.findall(r"NEEDED\s+(\S+)", dump)
        assert needed, name
        for library in needed:
            assert owners(library) & packages, f"{name} needs {library} of {owners(library)}"


def test_what_is_copied_is_enough_to_build(stages, tmp_path):
    """CMake configures from the copied paths alone, and ninja finds every source of the targets (nothing is compiled)."""
    ignored = {line.rstrip("/") for line in (REPOSITORY / ".dockerignore").read_text().split()}
    source = tmp_path / "src"
    for line in stages[0]["COPY"]:
        *paths, target = line.split()
        for path in paths:
            assert path.split("/")[0] not in ignored
            to = source / target if target != "./" else source
            if (REPOSITORY / path).is_dir():
                shutil.copytree(REPOSITORY / path, to)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / path, to)
    done = run("cmake", "-G", "Ninja", "-S", source, "-B", tmp_path / "build", "-DCMAKE_BUILD_TYPE=RelWithDebInfo")
    assert done.returncode == 0, done.stdout
    done = run("ninja", "-C", tmp_path / "build", "-n", *BINARIES, *services.TOOLS)
    assert done.returncode == 0, done.stdout[-2000:]
