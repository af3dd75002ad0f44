"""The two-record audit on a real stack: equal while orders run and at rest; whatever is changed behind the services' backs is found
under the right order or product, and counters are put right through inventory, which keeps who did it and why."""

from __future__ import annotations

import json
import os
import subprocess
import uuid

import psycopg2
import pytest
from desk_run import DeskRun
from oclocal import demo, postgres, services
from protos import load
from stack import Stack

EQUAL, REFUSED, USAGE, NO_ANSWER, NOT_YET, DIFFERS = range(6)
OPERATOR = "operator-1"
LIMIT_S = 120
BUSY_AUDITS = 3  # while orders are under way
pb = load()


def under_way(live: list[tuple]) -> list[tuple]:
    """The audits before and after which orders had not ended."""
    return [row for row in live if row[0] > 0 and row[1] > 0]


class Audit:
    """orderctl's audits against a stack."""

    def __init__(self, stack: Stack):
        self.stack = stack

    def run(self, *words: str) -> subprocess.CompletedProcess:
        stack = self.stack
        env = {"PATH": "/usr/bin:/bin", "USER": OPERATOR, "ORDERCLERK_INTAKE_URL": stack.url("intake"),
               "ORDERCLERK_PG_AUDIT": stack.postgres.dsn(postgres.AUDITOR), "ORDERCLERK_KAFKA": stack.kafka.bootstrap,
               "ORDERCLERK_TOPIC_PREFIX": stack.prefix,
               **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}
        return subprocess.run([str(stack.build_folder / "bin" / "orderctl"), *words], text=True, env=env, capture_output=True, timeout=300)

    def verify(self, *words: str, expect: int = EQUAL) -> dict:
        return self._json("saga", "verify", *words, expect=expect)

    def reconcile(self, *words: str, expect: int = EQUAL) -> dict:
        return self._json("stock", "reconcile", *words, expect=expect)

    def _json(self, *words: str, expect: int) -> dict:
        done = self.run(*words, "--json")
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A stack with a sample of orders that have come to rest; it was audited while they ran."""
    with Stack(settings=demo.SETTINGS) as stack:
        stack.up((*services.SERVICE_NAMES, *services.DOUBLE_NAMES))
        run = DeskRun(stack, tmp_path_factory.mktemp("audit"), sample=True)
        audit = Audit(stack)
        feeding = run.feeding()
        live = []
        while feeding.poll() is None or (run.unfinished() > 0 and len(under_way(live)) < BUSY_AUDITS):
            before = run.unfinished()
            result, stock = audit.verify(), audit.reconcile()
            live.append((before, run.unfinished(), result, stock))
        output = feeding.communicate()[0]
        assert feeding.returncode == 0, output[-4000:]
        waited = run.wait()
        assert waited.returncode == 0, waited.stdout[-4000:]
        yield stack, audit, live


@pytest.fixture
def audit(fed):
    return fed[1]


@pytest.fixture
def stack(fed):
    return fed[0]


# ---- equal

def test_orders_under_way_are_never_reported_falsely(fed):
    """The fixture would have failed on any divergence; here: that orders were under way, and that they were compared."""
    *_, live = fed
    busy = under_way(live)
    print([(before, after, result["orders_compared"], result["transitions_checked"]) for before, after, result, _ in live])
    assert busy, "no audit ran while orders were under way"
    assert any(result["orders_compared"] > 0 and stock["ledger_rows"] > 0 for *_, result, stock in busy)
    assert all(result["orders_unsettled"] == 0 for *_, result, _ in live)


def test_at_rest_both_records_are_equal(stack, audit):
    result = audit.verify()
    assert result["divergences"] == [] and result["orders_unsettled"] == 0 and result["orders_not_covered"] == 0
    assert result["orders_compared"] == stack.value("SELECT count(*) FROM orchestrator.saga") > 0
    assert result["transitions_checked"] == stack.value("SELECT count(*) FROM orchestrator.saga_history") > result["orders_compared"]
    assert result["records_read"] == len(stack.records("order-events"))
    stock = audit.reconcile()
    assert stock["divergences"] == [] and stock["repaired"] == 0
    assert stock["counters"] == stack.value("SELECT count(*) FROM inventory.stock") > 0
    assert stock["ledger_rows"] == stack.value("SELECT count(*) FROM inventory.stock_ledger") > 0


def test_parts_and_pace(stack, audit):
    order, number = stack.sql("SELECT order_id::text, order_no FROM orchestrator.saga WHERE order_no IS NOT NULL ORDER BY 1 LIMIT 1")[0]
    revisions = stack.value("SELECT count(*) FROM orchestrator.saga_history WHERE order_id = %s", order)
    for name in (order, number):
        one = audit.verify("--order", name)
        assert (one["orders_compared"], one["transitions_checked"]) == (1, revisions)
    everything = audit.verify("--since", "1d", "--rate", "2000")
    assert everything["orders_compared"] == stack.value("SELECT count(*) FROM orchestrator.saga")
    assert audit.verify("--since", "2100-01-01T00:00:00Z")["orders_compared"] == 0
    assert audit.run("saga", "verify", "--since", "yesterday").returncode == USAGE
    assert audit.run("saga", "verify", "--rate", "-1").returncode == USAGE
    assert audit.run("saga", "verify", "--order", "SO-none").returncode == REFUSED
    assert audit.run("saga", "verify", "--pg", "host=127.0.0.1 port=1 dbname=x").returncode == NO_ANSWER
    people = audit.run("saga", "verify")
    assert people.returncode == EQUAL and "0 divergences" in people.stdout


def test_copies_are_no_divergence(stack, audit):
    before = audit.verify()["copies"]  # of a rebalance, maybe
    record = stack.records("order-events")[0]
    stack.produce("order-events", record.key(), record.value(), partition=record.partition())
    assert audit.verify()["copies"] == before + 1


# ---- sagas changed behind the orchestrator's back

TAMPERINGS = {  # table, what is done to one order's row, the fields that must be found
    "state": ("saga", "UPDATE orchestrator.saga SET state = 'SHIPPED'", {"state"}),
    "a revision ahead": ("saga", "UPDATE orchestrator.saga SET revision = revision + 1", {"revision", "history"}),
    "a revision behind": ("saga", "UPDATE orchestrator.saga SET revision = revision - 1", {"revision", "history"}),
    "definition": ("saga", "UPDATE orchestrator.saga SET definition = 'wholesale'", {"definition"}),
    "definition's version": ("saga", "UPDATE orchestrator.saga SET definition_version = 9", {"definition_version"}),
    "order number": ("saga", "UPDATE orchestrator.saga SET order_no = 'SO-wrong'", {"order_no"}),
    "whom it waits on": ("saga", "UPDATE orchestrator.saga SET waiting_on = 'nobody'", {"waiting_on"}),
    "since when": ("saga", "UPDATE orchestrator.saga SET state_since = state_since - interval '1 second'", {"state_since"}),
    "deadline": ("saga", "UPDATE orchestrator.saga SET deadline = '2031-01-01'", {"deadline"}),
    "slot": ("saga", "UPDATE orchestrator.saga SET slot = (slot + 1) %% 6", {"slot"}),
    "document": ("saga", "UPDATE orchestrator.saga SET doc = ''", {"doc.state", "doc.revision"}),
    "lost row": ("saga", "DELETE FROM orchestrator.saga", {"row"}),
    "rule": ("saga_history", "UPDATE orchestrator.saga_history SET rule_id = 9999", {"history.rule_id"}),
    "target": ("saga_history", "UPDATE orchestrator.saga_history SET to_state = 'SHIPPED'", {"history.to_state"}),
    "cause": ("saga_history", "UPDATE orchestrator.saga_history SET record_offset = record_offset + 1", {"history.record"}),
    "lost history": ("saga_history", "DELETE FROM orchestrator.saga_history", {"history"}),
}


class Kept:
    """Puts an order's rows back as they were."""

    def __init__(self, stack: Stack, table: str, order: str):
        self.stack, self.table, self.order = stack, table, order

    def __enter__(self):
        self.kept = f"kept_{self.table}"
        self.stack.sql(f"CREATE TEMPORARY TABLE {self.kept} AS SELECT * FROM orchestrator.{self.table} WHERE order_id = %s", self.order)

    def __exit__(self, *_):
        self.stack.sql(f"DELETE FROM orchestrator.{self.table} WHERE order_id = %s", self.order)
        self.stack.sql(f"INSERT INTO orchestrator.{self.table} SELECT * FROM {self.kept}")
        self.stack.sql(f"DROP TABLE {self.kept}")


