"""The proxy does what it says, on a real database: what is lost was committed, what is frozen stays silent, the rest passes unchanged."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import psycopg2
import pytest
from oclocal import postgres

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faultrun.proxy import Frames  # noqa: E402
from faultrun.rig import ProxyProcess  # noqa: E402


def frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


STARTUP = struct.pack("!II", 4 + 4 + 8, 196608) + b"user\0a\0\0"
PREPARED = frame(b"P", b"s1\0COMMIT\0\0\0") + frame(b"P", b"s2\0SELECT 'COMMIT'\0\0\0")
COMMIT = frame(b"B", b"\0s1\0" + bytes(6)) + frame(b"E", bytes(5))
OTHER = frame(b"B", b"\0s2\0" + bytes(300000)) + frame(b"E", bytes(5))


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 65536, 1 << 20])
def test_a_commit_is_seen_however_it_is_cut(chunk):
    frames = Frames()
    stream = STARTUP + PREPARED + OTHER + COMMIT + OTHER
    seen = [at for at in range(0, len(stream), chunk) if frames.feed(stream[at:at + chunk])]
    end = len(STARTUP + PREPARED + OTHER) + len(frame(b"B", b"\0s1\0" + bytes(6)))
    assert seen == [(end - 1) // chunk * chunk], "in the chunk with the last byte of the COMMIT's Bind, and in no other"


def test_a_simple_commit_is_seen():
    frames = Frames()
    assert not frames.feed(STARTUP + frame(b"Q", b"BEGIN\0"))
    assert frames.feed(frame(b"Q", b"commit\0"))


@pytest.fixture
def proxy(stack):
    made = ProxyProcess({"pg": ("pg", f"{stack.postgres.socket}/.s.PGSQL.{stack.postgres.port}")}, 1)
    yield made
    made.close()


def connect(stack, proxy):
    dsn = stack.postgres.dsn(postgres.SUPERUSER, tcp=True, port=str(proxy.ports["pg"]), sslmode="disable", gssencmode="disable")
    return psycopg2.connect(dsn)


def test_the_lost_answer_was_a_commit(stack, proxy):
    stack.sql("CREATE TABLE kept (n int)")
    connection = connect(stack, proxy)
    connection.cursor().execute("INSERT INTO kept VALUES (1)")
    proxy.tell(["pg"], lose_commit=1)
    with pytest.raises(psycopg2.Error):
        connection.commit()
    assert stack.value("SELECT count(*) FROM kept") == 1
    stack.wait(lambda: [one["lost"] for one in proxy.lost] == ["pg"], 10, "word of the loss")
    again = connect(stack, proxy)  # one loss was ordered
    again.cursor().execute("INSERT INTO kept VALUES (2)")
    again.commit()
    assert stack.value("SELECT count(*) FROM kept") == 2


def test_a_cut_connection_ends_and_a_new_one_works(stack, proxy):
    connection = connect(stack, proxy)
    connection.cursor().execute("SELECT 1")
    assert proxy.tell(["pg"], cut=True) == {"done": 1}
    with pytest.raises(psycopg2.Error):
        connection.cursor().execute("SELECT 1")
    connect(stack, proxy).cursor().execute("SELECT 1")


def test_large_answers_pass_unchanged(stack, proxy):
    cursor = connect(stack, proxy).cursor()
    proxy.tell(["pg"], set={"delay_ms": 1, "stall": 0.1, "stall_ms": 5})
    cursor.execute("SELECT string_agg(md5(n::text), '' ORDER BY n) FROM generate_series(1, 20000) n")
    passed = cursor.fetchone()[0]
    assert passed == stack.value("SELECT string_agg(md5(n::text), '' ORDER BY n) FROM generate_series(1, 20000) n")
