"""What goes into an engine and what comes out: integers only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
STATES = ("busy", "polling", "runnable", "asleep")
"""The states of a thread. Their times sum to the window."""


@dataclass(frozen=True)
class Prices:
    """Integer prices of a Program's uses.

    Use ``u`` on packet ``i`` costs ``flat[offset[u] + i * step[u]]`` picoseconds; ``step`` is 0 for
    a constant and 1 for a column of one price per packet.
    """

    flat: Ints
    offset: Ints
    step: Ints


@dataclass(frozen=True)
class Packets:
    """Columns of the packets of all sources: arrival (ps), size (bytes) and source."""

    at_ps: Ints
    size_b: Ints
    source: Ints

    def __len__(self) -> int:
        return len(self.at_ps)


@dataclass(frozen=True)
class Job:
    """One run: what to play, how many packets to cut first, and whether to keep a trace."""

    prices: Prices
    packets: Packets
    warmup: int = 0
    trace: bool = False
    on_progress: Callable[[int, int], None] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Event:
    """One line of a trace."""

    at_ps: int
    what: str
    thread: str = ""
    stage: str = ""
    use: int = -1
    packet: int = -1
    ring: str = ""
    detail: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Stamps and counters of one run.

    ``count``, ``busy_ps``, ``delay_ps`` and ``bytes`` have a row per payer (stages, then threads)
    and a column per use. ``window`` and ``total`` hold the time of each thread in each state. A
    packet's ``dropped`` is the ring that dropped it, or -1; ``delivered_ps`` is -1 unless it was
    delivered.
    """

    arrived_ps: Ints
    delivered_ps: Ints
    dropped: Ints
    count: Ints
    busy_ps: Ints
    delay_ps: Ints
    bytes: Ints
    window: Ints
    total: Ints
    window_ps: tuple[int, int]
    end_ps: int
    wakeups: Ints
    spin_hits: Ints
    stops: Ints
    stolen_ps: Ints
    events: int
    trace: tuple[Event, ...] = ()

    def digest(self) -> dict[str, Any]:
        """Return everything that two engines must agree on, as plain lists."""
        stamps = ("arrived_ps", "delivered_ps", "dropped")
        booked = ("count", "busy_ps", "delay_ps", "bytes", "window", "total")
        counted = ("wakeups", "spin_hits", "stops", "stolen_ps")
        columns = {name: getattr(self, name).tolist() for name in stamps + booked + counted}
        return columns | {"end_ps": self.end_ps}
