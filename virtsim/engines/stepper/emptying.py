"""What a stage does on empty: spin, re-arm, look once more, or serve what is still there."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched, seldom
from virtsim.engines.stepper.batches import batch
from virtsim.engines.stepper.clock import check
from virtsim.engines.stepper.cores import pay
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, arms
from virtsim.engines.stepper.polling import waiting
from virtsim.engines.stepper.ready import enqueue
from virtsim.engines.stepper.rows import frame, stage, thread, world
from virtsim.engines.stepper.timers import requeue
from virtsim.engines.stepper.waiting import book_spin, spin_and_look

START, SPUN, DRAINED, REARMED, LOOKED, CALMED, FLUSHED = range(7)


def empty(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Spin, re-arm and look once more at an empty ring; RETURNED tells whether the turn goes on."""
    f = push(a, t, frame.EMPTY, s)
    return go_on_emptying(a, p, c, t, s, f, START)


def answer(a: Words, t: int, value: int) -> int:
    """Be done, with an answer."""
    a[world.RETURNED] = value
    return pop(a, t)


@resumed(frame.EMPTY)
def go_on_emptying(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with an empty ring."""
    r = a[s + stage.RING]
    if step == START:
        step = DRAINED
        if a[t + thread.SPINS_LOOKING] and a[t + thread.READY] == 0:
            step = SPUN
            if quiet_spin(a, p, c, t, s):
                return stop(a, f, frame.EMPTY, SPUN)
        elif pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.EMPTY_USES], 0):
            return stop(a, f, frame.EMPTY, DRAINED)
    if step == SPUN:
        if waiting(a, r):
            return answer(a, t, 1)
        if a[t + thread.READY]:
            enqueue(a, p, c, s, 0)
            return answer(a, t, 0)
        step = DRAINED
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.EMPTY_USES], 0):
            return stop(a, f, frame.EMPTY, DRAINED)
    if step == DRAINED:
        if a[s + stage.WHEN_EMPTY] == stage.LEAVE:
            return answer(a, t, 0)
        step = REARMED
        if arms(a, p, c, t, s, a[s + stage.ON_EMPTY], 0, ALL):
            return stop(a, f, frame.EMPTY, REARMED)
    if step == REARMED:
        if a[s + stage.WHEN_EMPTY] == stage.SERVE_ARMED:
            if serve_armed(a, p, c, t, s):
                return stop(a, f, frame.EMPTY, FLUSHED)
            return answer(a, t, 0)
        if a[s + stage.RECHECK] == stage.NO_RECHECK:
            return answer(a, t, 0)
        step = LOOKED
        if check(a, t):
            return stop(a, f, frame.EMPTY, LOOKED)
    if step == LOOKED:
        if waiting(a, r) == 0:
            return answer(a, t, 0)
        step = CALMED
        if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL):
            return stop(a, f, frame.EMPTY, CALMED)
    if step == CALMED:
        if a[s + stage.RECHECK] == stage.CONTINUE:
            return answer(a, t, 1)
        enqueue(a, p, c, s, 0)
    return answer(a, t, 0)


# -- serving with notifications on -------------------------------------------------------------

LOOP, SERVED, OVER = range(3)


@seldom
def serve_armed(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Serve what there is with notifications on; if that was anything, turn them off and go on."""
    f = push(a, t, frame.SERVE_ARMED, s)
    a[f + frame.A] = a[f + frame.B] = 0
    return go_on_serving_armed(a, p, c, t, s, f, LOOP)


@seldom
@resumed(frame.SERVE_ARMED)
def go_on_serving_armed(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on serving until a batch is empty, the budget is used up or the stage has stopped."""
    while step < OVER:
        if step == LOOP:
            step = SERVED
            if batch(a, p, c, t, s, a[f + frame.A], a[f + frame.B]):
                return stop(a, f, frame.SERVE_ARMED, SERVED)
        if step == SERVED:
            a[f + frame.A] += a[world.RETURNED]
            a[f + frame.B] += a[world.RETURNED_B]
            full = a[f + frame.A] >= a[s + stage.BUDGET] or a[f + frame.B] >= a[s + stage.BUDGET_B]
            if a[world.RETURNED] and not full and not a[s + stage.STOPPED]:
                step = LOOP
                continue
            if a[f + frame.A] == 0 and not a[s + stage.STOPPED]:
                return pop(a, t)
            step = OVER
            if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL):
                return stop(a, f, frame.SERVE_ARMED, OVER)
    requeue(a, p, c, s)
    return pop(a, t)


# -- spinning ----------------------------------------------------------------------------------

CALMING, CALM, SPINNING, ARMING, ARMED = range(5)


@seldom
def quiet_spin(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Spin with the notifications of the thread's idle stages off, as vhost's busy poll does.

    The stage that spins goes on by itself; the others are made ready, or armed again.
    """
    f = push(a, t, frame.QUIET, s)
    a[f + frame.NTH], a[f + frame.A] = 0, 0
    for i in range(a[t + thread.N_STAGES]):
        x = a[a[t + thread.STAGES] + i]
        busy = a[x + stage.TURN_QUEUED] or a[x + stage.ENTRY_QUEUED] or a[x + stage.STOPPED]
        if a[x + stage.ROLE] == stage.TAKES and not busy:
            a[f + frame.A] |= 1 << i
    return go_on_spinning(a, p, c, t, s, f, CALMING)


@seldom
@dispatched("s")
def calm(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Turn a stage's notifications off."""
    return arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL)


@seldom
@dispatched("s")
def rearm(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Turn a stage's notifications on."""
    return arms(a, p, c, t, s, a[s + stage.ON_EMPTY], 0, ALL)


@seldom
@resumed(frame.QUIET)
def go_on_spinning(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with a spin: I is the next of the thread's stages, A has a bit for each idle one."""
    while step <= CALM:
        if a[f + frame.NTH] == a[t + thread.N_STAGES]:
            a[f + frame.NTH] = 0
            step = ARMING
            if spin_and_look(a, p, t):
                return stop(a, f, frame.QUIET, SPINNING)
            break
        i = a[f + frame.NTH]
        x = a[a[t + thread.STAGES] + i]
        a[f + frame.NTH] += 1
        idle = a[f + frame.A] >> i & 1
        if idle and calm(a, p, c, t, x):
            return stop(a, f, frame.QUIET, CALM)
    if step == SPINNING:
        book_spin(a, p, c, t)
        step = ARMING
    while True:
        i = a[f + frame.NTH]
        if step == ARMING:
            if i == a[t + thread.N_STAGES]:
                return pop(a, t)
            x = a[a[t + thread.STAGES] + i]
            a[f + frame.NTH] += 1
            mine = not (a[f + frame.A] >> i & 1) or x == s
            if mine or a[x + stage.ENTRY_QUEUED]:
                continue
            step = ARMED
            empty_now = waiting(a, a[x + stage.RING]) == 0
            if empty_now and rearm(a, p, c, t, x):
                return stop(a, f, frame.QUIET, ARMED)
        if step == ARMED:
            x = a[a[t + thread.STAGES] + a[f + frame.NTH] - 1]
            step = ARMING
            if waiting(a, a[x + stage.RING]):
                enqueue(a, p, c, x, 0)
