"""A whole run in memory, and chunk by chunk."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.arena import power_of_two
from virtsim.engines.vector.booking import Ledger
from virtsim.engines.vector.columns import columns_of
from virtsim.engines.vector.pair import items
from virtsim.engines.vector.streams.feeds import Feed
from virtsim.engines.vector.streams.sinks import Sink
from virtsim.outcome import STATES, Ints, Job, Outcome
from virtsim.program import NONE, Program

BUSY, POLLING, RUNNABLE, ASLEEP = range(len(STATES))
CHUNK = 1 << 17


def run(program: Program, job: Job) -> Outcome:
    """Play a Program whose ``reasons`` are none."""
    n = len(job.packets)
    columns = columns_of(job.prices, n)
    player = Player(program, columns)
    arrived, delivered = np.empty((2, n), dtype=np.int64)
    for begin, end in player.cuts(n, job.warmup):
        some = [c if len(c) == 1 else c[begin:end] for c in columns]
        player.play(some, job.packets.size_b[begin:end], arrived[begin:end], delivered[begin:end])
        if job.on_progress:
            job.on_progress(end, n)
    return player.outcome(arrived, delivered)


class Player:
    """Plays chunk after chunk, and keeps what they come to.

    Parameters
    ----------
    columns
        Prices of each use, of the first packets at least: one, or several (ps).
    """

    def __init__(self, program: Program, columns: list[Ints]) -> None:
        self.program = program
        self.make, self.eat = sorted(
            range(2), key=lambda i: program.stages[i].ring != program.sources[0].ring
        )
        make, eat = program.stages[self.make], program.stages[self.eat]
        ring = program.rings[eat.ring]
        self.threads = make.thread, eat.thread
        self.resume, self.wake = (program.threads[t].wake for t in self.threads)
        self.rearm = next(arm.uses for arm in eat.arms if arm.when == "empty")
        self.kick = program.channels[ring.forward].send if ring.forward != NONE else ()
        self.uses = make.item[0], eat.item[0], self.kick[0] if self.kick else NONE
        self.once = [sum(int(columns[u][0]) for u in uses)
                     for uses in (self.resume, self.wake, self.rearm)]  # fmt: skip
        self.first = [int(column[0]) for column in columns]
        self.state = np.zeros(items.SIZE, dtype=np.int64)
        resume, wake, rearm = self.once
        self.state[items.CLOCK], self.state[items.IDLE] = resume, -1 - rearm
        self.state[items.RESUMES], self.state[items.ASKED] = 1, -1
        self.state[items.PLACES], self.state[items.RESUME] = ring.capacity, resume
        self.state[items.WAKE], self.state[items.REARM] = wake, rearm
        self.eaten = np.zeros(power_of_two(ring.capacity), dtype=np.int64)
        self.state[items.MASK] = len(self.eaten) - 1
        self.tail = np.zeros((2, 0), dtype=np.int64)  # when the last were eaten, and for how long
        self.ledger = Ledger.blank(program)
        self.marks: list[tuple[int, Ints]] = []
        self.mark_at: set[int] = set()
        self._kernel = machine.kernel(items.pass_items)

    def cuts(self, n: int, warmup: int, chunk: int = CHUNK) -> list[tuple[int, int]]:
        """Return the chunks of n items: the first and the last that are measured begin chunks."""
        self.mark_at = {min(warmup, n - 1), n - 1}
        at = sorted({0, *range(0, n, chunk), *self.mark_at})
        return list(zip(at, [*at[1:], n], strict=True))

    def play(self, columns: list[Ints], sizes: Ints, arrived: Ints, delivered: Ints) -> None:
        """Play the next items.

        Parameters
        ----------
        columns
            Prices of each use on these items: one, or n (ps).
        sizes
            int64[n]: bytes.
        arrived, delivered
            int64[n]: get the times at which items were begun, and eaten (ps).
        """
        state, n = self.state, len(arrived)
        if int(state[items.JOINED]) in self.mark_at:
            self.marks.append((int(state[items.CLOCK]), self._times(int(state[items.CLOCK]))))
        none = np.zeros(1, dtype=np.int64)
        mine = [columns[u] if u != NONE else none for u in self.uses]
        for at, column in zip((items.MAKE, items.EAT, items.KICK), mine, strict=True):
            state[at] = -1 if len(column) > 1 else 0
        given = [machine.words(x) for x in (*mine, self.eaten, state, arrived, delivered)]
        self._kernel(*given, n)
        self.eaten[:], state[:], arrived[:], delivered[:] = given[3:]
        for stage, use in zip((self.make, self.eat), self.uses, strict=False):
            if self.program.uses[use].per_byte:
                self.ledger.bytes[stage, use] += sizes.sum()
        places = self.program.rings[self.program.stages[self.eat].ring].capacity + 1
        eat = np.broadcast_to(mine[1], n)
        last = np.stack([delivered[-places:], eat[-places:]])
        self.tail = np.concatenate([self.tail, last], axis=1)[:, -places:]

    def outcome(self, arrived: Ints, delivered: Ints) -> Outcome:
        """Return what all of it comes to."""
        program, state, ledger = self.program, self.state, self.ledger
        rows = len(program.stages)
        kicks, resumes = int(state[items.KICKS]), int(state[items.RESUMES])
        asked = int(state[items.ASKED]) + 1
        producer, consumer = self.threads
        for stage, use, paid in (
            (self.make, self.uses[0], items.MADE_PS), (self.eat, self.uses[1], items.ATE_PS),
        ):  # fmt: skip
            ledger.count[stage, use] += int(state[items.JOINED])
            ledger.cost[stage, use] += state[paid]
        for payer, uses, times in (
            (rows + producer, self.resume, resumes), (rows + consumer, self.wake, kicks),
            (self.eat, self.rearm, asked),
        ):  # fmt: skip
            for use in uses:
                ledger.count[payer, use] += times
                ledger.cost[payer, use] += times * self.first[use]
        for use in self.kick:
            ledger.count[self.make, use] += kicks
            ledger.cost[self.make, use] += state[items.KICKED_PS]
        end = int(state[items.IDLE] + state[items.REARM])
        total = self._times(end)
        (t0, first), (t1, last) = self.marks[0], self.marks[-1]
        wakeups, stops = np.zeros((2, 2), dtype=np.int64)
        wakeups[[producer, consumer]] = resumes, kicks
        stops[self.make] = state[items.STOPS]
        busy = np.array([use.busy for use in program.uses], dtype=bool)
        none = np.zeros(2, dtype=np.int64)
        return Outcome(
            arrived_ps=arrived, delivered_ps=delivered,
            dropped=np.broadcast_to(np.int64(-1), len(arrived)), count=ledger.count,
            busy_ps=np.where(busy, ledger.cost, 0), delay_ps=np.where(busy, 0, ledger.cost),
            bytes=ledger.bytes, window=last - first, total=total, window_ps=(t0, t1), end_ps=end,
            wakeups=wakeups, spin_hits=none, stops=stops, stolen_ps=none, events=0,
        )  # fmt: skip

    def _times(self, now: int) -> Ints:
        """Return the time of each thread in each state up to now, when an item is begun."""
        state = self.state
        resume, wake, rearm = self.once
        times = np.zeros((2, len(STATES)), dtype=np.int64)
        producer, consumer = self.threads
        made = int(state[items.MADE_PS] + state[items.KICKED_PS])
        times[producer, BUSY] = made
        times[producer, RUNNABLE] = resume * int(state[items.RESUMES])
        busy = int(state[items.ATE_PS]) + rearm * max(0, int(state[items.ASKED]))
        runnable = wake * int(state[items.KICKS])
        idle = int(state[items.IDLE])
        if idle >= 0:
            busy += max(0, min(rearm, now - idle))
        for k in range(self.tail.shape[1] - 1, -1, -1):  # what is known of later times is too much
            eaten, took = (int(x) for x in self.tail[:, k])
            if eaten <= now:
                break
            begin = eaten - took
            busy -= eaten - max(begin, now)
            before = int(self.tail[0, k - 1]) if k else -1 - rearm
            if begin > before + rearm:
                runnable -= max(0, begin - max(begin - wake, now))
            if begin > before and before >= 0:
                busy -= max(0, before + rearm - max(before, now))
        times[consumer, BUSY], times[consumer, RUNNABLE] = busy, runnable
        times[:, ASLEEP] = now - times.sum(axis=1)
        return times


def stream(program: Program, feed: Feed, warmup: int, chunk: int, sink: Sink) -> Outcome:
    """Play a feed chunk by chunk; the Outcome has no stamps."""
    n = feed.n
    player = Player(program, feed.chunk(0, 1).columns)
    arrived, delivered = np.empty((2, min(n, chunk)), dtype=np.int64)
    dropped = np.broadcast_to(np.int64(-1), min(n, chunk))
    for begin, end in player.cuts(n, warmup, chunk):
        k = end - begin
        some = feed.chunk(begin, k)
        player.play(some.columns, some.size_b, arrived[:k], delivered[:k])
        sink(arrived[:k], delivered[:k], dropped[:k], some.size_b)
    none = np.zeros(0, dtype=np.int64)
    return player.outcome(none, none)
