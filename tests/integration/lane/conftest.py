"""The echo service in the validator's place."""

from __future__ import annotations

import pytest
from oclocal import services


@pytest.fixture
def echo(stack, monkeypatch):
    monkeypatch.setitem(services.PROGRAMS, "validator", services.Service("validator", "echo_service", 2))
    stack.up(["validator"])
    return stack
