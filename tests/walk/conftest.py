"""One isolated packet, played and reckoned, for the tests of this directory."""

from collections.abc import Callable

import numpy as np
import pytest

from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile, profile
from virtsim.engines.reference import run
from virtsim.equation import Equation, equation
from virtsim.model.path import Path
from virtsim.outcome import Job, Packets, Prices
from virtsim.program import Program

Both = Callable[..., tuple[int, Equation]]
Change = Callable[[Program, Prices], Prices]


@pytest.fixture(scope="session")
def both() -> Both:
    """Return a function that gives a packet's simulated latency (ps) and its cost equation."""

    def play(
        path: Path,
        direction: str,
        *,
        prices: Profile | None = None,
        host: Host | None = None,
        size_b: int = 64,
        at_ps: int = 50_000_000,
        change: Change = lambda _program, table: table,
        alter: Callable[[Program], Program] = lambda program: program,
    ) -> tuple[int, Equation]:
        book, host = prices or profile("skylake-2018-mitig"), host or Host()
        program = alter(compose(path, direction, host, book))
        packets = Packets(*(np.array([x], dtype=np.int64) for x in (at_ps, size_b, 0)))
        table = change(program, price(program, book, packets, host.nic_bps))
        costs = equation(program, table, at_ps, size_b)
        outcome = run(program, Job(table, packets))
        assert outcome.delivered_ps[0] >= 0
        return int(outcome.delivered_ps[0] - outcome.arrived_ps[0]), costs

    return play
