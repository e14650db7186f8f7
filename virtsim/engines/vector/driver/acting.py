"""Time, packets' stamps, and notifications between driver and worker."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.vector.driver.rows import channel, driver, run, thread, worker
from virtsim.engines.vector.paying import book_list
from virtsim.semantics import CHECK, DUE, MASK, MAX_ROUNDS, SLEEP


def order_of(a: Words, when: int, phase: int, rank: int) -> int:
    """Return the place inside its instant of what is caused now."""
    turn = 0
    if when == a[run.NOW]:
        turn = a[run.ROUND]
        if phase == SLEEP:
            turn = (turn // MAX_ROUNDS + 1) * MAX_ROUNDS
        elif phase == DUE or 0x10000 * phase + rank <= 0x10000 * a[run.PHASE] + a[run.RANK]:
            turn += 1
    return ((turn * 4 + phase) << 16) | rank


def call_at(a: Words, t: int, when: int, phase: int, what: int) -> None:
    """Let a thread do something at a time, in its place inside that instant."""
    a[t + thread.ORDER] = order_of(a, when, phase, a[t + thread.RANK])
    a[t + thread.KEY], a[t + thread.WHAT] = when, what
    a[run.RIVAL] = min(a[run.RIVAL], when)


def check(a: Words, t: int, what: int) -> int:
    """Go on at the next phase 1 of this instant: with what is next, or later (-1)."""
    if a[run.RIVAL] > a[run.NOW] and a[run.PHASE] <= CHECK:
        a[run.PHASE], a[run.RANK] = CHECK, max(a[run.RANK], a[t + thread.RANK])
        return what
    call_at(a, t, a[run.NOW], CHECK, what)
    return -1


def last_phase(a: Words, t: int, what: int) -> int:
    """Go on in phase 3 of this instant: with what is next, or later (-1)."""
    a[t + thread.MODE] = thread.IDLING
    if a[run.RIVAL] > a[run.NOW]:
        a[run.ROUND] = (a[run.ROUND] // MAX_ROUNDS + 1) * MAX_ROUNDS
        a[run.PHASE], a[run.RANK] = SLEEP, a[t + thread.RANK]
        return what
    call_at(a, t, a[run.NOW], SLEEP, what)
    return -1


def set_state(a: Words, t: int, state: int) -> None:
    """Book the time in the old state and begin another."""
    a[t + thread.TOTAL + a[t + thread.STATE]] += a[run.NOW] - a[t + thread.SINCE]
    a[t + thread.STATE], a[t + thread.SINCE] = state, a[run.NOW]


def passes(a: Words, t: int, cost: int, what: int) -> int:
    """Let a use pass; return what is next, -1 if others may act before it is over."""
    if cost <= 0:
        return what
    if a[t + thread.STATE] != thread.BUSY:
        set_state(a, t, thread.BUSY)
    end = a[run.NOW] + cost
    if end < a[run.RIVAL]:
        a[run.NOW], a[run.ROUND], a[run.PHASE], a[run.RANK] = end, 0, DUE, a[t + thread.RANK]
        return what
    call_at(a, t, end, DUE, what)
    return -1


def spend(a: Words, t: int, mine: int, packet: int, what: int) -> int:
    """Let a list of uses pass; return what is next."""
    return passes(a, t, book_list(a, mine, packet), what)


def fall_asleep(a: Words, t: int, what: int) -> int:
    """Give up the core until somebody wakes it."""
    set_state(a, t, thread.ASLEEP)
    a[t + thread.MODE], a[t + thread.IDLE_SINCE] = thread.SLEEPING, a[run.NOW]
    a[t + thread.KEY], a[t + thread.WHAT] = run.NEVER, what
    return -1


@seldom
def wake(a: Words, t: int) -> None:
    """Start the wake-up of a sleeping thread: runnable until it has its core."""
    a[t + thread.MODE] = thread.WAKING
    a[t + thread.WAKEUPS] += 1
    set_state(a, t, thread.RUNNABLE)
    idle, mine = a[run.NOW] - a[t + thread.IDLE_SINCE], a[t + thread.WAKE]
    for k in range(a[t + thread.N_STATES]):
        if idle >= a[a[t + thread.STATES] + 2 * k]:
            mine = a[a[t + thread.STATES] + 2 * k + 1]
    call_at(a, t, a[run.NOW] + book_list(a, mine, 0), DUE, a[t + thread.WHAT])


def arrive(a: Words, packet: int) -> None:
    """Stamp an arrival; the first and the last measured one bound the window."""
    a[a[run.ARRIVED] + packet] = a[run.NOW]
    a[run.N_ARRIVED] += 1
    n = a[run.N_ARRIVED]
    if n == a[run.FIRST_MARK] or n == a[run.N_PACKETS]:
        first = a[run.N_MARKS] == 0
        a[run.N_MARKS] += 1
        a[run.LAST_PS] = a[run.NOW]
        if first:
            a[run.FIRST_PS] = a[run.NOW]
        mark(a, thread.DRIVER, first)
        mark(a, thread.WORKER, first)


@seldom
def mark(a: Words, t: int, first: bool) -> None:
    """Note a thread's times so far."""
    set_state(a, t, a[t + thread.STATE])
    for k in range(4):
        a[t + thread.LAST + k] = a[t + thread.TOTAL + k]
        if first:
            a[t + thread.FIRST + k] = a[t + thread.TOTAL + k]


