"""A stream of bursts: two chunks at a time stand in columns that are used in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.booking import book, per_packet, short_of
from virtsim.engines.vector.columns import Columns, total
from virtsim.engines.vector.pollers import playing
from virtsim.engines.vector.pollers.building import build, sums
from virtsim.engines.vector.pollers.rows import run as head
from virtsim.engines.vector.pollers.running import STEPS, left_over, outcome_of, window_of
from virtsim.engines.vector.streams.feeds import Chunk, Feed
from virtsim.engines.vector.streams.sinks import Sink
from virtsim.errors import EngineRefusal
from virtsim.outcome import Ints, Outcome
from virtsim.program import Program

STAMPS = 4
"""Columns of stamps: at, arrived, delivered, dropped."""


def stream(program: Program, feed: Feed, warmup: int, chunk: int, sink: Sink) -> Outcome:
    """Play a feed chunk by chunk; the Outcome has no stamps."""
    n = feed.n
    largest = max(
        min(row.batch, row.budget, program.rings[row.ring].capacity or n)
        for row in program.stages
        if row.role == "take"
    )
    if largest > chunk and n > chunk:
        raise _too_small(program, f"bursts of up to {largest} packets", chunk)
    marks = min(warmup, n - 1), n - 1
    if program.sources[0].kind != "saturate":
        t0, t1 = feed.instants(marks)
        return _Stream(program, feed, (t0, t1), chunk, sink).play()
    # When a sender starts its packets comes out only when it is played; then the window is known.
    arrived: dict[int, int] = {}
    seen = 0

    def look(stamps: Ints, *_: Ints) -> None:
        nonlocal seen
        arrived.update({k: int(stamps[k - seen]) for k in marks if 0 <= k - seen < len(stamps)})
        seen += len(stamps)

    _Stream(program, feed, (0, 0), chunk, look).play()
    known = np.array([arrived[k] for k in marks if arrived[k] >= 0], dtype=np.int64)
    window = window_of(known, 0, len(known)) if len(known) else (0, 0)
    return _Stream(program, feed, window, chunk, sink).play()


def _too_small(program: Program, got: str, chunk: int) -> EngineRefusal:
    return EngineRefusal(
        program.name, f"{got} do not fit a chunk of {chunk}", "fewer than that", "use a larger one"
    )


@dataclass
class _Kept:
    """A chunk that was loaded and has not been given away."""

    start: int
    chunk: Chunk


class _Stream:
    """One pass over a feed."""

    def __init__(
        self, program: Program, feed: Feed, window: tuple[int, int], chunk: int, sink: Sink
    ) -> None:
        self.program, self.feed, self.sink, self.window = program, feed, sink, window
        self.chunk, self.size = chunk, 2 * chunk
        first = [int(column[0]) for column in feed.chunk(0, 1).columns]
        self.lists = sums(program)
        places = Columns.blank(self.lists, self.size)
        self.arena, self.places = build(program, places, self.size, first)
        self.columns_at = len(self.arena.words)
        self.stamps_at = self.columns_at + places.length
        at = [self.stamps_at + k * self.size for k in range(STAMPS)]
        self.arena.write(0, {
            head.MASK: self.size - 1, head.N_PACKETS: feed.n, head.AT: at[0], head.ARRIVED: at[1],
            head.DELIVERED: at[2], head.DROPPED: at[3], head.WINDOW_FROM: window[0],
            head.WINDOW_TO: window[1],
            head.SATURATES: int(program.sources[0].kind == "saturate"),
        })  # fmt: skip
        free = np.zeros(places.length + STAMPS * self.size, dtype=np.int64)
        self.a = np.concatenate([self.arena.closed(), free])
        self.ledger = self.arena.ledger(self.a)  # nothing yet
        self.paid = per_packet(program)
        self.kept: list[_Kept] = []

    def play(self) -> Outcome:
        """Play it all."""
        kernel, a = machine.kernel(playing.play), machine.words(self.a)
        why = head.HUNGRY
        while why != head.OVER:
            if why == head.HUNGRY:
                self.a[:] = a
                self._load()
                a = machine.words(self.a)
            why = kernel(a, STEPS)
        self.a[:] = a
        while self.kept:
            self._give(last=True)
        booked = self.arena.ledger(self.a)
        for mine, others in zip(
            (self.ledger.count, self.ledger.cost), (booked.count, booked.cost), strict=True
        ):
            mine += others
        return outcome_of(self.program, self.places, self.a, self.ledger, self.window)

    def _load(self) -> None:
        """Load the next chunk where the one before the last was."""
        if len(self.kept) == 2:
            self._give()
        start = int(self.a[head.LOADED])
        n = min(self.chunk, self.feed.n - start)
        chunk = self.feed.chunk(start, n)
        chunk = Chunk(chunk.at_ps, chunk.size_b, [c.copy() for c in chunk.columns])
        at = 0 if self.a[head.SATURATES] else chunk.at_ps
        self._stamps(start, n)[:] = -1
        self._stamps(start, n)[0] = at
        if not self.a[head.SATURATES]:
            self._stamps(start, n)[1] = at
        offset = self.columns_at + start % self.size
        for k, uses in enumerate(self.lists):
            self.a[offset + k * self.size : offset + k * self.size + n] = total(chunk.columns, uses)
        self.a[head.LOADED] = start + n
        if start + n == self.feed.n:
            last = int(self._stamps(start, n)[0, -1])
            self.a[head.HORIZON] = max(int(self.a[head.HORIZON]), last)
        self.kept.append(_Kept(start, chunk))

    def _stamps(self, start: int, n: int) -> Ints:
        """Return the stamps of a chunk: int64[4, n]."""
        rows = self.a[self.stamps_at :].reshape(STAMPS, self.size)
        return rows[:, start % self.size : start % self.size + n]

    def _give(self, *, last: bool = False) -> None:
        """Book the oldest chunk, and give its stamps away."""
        kept = self.kept.pop(0)
        start, n = kept.start, len(kept.chunk)
        _, arrived, delivered, dropped = self._stamps(start, n)
        left: list[tuple[int, Ints]] = []
        if last:
            for deep, packets in left_over(self.program, self.places, self.a):
                mine = packets[(packets >= start) & (packets < start + n)]
                left.append((deep, mine - start))
        elif ((delivered < 0) & (dropped < 0)).any():
            raise _too_small(self.program, "too many packets under way at once", self.chunk)
        short = short_of(self.program, dropped, left=left)
        columns, sizes = kept.chunk.columns, kept.chunk.size_b
        book(self.paid, self.program, columns, sizes, short, self.ledger)
        self.sink(arrived, delivered, dropped, sizes)
