"""Money and time: the ledger's cells, the states of threads, the stamps of packets."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, seldom
from virtsim.engines.stepper.rows import cell, core, packet, thread, use, world


def price(a: Words, p: Words, u: int, n: int) -> int:
    """Return the price of a use on a packet."""
    return p[a[u + use.PRICE] + (n & a[u + use.MASK])]


def prices(a: Words, p: Words, uses: int, n: int) -> int:
    """Return the sum of the prices of uses."""
    total = 0
    for i in range(a[uses]):
        total += price(a, p, uses + 1 + i * use.SIZE, n)
    return total


def book(a: Words, c: Words, ledger: int, u: int, n: int, cost: int, times: int) -> None:
    """Book a use to a payer."""
    x = ledger + a[u + use.CELL]
    a[x + cell.COUNT] += times
    a[x + cell.PS] += cost
    if a[u + use.PER_BYTE]:
        a[x + cell.BYTES] += c[n * packet.WORDS + packet.SIZE_B] * times


def book_delays(a: Words, p: Words, c: Words, ledger: int, uses: int, n: int) -> int:
    """Book delays to whoever they hold up and return their sum."""
    total = 0
    for i in range(a[uses]):
        u = uses + 1 + i * use.SIZE
        cost = price(a, p, u, n)
        book(a, c, ledger, u, n, cost, 1)
        total += cost
    return total


def first_stop(a: Words, k: int, when: int) -> int:
    """Return the last interruption of a core that began at or before a time, or the first."""
    low, high, at = 0, a[k + core.STOPS], a[k + core.STOPS_AT]
    while low < high:
        middle = (low + high) >> 1
        if a[at + middle] <= when:
            low = middle + 1
        else:
            high = middle
    return max(0, low - 1)


@seldom
def stretched(a: Words, k: int, start: int, busy: int) -> int:
    """Return the end of a use on a core with interruptions (see ``semantics.stretch``)."""
    end = start + busy
    n, at, long = a[k + core.STOPS], a[k + core.STOPS_AT], a[k + core.STOPS_FOR]
    i = first_stop(a, k, start)
    if i < n and a[at + i] <= start:
        end += max(0, a[at + i] + a[long + i] - start)
        i += 1
    while i < n and a[at + i] < end:
        end += a[long + i]
        i += 1
    return end


@seldom
def interrupted(a: Words, k: int, begin: int, until: int) -> int:
    """Return how long a core was interrupted between two moments."""
    n, at, long = a[k + core.STOPS], a[k + core.STOPS_AT], a[k + core.STOPS_FOR]
    total, i = 0, first_stop(a, k, begin)
    while i < n and a[at + i] < until:
        total += max(0, min(a[at + i] + a[long + i], until) - max(a[at + i], begin))
        i += 1
    return total


def set_state(a: Words, t: int, state: int) -> None:
    """Book the time in the old state and begin another."""
    now, acc = a[world.NOW], a[t + thread.ACC]
    a[acc + a[t + thread.STATE]] += now - a[t + thread.SINCE]
    if a[t + thread.UNEVEN] and a[t + thread.STOLEN_FROM] >= 0:
        lost = interrupted(a, a[t + thread.CORE], a[t + thread.STOLEN_FROM], now)
        a[acc + a[t + thread.STATE]] -= lost
        a[acc + thread.RUNNABLE] += lost
        a[t + thread.STOLEN] += lost
        a[t + thread.STOLEN_FROM] = now
    a[t + thread.STATE], a[t + thread.SINCE] = state, now


def arrive(a: Words, c: Words, n: int) -> None:
    """Stamp an arrival; the first and the last measured one bound the window."""
    c[n * packet.WORDS + packet.ARRIVED] = a[world.NOW]
    a[world.N_ARRIVED] += 1
    if a[world.N_ARRIVED] == a[world.WARMUP] + 1 or a[world.N_ARRIVED] == a[world.N]:
        mark(a)


@seldom
def mark(a: Words) -> None:
    """Keep the time of every thread in every state, as it stands now."""
    first = a[world.MARKS] == 0
    a[world.MARKS] += 1
    if first:
        a[world.MARK] = a[world.NOW]
    a[world.LAST_MARK] = a[world.NOW]
    for i in range(a[world.N_THREADS]):
        t = a[world.THREADS] + i * thread.SIZE
        set_state(a, t, a[t + thread.STATE])
        acc = a[t + thread.ACC]
        for state in range(4):
            if first:
                a[acc + 4 + state] = a[acc + state]
            a[acc + 8 + state] = a[acc + state]


@seldom
def cut_short(a: Words, t: int) -> None:
    """Take back what an op that the end of the run cuts short was booked too much."""
    end = a[t + thread.UNDER_END]
    if a[t + thread.MODE] == thread.OP and end > a[world.NOW]:
        x = a[t + thread.UNDER_CELL]
        a[x + cell.COUNT] -= 1
        lost = interrupted(a, a[t + thread.CORE], a[world.NOW], end)
        a[x + cell.PS] += a[world.NOW] - end + lost
        a[x + cell.BYTES] -= a[t + thread.UNDER_BYTES]
