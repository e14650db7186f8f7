"""Rings and the notifications across them: the rows of rings and channels, and what arms them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from virtsim.compose.chain import Draft, Driven, Half, Step
from virtsim.compose.uses import UseTable
from virtsim.errors import InputError
from virtsim.model.ring import NEVER, DescriptorRing, Notify, Ring, Virtqueue
from virtsim.model.stage import Arm, Stage
from virtsim.program import NONE, ArmRow, ChannelRow, Mode, RingRow, Uses

DOORBELL = Notify("doorbell")
"""A posted store: the device sees what is there once its DMA has fetched it."""

REFILL = Notify("refill")
"""A driver's register write that posts buffers; what it costs is the driver's business."""


class Channels:
    """The rings and channels of a Program under construction."""

    def __init__(self, where: str, use: UseTable) -> None:
        self.where, self._use = where, use
        self.rings: list[RingRow] = []
        self.parts: list[str] = []
        self.halves: list[Half] = []
        self.driven: list[bool] = []
        self.in_exit: list[bool] = []
        self.rows: list[ChannelRow] = []
        self.relays: list[tuple[int, tuple[Stage, ...], str]] = []

    def ring(self, step: Step) -> int:
        """Append a ring and return its number."""
        assert not isinstance(step.element, Stage)
        driven = isinstance(step.element, Driven)
        row = self._driven_row(step) if driven else self._plain_row(step)
        self.rings.append(row)
        self.parts.append(step.part)
        self.halves.append(step.half)
        self.driven.append(driven)
        kick = getattr(step.element, "kick", NEVER)
        self.in_exit.append(kick.inline)  # the device works inside the driver's exits
        return len(self.rings) - 1

    def idle_ring(self, name: str) -> int:
        """Append a ring on which nothing ever is."""
        self.rings.append(RingRow(f"{name}.idle", 1))
        return len(self.rings) - 1

    def _plain_row(self, step: Step) -> RingRow:
        ring = cast(Ring, step.element)
        visible = self._use(ring.visible, "transit", step.part)
        return RingRow(ring.name, ring.capacity, "take", visible, drop=ring.name)

    def _driven_row(self, step: Step) -> RingRow:
        ring, name = cast(Driven, step.element), f"{step.part}.{step.half}"
        tx = step.half == "tx"
        if isinstance(ring, Virtqueue):
            return RingRow(name, ring.size, "reclaim" if tx else "done", drop=name, virtqueue=True)
        visible = self._use(ring.fetch if tx else ring.land, "transit", step.part)
        return RingRow(name, ring.size, "reclaim" if tx else "done", visible, drop=name)

    # -- packets -------------------------------------------------------------------------------

    def line(self, draft: Draft) -> Notify | None:
        """Return how a stage is told of packets on the driven ring that it takes from."""
        if not isinstance(draft.taken, Driven):
            return None
        return draft.taken.kick if self.halves[draft.ring] == "tx" else draft.taken.call

    def of_work(self, mine: int, draft: Draft) -> tuple[ArmRow, ...]:
        """Create the forward channel of the ring behind a stage and return the arms for it."""
        ring, line, gap = draft.taken, self.line(draft), 0
        assert ring is not None
        if draft.called:
            line = line or NEVER
            self._channel(draft.ring, "call", mine, line, forward=True)
            return ()
        if draft.polls:
            return ()
        mode = "once"
        if isinstance(ring, Ring):
            line, gap = ring.notify, ring.gap_ps
        elif draft.thread.kind == "device":
            line = DOORBELL
        else:
            assert line is not None
            mode, gap = ring.mode(line), getattr(ring, "gap_ps", 0)
        if mode == "never":
            raise InputError(
                self.where,
                f"'{draft.part}' waits for notifications that never come",
                "a kick (tx) and a call (rx), or a part that polls",
            )
        channel = self._channel(draft.ring, mode, mine, line, forward=True, gap_ps=gap)
        rearm = self._use(draft.stage.rearm, "rearm", draft.part)
        device = isinstance(ring, Virtqueue) and draft.thread.kind != "vcpu"
        armed_serving = draft.stage.on_empty == "serve_armed"
        each_take = (ArmRow(channel, "take", "next"),) if armed_serving else ()
        return (
            ArmRow(channel, "entry", "still" if device else "off"),
            *each_take,
            ArmRow(channel, "empty", "next", uses=rearm),
        )

    # -- room ----------------------------------------------------------------------------------

    def of_completion(self, draft: Draft, target: int) -> int:
        """Create the channel that tells a driver of used slots on the ring ahead.

        Both rings of a NIC share one interrupt: where packets come in by it as well, NONE is
        created, and the receive poll finds the used slots.
        """
        ring = draft.ahead
        assert ring is not None
        assert not isinstance(ring, Ring)
        sides = zip(self.parts, self.halves, self.rings, strict=True)
        mine = [row.forward for part, half, row in sides
                if (part, half) == (self.parts[draft.out], "rx")]  # fmt: skip
        shared = mine[0] if mine else NONE  # of another guest's ring nothing is known yet
        if isinstance(ring, DescriptorRing) and shared != NONE:
            self.rings[draft.out] = replace(self.rings[draft.out], reverse=shared)
            return NONE
        gap = getattr(ring, "gap_ps", 0)
        return self._channel(
            draft.out, ring.mode(ring.call), target, ring.call, forward=False, gap_ps=gap
        )

    def of_room(self, producer: Draft, ring: int, at: int) -> tuple[ArmRow, ...]:
        """Create the refill kick of a receive ring for the device that waits for buffers."""
        taken = producer.ahead
        waits = producer.stage.full in ("wait", "hold") and not producer.polls
        if not isinstance(taken, Driven) or producer.stage.completion is not None or not waits:
            return ()
        line = REFILL if isinstance(taken, DescriptorRing) else taken.kick
        if line == NEVER:
            raise InputError(
                self.where, f"'{producer.part}' waits for buffers", "a kick",
                "give the virtqueue a kick",
            )  # fmt: skip
        mode = "flags" if isinstance(taken, DescriptorRing) else taken.mode(line)
        channel = self._channel(ring, mode, at, line, forward=False)
        entry = self._use(producer.stage.room_entry, "entry", producer.part)
        self.rows[channel] = replace(self.rows[channel], entry=entry)
        return self.room_arms(producer.stage.arms, channel, NONE, producer.part)

    def room_arms(
        self, arms: tuple[Arm, ...], channel: int, done: int, part: str
    ) -> tuple[ArmRow, ...]:
        """Return a stage's arm rules for the room ahead as rows."""
        return tuple(
            ArmRow(
                channel,
                a.when,
                a.value,
                uses=self._use(a.ops, "rearm", part),
                passed=done if a.passed else NONE,
            )
            for a in arms
            if a.of == "room"
        )

    # -- rows ----------------------------------------------------------------------------------

    def _channel(
        self, ring: int, mode: str, target: int, line: Notify, *, forward: bool, gap_ps: int = 0
    ) -> int:
        """Create a channel; its uses belong to the part whose ring it is."""
        row, part = self.rings[ring], self.parts[ring]
        cause = "kick" if forward == (self.halves[ring] == "tx") else "call"
        cause = cause if self.driven[ring] else "wake"
        channel = ChannelRow(
            f"{row.name}.{cause}",
            ring,
            forward,
            cast(Mode, mode),
            target,
            send=self._use(line.send, cause, part, self.in_exit[ring]),
            running=self._use(line.running, "deliver", part),
            intrude=self._use(line.intrude, "deliver", part),
            gap_ps=gap_ps,
            armed=forward or mode == "latch",
        )
        index = len(self.rows)
        self.rows.append(channel)
        self.rings[ring] = replace(row, forward=index) if forward else replace(row, reverse=index)
        if line.relay:
            self.relays.append((index, line.relay, part))
            self.rows[index] = replace(channel, via_when=line.relay_when)
        return index

    def entry(self, line: Notify | None, part: str) -> Uses:
        """Return what a receiver pays for each notification, whatever stage it is."""
        return () if line is None else self._use(line.entry, "entry", part)
