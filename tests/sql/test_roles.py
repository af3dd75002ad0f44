"""Each service's role: nothing in another's schema, and no more than its job in its own."""

from __future__ import annotations

import psycopg2
import pytest
from oclocal import postgres

PAIRS = [(role, schema) for role in postgres.SERVICES for schema in postgres.SERVICES if role != schema]


def relations(database, schema: str) -> list[str]:
    return [row.relname for row in database.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') ORDER BY 1", schema)]


def refused(connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.rollback()


@pytest.fixture
def connect(database):
    connections = []

    def make(role: str):
        connections.append(database.connect(role))
        return connections[-1]

    yield make
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("role,schema", PAIRS, ids=[f"{role}-on-{schema}" for role, schema in PAIRS])
def test_no_service_reads_anothers_schema(database, connect, role, schema):
    names = relations(database, schema)
    assert {"slot", "outbox", "key_state"} <= set(names)
    connection = connect(role)
    for name in names:
        refused(connection, f'SELECT 1 FROM {schema}."{name}" LIMIT 1')
    refused(connection, f"INSERT INTO {schema}.slot (p) VALUES (91)")
    refused(connection, f"SELECT {schema}.outbox_maintain()")
    refused(connection, f"CREATE TABLE {schema}.mine (n integer)")


@pytest.mark.parametrize("schema", postgres.SERVICES)
def test_rights_in_the_own_schema(database, connect, schema):
    connection = connect(schema)
    for name in ("outbox", "seen"):  # written once
        refused(connection, f"UPDATE {schema}.{name} SET {'records' if name == 'outbox' else 'key'} = NULL")
        refused(connection, f"DELETE FROM {schema}.{name}")
    for name in ("slot", "position"):
        refused(connection, f"DELETE FROM {schema}.{name}")
    for name in relations(database, schema):
        if name.startswith("outbox_"):  # partitions: through the parent only
            refused(connection, f"SELECT 1 FROM {schema}.{name} LIMIT 1")
            refused(connection, f"DELETE FROM {schema}.{name}")
    refused(connection, f"TRUNCATE {schema}.key_state")
    refused(connection, f"CREATE TABLE {schema}.mine (n integer)")
    refused(connection, "CREATE TEMPORARY TABLE slot (p integer)")
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {schema}.outbox_maintain(), {schema}.seen_maintain(10)")
        cursor.execute(f"INSERT INTO {schema}.slot (p) VALUES (90)")
        cursor.execute(f"UPDATE {schema}.slot SET batch_no = 1 WHERE p = 90")
        cursor.execute(f"INSERT INTO {schema}.outbox VALUES (90, 1, now(), '')")
        cursor.execute(f"SELECT count(*) FROM {schema}.outbox WHERE slot = 90")
        assert cursor.fetchone()[0] == 1
        connection.rollback()


@pytest.mark.parametrize("schema", postgres.SERVICES)
def test_services_own_nothing(database, schema):
    """Whoever owns a table can alter and drop it."""
    owned = database.sql("SELECT c.relname FROM pg_class c WHERE c.relowner = %s::regrole", postgres.role_of(schema))
    assert owned == []
    assert database.value("SELECT pg_has_role(%s, 'orderclerk_owner', 'MEMBER')", postgres.role_of(schema)) is False
