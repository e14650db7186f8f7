"""Handing packets on: to inline stages, to the ring ahead, and back to the ring behind."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.cores import pay
from virtsim.engines.stepper.emitting import emit, emit_one
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, arms, notify
from virtsim.engines.stepper.packets import drop_all, follower, push_batch
from virtsim.engines.stepper.polling import free
from virtsim.engines.stepper.rings import give_back, publish, take_back
from virtsim.engines.stepper.rows import frame, ring, stage, world

# -- the end of a batch ------------------------------------------------------------------------

START, GIVEN, EMITTED, DECIDED, GAVE = range(5)


def finish_batch(
    a: Words, p: Words, c: Words, t: int, s: int, first: int, last: int, many: int
) -> int:
    """Hand a served batch on, and give its slots back before or after."""
    f = push_batch(a, t, frame.FINISH, s, first, last, many)
    return go_on_finishing(a, p, c, t, s, f, START)


@resumed(frame.FINISH)
def go_on_finishing(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with the end of a batch."""
    last, many = a[f + frame.LAST], a[f + frame.LEFT]
    if step == START:
        step = GIVEN
        if a[s + stage.GIVES] == stage.BEFORE and done(a, p, c, t, s, last, many):
            return stop(a, f, frame.FINISH, GIVEN)
    if step == GIVEN:
        step = EMITTED
        if a[s + stage.INLINE]:
            if run_inline(a, p, c, t, a[s + stage.INLINE], a[f + frame.FIRST], last, many):
                return stop(a, f, frame.FINISH, EMITTED)
        elif a[s + stage.EMITS_BATCH] and emit(a, p, c, t, s, a[f + frame.FIRST], last, many):
            return stop(a, f, frame.FINISH, EMITTED)
    if step == EMITTED:
        step = DECIDED
        if decide_for_batch(a, p, c, t, s, last):
            return stop(a, f, frame.FINISH, DECIDED)
    if step == DECIDED and a[s + stage.GIVES] == stage.AFTER and done(a, p, c, t, s, last, many):
        return stop(a, f, frame.FINISH, GAVE)
    return pop(a, t)


def done(a: Words, p: Words, c: Words, t: int, s: int, last: int, many: int) -> int:
    """Give a batch's slots back and decide on that."""
    r = a[s + stage.RING]
    give_back(a, r, many)
    return notify(a, p, c, t, s, a[r + ring.REVERSE], last, 1)


def decide_for_batch(a: Words, p: Words, c: Words, t: int, s: int, last: int) -> int:
    """One decision for a batch that was published packet by packet."""
    if not a[s + stage.DECIDES_BATCH]:
        return world.DONE
    f = push(a, t, frame.DECIDE, s)
    a[f + frame.LAST] = last
    if notify(a, p, c, t, s, a[a[s + stage.OUT] + ring.FORWARD], last, 0):
        return stop(a, f, frame.DECIDE, DECIDED)
    return go_on_deciding(a, p, c, t, s, f, DECIDED)


