"""Every engine against results that were derived without any."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtsim.choosing import Engine
from virtsim.oracles import md1_wait
from virtsim.testing import check_laws, closed_loop, producer_consumer, tandem

ONCE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
services = st.lists(st.integers(1, 60), min_size=1, max_size=4)
gaps = st.lists(st.integers(0, 80), min_size=1, max_size=30)


@ONCE
@given(services, gaps)
def test_servers_in_a_row_follow_the_recurrence(
    engine: Engine, services: list[int], gaps: list[int]
) -> None:
    """A packet is served when it is there and the one before is done: the maximum of the two."""
    case = tandem(services, np.cumsum(gaps).tolist())
    out = engine(case.program, case.job)
    check_laws(case.program, case.job, out)
    now = np.cumsum(gaps)
    for service in services:
        free, done = 0, []
        for at in now.tolist():
            free = max(at, free) + service
            done.append(free)
        now = np.array(done)
    assert out.delivered_ps.tolist() == now.tolist()


def test_a_queue_waits_as_long_as_theory_says(engine: Engine) -> None:
    """M/D/1 at a load of 0.7: the mean wait of 20 000 packets is within a tenth of the formula."""
    rng = np.random.default_rng(7)
    n, service, load = 20_000, 700_000, 0.7
    at = np.cumsum(rng.exponential(service / load, n)).astype(np.int64)
    case = tandem([service], at.tolist())
    out = engine(case.program, case.job)
    wait = float((out.delivered_ps - out.arrived_ps).mean()) - service
    assert abs(wait / md1_wait(load, service) - 1) < 0.1


def test_a_closed_loop_runs_at_the_pace_of_its_round(engine: Engine) -> None:
    """With one packet in flight, a round takes its services and the time to think."""
    case = closed_loop(100, 1, [30, 50], 20)
    out = engine(case.program, case.job)
    assert np.diff(out.delivered_ps).tolist() == [100] * 99


def test_a_producer_that_is_slower_kicks_for_every_item(engine: Engine) -> None:
    """A consumer that is done before the next item sleeps each time: one kick an item."""
    case = producer_consumer(50, 8, (100, 10), (5, 5), (7, 7), (1, 1))
    out = engine(case.program, case.job)
    assert int(out.wakeups[1]) == 50
