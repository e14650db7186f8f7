"""Sources: what comes, when, and onto which ring."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import arrive
from virtsim.engines.stepper.clock import at, set_leaf, turn_of
from virtsim.engines.stepper.delivering import announce
from virtsim.engines.stepper.packets import finish
from virtsim.engines.stepper.polling import free
from virtsim.engines.stepper.rings import publish
from virtsim.engines.stepper.rows import event, packet, ring, source, world
from virtsim.semantics import DUE


@seldom
def start_sources(a: Words, c: Words) -> None:
    """Put every source's first packets on the clock."""
    for i in range(a[world.N_SOURCES]):
        y = a[world.SOURCES] + i * source.SIZE
        if a[y + source.KIND] == source.OPEN:
            follow(a, c, y)
        elif a[y + source.KIND] == source.SATURATE:
            at(a, 0, DUE, a[y + source.RANK], event.FLOOD, y, 0)
        else:
            for _ in range(a[y + source.OUTSTANDING]):
                n = a[y + source.UPCOMING]
                if n < 0:
                    break
                a[y + source.UPCOMING] = c[n * packet.WORDS + packet.FOLLOWER]
                when = c[n * packet.WORDS + packet.AT]
                at(a, when, DUE, a[y + source.RANK], event.OFFER, y, n)


def follow(a: Words, c: Words, y: int) -> None:
    """Put a source's next instant on the clock."""
    n = a[y + source.UPCOMING]
    if n >= 0:
        when = c[n * packet.WORDS + packet.AT]
        set_leaf(a, a[y + source.LEAF], when, turn_of(a, when, DUE, a[y + source.RANK]), 0)


def arrivals(a: Words, p: Words, c: Words, y: int) -> None:
    """Let all packets arrive that are due now."""
    n = a[y + source.UPCOMING]
    while n >= 0 and c[n * packet.WORDS + packet.AT] == a[world.NOW]:
        offer(a, p, c, y, n)
        n = c[n * packet.WORDS + packet.FOLLOWER]
    a[y + source.UPCOMING] = n
    follow(a, c, y)


def offer(a: Words, p: Words, c: Words, y: int, n: int) -> None:
    """Stamp an arrival, put the packet on its ring or drop it there, and announce it."""
    r = a[y + source.RING]
    arrive(a, c, n)
    if free(a, r) <= 0:
        finish(a, c, n, r)
        return
    publish(a, p, c, r, n)
    if a[r + ring.FORWARD] and a[a[r + ring.VISIBLE_USES]] == 0:
        announce(a, p, c, a[r + ring.FORWARD])


@seldom
def flood(a: Words, p: Words, c: Words, y: int) -> None:
    """All packets are there; each arrives when its sender starts it."""
    r, n = a[y + source.RING], a[y + source.UPCOMING]
    while n >= 0:
        publish(a, p, c, r, n)
        n = c[n * packet.WORDS + packet.FOLLOWER]
    if a[r + ring.FORWARD]:
        announce(a, p, c, a[r + ring.FORWARD])
