"""A virtqueue as virtio writes it, followed through the trace of one packet.

The engines count in ring terms (published, taken, done, freed). In tx the driver publishes, so
these are avail.idx, last_avail, used.idx and the driver's last_used. In rx the device publishes: it
fills buffers that the driver posted before any packet came, so published is used.idx and
last_avail, taken is last_used, and avail.idx runs one ring size ahead of what was refilled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virtsim.outcome import Event
from virtsim.program import NONE, Program
from virtsim.semantics import MASK

HEADER_B, FCS_B = 12, 4
COUNTED = {"publish": "published", "take": "taken", "done": "done", "refill": "done",
           "reclaim": "freed"}  # fmt: skip
"""What a trace event says of the ring, by its kind."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision to notify: the indexes it compared, in virtio's own numbering."""

    name: str
    mode: str
    event: int
    new: int
    old: int
    send: bool

    def __str__(self) -> str:
        end = self.name if self.send else f"no {self.name}"
        if self.mode != "event":
            return f"{self.name} decision, {self.mode}: {end}"
        left, right = (self.new - self.event - 1) & MASK, (self.new - self.old) & MASK
        return (
            f"{self.name} decision: need_event(event {self.event}, new {self.new}, "
            f"old {self.old}): {left} < {right} is {left < right}, {end}"
        )


@dataclass(frozen=True, slots=True)
class RingView:
    """A virtqueue after one step. ``free`` counts the producer's slots: in rx, posted buffers.

    The two events are None unless the queue is suppressed by event index; the flags are 1 for "do
    not notify me".
    """

    ring: str
    size: int
    desc: Mapping[str, Any]
    avail_idx: int
    used_idx: int
    last_avail: int
    last_used: int
    avail_event: int | None
    used_event: int | None
    avail_flags: int
    used_flags: int
    free: int
    decision: Decision | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the state in JSON's own types."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "decision"}
        data["desc"] = dict(self.desc)
        if self.decision is not None:
            names = ("name", "mode", "event", "new", "old", "send")
            data["decision"] = {name: getattr(self.decision, name) for name in names}
        return data

    def __str__(self) -> str:
        counters = (
            f"avail.idx={self.avail_idx} used.idx={self.used_idx} "
            f"last_avail={self.last_avail} last_used={self.last_used}"
        )
        asks = [
            f"{name}_event={event}" if event is not None else f"{other}.flags={flags}"
            for name, event, other, flags in (
                ("avail", self.avail_event, "used", self.used_flags),
                ("used", self.used_event, "avail", self.avail_flags),
            )
        ]
        return f"{counters} {' '.join(asks)} free={self.free}"


class Virtqueue:
    """The state of one virtqueue, changed by the events of a trace."""

    def __init__(self, program: Program, ring: int, size_b: int) -> None:
        self.row = program.rings[ring]
        self.tx = self.row.frees == "reclaim"
        self.len_b = HEADER_B + size_b - FCS_B
        self.counts = dict.fromkeys(("published", "taken", "done", "freed"), 0)
        channels = {True: self.row.forward, False: self.row.reverse}
        rows = {way: program.channels[c] for way, c in channels.items() if c != NONE}
        self.mode = {way: rows[way].mode if way in rows else "never" for way in channels}
        self.armed = {way: way in rows and rows[way].armed for way in channels}
        self.event = {way: 0 if self.armed[way] else MASK for way in channels}

    def apply(self, event: Event) -> tuple[str, RingView]:
        """Take an event in; return the step in words and the state after it."""
        detail = dict(event.detail)
        decision = None
        if event.what in COUNTED:
            before = dict(self.counts)
            name = COUNTED[event.what]
            self.counts[name] = detail[name]
            text = self._moved(event.what, self.counts[name] - before[name])
        elif event.what == "arm":
            text = self._armed(detail)
        elif event.what == "decide":
            decision = self._decided(detail)
            text = str(decision)
        else:
            text = f"{self._line(bool(detail['forward']))} sent"
        return text, self._view(decision)

    # -- steps in words ----------------------------------------------------------------------

    def _line(self, forward: bool) -> str:
        return "kick" if forward == self.tx else "call"

    def _moved(self, what: str, n: int) -> str:
        slot = (self.counts["published"] - 1) % self.row.capacity
        if what == "publish" and self.tx:
            return f"available: desc[{slot}] ({self.len_b} B) in avail.ring[{slot}]"
        if what == "publish":
            return (
                f"used: posted buffer desc[{slot}] filled, used.ring[{slot}] = {self._used(slot)}"
            )
        if what == "take":
            return f"taken: {'avail' if self.tx else 'used'}.ring[{slot}] -> desc[{slot}]"
        if what == "done" and self.tx:
            return f"used: used.ring[{slot}] = {self._used(slot)}"
        if what == "reclaim":
            return f"reclaimed: {n} descriptor{'s' * (n != 1)} free again"
        return f"refilled: {n} buffer{'s' * (n != 1)} posted"

    def _used(self, slot: int) -> str:
        return f"{{id {slot}, len {0 if self.tx else self.len_b}}}"

    def _armed(self, detail: Mapping[str, int]) -> str:
        way, off = bool(detail["forward"]), bool(detail["off"])
        self.armed[way] = not off
        self.event[way] = detail["event"]
        return f"{self._line(way)}s off" if off else f"re-arm: next {self._line(way)} asked for"

    def _decided(self, detail: Mapping[str, int]) -> Decision:
        way = bool(detail["forward"])
        event, new, old = (self._shown(way, detail[name]) for name in ("event", "new", "old"))
        return Decision(self._line(way), self.mode[way], event, new, old, bool(detail["send"]))

    # -- the state ---------------------------------------------------------------------------

    def _shown(self, way: bool, index: int) -> int:
        """Return an index in virtio's numbering: in rx the driver posted a ring full before."""
        ahead = self.row.capacity if not way and not self.tx else 0
        return (index + ahead) & MASK

    def _view(self, decision: Decision | None) -> RingView:
        c, size = self.counts, self.row.capacity
        kick, call = self.tx, not self.tx  # the channel that is forward in tx is the kick
        slot = max(0, c["published"] - 1) % size
        desc = {"index": slot, "len": self.len_b if self.tx else None,
                "flags": [] if self.tx else ["WRITE"]}  # fmt: skip
        avail = c["published"] if self.tx else size + c["done"]
        used, last_avail, last_used = (
            (c["done"], c["taken"], c["freed"])
            if self.tx
            else (c["published"], c["published"], c["taken"])
        )
        return RingView(
            self.row.name, size, desc, avail & MASK, used & MASK, last_avail & MASK,
            last_used & MASK, self._index(kick), self._index(call), self._flag(call),
            self._flag(kick), size - avail + last_used if self.tx else avail - last_avail, decision,
        )  # fmt: skip

    def _index(self, way: bool) -> int | None:
        return self._shown(way, self.event[way]) if self.mode[way] == "event" else None

    def _flag(self, way: bool) -> int:
        mode = self.mode[way]
        return int(mode == "never" or (mode == "flags" and not self.armed[way]))
