"""The stack's own tests, on a real PostgreSQL and a real Kafka. Services are stood in for by a small program, so that these
tests say something about the plumbing and nothing about the product."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
from oclocal import postgres, services, state, topics
from oclocal.errors import LocalError
from oclocal.process import Process, spawn
from stack import REPOSITORY, Stack

STAND_IN = '''#!/usr/bin/python3
"""Answers /ready and /environment; --migrate makes a table; SIGTERM ends it unless it is told to be stubborn."""
import http.server, json, os, signal, sys
own = {k: v for k, v in os.environ.items() if k.startswith("ORDERCLERK_")}
if sys.argv[1:] == ["--migrate"]:
    import psycopg2
    with psycopg2.connect(own["ORDERCLERK_PG"]) as c:
        c.cursor().execute("CREATE TABLE IF NOT EXISTS %s.thing (id int PRIMARY KEY)" % os.path.basename(sys.argv[0]))
    sys.exit(0)
if own.get("ORDERCLERK_BROKEN"):
    sys.exit("no: BROKEN is set")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(own).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
if own.get("ORDERCLERK_STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
host, port = own["ORDERCLERK_HTTP_LISTEN"].split(":")
print("listening on", port, flush=True)
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
'''


@pytest.fixture(scope="module")
def build_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    (folder / "bin").mkdir()
    for service in services.SERVICES:
        file = folder / "bin" / service.binary
        file.write_text(STAND_IN)
        file.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def module_stack(build_folder):
    with Stack(build_folder=build_folder) as stack:
        yield stack


@pytest.fixture
def stack(module_stack):
    module_stack.fresh()
    return module_stack


def test_topics_are_those_of_the_list(stack):
    consumer = stack.consumer("orders")
    try:
        found = {name: len(topic.partitions) for name, topic in consumer.list_topics(timeout=10).topics.items() if name.startswith(stack.prefix)}
    finally:
        consumer.close()
    assert found == {stack.topic(topic.name): 6 for topic in topics.read()}


def test_topic_list_has_no_double_names_or_numbers():
    rows = topics.read()
    assert len({row.name for row in rows}) == len({row.number for row in rows}) == len({row.enumerator for row in rows}) == len(rows)


def test_other_number_of_partitions_is_refused(stack):
    with pytest.raises(LocalError, match="6 partitions, not 12"):
        topics.create(stack.kafka.bootstrap, stack.prefix, 12)


def test_records_travel(stack):
    key = "0190f5ce-0000-7000-8000-000000000001"
    first = stack.produce("orders", key, b"one", headers={"ce_id": "1"})
    second = stack.produce("orders", key, b"two")
    assert first.partition() == second.partition() and second.offset() == first.offset() + 1
    stack.produce("orders", "another key", b"three")
    assert sorted(message.value() for message in stack.consume("orders", until=3)) == [b"one", b"three", b"two"]
    assert len(stack.records("orders")) == 3
    assert stack.records("control") == []


def test_partition_is_that_of_javas_clients(stack):
    # murmur2(b"21") & 0x7fffffff = 1176362398 - from Kafka's own UtilsTest: murmur2("21") = -973932308
    assert stack.produce("orders", "21", b"").partition() == (-973932308 & 0x7FFFFFFF) % 6


def test_fresh_is_empty(stack):
    stack.produce("orders", "k", b"v")
    stack.sql("CREATE TABLE public.left_over ()")
    stack.fresh()
    assert stack.records("orders") == []
    assert stack.value("SELECT to_regclass('public.left_over')") is None


def test_durability_is_that_of_production(stack):
    settings = {name: stack.value("SELECT current_setting(%s)", name) for name in ("fsync", "synchronous_commit", "full_page_writes")}
    assert set(settings.values()) == {"on"}
    assert stack.value("SELECT count(*) FROM pg_stat_statements") > 0


@pytest.mark.parametrize("service", services.SERVICE_NAMES)
def test_role_has_its_schema_and_no_other(stack, service):
    for schema in services.SERVICE_NAMES:
        stack.sql(f"CREATE TABLE {schema}.thing (id int PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY)", role="migrate")
    stack.sql("INSERT INTO thing VALUES (1)", role=service)
    stack.sql("UPDATE thing SET id = 2", role=service)
    assert stack.value("SELECT id FROM thing", role=service) == 2
    stack.sql("DELETE FROM thing", role=service)
    own = {"idle_in_transaction_session_timeout": "2s", "lock_timeout": "2s", "statement_timeout": "10s", "search_path": service}
    assert {name: stack.value("SELECT current_setting(%s)", name, role=service) for name in own} == own
    for schema in services.SERVICE_NAMES:
        if schema != service:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                stack.sql(f"SELECT * FROM {schema}.thing", role=service)
    for statement in (f"CREATE TABLE {service}.x ()", "CREATE TABLE public.x ()", "CREATE TEMPORARY TABLE x ()", f"DROP TABLE {service}.thing",
                      f"TRUNCATE {service}.thing", "SET ROLE orderclerk_owner", "CREATE SCHEMA x", "SELECT * FROM public.pg_stat_statements"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            stack.sql(statement, role=service)


def test_owner_owns_what_is_migrated(stack):
    stack.sql("CREATE TABLE intake.thing (id int)", role="migrate")
    assert stack.value("SELECT tableowner FROM pg_tables WHERE schemaname = 'intake' AND tablename = 'thing'") == "orderclerk_owner"


def test_role_may_end_its_own_sessions_and_no_others(stack):
    own, other = stack.connect("desk"), stack.connect("intake")
    try:
        stack.value("SELECT pg_terminate_backend(%s)", own.info.backend_pid, role="desk")
        with pytest.raises(psycopg2.OperationalError):
            own.cursor().execute("SELECT 1")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            stack.value("SELECT pg_terminate_backend(%s)", other.info.backend_pid, role="desk")
    finally:
        own.close()
        other.close()


def test_roles_can_be_applied_again_and_hide_passwords(stack):
    stack.postgres.apply_roles()
    password = stack.home.password(postgres.role_of("intake"))
    assert stack.value("SELECT count(*) FROM pg_stat_statements WHERE query LIKE %s", f"%{password}%") == 0
    assert password not in stack.log("postgres")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(stack.postgres.dsn(postgres.role_of("intake"), passfile="/dev/null"))


def test_secrets_are_private(stack):
    for file in stack.home.secrets.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.home.secrets.stat().st_mode) == 0o700
    assert "password=" not in stack.shell_lines() + json.dumps(stack.status())


def test_services_are_migrated_started_and_seen(stack):
    stack.up(["intake", "desk"])
    status = stack.status()
    assert status["state"] == "ready"
    assert [row["name"] for row in status["services"]["intake"]["instances"]] == ["intake-1", "intake-2"]
    stack.sql("INSERT INTO thing VALUES (1)", role="intake")  # made by --migrate
    told = stack.http("intake", "GET", "/environment", index=2).json()
    assert told == {
        "ORDERCLERK_HTTP_LISTEN": stack.url("intake", 2).removeprefix("http://"), "ORDERCLERK_INSTANCE": "intake-2",
        "ORDERCLERK_KAFKA": stack.kafka.bootstrap, "ORDERCLERK_TOPIC_PREFIX": stack.prefix,
        "ORDERCLERK_PG": stack.postgres.dsn("orderclerk_intake", application_name="intake-2")}
    variables = stack.shell_variables()
    assert variables["ORDERCLERK_INTAKE_URL"] == variables["STACK_INTAKE_1_URL"] == stack.url("intake")
    assert variables["STACK_INTAKE_2_PID"] == str(stack.process("intake", 2).pid)
    with psycopg2.connect(variables["STACK_PG_DESK"]) as connection:
        assert connection.info.user == "orderclerk_desk"


def test_settings_reach_one_service_one_process_or_all(stack):
    stack.settings = {"*": {"LOG_LEVEL": "debug"}, "intake": {"DESK": "{desk}"}, "intake-2": {"LOG_LEVEL": "error", "SMTP": "{mail:smtp}"}}
    stack.up(["intake"])
    first, second = (stack.http("intake", "GET", "/environment", index=index).json() for index in (1, 2))
    assert (first["ORDERCLERK_LOG_LEVEL"], second["ORDERCLERK_LOG_LEVEL"]) == ("debug", "error")
    assert second["ORDERCLERK_DESK"] == first["ORDERCLERK_DESK"] == stack.url("desk")
    assert second["ORDERCLERK_SMTP"] == stack.address("mail:smtp") and "ORDERCLERK_SMTP" not in first


def test_processes_are_killed_paused_and_started_again(stack):
    stack.up(["intake"])
    other = stack.process("intake", 2)
    stack.kill("intake", 1)
    assert not stack.alive("intake", 1) and other.alive()
    assert stack.status()["state"] == "partly"
    old = stack.process("intake", 1)
    stack.start("intake", 1)
    stack.wait_ready("intake", 1)
    assert stack.process("intake", 1).pid != old.pid and stack.process("intake", 2) == other
    stack.pause("intake", 2)
    assert not stack.is_ready("intake", 2)
    assert [row["state"] for row in stack.status()["services"]["intake"]["instances"]] == ["ready", "paused"]
    stack.resume("intake", 2)
    stack.wait_ready("intake", 2)
    stack.pause("intake", 2)
    assert stack.stop("intake", 2), "a paused process ends on SIGTERM too"
    assert "listening on" in stack.log("intake", 1)


def test_up_again_starts_only_what_is_missing(stack):
    stack.up(["intake"])
    first, second = stack.process("intake", 1), stack.process("intake", 2)
    stack.kill("intake", 2)
    stack.up(["intake"])
    assert stack.process("intake", 1) == first and stack.process("intake", 2) != second


def test_one_that_ends_while_starting_is_named_with_its_log(stack):
    stack.settings = {"desk": {"BROKEN": "1"}}
    with pytest.raises(LocalError, match=r"(?s)desk-1 ended while starting.*no: BROKEN is set"):
        stack.up(["desk"])


def test_missing_binary_and_unknown_service_fail_clearly(stack, tmp_path):
    stack.build_folder, kept = tmp_path, stack.build_folder
    try:
        with pytest.raises(LocalError, match="not built in .*: orchestrator"):
            stack.up(["orchestrator"])
    finally:
        stack.build_folder = kept
    with pytest.raises(LocalError, match="no service or double is called nonsense"):
        stack.up(["nonsense"])


@pytest.mark.parametrize("part", ["postgres", "kafka"])
def test_broker_and_database_come_back_with_their_data(stack, part):
    stack.sql("CREATE TABLE public.kept AS SELECT 1 AS n")
    stack.produce("orders", "k", b"v")
    stack.kill(part)
    stack.start(part)
    stack.wait_ready(part)
    assert stack.stop(part), "ends gracefully"
    stack.start(part)
    stack.wait_ready(part)
    assert len(stack.records("orders")) == 1
    stack._close_clients()  # connections to the killed server
    assert stack.value("SELECT n FROM public.kept") == 1


def test_stubborn_process_is_killed_and_down_keeps_or_wipes(build_folder):
    with Stack(["desk"], build_folder=build_folder, infrastructure=["postgres", "kafka"], settings={"desk": {"STUBBORN": "1"}}) as stack:
        process = stack.process("desk")
        stack._stop_group(["desk-1"], 0.2)
        assert not process.alive() and "desk-1 had to be killed" in stack.output[-1]
        data = stack.postgres.data
        stack.down()
        assert data.exists() and stack.home.exists() and not stack.home.state["processes"]
        port = stack.home.state["ports"]["kafka"]
        stack.up()
        assert stack.home.state["ports"]["kafka"] == port, "ports stay"
        home, pids = stack.home.path, [stack.process(part).pid for part in ("kafka", "postgres")]
    assert not home.exists() and not data.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not state._claim_file(port).exists()


def test_two_stacks_at_once(stack):
    with Stack() as other:
        assert not set(stack.home.state["ports"].values()) & set(other.home.state["ports"].values())
        other.produce("orders", "k", b"v")
        assert stack.records("orders") == []


def test_long_path_keeps_the_socket_usable(stack):
    stack.home.state["postgres_root"], kept = "/" + "x" * 200, stack.home.state["postgres_root"]
    try:
        assert len(str(stack.postgres.socket)) < postgres.SOCKET_PATH_MAX
    finally:
        stack.home.state["postgres_root"] = kept


def test_reused_pid_is_not_ours(tmp_path):
    process = spawn(["sleep", "60"], tmp_path / "log", dict(os.environ))
    impostor = Process(process.pid, process.started - 1, process.boot)
    assert not impostor.alive() and not impostor.signal(signal.SIGKILL) and process.alive()
    assert not Process(process.pid, process.started, "another boot").signal(signal.SIGKILL) and process.alive()
    assert process.signal(signal.SIGKILL)
    Stack.wait(lambda: not process.alive(), 5, "the end of sleep")


def test_reaper_cleans_up_after_a_killed_owner(tmp_path):
    program = tmp_path / "owner.py"
    program.write_text("import sys, time\n"
                       f"sys.path.insert(0, {str(REPOSITORY / 'tests/lib')!r})\n"
                       "from stack import Stack\n"
                       "stack = Stack(); stack.up()\n"
                       "print(stack.home.path, stack.process('kafka').pid, stack.process('postgres').pid, flush=True)\n"
                       "time.sleep(600)\n")
    owner = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    home, *pids = owner.stdout.readline().split()
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    owner.kill()
    owner.wait()
    Stack.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20, "the reaper to stop broker and database")
    Stack.wait(lambda: not Path(home).exists(), 20, "the reaper to delete the folder")


def _local(home: Path, command: str, *arguments: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(REPOSITORY / "deploy/local" / command), *arguments], env={**os.environ, "ORDERCLERK_HOME": str(home)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more)


def test_commands(tmp_path, build_folder):
    """The commands as a person types them; pytest's folder is closed to PostgreSQL's system user, as a clone below /root is."""
    home = tmp_path / "a home with blanks"
    assert "nothing has been started" in _local(home, "status").stderr
    try:
        done = _local(home, "up", "--small", "--no-build", "--build", str(build_folder), "--services", "intake,notifier", "--set", "intake:X={desk}")
        assert done.returncode == 0, done.stderr + done.stdout
        assert "intake-2" in done.stdout
        status = json.loads(_local(home, "status", "--json").stdout)
        assert status["state"] == "ready" and set(status["services"]) == {"intake", "notifier"}
        shell = subprocess.run(["bash", "-c", 'eval "$(deploy/local/status --env)"; psql "$STACK_PG_INTAKE" -XAtc "SELECT current_user"; echo "$STACK_NOTIFIER_URL"'],
                               env={**os.environ, "ORDERCLERK_HOME": str(home)}, cwd=REPOSITORY, capture_output=True, text=True)
        assert shell.stdout.split() == ["orderclerk_intake", status["services"]["notifier"]["instances"][0]["url"]], shell.stderr
        assert "listening on" in _local(home, "logs", "intake").stdout
        assert "no log of desk" in _local(home, "logs", "desk").stderr
        assert _local(home, "down").returncode == 0
        assert _local(home, "status").returncode == 3
        begun = time.monotonic()
        done = _local(home, "up", "--small", "--no-build", "--build", str(build_folder), "--services", "intake,notifier")
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - begun < 20
        failed = _local(home, "up", "--no-build", "--build", str(tmp_path), "--services", "desk")
        assert failed.returncode == 1 and failed.stderr.startswith("up: not built in") and failed.stderr.endswith("bin: desk\n")
    finally:
        assert _local(home, "down", "--wipe").returncode == 0
    assert not home.exists()