def victim(stack: Stack):
    """An order that has ended, with a number, whose second revision was caused by a record."""
    return stack.sql("SELECT s.order_id::text AS id, s.order_no, s.revision FROM orchestrator.saga s JOIN orchestrator.saga_history h "
                     "ON h.order_id = s.order_id AND h.revision = 2 AND h.topic IS NOT NULL AND h.to_state <> 'SHIPPED' "
                     "WHERE s.state = 'COMPLETED' AND s.order_no IS NOT NULL AND s.revision > 4 ORDER BY 1 DESC LIMIT 1")[0]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_saga_is_found(stack, audit, name):
    table, statement, fields = TAMPERINGS[name]
    order = victim(stack)
    where = " WHERE order_id = %s" + (" AND revision = 2" if table == "saga_history" else "")
    with Kept(stack, table, order.id):
        stack.sql(statement + where, order.id)
        result = audit.verify(expect=DIFFERS)
        one = audit.verify("--order", order.id, expect=DIFFERS)
    found = result["divergences"]
    print(found)
    assert fields <= {row["field"] for row in found}
    assert {(row["order_id"], row["order_no"]) for row in found} == {(order.id, order.order_no)}
    assert one["divergences"] == found
    if table == "saga_history":
        assert {row["revision"] for row in found} == {2}
    audit.verify()


