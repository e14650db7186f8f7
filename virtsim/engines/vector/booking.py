"""From what a kernel left behind to money: what packets paid is summed up by columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from virtsim.engines.vector.chain import consumer, rings_in_order, run_of
from virtsim.outcome import Ints
from virtsim.program import NONE, Program

Left = Sequence[tuple[int, Ints]]


@dataclass(frozen=True)
class Ledger:
    """Count, cost and bytes per payer and use."""

    count: Ints
    cost: Ints
    bytes: Ints

    @classmethod
    def blank(cls, program: Program) -> Ledger:
        """Return a ledger without entries."""
        shape = len(program.stages) + len(program.threads), len(program.uses)
        return cls(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))


@dataclass(frozen=True)
class Short:
    """Packets that did not come to the end of the chain, and how far they came.

    A packet's depth is twice the rings that it was put on; one more if it was taken from the last.
    """

    packets: Ints
    depth: Ints


def per_packet(program: Program) -> list[tuple[int, int, int]]:
    """Return who pays which use for each packet that has come how far: (payer, use, depth)."""
    rows: list[tuple[int, int, int]] = []
    order = rings_in_order(program)
    for k, at in enumerate(order):
        taker = consumer(program, at)
        payer = max(taker, 0)
        rows += [(payer, use, 2 * k + 2) for use in program.rings[at].visible]
        if taker == NONE:
            continue
        for s in run_of(program, taker):
            row = program.stages[s]
            polls = program.threads[row.thread].wait == "poll"
            own = row.lead + row.item if s == taker else row.item
            own += () if polls else row.batch_uses  # of one packet
            # A burst that is offered again pays for what fits only.
            depth = 2 * k + 4 if row.full == "retry" and row.role == "inline" else 2 * k + 3
            rows += [(s, use, depth) for use in own]
    return rows


def book(
    paid: list[tuple[int, int, int]], program: Program, columns: list[Ints], sizes: Ints,
    short: Short, ledger: Ledger,
) -> None:  # fmt: skip
    """Add what packets paid, each for as far as it came, to a ledger.

    Parameters
    ----------
    paid
        From ``per_packet``.
    columns
        The price of each use (ps): one for all packets, or one for each.
    sizes
        Bytes of each packet.
    """
    missing: dict[int, Ints] = {}
    for payer, use, least in paid:
        if least not in missing:
            missing[least] = short.packets[short.depth < least]
        without, column = missing[least], columns[use]
        times = len(sizes) - len(without)
        ledger.count[payer, use] += times
        if len(column) == 1:
            ledger.cost[payer, use] += column[0] * times
        else:
            ledger.cost[payer, use] += column.sum() - column[without].sum()
        if program.uses[use].per_byte:
            ledger.bytes[payer, use] += sizes.sum() - sizes[without].sum()


def short_of(program: Program, dropped: Ints, lost: Ints | None = None, left: Left = ()) -> Short:
    """Return the packets that did not come to the end.

    Parameters
    ----------
    dropped
        The ring that dropped each packet, or -1.
    lost
        The packets that were dropped, if they are known.
    left
        Packets that are left over in the end, with their depth.
    """
    place = np.zeros(len(program.rings), dtype=np.int64)
    for k, at in enumerate(rings_in_order(program)):
        place[at] = 2 * k + 1
    if lost is None:
        lost = np.flatnonzero(dropped >= 0)
    packets = [lost, *(mine for _, mine in left)]
    depth = [place[dropped[lost]], *(np.full(len(mine), deep) for deep, mine in left)]
    return Short(np.concatenate(packets), np.concatenate(depth).astype(np.int64))
