"""A stage's turn: batch after batch, refilling, and what else it may be instead."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched, seldom
from virtsim.engines.stepper.batches import batch
from virtsim.engines.stepper.clock import check
from virtsim.engines.stepper.cores import pay
from virtsim.engines.stepper.devices import admit
from virtsim.engines.stepper.emptying import empty
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import notify
from virtsim.engines.stepper.polling import waiting
from virtsim.engines.stepper.reclaiming import clean, reclaim_all
from virtsim.engines.stepper.rings import freed
from virtsim.engines.stepper.rows import frame, ring, stage, thread, world
from virtsim.engines.stepper.timers import requeue

START, TURNED, CLEANED, LOOP, SERVED, LOOKED, REFILLED, EMPTIED, OVER, REQUEUE, LEAVE = range(11)


@dispatched("s")
def turn(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Run a stage once."""
    f = push(a, t, frame.TURN, s)
    return go_on_with_turn(a, p, c, t, s, f, START)


@resumed(frame.TURN)
def go_on_with_turn(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with a turn: A and B count the packets and bytes served so far."""
    if step == START:
        a[f + frame.A] = a[f + frame.B] = 0
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.TURN], 0):
            return stop(a, f, frame.TURN, TURNED)
        step = TURNED
    if step == TURNED:
        step = CLEANED
        if a[s + stage.CLEANS] and clean(a, p, c, t, a[s + stage.CLEANS]):
            return stop(a, f, frame.TURN, CLEANED)
    if step == CLEANED:
        step = LOOP
        if a[s + stage.ROLE] == stage.TAKES_BACK:
            step = OVER
            if reclaim_all(a, p, c, t, s):
                return stop(a, f, frame.TURN, OVER)
        elif a[s + stage.SERVERS]:
            step = OVER
            if admit(a, p, c, t, s):
                return stop(a, f, frame.TURN, OVER)
    while step < OVER:
        if step == LOOP:
            step = SERVED
            if batch(a, p, c, t, s, a[f + frame.A], a[f + frame.B]):
                return stop(a, f, frame.TURN, SERVED)
        if step == SERVED:
            a[f + frame.A] += a[world.RETURNED]
            a[f + frame.B] += a[world.RETURNED_B]
            served, served_b = a[f + frame.A], a[f + frame.B]
            step = LOOKED
            if a[t + thread.WAIT] == thread.POLLS and a[s + stage.ROLE] != stage.IS_CALLED:
                a[t + thread.MOST] = max(a[t + thread.MOST], served)
                step = OVER
            elif a[s + stage.STOPPED]:
                step = OVER
            elif served >= a[s + stage.BUDGET] or served_b >= a[s + stage.BUDGET_B]:
                step = REQUEUE
            if step == LOOKED:
                if check(a, t):
                    return stop(a, f, frame.TURN, LOOKED)
            elif refill(a, p, c, t, s):
                return stop(a, f, frame.TURN, step)
        if step == LOOKED:
            step = LOOP
            if a[s + stage.REARMED] or waiting(a, a[s + stage.RING]) == 0:
                step = REFILLED
                if refill(a, p, c, t, s):
                    return stop(a, f, frame.TURN, REFILLED)
        if step == REFILLED:
            step = OVER
            if not a[s + stage.REARMED]:
                step = EMPTIED
                if empty(a, p, c, t, s):
                    return stop(a, f, frame.TURN, EMPTIED)
            if a[s + stage.REARMED]:
                a[s + stage.REARMED] = 0
        if step == EMPTIED:
            step = LOOP if a[world.RETURNED] else OVER
    if step == REQUEUE:
        requeue(a, p, c, s)
    return pop(a, t)


@seldom
def refill(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Give back consumed receive buffers once more than ``refill`` are missing."""
    r = a[s + stage.RING]
    if a[s + stage.GIVES] != stage.NOT_GIVEN:
        return world.DONE
    if a[r + ring.TAKEN] - a[r + ring.DONE] <= a[s + stage.REFILL]:
        return world.DONE
    a[r + ring.DONE] = a[r + ring.TAKEN]
    freed(a, r)
    f = push(a, t, frame.REFILL, s)
    if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.REFILL_USES], 0):
        return stop(a, f, frame.REFILL, START)
    return go_on_refilling(a, p, c, t, s, f, START)


@seldom
@resumed(frame.REFILL)
def go_on_refilling(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Tell of the buffers."""
    h = a[a[s + stage.RING] + ring.REVERSE]
    if step == START and notify(a, p, c, t, s, h, 0, 1):
        return stop(a, f, frame.REFILL, OVER)
    return pop(a, t)