def test_a_row_that_no_record_tells_of_is_found(stack, audit):
    stray = str(uuid.uuid4())
    columns = "definition, definition_version, state, revision, waiting_on, state_since, deadline, doc"
    stack.sql(f"INSERT INTO orchestrator.saga (order_id, slot, {columns}) SELECT %s, slot, {columns} FROM orchestrator.saga LIMIT 1", stray)
    try:
        found = audit.verify(expect=DIFFERS)["divergences"]
    finally:
        stack.sql("DELETE FROM orchestrator.saga WHERE order_id = %s", stray)
    assert {row["order_id"] for row in found} == {stray}
    assert ("topic", "no record") in {(row["field"], row["topic"]) for row in found}


def test_a_row_whose_records_are_not_published_yet_is_no_divergence(stack, audit):
    """As between an orchestrator's commit and the broker's answer; at rest no lane writes its slot's numbers."""
    order = victim(stack)
    slot = stack.value("SELECT slot FROM orchestrator.saga WHERE order_id = %s", order.id)
    published = stack.value("SELECT published_no FROM orchestrator.slot WHERE p = %s", slot)
    with Kept(stack, "saga", order.id), Kept(stack, "saga_history", order.id):
        stack.sql("INSERT INTO orchestrator.saga_history SELECT order_id, revision + 1, at, rule_id, from_state, to_state, event, topic, "
                  "record_partition, record_offset, causation_id FROM orchestrator.saga_history WHERE order_id = %s AND revision = %s",
                  order.id, order.revision)
        stack.sql("UPDATE orchestrator.saga SET revision = revision + 1 WHERE order_id = %s", order.id)
        stack.sql("UPDATE orchestrator.slot SET published_no = batch_no - 1 WHERE p = %s", slot)
        try:
            waiting = audit.verify("--patience", "1", expect=NOT_YET)
        finally:
            stack.sql("UPDATE orchestrator.slot SET published_no = %s WHERE p = %s", published, slot)
        told = audit.verify(expect=DIFFERS)
    assert (waiting["divergences"], waiting["unsettled"]) == ([], [order.id])
    assert [(row["field"], row["order_id"], row["revision"]) for row in told["divergences"]] == [("revision", order.id, order.revision + 1)]
    audit.verify()


