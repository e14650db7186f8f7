"""A poller with nothing to do: only its clock passes, and the next look is computed."""

from __future__ import annotations

from virtsim.engines.reference.world import POLLING, Gate, Stage, Steps, Thread, World
from virtsim.program import Uses
from virtsim.semantics import CHECK, next_poll


def _cycle(thread: Thread) -> list[tuple[Stage | None, Uses]]:
    """Return the positions of one idle iteration: the loop, then a check per stage."""
    loop: list[tuple[Stage | None, Uses]] = [(None, thread.row.idle_loop)]
    return loop + [(stage, stage.row.poll) for stage in thread.stages]


def _ahead(w: World, thread: Thread) -> list[int]:
    """Return when each position is next reached, relative to the parking, and the period last."""
    cycle = _cycle(thread)
    costs = [max(0, w.prices(uses, 0)) for _, uses in cycle]
    period = max(1, sum(costs))
    reach, t = [0] * len(cycle), 0
    for k in range(len(cycle)):
        position = (thread.position + k) % len(cycle)
        reach[position] = t
        t += costs[position]
    return [*reach, period]


def first_look(w: World, thread: Thread, stage: Stage) -> int:
    """Return the time at which a parked poller next looks at a stage's ring."""
    ahead = _ahead(w, thread)
    position = 1 + thread.stages.index(stage)
    return next_poll(w.now, thread.parked_ps + ahead[position], ahead[-1])


def next_boundary(w: World, thread: Thread, after_ps: int) -> int:
    """Return the end of the use that a parked poller is in at a time."""
    *reach, period = _ahead(w, thread)
    return min(next_poll(after_ps, thread.parked_ps + r, period) for r in reach)


def found(w: World, thread: Thread, stage: Stage) -> None:
    """Something became visible to a parked poller: let it look when it comes by."""
    due = first_look(w, thread, stage)
    if thread.due_ps < 0 or due < thread.due_ps:
        thread.due_ps, thread.found = due, 1 + thread.stages.index(stage)
        gate = thread.gate
        assert gate is not None
        w.at(due, CHECK, thread.rank, gate.open)


def park(w: World, thread: Thread) -> Steps:
    """Poll without finding anything until something can be found, and book the looks."""
    w.set_state(thread, POLLING)
    thread.parked_ps, thread.due_ps, thread.found = w.now, -1, -1
    mode, thread.mode = thread.mode, "parked"
    thread.gate = gate = Gate(w.env)
    if thread.core.queue:
        leave_parking(w, thread)
    yield gate
    thread.mode = mode
    settle(w, thread)
    if thread.found >= 0:
        # Looks that cost nothing leave the position open; the one that found something is known.
        thread.position = thread.found


def leave_parking(w: World, thread: Thread) -> None:
    """Let a parked poller whose core others wait for leave it at a use's end, its quantum over."""
    core = thread.core
    at_once = bool(core.queue) and core.queue[0].soft
    over = w.now if at_once else max(w.now, core.slice_since + core.row.quantum_ps)
    due = next_boundary(w, thread, over)
    if thread.due_ps < 0 or due < thread.due_ps:
        thread.due_ps, thread.found = due, -1
        assert thread.gate is not None
        rank = thread.rank
        w.at(due, CHECK, rank, thread.gate.open, idle=True)


def settle(w: World, thread: Thread) -> None:
    """Book the idle uses that ended since the parking; a use cut short is booked without count."""
    cycle = _cycle(thread)
    elapsed = w.now - thread.parked_ps
    costs = [w.prices(uses, 0) for _, uses in cycle]
    period = max(1, sum(costs))
    rounds, rest = divmod(elapsed, period)
    for k in range(len(cycle)):
        position = (thread.position + k) % len(cycle)
        stage, uses = cycle[position]
        payer = stage.index if stage else w.payer_of(thread)
        for use in uses:
            cost = w.price(use, 0)
            part = min(cost, rest)
            rest -= part
            times = rounds + (part == cost and cost > 0)
            w.book(payer, use, 0, rounds * cost + part, times)
    thread.position = _position_after(costs, thread.position, elapsed % period)
    thread.parked_ps = w.now


def _position_after(costs: list[int], position: int, rest: int) -> int:
    while rest > 0 and rest >= costs[position]:
        rest -= costs[position]
        position = (position + 1) % len(costs)
    return position
