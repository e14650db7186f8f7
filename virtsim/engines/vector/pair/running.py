"""A whole run in memory, and chunk by chunk."""

from __future__ import annotations

import numpy as np

from virtsim.engines.vector import machine
from virtsim.engines.vector.booking import Ledger
from virtsim.engines.vector.columns import columns_of, flat
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
    stamps = np.empty(2 * n + player.places, dtype=np.int64)  # one piece: fewer, larger pages
    arrived, eaten = stamps[:n], stamps[n:]
    eaten[: player.places] = 0
    for begin, end in player.cuts(n, job.warmup):
        some = [c if len(c) == 1 else c[begin:end] for c in columns]
        last = end + player.places
        player.play(some, job.packets.size_b[begin:end], arrived[begin:end], eaten[begin:last])
        if job.on_progress:
            job.on_progress(end, n)
    return player.outcome(arrived, eaten[player.places :])


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
        self.places = ring.capacity
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
        self.state[items.PLACES], self.state[items.RESUME] = self.places, resume
        self.state[items.WAKE], self.state[items.REARM] = wake, rearm
        self.joined = 0
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

    def play(self, columns: list[Ints], sizes: Ints, arrived: Ints, eaten: Ints) -> None:
        """Play the next items.

        Parameters
        ----------
        columns
            Prices of each use on these items: one, or n (ps).
        sizes
            int64[n]: bytes.
        arrived
            int64[n]: gets the times at which items were begun (ps).
        eaten
            int64[places + n], ps: those of the last items that were eaten before, as many as the
            ring has places (0 where there were none); gets those of these items behind them.
        """
        state, n = self.state, len(arrived)
        if self.joined in self.mark_at:
            self.marks.append((int(state[items.CLOCK]), self._times(int(state[items.CLOCK]))))
        nothing = np.zeros(1, dtype=np.int64)
        mine = [flat(columns[u] if u != NONE else nothing, n) for u in self.uses]
        given = [machine.words(x) for x in (*mine, state, arrived, eaten)]
        self._kernel(*given, n)
        state[:], arrived[:], eaten[:] = given[3:]
        self.joined += n
        for stage, use in zip((self.make, self.eat), self.uses, strict=False):
            if self.program.uses[use].per_byte:
                self.ledger.bytes[stage, use] += sizes.sum()
        known = self.places + 1
        last = np.stack([eaten[self.places :][-known:], mine[1][-known:]])
        self.tail = np.concatenate([self.tail, last], axis=1)[:, -known:]

    def outcome(self, arrived: Ints, delivered: Ints) -> Outcome:
        """Return what all of it comes to."""
        program, state, ledger = self.program, self.state, self.ledger
        rows = len(program.stages)
        kicks, resumes = int(state[items.KICKS]), int(state[items.RESUMES])
        asked = int(state[items.ASKED]) + 1
        producer, consumer = self.threads
        made, ate = self._worked()
        made -= int(state[items.KICKED_PS])
        for stage, use, paid in (
            (self.make, self.uses[0], made), (self.eat, self.uses[1], ate),
        ):  # fmt: skip
            ledger.count[stage, use] += self.joined
            ledger.cost[stage, use] += paid
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

    def _worked(self) -> tuple[int, int]:
        """Return how long the producer made and kicked, and the consumer ate."""
        state = self.state
        resume, _, rearm = self.once
        made = int(state[items.CLOCK] - state[items.HELD_PS]) - resume
        asking = rearm * int(state[items.ASKED] + 1)
        return made, int(state[items.IDLE] - state[items.SLEPT_PS]) + 1 + rearm - asking

    def _times(self, now: int) -> Ints:
        """Return the time of each thread in each state up to now, when an item is begun."""
        state = self.state
        resume, wake, rearm = self.once
        times = np.zeros((2, len(STATES)), dtype=np.int64)
        producer, consumer = self.threads
        times[producer, BUSY], ate = self._worked()
        times[producer, RUNNABLE] = resume * int(state[items.RESUMES])
        busy = ate + rearm * max(0, int(state[items.ASKED]))
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
    places = player.places
    arrived = np.empty(min(n, chunk), dtype=np.int64)
    eaten = np.zeros(places + len(arrived), dtype=np.int64)
    dropped = np.broadcast_to(np.int64(-1), min(n, chunk))
    for begin, end in player.cuts(n, warmup, chunk):
        k = end - begin
        some = feed.chunk(begin, k)
        player.play(some.columns, some.size_b, arrived[:k], eaten[: places + k])
        sink(arrived[:k], eaten[places : places + k], dropped[:k], some.size_b)
        eaten[:places] = eaten[k : places + k]
    none = np.zeros(0, dtype=np.int64)
    return player.outcome(none, none)
