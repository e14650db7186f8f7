"""A device with several servers: packets are in service side by side, on no host CPU."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words
from virtsim.engines.stepper.books import arrive, book_delays
from virtsim.engines.stepper.clock import at, check
from virtsim.engines.stepper.delivering import announce
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, arms
from virtsim.engines.stepper.packets import finish
from virtsim.engines.stepper.polling import free, waiting
from virtsim.engines.stepper.ready import enqueue
from virtsim.engines.stepper.rings import give_back, publish, take
from virtsim.engines.stepper.rows import event, frame, packet, ring, stage, world
from virtsim.semantics import DUE

LOOP, LOOKED, REARMED, AGAIN = range(4)


def admit(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Put waiting packets into free servers; ask to be told of more once none waits."""
    f = push(a, t, frame.ADMIT, s)
    return go_on_admitting(a, p, c, t, s, f, LOOP)


@resumed(frame.ADMIT)
def go_on_admitting(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with admitting."""
    r = a[s + stage.RING]
    while True:
        if step == LOOP:
            step = LOOKED
            if check(a, t):
                return stop(a, f, frame.ADMIT, LOOKED)
        if step == LOOKED:
            while waiting(a, r) > 0 and a[s + stage.IN_SERVICE] < a[s + stage.SERVERS]:
                begin(a, p, c, s, take(a, c, r))
            if waiting(a, r) > 0:
                return pop(a, t)
            step = REARMED
            if arms(a, p, c, t, s, a[s + stage.ON_EMPTY], 0, ALL):
                return stop(a, f, frame.ADMIT, REARMED)
        if step == REARMED:
            step = AGAIN
            if check(a, t):
                return stop(a, f, frame.ADMIT, AGAIN)
        if step == AGAIN:
            if waiting(a, r) == 0:
                return pop(a, t)
            step = LOOP
            if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, ALL):
                return stop(a, f, frame.ADMIT, LOOP)


def begin(a: Words, p: Words, c: Words, s: int, n: int) -> None:
    """Put a packet into a server."""
    if c[n * packet.WORDS + packet.ARRIVED] < 0:
        arrive(a, c, n)
    a[s + stage.IN_SERVICE] += 1
    service = max(1, book_delays(a, p, c, a[s + stage.LEDGER], a[s + stage.ITEM], n))
    at(a, a[world.NOW] + service, DUE, a[s + stage.TIMER_RANK], event.COMPLETE, s, n)


def complete(a: Words, p: Words, c: Words, s: int, n: int) -> None:
    """Hand a packet on, give its slot back, and let the next one be admitted."""
    a[s + stage.IN_SERVICE] -= 1
    behind, ahead = a[s + stage.RING], a[s + stage.OUT]
    if ahead == 0:
        finish(a, c, n, 0)
    elif free(a, ahead) > 0:
        publish(a, p, c, ahead, n)
        if a[a[ahead + ring.VISIBLE_USES]] == 0:
            tell(a, p, c, a[ahead + ring.FORWARD])
    else:
        finish(a, c, n, ahead)
    give_back(a, behind, 1)
    tell(a, p, c, a[behind + ring.REVERSE])
    if waiting(a, behind) > 0:
        enqueue(a, p, c, s, 0)


def tell(a: Words, p: Words, c: Words, h: int) -> None:
    """Announce on a channel, if there is one."""
    if h:
        announce(a, p, c, h)
