"""Taking back used slots, and letting the producer that waits for them go on."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.clock import check
from virtsim.engines.stepper.cores import pay
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, arms
from virtsim.engines.stepper.ready import enqueue
from virtsim.engines.stepper.rings import reclaim, room
from virtsim.engines.stepper.rows import frame, ring, stage

LOOP, LOOKED, PAYING, RESTARTED, REARMED, AGAIN, CALMED, OVER = range(8)


def reclaim_all(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Take back used slots, restart a stopped producer, re-arm and look once more."""
    f = push(a, t, frame.RECLAIM, s)
    return go_on_reclaiming(a, p, c, t, s, f, LOOP)


@resumed(frame.RECLAIM)
def go_on_reclaiming(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with reclaiming: LEFT slots are still to be paid for."""
    r = a[s + stage.RING]
    while True:
        if step == LOOP:
            step = LOOKED
            if check(a, t):
                return stop(a, f, frame.RECLAIM, LOOKED)
        if step == LOOKED:
            a[f + frame.LEFT] = reclaim(a, r)
            step = PAYING
        if step == PAYING:
            if pay_slots(a, p, c, t, f, s):
                return stop(a, f, frame.RECLAIM, PAYING)
            step = RESTARTED
            if restart(a, p, c, t, s):
                return stop(a, f, frame.RECLAIM, RESTARTED)
        if step == RESTARTED:
            step = REARMED
            if arms(a, p, c, t, s, a[s + stage.ON_EMPTY], 0, ALL):
                return stop(a, f, frame.RECLAIM, REARMED)
        if step == REARMED:
            if a[s + stage.RECHECK] == stage.NO_RECHECK:
                return pop(a, t)
            step = AGAIN
            if check(a, t):
                return stop(a, f, frame.RECLAIM, AGAIN)
        if step == AGAIN:
            if a[r + ring.FREED] == a[r + ring.DONE] or a[s + stage.WHEN_EMPTY] == stage.LEAVE:
                return pop(a, t)
            step = LOOP
            if a[s + stage.RECHECK] == stage.REQUEUE:
                step = CALMED
                if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL):
                    return stop(a, f, frame.RECLAIM, CALMED)
        if step == CALMED:
            enqueue(a, p, c, s, 0)
            return pop(a, t)


def pay_slots(a: Words, p: Words, c: Words, t: int, f: int, s: int) -> int:
    """Pay for every slot that was taken back."""
    while a[f + frame.LEFT] > 0:
        a[f + frame.LEFT] -= 1
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ITEM], 0):
            return 1
    return 0


def clean(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Do a reclaiming stage's work in passing, as the receive poll does for its queue's other half.

    [drivers/net/virtio_net.c: virtnet_poll_cleantx]
    """
    f = push(a, t, frame.CLEAN, s)
    a[f + frame.LEFT] = reclaim(a, a[s + stage.RING])
    return go_on_cleaning(a, p, c, t, s, f, PAYING)


@resumed(frame.CLEAN)
def go_on_cleaning(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with cleaning."""
    if step == PAYING:
        if pay_slots(a, p, c, t, f, s):
            return stop(a, f, frame.CLEAN, PAYING)
        step = RESTARTED
        if restart(a, p, c, t, s):
            return stop(a, f, frame.CLEAN, RESTARTED)
    if step == RESTARTED and arms(a, p, c, t, s, a[s + stage.ON_CLEAN], 0, ALL):
        return stop(a, f, frame.CLEAN, OVER)
    return pop(a, t)


def restart(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Let the producer that this stage restarts go on, if there is room again."""
    x = a[s + stage.RESTARTS]
    if x == 0 or not a[x + stage.STOPPED] or room(a, x) < a[x + stage.ROOM]:
        return 0
    a[x + stage.STOPPED] = 0
    f = push(a, t, frame.RESTART, s)
    if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.RESTART], 0):
        return stop(a, f, frame.RESTART, LOOP)
    return go_on_restarting(a, p, c, t, s, f)


def go_on_restarting(a: Words, p: Words, c: Words, t: int, s: int, f: int) -> int:
    """Make the producer ready."""
    enqueue(a, p, c, a[s + stage.RESTARTS], 0)
    return pop(a, t)
