"""Cost becomes integer time here, for all engines, rounded once per op and packet."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from virtsim import costs
from virtsim.chance import draws, scaled
from virtsim.compose import STEP, WIRE
from virtsim.costs import Cost, Profile
from virtsim.outcome import Ints, Packets, Prices
from virtsim.program import Program, Use

PS_PER_NS = 1000
WIRE_OVERHEAD_B = 20
"""Preamble, start delimiter and inter-frame gap."""


def price(
    program: Program,
    profile: Profile,
    packets: Packets,
    nic_bps: int,
    *,
    seed: int = 1,
    replication: int = 0,
) -> Prices:
    """Return the price of every use of a Program on every packet.

    Parameters
    ----------
    packets
        Their sizes set per-byte and wire prices.
    nic_bps
        Rate of the link (bit/s).
    seed, replication
        Name the draws of distributed prices; a draw depends on nothing else than these, the part,
        op and cause, and the packet's number.

    Raises
    ------
    InputError
        If the profile has no price for an op.
    """
    sizes = packets.size_b
    if len(sizes) and (sizes == sizes[0]).all():
        sizes = sizes[:1]
    first = {row.item[0] for row in program.stages if row.item}
    columns = [
        np.maximum(column, int(i in first))
        for i, column in enumerate(
            _column(use, profile, sizes, len(packets), nic_bps, seed, replication)
            for use in program.uses
        )
    ]
    offset = np.cumsum([0, *(len(c) for c in columns)], dtype=np.int64)[:-1]
    step = np.array([int(len(c) > 1) for c in columns], dtype=np.int64)
    flat = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
    return Prices(flat, offset, step)


def cost_of(profile: Profile, op: str) -> Cost:
    """Return the cost of an op as a Program spells it: ``kick.vcpu:mmio`` is a kick by MMIO."""
    return costs.cost_of(profile, op)


def _column(
    use: Use, profile: Profile, sizes: Ints, n: int, nic_bps: int, seed: int, replication: int
) -> Ints:
    """Return the prices of one use: one for all packets, or one for each."""
    if use.op == STEP:
        return np.ones(1, dtype=np.int64)
    if use.op == WIRE:
        bits = (sizes + WIRE_OVERHEAD_B) * 8
        return _rounded(bits, Fraction(10**12, nic_bps))
    cost = cost_of(profile, use.op)
    ps = cost.value * PS_PER_NS
    column = _rounded(sizes, ps) if use.per_byte else np.array([_half_up(ps)], dtype=np.int64)
    if cost.dist == "constant" or use.cause == "poll":
        # A poller's clock is computed, not played: a look that finds nothing has one price.
        return column
    u = draws(seed, replication, f"cost.{use.part}.{use.op}.{use.cause}", n)
    means = np.unique(column)
    drawn = np.zeros(n, dtype=np.int64)
    for mean in means:
        mine = np.broadcast_to(column, n) == mean
        drawn[mine] = scaled(int(mean), cost.dist, cost.cv, u[mine])
    return drawn


def _rounded(counts: Ints, each: Fraction) -> Ints:
    """Return counts x each, rounded half up, exactly."""
    wide = counts.astype(object) * each.numerator * 2 + each.denominator
    return np.array([int(w) // (2 * each.denominator) for w in wide], dtype=np.int64)


def _half_up(ps: Fraction) -> int:
    return (2 * ps.numerator + ps.denominator) // (2 * ps.denominator)
