"""Notifying on a thread: deciding, paying for it, arming, calling and relaying."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.cores import pay, set_level
from virtsim.engines.stepper.delivering import (
    change,
    decide,
    deliver,
    earliest,
    hold,
    reach,
    relays,
    through,
)
from virtsim.engines.stepper.frames import pop, push, stop
from virtsim.engines.stepper.ready import begin_wake
from virtsim.engines.stepper.rows import arm, channel, frame, ring, stage, thread, world

START, PAID, DECIDED, CALLED, SIGNALLED = range(5)


def notify(a: Words, p: Words, c: Words, t: int, s: int, h: int, n: int, room: int) -> int:
    """Decide, pay for sending, and deliver, on the publisher's thread (``room``: on slots)."""
    if h == 0 or not decides(a, h, room):
        return world.DONE
    return tell(a, p, c, t, s, h, n)


def decides(a: Words, h: int, room: int) -> int:
    """Decide, unless the decision is made when an entry becomes visible."""
    late = a[a[a[h + channel.RING] + ring.VISIBLE_USES]] > 0 and not room
    return 1 if not late and decide(a, h) else 0


def tell(a: Words, p: Words, c: Words, t: int, s: int, h: int, n: int) -> int:
    """Carry out a decision to notify."""
    if a[h + channel.MODE] == channel.CALL:
        return call(a, p, c, t, s, h, n)
    return send(a, p, c, t, s, h, n, t)


def send(a: Words, p: Words, c: Words, t: int, s: int, h: int, n: int, by: int) -> int:
    """Pay for a notification and start its delivery; one that is put off its relay pays for."""
    f = push(a, t, frame.SEND)
    a[f + frame.STAGE], a[f + frame.A], a[f + frame.PACKET], a[f + frame.C] = s, h, n, by
    put_off = relays(a, h, channel.VIA_LATE) and earliest(a, h) > a[world.NOW]
    if not put_off and pay(a, p, c, t, a[s + stage.LEDGER], a[h + channel.SEND], n):
        return stop(a, f, PAID)
    return go_on_sending(a, p, c, t, f, PAID)


