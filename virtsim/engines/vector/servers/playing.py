"""The kernel: servers act one at a time, the least key first, and what they do is done at once."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.vector.paying import book_list
from virtsim.engines.vector.servers.acting import (
    arm,
    arrive,
    call_at,
    check,
    decide,
    deliver,
    free,
    freed,
    landings,
    passes,
    publish,
    set_state,
    take,
    waiting,
    wake,
)
from virtsim.engines.vector.servers.rows import channel, ring, run, server
from virtsim.semantics import DUE, MAX_ROUNDS, SLEEP


def rest(a: Words, s: int) -> int:
    """Wait for something to be ready; return what is next, if nobody else acts in this instant."""
    a[s + server.MODE] = server.IDLING
    if a[s + server.SLEEPS]:
        return last_phase(a, s, server.LAST_PHASE)
    set_state(a, s, a[s + server.STANDS_BY])
    a[s + server.KEY] = run.NEVER
    return -1


def last_phase(a: Words, s: int, what: int) -> int:
    """Go on in phase 3 of this instant: with what is next, or later (-1)."""
    if a[run.RIVAL] > a[run.NOW]:
        a[run.ROUND] = (a[run.ROUND] // MAX_ROUNDS + 1) * MAX_ROUNDS
        a[run.PHASE], a[run.RANK] = SLEEP, a[s + server.RANK]
        return what
    call_at(a, s, a[run.NOW], SLEEP, a[s + server.RANK], what)
    return -1


def fall_asleep(a: Words, s: int) -> None:
    """Give up the core."""
    set_state(a, s, server.ASLEEP)
    a[s + server.MODE], a[s + server.IDLE_SINCE] = server.SLEEPING, a[run.NOW]
    a[s + server.KEY] = run.NEVER


def enter(a: Words, s: int) -> int:
    """Serve what was delivered; return what is next."""
    a[s + server.READY] = 0
    c = a[s + server.FORWARD]
    # One that holds a packet and is told only of room serves that packet first.
    only_room = a[c + channel.LANDED] + a[c + channel.INTRUDED] == 0
    a[s + server.THEN] = server.ROOM_OVER
    if a[s + server.FULL] != server.HOLD or not only_room:
        a[s + server.THEN] = server.IN_TURN
    cost = landings(a, c)
    if a[s + server.ROOM]:
        cost += landings(a, a[s + server.ROOM])
    cost += book_list(a, a[s + server.ENTRY], 0)
    return passes(a, s, cost, server.ENTERED)


def entered(a: Words, s: int) -> int:
    """Go on after an entry was paid; return what is next."""
    a[s + server.STOPPED] = 0
    if a[s + server.ROOM_OFF]:
        arm(a, a[s + server.ROOM], 0)
    if a[s + server.THEN] == server.ROOM_OVER:
        if not a[s + server.HOLDS]:
            return server.MAIN
        a[s + server.HOLDS] = 0
        return server.SERVED
    arm(a, a[s + server.FORWARD], 0)
    return server.MAIN if a[s + server.TURN_READY] else server.IN_TURN


def serve(a: Words, s: int) -> int:
    """Take a packet and work on it; return what is next."""
    packet = take(a, a[s + server.RING])
    if a[run.SATURATES] and a[s + server.RING] == a[run.RING]:
        arrive(a, packet)
    a[s + server.HELD], a[s + server.THEN] = packet, server.GIVE
    cost = a[a[s + server.COST] + packet * a[s + server.COST_STEP]]
    return passes(a, s, cost, server.SERVED)


def may_take(a: Words, s: int) -> bool:
    """Tell whether a server that waits for room ahead has any."""
    return a[s + server.FULL] != server.WAIT or free(a, a[s + server.OUT]) > 0


def hand_on(a: Words, s: int) -> int:
    """Publish the packet in hand, or drop it, or stand before a full ring; say what is next."""
    packet, r = a[s + server.HELD], a[s + server.OUT]
    if r == 0:
        a[a[run.DELIVERED] + packet] = a[run.NOW]
        return server.THERE
    if free(a, r) > 0:
        publish(a, r, packet)
        return server.DECIDE
    if a[s + server.FULL] == server.STAND:
        a[r + ring.BLOCKED] = s
        set_state(a, s, server.POLLING)
        a[s + server.KEY], a[s + server.WHAT] = run.NEVER, server.UNBLOCKED
        return -1
    if a[s + server.FULL] == server.HOLD:
        return passes(a, s, book_list(a, a[s + server.STOP_USES], packet), server.ASKING)
    a[a[run.DROPPED] + packet] = a[r + ring.INDEX]
    return server.THERE


def sends(a: Words, s: int, c: int, what: int, otherwise: int) -> int:
    """Decide about a channel; return what is next, ``otherwise`` if nothing is sent."""
    if c == 0 or not decide(a, c):
        return otherwise
    return passes(a, s, book_list(a, a[c + channel.SEND], a[s + server.HELD]), what)


def delivers(a: Words, s: int, c: int, what: int, otherwise: int) -> int:
    """Deliver what was sent; return what is next, ``otherwise`` if nobody is to be woken."""
    if not deliver(a, c):
        return otherwise
    return passes(a, s, book_list(a, a[c + channel.SIGNAL], a[s + server.HELD]), what)


def ready(a: Words, s: int) -> int:
    """Return what of a server is ready first, an entry or a turn; -1 if it rests."""
    if a[s + server.READY] and not (a[s + server.TURN_READY] and a[s + server.ENTRY_LAST]):
        return enter(a, s)
    if a[s + server.TURN_READY]:
        a[s + server.TURN_READY] = a[s + server.ENTRY_LAST] = 0
        return server.IN_TURN
    return rest(a, s)


def go(a: Words, s: int, what: int) -> None:
    """Let a server act until time has to pass, or another phase has to come (-1)."""
    while what >= 0:
        if what == server.MAIN:
            what = ready(a, s)
        elif what == server.ENTERED:
            what = entered(a, s)
        elif what == server.IN_TURN:
            what = passes(a, s, book_list(a, a[s + server.TURN], 0), server.TURNED)
        elif what == server.TURNED:
            what = check(a, s, server.BATCH)
        elif what <= server.HOLD_LOOK:
            what = go_forth(a, s, what)
        elif what <= server.ROOM_OVER:
            what = go_across(a, s, what)
        else:
            what = go_back(a, s, what)


def go_forth(a: Words, s: int, what: int) -> int:
    """Take a packet, serve it and hand it on; return what is next."""
    if what == server.BATCH:
        if not a[s + server.HOLDS]:
            return server.NEXT
        a[s + server.HOLDS], a[s + server.THEN] = 0, server.NEXT
        return server.SERVED
    if what == server.NEXT:
        if a[s + server.STOPPED]:
            return server.MAIN
        if waiting(a, a[s + server.RING]) == 0:
            return check(a, s, server.AGAIN)
        if not may_take(a, s):
            return passes(a, s, book_list(a, a[s + server.STOP_USES], 0), server.STOPPING)
        return serve(a, s)
    if what == server.STOPPING:
        arm(a, a[s + server.ROOM], a[s + server.STOP_K])
        return check(a, s, server.STOP_LOOK)
    if what == server.STOP_LOOK:
        if not may_take(a, s):
            a[s + server.STOPPED] = 1
            a[s + server.STOPS] += 1
            return server.MAIN
        disarm(a, s)
        return serve(a, s)
    if what == server.SERVED:
        return hand_on(a, s)
    if what == server.ASKING:
        arm(a, a[s + server.ROOM], a[s + server.STOP_K])
        return check(a, s, server.HOLD_LOOK)
    if free(a, a[s + server.OUT]) > 0:  # HOLD_LOOK
        disarm(a, s)
        publish(a, a[s + server.OUT], a[s + server.HELD])
        return server.DECIDE
    a[s + server.HOLDS] = a[s + server.STOPPED] = 1
    a[s + server.STOPS] += 1
    return a[s + server.THEN]


def disarm(a: Words, s: int) -> None:
    """Ask for no notification while at work."""
    arm(a, a[s + server.FORWARD], 0)
    if a[s + server.ROOM_OFF]:
        arm(a, a[s + server.ROOM], 0)


def go_across(a: Words, s: int, what: int) -> int:
    """Tell the next server; return what is next."""
    ahead = a[s + server.OUT]
    if what == server.UNBLOCKED:
        a[s + server.WHAT] = server.DECIDE
        publish(a, ahead, a[s + server.HELD])
        set_state(a, s, server.BUSY)
        return check(a, s, server.DECIDE)
    if what == server.DECIDE:
        return sends(a, s, a[ahead + ring.FORWARD], server.SENT, server.THERE)
    if what == server.SENT:
        return delivers(a, s, a[ahead + ring.FORWARD], server.SIGNALLED, server.THERE)
    if what == server.SIGNALLED:
        wake(a, a[a[ahead + ring.FORWARD] + channel.TARGET])
        return server.THERE
    if what == server.THERE:
        return a[s + server.THEN]
    if not a[s + server.STOPPED] and not a[s + server.TURN_READY]:  # ROOM_OVER
        a[s + server.TURN_READY] = 1
    return server.MAIN


def go_back(a: Words, s: int, what: int) -> int:
    """Act after handing on, until a batch, the main loop, or a wait (-1) is next."""
    behind = a[s + server.RING]
    if what == server.GIVE:
        a[behind + ring.DONE] += 1
        if a[behind + ring.FREES_AT_DONE]:
            freed(a, behind)
        return sends(a, s, a[behind + ring.REVERSE], server.CALLED, server.TURN_END)
    if what == server.CALLED:
        return delivers(a, s, a[behind + ring.REVERSE], server.CALL_SIGNALLED, server.TURN_END)
    if what == server.CALL_SIGNALLED:
        wake(a, a[a[behind + ring.REVERSE] + channel.TARGET])
        return server.TURN_END
    if what == server.TURN_END:
        if a[s + server.STOPPED]:
            return server.MAIN
        return check(a, s, server.AGAIN)
    return go_empty(a, s, what)


def go_empty(a: Words, s: int, what: int) -> int:
    """Act where a ring may be empty, or its server at rest."""
    behind = a[s + server.RING]
    if what == server.AGAIN:
        if waiting(a, behind) > 0:
            return check(a, s, server.BATCH)
        return passes(a, s, book_list(a, a[s + server.EMPTY], 0), server.EMPTIED)
    if what == server.EMPTIED:
        return passes(a, s, book_list(a, a[s + server.REARM], 0), server.REARMED)
    if what == server.REARMED:
        arm(a, a[s + server.FORWARD], a[s + server.K])
        return check(a, s, server.RECHECK)
    if what == server.RECHECK:
        if waiting(a, behind) == 0:
            return server.MAIN
        disarm(a, s)
        return check(a, s, server.BATCH)
    return go_idle(a, s, what)


def go_idle(a: Words, s: int, what: int) -> int:
    """Act on the way to sleep and back."""
    if what == server.WOKEN:
        a[s + server.MODE] = server.RUNNING
        return passes(a, s, book_list(a, a[s + server.RESUME], 0), server.MAIN)
    a[s + server.MODE] = server.RUNNING
    if what == server.LAST_PHASE:
        if a[a[s + server.IDLE]] == 0:
            fall_asleep(a, s)
            return -1
        return passes(a, s, book_list(a, a[s + server.IDLE], 0), server.IDLED)
    if what == server.IDLED:
        if a[s + server.READY]:
            return server.MAIN
        return passes(a, s, book_list(a, a[s + server.BLOCK], 0), server.BLOCKING)
    if what == server.BLOCKING:
        a[s + server.MODE] = server.IDLING
        return last_phase(a, s, server.LAST_PHASE_AGAIN)
    if what == server.LAST_PHASE_AGAIN and not a[s + server.READY]:
        fall_asleep(a, s)
        return -1
    return server.MAIN  # roused, or something was ready


# -- sources -----------------------------------------------------------------------------------


def offer(a: Words) -> None:
    """Let the source's packets of this instant arrive."""
    r, n = a[run.RING], a[run.N_PACKETS]
    c = a[r + ring.FORWARD]
    if a[run.SATURATES]:
        a[r + ring.PUBLISHED] = a[run.NEXT] = n
        announce(a, c)
    else:
        while a[run.NEXT] < n and a[a[run.AT] + a[run.NEXT]] == a[run.NOW]:
            packet = a[run.NEXT]
            a[run.NEXT] += 1
            arrive(a, packet)
            if free(a, r) > 0:
                publish(a, r, packet)
                announce(a, c)
            else:
                a[a[run.DROPPED] + packet] = a[r + ring.INDEX]
    schedule(a)


