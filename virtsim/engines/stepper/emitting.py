"""Putting packets on the ring ahead, and what happens if it is full."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.books import set_state
from virtsim.engines.stepper.clock import check, wait
from virtsim.engines.stepper.cores import give_way, must_yield, over_at_quantum
from virtsim.engines.stepper.delivering import counter
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, arms, decides, notify, tell
from virtsim.engines.stepper.packets import drop_all, finish, follower, push_batch
from virtsim.engines.stepper.polling import free
from virtsim.engines.stepper.rings import publish
from virtsim.engines.stepper.rows import channel, frame, ring, stage, thread, world
from virtsim.semantics import MASK

NEXT, TOLD, PLACED, HELD, ANNOUNCED, ARMED, ENDED = range(7)


def emit(a: Words, p: Words, c: Words, t: int, s: int, first: int, last: int, many: int) -> int:
    """Put packets on the ring ahead, or end their life if there is none."""
    if a[s + stage.OUT] == 0:
        drop_all(a, c, first, many, 0)
        return world.DONE
    f = push_batch(a, t, frame.EMIT, s, first, last, many)
    a[f + frame.NTH] = -1
    return go_on_emitting(a, p, c, t, s, f, NEXT)


def emit_one(a: Words, p: Words, c: Words, t: int, s: int, n: int) -> int:
    """Put one packet on the ring ahead: as ``emit`` does, but what is usual leaves no frame."""
    r = a[s + stage.OUT]
    if r == 0:
        finish(a, c, n, 0)
        return world.DONE
    if free(a, r) <= 0:
        return emit(a, p, c, t, s, n, n, 1)
    publish(a, p, c, r, n)
    h, told, step = a[r + ring.FORWARD], 0, ARMED
    if a[s + stage.DECIDES_EACH]:
        if h and decides(a, h, 0):
            told = 1
        if told or a[a[s + stage.ON_PUBLISH]]:
            step = ANNOUNCED
    stops = a[s + stage.FULL] == stage.STOP and free(a, r) < a[s + stage.ROOM]
    if step == ARMED and not stops:
        return world.DONE
    f = push_batch(a, t, frame.EMIT, s, n, n, 0)
    a[f + frame.NTH] = n
    if told and tell(a, p, c, t, s, h, n):
        return stop(a, f, frame.EMIT, ANNOUNCED)
    return finish_emitting(a, p, c, t, s, f, step)


@resumed(frame.EMIT)
def go_on_emitting(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with a batch: FIRST and LEFT are what is left, I the last packet placed."""
    r = a[s + stage.OUT]
    while step < ANNOUNCED:
        if step == NEXT:
            if a[f + frame.LEFT] == 0:
                break
            n = a[f + frame.FIRST]
            a[f + frame.PACKET], a[f + frame.FIRST] = n, follower(c, n)
            a[f + frame.LEFT] -= 1
            if free(a, r) > 0:
                step = PLACED
                publish(a, p, c, r, n)
            elif a[s + stage.FULL] == stage.BLOCK:
                step = TOLD
                if announce_placed(a, p, c, t, s, r, n):
                    return stop(a, f, frame.EMIT, TOLD)
            elif a[s + stage.FULL] == stage.HOLD:
                step = HELD
                if hold_packet(a, p, c, t, s, r, n):
                    return stop(a, f, frame.EMIT, HELD)
            else:
                drop_all(a, c, n, 1, r)
        if a[s + stage.FULL] == stage.BLOCK and step == TOLD:
            step = PLACED
            if free(a, r) > 0:
                publish(a, p, c, r, a[f + frame.PACKET])
            elif block(a, t, r, a[f + frame.PACKET]):
                return stop(a, f, frame.EMIT, PLACED)
        if step == PLACED or (step == HELD and a[s + stage.HELD] < 0):
            a[f + frame.NTH] = a[f + frame.PACKET]
        step = NEXT
    return finish_emitting(a, p, c, t, s, f, step)


