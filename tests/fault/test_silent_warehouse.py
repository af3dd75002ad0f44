"""Warehouses that accept and never answer: everybody else's orders complete; theirs are shown as waiting on that warehouse."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from desk_run import DeskRun
from oclocal import services

LIMIT_S = 180
PER_TARGET = 8  # calls under way per warehouse (effect_per_target): more orders than this must not get in others' way


@pytest.fixture
def desk(stack):
    stack.settings = {"orchestrator": {"DISPUTE_WINDOW": "2s"}}
    stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
    return stack


def listed(run: DeskRun, query: str) -> list[dict]:
    return run.stack.http("desk", "GET", f"/v1/orders?limit=500&{query}").json()["orders"]


def shown_as_waiting(run: DeskRun, order_id: str, warehouse: str) -> None:
    """At the desk's API and on the command line: the order, and the task of whoever must act."""
    order = run.stack.http("desk", "GET", f"/v1/orders/{order_id}").json()
    assert order["state"] == "IN_FULFILMENT" and order["waiting_on"] == warehouse, order
    assert order_id in [row["order_id"] for row in listed(run, f"waiting_on={warehouse}")]
    tasks = run.stack.http("desk", "GET", f"/v1/tasks?owner={warehouse}&limit=500").json()["tasks"]
    assert [task["kind"] for task in tasks if task["order_id"] == order_id] == ["SHIP"], tasks
    for words in (("order", "list", "--waiting_on", warehouse), ("task", "list", "--owner", warehouse)):
        shown = run.orderctl(*words)
        assert shown.returncode == 0 and order_id in shown.stdout, shown


def test_a_warehouse_that_accepts_and_never_answers(desk, tmp_path):
    run = DeskRun(desk, tmp_path, sample=True, kinds=("express", "standard", "warehouse_silent"), no_answer_ends=False)
    run.feed()
    run.finish(tmp_path)  # all but the silent one are COMPLETED
    orders = {row["kind"]: run.answered()[row["channel_ref"]] for row in run.orders()}
    shipment = desk.http("desk", "GET", f"/v1/orders/{orders['warehouse_silent']}").json()["shipments"][0]
    stage = desk.http("warehouse", "GET", f"/{shipment['warehouse']}/wms/v1/shipments/{shipment['shipment_id']}").json()["stage"]
    assert stage == "released"  # taken, and nothing was ever said about it
    shown_as_waiting(run, orders["warehouse_silent"], f"warehouse:{shipment['warehouse']}")
    beside = desk.value("SELECT count(DISTINCT order_id) FROM fulfillment.shipment WHERE warehouse = %s AND state = 'DELIVERED'", shipment["warehouse"])
    print(f"{len(listed(run, 'state=COMPLETED'))} orders completed, {beside} of them by the same warehouse")
    assert beside > 0


@contextmanager
def black_hole():
    """Takes every connection and whatever comes, and never says anything. Yields its address and a counter of connections."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        def take() -> None:
            try:
                while True:
                    kept.append(server.accept()[0])
            except OSError:  # closed
                pass

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", kept
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()
            thread.join()


def test_a_warehouse_whose_connections_hang(desk, tmp_path):
    run = DeskRun(desk, tmp_path, kinds=("express", "standard"), no_answer_ends=False)
    with black_hole() as (url, connections):
        run.rewrite("warehouses.ndjson", [{**row, "url": url} if row["warehouse"] == "GZ1" else row for row in run.rows("warehouses.ndjson")])
        run.rewrite("orders.ndjson", [row for row in run.rows("orders.ndjson") if row["delivery"]["country"] != "CN"])  # either warehouse's
        run.feed()
        ids = set(run.answered().values())

        def settled() -> set[str]:
            return {row["order_id"] for query in ("state=COMPLETED", "waiting_on=warehouse:GZ1") for row in listed(run, query)}

        desk.wait(lambda: settled() >= ids, LIMIT_S, "all orders to be completed or to wait on the hanging warehouse", 0.2)
        completed, hanging = ({row["order_id"] for row in listed(run, query)} for query in ("state=COMPLETED", "waiting_on=warehouse:GZ1"))
        theirs = {row[0] for row in desk.sql("SELECT DISTINCT order_id::text FROM fulfillment.shipment WHERE warehouse = 'GZ1'")}
        print(f"{len(hanging)} orders wait on the hanging warehouse ({len(connections)} connections), {len(completed)} others completed")
        assert hanging == theirs and completed == ids - theirs
        assert len(hanging) > PER_TARGET and len(completed) >= 10 and connections
        for order_id in sorted(hanging)[:3]:
            shown_as_waiting(run, order_id, "warehouse:GZ1")