def room(a: Words) -> int:
    """Free slots of the ring, as the driver knows."""
    return a[run.CAPACITY] - (a[run.PUT] - a[run.FREED])


# -- notifications -----------------------------------------------------------------------------


def decide(a: Words, c: int) -> bool:
    """Decide whether what was published since the last decision is announced."""
    mode = a[c + channel.MODE]
    new, old = a[a[c + channel.COUNTER]] & MASK, a[c + channel.OLD]
    a[c + channel.OLD] = new
    if mode == channel.EVENTS:
        send = ((new - a[c + channel.EVENT] - 1) & MASK) < ((new - old) & MASK)
        if send:
            a[c + channel.TRIGGERED] = 1
        return send
    send = mode == channel.ALWAYS or (mode != channel.NEVER and a[c + channel.ARMED] != 0)
    if mode == channel.ONCE:
        a[c + channel.ARMED] = 0
    return send


def arms(a: Words, rules: int) -> None:
    """Carry out the arm rules of an occasion."""
    at = rules + 1
    for _ in range(a[rules + channel.N]):
        arm(a, at)
        at += channel.RULE


def arm(a: Words, rule: int) -> None:
    """Change a channel; the handler becomes ready if the event that it asks for lies behind."""
    c, value = a[rule + channel.CHANNEL], a[rule + channel.VALUE]
    if value >= channel.OFF:
        a[c + channel.ARMED] = 0
        if value == channel.OFF and not a[c + channel.TRIGGERED]:
            a[c + channel.EVENT] = (a[a[c + channel.COUNTER]] - 1) & MASK
        return
    ahead = a[rule + channel.K] - 1
    if value == channel.TO_SHARE:
        out = a[a[c + channel.OUT]] - a[a[c + channel.BACK]]
        ahead = out * a[rule + channel.NUM]
        den = a[rule + channel.DEN]
        ahead = ahead >> 2 if den == 4 else ahead // den  # a division takes its time
    at = a[a[c + channel.POSITION]]
    a[c + channel.ARMED], a[c + channel.TRIGGERED] = 1, 0
    a[c + channel.EVENT] = (at + ahead) & MASK
    if a[rule + channel.PASSES] and ((a[a[c + channel.COUNTER]] - at) & MASK) > (ahead & MASK):
        enqueue(a, driver.CLEAN)