def go_on_sending(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Go on with a notification that is paid for."""
    h = a[f + frame.A]
    if step == PAID:
        target, by = 0, a[f + frame.C]
        if by and not a[by + thread.HOST_CPU]:
            by = 0  # a device pays nothing for telling anybody
        if hold(a, h):
            target = deliver(a, p, c, h, by)
        if target == 0:
            return pop(a, t)
        a[f + frame.B] = target
        ledger = a[a[f + frame.STAGE] + stage.LEDGER]
        if by and pay(a, p, c, t, ledger, a[target + thread.SIGNAL], a[f + frame.PACKET]):
            return stop(a, f, SIGNALLED)
    begin_wake(a, p, c, a[f + frame.B])
    return pop(a, t)


@seldom
def call(a: Words, p: Words, c: Words, t: int, s: int, h: int, n: int) -> int:
    """Pay for a call, then let the called stage have its turn on this thread."""
    f = push(a, t, frame.CALL)
    a[f + frame.A] = h
    if pay(a, p, c, t, a[s + stage.LEDGER], a[h + channel.SEND], n):
        return stop(a, f, PAID)
    return go_on_calling(a, p, c, t, f, PAID)


@seldom
def go_on_calling(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Run a called stage now, at the more urgent of the two levels."""
    if step == PAID:
        s = a[a[f + frame.A] + channel.TARGET]
        if a[s + stage.STOPPED] or a[s + stage.TURN_QUEUED]:
            return pop(a, t)
        a[f + frame.B] = a[t + thread.LEVEL]
        set_level(a, t, min(a[t + thread.LEVEL], a[s + stage.LEVEL]))
        stop(a, f, CALLED)
        a[push(a, t, frame.TURN) + frame.STAGE] = s
        return world.STOP
    set_level(a, t, a[f + frame.B])
    return pop(a, t)


# -- arming ------------------------------------------------------------------------------------

ALL, REVERSE_ONLY = range(2)


def arms(a: Words, p: Words, c: Words, t: int, s: int, rules: int, n: int, which: int) -> int:
    """Carry out a stage's arm rules for one occasion: pay, then change the channel.

    A stage that asks for work anew at each take does so only while it asks for work at all.
    """
    for i in range(a[rules]):
        x = rules + 1 + i * arm.SIZE
        h = a[x + arm.CHANNEL]
        if a[a[x + arm.USES]] or a[h + channel.MODE] == channel.LATCH:
            f = push(a, t, frame.ARMS)
            a[f + frame.STAGE], a[f + frame.PACKET], a[f + frame.USES] = s, n, rules
            a[f + frame.NTH], a[f + frame.A] = i, which
            return go_on_arming(a, p, c, t, f, START)
        if not skips(a, x, h, which):
            change(a, p, c, x)
    return world.DONE


def skips(a: Words, x: int, h: int, which: int) -> int:
    """Tell whether an arm rule does nothing on this occasion."""
    silent = a[x + arm.SILENT] != 0 and a[h + channel.ARMED] == 0
    return 1 if silent or (which == REVERSE_ONLY and a[h + channel.FORWARD]) else 0


def go_on_arming(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Go on with arm rules."""
    s, n, rules = a[f + frame.STAGE], a[f + frame.PACKET], a[f + frame.USES]
    while True:
        x = rules + 1 + a[f + frame.NTH] * arm.SIZE
        if step == START:
            if a[f + frame.NTH] == a[rules]:
                return pop(a, t)
            if skips(a, x, a[x + arm.CHANNEL], a[f + frame.A]):
                a[f + frame.NTH] += 1
                continue
            if pay(a, p, c, t, a[s + stage.LEDGER], a[x + arm.USES], n):
                return stop(a, f, PAID)
            step = PAID
        if step == PAID:
            a[f + frame.NTH] += 1
            step = START
            if change(a, p, c, x):
                h = a[x + arm.CHANNEL]
                # What a latch held back is the device's own message, unless somebody pays for it.
                by = t if a[a[h + channel.SEND]] else 0
                if send(a, p, c, t, s, h, n, by):
                    return stop(a, f, START)


# -- relaying ----------------------------------------------------------------------------------


@seldom
def relay(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Pass on what goes through a relay: pay its entry uses, then deliver as its thread."""
    f = push(a, t, frame.RELAY)
    a[s + stage.ENTRY_QUEUED] = 0
    a[f + frame.STAGE], a[f + frame.FIRST] = s, a[s + stage.RELAYED]
    a[s + stage.RELAYED] = 0
    return go_on_relaying(a, p, c, t, f, START)


@seldom
def go_on_relaying(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Go on with relaying."""
    s = a[f + frame.STAGE]
    while True:
        if step == START:
            if a[f + frame.FIRST] == 0:
                return pop(a, t)
            if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ENTRY], 0):
                return stop(a, f, PAID)
            step = PAID
        if step == PAID:
            h = a[f + frame.FIRST]
            a[f + frame.FIRST] = a[h + channel.RELAYED_NEXT]
            target = pass_on(a, p, c, t, s, h)
            step = START
            if target:
                a[f + frame.A] = target
                step = SIGNALLED
                if pay(a, p, c, t, a[s + stage.LEDGER], a[target + thread.SIGNAL], 0):
                    return stop(a, f, SIGNALLED)
        if step == SIGNALLED:
            begin_wake(a, p, c, a[f + frame.A])
            step = START


@seldom
def pass_on(a: Words, p: Words, c: Words, t: int, s: int, h: int) -> int:
    """Hand a delivery to the relay behind, or to its target; return who is to be woken."""
    behind = a[s + stage.INLINE]
    if behind == 0:
        a[h + channel.IN_FLIGHT] = 0
        return reach(a, p, c, h, t)
    target = a[behind + stage.THREAD]
    asleep = a[target + thread.MODE] == thread.SLEEPING
    if asleep:
        a[target + thread.MODE] = thread.CLAIMED
    through(a, p, c, h, behind)
    return target if asleep else 0
