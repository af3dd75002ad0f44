"""What an installation has before a migration is there after it, in its new shape."""

from __future__ import annotations

import uuid
from pathlib import Path

from protos import load

SQL = Path(__file__).resolve().parents[3] / "services" / "desk" / "sql"
ORDER = str(uuid.UUID(int=7))
pb = load()


def test_timeline_rows_become_parts(stack):
    long = pb.order_events.OrderEvent(event_id=str(uuid.uuid4()), order_id=ORDER, source="orchestrator", sequence=300, departments=["x" * 20000])
    rows = [(2, 1, 0, 127, b"first"), (2, 2, 5, 128, b""), (2, 300, 300, 2**40, long.SerializeToString()), (8, 1, 1, 16384, b"command")]
    first, *rest = sorted(SQL.glob("*.sql"))
    assert rest[1].name == "003_timeline_parts.sql"
    with stack.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA before; SET search_path = before")
        cursor.execute(first.read_text())
        for topic, sequence, partition, offset, value in rows:
            cursor.execute("INSERT INTO timeline VALUES (%s, %s, %s, now(), 'OrderReceived', 'orchestrator', 'e', NULL, 7, NULL, NULL, NULL, NULL, 0, 0, %s, %s, NULL, %s)",
                           (ORDER, topic, sequence, partition, offset, value))
        for file in rest:
            cursor.execute(file.read_text())
        cursor.execute("SELECT topic, sequence, last, records, part FROM timeline_part WHERE order_id = %s ORDER BY topic, sequence", (ORDER,))
        found = cursor.fetchall()
        connection.rollback()
    for (topic, sequence, partition, offset, value), row in zip(rows, found, strict=True):
        assert tuple(row[:4]) == (topic, sequence, sequence, 1)
        record, = pb.timeline.TimelinePart.FromString(bytes(row[4])).records
        assert (record.partition, record.offset, record.value) == (partition, offset, value)
