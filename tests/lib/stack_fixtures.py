"""pytest plugin of tests/run: fixtures over tests/lib/stack.py, and the processes' logs in the report of a failed test.

    def test_something(stack):            # fresh database and topics, no services
        stack.up(["intake"])
"""

from __future__ import annotations

import pytest
from stack import Stack, live_stacks


@pytest.fixture(scope="session")
def shared_stack():
    """One broker and one database for the run. Tests take `stack`."""
    with Stack() as shared:
        yield shared


@pytest.fixture
def stack(shared_stack):
    shared_stack.fresh()
    return shared_stack


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for live in live_stacks():
            report.sections.append(("logs of " + live.home.path.name, live.log_tails()))
