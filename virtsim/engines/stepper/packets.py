"""A packet's beginning and end, and batches: chains of packets with a first and a last."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched
from virtsim.engines.stepper.clock import at
from virtsim.engines.stepper.frames import push
from virtsim.engines.stepper.rows import event, frame, packet, ring, source, world
from virtsim.semantics import DUE


def follower(c: Words, n: int) -> int:
    """Return the packet behind one in its batch."""
    return c[n * packet.WORDS + packet.NEXT]


def push_batch(a: Words, t: int, routine: int, s: int, first: int, last: int, many: int) -> int:
    """Put a frame on the stack for a routine that works on a batch."""
    f = push(a, t, routine, s)
    a[f + frame.FIRST] = first
    a[f + frame.LAST], a[f + frame.LEFT] = last, many
    return f


def finish(a: Words, c: Words, n: int, r: int) -> None:
    """Stamp the end of a packet's life: delivered, or dropped at a ring."""
    x = n * packet.WORDS
    if r:
        c[x + packet.DROPPED] = a[r + ring.INDEX]
    else:
        c[x + packet.DELIVERED] = a[world.NOW]
    a[world.FINISHED] += 1
    if a[world.HAS_LOOPS]:
        close_loop(a, c, a[world.SOURCES] + c[x + packet.SOURCE] * source.SIZE)


@dispatched("y")
def close_loop(a: Words, c: Words, y: int) -> None:
    """Let the next packet of a closed loop come, a think time after the end of one."""
    if a[y + source.KIND] == source.CLOSED and a[y + source.UPCOMING] >= 0:
        following = a[y + source.UPCOMING]
        a[y + source.UPCOMING] = c[following * packet.WORDS + packet.FOLLOWER]
        when = a[world.NOW] + a[y + source.THINK_PS]
        at(a, when, DUE, a[y + source.RANK], event.OFFER, y, following)


def drop_all(a: Words, c: Words, first: int, many: int, r: int) -> None:
    """End the life of packets: dropped at a ring, or delivered if there is none."""
    n = first
    for _ in range(many):
        behind = follower(c, n)
        finish(a, c, n, r)
        n = behind
