"""What the stamps of a run come to: how many packets, how late, how many bytes."""

from __future__ import annotations

from dataclasses import dataclass

from virtsim.histogram import Histogram


@dataclass(frozen=True)
class Tally:
    """Counts of packets as they ended.

    ``drops`` has a number for each ring of the Program. Of the measured packets, those of the
    window, ``latency`` (ps), ``delivered_measured``, ``bytes_measured`` and the times of the first
    and last delivery (ps, -1 without one) are of those that were delivered.
    """

    n: int
    delivered: int
    in_flight: int
    drops: tuple[int, ...]
    measured: int
    delivered_measured: int
    bytes_measured: int
    first_ps: int
    last_ps: int
    latency: Histogram
