"""A NIC's descriptor ring as its driver sees it, followed through the trace of one packet.

The engines count in ring terms (published, taken, done, freed). In tx the driver publishes: tail is
what it posted, head what the device has written back, clean what the driver has taken back. In rx
the device publishes: head is what it has filled, clean what the driver has taken, and tail runs one
ring size ahead of what was posted anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virtsim.outcome import Event
from virtsim.program import NONE, Program

FCS_B = 4
COUNTED = {"publish": "published", "take": "taken", "done": "done", "refill": "done",
           "reclaim": "freed"}  # fmt: skip
"""What a trace event says of the ring, by its kind."""


@dataclass(frozen=True, slots=True)
class DescriptorView:
    """A descriptor ring after one step. ``free`` counts descriptors that the producer may use."""

    ring: str
    size: int
    tail: int
    head: int
    clean: int
    free: int
    masked: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return the state in JSON's own types."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        asks = "" if self.masked is None else f" interrupt={'masked' if self.masked else 'on'}"
        return f"tail={self.tail} head={self.head} clean={self.clean} free={self.free}{asks}"


class Descriptors:
    """The state of one descriptor ring, changed by the events of a trace."""

    def __init__(self, program: Program, ring: int, size_b: int) -> None:
        self.row, self.len_b = program.rings[ring], size_b - FCS_B
        self.tx = self.row.frees == "reclaim"
        self.counts = dict.fromkeys(("published", "taken", "done", "freed"), 0)
        channels = {True: self.row.forward, False: self.row.reverse}
        rows = {way: program.channels[c] for way, c in channels.items() if c != NONE}
        self.mode = {way: rows[way].mode if way in rows else "never" for way in channels}
        self.armed = {way: way in rows and rows[way].armed for way in channels}

    def apply(self, event: Event) -> tuple[str, DescriptorView]:
        """Take an event in; return the step in words ("": nothing to tell), and the state then."""
        detail = dict(event.detail)
        way = bool(detail.get("forward", 0))
        if event.what in COUNTED:
            name = COUNTED[event.what]
            n, self.counts[name] = detail[name] - self.counts[name], detail[name]
            text = self._moved(event.what, n)
        elif event.what == "arm":
            self.armed[way] = not detail["off"]
            text = self._armed(way)
        elif event.what == "decide":
            text = self._decided(way, detail)
        else:
            text = "interrupt sent" if self.mode[way] == "latch" else ""
        return text, self._view()

    # -- steps in words ----------------------------------------------------------------------

    def _moved(self, what: str, n: int) -> str:
        slot = (self.counts[COUNTED[what]] - 1) % self.row.capacity
        many = f"{n} descriptor{'s' * (n != 1)}"
        if what == "publish" and self.tx:
            return f"desc[{slot}] posted ({self.len_b} B)"
        if what == "publish":
            there = "at the NIC, for" if self.row.visible else "filled and written back:"
            return f"{there} desc[{slot}] ({self.len_b} B)"
        if what == "take":
            return f"desc[{slot}] fetched" if self.tx else f"desc[{slot}] cleaned"
        if what == "reclaim":
            return f"cleaned: {many} free again"
        return f"desc[{slot}] written back" if self.tx else f"{many} posted anew"

    def _armed(self, way: bool) -> str:
        if self.mode[way] != "latch":
            return ""
        return "interrupt unmasked" if self.armed[way] else "interrupt masked"

    def _decided(self, way: bool, detail: Mapping[str, int]) -> str:
        mode, sends = self.mode[way], bool(detail["send"])
        if mode == "latch":
            held = "raised already" if self.armed[way] else "masked, so it is kept"
            return f"interrupt: {'raised' if sends else held}"
        if mode == "call":
            return "tail written: the device works inside this exit" if sends else ""
        if mode == "once":
            return "the device sees the new tail" if sends else ""
        return ""

    # -- the state ---------------------------------------------------------------------------

    def _view(self) -> DescriptorView:
        c, size = self.counts, self.row.capacity
        told = not self.tx  # the channel that is forward in tx is the driver's
        masked = not self.armed[told] if self.mode[told] == "latch" else None
        if self.tx:
            tail, head, clean = c["published"], c["done"], c["freed"]
            return DescriptorView(
                self.row.name, size, tail, head, clean, size - tail + clean, masked
            )
        tail, head, clean = size + c["done"], c["published"], c["taken"]
        return DescriptorView(self.row.name, size, tail, head, clean, tail - head, masked)


def is_descriptors(program: Program, ring: int) -> bool:
    """Tell whether a ring is a NIC's between its driver and a device."""
    row = program.rings[ring]
    return not row.virtqueue and row.frees != "take"
