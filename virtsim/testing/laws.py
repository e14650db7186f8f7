"""Laws that every outcome keeps, whatever the Program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from virtsim.outcome import Job, Outcome
from virtsim.program import NONE, Program

Run = Callable[[Program, Job], Outcome]
BUSY, POLLING = 0, 1
POLL = "poll"
"""The cause of uses that look and find nothing."""


def check_laws(
    program: Program,
    job: Job,
    outcome: Outcome,
    *,
    run: Run | None = None,
    may_hold: bool = False,
) -> None:
    """Check that an outcome can be true.

    Parameters
    ----------
    run
        The engine, to be asked a second time: it must say the same.
    may_hold
        Whether packets may be left over when nothing happens any more. With finite traffic and
        channels that are armed at every empty ring they may not: that is a lost wake-up.

    Raises
    ------
    AssertionError
        Naming the law that is broken.
    """
    _check_time(program, outcome)
    _check_money(program, job, outcome)
    _check_packets(job, outcome)
    if not may_hold:
        _check_nothing_stuck(outcome)
    _check_order(job, outcome)
    if run is not None:
        check_same(outcome, run(program, job), "a second run")


def _check_time(program: Program, outcome: Outcome) -> None:
    """Check that each thread's states fill the run, and the window, exactly."""
    for i, thread in enumerate(program.threads):
        for name, states, length in (
            ("run", outcome.total[i], outcome.end_ps),
            ("window", outcome.window[i], outcome.window_ps[1] - outcome.window_ps[0]),
        ):
            assert (states >= 0).all(), f"{thread.name}: negative time in the {name}: {states}"
            assert states.sum() == length, (
                f"{thread.name}: {states} do not fill the {name} {length}"
            )
    assert (outcome.window <= outcome.total).all(), "more time in the window than in the run"


def _check_money(program: Program, job: Job, outcome: Outcome) -> None:
    """Check that what was booked as busy is what the payer was busy, and counts match prices."""
    payers = [row.thread for row in program.stages] + list(range(len(program.threads)))
    polls = np.array([use.cause == POLL for use in program.uses], dtype=bool)
    busy = np.array([use.busy for use in program.uses], dtype=bool)
    for i, thread in enumerate(program.threads):
        mine = outcome.busy_ps[[k for k, t in enumerate(payers) if t == i]].sum(axis=0)
        worked, looked = int(mine[~polls].sum()), int(mine[polls].sum())
        spent = outcome.total[i]
        assert worked == spent[BUSY], f"{thread.name}: booked {worked}, busy {spent[BUSY]}"
        assert looked <= spent[POLLING], f"{thread.name}: {looked} of {spent[POLLING]} polling"
    for name in ("count", "busy_ps", "delay_ps", "bytes"):
        assert (getattr(outcome, name) >= 0).all(), f"negative {name}"
    assert not outcome.busy_ps[:, ~busy].any(), "a delay was booked as busy"
    assert not outcome.delay_ps[:, busy].any(), "busy time was booked as a delay"
    constant = (job.prices.step == 0) & ~polls
    price = job.prices.flat[job.prices.offset]
    booked = outcome.busy_ps + outcome.delay_ps
    owed = outcome.count * price
    assert (booked == owed)[:, constant].all(), "a constant price times its count is not the sum"


def _check_packets(job: Job, outcome: Outcome) -> None:
    """Check that a packet is delivered after it arrived, or dropped, or neither; never both."""
    arrived, delivered, dropped = outcome.arrived_ps, outcome.delivered_ps, outcome.dropped
    assert len(arrived) == len(delivered) == len(dropped) == len(job.packets)
    done = delivered >= 0
    assert not (done & (dropped != NONE)).any(), "a packet was delivered and dropped"
    ended = done | (dropped != NONE)
    assert (arrived[ended] >= 0).all(), "a packet ended without having arrived"
    assert (delivered[done] >= arrived[done]).all(), "a packet was delivered before it arrived"
    assert outcome.end_ps >= max(delivered.max(initial=0), arrived.max(initial=0))


def _check_nothing_stuck(outcome: Outcome) -> None:
    """Check that every packet ended: nothing happens any more, so nobody will serve the rest."""
    stuck = np.flatnonzero((outcome.delivered_ps < 0) & (outcome.dropped == NONE))
    assert not len(stuck), f"packets {stuck.tolist()} are stuck: a wake-up was lost"


def _check_order(job: Job, outcome: Outcome) -> None:
    """Check that a source's packets leave in the order of their arrival: every ring is a queue."""
    for source in np.unique(job.packets.source):
        mine = (job.packets.source == source) & (outcome.delivered_ps >= 0)
        arrived, delivered = outcome.arrived_ps[mine], outcome.delivered_ps[mine]
        order = np.lexsort((delivered, arrived))
        late = np.diff(delivered[order]) < 0
        assert not late.any(), f"packets of source {source} overtook one another"


def check_engine(one: Run, other: Run, program: Program, job: Job) -> None:
    """Check that two engines agree on a job, integer for integer.

    Raises
    ------
    AssertionError
        Naming the stamps or counters in which they differ.
    """
    check_same(one(program, job), other(program, job), "the other engine")


def check_same(one: Outcome, other: Outcome, who: str) -> None:
    """Check that two outcomes have the same stamps and counters."""
    left, right = one.digest(), other.digest()
    unlike = {key: (left[key], right[key]) for key in left if left[key] != right[key]}
    assert not unlike, f"{who} differs in {unlike}"
