"""A chain of hops with its state, through which packets go chunk by chunk."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.arena import power_of_two
from virtsim.engines.vector.chain import consumer, rings_in_order
from virtsim.engines.vector.tandem import hops
from virtsim.outcome import Ints
from virtsim.program import Program

FOR_EVER = 1 << 61
Column = Ints
"""Costs of a hop: one for all packets of a chunk, or one for each."""


class Chain:
    """The hops of a Program.

    Parameters
    ----------
    window
        The first and the last measured arrival, ps.
    """

    def __init__(self, program: Program, window: tuple[int, int]) -> None:
        self.window = window
        self.rings = rings_in_order(program)
        self.stages = [consumer(program, ring) for ring in self.rings]
        places = [program.rings[ring].capacity for ring in self.rings]
        self.state = np.zeros((len(self.rings), hops.SIZE), dtype=np.int64)
        self.stamps = [np.full(power_of_two(max(1, n)), -1, dtype=np.int64) for n in places]
        for row, ring, n, stamps in zip(self.state, self.rings, places, self.stamps, strict=True):
            row[hops.ENDED], row[hops.RING] = -1, ring
            row[hops.MASK], row[hops.BEHIND] = len(stamps) - 1, -n
            row[hops.EARLY] = 0 if n else FOR_EVER
        self.at_edge = False
        """Whether the last chunk was gone through hop by hop, and the window respected;
        if not, all its work lies before the window, or all of it inside."""
        self._lost = np.empty(0, dtype=np.int64)
        self._hop, self._two = machine.kernel(hops.hop), machine.kernel(hops.two_hops)
        self._edge = machine.kernel(hops.hop_at_edge)

    def through(self, at: Ints, now: Ints, costs: list[Column], dropped: Ints) -> Ints:
        """Let packets through, in place; return those that were dropped.

        Parameters
        ----------
        at
            int64[n], ps: arrivals, not before those of all packets before.
        now
            The same; they become the times of delivery, or -1.
        dropped
            int64[n]: gets the ring that dropped a packet where one did.
        """
        for row, mine in zip(self.state, costs, strict=True):
            row[hops.STEP] = -1 if len(mine) > 1 else 0
        if len(self._lost) < len(now):
            self._lost = np.empty(len(now), dtype=np.int64)
        first, (begin, end) = int(now[0]), self.window
        self.at_edge = not machine.available()
        if self.at_edge:
            return self._at_edge(now, costs, dropped)
        before = self.state.copy(), [stamps.copy() for stamps in self.stamps]
        lost = self._inside(now, costs, dropped)
        ends = self.state[:, hops.ENDED]
        if (first < begin and (ends > begin).any()) or (ends > end).any():
            self.at_edge = True
            self.state, self.stamps = before
            now[:] = at
            dropped[lost] = -1
            lost = self._at_edge(now, costs, dropped)
        return lost

    def _inside(self, now: Ints, costs: list[Column], dropped: Ints) -> Ints:
        """Let packets through, two hops at a time."""
        n, k, many = len(now), len(costs), 0
        for i in range(0, k - 1, 2):
            j = i + 1
            many = self._two(
                now, costs[i], costs[j], self.stamps[i], self.stamps[j], self.state[i],
                self.state[j], dropped, self._lost, n, many,
            )  # fmt: skip
        if k % 2:
            many = self._hop(now, costs[-1], self.stamps[-1], self.state[-1], dropped, self._lost,
                             n, many)  # fmt: skip
        return self._lost[:many].copy()

    def _at_edge(self, now: Ints, costs: list[Column], dropped: Ints) -> Ints:
        """Let packets through hop by hop, and book what lies outside of the window."""
        lost = [self._one(i, now, mine, dropped) for i, mine in enumerate(costs)]
        return np.concatenate(lost)

    def _one(self, i: int, now: Ints, mine: Column, dropped: Ints) -> Ints:
        stamps, row = self.stamps[i], self.state[i]
        if not machine.available() and scan(now, mine, stamps, row, self.window):
            return np.zeros(0, dtype=np.int64)
        given = [machine.words(x) for x in (now, mine, stamps, row, dropped, self._lost)]
        many = self._edge(*given, len(now), 0, *self.window)
        for values, kept in zip((now, stamps, row, dropped, self._lost),
                                (given[0], *given[2:]), strict=True):  # fmt: skip
            values[:] = kept
        return self._lost[:many].copy()


def scan(now: Ints, mine: Column, stamps: Ints, row: Ints, window: tuple[int, int]) -> bool:
    """Let packets through a hop without a loop, if it drops none of them; tell whether it was so.

    The end of service n is the sum of all work up to n, and the running maximum of what there was
    of time before each beginning: both are one pass over the column.
    """
    live = now >= 0
    at = now[live]
    if not len(at):
        return True
    costs = mine[live] if len(mine) > 1 else np.full(len(at), mine[0])
    work = np.cumsum(costs)
    ends = work + np.maximum.accumulate(np.maximum(at - (work - costs), row[hops.ENDED]))
    begins, joined, places = ends - costs, int(row[hops.JOINED]), -int(row[hops.BEHIND])
    if places:
        last = stamps[np.arange(joined - places, joined) & row[hops.MASK]]
        if (np.concatenate([last, begins])[: len(at)] >= at).any():
            return False
    some = np.arange(max(0, len(at) - len(stamps)), len(at))
    stamps[(joined + some) & row[hops.MASK]] = begins[some]
    before = np.concatenate([row[hops.ENDED : hops.ENDED + 1], ends[:-1]])
    row[hops.WOKEN] += (at > before).sum()
    row[hops.ENDED], row[hops.JOINED] = ends[-1], joined + len(at)
    first, end = window
    row[hops.BEFORE] += np.maximum(0, np.minimum(ends, first) - begins).sum()
    row[hops.AFTER] += np.maximum(0, ends - np.maximum(begins, end)).sum()
    now[live] = ends
    return True