# ---- stock changed behind inventory's back

def product(stack: Stack, offset: int = 0):
    return stack.sql("SELECT sku, warehouse, on_hand, reserved, movements FROM inventory.stock WHERE on_hand > reserved + 5 AND movements > 1 "
                     "ORDER BY sku, warehouse OFFSET %s LIMIT 1", offset)[0]


def change(stack: Stack, sku: str, warehouse: str, assignments: str) -> None:
    stack.sql(f"UPDATE inventory.stock SET {assignments} WHERE sku = %s AND warehouse = %s", sku, warehouse)


def corrections(stack: Stack) -> list[tuple]:
    """STOCK_CORRECTED records with the request that each one holds."""
    letters = [pb.dead_letters.DeadLetter.FromString(record.value()) for record in stack.records("dead-letters")]
    return [(letter.detail, pb.stock.StockChange.FromString(letter.value)) for letter in letters if letter.reason == "STOCK_CORRECTED"]


def test_a_tampered_counter_is_found_and_put_right(stack, audit):
    right, other = product(stack), product(stack, 3)
    assert right.sku != other.sku
    change(stack, right.sku, right.warehouse, "on_hand = on_hand - 3, backordered = backordered + 2")
    found = audit.reconcile(expect=DIFFERS)["divergences"]
    print(found)
    assert {(row["sku"], row["warehouse"], row["field"]) for row in found} == {
        (right.sku, right.warehouse, "on_hand"), (right.sku, right.warehouse, "backordered")}
    on_hand = next(row for row in found if row["field"] == "on_hand")
    assert (on_hand["written"], on_hand["counter"]) == (right.on_hand, right.on_hand - 3)
    assert audit.reconcile("--sku", right.sku, expect=DIFFERS)["divergences"] == found
    audit.reconcile("--sku", other.sku)
    assert audit.run("stock", "reconcile", "--repair").returncode == USAGE, "a repair without a reason"
    assert audit.reconcile(expect=DIFFERS)["divergences"] == found, "looking changes nothing"
    assert audit.reconcile("--repair", "--reason", "restored from Monday's backup")["repaired"] == 1
    audit.reconcile()
    rows = stack.sql("SELECT * FROM inventory.stock_ledger WHERE kind = 'RECONCILE' AND sku = %s AND warehouse = %s", right.sku, right.warehouse)
    assert len(rows) == 1
    assert rows[0].actor == OPERATOR and rows[0].reason.startswith("restored from Monday's backup")
    assert f"on_hand {right.on_hand}, was {right.on_hand - 3}" in rows[0].reason
    assert (rows[0].on_hand_change, rows[0].on_hand_after, rows[0].movement) == (0, right.on_hand, right.movements + 1)
    detail, request = next(row for row in corrections(stack) if row[1].sku == right.sku)
    assert (request.reconciled.seen_on_hand, request.reconciled.on_hand) == (right.on_hand - 3, right.on_hand)
    assert request.actor == OPERATOR and f"by {OPERATOR}" in detail
    assert audit.reconcile("--repair", "--reason", "once more")["repaired"] == 0
    assert stack.value("SELECT count(*) FROM inventory.stock_ledger WHERE kind = 'RECONCILE' AND sku = %s", right.sku) == 1


