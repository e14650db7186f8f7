"""The clock: when everything happens next, and in which order inside an instant.

A thread waits for one thing at a time, so it has one clock (a *leaf*), which holds the earliest of
what may let it go on; what comes later is void once it does. So has a source, and so has the heap
in which deliveries, timers, completions and late publications wait.
"""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, alike, seldom
from virtsim.engines.stepper.rows import event, leaf, thread, world
from virtsim.semantics import CHECK, MAX_ROUNDS, SLEEP, UNBLOCK

LAST_PLACE = UNBLOCK * world.PHASE
CHECKS = CHECK * world.PHASE


def turn_of(a: Words, when: int, phase: int, rank: int) -> int:
    """Return the place of an event in its instant: behind what causes it, if that is now."""
    place = phase * world.PHASE + rank + 1
    if when != a[world.NOW]:
        return place
    rounds = a[world.ROUND]
    if phase == SLEEP:
        # Phase 3 comes after all rounds there can be; what it causes makes rounds behind it.
        rounds = (rounds // MAX_ROUNDS + 1) * MAX_ROUNDS
    else:
        if phase == 0 or place <= a[world.PLACE]:
            rounds += 1
        if rounds % MAX_ROUNDS == MAX_ROUNDS - 1 and a[world.ERROR] == world.FINE:
            a[world.ERROR], a[world.ERROR_AT] = world.TOO_MANY_ROUNDS, rank
    return rounds * world.TURN + place


def now_at(a: Words, when: int, turn: int) -> None:
    """Go to an event's place in time."""
    a[world.NOW] = when
    a[world.ROUND] = turn >> world.TURN_BITS
    a[world.PLACE] = turn & (world.TURN - 1)


def put_off(a: Words, when: int, idle: int) -> None:
    """Remember until when a void event keeps the run alive."""
    if not idle and when != world.NEVER and when > a[world.HORIZON]:
        a[world.HORIZON] = when


def set_leaf(a: Words, at: int, when: int, turn: int, idle: int) -> None:
    """Set a clock that is not running."""
    a[at + leaf.AT] = when
    a[at + leaf.TURN] = turn
    a[at + leaf.IDLE] = idle
    if when < a[world.NEXT]:
        a[world.NEXT] = when


def rouse_at(a: Words, t: int, when: int, phase: int, idle: int) -> None:
    """Let a waiting thread go on at a place in time, if nothing does so before."""
    at = a[t + thread.LEAF]
    turn = turn_of(a, when, phase, a[t + thread.RANK])
    if when < a[at + leaf.AT] or (when == a[at + leaf.AT] and turn < a[at + leaf.TURN]):
        put_off(a, a[at + leaf.AT], a[at + leaf.IDLE])
        set_leaf(a, at, when, turn, idle)
    else:
        put_off(a, when, idle)


def stop_clock(a: Words, t: int) -> None:
    """Make what may let a thread go on void."""
    at = a[t + thread.LEAF]
    put_off(a, a[at + leaf.AT], a[at + leaf.IDLE])
    a[at + leaf.AT] = world.NEVER
    a[at + leaf.IDLE] = 0


def wait(a: Words, t: int, mode: int) -> int:
    """Let a thread wait in a mode until its clock, or another thread, lets it go on."""
    a[t + thread.MODE] = mode
    a[t + thread.WAITING] = 1
    return world.STOP


def check(a: Words, t: int) -> int:
    """Wait for this instant's phase 1, where free threads look at their rings."""
    place = CHECKS + a[t + thread.RANK] + 1
    alone = a[world.NEXT] > a[world.NOW] and a[world.EVENTS] < a[world.LIMIT]
    if alone and a[world.PLACE] < LAST_PLACE:
        if a[world.PLACE] < place:
            a[world.PLACE] = place
        return world.DONE
    rouse_at(a, t, a[world.NOW], CHECK, 0)
    return wait(a, t, thread.PHASE)


# -- the heap ----------------------------------------------------------------------------------


def before(a: Words, x: int, y: int) -> bool:
    """Tell whether one event of the heap comes before another."""
    if a[x + event.AT] != a[y + event.AT]:
        return a[x + event.AT] < a[y + event.AT]
    if a[x + event.TURN] != a[y + event.TURN]:
        return a[x + event.TURN] < a[y + event.TURN]
    return a[x + event.SERIAL] < a[y + event.SERIAL]


def swap(a: Words, x: int, y: int) -> None:
    """Exchange two events of the heap."""
    for i in range(event.SIZE):
        a[x + i], a[y + i] = a[y + i], a[x + i]


def at(a: Words, when: int, phase: int, rank: int, kind: int, row: int, more: int) -> None:
    """Do something that is no thread's going on at a place in time."""
    insert(a, when, turn_of(a, when, phase, rank), row * event.KINDS + kind, more)


@alike
def insert(a: Words, when: int, turn: int, what: int, more: int) -> None:
    """Put an event on the heap."""
    n, heap = a[world.HEAP_N], a[world.HEAP]
    if n >= a[world.HEAP_MOST]:
        a[world.ERROR] = world.TOO_FULL
        return
    x = heap + n * event.SIZE
    a[x + event.AT] = when
    a[x + event.TURN] = turn
    a[x + event.SERIAL] = a[world.SERIAL]
    a[x + event.WHAT] = what
    a[x + event.MORE] = more
    a[world.SERIAL] += 1
    a[world.HEAP_N] = n + 1
    while n > 0:
        above = (n - 1) >> 1
        x, y = heap + n * event.SIZE, heap + above * event.SIZE
        if not before(a, x, y):
            break
        swap(a, x, y)
        n = above
    show_top(a)
    if a[world.HEAP_N] + a[world.LOW] > a[world.HEAP_MOST]:
        a[world.NEXT] = 0


def show_top(a: Words) -> None:
    """Set the heap's clock to its first event."""
    heap, x = a[world.HEAP], a[world.HEAP_LEAF]
    if a[world.HEAP_N] == 0:
        a[x + leaf.AT] = world.NEVER
    else:
        set_leaf(a, x, a[heap + event.AT], a[heap + event.TURN], 0)


def drop_top(a: Words) -> None:
    """Take the first event off the heap."""
    heap = a[world.HEAP]
    n = a[world.HEAP_N] - 1
    a[world.HEAP_N] = n
    swap(a, heap, heap + n * event.SIZE)
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        x = heap + child * event.SIZE
        if child + 1 < n and before(a, x + event.SIZE, x):
            child += 1
            x += event.SIZE
        y = heap + i * event.SIZE
        if not before(a, x, y):
            break
        swap(a, x, y)
        i = child
    show_top(a)


# -- the next event ----------------------------------------------------------------------------


def pick(a: Words) -> int:
    """Return the clock with the next event; note when the one after it is.

    Nobody can foretell whose turn it is, so nothing here is a branch: all is chosen.
    """
    best = a[world.LEAVES]
    when, turn, second = a[best + leaf.AT], a[best + leaf.TURN], world.NEVER
    x = best
    for _ in range(1, a[world.N_LEAVES]):
        x += leaf.SIZE
        mine = a[x + leaf.AT]
        if mine < when or (mine == when and a[x + leaf.TURN] < turn):
            second = when
            best, when, turn = x, mine, a[x + leaf.TURN]
        elif mine < second:
            second = mine
    a[world.NEXT] = min(second, world.LONGEST)
    return best


@seldom
def only_idle(a: Words) -> bool:
    """Tell whether all that is still to come is the passing on of cores."""
    x = a[world.LEAVES]
    for _ in range(a[world.N_LEAVES]):
        if a[x + leaf.AT] != world.NEVER and not a[x + leaf.IDLE]:
            return False
        x += leaf.SIZE
    return True
