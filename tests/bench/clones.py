"""Many orders in the tables without the time that it takes to run them: rows of real orders, copied under other ids by COPY.

The copies can go on as any order can: an order's id and number are others wherever they stand, within packed documents too, and
a copy's id belongs to the partition that its pattern's did.
"""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass

from benchlib import Stack
from murmur2 import partition

UUID = re.compile(rb"\b([0-9a-f]{8}-[0-9a-f]{4})(-[0-9a-f]{4}-[0-9a-f]{4}-)([0-9a-f]{4})([0-9a-f]{8})\b")
NUMBER = re.compile(rb"\bSO([0-9]{8})(-[0-9]+-[0-9]{2})\b")  # of an order; the day in it counts the copies
TWO_HEX = rb"(?:3[0-9]|6[1-6])"  # one hexadecimal digit, as bytea shows its code
HEX_UUID = re.compile(rb"2d".join(TWO_HEX + rb"{%d}" % digits for digits in (8, 4, 4, 4, 12)))
HEX_NUMBER = re.compile(rb"534f((?:3[0-9]){8})(2d(?:3[0-9])+2d(?:3[0-9]){2})")
# In the pattern, between NULs, which no text of PostgreSQL has: an id's time bits, what makes a copy differ, the number's first
# digits. Order n's id is "order n". "hex ": as in bytea.
TIME, CLONE, DIGITS, HEX_DIGITS = b"\0time\0", b"\0clone\0", b"\0digits\0", b"\0hex digits\0"
DAY_MS = 86_400_000
STEP_MS = 1000  # between two copies: older orders have older ids, as in life


@dataclass
class Pattern:
    table: str
    pieces: list[bytes]  # in COPY's format; every second one is a mark's name


def _time_bits(ms: int) -> bytes:
    """As a time-ordered UUID begins."""
    digits = b"%012x" % ms
    return digits[:8] + b"-" + digits[8:]


def _unique_columns(stack: Stack, table: str) -> set[str]:
    rows = stack.sql("SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
                     "WHERE i.indrelid = %s::regclass AND i.indisunique AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)", table)
    return {row.attname for row in rows}


class Clones:
    """The orders that are in the tables now are the patterns: those of which this condition on their saga holds."""

    def __init__(self, stack: Stack, condition: str = "true"):
        self._stack = stack
        self._ids = {row[0].encode(): place for place, row in enumerate(stack.sql(f"SELECT order_id::text FROM orchestrator.saga WHERE {condition}"))}
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
        if found[0] in self._ids:
            return b"\0order %d\0" % self._ids[found[0]]
        made_ms = int(found[1].replace(b"-", b""), 16)
        if abs(made_ms - self._now_ms) < DAY_MS:
            return TIME + found[2] + found[3] + found[4]
        return found[1] + found[2] + found[3] + CLONE  # its first bits aren't time

    def _mark_hex_id(self, found: re.Match) -> bytes:
        place = self._ids.get(bytes.fromhex(found[0].decode()))
        return found[0] if place is None else b"\0hex order %d\0" % place

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
                if differs and row[place] != b"\\N" and not UUID.search(row[place]) and not NUMBER.search(row[place]):
                    row[place] = row[place][:-8] + CLONE if row[place].startswith(b"\\\\x") else row[place] + b"-" + CLONE
        text = b"".join(b"\t".join(row) + b"\n" for row in rows)
        text = HEX_NUMBER.sub(b"534f" + HEX_DIGITS + rb"\2", HEX_UUID.sub(self._mark_hex_id, text))
        text = NUMBER.sub(b"SO" + DIGITS + rb"\2", UUID.sub(self._mark_id, text))
        return Pattern(table, text.split(b"\0"))

    def _values(self) -> dict[bytes, bytes]:
        """What stands for each mark in the next copy."""
        self._clone += 1
        made_ms = self._now_ms - DAY_MS * 80 + self._clone * STEP_MS
        digits = b"%08d" % self._clone
        values = {TIME: _time_bits(made_ms), CLONE: b"%08x" % self._clone, DIGITS: digits, HEX_DIGITS: digits.hex().encode()}
        values = {mark.strip(b"\0"): value for mark, value in values.items()}
        for order_id, place in self._ids.items():
            slot = partition(order_id, self._stack.partitions)
            copy = next(made for ms in range(STEP_MS)
                        if partition(made := _time_bits(made_ms + ms) + order_id[13:], self._stack.partitions) == slot)
            values[b"order %d" % place] = copy
            values[b"hex order %d" % place] = copy.hex().encode()
        return values

    def fill(self, orders: int) -> int:
        """Until at least so many orders are there; returns how many are."""
        with self._stack.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orchestrator.saga")
            present = cursor.fetchone()[0]
            while present < orders:
                values = self._values()
                for pattern in self.patterns:
                    text = b"".join(values[piece] if place % 2 else piece for place, piece in enumerate(pattern.pieces))
                    cursor.copy_expert(f"COPY {pattern.table} FROM STDIN", io.BytesIO(text))
                present += len(self._ids)
                connection.commit()
        self._stack.sql("VACUUM ANALYZE")
        return present
