"""The cost equation of one isolated packet, read off the Program's tables without playing them.

A packet that meets only threads at rest takes the same steps every time: ring, wake-up or look of a
poller, entry, turn, work, publication, notification, next ring. Following it through the tables
gives the terms that its latency is the sum of. What a thread does after it handed the packet on
(re-arming, completion interrupts) is in the equation only where the packet's next step has to wait
for it: on the same thread, or on one to which the packet returns.
"""

from __future__ import annotations

from virtsim.equation.clock import Clock, refusal
from virtsim.equation.follower import Follower
from virtsim.equation.terms import POLL_WAIT, QUEUED, TIMER, WAITS, Equation, Kind, Term
from virtsim.outcome import Prices
from virtsim.program import Program


def equation(program: Program, prices: Prices, at_ps: int, size_b: int) -> Equation:
    """Return the cost equation of one packet in a system that has been at rest since time 0.

    Parameters
    ----------
    prices
        Of a packet of this size; draws of packet 0 where they are distributed.
    at_ps
        Arrival: it decides the idle states met and the phase of pollers.
    size_b
        Frame with its FCS, in bytes.

    Raises
    ------
    InputError
        If the tables leave no single answer: threads that share a core, interruptions of a core,
        a poller that sleeps between its looks, a return to a thread that spins, or a notification
        that is never sent.
    """
    _check(program)
    clock = Clock(program, prices, at_ps, size_b)
    Follower(clock).follow()
    return Equation(at_ps, tuple(clock.terms))


def _check(program: Program) -> None:
    cores = [thread.core for thread in program.threads]
    paced = [thread.name for thread in program.threads if thread.pace is not None]
    refusals = (
        (len(set(cores)) < len(cores), "threads share a core", "a core for each thread"),
        (bool(program.interruptions), "its cores are interrupted", "undisturbed cores"),
        (len(program.sources) != 1, f"it has {len(program.sources)} sources", "one"),
        (any(c.hold_n > 1 for c in program.channels), "it holds notifications back", "none held"),
        (bool(paced), f"{', '.join(paced)} sleeps between its looks, for how long depends on all "
         "looks before", "a poller that never sleeps"),
    )  # fmt: skip
    for applies, got, want in refusals:
        if applies:
            raise refusal(program, got, want)


__all__ = ["POLL_WAIT", "QUEUED", "TIMER", "WAITS", "Equation", "Kind", "Term", "equation"]
