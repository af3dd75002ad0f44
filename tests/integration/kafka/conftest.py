"""`probe(…)` makes probes that are gone when the test is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from probe import Probe  # noqa: E402


@pytest.fixture
def probe(stack):
    made: list[Probe] = []

    def make(**options) -> Probe:
        made.append(Probe(stack, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
