"""Who would be told: the state of every channel at the time of a decision."""

from __future__ import annotations

from virtsim.equation.clock import Clock
from virtsim.program import ArmRow
from virtsim.semantics import MASK, event_next, event_off, event_share, need_event


class Channels:
    """The channels of a Program while one packet passes.

    Arms are kept with their time: what one thread armed later does not count for a decision that
    another makes now, whichever of the two is reckoned first.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.rows = clock, clock.program.channels
        self.published = [0] * len(clock.program.rings)
        self.returned = [0] * len(clock.program.rings)
        self._arms: dict[int, list[tuple[int, bool, int]]] = {}
        self._raised: set[int] = set()

    def decide(self, channel: int) -> bool:
        """Decide whether the packet, or the slot that it gives back, is announced."""
        row = self.rows[channel]
        armed, event = self._state(channel)
        if row.mode == "event":
            return need_event(event, 1, 0)
        if row.mode == "latch":
            sends = armed and channel not in self._raised
            self._raised.add(channel)
            return sends
        return row.mode in ("always", "call") or (row.mode in ("flags", "once") and armed)

    def armed(self, channel: int) -> bool:
        """Tell whether a channel is armed now."""
        return self._state(channel)[0]

    def arm(self, row: ArmRow) -> None:
        """Change a channel, from now on."""
        armed = row.value in ("next", "share")
        state = self.clock.now, armed, self._event(row)
        self._arms.setdefault(row.channel, []).append(state)

    def _state(self, channel: int) -> tuple[bool, int]:
        """Return whether a channel is armed now, and for which index."""
        armed = self.rows[channel].armed
        since, state = 0, (armed, 0 if armed else MASK)
        for at_ps, armed, event in self._arms.get(channel, ()):
            if since <= at_ps <= self.clock.now:
                since, state = at_ps, (armed, event)
        return state

    def _event(self, row: ArmRow) -> int:
        """Return the index that a rule asks for, with at most this packet on the ring."""
        channel = self.rows[row.channel]
        if row.value == "next":
            return event_next(0, row.k)
        if row.value == "share":
            return event_share(0, self.published[channel.ring], row.num, row.den)
        if row.value == "still":
            return self._state(row.channel)[1]
        return event_off(0 if channel.forward else self.returned[channel.ring])