def look(a: Words) -> None:
    """Let a worker that spins look at the next turn of its loop, if it would not look before."""
    t, since, every = thread.WORKER, a[worker.LOOK_FROM], a[worker.LOOK_EVERY]
    due = since + (a[run.NOW] - since + every - 1) // every * every
    order = order_of(a, due, CHECK, a[t + thread.RANK])
    key = a[t + thread.KEY]
    if due < key or (due == key and order < a[t + thread.ORDER]):
        a[t + thread.KEY], a[t + thread.ORDER] = due, order
        a[run.RIVAL] = min(a[run.RIVAL], due)


def reach_worker(a: Words) -> bool:
    """Deliver a kick; tell whether the worker is the sender's to wake."""
    t = thread.WORKER
    mode, ready = a[t + thread.MODE], a[worker.READY]
    a[worker.READY] = 1
    if not ready:
        a[worker.ENTRY_LAST] = a[worker.TURN_READY]
    if mode == thread.IDLING and not ready:
        a[t + thread.MODE] = thread.RUNNING
        call_at(a, t, a[run.NOW], CHECK, worker.MAIN)
    elif mode == thread.SPINNING:
        look(a)
    elif mode == thread.SLEEPING:
        a[t + thread.MODE] = thread.CLAIMED
        return True
    return False


def interrupt(a: Words) -> bool:
    """Deliver an interrupt to the driver; tell whether it sleeps, and is the worker's to wake."""
    if a[run.FLIES]:
        return False
    mode = a[thread.DRIVER + thread.MODE]
    if mode == thread.SLEEPING:
        a[thread.DRIVER + thread.MODE] = thread.CLAIMED
        enqueue(a, driver.IRQ)
        return True
    quiet = a[driver.IN_EXIT] or mode <= thread.CAUGHT or mode == thread.SPINNING
    delay = 0 if quiet else book_list(a, a[run.RUNNING], 0)
    if delay == 0:
        enqueue(a, driver.IRQ)
        return False
    a[run.FLIES], a[run.FLY_KEY] = 1, a[run.NOW] + delay
    a[run.FLY_ORDER] = order_of(a, a[run.FLY_KEY], DUE, a[run.FLY_RANK])
    a[run.RIVAL] = min(a[run.RIVAL], a[run.FLY_KEY])
    return False


# -- what is ready for the driver ------------------------------------------------------------------


def enqueue(a: Words, item: int) -> None:
    """Make an entry or a turn of the driver ready, and rouse it."""
    if a[driver.QUEUED + item] != driver.NOBODY:
        return
    level = 2
    if item <= driver.CLEAN:
        level = a[driver.IRQ_LEVEL]
        if item == driver.IRQ and a[driver.DEFERS] and level == 1:
            level = 0
        if level == 1 and a[driver.DEMOTED]:
            level = 2
    a[driver.SEQUENCE] += 1
    a[driver.QUEUED + item], a[driver.SINCE + item] = level, a[driver.SEQUENCE]
    a[driver.TOP] = min(a[driver.TOP], level)
    rouse(a)


def rouse(a: Words) -> None:
    """Let the driver notice that something is ready, in the way in which it waits."""
    t = thread.DRIVER
    mode = a[t + thread.MODE]
    if mode == thread.IDLING:
        a[t + thread.MODE] = thread.RUNNING
        call_at(a, t, a[run.NOW], CHECK, a[driver.ROUSED_TO])
    elif mode == thread.SPINNING:
        a[t + thread.MODE], a[driver.HIT_PS] = thread.CAUGHT, a[run.NOW]
        a[driver.HITS] += 1
        delay = book_list(a, a[driver.HIT], 0)
        call_at(a, t, a[run.NOW] + delay, DUE if delay else CHECK, driver.CAUGHT)
    elif mode == thread.SLEEPING:
        wake(a, t)  # it fell asleep while an interrupt was on its way
