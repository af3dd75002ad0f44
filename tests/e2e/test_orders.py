"""The 500 orders, by the public interfaces alone: each ends as the data says, and independent counts agree."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from oclocal import demo, services
from stack import Stack

TESTS = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"


def tool(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([PYTHON, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)


def orderctl(stack, *words: str) -> subprocess.CompletedProcess:
    env = {"ORDERCLERK_DESK_URL": stack.url("desk"), "ORDERCLERK_INTAKE_URL": stack.url("intake"), "PATH": "/usr/bin:/bin"}
    return subprocess.run([str(stack.build_folder / "bin" / "orderctl"), *words], text=True, env=env, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A whole stack that was fed the 500 orders and has come to rest."""
    folder = tmp_path_factory.mktemp("e2e")
    with Stack(settings=demo.SETTINGS) as stack:
        stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
        data, log = folder / "data", folder / "feed.jsonl"
        made = tool(str(TESTS / "data" / "generate.py"), "--out", str(data), "--warehouse-url", stack.url("warehouse"))
        assert made.returncode == 0, made.stdout
        intake = ",".join(stack.url("intake", index) for index in (1, 2))
        run = tool(str(TESTS / "doubles" / "feed.py"), "--data", str(data), "--intake", intake, "--kafka", stack.kafka.bootstrap,
                   "--topic-prefix", stack.prefix, "--customer", stack.url("customer"), "--departments", stack.url("departments"),
                   "--warehouse", stack.url("warehouse"), "--log", str(log))
        assert run.returncode == 0, run.stdout[-4000:]
        waited = tool(str(TESTS / "doubles" / "wait.py"), "--desk", stack.url("desk"), "--log", str(log), "--expected",
                      str(data / "expected.ndjson"), "--no-answer-ends", "--timeout-s", "600", "--quiet-s", "90")
        yield stack, data, log, waited


def test_each_order_ends_as_the_data_says(fed):
    _, _, _, waited = fed
    print(waited.stdout[-6000:])
    assert waited.returncode == 0, waited.stdout[-6000:]


def test_stock_money_and_messages_equal_an_independent_recount(fed):
    stack, data, log, _ = fed
    counted = tool(str(TESTS / "data" / "recount.py"), "--data", str(data), "--log", str(log), "--pg", stack.postgres.dsn("postgres"),
                   "--no-answer-ends")
    assert counted.returncode == 0, counted.stdout[-6000:]


def test_a_department_folds_the_events_to_the_same_states(fed, tmp_path):
    stack, _, _, _ = fed
    listed = orderctl(stack, "order", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (tmp_path / "orders.json").write_text(listed.stdout)
    folded = tool(str(TESTS / "doubles" / "fold.py"), "--kafka", stack.kafka.bootstrap, "--topic-prefix", stack.prefix, "--against",
                  str(tmp_path / "orders.json"))
    assert folded.returncode == 0, folded.stdout[-4000:]


def test_at_rest_everything_is_published_and_nothing_is_held(fed):
    stack, _, _, _ = fed
    for schema in services.SERVICE_NAMES:
        stack.wait(lambda schema=schema: stack.value(f"SELECT count(*) FROM {schema}.slot WHERE batch_no <> published_no") == 0, 20,
                   f"everything of {schema} published")
        assert stack.sql(f"SELECT key, reason FROM {schema}.held LIMIT 5") == [], schema


def test_the_command_line_shows_what_happened(fed):
    stack, _, log, _ = fed
    order = next(row["order_id"] for row in map(json.loads, log.read_text().splitlines()) if row.get("order_id"))
    timeline = orderctl(stack, "order", "timeline", order)
    assert timeline.returncode == 0 and "OrderReceived" in timeline.stdout and "orders" in timeline.stdout
    shown = orderctl(stack, "order", "show", order, "--json")
    assert json.loads(shown.stdout)["order_id"] == order
    assert orderctl(stack, "order", "show", "no-such-order").returncode == 1
    assert orderctl(stack, "order").returncode == 2
    for path in ("/metrics", "/live", "/ready"):
        with urllib.request.urlopen(stack.url("orchestrator") + path, timeout=10) as answer:
            assert answer.status == 200
