"""The lane as processes while the database or the broker is away, with input that can't be applied, and at its end."""

from __future__ import annotations

from echo_feed import command, Feeder, pb


def test_database_away_for_a_while(echo):
    feeder = Feeder(echo, 4)
    feeder.send(60)
    echo.kill("postgres")
    feeder.send(60)
    echo.start("postgres")
    echo.wait_ready("postgres")
    feeder.wait_done()
    feeder.check()


def test_broker_away_for_a_while(echo):
    feeder = Feeder(echo, 5)
    feeder.send(60)
    echo.kill("kafka")
    echo.start("kafka")
    echo.wait_ready("kafka")
    feeder.send(60)
    feeder.wait_done()
    feeder.check()


def test_poison_and_gap(echo):
    feeder = Feeder(echo, 6)
    feeder.send(20)
    order = feeder.orders[0]
    echo.produce("commands.validator", order, b"not protobuf")
    late = feeder.orders[1]
    n = feeder.sent[late]
    echo.produce("commands.validator", late, command(late, n + 2))
    echo.wait(lambda: echo.value("SELECT held FROM validator.key_state WHERE key = %s", late) == "GAP", 20, "the gap is held")
    echo.produce("commands.validator", late, command(late, n + 1))
    feeder.sent[late] += 2
    feeder.wait_done()
    feeder.check()
    letters = [pb.dead_letters.DeadLetter.FromString(record.value()) for record in echo.records("dead-letters")]
    assert [letter.reason for letter in letters] == ["UNDECODABLE"]


def test_graceful_end_leaves_nothing_dirty(echo):
    feeder = Feeder(echo, 7)
    feeder.send(100)
    feeder.wait_done()
    echo.stop("validator", 1)
    echo.stop("validator", 2)
    assert echo.value("SELECT count(*) FROM validator.slot WHERE dirty <> 0 OR batch_no <> published_no") == 0
