"""Deciding whether to notify, and delivering: what costs the notified side, and when it lands."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import book_delays
from virtsim.engines.stepper.clock import at
from virtsim.engines.stepper.polling import known, returned, waiting
from virtsim.engines.stepper.ready import begin_wake, enqueue
from virtsim.engines.stepper.rows import arm, channel, event, node, ring, stage, thread, world
from virtsim.semantics import DUE, MASK, event_next, event_off, event_share, need_event, passed


def counter(a: Words, h: int) -> int:
    """Return the free-running counter whose progress a channel announces."""
    r = a[h + channel.RING]
    return a[r + ring.VISIBLE] if a[h + channel.FORWARD] else returned(a, r)


def decide(a: Words, h: int) -> bool:
    """Decide whether what was published since the last decision is announced."""
    mode = a[h + channel.MODE]
    new = counter(a, h) & MASK
    old = a[h + channel.OLD]
    a[h + channel.OLD] = new
    if mode == channel.EVENT_INDEX:
        send = need_event(a[h + channel.EVENT], new, old)
        if send:
            a[h + channel.TRIGGERED] = 1
        return send
    armed = a[h + channel.ARMED] != 0
    if mode == channel.FLAGS:
        return armed
    if mode == channel.ONCE:
        a[h + channel.ARMED] = 0
        return armed
    if mode == channel.LATCH:
        send = armed and a[h + channel.RAISED] == 0
        if not armed:
            a[h + channel.LATCHED] = 1
        if send:
            a[h + channel.RAISED] = 1
        return send
    if mode == channel.CALL:
        return waiting(a, a[h + channel.RING]) > 0
    return mode == channel.ALWAYS


def change(a: Words, p: Words, c: Words, x: int) -> bool:
    """Carry out an arm rule; its ``passed`` stage becomes ready if the event lies behind.

    Tell whether a latch held something back that is sent now.
    """
    h, value = a[x + arm.CHANNEL], a[x + arm.VALUE]
    r = a[h + channel.RING]
    now_at = counter(a, h)
    position = a[r + ring.TAKEN]
    if not a[h + channel.FORWARD]:
        reclaims = a[r + ring.FREES] == ring.ON_RECLAIM
        position = a[r + ring.FREED] if reclaims else returned(a, r)
    armed = value == arm.NEXT or value == arm.SHARE
    a[h + channel.ARMED] = 1 if armed else 0
    if value == arm.NEXT:
        a[h + channel.EVENT] = event_next(position, a[x + arm.K])
    elif value == arm.SHARE:
        outstanding = a[r + ring.PUBLISHED] - known(a, r)
        num, den = a[x + arm.NUM], a[x + arm.DEN]
        a[h + channel.EVENT] = event_share(position, outstanding, num, den)
    elif value == arm.OFF and not a[h + channel.TRIGGERED]:
        a[h + channel.EVENT] = event_off(now_at)
    if armed:
        a[h + channel.TRIGGERED] = 0
        if a[x + arm.PASSED] and passed(a[h + channel.EVENT], position, now_at):
            enqueue(a, p, c, a[x + arm.PASSED], 0)
    due = armed and a[h + channel.LATCHED] != 0
    a[h + channel.LATCHED], a[h + channel.RAISED] = 0, 1 if due else 0
    return due


# -- delivery ----------------------------------------------------------------------------------


def announce(a: Words, p: Words, c: Words, h: int) -> None:
    """Decide and deliver for a publisher that is no thread (a source, a device's DMA)."""
    if decide(a, h) and hold(a, h) and deliver(a, p, c, h, 0):
        begin_wake(a, p, c, target(a, h))


def target(a: Words, h: int) -> int:
    """Return the thread that a channel's deliveries reach."""
    return a[a[h + channel.TARGET] + stage.THREAD]


def hold(a: Words, h: int) -> bool:
    """Count a decision to send; tell whether it is time to deliver (coalescing)."""
    if a[h + channel.HOLD_N] <= 1 and a[h + channel.HOLD_PS] == 0:
        return True
    a[h + channel.HELD] += 1
    if a[h + channel.HELD] >= a[h + channel.HOLD_N]:
        a[h + channel.HELD] = 0
        a[h + channel.HOLD_SERIAL] += 1
        return True
    if a[h + channel.HELD] == 1:
        when = a[world.NOW] + a[h + channel.HOLD_PS]
        at(a, when, DUE, a[h + channel.RANK], event.HOLD, h, a[h + channel.HOLD_SERIAL])
    return False


@seldom
def hold_over(a: Words, p: Words, c: Words, h: int, serial: int) -> bool:
    """Deliver what was held back for so long; tell whether anything still was."""
    if a[h + channel.HOLD_SERIAL] != serial:
        return False
    a[h + channel.HELD] = 0
    a[h + channel.HOLD_SERIAL] += 1
    if deliver(a, p, c, h, 0):
        begin_wake(a, p, c, target(a, h))
    return True


def relays(a: Words, h: int, when: int) -> bool:
    """Tell whether a channel's deliveries go through a relay on an occasion."""
    return a[h + channel.VIA] != 0 and a[h + channel.VIA_WHEN] == when


def earliest(a: Words, h: int) -> int:
    """Return when a delivery asked for now may happen, at least a gap after the last one."""
    if a[h + channel.GAP] == 0 or a[h + channel.LAST] < 0:
        return a[world.NOW]
    return max(a[world.NOW], a[h + channel.LAST] + a[h + channel.GAP])


def deliver(a: Words, p: Words, c: Words, h: int, sender: int) -> int:
    """Start a delivery. Return the target thread if it sleeps and is now the caller's to wake."""
    if a[h + channel.IN_FLIGHT]:
        return 0
    due = earliest(a, h)
    if due > a[world.NOW]:
        a[h + channel.IN_FLIGHT] = 1
        at(a, due, DUE, a[h + channel.RANK], event.GAP, h, 0)
        return 0
    a[h + channel.LAST] = a[world.NOW]
    if relays(a, h, channel.VIA_ALWAYS):
        through(a, p, c, h, a[h + channel.VIA])
        return 0
    return reach(a, p, c, h, sender)


@seldom
def gap_over(a: Words, p: Words, c: Words, h: int) -> None:
    """Make a delivery that was put off."""
    a[h + channel.IN_FLIGHT] = 0
    a[h + channel.LAST] = a[world.NOW]
    if relays(a, h, channel.VIA_ALWAYS) or relays(a, h, channel.VIA_LATE):
        through(a, p, c, h, a[h + channel.VIA])
    elif reach(a, p, c, h, 0):
        begin_wake(a, p, c, target(a, h))


@seldom
def through(a: Words, p: Words, c: Words, h: int, s: int) -> None:
    """Hand a delivery to a relay."""
    a[h + channel.IN_FLIGHT] = 1
    a[h + channel.RELAYED_NEXT] = 0
    if a[s + stage.RELAYED]:
        a[a[s + stage.RELAYED_LAST] + channel.RELAYED_NEXT] = h
    else:
        a[s + stage.RELAYED] = h
    a[s + stage.RELAYED_LAST] = h
    enqueue(a, p, c, s, 1)


def reach(a: Words, p: Words, c: Words, h: int, sender: int) -> int:
    """Deliver to a thread in the state in which it is."""
    s = a[h + channel.TARGET]
    t = a[s + stage.THREAD]
    if a[t + thread.MODE] == thread.SLEEPING:
        if sender == 0 and relays(a, h, channel.VIA_ASLEEP):
            through(a, p, c, h, a[h + channel.VIA])
            return 0
        a[t + thread.MODE] = thread.CLAIMED
        land(a, p, c, h, 0)
        return t
    if t == sender or waits_quietly(a, t):
        land(a, p, c, h, 0)
        return 0
    delay = book_delays(a, p, c, a[s + stage.LEDGER], a[h + channel.RUNNING], 0)
    if delay == 0:
        land(a, p, c, h, 1)
    else:
        a[h + channel.IN_FLIGHT] = 1
        at(a, a[world.NOW] + delay, DUE, a[h + channel.RANK], event.LAND, h, 0)
    return 0


def waits_quietly(a: Words, t: int) -> bool:
    """Tell whether a thread sees a delivery as soon as it runs, without an interruption."""
    mode = a[t + thread.MODE]
    if mode in (thread.IN_QUEUE, thread.WAKING, thread.CLAIMED, thread.HIT_MODE):
        return True
    return mode in (thread.SPIN_ARMED, thread.SPIN_LOOK) or a[t + thread.IN_EXIT] != 0


def land(a: Words, p: Words, c: Words, h: int, intrude: int) -> None:
    """Make the stage of a delivery that has arrived pending."""
    a[h + channel.IN_FLIGHT] = 0
    s = a[h + channel.TARGET]
    if a[a[s + stage.THREAD] + thread.WAIT] == thread.POLLS:
        return
    last = a[s + stage.LANDED_LAST]
    again = a[s + stage.LANDED] != 0
    again = again and a[last + node.CHANNEL] == h and a[last + node.INTRUDED] == intrude
    if again:
        a[last + node.TIMES] += 1
    else:
        note_landing(a, s, h, intrude)
    enqueue(a, p, c, s, 1)


def note_landing(a: Words, s: int, h: int, intrude: int) -> None:
    """Note a delivery that has landed on a stage."""
    x = a[world.FREE_NODE]
    if x == 0:
        a[world.ERROR] = world.TOO_FULL
        return
    a[world.FREE_NODE] = a[x + node.NEXT]
    a[world.N_FREE] -= 1
    if a[world.N_FREE] < a[world.LOW]:
        a[world.NEXT] = 0
    a[x + node.CHANNEL], a[x + node.INTRUDED] = h, intrude
    a[x + node.TIMES], a[x + node.NEXT] = 1, 0
    if a[s + stage.LANDED]:
        a[a[s + stage.LANDED_LAST] + node.NEXT] = x
    else:
        a[s + stage.LANDED] = x
    a[s + stage.LANDED_LAST] = x
