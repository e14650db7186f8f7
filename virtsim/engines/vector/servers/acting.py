"""What a server does to the world around it: time, rings, channels, other servers' sleep."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.paying import book_list
from virtsim.engines.vector.servers.rows import channel, ring, run, server
from virtsim.semantics import CHECK, DUE, MASK, MAX_ROUNDS, SLEEP, UNBLOCK


def call_at(a: Words, s: int, when: int, phase: int, rank: int, what: int) -> None:
    """Let a server do something at a time, in its place inside that instant."""
    turn = 0
    if when == a[run.NOW]:
        turn = a[run.ROUND]
        if phase == SLEEP:
            turn = (turn // MAX_ROUNDS + 1) * MAX_ROUNDS
        elif phase == DUE or 0x10000 * phase + rank <= 0x10000 * a[run.PHASE] + a[run.RANK]:
            turn += 1
    a[s + server.KEY] = when
    a[s + server.ORDER] = ((turn * 4 + phase) << 16) | rank
    a[s + server.WHAT] = what
    a[run.RIVAL] = min(a[run.RIVAL], when)


def check(a: Words, s: int, what: int) -> int:
    """Go on at the next phase 1 of this instant: with what is next, or later (-1)."""
    if a[run.RIVAL] > a[run.NOW] and a[run.PHASE] <= CHECK:
        a[run.PHASE], a[run.RANK] = CHECK, max(a[run.RANK], a[s + server.RANK])
        return what
    call_at(a, s, a[run.NOW], CHECK, a[s + server.RANK], what)
    return -1


def set_state(a: Words, s: int, state: int) -> None:
    """Book the time in the old state and begin another."""
    a[s + server.TOTAL + a[s + server.STATE]] += a[run.NOW] - a[s + server.SINCE]
    a[s + server.STATE], a[s + server.SINCE] = state, a[run.NOW]


def passes(a: Words, s: int, cost: int, what: int) -> int:
    """Let a use pass; return what is next if that is now, or nobody else acts before it: else -1.

    Whoever has the clock for itself goes on without asking who is next.
    """
    if cost <= 0:
        return what
    if a[s + server.STATE] != server.BUSY:
        set_state(a, s, server.BUSY)
    end = a[run.NOW] + cost
    if end < a[run.RIVAL]:
        a[run.NOW], a[run.ROUND], a[run.PHASE], a[run.RANK] = end, 0, DUE, a[s + server.RANK]
        return what
    call_at(a, s, end, DUE, a[s + server.RANK], what)
    return -1


# -- packets -----------------------------------------------------------------------------------


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
        s = a[run.SERVERS]
        for _ in range(a[run.N_SERVERS]):
            set_state(a, s, a[s + server.STATE])
            for k in range(4):
                a[s + server.LAST + k] = a[s + server.TOTAL + k]
                if first:
                    a[s + server.FIRST + k] = a[s + server.TOTAL + k]
            s += server.SIZE


def free(a: Words, r: int) -> int:
    """Free slots of a ring."""
    known = a[r + ring.DONE] if a[r + ring.FREES_AT_DONE] else a[r + ring.TAKEN]
    return a[r + ring.CAPACITY] - (a[r + ring.PUBLISHED] - known)


def waiting(a: Words, r: int) -> int:
    """Packets on a ring."""
    return a[r + ring.PUBLISHED] - a[r + ring.TAKEN]


def publish(a: Words, r: int, packet: int) -> None:
    """Put a packet on a ring."""
    if not a[r + ring.SOURCED]:
        a[a[r + ring.ITEMS] + (a[r + ring.PUBLISHED] & a[r + ring.MASK])] = packet
    a[r + ring.PUBLISHED] += 1


def take(a: Words, r: int) -> int:
    """Take the oldest packet off a ring."""
    at = a[r + ring.TAKEN]
    a[r + ring.TAKEN] = at + 1
    if not a[r + ring.FREES_AT_DONE]:
        freed(a, r)
    if a[r + ring.SOURCED]:
        return at
    return a[a[r + ring.ITEMS] + (at & a[r + ring.MASK])]


def freed(a: Words, r: int) -> None:
    """Let a producer that stands before a full ring publish in phase 2."""
    s = a[r + ring.BLOCKED]
    if s:
        a[r + ring.BLOCKED] = 0
        call_at(a, s, a[run.NOW], UNBLOCK, a[r + ring.INDEX], server.UNBLOCKED)


# -- notifications -----------------------------------------------------------------------------


def counter(a: Words, c: int) -> int:
    """Return the counter whose progress a channel announces."""
    r = a[c + channel.RING]
    if a[c + channel.IS_FORWARD]:
        return a[r + ring.PUBLISHED]
    return a[r + ring.DONE] if a[r + ring.FREES_AT_DONE] else a[r + ring.TAKEN]


def decide(a: Words, c: int) -> bool:
    """Decide whether what was published since the last decision is announced."""
    mode = a[c + channel.MODE]
    new, old = counter(a, c) & MASK, a[c + channel.OLD]
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


def arm(a: Words, c: int, k: int) -> None:
    """Ask for a notification at the k-th entry from here; with 0, ask for none."""
    r = a[c + channel.RING]
    if k > 0:
        # Behind a forward channel stands the taker, behind a reverse one the producer.
        position = a[r + ring.TAKEN] if a[c + channel.IS_FORWARD] else counter(a, c)
        a[c + channel.ARMED], a[c + channel.TRIGGERED] = 1, 0
        a[c + channel.EVENT] = (position + k - 1) & MASK
    else:
        a[c + channel.ARMED] = 0
        if not a[c + channel.TRIGGERED]:
            a[c + channel.EVENT] = (counter(a, c) - 1) & MASK


def deliver(a: Words, c: int) -> bool:
    """Deliver to a server in the mode in which it is; tell whether it is the sender's to wake."""
    s = a[c + channel.TARGET]
    mode, ready = a[s + server.MODE], a[s + server.READY]
    a[s + server.READY] = 1
    if not ready:
        a[s + server.ENTRY_LAST] = a[s + server.TURN_READY]
    if mode == server.IDLING or mode == server.RUNNING:
        a[c + channel.INTRUDED] += 1
    else:
        a[c + channel.LANDED] += 1
    if mode == server.IDLING and not ready:
        a[s + server.MODE] = server.RUNNING
        call_at(a, s, a[run.NOW], CHECK, a[s + server.RANK], server.ROUSED)
    elif mode == server.SLEEPING:
        a[s + server.MODE] = server.CLAIMED
        return True
    return False


def wake(a: Words, s: int) -> None:
    """Start the wake-up of a sleeping server: runnable until it has its core."""
    a[s + server.MODE] = server.WAKING
    a[s + server.WAKEUPS] += 1
    set_state(a, s, server.RUNNABLE)
    idle, mine = a[run.NOW] - a[s + server.IDLE_SINCE], a[s + server.WAKE]
    for k in range(a[s + server.N_STATES]):
        if idle >= a[a[s + server.STATES] + 2 * k]:
            mine = a[a[s + server.STATES] + 2 * k + 1]
    delay = book_list(a, mine, 0)
    call_at(a, s, a[run.NOW] + delay, DUE, a[s + server.RANK], server.WOKEN)


def landings(a: Words, c: int) -> int:
    """Serve the deliveries of a channel and return what they cost."""
    cost = 0
    for _ in range(a[c + channel.INTRUDED]):
        cost += book_list(a, a[c + channel.INTRUDE], 0) + book_list(a, a[c + channel.ENTRY], 0)
    for _ in range(a[c + channel.LANDED]):
        cost += book_list(a, a[c + channel.ENTRY], 0)
    a[c + channel.INTRUDED] = a[c + channel.LANDED] = 0
    return cost
