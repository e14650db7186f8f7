"""A chain of hops with its state, through which packets go chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.chain import consumer, rings_in_order
from virtsim.engines.vector.tandem import hops
from virtsim.outcome import Ints
from virtsim.program import Program


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
        self.stamps = [np.full(n or 2, -1, dtype=np.int64) for n in places]
        for row, ring, n in zip(self.state, self.rings, places, strict=True):
            row[hops.ENDED], row[hops.RING] = -1, ring
            row[hops.PLACES], row[hops.BEHIND] = (n, 0) if n else (1, 1)
        self.at_edge = False
        """Whether the last chunk was gone through hop by hop, and the window respected;
        if not, all its work lies before the window, or all of it inside."""
        self._lost = np.empty(0, dtype=np.int64)
        self._between = np.empty((2, 0), dtype=np.int64)
        self._hop, self._two = machine.kernel(hops.hop), machine.kernel(hops.two_hops)
        self._edge = machine.kernel(hops.hop_at_edge)

    def through(self, at: Ints, out: Ints, costs: list[Ints], dropped: Ints) -> Ints:
        """Let packets through; return those that were dropped.

        Parameters
        ----------
        at
            int64[n], ps: arrivals, not before those of all packets before.
        out
            int64[n]: gets the times of delivery, or -1.
        costs
            int64[n] of each hop, ps.
        dropped
            int64[n]: gets the ring that dropped a packet where one did.
        """
        if len(self._lost) < len(at):
            self._lost = np.empty(len(at), dtype=np.int64)
            self._between = np.empty((2, len(at)), dtype=np.int64)
        first, (begin, end) = int(at[0]), self.window
        self.at_edge = not machine.available()
        if self.at_edge:
            return self._at_edge(at, out, costs, dropped)
        before = self.state.copy(), [stamps.copy() for stamps in self.stamps]
        lost = self._inside(at, out, costs, dropped)
        ends = self.state[:, hops.ENDED]
        if (first < begin and (ends > begin).any()) or (ends > end).any():
            self.at_edge = True
            self.state, self.stamps = before
            dropped[lost] = -1
            lost = self._at_edge(at, out, costs, dropped)
        return lost

    def _ways(self, at: Ints, out: Ints, passes: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield what each pass reads and what it writes, which is never the same."""
        for i in range(passes - 1):
            between = self._between[i % 2, : len(at)]
            yield at, between
            at = between
        yield at, out

    def _inside(self, at: Ints, out: Ints, costs: list[Ints], dropped: Ints) -> Ints:
        """Let packets through, two hops at a time."""
        n, many = len(at), 0
        for i, (mine, then) in enumerate(self._ways(at, out, (len(costs) + 1) // 2)):
            some = slice(2 * i, 2 * i + 2)
            rows = *costs[some], *self.stamps[some], *self.state[some]
            play = self._two if len(costs[some]) == 2 else self._hop
            many = play(mine, then, *rows, dropped, self._lost, n, many)
        return self._lost[:many].copy()

    def _at_edge(self, at: Ints, out: Ints, costs: list[Ints], dropped: Ints) -> Ints:
        """Let packets through hop by hop, and book what lies outside of the window."""
        ways = enumerate(self._ways(at, out, len(costs)))
        lost = [self._one(i, mine, then, costs[i], dropped) for i, (mine, then) in ways]
        return np.concatenate(lost)

    def _one(self, i: int, at: Ints, out: Ints, mine: Ints, dropped: Ints) -> Ints:
        stamps, row = self.stamps[i], self.state[i]
        if not machine.available() and scan(at, out, mine, stamps, row, self.window):
            return np.zeros(0, dtype=np.int64)
        given = [machine.words(x) for x in (at, out, mine, stamps, row, dropped, self._lost)]
        many = self._edge(*given, len(at), 0, *self.window)
        for values, kept in zip((out, stamps, row, dropped, self._lost),
                                (given[1], *given[3:]), strict=True):  # fmt: skip
            values[:] = kept
        return self._lost[:many].copy()


def scan(
    at: Ints, out: Ints, costs: Ints, stamps: Ints, row: Ints, window: tuple[int, int]
) -> bool:
    """Let packets through a hop without a loop, if it drops none of them; tell whether it was so.

    The end of service n is the sum of all work up to n, and the running maximum of what there was
    of time before each beginning: both are one pass over the column.
    """
    live = at >= 0
    out[:] = -1
    at, costs = at[live], costs[live]
    if not len(at):
        return True
    work = np.cumsum(costs)
    ends = work + np.maximum.accumulate(np.maximum(at - (work - costs), row[hops.ENDED]))
    begins = ends - costs
    if not row[hops.BEHIND]:
        began = np.concatenate([np.roll(stamps, -row[hops.PLACE]), begins])
        if (began[: len(at)] >= at).any():
            return False
        stamps[:], row[hops.PLACE] = began[-len(stamps) :], 0
    before = np.concatenate([row[hops.ENDED : hops.ENDED + 1], ends[:-1]])
    row[hops.WOKEN] += (at > before).sum()
    row[hops.ENDED] = ends[-1]
    first, end = window
    row[hops.BEFORE] += np.maximum(0, np.minimum(ends, first) - begins).sum()
    row[hops.AFTER] += np.maximum(0, ends - np.maximum(begins, end)).sum()
    out[live] = ends
    return True
