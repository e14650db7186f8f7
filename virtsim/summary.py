"""One run in numbers: the entry of `runs` that other programs rely on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from virtsim import ledger
from virtsim.compose.chain import OTHER
from virtsim.histogram import Histogram
from virtsim.model.ops import ops
from virtsim.outcome import STATES
from virtsim.program import Program
from virtsim.running import Played

PS_PER_S = 10**12
PERCENTILES = {
    "p50": Fraction(50, 100),
    "p90": Fraction(90, 100),
    "p99": Fraction(99, 100),
    "p999": Fraction(999, 1000),
}
BUSY, POLLING, RUNNABLE, ASLEEP = range(len(STATES))
NOTIFICATION = ("kick", "call", "wake", "deliver")
"""Causes of work that exists only to tell the other side."""

LINK_FULL, RUNNABLE_LONG, SATURATED, WOKEN, BOTTLENECK = 0.95, 0.25, 0.95, 0.5, 0.9


def summarize(played: Played) -> dict[str, Any]:
    """Return the figures of one run.

    Latencies are in ns, from the measured packets only; counts and CPU are over the whole drained
    run per delivered packet; thread shares are over the measured window, from the first to the last
    measured arrival. The delivered rate is over that window or, if it is longer, over the time from
    the first to the last measured delivery.
    """
    return {
        "packets": played.tally.n,
        "measured": played.tally.measured,
        **_rates(played),
        "drops": _drops(played),
        "in_flight": played.tally.in_flight,
        "latency_ns": _latency(played.tally.latency),
        "per_packet": _per_packet(played),
        "threads": _threads(played),
        "bottleneck": _bottleneck(played),
        "regime": regime(played),
    }


def _rates(played: Played) -> dict[str, float | None]:
    counted = played.tally
    t0, t1 = played.outcome.window_ps
    if t1 <= t0:
        return {"offered_pps": None, "delivered_pps": None, "goodput_bps": None}
    # Overload is still being worked off after the last arrival: that time counts too.
    n_out, span = counted.delivered_measured, max(t1 - t0, counted.last_ps - counted.first_ps)
    return {
        "offered_pps": (counted.measured - 1) * PS_PER_S / (t1 - t0),
        "delivered_pps": max(n_out - 1, 0) * PS_PER_S / span,
        "goodput_bps": counted.bytes_measured * 8 * max(n_out - 1, 0) / max(n_out, 1) * PS_PER_S
        / span,
    }  # fmt: skip


def _drops(played: Played) -> dict[str, int]:
    found: dict[str, int] = {}
    for ring, n in zip(played.program.rings, played.tally.drops, strict=True):
        if n:
            where = ring.drop or ring.name
            found[where] = found.get(where, 0) + n
    return found


def _latency(latency: Histogram) -> dict[str, float | None]:
    names = ("mean", *PERCENTILES, "max")
    mean = latency.mean
    if mean is None:
        return dict.fromkeys(names)
    values: dict[str, float | None] = {"mean": float(mean) / 1000}
    for name, share in PERCENTILES.items():
        at = latency.percentile(share)
        values[name] = None if at is None else at / 1000
    return values | {"max": latency.high / 1000}


def _per_packet(played: Played) -> dict[str, float | None]:
    out, program = played.outcome, played.program
    delivered = played.tally.delivered
    counted = ledger.counters(program, out)
    cpu = [t for t, row in enumerate(program.threads) if row.host_cpu]
    busy = sum(int(out.total[t, BUSY]) for t in cpu)
    polling = _ns(sum(int(out.window[t, POLLING]) for t in cpu), _arrived_in_window(played))
    names = ledger.COUNTERS[:9]
    figures = {name: ledger.per_packet(counted[name], delivered) for name in names}
    wakes = sum(int(out.wakeups[t]) for t in cpu)
    cpu_ns = _ns(busy, delivered)
    return figures | {
        "wakeups": ledger.per_packet(wakes, delivered),
        "cpu_ns": cpu_ns,
        "core_ns": None if cpu_ns is None else cpu_ns + (polling or 0.0),
    }


def _arrived_in_window(played: Played) -> int:
    """Packets that the window's polling is spread over: those delivered of the measured ones.

    What a core polls before the first and after the last of them is not the packets' cost.
    """
    return max(played.tally.delivered_measured - 1, 0)


def _ns(ps: int, delivered: int) -> float | None:
    each = ledger.per_packet(ps, delivered)
    return None if each is None else each / 1000


def _threads(played: Played) -> dict[str, dict[str, Any]]:
    cores = played.program.cores
    return {
        row.name: {
            "core": cores[row.core].name if row.host_cpu else None,
            "node": cores[row.core].node,
            **dict(zip(STATES, _shares(played, t), strict=True)),
        }
        for t, row in enumerate(played.program.threads)
    }


def _shares(played: Played, thread: int) -> list[float]:
    times = played.outcome.window[thread]
    whole = int(times.sum())
    return [float(x) / whole if whole else 0.0 for x in times]


def _busiest(played: Played) -> tuple[int, float]:
    shares = [_shares(played, t)[BUSY] for t in range(len(played.program.threads))]
    thread = int(np.argmax(shares))
    return thread, shares[thread]


def _bottleneck(played: Played) -> str | None:
    thread, share = _busiest(played)
    return played.program.threads[thread].name if share >= BOTTLENECK else None


def regime(played: Played) -> str:
    """Name what limits a run, the first that holds (see the README's table of regimes)."""
    program, out = played.program, played.outcome
    shares = [_shares(played, t) for t in range(len(program.threads))]
    devices = [t for t, row in enumerate(program.threads) if not row.host_cpu]
    if any(shares[t][BUSY] >= LINK_FULL for t in devices):
        return "link"
    if any(share[RUNNABLE] >= RUNNABLE_LONG for share in shares):
        return "scheduler"
    thread, share = _busiest(played)
    if share >= SATURATED:
        return _saturated(played, thread)
    if any(played.tally.drops) or out.stops.any():
        return "ring"
    if polled(program) or _never_told(program):
        return "polled"
    woken = ledger.per_packet(int(out.wakeups.sum()), played.tally.delivered)
    return "woken" if woken is not None and woken >= WOKEN else "batched"


def polled(program: Program) -> bool:
    """Tell whether the host burns a core on polling, as a switch does; a guest's own is not it."""
    return any(row.wait == "poll" and row.kind != "vcpu" for row in program.threads)


def _never_told(program: Program) -> bool:
    """Tell whether everything that runs on a CPU polls, so that nobody is ever notified."""
    return all(row.wait == "poll" for row in program.threads if row.host_cpu)


def _saturated(played: Played, thread: int) -> str:
    """Name what a saturated thread spends half its time on, or its side of the virtqueue."""
    program, out = played.program, played.outcome
    total = int(out.total[thread, BUSY])
    notifying = copying = 0
    for row in ledger.rows(program, out):
        if row.thread != program.threads[thread].name or row.cause == ledger.POLL:
            continue
        notifying += row.busy_ps if row.cause in NOTIFICATION else 0
        copying += row.busy_ps if _copies(row.op) else 0
    if 2 * notifying >= total:
        return "notification"
    if 2 * copying >= total:
        return "copy"
    return "producer" if _produces(program, thread) else "consumer"


def _produces(program: Program, thread: int) -> bool:
    """Tell on which side of the packets' first virtqueue a thread is.

    A guest that sends produces, and only the first of two does; where packets come in by the
    link, the guest consumes what the host's side produces.
    """
    row = program.threads[thread]
    first_guest = row.kind == "vcpu" and not row.name.endswith(OTHER)
    return first_guest == (program.direction in ("tx", "v2v"))


def _copies(op: str) -> bool:
    known = ops().get(op)
    return known is not None and "copied_bytes" in known.counts
