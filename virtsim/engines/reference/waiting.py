"""How a thread waits: idle, spinning, parked or asleep, and how it is woken."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from virtsim.engines.reference.cores import (
    acquire,
    give_way,
    must_yield,
    over_at_quantum,
    pay,
    release,
)
from virtsim.engines.reference.world import (
    ASLEEP,
    POLLING,
    RUNNABLE,
    Gate,
    Stage,
    Steps,
    Thread,
    World,
)
from virtsim.program import PaceRow
from virtsim.semantics import CHECK, DUE, SLEEP, halt_poll_next, idle_state, next_poll


def enqueue(w: World, stage: Stage, *, entry: bool = False, front: bool = False) -> None:
    """Make a stage ready (its entry, or its turn) and rouse its thread."""
    if stage.entry_queued if entry else stage.turn_queued:
        return
    if entry:
        stage.entry_queued = True
    else:
        stage.turn_queued = True
    thread = w.threads[stage.row.thread]
    level = stage.row.level
    if entry and stage.row.defer and level == 1:
        level = 0
    if level == 1 and thread.ksoftirqd:
        level = 2
    queue = thread.ready[level]
    (queue.appendleft if front else queue.append)((stage, entry))
    rouse(w, thread)


def rouse(w: World, thread: Thread) -> None:
    """Something became ready for a thread: let it notice in the way in which it waits."""
    rank = thread.rank
    if thread.mode == "idle":
        assert thread.gate is not None
        w.at(w.now, CHECK, rank, thread.gate.open)
    elif thread.mode == "spin_armed":
        assert thread.gate is not None
        thread.mode, thread.hit_ps = "hit", w.now
        w.spin_hits[thread.index] += 1
        delay = w.book_delays(w.payer_of(thread), thread.row.hit, 0)
        w.at(w.now + delay, DUE if delay else CHECK, rank, thread.gate.open)
    elif thread.mode == "spin_look":
        look(w, thread)
    elif thread.mode == "asleep":
        begin_wake(w, thread)


def look(w: World, thread: Thread) -> None:
    """Let a thread that spins on its rings look at the next turn of its loop."""
    assert thread.gate is not None
    due = next_poll(w.now, thread.look_from, thread.look_every)
    w.at(due, CHECK, thread.rank, thread.gate.open)


def begin_wake(w: World, thread: Thread) -> None:
    """Start the wake-up of a sleeping thread: runnable until it has its core."""
    thread.mode = "waking"
    w.wakeups[thread.index] += 1
    w.set_state(thread, RUNNABLE)
    rank = thread.rank
    assert thread.gate is not None
    if thread.core.holder is not None:
        w.at(w.now, DUE, rank, thread.gate.open)
        return
    states = thread.core.row.idle_states
    deepest = idle_state(w.now - thread.core.idle_since, [r for r, _ in states])
    met = (states[deepest][1],) if deepest >= 0 else ()
    delay = w.book_delays(w.payer_of(thread), (*thread.row.wake, *met), 0)
    w.note("wake", thread)
    w.at(w.now + delay, DUE, rank, thread.gate.open)


def nothing_ready(thread: Thread) -> bool:
    """Tell whether a thread has nothing to run."""
    return thread.top == 3


def rest(w: World, thread: Thread) -> Steps:
    """Wait until something is ready and the core is the thread's."""
    if thread.row.wait == "always":
        yield from _stand_by(w, thread)
        return
    yield from _last_phase(w, thread)
    if not nothing_ready(thread):
        return
    if thread.row.idle:
        yield from pay(w, thread, w.payer_of(thread), thread.row.idle, 0)
        if not nothing_ready(thread):
            return
    began = w.now
    if thread.row.idle:
        hit = yield from _spin_armed(w, thread)
        if hit:
            _adapt(w, thread, thread.hit_ps - began)
            return
        yield from pay(w, thread, w.payer_of(thread), thread.row.block, 0)
        yield from _last_phase(w, thread)
    asleep = nothing_ready(thread)
    if asleep:
        yield from _sleep(w, thread)
    _adapt(w, thread, w.now - began)
    if asleep:
        yield from pay(w, thread, w.payer_of(thread), thread.row.resume, 0)


