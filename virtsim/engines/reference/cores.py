"""Who has the core: taking it, giving it up, and paying between two uses."""

from __future__ import annotations

from virtsim.engines.reference.polling import leave_parking
from virtsim.engines.reference.world import (
    BUSY,
    POLLING,
    RUNNABLE,
    Core,
    Gate,
    Steps,
    Thread,
    World,
)
from virtsim.program import Uses
from virtsim.semantics import CHECK


def acquire(w: World, thread: Thread) -> Steps:
    """Get the core: at once if it is free, else in turn, and then pay the switch."""
    core = thread.core
    if core.holder is None:
        take(w, core, thread)
        return
    if thread.soft:
        core.queue.insert(sum(t.soft for t in core.queue), thread)
    else:
        core.queue.append(thread)
    nudge(w, core)
    yield from _queue(w, thread)
    if not thread.soft and not thread.displaced:
        for use in core.row.switch:
            yield from w.occupy(thread, w.payer_of(thread), use, 0, BUSY)
    thread.displaced = False


def take(w: World, core: Core, thread: Thread) -> None:
    """Make a thread the holder of a core."""
    core.holder, core.slice_since = thread, w.now


def release(w: World, thread: Thread) -> None:
    """Give the core to whoever waits for it, or leave it idle."""
    core = thread.core
    core.holder, core.idle_since = None, w.now
    if core.queue:
        heir = core.queue.popleft()
        take(w, core, heir)
        assert heir.gate is not None
        w.at(w.now, CHECK, heir.rank, heir.gate.open)


def _queue(w: World, thread: Thread) -> Steps:
    w.set_state(thread, RUNNABLE)
    mode, thread.mode = thread.mode, "core"
    thread.gate = gate = Gate(w.env)
    yield gate
    thread.mode = mode


def nudge(w: World, core: Core) -> None:
    """Tell a holder that has nothing to do that somebody waits for its core."""
    holder = core.holder
    if holder is None or holder.gate is None:
        return
    rank = holder.rank
    gate = holder.gate
    if holder.mode in ("idle", "spin_armed", "spin_look", "blocked"):
        w.at(w.now, CHECK, rank, lambda: holder.mode != "hit" and gate.open())
    elif holder.mode == "parked":
        leave_parking(w, holder)


def must_yield(w: World, thread: Thread) -> bool:
    """Tell whether the thread loses its core before its next use."""
    core = thread.core
    if not core.queue or thread.soft:
        return False
    if core.queue[0].soft:
        return True
    return w.now - core.slice_since >= core.row.quantum_ps


def over_at_quantum(w: World, thread: Thread, gate: Gate) -> None:
    """Let a thread that waits on its core notice the end of its quantum, if somebody waits."""
    core = thread.core
    if core.queue:
        over = max(w.now, core.slice_since + core.row.quantum_ps)
        w.at(over, CHECK, thread.rank, gate.open, idle=True)


def give_way(w: World, thread: Thread) -> Steps:
    """Lose the core and wait for it: behind a softirq that cuts in, else at the queue's end."""
    core = thread.core
    heir = core.queue.popleft()
    if heir.soft:
        thread.displaced = True
        core.queue.appendleft(thread)
    else:
        core.queue.append(thread)
    take(w, core, heir)
    assert heir.gate is not None
    w.at(w.now, CHECK, heir.rank, heir.gate.open)
    yield from _queue(w, thread)
    if not thread.displaced:
        for use in core.row.switch:
            yield from w.occupy(thread, w.payer_of(thread), use, 0, BUSY)
    thread.displaced = False


def pay(
    w: World,
    thread: Thread,
    payer: int,
    uses: Uses,
    packet: int,
    *,
    polling: bool = False,
) -> Steps:
    """Pay uses one by one; between two, others may get the core and higher levels may run."""
    for use in uses:
        while must_yield(w, thread):
            yield from give_way(w, thread)
        if thread.top < thread.level:
            yield from w.rise(thread)
        yield from w.occupy(thread, payer, use, packet, POLLING if polling else BUSY)
