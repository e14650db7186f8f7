"""The loop: take the next event, let it happen, and resume the thread that it lets go on."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched, seldom
from virtsim.engines.stepper.batches import (
    go_on_asking,
    go_on_rearming_early,
    go_on_with_batch,
    go_on_with_held,
)
from virtsim.engines.stepper.books import cut_short, set_state
from virtsim.engines.stepper.clock import drop_top, now_at, only_idle, pick, stop_clock
from virtsim.engines.stepper.cores import come_on, go_on_paying, soft, used
from virtsim.engines.stepper.delivering import announce, gap_over, hold_over, land
from virtsim.engines.stepper.devices import complete, go_on_admitting
from virtsim.engines.stepper.emitting import (
    go_on_blocked,
    go_on_emitting,
    go_on_holding,
)
from virtsim.engines.stepper.emptying import (
    go_on_emptying,
    go_on_serving_armed,
    go_on_spinning,
)
from virtsim.engines.stepper.handing import (
    go_on_deciding,
    go_on_finishing,
    go_on_inline,
    go_on_retrying,
)
from virtsim.engines.stepper.notifying import (
    go_on_arming,
    go_on_calling,
    go_on_relaying,
    go_on_sending,
)
from virtsim.engines.stepper.polling import free, sees_work, settle
from virtsim.engines.stepper.reclaiming import go_on_cleaning, go_on_reclaiming, go_on_restarting
from virtsim.engines.stepper.rings import publish, show
from virtsim.engines.stepper.rows import core, event, frame, leaf, ring, thread, world
from virtsim.engines.stepper.running import (
    go_on_entering,
    go_on_iterating,
    go_on_living,
    go_on_looping,
    go_on_polling,
    go_on_running,
)
from virtsim.engines.stepper.sources import arrivals, flood, offer, start_sources
from virtsim.engines.stepper.timers import expire
from virtsim.engines.stepper.turns import go_on_refilling, go_on_with_turn
from virtsim.engines.stepper.waiting import go_on_resting


@dispatched("t")
def go_on(a: Words, p: Words, c: Words, t: int) -> None:
    """Let a thread go on until it waits again."""
    a[t + thread.WOKE], a[t + thread.MODE] = a[t + thread.MODE], thread.RUN
    a[t + thread.WAITING] = a[t + thread.IN_EXIT] = 0
    used(a, t)
    while not a[t + thread.WAITING] and a[world.ERROR] == world.FINE:
        f = a[t + thread.TOP]
        resume(a, p, c, t, f, a[f + frame.WHAT], a[f + frame.STEP])


@dispatched("what")
def resume(a: Words, p: Words, c: Words, t: int, f: int, what: int, step: int) -> int:
    """Resume a frame; what is resumed most often comes first."""
    routine, row = what % frame.ROUTINES, what // frame.ROUTINES
    if routine == frame.PAY:
        return go_on_paying(a, p, c, t, row, f, step)
    if routine == frame.BATCH:
        return go_on_with_batch(a, p, c, t, row, f, step)
    if routine == frame.TURN:
        return go_on_with_turn(a, p, c, t, row, f, step)
    if routine == frame.EMIT:
        return go_on_emitting(a, p, c, t, row, f, step)
    if routine == frame.SEND:
        return go_on_sending(a, p, c, t, row, f, step)
    if routine == frame.ARMS:
        ledger, n, which = a[f + frame.A], a[f + frame.PACKET], a[f + frame.B]
        return go_on_arming(a, p, c, t, row, f, step, ledger, n, which)
    if routine == frame.FINISH:
        return go_on_finishing(a, p, c, t, row, f, step)
    if routine == frame.INLINE:
        return go_on_inline(a, p, c, t, row, f, step)
    if routine == frame.DECIDE:
        return go_on_deciding(a, p, c, t, row, f, step)
    if routine == frame.RETRY:
        return go_on_retrying(a, p, c, t, row, f, step)
    if routine == frame.EMPTY:
        return go_on_emptying(a, p, c, t, row, f, step)
    if routine == frame.RUN_ONE:
        return go_on_running(a, p, c, t, f, step)
    if routine == frame.ENTRY:
        return go_on_entering(a, p, c, t, row, f, step)
    if routine == frame.REST:
        return go_on_resting(a, p, c, t, f)
    if routine == frame.LIFE:
        return go_on_living(a, p, c, t, f, step)
    if routine == frame.POLL:
        return go_on_polling(a, p, c, t, f, step)
    if routine == frame.LOOP:
        return go_on_looping(a, p, c, t, f, step)
    return resume_rarer(a, p, c, t, f, what, step)


@seldom
def resume_rarer(a: Words, p: Words, c: Words, t: int, f: int, what: int, step: int) -> int:
    """Resume a frame of a routine that is not resumed for every packet."""
    routine, row = what % frame.ROUTINES, what // frame.ROUTINES
    if routine == frame.ITERATE:
        return go_on_iterating(a, p, c, t, f)
    if routine == frame.ACQUIRE:
        return come_on(a, p, c, t, f, soft(a, t))
    if routine == frame.GIVE_WAY:
        return come_on(a, p, c, t, f, 0)
    if routine == frame.REFILL:
        return go_on_refilling(a, p, c, t, row, f, step)
    if routine == frame.RECLAIM:
        return go_on_reclaiming(a, p, c, t, row, f, step)
    if routine == frame.CLEAN:
        return go_on_cleaning(a, p, c, t, row, f, step)
    if routine == frame.RESTART:
        return go_on_restarting(a, p, c, t, row, f)
    if routine == frame.SERVE_ARMED:
        return go_on_serving_armed(a, p, c, t, row, f, step)
    if routine == frame.QUIET:
        return go_on_spinning(a, p, c, t, row, f, step)
    if routine == frame.BLOCKED:
        return go_on_blocked(a, t, f, step)
    if routine == frame.HOLD:
        return go_on_holding(a, p, c, t, row, f, step)
    if routine == frame.HELD:
        return go_on_with_held(a, p, c, t, row, f, step)
    if routine == frame.MAY_TAKE:
        return go_on_asking(a, p, c, t, row, f, step)
    if routine == frame.REARM_EARLY:
        return go_on_rearming_early(a, p, c, t, row, f, step)
    if routine == frame.CALL:
        return go_on_calling(a, p, c, t, row, f, step)
    if routine == frame.RELAY:
        return go_on_relaying(a, p, c, t, row, f, step)
    return go_on_admitting(a, p, c, t, row, f, step)


# -- events ------------------------------------------------------------------------------------


@dispatched("x")
def happen(a: Words, p: Words, c: Words, x: int) -> None:
    """Let the next event happen, which is that of clock ``x``."""
    when, owner = a[x + leaf.AT], a[x + leaf.OWNER]
    now_at(a, when, a[x + leaf.TURN])
    a[world.EVENTS] += 1
    a[x + leaf.AT], a[x + leaf.IDLE] = world.NEVER, 0
    if x < a[world.SOURCE_LEAVES]:
        a[world.LAST] = when
        go_on(a, p, c, owner)
    elif x < a[world.HEAP_LEAF]:
        a[world.LAST] = when
        arrivals(a, p, c, owner)
    else:
        y = a[world.HEAP]
        what, more = a[y + event.WHAT], a[y + event.MORE]
        drop_top(a)
        if act(a, p, c, what, more):
            a[world.LAST] = when


@dispatched("what")
def act(a: Words, p: Words, c: Words, what: int, more: int) -> int:
    """Do what an event of the heap says; tell whether it came in time to change anything."""
    kind, row = what % event.KINDS, what // event.KINDS
    if kind == event.LAND:
        land(a, p, c, row, 1)
    elif kind == event.COMPLETE:
        complete(a, p, c, row, more)
    elif kind == event.OFFER:
        offer(a, p, c, row, more)
    elif kind == event.VISIBLE:
        show(a, row)
        if a[row + ring.FORWARD]:
            announce(a, p, c, a[row + ring.FORWARD])
    elif kind == event.TIMER:
        return expire(a, p, c, row, more)
    elif kind == event.HOLD:
        return hold_over(a, p, c, row, more)
    elif kind == event.GAP:
        gap_over(a, p, c, row)
    elif kind == event.UNBLOCK:
        unblock(a, p, c, row)
    else:
        flood(a, p, c, row)
    return 1


@seldom
def unblock(a: Words, p: Words, c: Words, r: int) -> None:
    """Let the longest blocked producers of a ring publish, while there is room."""
    while a[r + ring.BLOCKED_N] > 0 and free(a, r) > 0:
        first = a[r + ring.BLOCKED_FIRST]
        t = a[a[r + ring.BLOCKED] + first]
        a[r + ring.BLOCKED_FIRST] = (first + 1) % a[world.N_THREADS]
        a[r + ring.BLOCKED_N] -= 1
        a[t + thread.PLACED] = 1
        publish(a, p, c, r, a[t + thread.BLOCKED_PACKET])
        if a[t + thread.MODE] == thread.BLOCKED:
            stop_clock(a, t)
            go_on(a, p, c, t)


# -- a run -------------------------------------------------------------------------------------


@seldom
def be_born(a: Words, p: Words, c: Words) -> None:
    """Let threads take their places before the first packet can come."""
    for i in range(a[world.N_THREADS]):
        # Nobody goes ahead of the others, nor of the first packets, which are not there yet.
        a[world.NEXT] = a[world.ROUND] = a[world.PLACE] = 0
        go_on(a, p, c, a[world.THREADS] + i * thread.SIZE)
    while a[world.ERROR] == world.FINE:
        x = pick(a)
        if a[x + leaf.AT] > 0:
            break
        a[world.NEXT] = 0
        happen(a, p, c, x)
    a[world.ROUND] = a[world.PLACE] = 0
    start_sources(a, c)


@seldom
def work_is_left(a: Words) -> bool:
    """Tell whether a thread would do more than poll if it had its core."""
    for i in range(a[world.N_THREADS]):
        if sees_work(a, a[world.THREADS] + i * thread.SIZE):
            return True
    for i in range(a[world.N_CORES]):
        k = a[world.CORES] + i * core.SIZE
        for j in range(a[k + core.QUEUED]):
            t = a[a[k + core.QUEUE] + j]
            busy = a[t + thread.READY] != 0 or a[t + thread.TURNS] > 0
            if busy or a[t + thread.WAIT] == thread.SLEEPS:
                return True
    return False


@seldom
def end(a: Words, p: Words, c: Words) -> None:
    """Book what is still under way; timers that were overtaken are no part of the run."""
    a[world.NOW] = a[world.LAST]
    for i in range(a[world.N_THREADS]):
        t = a[world.THREADS] + i * thread.SIZE
        cut_short(a, t)
        if a[t + thread.MODE] == thread.PARKED:
            settle(a, p, c, t)
        set_state(a, t, a[t + thread.STATE])


def run_slice(a: Words, p: Words, c: Words) -> int:
    """Play until the run is over, or the slice, or the memory; tell which."""
    if not a[world.BORN]:
        a[world.BORN] = 1
        be_born(a, p, c)
    while a[world.ERROR] == world.FINE:
        if a[world.HEAP_N] + a[world.LOW] > a[world.HEAP_MOST] or a[world.N_FREE] < a[world.LOW]:
            return world.GROW
        if a[world.EVENTS] >= a[world.LIMIT]:
            return world.SLICE
        x = pick(a)
        when = a[x + leaf.AT]
        idle = a[x + leaf.IDLE] != 0 and when > a[world.NOW] and when > a[world.HORIZON]
        if idle and only_idle(a) and not work_is_left(a):
            # Only idle threads that pass a core back and forth are left.
            end(a, p, c)
            return world.OVER
        if when >= world.LONGEST:
            if when == world.NEVER:
                end(a, p, c)
                return world.OVER
            a[world.ERROR] = world.TOO_LONG
            break
        happen(a, p, c, x)
    return world.FAILED
