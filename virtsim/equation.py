"""The cost equation of one isolated packet, read off the Program's tables without playing them.

A packet that meets only threads at rest takes the same steps every time: ring, wake-up or look of a
poller, entry, turn, work, publication, notification, next ring. Following it through the tables
gives the terms that its latency is the sum of. What a thread does after it handed the packet on
(re-arming, completion interrupts) is in the equation only where the packet's next step has to wait
for it: on the same thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from virtsim.errors import InputError
from virtsim.outcome import Prices
from virtsim.program import NONE, ArmRow, ChannelRow, Program, StageRow, Uses
from virtsim.semantics import (
    MASK,
    event_next,
    event_off,
    event_share,
    idle_state,
    need_event,
    next_poll,
)

Kind = Literal["busy", "delay", "poll wait"]
POLL_WAIT: Kind = "poll wait"
TIMER = "timer"
"""Symbols of the waits that are no op: for a poller's next look, and for a stage's timer."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: an op (``times`` is the bytes of a per-byte op, else 1) and what it costs.

    ``who`` is the thread that spends it, or that a delay holds up; ``ps`` is the whole term.
    """

    op: str
    times: int
    ps: int
    who: str
    part: str
    cause: str
    kind: Kind

    def __str__(self) -> str:
        if self.kind == POLL_WAIT:
            return f"{POLL_WAIT}({self.who})"
        return self.op if self.times == 1 else f"{self.times} B x {self.op}"


@dataclass(frozen=True)
class Equation:
    """The latency of one isolated packet as a sum, in the order in which the packet meets it."""

    at_ps: int
    terms: tuple[Term, ...]

    @property
    def value_ps(self) -> int:
        """Sum of the terms, in ps."""
        return sum(term.ps for term in self.terms)

    def intervals(self) -> Iterator[tuple[int, int, Term]]:
        """Yield start and end (ps) of each term: one begins where the one before it ends."""
        ends = accumulate((term.ps for term in self.terms), initial=self.at_ps)
        for start, term in zip(ends, self.terms, strict=False):
            yield start, start + term.ps, term

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.terms))} = {self.value_ps / 1e6:.3f} us"

    def as_dict(self) -> dict[str, Any]:
        """Return the equation in JSON's own types."""
        names = ("op", "times", "ps", "who", "part", "cause", "kind")
        rows = [{name: getattr(term, name) for name in names} for term in self.terms]
        return {"at_ps": self.at_ps, "value_ps": self.value_ps, "text": str(self), "terms": rows}


def equation(program: Program, prices: Prices, at_ps: int, size_b: int) -> Equation:
    """Return the cost equation of one packet in a system that has been at rest since time 0.

    Parameters
    ----------
    prices
        Of a packet of this size; draws of packet 0 where they are distributed.
    at_ps
        Arrival: it decides the idle states met and the phase of pollers.
    size_b
        Frame with its FCS, in bytes.

    Raises
    ------
    InputError
        If the tables leave no single answer: threads that share a core, interruptions of a core,
        a packet that returns to a thread, or a notification that is never sent.
    """
    _check(program)
    follower = _Follower(program, prices, at_ps, size_b)
    follower.follow()
    return Equation(at_ps, tuple(follower.terms))


def _check(program: Program) -> None:
    cores = [thread.core for thread in program.threads]
    refusals = (
        (len(set(cores)) < len(cores), "threads share a core", "a core for each thread"),
        (bool(program.interruptions), "its cores are interrupted", "undisturbed cores"),
        (len(program.sources) != 1, f"it has {len(program.sources)} sources", "one"),
        (any(c.hold_n > 1 for c in program.channels), "it holds notifications back", "none held"),
    )
    for applies, got, want in refusals:
        if applies:
            raise _refusal(program, got, want)


def _refusal(program: Program, got: str, want: str) -> InputError:
    where = f"cost equation of {program.name} ({program.direction})"
    return InputError(where, got, want, "'virtsim walk' plays the packet instead")


@dataclass(frozen=True, slots=True)
class _Hand:
    """The packet leaves one stage for another: when, and by which notification, if by one."""

    now: int
    stage: int
    channel: int = NONE
    sender: int = NONE
    visible: Uses = ()


