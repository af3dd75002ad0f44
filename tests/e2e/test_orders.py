"""The 500 orders, by the public interfaces alone: each ends as the data says, and independent counts agree."""

from __future__ import annotations

import json
import urllib.request

import pytest
from desk_run import DeskRun, journals
from oclocal import demo, services
from stack import Stack


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A whole stack that was fed the 500 orders and has come to rest."""
    folder = tmp_path_factory.mktemp("e2e")
    with Stack(settings=journals(folder, demo.SETTINGS)) as stack:
        stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
        run = DeskRun(stack, folder)
        run.feed()
        yield stack, run, run.wait()


def test_each_order_ends_as_the_data_says(fed):
    _, _, waited = fed
    print(waited.stdout[-6000:])
    assert waited.returncode == 0, waited.stdout[-6000:]


def test_stock_money_and_messages_equal_an_independent_recount(fed):
    _, run, _ = fed
    counted = run.recount()
    assert counted.returncode == 0, counted.stdout[-6000:]


def test_a_department_folds_the_events_to_the_same_states(fed, tmp_path):
    _, run, _ = fed
    folded = run.fold(tmp_path)
    assert folded.returncode == 0, folded.stdout[-4000:]


def test_at_rest_everything_is_published_and_nothing_is_held(fed):
    stack, _, _ = fed
    for schema in services.SERVICE_NAMES:
        stack.wait(lambda schema=schema: stack.value(f"SELECT count(*) FROM {schema}.slot WHERE batch_no <> published_no") == 0, 20,
                   f"everything of {schema} published")
        assert stack.sql(f"SELECT key, reason FROM {schema}.held LIMIT 5") == [], schema


def test_every_invariant_holds(fed):
    _, run, _ = fed
    checked = run.check()
    print(checked.stdout[-6000:])
    assert checked.returncode == 0, checked.stdout[-6000:]


def test_the_command_line_shows_what_happened(fed):
    stack, run, _ = fed
    order = next(row["order_id"] for row in map(json.loads, run.log.read_text().splitlines()) if row.get("order_id"))
    timeline = run.orderctl("order", "timeline", order)
    assert timeline.returncode == 0 and "OrderReceived" in timeline.stdout and "orders" in timeline.stdout
    shown = run.orderctl("order", "show", order, "--json")
    assert json.loads(shown.stdout)["order_id"] == order
    assert run.orderctl("order", "show", "no-such-order").returncode == 1
    assert run.orderctl("order").returncode == 2
    for path in ("/metrics", "/live", "/ready"):
        with urllib.request.urlopen(stack.url("orchestrator") + path, timeout=10) as answer:
            assert answer.status == 200
