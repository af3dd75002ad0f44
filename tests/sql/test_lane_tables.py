"""The lane's tables refuse what they must, in each schema alike (inventory stands for all), and what the migrations say of
them holds in the database."""

from __future__ import annotations

import psycopg2
import pytest
from oclocal import postgres

UUID = "'01890000-0000-7000-8000-000000000001'"
NOW = "now()"

# what is inserted, and the name of the constraint (or the column that isn't null) that refuses it
REFUSED = [
    ("slot (p) VALUES (-1)", "slot_p"),
    ("slot (p, epoch) VALUES (90, -1)", "slot_epoch"),
    ("slot (p, batch_no) VALUES (90, -1)", "slot_batch_no"),
    ("slot (p, batch_no, published_no) VALUES (90, 1, 2)", "slot_published_no"),
    ("slot (p, dirty) VALUES (90, -1)", "slot_dirty"),
    ("slot (p) VALUES (90), (90)", "slot_pkey"),
    ("position VALUES (1, 0, 0)", "position_topic"),
    ("position VALUES (1, 1, -1)", "position_next_offset"),
    ("position VALUES (1, 1, 0), (1, 1, 1)", "position_pkey"),
    ("key_state (key, slot, held_next) VALUES ('k', -1, 0)", "key_state_slot"),
    ("key_state (key, slot, held_next) VALUES ('k', 0, -1)", "key_state_held_next"),
    ("key_state (key, slot, held_next, held) VALUES ('k', 0, 0, 'OTHER')", "key_state_held"),
    ("key_state (key, slot, held_next) VALUES ('k', 0, 0), ('k', 1, 0)", "key_state_pkey"),
    ("key_state (key, held_next) VALUES ('k', 0)", "slot"),
    (f"seen VALUES ({UUID}, 'k', {NOW}), ({UUID}, 'l', {NOW})", "seen_pkey"),
    (f"seen VALUES ({UUID}, NULL, {NOW})", "key"),
    (f"held (key, ordinal, topic, partition, record_offset, at) VALUES ('k', -1, 1, 0, 0, {NOW})", "held_ordinal"),
    (f"held (key, ordinal, topic, partition, record_offset, at) VALUES ('k', 0, 0, 0, 0, {NOW})", "held_topic"),
    (f"held (key, ordinal, topic, partition, record_offset, at) VALUES ('k', 0, 1, -1, 0, {NOW})", "held_partition"),
    (f"effect VALUES ({UUID}, -1, 'k', 't', 0, {NOW}, {NOW}, '')", "effect_slot"),
    (f"effect VALUES ({UUID}, 0, 'k', 't', -1, {NOW}, {NOW}, '')", "effect_attempt"),
    (f"effect VALUES ({UUID}, 0, 'k', 't', 0, {NOW}, {NOW}, NULL)", "request"),
    (f"outbox VALUES (-1, 1, {NOW}, '')", "outbox_slot"),
    (f"outbox VALUES (0, 0, {NOW}, '')", "outbox_batch_no"),
    (f"outbox VALUES (0, 1, {NOW}, NULL)", "records"),
]


@pytest.mark.parametrize("insert,by", REFUSED, ids=[f"{by}-{n}" for n, (_, by) in enumerate(REFUSED)])
def test_constraints_refuse(as_lane, insert, by):
    with pytest.raises(psycopg2.IntegrityError) as refused:
        as_lane().execute("INSERT INTO inventory." + insert)
    diagnostics = refused.value.diag
    assert by in (diagnostics.constraint_name, diagnostics.column_name)


def test_outbox_number_is_unique_within_a_day(as_lane):
    cursor = as_lane()
    cursor.execute("INSERT INTO inventory.outbox VALUES (0, 1, now(), '')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        cursor.execute("INSERT INTO inventory.outbox VALUES (0, 1, now(), '')")


def test_every_named_check_is_refused_by_a_test(database):
    """A constraint is tested the day it is added."""
    names = {row.conname for row in database.sql(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = ANY (ARRAY["
        "'inventory.slot', 'inventory.position', 'inventory.key_state', 'inventory.seen', 'inventory.held', 'inventory.effect', "
        "'inventory.outbox']::regclass[])")}
    without_data = {"slot_suspect_tries", "position_p"}
    assert names - {by for _, by in REFUSED} == without_data


@pytest.mark.parametrize("column,table", [("suspect_tries", "slot (p, suspect_tries) VALUES (90, -1)"),
                                          ("p", "position VALUES (-1, 1, 0)")])
def test_remaining_checks(as_lane, column, table):
    with pytest.raises(psycopg2.errors.CheckViolation):
        as_lane().execute("INSERT INTO inventory." + table)


@pytest.mark.parametrize("schema", postgres.SERVICES)
def test_outbox_has_its_days(database, schema):
    database.sql(f"SELECT {schema}.outbox_maintain()")
    days = [row.relname for row in database.sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1",
        f"{schema}.outbox")]
    expected = [row.d for row in database.sql(
        "SELECT to_char((now() AT TIME ZONE 'UTC')::date + n, '\"outbox_\"YYYYMMDD') AS d FROM generate_series(0, 2) n")]
    assert "outbox_default" in days
    assert set(expected) <= set(days)


@pytest.mark.parametrize("schema", postgres.SERVICES)
def test_text_keys_are_bytewise(database, schema):
    """Text in the lane's keys and indexes sorts as memcmp does, in this database and in one with another default."""
    wrong = database.sql(
        "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
        "WHERE c.relnamespace = %s::regnamespace AND c.relname IN ('slot', 'position', 'key_state', 'seen', 'held', 'effect', 'outbox') "
        "AND a.atttypid = 'text'::regtype AND a.attcollation <> '\"C\"'::regcollation", schema)
    assert wrong == []


def test_functions_name_their_search_path(database):
    """What runs with the owner's rights finds nothing in a caller's temporary schema."""
    rows = database.sql("SELECT p.oid::regprocedure::text AS f, p.proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                        "WHERE p.prosecdef AND n.nspname = ANY (%s)", list(postgres.SERVICES))
    assert len(rows) >= 2 * len(postgres.SERVICES)
    for row in rows:
        schema = row.f.split(".")[0]
        assert f"search_path={schema}, pg_temp" in row.proconfig, row.f
