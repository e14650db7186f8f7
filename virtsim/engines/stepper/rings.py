"""Rings: publishing, taking, giving back, and who is told of it without being notified."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import book_delays
from virtsim.engines.stepper.clock import at
from virtsim.engines.stepper.polling import UNBOUNDED, can_work, found, free
from virtsim.engines.stepper.ready import look
from virtsim.engines.stepper.rows import event, packet, ring, stage, thread, world
from virtsim.semantics import DUE, UNBLOCK


def publish(a: Words, p: Words, c: Words, r: int, n: int) -> None:
    """Put a packet on a ring; it becomes visible now, or after the ring's delay."""
    if a[r + ring.PUBLISHED] == a[r + ring.TAKEN]:
        a[r + ring.HEAD] = n
    else:
        c[a[r + ring.TAIL] * packet.WORDS + packet.NEXT] = n
    a[r + ring.TAIL] = n
    a[r + ring.PUBLISHED] += 1
    uses = a[r + ring.VISIBLE_USES]
    if a[uses] == 0:
        show(a, r)
        return
    # A ring without a consumer books its delays to the first stage.
    s = a[r + ring.CONSUMER] if a[r + ring.CONSUMER] else a[world.STAGES]
    delay = book_delays(a, p, c, a[s + stage.LEDGER], uses, n)
    when = max(a[world.NOW] + delay, a[r + ring.LAST_VISIBLE])
    a[r + ring.LAST_VISIBLE] = when
    at(a, when, DUE, a[r + ring.RANK], event.VISIBLE, r, 0)


def show(a: Words, r: int) -> None:
    """Make the next packet of a ring visible."""
    a[r + ring.VISIBLE] += 1
    s = a[r + ring.CONSUMER]
    if s == 0:
        return
    t = a[s + stage.THREAD]
    mode = a[t + thread.MODE]
    if mode == thread.PARKED:
        if can_work(a, s):
            found(a, t, s)
    elif mode == thread.SPIN_LOOK:
        look(a, t)


def take(a: Words, c: Words, r: int) -> int:
    """Take the oldest visible packet off a ring."""
    n = a[r + ring.HEAD]
    a[r + ring.HEAD] = c[n * packet.WORDS + packet.NEXT]
    a[r + ring.TAKEN] += 1
    if a[r + ring.FREES] == ring.ON_TAKE:
        freed(a, r)
    return n


def give_back(a: Words, r: int, n: int) -> None:
    """Give back n slots: used-ring entries in tx, fresh buffers in rx."""
    a[r + ring.DONE] += n
    if a[r + ring.FREES] == ring.ON_DONE:
        freed(a, r)
    elif a[r + ring.FREES] == ring.ON_RECLAIM:
        look_for_room(a, r)


def freed(a: Words, r: int) -> None:
    """Let producers that are blocked on a ring go on in phase 2."""
    if a[r + ring.BLOCKED_N]:
        at(a, a[world.NOW], UNBLOCK, a[r + ring.INDEX], event.UNBLOCK, r, 0)
    if a[r + ring.N_LOOKERS]:
        look_for_room(a, r)


@seldom
def look_for_room(a: Words, r: int) -> None:
    """Let parked pollers that wait for room on a ring look when they come by."""
    for i in range(a[r + ring.N_LOOKERS]):
        s = a[a[r + ring.LOOKERS] + i]
        t = a[s + stage.THREAD]
        if a[t + thread.MODE] == thread.PARKED and can_work(a, s):
            found(a, t, s)


def reclaim(a: Words, r: int) -> int:
    """Take back the used slots of a ring and return how many they were."""
    n = a[r + ring.DONE] - a[r + ring.FREED]
    if n:
        a[r + ring.FREED] = a[r + ring.DONE]
        freed(a, r)
    return n


def take_back(a: Words, s: int) -> None:
    """Let a producer that reclaims by itself take back the used slots of the ring ahead."""
    if a[s + stage.RECLAIMS]:
        reclaim(a, a[s + stage.OUT])


def room(a: Words, s: int) -> int:
    """Return the free slots ahead of a stage (without a ring ahead: any number)."""
    return free(a, a[s + stage.OUT]) if a[s + stage.OUT] else UNBOUNDED
