"""Where the packet finds each thread: at rest since time 0, or since it left the thread."""

from __future__ import annotations

from virtsim.equation.clock import Clock, refusal
from virtsim.equation.terms import POLL_WAIT, QUEUED
from virtsim.program import Uses
from virtsim.semantics import idle_state, next_poll


class Threads:
    """Waking, finding and leaving the threads of a Program."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.program = clock, clock.program
        self.rows = clock.program.threads
        self._free: dict[int, int] = {}
        self._asleep_since = dict.fromkeys(range(len(self.rows)), 0)
        self._parked = dict.fromkeys(range(len(self.rows)), (0, 0))

    # -- threads that sleep --------------------------------------------------------------------

    def asleep(self, thread: int) -> bool:
        """Tell whether a thread sleeps now: since time 0, or since it went to rest."""
        if self.rows[thread].wait != "sleep":
            return False
        return thread not in self._free or self.clock.now > self._asleep_since[thread]

    def wake(self, thread: int) -> None:
        """Let a sleeping thread come to its core."""
        row = self.rows[thread]
        states = self.program.cores[row.core].idle_states
        idle_ps = self.clock.now - self._asleep_since[thread]
        self.clock.pay(row.wake, thread)
        deepest = idle_state(idle_ps, [residency for residency, _ in states])
        if deepest >= 0:
            self.clock.pay((states[deepest][1],), thread)
        self.clock.pay(row.resume, thread)

    def doze(self, thread: int) -> None:
        """Let a thread sleep from now on, its work not done."""
        self._asleep_since[thread] = self.clock.now

    def find_awake(self, thread: int) -> bool:
        """Wait for a thread that is awake; tell whether it was idle, and so is interrupted."""
        if thread not in self._free:
            return True
        row, late_ps = self.rows[thread], self._free[thread] - self.clock.now
        if row.spin is not None or (row.idle and late_ps < 0):
            got = f"the packet returns to {row.name} while it spins or goes to sleep"
            raise refusal(self.program, got, "one visit to it")
        if late_ps > 0:
            self.clock.wait(QUEUED, late_ps, thread)
        return late_ps <= 0

    def rest(self, stage: int) -> None:
        """Let the thread of a stage, its turn over, go on to look or give up its core."""
        thread = self.program.stages[stage].thread
        row = self.rows[thread]
        self._free[thread] = self.clock.now
        if row.wait == "poll":
            self._parked[thread] = self.clock.now, self._position(stage) + 1
            return
        self.clock.pay(row.idle, thread)
        if row.spin is not None and not row.spin.adaptive:
            self.clock.now += row.spin.max_ps
        self.clock.pay(row.block, thread)
        self._asleep_since[thread] = self.clock.now

    # -- pollers -------------------------------------------------------------------------------

    def look(self, stage: int) -> None:
        """Wait until a poller that finds nothing else comes by a stage."""
        thread = self.program.stages[stage].thread
        costs = [self.clock.sum(uses) for uses in self._cycle(thread)]
        parked_ps, position = self._parked[thread]
        n = len(costs)
        steps = (self._position(stage) - position) % n
        ahead = sum(costs[(position + k) % n] for k in range(steps))
        due = next_poll(self.clock.now, parked_ps + ahead, max(1, sum(costs)))
        self.clock.wait(POLL_WAIT, due - self.clock.now, thread, POLL_WAIT)

    def go_on(self, stage: int, target: int) -> None:
        """Let a poller that has ended a turn pass the stages between it and the packet."""
        thread = self.program.stages[stage].thread
        cycle = self._cycle(thread, busy=True)
        position, end = self._position(stage) + 1, self._position(target)
        while position % len(cycle) != end:
            self.clock.pay(cycle[position % len(cycle)], thread)
            position += 1

    def _cycle(self, thread: int, *, busy: bool = False) -> list[Uses]:
        """Return what one iteration pays that finds nothing: its opening, and a look a stage."""
        row = self.rows[thread]
        polls = [self.program.stages[i].poll for i in self._looked_at(thread)]
        return [row.loop if busy else row.idle_loop, *polls]

    def _position(self, stage: int) -> int:
        return 1 + self._looked_at(self.program.stages[stage].thread).index(stage)

    def _looked_at(self, thread: int) -> list[int]:
        """Return the stages that a poller comes by, in its order."""
        rows = enumerate(self.program.stages)
        return [i for i, s in rows if s.thread == thread and s.role in ("take", "reclaim")]
