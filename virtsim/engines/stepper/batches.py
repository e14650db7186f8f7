"""Batches: taking packets, serving them one by one, and stopping for want of room."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import arrive
from virtsim.engines.stepper.clock import check
from virtsim.engines.stepper.cores import pay
from virtsim.engines.stepper.emitting import emit, emit_one
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.handing import decide_for_batch, done, finish_batch
from virtsim.engines.stepper.notifying import ALL, arms
from virtsim.engines.stepper.packets import follower
from virtsim.engines.stepper.polling import waiting
from virtsim.engines.stepper.rings import room, take, take_back
from virtsim.engines.stepper.rows import frame, packet, ring, stage, thread, world
from virtsim.semantics import burst_take

(
    START, LOOKED, PLACED, FINISHED, TAKING, REARMED, FOUND, ASKED, GRANTED, BEGUN, LED, TOOK,
    WORKED, SERVED,
) = range(14)  # fmt: skip


def batch(a: Words, p: Words, c: Words, t: int, s: int, served: int, served_b: int) -> int:
    """Take and serve one batch; leave its packets and bytes in RETURNED and RETURNED_B."""
    f = push(a, t, frame.BATCH, s)
    a[f + frame.A], a[f + frame.B] = served, served_b
    a[f + frame.LEFT] = a[f + frame.D] = 0
    return go_on_with_batch(a, p, c, t, s, f, START)


@resumed(frame.BATCH)
def go_on_with_batch(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with a batch: LEFT and D count its packets and bytes so far."""
    if step == START:
        if check(a, t):
            return stop(a, f, frame.BATCH, LOOKED)
        step = LOOKED
    if step == LOOKED:
        if a[s + stage.HELD] >= 0 and held_first(a, p, c, t, s):
            return stop(a, f, frame.BATCH, PLACED)
        step = PLACED
    if step == FINISHED or (step == PLACED and a[s + stage.STOPPED]):
        a[world.RETURNED], a[world.RETURNED_B] = a[f + frame.LEFT], a[f + frame.D]
        return pop(a, t)
    if a[s + stage.BURST]:
        return burst(a, p, c, t, s, f, step)
    return fill(a, p, c, t, s, f, TAKING if step == PLACED else step)


def flush(a: Words, p: Words, c: Words, t: int, s: int, f: int) -> int:
    """Hand on what was served."""
    many = a[f + frame.LEFT]
    if many:
        if a[s + stage.LEVEL] == 1 or a[t + thread.SOFTIRQ]:
            a[t + thread.SOFTIRQ_N] += many
        if a[s + stage.EMITTED]:
            if a[s + stage.GIVES] != stage.NOT_GIVEN and done(
                a, p, c, t, s, a[f + frame.LAST], many
            ):
                return stop(a, f, frame.BATCH, FINISHED)
        elif finish_batch(a, p, c, t, s, a[f + frame.FIRST], a[f + frame.LAST], many):
            return stop(a, f, frame.BATCH, FINISHED)
    a[world.RETURNED], a[world.RETURNED_B] = a[f + frame.LEFT], a[f + frame.D]
    return pop(a, t)


# -- a batch that is sized once ----------------------------------------------------------------


