"""A whole run in memory, chunk by chunk."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from virtsim.engines.vector.booking import Ledger, book, per_packet, short_of
from virtsim.engines.vector.columns import columns_of, flat, total
from virtsim.engines.vector.servers.building import per_item
from virtsim.engines.vector.streams.feeds import Feed
from virtsim.engines.vector.streams.sinks import Sink
from virtsim.engines.vector.tandem import hops
from virtsim.engines.vector.tandem.passing import Chain
from virtsim.outcome import STATES, Ints, Job, Outcome
from virtsim.program import Program

CHUNK = 1 << 17
EDGE = 1 << 12
"""Packets of a chunk, and of one where the window begins or ends."""


def run(program: Program, job: Job) -> Outcome:
    """Play a Program whose ``reasons`` are none."""
    at, n = job.packets.at_ps, len(job.packets)
    window = int(at[min(job.warmup, n - 1)]), int(at[-1])
    player = Player(program, window)
    columns = columns_of(job.prices, n)
    delivered, dropped = np.empty((2, n), dtype=np.int64)  # one piece: fewer, larger pages
    dropped[:] = -1
    for begin, end in cuts(n, job.warmup):
        some = [c if len(c) == 1 else c[begin:end] for c in columns]
        player.play(
            at[begin:end], delivered[begin:end], some, job.packets.size_b[begin:end],
            dropped[begin:end],
        )  # fmt: skip
        if job.on_progress:
            job.on_progress(end, n)
    return player.outcome(at, delivered, dropped)


def cuts(n: int, warmup: int) -> list[tuple[int, int]]:
    """Return the chunks of n packets: small ones where the window begins and ends."""
    edges = {warmup - EDGE, warmup + EDGE, n - EDGE, *range(0, n, CHUNK)}
    at = [0, *sorted(edge for edge in edges if 0 < edge < n), n]
    return list(pairwise(at))


class Player:
    """Plays chunk after chunk, and keeps what they come to."""

    def __init__(self, program: Program, window: tuple[int, int]) -> None:
        self.program, self.window = program, window
        self.chain = Chain(program, window)
        self.ledger = Ledger.blank(program)
        self.paid = per_packet(program)
        rows = [program.stages[s] for s in self.chain.stages]
        self.lists = [per_item(row.batch_uses, row.lead, row.item) for row in rows]
        self.end_ps = 0

    def play(
        self, at: Ints, out: Ints, columns: list[Ints], sizes: Ints, dropped: Ints
    ) -> None:  # fmt: skip
        """Play the next packets.

        Parameters
        ----------
        at
            int64[n], ps: arrivals.
        out
            int64[n]: gets the times of delivery, or -1.
        columns
            Prices of each use on these packets: one, or n (ps).
        sizes
            int64[n]: bytes.
        dropped
            int64[n], all -1: gets the ring that dropped a packet where one did.
        """
        first, last = int(at[0]), int(at[-1])
        costs = [flat(total(columns, uses), len(at)) for uses in self.lists]
        lost = self.chain.through(at, out, costs, dropped)
        stages, state = self.chain.stages, self.chain.state
        served = self.ledger.cost[stages].sum(axis=1)
        short = short_of(self.program, dropped, lost)
        book(self.paid, self.program, columns, sizes, short, self.ledger)
        begin, _ = self.window
        if first < begin and not self.chain.at_edge:
            state[:, hops.BEFORE] += self.ledger.cost[stages].sum(axis=1) - served
        self.end_ps = max(self.end_ps, last, int(state[:, hops.ENDED].max()))

    def outcome(self, arrived: Ints, delivered: Ints, dropped: Ints) -> Outcome:
        """Return what all of it comes to."""
        program, ledger = self.program, self.ledger
        total_ps, inside, wakeups = self._threads()
        none = np.zeros(len(program.threads), dtype=np.int64)
        busy = np.array([use.busy for use in program.uses], dtype=bool)
        return Outcome(
            arrived_ps=arrived, delivered_ps=delivered, dropped=dropped,
            count=ledger.count, busy_ps=np.where(busy, ledger.cost, 0),
            delay_ps=np.where(busy, 0, ledger.cost), bytes=ledger.bytes,
            window=inside, total=total_ps, window_ps=self.window, end_ps=self.end_ps,
            wakeups=wakeups, spin_hits=none, stops=np.zeros(len(program.stages), dtype=np.int64),
            stolen_ps=none, events=0,
        )  # fmt: skip

    def _threads(self) -> tuple[Ints, Ints, Ints]:
        """Return the threads' times in the run and in the window, and their wake-ups."""
        program = self.program
        times = np.zeros((len(program.threads), len(STATES)), dtype=np.int64)
        inside, wakeups = np.zeros_like(times), np.zeros(len(program.threads), dtype=np.int64)
        length = self.window[1] - self.window[0]
        rests = [1 if t.wait == "always" and t.host_cpu else 3 for t in program.threads]
        for t, rest in enumerate(rests):
            times[t, rest], inside[t, rest] = self.end_ps, length
        for hop, s in zip(self.chain.state, self.chain.stages, strict=True):
            t = program.stages[s].thread
            served = int(self.ledger.cost[s].sum())
            some = served - int(hop[hops.BEFORE]) - int(hop[hops.AFTER])
            times[t, 0], times[t, rests[t]] = served, self.end_ps - served
            inside[t, 0], inside[t, rests[t]] = some, length - some
            wakeups[t] = hop[hops.WOKEN] if program.threads[t].wait == "sleep" else 0
        return times, inside, wakeups


def stream(program: Program, feed: Feed, warmup: int, chunk: int, sink: Sink) -> Outcome:
    """Play a feed chunk by chunk; the Outcome has no stamps."""
    n = feed.n
    t0, t1 = feed.instants((min(warmup, n - 1), n - 1))
    player = Player(program, (t0, t1))
    out, dropped = np.empty((2, min(n, chunk)), dtype=np.int64)
    for start in range(0, n, chunk):
        some = feed.chunk(start, min(chunk, n - start))
        mine, fate = out[: len(some)], dropped[: len(some)]
        fate[:] = -1
        player.play(some.at_ps, mine, some.columns, some.size_b, fate)
        sink(some.at_ps, mine, fate, some.size_b)
    none = np.zeros(0, dtype=np.int64)
    return player.outcome(none, none, none)