def finish_emitting(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Decide and arm for what was placed, and stop if the ring is now full enough."""
    n = a[f + frame.NTH]
    r = a[s + stage.OUT]
    if step == NEXT:
        step = ARMED
        if n >= 0 and a[s + stage.DECIDES_EACH]:
            step = ANNOUNCED
            if notify(a, p, c, t, s, a[r + ring.FORWARD], n, 0):
                return stop(a, f, frame.EMIT, ANNOUNCED)
    if step == ANNOUNCED:
        step = ARMED
        if arms(a, p, c, t, s, a[s + stage.ON_PUBLISH], n, ALL):
            return stop(a, f, frame.EMIT, ARMED)
    stops = step == ARMED and a[s + stage.FULL] == stage.STOP and a[s + stage.STOPPED] == 0
    if stops and free(a, r) < a[s + stage.ROOM]:
        a[s + stage.STOPPED] = 1
        a[s + stage.STOPS] += 1
        if arms(a, p, c, t, s, a[s + stage.ON_STOP], a[f + frame.LAST], ALL):
            return stop(a, f, frame.EMIT, ENDED)
    return pop(a, t)


@seldom
def announce_placed(a: Words, p: Words, c: Words, t: int, s: int, r: int, n: int) -> int:
    """Before it blocks, a stage decides on what it has published but not decided on yet."""
    h = a[r + ring.FORWARD]
    if h and a[h + channel.OLD] != counter(a, h) & MASK:
        return notify(a, p, c, t, s, h, n, 0)
    return world.DONE


# -- blocking ----------------------------------------------------------------------------------

WAITED, GAVE_WAY, CHECKED = range(3)


@seldom
def block(a: Words, t: int, r: int, n: int) -> int:
    """Wait on the core for a slot; publish in phase 2, go on in the next check."""
    f = push(a, t, frame.BLOCKED, 0)
    size = a[world.N_THREADS]
    place = (a[r + ring.BLOCKED_FIRST] + a[r + ring.BLOCKED_N]) % size
    a[a[r + ring.BLOCKED] + place] = t
    a[r + ring.BLOCKED_N] += 1
    a[t + thread.PLACED], a[t + thread.BLOCKED_PACKET] = 0, n
    return wait_blocked(a, t, f)


@seldom
def wait_blocked(a: Words, t: int, f: int) -> int:
    """Wait for a slot; a blocked thread loses its core like any other, but not its place."""
    set_state(a, t, thread.POLLING)
    over_at_quantum(a, t)
    stop(a, f, frame.BLOCKED, WAITED)
    return wait(a, t, thread.BLOCKED)


@seldom
def go_on_blocked(a: Words, t: int, f: int, step: int) -> int:
    """Go on once the packet is placed."""
    if step == CHECKED:
        return pop(a, t)
    if not a[t + thread.PLACED]:
        if must_yield(a, t):
            stop(a, f, frame.BLOCKED, GAVE_WAY)
            return give_way(a, t)
        return wait_blocked(a, t, f)
    set_state(a, t, thread.BUSY)
    if check(a, t):
        return stop(a, f, frame.BLOCKED, CHECKED)
    return pop(a, t)


# -- holding -----------------------------------------------------------------------------------

ASKED, LOOKED, CALMED = range(3)


@seldom
def hold_packet(a: Words, p: Words, c: Words, t: int, s: int, r: int, n: int) -> int:
    """Keep one packet in hand, ask to be told of a slot, and look once more."""
    f = push(a, t, frame.HOLD, s)
    a[f + frame.PACKET] = n
    if arms(a, p, c, t, s, a[s + stage.ON_STOP], n, ALL):
        return stop(a, f, frame.HOLD, ASKED)
    return go_on_holding(a, p, c, t, s, f, ASKED)


@seldom
@resumed(frame.HOLD)
def go_on_holding(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Look once more, and publish or keep the packet."""
    n = a[f + frame.PACKET]
    r = a[s + stage.OUT]
    if step == ASKED:
        step = LOOKED
        if check(a, t):
            return stop(a, f, frame.HOLD, LOOKED)
    if step == LOOKED:
        if free(a, r) <= 0:
            a[s + stage.HELD], a[s + stage.STOPPED] = n, 1
            a[s + stage.STOPS] += 1
            return pop(a, t)
        if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], n, ALL):
            return stop(a, f, frame.HOLD, CALMED)
    publish(a, p, c, r, n)
    return pop(a, t)