@resumed(frame.DECIDE)
def go_on_deciding(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Arm after a decision."""
    if step == DECIDED and arms(a, p, c, t, s, a[s + stage.ON_PUBLISH], a[f + frame.LAST], ALL):
        return stop(a, f, frame.DECIDE, GAVE)
    return pop(a, t)


# -- inline stages -----------------------------------------------------------------------------

FRESH, BEGUN, SERVED, PUBLISHED, BEHIND, ENDED = range(6)


def run_inline(
    a: Words, p: Words, c: Words, t: int, s: int, first: int, last: int, many: int
) -> int:
    """Run a stage on the caller's thread, on the caller's batch."""
    return go_on_inline(a, p, c, t, s, push_batch(a, t, frame.INLINE, s, first, last, many), FRESH)


@resumed(frame.INLINE)
def go_on_inline(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with an inline stage: packet by packet, then what is left to do for the batch."""
    first = a[f + frame.FIRST]
    last, many = a[f + frame.LAST], a[f + frame.LEFT]
    if step == FRESH:
        take_back(a, s)
        a[f + frame.PACKET], a[f + frame.NTH] = first, 0
        step = BEGUN
        if a[s + stage.FULL] == stage.RETRY:
            step = PUBLISHED
            if retry(a, p, c, t, s, first, many):
                return stop(a, f, frame.INLINE, PUBLISHED)
        elif pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.BATCH_USES], first):
            return stop(a, f, frame.INLINE, BEGUN)
    while step < PUBLISHED:
        n = a[f + frame.PACKET]
        if step == BEGUN and a[f + frame.NTH] == many:
            step = PUBLISHED
            if a[s + stage.EMITS_BATCH] and emit(a, p, c, t, s, first, last, many):
                return stop(a, f, frame.INLINE, PUBLISHED)
        elif step == BEGUN:
            a[f + frame.NTH] += 1
            step = SERVED
            if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ITEM], n):
                return stop(a, f, frame.INLINE, SERVED)
        if step == SERVED:
            if a[f + frame.NTH] < many:
                a[f + frame.PACKET] = follower(c, n)
            step = BEGUN
            if a[s + stage.EMITS] and emit_one(a, p, c, t, s, n):
                return stop(a, f, frame.INLINE, BEGUN)
    if step == PUBLISHED:
        step = BEHIND
        if a[s + stage.INLINE]:
            push_batch(a, t, frame.INLINE, a[s + stage.INLINE], first, last, many)
            return stop(a, f, frame.INLINE, BEHIND)
    if step == BEHIND and decide_for_batch(a, p, c, t, s, last):
        return stop(a, f, frame.INLINE, ENDED)
    return pop(a, t)


# -- retrying ----------------------------------------------------------------------------------

TRY, PAYING, PLACED, TOLD = range(4)


def retry(a: Words, p: Words, c: Words, t: int, s: int, first: int, many: int) -> int:
    """Offer a burst again while the last try placed something; drop what is left."""
    f = push_batch(a, t, frame.RETRY, s, first, first, many)
    a[f + frame.D] = 0
    return go_on_retrying(a, p, c, t, s, f, TRY)


@resumed(frame.RETRY)
def go_on_retrying(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with a burst: FIRST and LEFT are what is left, B of it fit, A of those are paid."""
    r = a[s + stage.OUT]
    while True:
        if step == TRY:
            if a[f + frame.D] > a[s + stage.RETRIES]:
                break
            a[f + frame.D] += 1
            take_back(a, s)
            a[f + frame.A], a[f + frame.PACKET] = -1, a[f + frame.FIRST]
            step = PAYING
            n = a[f + frame.FIRST]
            if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.BATCH_USES], n):
                return stop(a, f, frame.RETRY, PAYING)
        if step == PAYING:
            if a[f + frame.A] < 0:
                a[f + frame.A], a[f + frame.B] = 0, min(a[f + frame.LEFT], max(0, free(a, r)))
            elif a[f + frame.A] > 0:
                a[f + frame.PACKET] = follower(c, a[f + frame.PACKET])
            if a[f + frame.A] == a[f + frame.B]:
                step = PLACED
            else:
                a[f + frame.A] += 1
                n = a[f + frame.PACKET]
                if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ITEM], n):
                    return stop(a, f, frame.RETRY, PAYING)
        if step == PLACED:
            place_fitting(a, p, c, f, r)
            step = TOLD
            if a[f + frame.B] and notify(a, p, c, t, s, a[r + ring.FORWARD], a[f + frame.LAST], 0):
                return stop(a, f, frame.RETRY, TOLD)
        if step == TOLD:
            step = TRY
            if a[f + frame.LEFT] == 0 or a[f + frame.B] == 0:
                break
    drop_all(a, c, a[f + frame.FIRST], a[f + frame.LEFT], r)
    return pop(a, t)


def place_fitting(a: Words, p: Words, c: Words, f: int, r: int) -> None:
    """Publish what fits of a burst and keep the rest."""
    n = a[f + frame.FIRST]
    for _ in range(a[f + frame.B]):
        behind = follower(c, n)
        publish(a, p, c, r, n)
        a[f + frame.LAST], n = n, behind
    a[f + frame.FIRST] = n
    a[f + frame.LEFT] -= a[f + frame.B]