def burst(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Size a batch, take it, and serve it: BEHIND is the next of them, NTH how many were begun."""
    if step == PLACED:
        take_back(a, s)
        most = a[s + stage.BATCH]
        if a[s + stage.FULL] == stage.WAIT:
            most = min(most, room(a, s))
        r = a[s + stage.RING]
        many = burst_take(waiting(a, r), most, a[s + stage.BUDGET] - a[f + frame.A])
        a[f + frame.LEFT], a[f + frame.NTH] = many, 0
        a[f + frame.FIRST] = a[f + frame.BEHIND] = a[r + ring.HEAD]
        for _ in range(many):
            n = take(a, c, r)
            a[f + frame.LAST] = n
            a[f + frame.D] += c[n * packet.WORDS + packet.SIZE_B]
        if many == 0:
            return flush(a, p, c, t, s, f)
        step = SERVED
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.BATCH_USES], a[f + frame.FIRST]):
            return stop(a, f, frame.BATCH, SERVED)
    while True:
        if step == SERVED:
            if a[f + frame.NTH] == a[f + frame.LEFT]:
                return flush(a, p, c, t, s, f)
            n = a[f + frame.BEHIND]
            a[f + frame.NTH] += 1
            a[f + frame.PACKET], a[f + frame.BEHIND] = n, follower(c, n)
            step = BEGUN
        if serve(a, p, c, t, f, s, a[f + frame.PACKET], step):
            return world.STOP
        step = SERVED


# -- a batch that looks again after every packet -----------------------------------------------


def fill(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Take and serve packet after packet until the batch is full or the ring is empty."""
    while True:
        many = a[f + frame.LEFT]
        if step == TAKING:
            step = FOUND
            most = min(a[s + stage.BATCH], a[s + stage.BUDGET] - a[f + frame.A])
            if many >= most or a[f + frame.B] + a[f + frame.D] >= a[s + stage.BUDGET_B]:
                return flush(a, p, c, t, s, f)
            if waiting(a, a[s + stage.RING]) == 0:
                if many == 0 or not a[s + stage.LATE_FLUSH]:
                    return flush(a, p, c, t, s, f)
                step = REARMED
                if rearm_early(a, p, c, t, s, a[f + frame.LAST]):
                    return stop(a, f, frame.BATCH, REARMED)
        if step == REARMED:
            if not a[world.RETURNED]:
                return flush(a, p, c, t, s, f)
            step = FOUND
        if step == FOUND:
            if a[s + stage.STOPPED]:
                return flush(a, p, c, t, s, f)
            step = GRANTED
            # A batch that is published at its end has not taken its slots yet.
            if a[s + stage.FULL] == stage.WAIT and room(a, s) <= many * a[s + stage.LATE_SLOTS]:
                if many:
                    return flush(a, p, c, t, s, f)
                step = ASKED
                if ask_for_room(a, p, c, t, s):
                    return stop(a, f, frame.BATCH, ASKED)
        if step == ASKED:
            if not a[world.RETURNED]:
                return flush(a, p, c, t, s, f)
            step = GRANTED
        if step == GRANTED:
            n = take_one(a, c, f, s)
            step = BEGUN
            uses = a[s + stage.BATCH_USES]
            if many == 0 and pay(a, p, c, t, a[s + stage.LEDGER], uses, n):
                return stop(a, f, frame.BATCH, BEGUN)
        if step >= BEGUN and step < SERVED:
            if serve(a, p, c, t, f, s, a[f + frame.LAST], step):
                return world.STOP
            step = SERVED
        if step == SERVED:
            step = TAKING
            if a[f + frame.LEFT] < a[s + stage.BATCH] and check(a, t):
                return stop(a, f, frame.BATCH, TAKING)


def take_one(a: Words, c: Words, f: int, s: int) -> int:
    """Take a packet and put it at the end of the batch."""
    n = take(a, c, a[s + stage.RING])
    x = n * packet.WORDS
    if c[x + packet.ARRIVED] < 0:
        arrive(a, c, n)
    if a[f + frame.LEFT] == 0:
        a[f + frame.FIRST] = n
    elif a[s + stage.CHAINS]:
        c[a[f + frame.LAST] * packet.WORDS + packet.NEXT] = n
    a[f + frame.LAST] = n
    a[f + frame.LEFT] += 1
    a[f + frame.D] += c[x + packet.SIZE_B]
    return n


REARM, LOOK, CALM = range(3)


@seldom
def rearm_early(a: Words, p: Words, c: Words, t: int, s: int, n: int) -> int:
    """Re-arm before the batch in hand is flushed (vhost-net variant A); tell of late arrivals."""
    f = push(a, t, frame.REARM_EARLY, s)
    a[f + frame.PACKET] = n
    if arms(a, p, c, t, s, a[s + stage.ON_EMPTY], n, ALL):
        return stop(a, f, frame.REARM_EARLY, REARM)
    return go_on_rearming_early(a, p, c, t, s, f, REARM)


@seldom
@resumed(frame.REARM_EARLY)
def go_on_rearming_early(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Look once more."""
    if step == REARM:
        step = LOOK
        if check(a, t):
            return stop(a, f, frame.REARM_EARLY, LOOK)
    if step == LOOK:
        if waiting(a, a[s + stage.RING]) == 0:
            a[s + stage.REARMED] = 1
            a[world.RETURNED] = 0
            return pop(a, t)
        if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], a[f + frame.PACKET], ALL):
            return stop(a, f, frame.REARM_EARLY, CALM)
    a[world.RETURNED] = 1
    return pop(a, t)


@seldom
def ask_for_room(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Ask to be told of a slot ahead and look once more; tell whether there is one."""
    f = push(a, t, frame.MAY_TAKE, s)
    if arms(a, p, c, t, s, a[s + stage.ON_STOP], 0, ALL):
        return stop(a, f, frame.MAY_TAKE, REARM)
    return go_on_asking(a, p, c, t, s, f, REARM)


@seldom
@resumed(frame.MAY_TAKE)
def go_on_asking(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Look once more."""
    if step == REARM:
        step = LOOK
        if check(a, t):
            return stop(a, f, frame.MAY_TAKE, LOOK)
    if step == LOOK:
        if room(a, s) <= 0:
            a[s + stage.STOPPED] = 1
            a[s + stage.STOPS] += 1
            a[world.RETURNED] = 0
            return pop(a, t)
        if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL):
            return stop(a, f, frame.MAY_TAKE, CALM)
    a[world.RETURNED] = 1
    return pop(a, t)


# -- one packet --------------------------------------------------------------------------------


def serve(a: Words, p: Words, c: Words, t: int, f: int, s: int, n: int, step: int) -> int:
    """Do a stage's work on one packet; the steps are those of the batch's frame ``f``."""
    if step == BEGUN:
        if c[n * packet.WORDS + packet.ARRIVED] < 0:
            arrive(a, c, n)
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.LEAD], n):
            return stop(a, f, frame.BATCH, LED)
        step = LED
    if step == LED:
        if a[s + stage.RECLAIMS] and not a[s + stage.BURST]:
            take_back(a, s)
        if arms(a, p, c, t, s, a[s + stage.ON_TAKE], n, ALL):
            return stop(a, f, frame.BATCH, TOOK)
        step = TOOK
    if step == TOOK:
        a[f + frame.C] = a[world.NOW]
        if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ITEM], n):
            return stop(a, f, frame.BATCH, WORKED)
    if a[world.NOW] <= a[f + frame.C] and a[a[s + stage.ITEM]]:
        a[world.ERROR], a[world.ERROR_AT] = world.FREE_VISIT, a[s + stage.INDEX]
    if a[s + stage.EMITS] and emit_one(a, p, c, t, s, n):
        return stop(a, f, frame.BATCH, SERVED)
    return world.DONE


# -- a packet in hand --------------------------------------------------------------------------

EMITTED, DECIDED = range(2)


@seldom
def held_first(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Place the packet that a stage holds before it takes another."""
    if a[s + stage.HELD] < 0 or a[s + stage.STOPPED]:
        return world.DONE
    n = a[s + stage.HELD]
    a[s + stage.HELD] = -1
    f = push(a, t, frame.HELD, s)
    a[f + frame.PACKET] = n
    if emit(a, p, c, t, s, n, n, 1):
        return stop(a, f, frame.HELD, EMITTED)
    return go_on_with_held(a, p, c, t, s, f, EMITTED)


@seldom
@resumed(frame.HELD)
def go_on_with_held(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Decide for the packet that was held."""
    n = a[f + frame.PACKET]
    placed = step == EMITTED and a[s + stage.STOPPED] == 0
    if placed and decide_for_batch(a, p, c, t, s, n):
        return stop(a, f, frame.HELD, DECIDED)
    return pop(a, t)
