"""The lane as processes on a real broker and database: more of them, kill -9, a stopped one."""

from __future__ import annotations

from echo_feed import Feeder


def test_two_processes_share_the_work(echo):
    feeder = Feeder(echo, 1)
    feeder.send(200)
    feeder.wait_done()
    feeder.check()
    owners = echo.sql("SELECT p, epoch FROM validator.slot ORDER BY p")
    assert [p for p, _ in owners] == list(range(echo.partitions))


def test_kill_9_under_load(echo):
    feeder = Feeder(echo, 2)
    for round_ in range(6):
        feeder.send(40)
        victim = round_ % 2 + 1
        echo.kill("validator", victim)
        feeder.send(10)
        echo.start("validator", victim)
    feeder.wait_done()
    feeder.check()


def test_a_stopped_process_loses_its_slots_and_does_no_harm(echo):
    feeder = Feeder(echo, 3)
    feeder.send(50)
    echo.pause("validator", 1)
    feeder.send(100)
    feeder.wait_done()  # the other has taken over
    echo.resume("validator", 1)
    feeder.send(100)
    feeder.wait_done()
    feeder.check()