def schedule(a: Words) -> None:
    """Put the source's next instant on the clock."""
    a[run.KEY], a[run.ORDER] = run.NEVER, DUE
    if a[run.NEXT] < a[run.N_PACKETS]:
        a[run.KEY] = a[a[run.AT] + a[run.NEXT]]
        if a[run.KEY] == 0:
            a[run.ORDER] = 4 << 16  # threads have taken their places in round 0


def announce(a: Words, c: int) -> None:
    """Decide and deliver for a publisher that is no thread."""
    if c and decide(a, c) and deliver(a, c):
        wake(a, a[c + channel.TARGET])


# -- the clock ---------------------------------------------------------------------------------


def next_server(a: Words) -> int:
    """Return the server with the least key; the head of the arena if the source is next.

    Note when the first of the others acts.
    """
    best, when, order, rival = 0, a[run.KEY], a[run.ORDER], run.NEVER
    s = a[run.SERVERS]
    for _ in range(a[run.N_SERVERS]):
        key = a[s + server.KEY]
        if key < when or (key == when and a[s + server.ORDER] < order):
            rival = when
            best, when, order = s, key, a[s + server.ORDER]
        else:
            rival = min(rival, key)
        s += server.SIZE
    a[run.NOW], a[run.ROUND] = when, order >> 18
    a[run.PHASE], a[run.RANK] = (order >> 16) & 3, order & 0xFFFF
    a[run.RIVAL] = min(rival, when + run.AHEAD)
    return best


def play(a: Words, steps: int) -> int:
    """Play until the run is over, or for so many steps; return why it came back."""
    for _ in range(steps):
        last = a[run.NOW]
        s = next_server(a)
        if a[run.NOW] == run.NEVER:
            a[run.NOW] = last
            s = a[run.SERVERS]
            for _ in range(a[run.N_SERVERS]):
                set_state(a, s, a[s + server.STATE])
                s += server.SIZE
            return run.OVER
        if s == 0:
            offer(a)
        else:
            a[s + server.KEY] = run.NEVER
            go(a, s, a[s + server.WHAT])
    return run.TIRED
