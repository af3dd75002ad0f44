"""A private PostgreSQL with every schema migrated from empty, by the SQL files that the programs embed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from oclocal import postgres
from stack import REPOSITORY, Stack

FOLDERS = {"fulfillment": "fulfillment-tracker"}  # where a service's folder isn't named as its schema


@dataclass(frozen=True)
class Migration:
    schema: str
    path: Path

    def __str__(self):
        return f"{self.schema}: {self.path.relative_to(REPOSITORY)}"


def takes_submissions(folder: Path) -> bool:
    """Whether the service has ingress's tables too: its process_main says so."""
    return any(re.search(r"\.ingress\s*=\s*true", path.read_text()) for path in folder.glob("*.c"))


def migrations(schema: str) -> list[Migration]:
    """In the order of the programs: the lane's, ingress's, the service's own."""
    folder = REPOSITORY / "services" / FOLDERS.get(schema, schema)
    folders = [REPOSITORY / "common/lane/sql"]
    if takes_submissions(folder):
        folders.append(REPOSITORY / "common/ingress/sql")
    folders.append(folder / "sql")
    return [Migration(schema, path) for each in folders for path in sorted(each.glob("[0-9]*.sql"))]


def apply(stack: Stack, migration: Migration) -> None:
    connection = stack.connect("migrate")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', quote_ident(%s), true)", (migration.schema,))
            cursor.execute(migration.path.read_text())
    finally:
        connection.close()


@pytest.fixture(scope="session")
def database():
    with Stack(infrastructure=[postgres.NAME]) as stack:
        for schema in postgres.SERVICES:
            for migration in migrations(schema):
                try:
                    apply(stack, migration)
                except Exception as error:
                    raise AssertionError(f"{migration}: {error}") from error
        yield stack


@pytest.fixture
def as_lane(database):
    """A cursor of a service's role in a transaction that is rolled back; other roles' by calling it."""
    open_connections = []

    def cursor(role: str = "inventory"):
        connection = database.connect(role)
        open_connections.append(connection)
        return connection.cursor()

    yield cursor
    for connection in open_connections:
        connection.rollback()
        connection.close()
