"""Notifying on a thread: deciding, paying for it, arming, calling and relaying."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched, seldom
from virtsim.engines.stepper.cores import pay, set_level
from virtsim.engines.stepper.delivering import (
    change,
    decide,
    deliver,
    earliest,
    hold,
    reach,
    relays,
    target,
    through,
)
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.ready import begin_wake
from virtsim.engines.stepper.rows import arm, channel, frame, ring, stage, thread, world

START, PAID, SENT, CALLED, SIGNALLED = range(5)


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
        return call(a, p, c, t, h, a[s + stage.LEDGER], n)
    return send(a, p, c, t, h, a[s + stage.LEDGER], n, t)


def send(a: Words, p: Words, c: Words, t: int, h: int, ledger: int, n: int, by: int) -> int:
    """Pay for a notification and start its delivery; one that is put off its relay pays for.

    ``by`` is the thread, or 0 for a device of which nobody's thread is held up.
    """
    put_off = relays(a, h, channel.VIA_LATE) and earliest(a, h) > a[world.NOW]
    if put_off or a[a[h + channel.SEND]] == 0:
        return start_delivery(a, p, c, t, h, ledger, n, by)
    f = push(a, t, frame.SEND, h)
    a[f + frame.A], a[f + frame.PACKET] = ledger, n
    if pay(a, p, c, t, ledger, a[h + channel.SEND], n):
        return stop(a, f, frame.SEND, PAID)
    pop(a, t)
    return start_delivery(a, p, c, t, h, ledger, n, by)


@resumed(frame.SEND)
def go_on_sending(a: Words, p: Words, c: Words, t: int, h: int, f: int, step: int) -> int:
    """Go on with a notification that is paid for, or whose target has been signalled."""
    pop(a, t)
    if step == PAID:
        return start_delivery(a, p, c, t, h, a[f + frame.A], a[f + frame.PACKET], t)
    begin_wake(a, p, c, target(a, h))
    return world.DONE


def start_delivery(
    a: Words, p: Words, c: Words, t: int, h: int, ledger: int, n: int, by: int
) -> int:
    """Deliver; signal a thread that sleeps, and wake it."""
    sender = by if a[t + thread.HOST_CPU] else 0  # a device pays nothing for telling anybody
    if not hold(a, h) or not deliver(a, p, c, h, sender):
        return world.DONE
    if sender and a[a[target(a, h) + thread.SIGNAL]]:
        f = push(a, t, frame.SEND, h)
        if pay(a, p, c, t, ledger, a[target(a, h) + thread.SIGNAL], n):
            return stop(a, f, frame.SEND, SIGNALLED)
        pop(a, t)
    begin_wake(a, p, c, target(a, h))
    return world.DONE


@seldom
def call(a: Words, p: Words, c: Words, t: int, h: int, ledger: int, n: int) -> int:
    """Pay for a call, then let the called stage have its turn on this thread."""
    f = push(a, t, frame.CALL, h)
    if pay(a, p, c, t, ledger, a[h + channel.SEND], n):
        return stop(a, f, frame.CALL, PAID)
    return go_on_calling(a, p, c, t, h, f, PAID)


@seldom
@resumed(frame.CALL)
def go_on_calling(a: Words, p: Words, c: Words, t: int, h: int, f: int, step: int) -> int:
    """Run a called stage now, at the more urgent of the two levels."""
    if step == PAID:
        s = a[h + channel.TARGET]
        if a[s + stage.STOPPED] or a[s + stage.TURN_QUEUED]:
            return pop(a, t)
        a[f + frame.B] = a[t + thread.LEVEL]
        set_level(a, t, min(a[t + thread.LEVEL], a[s + stage.LEVEL]))
        stop(a, f, frame.CALL, CALLED)
        push(a, t, frame.TURN, s)
        return world.STOP
    set_level(a, t, a[f + frame.B])
    return pop(a, t)


# -- arming ------------------------------------------------------------------------------------

ALL, REVERSE_ONLY = range(2)


def arms(a: Words, p: Words, c: Words, t: int, s: int, rules: int, n: int, which: int) -> int:
    """Carry out a stage's arm rules for one occasion: pay, then change the channel.

    A stage that asks for work anew at each take does so only while it asks for work at all.
    """
    if a[rules] == 0:
        return world.DONE
    return arm_from(a, p, c, t, rules + 1, a[s + stage.LEDGER], n, which)


def arm_from(a: Words, p: Words, c: Words, t: int, x: int, ledger: int, n: int, which: int) -> int:
    """Carry out an arm rule and those behind it."""
    h = a[x + arm.CHANNEL]
    if a[a[x + arm.USES]] or a[h + channel.MODE] == channel.LATCH:
        f = push(a, t, frame.ARMS, x)
        a[f + frame.A], a[f + frame.B], a[f + frame.PACKET] = ledger, which, n
        return go_on_arming(a, p, c, t, x, f, START, ledger, n, which)
    if not skips(a, x, h, which):
        change(a, p, c, x)
    if a[x + arm.LAST]:
        return world.DONE
    return arm_from(a, p, c, t, x + arm.SIZE, ledger, n, which)


def skips(a: Words, x: int, h: int, which: int) -> int:
    """Tell whether an arm rule does nothing on this occasion."""
    silent = a[x + arm.SILENT] != 0 and a[h + channel.ARMED] == 0
    return 1 if silent or (which == REVERSE_ONLY and a[h + channel.FORWARD]) else 0


@resumed(frame.ARMS)
def go_on_arming(
    a: Words, p: Words, c: Words, t: int, x: int, f: int, step: int, ledger: int, n: int, which: int
) -> int:
    """Go on with arm rules."""
    h = a[x + arm.CHANNEL]
    if step == START:
        step = SENT
        if not skips(a, x, h, which):
            step = PAID
            if pay(a, p, c, t, ledger, a[x + arm.USES], n):
                return stop(a, f, frame.ARMS, PAID)
    if step == PAID and change(a, p, c, x):
        # What a latch held back is the device's own message, unless somebody pays for it.
        by = t if a[a[h + channel.SEND]] else 0
        if send(a, p, c, t, h, ledger, n, by):
            return stop(a, f, frame.ARMS, SENT)
    pop(a, t)
    if a[x + arm.LAST]:
        return world.DONE
    return arm_from(a, p, c, t, x + arm.SIZE, ledger, n, which)


# -- relaying ----------------------------------------------------------------------------------


@seldom
def relay(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Pass on what goes through a relay: pay its entry uses, then deliver as its thread."""
    f = push(a, t, frame.RELAY, s)
    a[s + stage.ENTRY_QUEUED] = 0
    a[f + frame.FIRST] = a[s + stage.RELAYED]
    a[s + stage.RELAYED] = 0
    return go_on_relaying(a, p, c, t, s, f, START)