def _stand_by(w: World, thread: Thread) -> Steps:
    """Wait without sleeping: a guest that polls when idle, or a device."""
    while nothing_ready(thread):
        if must_yield(w, thread):
            yield from give_way(w, thread)
            continue
        w.set_state(thread, POLLING if thread.row.host_cpu else ASLEEP)
        thread.mode = "idle"
        thread.gate = gate = Gate(w.env)
        over_at_quantum(w, thread, gate)
        yield gate
        thread.mode = "run"


def _last_phase(w: World, thread: Thread) -> Steps:
    """Go to phase 3 of this instant, unless something becomes ready before."""
    while True:
        thread.mode = "idle"
        thread.gate = gate = Gate(w.env)
        w.at(w.now, SLEEP, thread.rank, gate.open)
        yield gate
        thread.mode = "run"
        if w.phase == SLEEP or not nothing_ready(thread):
            return


def _sleep(w: World, thread: Thread) -> Steps:
    w.set_state(thread, ASLEEP)
    thread.mode = "asleep"
    thread.gate = gate = Gate(w.env)
    release(w, thread)
    yield gate
    thread.mode = "run"
    yield from acquire(w, thread)


def nap(w: World, thread: Thread, pace: PaceRow) -> Steps:
    """Let a paced poller sleep between two iterations, if its rule says so."""
    if not pace.period_ps:
        if thread.most >= pace.few:
            thread.nap_ps = thread.nap_ps // pace.relax if pace.relax else 0
            return
        thread.nap_ps = min(thread.nap_ps + pace.step_ps, pace.max_ps)
    payer = w.payer_of(thread)
    yield from pay(w, thread, payer, pace.uses, 0, polling=True)
    length = thread.nap_ps
    if pace.period_ps:  # falling asleep is part of the period
        length = max(1, thread.iteration_ps + pace.period_ps - w.now)
    length += w.book_delays(payer, pace.late, 0)
    w.set_state(thread, ASLEEP)
    thread.mode = "napping"
    thread.gate = gate = Gate(w.env)
    release(w, thread)
    w.at(w.now + length, DUE, thread.rank, gate.open, idle=True)
    yield gate
    thread.mode = "run"
    yield from acquire(w, thread)


def _spin_armed(w: World, thread: Thread) -> Generator[simpy.Event, Any, bool]:
    """Spin for a delivery; tell whether one came."""
    spin = thread.row.spin
    length = 0 if spin is None or not spin.armed else spin.max_ps
    if spin is not None and spin.adaptive:
        length = min(thread.poll_ps, length)
    if length == 0 or thread.core.queue:
        return False
    w.set_state(thread, POLLING)
    thread.mode = "spin_armed"
    thread.gate = gate = Gate(w.env)
    rank = thread.rank
    w.at(w.now + length, CHECK, rank, lambda: thread.mode == "spin_armed" and gate.open())
    yield gate
    hit = thread.mode == "hit"
    thread.mode = "run"
    return hit


def _adapt(w: World, thread: Thread, block_ps: int) -> None:
    spin = thread.row.spin
    if spin is not None and spin.adaptive:
        thread.poll_ps = halt_poll_next(
            thread.poll_ps,
            block_ps,
            start_ps=spin.start_ps,
            grow=spin.grow,
            shrink=spin.shrink,
            max_ps=spin.max_ps,
        )


def spin_and_look(w: World, thread: Thread) -> Steps:
    """Spin on the thread's rings for its spin length, before any re-arm."""
    spin = thread.row.spin
    assert spin is not None
    if thread.core.queue or not nothing_ready(thread):
        return
    w.set_state(thread, POLLING)
    thread.look_from = w.now
    thread.look_every = max(1, w.prices(spin.turn, 0))
    mode, thread.mode = thread.mode, "spin_look"
    thread.gate = gate = Gate(w.env)
    w.at(w.now + spin.max_ps, CHECK, thread.rank, gate.open)
    yield gate
    thread.mode = mode
    turns, rest = divmod(w.now - thread.look_from, thread.look_every)
    for use in spin.turn:
        cost = w.price(use, 0)
        part = min(cost, rest)
        rest -= part
        w.book(w.payer_of(thread), use, 0, turns * cost + part, turns)
