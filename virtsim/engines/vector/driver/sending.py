"""The driver's thread: the sender, the handler that may cut in, and how it waits."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.driver.acting import (
    arms,
    arrive,
    call_at,
    check,
    decide,
    enqueue,
    fall_asleep,
    last_phase,
    look,
    passes,
    reach_worker,
    room,
    set_state,
    spend,
    wake,
)
from virtsim.engines.vector.driver.rows import channel, driver, run, thread
from virtsim.engines.vector.paying import book_list
from virtsim.semantics import CHECK


def drive(a: Words, what: int) -> None:
    """Let the driver act until time has to pass, or another phase has to come (-1)."""
    a[driver.IN_EXIT] = 0
    while what >= 0:
        if what <= driver.TURNED:
            what = begin(a, what)
        elif what <= driver.TOLD:
            what = send(a, what)
        elif what <= driver.RECHECK:
            what = finish(a, what)
        elif what <= driver.IRQ_LOOK:
            what = handle(a, what)
        else:
            what = wait(a, what)


# -- levels ------------------------------------------------------------------------------------


def pay(a: Words, mine: int, packet: int, what: int) -> int:
    """Let a list of uses pass, after what is more urgent than the level that runs."""
    if a[mine + uses.N] == 0:
        return what
    if a[driver.TOP] < a[driver.LEVEL]:
        return cut_in(a, mine, packet, what)
    then = passes(a, thread.DRIVER, book_list(a, mine, packet), what)
    if then < 0:
        a[driver.IN_EXIT] = a[mine + uses.EXIT]
    return then


def pay_for(a: Words, mine: int, packet: int, what: int) -> int:
    """Let a use pass that a packet has in a column, after what is more urgent."""
    if a[driver.TOP] < a[driver.LEVEL]:
        return cut_in(a, mine, packet, what)
    if mine == driver.A_LEAD:
        cost = a[a[driver.LEAD] + packet * a[driver.LEAD_STEP]]
        leaves = a[driver.LEAD_EXIT]
    else:
        cost = a[a[driver.ITEM] + packet * a[driver.ITEM_STEP]]
        leaves = a[driver.ITEM_EXIT]
    then = passes(a, thread.DRIVER, cost, what)
    if then < 0:
        a[driver.IN_EXIT] = leaves
    return then


def cut_in(a: Words, mine: int, packet: int, what: int) -> int:
    """Put off what was about to be paid, and begin what is more urgent; return what is next."""
    frame = driver.FRAMES + a[driver.LEVEL] * driver.FRAME
    a[frame], a[frame + 1], a[frame + 2] = mine, packet, what
    return run_one(a)


def run_one(a: Words) -> int:
    """Begin the most urgent thing that is ready; return what is next."""
    level, item, since = a[driver.TOP], 0, 1 << 62
    for i in range(4):
        if a[driver.QUEUED + i] == level and a[driver.SINCE + i] < since:
            item, since = i, a[driver.SINCE + i]
    a[driver.QUEUED + item] = driver.NOBODY
    find_top(a)
    a[driver.SAVED + level], a[driver.LEVEL] = a[driver.LEVEL], level
    if level == 1 and a[driver.SINCE_SOFT] < 0:
        a[driver.SINCE_SOFT] = a[run.NOW]
    if item == driver.IRQ:
        return pay(a, a[driver.IRQ_ENTRY], 0, driver.IRQ_ENTERED)
    if item == driver.CLEAN:
        return pay(a, a[driver.IRQ_TURN], 0, driver.IRQ_TURNED)
    if item == driver.ENTER:
        return pay(a, a[driver.ENTRY], 0, driver.ENTERED)
    return pay(a, a[driver.TURN], 0, driver.TURNED)


def find_top(a: Words) -> None:
    """Note the most urgent level with something ready."""
    top = driver.NOBODY
    for i in range(4):
        top = min(top, a[driver.QUEUED + i])
    a[driver.TOP] = top


def run_over(a: Words) -> int:
    """Go on with the level below; return what is next."""
    level = a[driver.LEVEL]
    a[driver.LEVEL] = a[driver.SAVED + level]
    if level == 1:
        limit(a)
    elif a[driver.DEMOTED] and a[driver.IRQ_LEVEL] == 1:
        irq, clean = a[driver.QUEUED + driver.IRQ], a[driver.QUEUED + driver.CLEAN]
        a[driver.DEMOTED] = irq == 2 or clean == 2
    below = a[driver.LEVEL]
    if below < 0:
        return driver.MAIN
    frame = driver.FRAMES + below * driver.FRAME
    if a[frame] <= driver.AN_ITEM:
        return pay_for(a, a[frame], a[frame + 1], a[frame + 2])
    return pay(a, a[frame], a[frame + 1], a[frame + 2])


def limit(a: Words) -> None:
    """End a softirq round; what is left after its limits goes on at process level."""
    irq, clean = a[driver.QUEUED + driver.IRQ] == 1, a[driver.QUEUED + driver.CLEAN] == 1
    longest = a[run.NOW] - a[driver.SINCE_SOFT] >= a[driver.SOFT_PS]
    if (irq or clean) and not (longest or a[driver.SOFT_N] <= 0):
        return
    a[driver.SINCE_SOFT] = -1
    if irq or clean:
        a[driver.DEMOTED] = 1
        first = a[driver.SINCE + driver.IRQ] < a[driver.SINCE + driver.CLEAN]
        if irq and (first or not clean):
            demote(a, driver.IRQ)
        if clean:
            demote(a, driver.CLEAN)
        if irq and clean and not first:
            demote(a, driver.IRQ)
        find_top(a)


@seldom
def demote(a: Words, item: int) -> None:
    """Let something go on at process level, behind what is there already."""
    a[driver.SEQUENCE] += 1
    a[driver.QUEUED + item], a[driver.SINCE + item] = 2, a[driver.SEQUENCE]


# -- the sender --------------------------------------------------------------------------------


def begin(a: Words, what: int) -> int:
    """Begin a turn of the sender, or what is ready; return what is next."""
    if what == driver.TURNED:
        a[driver.SERVED] = 0
        return check(a, thread.DRIVER, driver.TAKE)
    if what == driver.MAIN:
        a[thread.DRIVER + thread.MODE] = thread.RUNNING
        return run_one(a) if a[driver.TOP] < driver.NOBODY else rest(a)
    if what == driver.RUN_OVER:
        return run_over(a)
    arms(a, a[driver.AT_ENTRY])  # ENTERED
    if a[driver.QUEUED + driver.SEND] != driver.NOBODY:
        return driver.RUN_OVER
    return pay(a, a[driver.TURN], 0, driver.TURNED)


def send(a: Words, what: int) -> int:
    """Take packets, put them on the ring, and kick; return what is next."""
    packet = a[run.TAKEN] - 1
    if what == driver.FILL:
        left = min(a[driver.BATCH], a[driver.BUDGET] - a[driver.SERVED])
        if a[driver.HAND] >= left or a[run.SENT] == a[run.TAKEN] or a[driver.STOPPED]:
            return driver.FILLED
        a[run.TAKEN] += 1
        a[driver.HAND] += 1
        if a[run.SATURATES]:
            arrive(a, packet + 1)
        if a[driver.LEADS]:
            return pay_for(a, driver.A_LEAD, packet + 1, driver.LED)
        return driver.LED
    if what == driver.LED:
        arms(a, a[driver.AT_TAKE])
        return pay_for(a, driver.AN_ITEM, packet, driver.MADE)
    if what == driver.MADE:
        a[run.PUT] += 1
        if a[thread.WORKER + thread.MODE] == thread.SPINNING:
            look(a)
        if not a[driver.EACH]:
            return look_for_room(a)
        return kick(a)
    if what == driver.SENT:
        if not reach_worker(a):
            return driver.TOLD
        return pay(a, a[thread.WORKER + thread.SIGNAL], packet, driver.SIGNALLED)
    if what == driver.SIGNALLED:
        wake(a, thread.WORKER)
        return driver.TOLD
    if what == driver.TOLD:
        arms(a, a[driver.AT_PUBLISH])
        return look_for_room(a) if a[driver.EACH] else driver.AFTER
    a[driver.HAND] = 0  # TAKE
    return driver.AFTER if a[driver.STOPPED] else driver.FILL


def kick(a: Words) -> int:
    """Decide about a kick and pay for it; return what is next."""
    if not decide(a, channel.KICK):
        return driver.TOLD
    return pay(a, a[driver.KICK], a[run.TAKEN] - 1, driver.SENT)


def look_for_room(a: Words) -> int:
    """Stop if there is little room left; return what is next."""
    if room(a) < a[driver.ROOM] and not a[driver.STOPPED]:
        a[driver.STOPPED] = 1
        a[driver.STOPS] += 1
        arms(a, a[driver.AT_STOP])
    if a[driver.HAND] < a[driver.BATCH]:
        return check(a, thread.DRIVER, driver.FILL)
    return driver.FILLED


def finish(a: Words, what: int) -> int:
    """End a batch, a turn, or go on; return what is next."""
    t = thread.DRIVER
    if what == driver.FILLED:
        return kick(a) if a[driver.HAND] and not a[driver.EACH] else driver.AFTER
    if what == driver.AFTER:
        a[driver.SERVED] += a[driver.HAND]
        if a[driver.STOPPED]:
            return driver.RUN_OVER
        if a[driver.SERVED] >= a[driver.BUDGET]:
            enqueue(a, driver.SEND)
            return driver.RUN_OVER
        return check(a, t, driver.LOOK)
    if what == driver.LOOK:
        if a[run.SENT] > a[run.TAKEN]:
            return check(a, t, driver.TAKE)
        return pay(a, a[driver.EMPTY], 0, driver.EMPTIED)
    if what == driver.EMPTIED:
        return pay(a, a[driver.REARM], 0, driver.REARMED)
    if what == driver.REARMED:
        arms(a, a[driver.AT_EMPTY])
        return check(a, t, driver.RECHECK)
    if a[run.SENT] == a[run.TAKEN]:  # RECHECK
        return driver.RUN_OVER
    arms(a, a[driver.AT_ENTRY])
    return check(a, t, driver.TAKE)


# -- the handler -------------------------------------------------------------------------------


def handle(a: Words, what: int) -> int:
    """Take used slots back, let a stopped sender go on, ask again; return what is next."""
    t = thread.DRIVER
    if what == driver.IRQ_ENTERED:
        arms(a, a[driver.AT_IRQ])
        if a[driver.DEFERS]:
            enqueue(a, driver.CLEAN)
            return driver.RUN_OVER
        if a[driver.QUEUED + driver.CLEAN] != driver.NOBODY:
            return driver.RUN_OVER
        return pay(a, a[driver.IRQ_TURN], 0, driver.IRQ_TURNED)
    if what == driver.IRQ_TURNED:
        return check(a, t, driver.RECLAIM)
    if what == driver.RECLAIM:
        a[run.FREED] = a[run.DONE]
        if a[driver.STOPPED] and room(a) >= a[driver.ROOM]:
            a[driver.STOPPED] = 0
            return pay(a, a[driver.RESTART], 0, driver.RESTARTED)
        return pay(a, a[driver.IRQ_REARM], 0, driver.IRQ_REARMED)
    if what == driver.RESTARTED:
        enqueue(a, driver.SEND)
        return pay(a, a[driver.IRQ_REARM], 0, driver.IRQ_REARMED)
    if what == driver.IRQ_REARMED:
        arms(a, a[driver.AT_CLEANED])
        return check(a, t, driver.IRQ_LOOK) if a[driver.LOOKS] != driver.NEVER else driver.RUN_OVER
    if a[run.FREED] == a[run.DONE]:  # IRQ_LOOK
        return driver.RUN_OVER
    if a[driver.LOOKS] == driver.AGAIN:
        return check(a, t, driver.RECLAIM)
    arms(a, a[driver.AT_IRQ])
    enqueue(a, driver.CLEAN)
    return driver.RUN_OVER


# -- waiting -----------------------------------------------------------------------------------


def rest(a: Words) -> int:
    """Wait until something is ready; return what is next."""
    t = thread.DRIVER
    a[driver.LEVEL], a[driver.ROUSED_TO] = driver.BASE, driver.MAIN
    if a[t + thread.SLEEPS]:
        return last_phase(a, t, driver.LAST_PHASE)
    a[t + thread.MODE], a[t + thread.KEY] = thread.IDLING, run.NEVER
    set_state(a, t, thread.POLLING)
    return -1


@seldom
def idly(a: Words, mine: int, what: int) -> int:
    """Let uses pass that the thread itself pays; return what is next."""
    then = spend(a, thread.DRIVER, mine, 0, what)
    if then < 0:
        a[driver.IN_EXIT] = a[mine + uses.EXIT]
    return then


def wait(a: Words, what: int) -> int:
    """Act on the way to sleep and back; return what is next."""
    t = thread.DRIVER
    a[t + thread.MODE] = thread.RUNNING
    is_ready = a[driver.TOP] < driver.NOBODY
    if what == driver.WOKEN:
        adapt(a, a[run.NOW])
        return idly(a, a[t + thread.RESUME], driver.MAIN)
    if what == driver.CAUGHT:
        adapt(a, a[driver.HIT_PS])
        return driver.MAIN
    if what == driver.ROUSED_LATE or (is_ready and what == driver.LAST_AGAIN):
        adapt(a, a[run.NOW])
        return driver.MAIN
    if what == driver.SPUN:
        return idly(a, a[driver.BLOCK], driver.BLOCKED)
    if what == driver.BLOCKED:
        a[driver.ROUSED_TO] = driver.ROUSED_LATE
        return last_phase(a, t, driver.LAST_AGAIN)
    if what == driver.LAST_AGAIN:
        return fall_asleep(a, t, driver.WOKEN)
    if is_ready:
        return driver.MAIN
    if what == driver.LAST_PHASE and a[a[driver.IDLE]]:
        return idly(a, a[driver.IDLE], driver.IDLED)
    a[driver.BEGAN] = a[run.NOW]
    if what == driver.LAST_PHASE:
        return fall_asleep(a, t, driver.WOKEN)
    return spin(a)


def spin(a: Words) -> int:
    """Spin for a delivery, if the thread does; return what is next."""
    t, length = thread.DRIVER, a[driver.SPIN_PS]
    if a[driver.ADAPTS]:
        length = min(length, a[driver.POLL_PS])
    if length == 0:
        return driver.SPUN
    set_state(a, t, thread.POLLING)
    a[t + thread.MODE] = thread.SPINNING
    call_at(a, t, a[run.NOW] + length, CHECK, driver.SPUN)
    return -1


@seldom
def adapt(a: Words, now: int) -> None:
    """Set the length of the next spin: KVM's rule, as ``semantics.halt_poll_next``."""
    began, poll, longest = a[driver.BEGAN], a[driver.POLL_PS], a[driver.SPIN_PS]
    block = now - began
    if not a[driver.ADAPTS] or began < 0 or block <= poll:
        return
    if poll and block > longest:
        shrink = a[driver.SHRINK]
        shorter = poll // shrink if shrink else 0
        a[driver.POLL_PS] = shorter if shorter >= a[driver.START_PS] else 0
    elif poll < longest and block < longest:
        a[driver.POLL_PS] = min(max(poll * a[driver.GROW], a[driver.START_PS]), longest)
