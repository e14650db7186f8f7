"""Following one packet from stage to stage, as the rules of play say."""

from __future__ import annotations

from dataclasses import dataclass

from virtsim.equation.channels import Channels
from virtsim.equation.clock import Clock, refusal
from virtsim.equation.terms import TIMER
from virtsim.equation.threads import Threads
from virtsim.program import NONE, ChannelRow, StageRow, Uses


@dataclass(frozen=True, slots=True)
class Hand:
    """The packet leaves one stage for another: when, and by which notification, if by one."""

    now: int
    stage: int
    channel: int = NONE
    sender: int = NONE
    visible: Uses = ()


class Follower:
    """Goes with a packet through the tables, and on with every thread that it leaves."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.program = clock, clock.program
        self.stages, self.rings = clock.program.stages, clock.program.rings
        self.channels, self.threads = Channels(clock), Threads(clock)
        self.hand: Hand | None = None
        self.delivered = False
        rows = enumerate(clock.program.stages)
        self.consumer = {s.ring: i for i, s in rows if s.role in ("take", "called")}

    # -- from stage to stage -----------------------------------------------------------------

    def follow(self) -> None:
        """Go with the packet from its source to its delivery."""
        at = NONE
        self._publish(self.program.sources[0].ring, NONE)
        while not self.delivered:
            if self.hand is None:
                raise refusal(self.program, "nobody is told of the packet", "a notification")
            hand, self.hand = self.hand, None
            if self.clock.open:
                self._go_on(at, hand)
            else:
                self.clock.now, self.clock.open = hand.now, True
                self._reach(hand)
            at = hand.stage
            self._turn(at)
            if not self.clock.open:
                self.threads.rest(at)

    def _polled(self, stage: StageRow) -> bool:
        """Tell whether a stage looks at its ring by itself."""
        return stage.role != "called" and self.threads.rows[stage.thread].wait == "poll"

    def _go_on(self, at: int, hand: Hand) -> None:
        """Let the thread that has the packet come to it again, its turn over."""
        if self._polled(self.stages[hand.stage]):
            self.threads.go_on(at, hand.stage)
        else:
            self._enter(hand.stage, hand.channel)

    def _reach(self, hand: Hand) -> None:
        """Let the packet get to another thread: transit, then its look, wake-up or delivery."""
        stage = self.stages[hand.stage]
        self.clock.pay(hand.visible, stage.thread)
        if self._polled(stage):
            self.threads.look(hand.stage)
            return
        if hand.visible and (hand.channel == NONE or not self.channels.decide(hand.channel)):
            raise refusal(self.program, "nobody is told of the packet", "a notification")
        self._deliver(hand)

    def _deliver(self, hand: Hand) -> None:
        """Bring a notification to its target, through its relays if it has to."""
        row = self.channels.rows[hand.channel]
        thread, sender = self.stages[hand.stage].thread, hand.sender
        if self._relays(row, sender):
            sender = self._relayed(row.via)
        intrude = not self._rouse(thread, sender)
        if intrude and self.threads.find_awake(thread):
            self.clock.pay(row.running, thread)
        elif intrude and (row.running or row.intrude):
            name = self.threads.rows[thread].name
            raise refusal(self.program, f"the packet interrupts {name} at work", "one visit to it")
        self._enter(hand.stage, hand.channel, intrude=intrude)

    def _relays(self, row: ChannelRow, sender: int) -> bool:
        """Tell whether a delivery that is not put off goes through a relay."""
        asleep = self.threads.asleep(self.stages[row.target].thread)
        unaided = row.via_when == "asleep" and sender == NONE and asleep
        return row.via != NONE and (row.via_when == "always" or unaided)

    def _relayed(self, relay: int) -> int:
        """Pass a chain of relays; return the thread of the last, which delivers."""
        sender = NONE
        while relay != NONE:
            row = self.stages[relay]
            if not self._rouse(row.thread, sender):
                self.threads.find_awake(row.thread)
            self.clock.pay(self.threads.rows[row.thread].loop, row.thread)
            self.clock.pay(row.entry, row.thread)
            sender, relay = row.thread, row.inline
        return sender

    def _rouse(self, thread: int, sender: int) -> bool:
        """Wake a thread if it sleeps, at its sender's expense; tell whether it slept."""
        if not self.threads.asleep(thread):
            return False
        if sender != NONE:
            self.clock.pay(self.threads.rows[thread].signal, sender)
        self.threads.wake(thread)
        return True

    # -- a stage -----------------------------------------------------------------------------

    def _enter(self, index: int, channel: int, *, intrude: bool = False) -> None:
        """Serve the delivery, up to the turn that it leads to."""
        stage, row = self.stages[index], self.channels.rows[channel]
        thread = stage.thread
        loop, sleeps = self.threads.rows[thread].loop, self.threads.rows[thread].wait == "sleep"
        self.clock.pay(loop, thread)
        self.clock.pay(row.intrude if intrude else (), thread)
        self.clock.pay(row.entry, thread)
        self.clock.pay(stage.entry, thread)
        self._arm(stage, "entry")
        if stage.timer_ps:
            self.threads.doze(thread)
            self.clock.wait(TIMER, stage.timer_ps, thread)
            if sleeps:
                self.threads.wake(thread)
        if stage.timer_ps or stage.defer:
            self.clock.pay(loop, thread)

    def _turn(self, index: int) -> None:
        """Serve the packet and hand it on; what follows on this thread has no part in it."""
        stage = self.stages[index]
        thread = stage.thread
        self.clock.pay(stage.turn, thread)
        if stage.cleans != NONE:
            self._clean(self.stages[stage.cleans])
        self.clock.pay(stage.batch_uses, thread)
        self.clock.pay(stage.lead, thread)
        self._arm(stage, "take")
        self.clock.pay(stage.item, thread)
        if stage.publish == "each" and stage.inline == NONE:
            self._emit(stage)
        early = self._rearms_early(stage)
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
        self._refill(stage)
        if not early and not self._polled(stage):
            self.clock.pay(stage.empty_uses, thread)
            if stage.on_empty != "leave":
                self._arm(stage, "empty")

    def _rearms_early(self, stage: StageRow) -> bool:
        """Tell whether a batch that wants more packets re-arms before it is handed on."""
        wants_more = min(stage.batch, stage.budget) > 1 and self.clock.size_b < stage.budget_b
        spin = self.threads.rows[stage.thread].spin
        late_flush = stage.gather == "fill" and stage.flush == "after_rearm"
        return wants_more and late_flush and (spin is None or spin.armed)

    def _clean(self, stage: StageRow) -> None:
        """Do a reclaiming stage's work in passing."""
        self.clock.pay(stage.item * self.channels.returned[stage.ring], stage.thread)
        self._arm(stage, "clean")

    def _inline(self, stage: StageRow) -> None:
        self.clock.pay(stage.batch_uses, stage.thread)
        self.clock.pay(stage.item, stage.thread)
        if stage.inline != NONE:
            self._inline(self.stages[stage.inline])
        else:
            self._emit(stage)
        self._announce(stage, "batch")

    def _emit(self, stage: StageRow) -> None:
        """Put the packet on the ring ahead, or deliver it if there is none."""
        if stage.out == NONE:
            self.delivered, self.clock.open = True, False
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
        self.channels.returned[stage.ring] = 1
        self._decide(self.rings[stage.ring].reverse, stage)

    def _refill(self, stage: StageRow) -> None:
        """Post buffers anew, if one is enough for that."""
        if stage.done == "never" and stage.refill < 1:
            self.clock.pay(stage.refill_uses, stage.thread)
            self._give_back(stage)

    def _arm(self, stage: StageRow, when: str) -> None:
        """Carry out a stage's arm rules for one occasion: pay, then change the channel."""
        for row in stage.arms:
            forward = self.channels.rows[row.channel].forward
            silent = when == "take" and forward and not self.channels.armed(row.channel)
            if row.when == when and not silent:
                self.clock.pay(row.uses, stage.thread)
                self.channels.arm(row)

    # -- rings and notifications -------------------------------------------------------------

    def _publish(self, ring: int, sender: int) -> None:
        """Put the packet on a ring; pollers, and whoever sees it after a transit, need no kick."""
        row, index = self.rings[ring], self.consumer[ring]
        self.channels.published[ring] = 1
        if row.visible or self._polled(self.stages[index]):
            self._leave(Hand(self.clock.now, index, row.forward, visible=row.visible), sender)
        elif sender == NONE and self.channels.decide(row.forward):
            self._leave(Hand(self.clock.now, index, row.forward), sender)

    def _decide(self, channel: int, stage: StageRow) -> None:
        """Decide on a notification, pay for it, and go with it if it announces the packet."""
        if channel == NONE:
            return
        row, sender = self.channels.rows[channel], stage.thread
        if row.forward and self.rings[row.ring].visible:
            return  # it is told when the packet gets there
        if not self.channels.decide(channel):
            return
        self.clock.pay(row.send, sender)
        if row.mode == "call":
            self._turn(row.target)
            return
        if row.forward and self.hand is None:
            self._leave(Hand(self.clock.now, row.target, channel, sender), sender)
        target = self.stages[row.target].thread
        if target != sender and not self._relays(row, sender) and self.threads.asleep(target):
            self.clock.pay(self.threads.rows[target].signal, sender)

    def _leave(self, hand: Hand, sender: int) -> None:
        """Note the first hand-over; the clock stays open if the same thread goes on later."""
        if not self.clock.open:
            return
        self.hand = hand
        same = self.stages[hand.stage].thread == sender
        self.clock.open = same and not hand.visible
