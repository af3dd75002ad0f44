"""Many orders in the tables without the time that it takes to run them: rows of real orders, copied under other ids by COPY."""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass

from benchlib import Stack

UUID = re.compile(rb"\b([0-9a-f]{8}-[0-9a-f]{4})(-[0-9a-f]{4}-[0-9a-f]{4}-)([0-9a-f]{4})([0-9a-f]{8})\b")
TIME, CLONE = b"@time-and@", b"@clone@"  # in the pattern: an id's time bits; what makes a copy differ
DAY_MS = 86_400_000
STEP_MS = 1000  # between two copies: older orders have older ids, as in life


@dataclass
class Pattern:
    table: str
    text: bytes  # in COPY's format, with marks


def _unique_columns(stack: Stack, table: str) -> set[str]:
    rows = stack.sql("SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
                     "WHERE i.indrelid = %s::regclass AND i.indisunique AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)", table)
    return {row.attname for row in rows}


class Clones:
    """The orders that are in the tables now are the patterns."""

    def __init__(self, stack: Stack):
        self._stack = stack
        self._ids = {row[0].encode() for row in stack.sql("SELECT order_id::text FROM orchestrator.saga")}
        self._now_ms = int(time.time() * 1000)
        self._clone = 0
        self.patterns = [pattern for table in self._tables() if (pattern := self._pattern(table)) is not None]

    def _tables(self) -> list[str]:
        """Outboxes are left out: they are dropped after days."""
        rows = self._stack.sql("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                               "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '%outbox%' "
                               "AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1")
        return [row[0] for row in rows]

    def _columns(self, table: str) -> list[str]:
        """As COPY takes them: without those that the database makes itself."""
        return [row.attname for row in self._stack.sql("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                                                       "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum", table)]

    def _copy_out(self, table: str) -> list[bytes]:
        out = io.BytesIO()
        names = ", ".join(f'"{name}"' for name in self._columns(table))
        with self._stack.connect() as connection, connection.cursor() as cursor:
            cursor.copy_expert(f"COPY (SELECT {names} FROM {table}) TO STDOUT", out)
        return out.getvalue().splitlines()

    def _mark_id(self, found: re.Match) -> bytes:
        made_ms = int(found[1].replace(b"-", b""), 16)
        if abs(made_ms - self._now_ms) < DAY_MS:
            return TIME + found[2] + found[3] + found[4]
        return found[1] + found[2] + found[3] + CLONE  # its first bits aren't time

    def _pattern(self, table: str) -> Pattern | None:
        """Rows that name an order; None if there are none."""
        rows = [row.split(b"\t") for row in self._copy_out(table) if any(found[0] in self._ids for found in UUID.finditer(row))]
        if not rows:
            return None
        columns = self._columns(table)
        unique = _unique_columns(self._stack, table)
        for place, column in enumerate(columns):
            # Numbers, keys and hashes that tell orders apart without naming an id.
            differs = column in unique and len({row[place] for row in rows}) > 1
            for row in rows:
                if differs and row[place] != b"\\N" and not UUID.search(row[place]):
                    row[place] = row[place][:-8] + CLONE if row[place].startswith(b"\\\\x") else row[place] + b"-" + CLONE
        return Pattern(table, b"".join(UUID.sub(self._mark_id, b"\t".join(row)) + b"\n" for row in rows))

    def fill(self, orders: int) -> int:
        """Until at least so many orders are there; returns how many are."""
        with self._stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orchestrator.saga")
            present = cursor.fetchone()[0]
            while present < orders:
                self._clone += 1
                made = f"{self._now_ms - DAY_MS * 80 + self._clone * STEP_MS:012x}".encode()
                marks = ((TIME, made[:8] + b"-" + made[8:]), (CLONE, f"{self._clone:08x}".encode()))
                for pattern in self.patterns:
                    text = pattern.text
                    for mark, value in marks:
                        text = text.replace(mark, value)
                    cursor.copy_expert(f"COPY {pattern.table} FROM STDIN", io.BytesIO(text))
                present += len(self._ids)
                connection.commit()
        self._stack.sql("VACUUM ANALYZE")
        return present
