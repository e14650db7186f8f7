"""Fixtures for pytest: put ``pytest_plugins = ["virtsim.testing.fixtures"]`` into a conftest.py."""

from __future__ import annotations

from typing import cast

import pytest

from virtsim.choosing import ENGINES, Engine, engine_of
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Outcome
from virtsim.program import Program


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Play a Program on each engine in turn; one that refuses skips the test, with its reasons."""
    run = engine_of(cast(str, request.param))

    def play(program: Program, job: Job) -> Outcome:
        try:
            return run(program, job)
        except EngineRefusal as refusal:
            pytest.skip(f"{request.param}: {'; '.join(refusal.reasons) or refusal.got}")

    return play