class _Follower:
    """A clock that pays for the packet's steps; ``open`` while what it pays is on its way."""

    def __init__(self, program: Program, prices: Prices, at_ps: int, size_b: int) -> None:
        self.program, self.size_b = program, size_b
        self.stages, self.threads = program.stages, program.threads
        self.rings, self.channels = program.rings, program.channels
        self.costs = [int(prices.flat[offset]) for offset in prices.offset]
        self.now, self.open = at_ps, True
        self.terms: list[Term] = []
        self.hand: _Hand | None = None
        self.delivered = False
        self.published = [0] * len(program.rings)
        self.returned = [0] * len(program.rings)
        self.armed: dict[int, list[tuple[int, bool, int]]] = {}
        self.slept = dict.fromkeys(range(len(program.threads)), 0)
        self.served: list[int] = []
        self.consumer = {s.ring: i for i, s in enumerate(program.stages) if s.role == "take"}

    # -- the clock ---------------------------------------------------------------------------

    def _pay(self, uses: Uses, thread: int) -> None:
        for use in uses:
            row = self.program.uses[use]
            kind: Kind = "busy" if row.busy else "delay"
            op, times = row.op.partition(":")[0], self.size_b if row.per_byte else 1
            who = self.threads[thread].name
            self._pass(Term(op, times, self.costs[use], who, row.part, row.cause, kind))

    def _wait(self, symbol: str, ps: int, thread: int, kind: Kind = "delay") -> None:
        self._pass(Term(symbol, 1, ps, self.threads[thread].name, "", symbol, kind))

    def _pass(self, term: Term) -> None:
        if self.open:
            self.terms.append(term)
        self.now += term.ps

    # -- from stage to stage -----------------------------------------------------------------

    def follow(self) -> None:
        """Go with the packet from its source to its delivery."""
        self._publish(self.program.sources[0].ring, NONE)
        while not self.delivered:
            if self.hand is None:
                raise _refusal(self.program, "nobody is told of the packet", "a notification")
            hand, self.hand = self.hand, None
            if self.open:  # the same thread goes on once its turn is over
                self._enter(hand)
            else:
                self.now, self.open = hand.now, True
                self._reach(hand)
            self._turn(hand.stage)

    def _reach(self, hand: _Hand) -> None:
        """Let the packet get to another thread: transit, then its look, wake-up or delivery."""
        thread = self.stages[hand.stage].thread
        if thread in self.served:
            got = f"the packet returns to {self.threads[thread].name}"
            raise _refusal(self.program, got, "one visit to each thread")
        self.served.append(thread)
        self._pay(hand.visible, thread)
        if self.threads[thread].wait == "poll":
            self._look(hand.stage)
        else:
            self._enter(hand, intrude=self._notified(hand, thread))

    def _look(self, stage: int) -> None:
        """Wait for a poller's next look; its idle cycle began at time 0."""
        thread = self.stages[stage].thread
        row = self.threads[thread]
        mine = {i: s for i, s in enumerate(self.stages) if s.thread == thread}
        looks = {-1: row.idle_loop} | {i: s.poll for i, s in mine.items() if s.role != "inline"}
        spent = {i: sum(self.costs[use] for use in uses) for i, uses in looks.items()}
        first = sum(ps for i, ps in spent.items() if i < stage)
        due = next_poll(self.now, first, max(1, sum(spent.values())))
        self._wait(POLL_WAIT, due - self.now, thread, POLL_WAIT)

    def _notified(self, hand: _Hand, thread: int) -> bool:
        """Pass a notification's delay, or the wake-up; tell whether it interrupts its target."""
        row = self.channels[hand.channel]
        if self._asleep(thread):
            if hand.sender != NONE:
                self._pay(self.threads[thread].signal, hand.sender)
            self._wake(thread)
            return False
        self._pay(row.running, thread)
        return True

    def _wake(self, thread: int) -> None:
        row = self.threads[thread]
        states = self.program.cores[row.core].idle_states
        idle_ps = self.now - self.slept[thread]
        self._pay(row.wake, thread)
        deepest = idle_state(idle_ps, [residency for residency, _ in states])
        if deepest >= 0:
            self._pay((states[deepest][1],), thread)
        self._pay(row.resume, thread)

    def _asleep(self, thread: int) -> bool:
        """Tell whether a thread sleeps: since time 0, or since it went to rest after its visit."""
        if self.threads[thread].wait != "sleep":
            return False
        return thread not in self.served[:-1] or self.now > self.slept[thread]

    def _rest(self, thread: int) -> None:
        """Let a thread with nothing left to do give up its core."""
        row = self.threads[thread]
        self._pay(row.idle, thread)
        if row.spin is not None and not row.spin.adaptive:
            self.now += row.spin.max_ps
        self._pay(row.block, thread)
        self.slept[thread] = self.now

    # -- a stage -----------------------------------------------------------------------------

    def _enter(self, hand: _Hand, *, intrude: bool = False) -> None:
        """Serve the delivery, up to the turn that it leads to."""
        stage = self.stages[hand.stage]
        thread = stage.thread
        self._pay(self.threads[thread].loop, thread)
        self._arm(stage, "entry")
        if intrude:
            self._pay(self.channels[hand.channel].intrude, thread)
        self._pay(stage.entry, thread)
        if stage.timer_ps:
            self.slept[thread] = self.now
            self._wait(TIMER, stage.timer_ps, thread)
            if self.threads[thread].wait == "sleep":
                self._wake(thread)
        if stage.timer_ps or stage.defer:
            self._pay(self.threads[thread].loop, thread)

    def _turn(self, index: int) -> None:
        """Serve the packet and hand it on; what follows on this thread has no part in it."""
        stage = self.stages[index]
        self._pay(stage.turn, stage.thread)
        self._pay(stage.batch_uses, stage.thread)
        self._pay(stage.lead, stage.thread)
        self._arm(stage, "take")
        self._pay(stage.item, stage.thread)
        if stage.publish == "each" and stage.inline == NONE:
            self._emit(stage)
        wants_more = min(stage.batch, stage.budget) > 1 and self.size_b < stage.budget_b
        spin = self.threads[stage.thread].spin
        early = wants_more and stage.gather == "fill" and stage.flush == "after_rearm"
        early = early and (spin is None or spin.armed)
        if early:
            self._arm(stage, "empty")
        if stage.done == "before":
            self._give_back(stage)
        if stage.inline != NONE:
            self._inline(self.stages[stage.inline])
        elif stage.publish == "batch":
            self._emit(stage)
        self._announce(stage, "batch")
        if stage.done == "after":
            self._give_back(stage)
        if self.threads[stage.thread].wait != "poll":
            if not early:
                self._empty(stage)
            if not self.open:
                self._rest(stage.thread)

    def _inline(self, stage: StageRow) -> None:
        self._pay(stage.batch_uses, stage.thread)
        self._pay(stage.item, stage.thread)
        if stage.inline != NONE:
            self._inline(self.stages[stage.inline])
        else:
            self._emit(stage)
        self._announce(stage, "batch")

    def _emit(self, stage: StageRow) -> None:
        """Put the packet on the ring ahead, or deliver it if there is none."""
        if stage.out == NONE:
            self.delivered, self.open = True, False
        else:
            self._publish(stage.out, stage.thread)
            self._announce(stage, "each")

    def _announce(self, stage: StageRow, moment: str) -> None:
        """Decide to notify what is ahead, if this stage does so now."""
        decides = "each" if stage.full == "retry" else stage.decide
        if stage.out != NONE and moment == decides:
            self._decide(self.rings[stage.out].forward, stage)
            self._arm(stage, "publish")

    def _give_back(self, stage: StageRow) -> None:
        self.returned[stage.ring] = 1
        self._decide(self.rings[stage.ring].reverse, stage)

    def _empty(self, stage: StageRow) -> None:
        """End a turn on an empty ring."""
        self._pay(stage.empty_uses, stage.thread)
        if stage.on_empty != "leave":
            self._arm(stage, "empty")

    # -- rings and notifications -------------------------------------------------------------

    def _publish(self, ring: int, sender: int) -> None:
        """Put the packet on a ring; pollers, and whoever sees it after a transit, need no kick."""
        row, index = self.rings[ring], self.consumer[ring]
        stage = self.stages[index]
        wait = self.threads[stage.thread].wait
        self.published[ring] = 1
        if wait != "poll" and sender != NONE and not row.visible:
            return  # it is told by the decision that follows
        if wait == "poll" or self._sends(row.forward):
            self._leave(_Hand(self.now, index, row.forward, visible=row.visible), sender)

    def _decide(self, channel: int, stage: StageRow) -> None:
        """Decide on a notification, pay for it, and go with it if it announces the packet."""
        if channel == NONE or not self._sends(channel):
            return
        row = self.channels[channel]
        if row.forward and self.rings[row.ring].visible:
            return  # it is told when the packet gets there
        sender = stage.thread
        self._pay(row.send, sender)
        if row.forward and self.open:
            self._leave(_Hand(self.now, row.target, channel, sender), sender)
        target = self.stages[row.target].thread
        if target != sender and self._asleep(target):
            self._pay(self.threads[target].signal, sender)

    def _leave(self, hand: _Hand, sender: int) -> None:
        """Note the first hand-over; the clock stays open if the same thread goes on later."""
        if not self.open:
            return
        self.hand = hand
        self.open = self.stages[hand.stage].thread == sender

    def _sends(self, channel: int) -> bool:
        row = self.channels[channel]
        armed, event = self._state(channel)
        if row.mode == "event":
            return need_event(event, 1, 0)
        return row.mode == "always" or (row.mode in ("flags", "once") and armed)

    def _state(self, channel: int) -> tuple[bool, int]:
        """Return whether a channel is armed now, and for which index."""
        armed = self.channels[channel].armed
        state = armed, 0 if armed else MASK
        for at_ps, armed, event in self.armed.get(channel, ()):
            if at_ps <= self.now:
                state = armed, event
        return state

    def _arm(self, stage: StageRow, when: str) -> None:
        """Carry out a stage's arm rules for one occasion: pay, then change the channel."""
        for row in stage.arms:
            channel = self.channels[row.channel]
            silent = when == "take" and channel.forward and not self._state(row.channel)[0]
            if row.when == when and not silent:
                self._pay(row.uses, stage.thread)
                armed = row.value in ("next", "share")
                state = self.now, armed, self._event(row, channel)
                self.armed.setdefault(row.channel, []).append(state)

    def _event(self, row: ArmRow, channel: ChannelRow) -> int:
        """Return the index that a rule asks for, with at most this packet on the ring."""
        if row.value == "next":
            return event_next(0, row.k)
        if row.value == "share":
            return event_share(0, self.published[channel.ring], row.num, row.den)
        if row.value == "still":
            return self._state(row.channel)[1]
        return event_off(0 if channel.forward else self.returned[channel.ring])