@seldom
@resumed(frame.RELAY)
def go_on_relaying(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with relaying."""
    while True:
        if step == START:
            if a[f + frame.FIRST] == 0:
                return pop(a, t)
            if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ENTRY], 0):
                return stop(a, f, frame.RELAY, PAID)
            step = PAID
        if step == PAID:
            h = a[f + frame.FIRST]
            a[f + frame.FIRST] = a[h + channel.RELAYED_NEXT]
            if pass_on(a, p, c, t, s, f, h):
                return stop(a, f, frame.RELAY, SIGNALLED)
            step = SIGNALLED
        if step == SIGNALLED:
            if a[f + frame.A]:
                begin_wake(a, p, c, a[f + frame.A])
            step = START


@seldom
@dispatched("h")
def pass_on(a: Words, p: Words, c: Words, t: int, s: int, f: int, h: int) -> int:
    """Hand a delivery to the relay behind, or to its target; signal who is to be woken (A)."""
    behind = a[s + stage.INLINE]
    x = a[behind + stage.THREAD] if behind else target(a, h)
    asleep = 0
    if behind == 0:
        a[h + channel.IN_FLIGHT] = 0
        asleep = reach(a, p, c, h, t)
    else:
        if a[x + thread.MODE] == thread.SLEEPING:
            asleep = x
            a[x + thread.MODE] = thread.CLAIMED
        through(a, p, c, h, behind)
    a[f + frame.A] = asleep
    if asleep == 0:
        return world.DONE
    return pay(a, p, c, t, a[s + stage.LEDGER], a[x + thread.SIGNAL], 0)
