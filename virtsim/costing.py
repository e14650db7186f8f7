"""Cost becomes integer time here, for all engines, rounded once per op and packet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from virtsim import costs
from virtsim.chance import Words, draws, scaled
from virtsim.compose import STEP, WIRE
from virtsim.costs import Cost, Profile
from virtsim.outcome import Ints, Packets, Prices
from virtsim.program import Program, Use
from virtsim.traffic import WIRE_OVERHEAD_B

PS_PER_NS = 1000
PS_PER_S = 10**12


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
    columns = columns_of(
        program, profile, packets.size_b, nic_bps, seed=seed, replication=replication
    )
    offset = np.cumsum([0, *(len(c) for c in columns)], dtype=np.int64)[:-1]
    step = np.array([int(len(c) > 1) for c in columns], dtype=np.int64)
    flat = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
    return Prices(flat, offset, step)


def columns_of(
    program: Program,
    profile: Profile,
    size_b: Ints,
    nic_bps: int,
    *,
    seed: int,
    replication: int,
    start: int = 0,
    alike: bool | None = None,
) -> list[Ints]:
    """Return the prices of each use: one for all packets, or one for each.

    Parameters
    ----------
    size_b
        int64[n]: the packets' lengths; the first of them is packet number ``start``.
    alike
        Whether all packets of the run have one length; by default, whether these have.
    """
    n = len(size_b)
    if alike is None:
        alike = bool(n) and bool((size_b == size_b[0]).all())
    sizes = size_b[:1] if alike else size_b
    first = {row.item[0] for row in program.stages if row.item}
    draw = _Draw(seed, replication, n, start)
    return [
        np.maximum(_column(use, profile, sizes, draw, nic_bps), int(i in first))
        for i, use in enumerate(program.uses)
    ]


@dataclass(frozen=True)
class _Draw:
    """Names the draws of n packets from number ``start`` on."""

    seed: int
    replication: int
    n: int
    start: int

    def words(self, use: Use) -> Words:
        name = f"cost.{use.part}.{use.op}.{use.cause}"
        return draws(self.seed, self.replication, name, self.n, self.start)


def cost_of(profile: Profile, op: str) -> Cost:
    """Return the cost of an op as a Program spells it: ``kick.vcpu:mmio`` is a kick by MMIO."""
    return costs.cost_of(profile, op)


def _column(use: Use, profile: Profile, sizes: Ints, draw: _Draw, nic_bps: int) -> Ints:
    """Return the prices of one use: one for all packets, or one for each."""
    if use.op == STEP:
        return np.ones(1, dtype=np.int64)
    if use.op == WIRE:
        return _rounded(
            sizes, lambda size: Fraction((size + WIRE_OVERHEAD_B) * 8 * PS_PER_S, nic_bps)
        )
    cost = cost_of(profile, use.op)
    ps = cost.value * PS_PER_NS
    column = (
        _rounded(sizes, lambda size: size * ps)
        if use.per_byte
        else np.array([_half_up(ps)], dtype=np.int64)
    )
    if cost.dist == "constant" or use.cause == "poll":
        # A poller's clock is computed, not played: a look that finds nothing has one price.
        return column
    u = draw.words(use)
    drawn = np.zeros(draw.n, dtype=np.int64)
    for mean in np.unique(column):
        mine = np.broadcast_to(column, draw.n) == mean
        drawn[mine] = scaled(int(mean), cost.dist, cost.cv, u[mine])
    return drawn


def _rounded(sizes: Ints, price_ps: Callable[[int], Fraction]) -> Ints:
    """Return a price of each size, rounded half up, exactly."""
    unlike, which = np.unique(sizes, return_inverse=True)
    prices = [_half_up(price_ps(int(size))) for size in unlike]
    return np.array(prices, dtype=np.int64)[which]


def _half_up(ps: Fraction) -> int:
    return (2 * ps.numerator + ps.denominator) // (2 * ps.denominator)