def test_a_repair_whose_numbers_have_moved_is_refused(stack, audit):
    stock = product(stack, 1)
    line = {"type": "reconciled", "sku": stock.sku, "warehouse": stock.warehouse, "actor": OPERATOR, "reason": "late", "movement": stock.movements - 1,
            "seen_on_hand": stock.on_hand, "seen_reserved": stock.reserved, "seen_backordered": 0, "on_hand": stock.on_hand + 1,
            "reserved": stock.reserved, "backordered": 0}

    def send(document: dict) -> dict:
        answer = stack.http("intake", "POST", "/v1/stock:import", json.dumps(document) + "\n",
                            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": str(uuid.uuid4())})
        assert answer.status == 200
        return json.loads(answer.body.splitlines()[0])

    for missing in ("actor", "reason", "movement"):
        assert send({name: value for name, value in line.items() if name != missing})["status"] == "refused"
    assert send(line)["status"] == "accepted"

    def refused():
        letters = [pb.dead_letters.DeadLetter.FromString(record.value()) for record in stack.records("dead-letters")]
        return [letter for letter in letters if letter.reason == "STOCK_CHANGE_REFUSED" and "have moved" in letter.detail]

    stack.wait(refused, LIMIT_S, "inventory's refusal")
    after = stack.sql("SELECT on_hand, movements FROM inventory.stock WHERE sku = %s AND warehouse = %s", stock.sku, stock.warehouse)[0]
    assert (after.on_hand, after.movements) == (stock.on_hand, stock.movements)


def test_what_the_ledger_cannot_tell_is_not_repaired(stack, audit):
    stock = product(stack, 2)
    where = "WHERE sku = %s AND warehouse = %s"
    key = (stock.sku, stock.warehouse)
    stack.sql(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM inventory.stock_ledger {where} AND movement = 1", *key)
    stack.sql(f"DELETE FROM inventory.stock_ledger {where} AND movement = 1", *key)
    try:
        found = audit.reconcile("--repair", "--reason", "try", expect=DIFFERS)
    finally:
        stack.sql("INSERT INTO inventory.stock_ledger SELECT * FROM kept")
        stack.sql("DROP TABLE kept")
    assert found["repaired"] == 0
    assert {(row["sku"], row["warehouse"]) for row in found["divergences"]} == {key}
    assert "ledger rows" in {row["field"] for row in found["divergences"]}
    audit.reconcile()


def test_an_orders_share_that_nothing_explains_is_found(stack, audit):
    share = stack.sql("SELECT order_id::text AS id, line_no, sku, warehouse FROM inventory.allocation WHERE consumed > 0 ORDER BY 1 LIMIT 1")[0]
    where = "WHERE order_id = %s AND line_no = %s AND sku = %s AND warehouse = %s"
    stack.sql(f"UPDATE inventory.allocation SET reserved = reserved + 1 {where}", *share)
    try:
        found = audit.reconcile("--sku", share.sku, expect=DIFFERS)["divergences"]
    finally:
        stack.sql(f"UPDATE inventory.allocation SET reserved = reserved - 1 {where}", *share)
    assert [(row["sku"], row["warehouse"], row["field"], row["note"]) for row in found] == [
        (share.sku, share.warehouse, "orders' shares", f"order {share.id}")]
    audit.reconcile()


# ---- rights

def test_the_audits_role_reads_what_it_needs_and_writes_nothing(stack):
    connection = stack.connect("audit")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table in ("orchestrator.saga", "orchestrator.saga_history", "orchestrator.saga_rule", "inventory.stock", "inventory.stock_ledger",
                          "inventory.allocation", "inventory.backorder"):
                cursor.execute(f"SELECT count(*) FROM {table}")
            for statement in ("SELECT records FROM orchestrator.outbox", "SELECT owner FROM orchestrator.slot", "SELECT value FROM inventory.held",
                              "SELECT recent FROM inventory.key_state", "SELECT 1 FROM intake.outbox", "SELECT 1 FROM desk.outbox"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
            for statement in ("UPDATE orchestrator.saga SET state = 'SHIPPED'", "DELETE FROM orchestrator.saga_history",
                              "UPDATE inventory.stock SET on_hand = 0", "INSERT INTO inventory.backorder DEFAULT VALUES"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
    finally:
        connection.close()
