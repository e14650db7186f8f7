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
from virtsim.semantics import DUE, SLEEP


def rest(a: Words, s: int) -> None:
    """Wait for something to be ready."""
    a[s + server.MODE] = server.IDLING
    if a[s + server.SLEEPS]:
        call_at(a, s, a[run.NOW], SLEEP, a[s + server.RANK], server.LAST_PHASE)
    else:
        set_state(a, s, a[s + server.STANDS_BY])
        a[s + server.KEY] = run.NEVER


def fall_asleep(a: Words, s: int) -> None:
    """Give up the core."""
    set_state(a, s, server.ASLEEP)
    a[s + server.MODE], a[s + server.IDLE_SINCE] = server.SLEEPING, a[run.NOW]
    a[s + server.KEY] = run.NEVER


def enter(a: Words, s: int) -> bool:
    """Serve what was delivered; tell whether that takes time."""
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


def serve(a: Words, s: int) -> bool:
    """Take a packet and work on it; tell whether that takes time."""
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
        cost = book_list(a, a[s + server.STOP_USES], packet)
        return -1 if passes(a, s, cost, server.ASKING) else server.ASKING
    a[a[run.DROPPED] + packet] = a[r + ring.INDEX]
    return server.THERE


def sends(a: Words, s: int, c: int, what: int) -> int:
    """Decide about a channel; return -1 if nothing is sent, 1 if sending takes time, else 0."""
    if c == 0 or not decide(a, c):
        return -1
    return passes(a, s, book_list(a, a[c + channel.SEND], a[s + server.HELD]), what)


def delivers(a: Words, s: int, c: int, what: int) -> int:
    """Deliver what was sent; return -1 if nobody is to be woken, 1 if signalling takes time."""
    if not deliver(a, c):
        return -1
    return passes(a, s, book_list(a, a[c + channel.SIGNAL], a[s + server.HELD]), what)


def ready(a: Words, s: int) -> int:
    """Return what of a server is ready first, an entry or a turn; -1 if it rests."""
    if a[s + server.READY] and not (a[s + server.TURN_READY] and a[s + server.ENTRY_LAST]):
        return -1 if enter(a, s) else server.ENTERED
    if a[s + server.TURN_READY]:
        a[s + server.TURN_READY] = a[s + server.ENTRY_LAST] = 0
        return server.IN_TURN
    rest(a, s)
    return -1


def go(a: Words, s: int, what: int) -> None:
    """Let a server act until time has to pass, or another phase has to come (-1)."""
    while what >= 0:
        if what == server.MAIN:
            what = ready(a, s)
        elif what == server.ENTERED:
            what = entered(a, s)
        elif what == server.IN_TURN:
            cost = book_list(a, a[s + server.TURN], 0)
            what = -1 if passes(a, s, cost, server.TURNED) else server.TURNED
        elif what == server.TURNED:
            check(a, s, server.BATCH)
            what = -1
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
            check(a, s, server.AGAIN)
            return -1
        if not may_take(a, s):
            cost = book_list(a, a[s + server.STOP_USES], 0)
            return -1 if passes(a, s, cost, server.STOPPING) else server.STOPPING
        return -1 if serve(a, s) else server.SERVED
    if what == server.STOPPING:
        arm(a, a[s + server.ROOM], a[s + server.STOP_K])
        check(a, s, server.STOP_LOOK)
        return -1
    if what == server.STOP_LOOK:
        if not may_take(a, s):
            a[s + server.STOPPED] = 1
            a[s + server.STOPS] += 1
            return server.MAIN
        disarm(a, s)
        return -1 if serve(a, s) else server.SERVED
    if what == server.SERVED:
        return hand_on(a, s)
    if what == server.ASKING:
        arm(a, a[s + server.ROOM], a[s + server.STOP_K])
        check(a, s, server.HOLD_LOOK)
        return -1
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
        check(a, s, server.DECIDE)
        return -1
    if what == server.DECIDE:
        sent = sends(a, s, a[ahead + ring.FORWARD], server.SENT)
        if sent > 0:
            return -1
        return server.THERE if sent < 0 else server.SENT
    if what == server.SENT:
        sent = delivers(a, s, a[ahead + ring.FORWARD], server.SIGNALLED)
        if sent > 0:
            return -1
        return server.THERE if sent < 0 else server.SIGNALLED
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
        sent = sends(a, s, a[behind + ring.REVERSE], server.CALLED)
        if sent > 0:
            return -1
        return server.TURN_END if sent < 0 else server.CALLED
    if what == server.CALLED:
        sent = delivers(a, s, a[behind + ring.REVERSE], server.CALL_SIGNALLED)
        if sent > 0:
            return -1
        return server.TURN_END if sent < 0 else server.CALL_SIGNALLED
    if what == server.CALL_SIGNALLED:
        wake(a, a[a[behind + ring.REVERSE] + channel.TARGET])
        return server.TURN_END
    if what == server.TURN_END:
        if a[s + server.STOPPED]:
            return server.MAIN
        check(a, s, server.AGAIN)
        return -1
    return go_empty(a, s, what)


def go_empty(a: Words, s: int, what: int) -> int:
    """Act where a ring may be empty, or its server at rest."""
    behind = a[s + server.RING]
    if what == server.AGAIN:
        if waiting(a, behind) > 0:
            check(a, s, server.BATCH)
            return -1
        if passes(a, s, book_list(a, a[s + server.EMPTY], 0), server.EMPTIED):
            return -1
        return server.EMPTIED
    if what == server.EMPTIED:
        if passes(a, s, book_list(a, a[s + server.REARM], 0), server.REARMED):
            return -1
        return server.REARMED
    if what == server.REARMED:
        arm(a, a[s + server.FORWARD], a[s + server.K])
        check(a, s, server.RECHECK)
        return -1
    if what == server.RECHECK:
        if waiting(a, behind) == 0:
            return server.MAIN
        disarm(a, s)
        check(a, s, server.BATCH)
        return -1
    return go_idle(a, s, what)


def go_idle(a: Words, s: int, what: int) -> int:
    """Act on the way to sleep and back."""
    if what == server.WOKEN:
        a[s + server.MODE] = server.RUNNING
        if passes(a, s, book_list(a, a[s + server.RESUME], 0), server.MAIN):
            return -1
        return server.MAIN
    a[s + server.MODE] = server.RUNNING
    if what == server.LAST_PHASE:
        if a[a[s + server.IDLE]] == 0:
            fall_asleep(a, s)
            return -1
        if passes(a, s, book_list(a, a[s + server.IDLE], 0), server.IDLED):
            return -1
        return server.IDLED
    if what == server.IDLED:
        if a[s + server.READY]:
            return server.MAIN
        if passes(a, s, book_list(a, a[s + server.BLOCK], 0), server.BLOCKING):
            return -1
        return server.BLOCKING
    if what == server.BLOCKING:
        a[s + server.MODE] = server.IDLING
        call_at(a, s, a[run.NOW], SLEEP, a[s + server.RANK], server.LAST_PHASE_AGAIN)
        return -1
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
    """Return the server with the least key; the head of the arena if the source is next."""
    best, when, order = 0, a[run.KEY], a[run.ORDER]
    s = a[run.SERVERS]
    for _ in range(a[run.N_SERVERS]):
        key = a[s + server.KEY]
        if key < when or (key == when and a[s + server.ORDER] < order):
            best, when, order = s, key, a[s + server.ORDER]
        s += server.SIZE
    a[run.NOW], a[run.ROUND] = when, order >> 18
    a[run.PHASE], a[run.RANK] = (order >> 16) & 3, order & 0xFFFF
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
