"""How long engines take: microseconds per packet and per event of the shipped paths."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from virtsim import paths, traffic
from virtsim.compose import Host
from virtsim.costs import profile
from virtsim.running import ENGINES, play
from virtsim.text import table

RATE = Fraction(300_000)
REPEATS = 3


@dataclass(frozen=True)
class Timing:
    """Median of the repeats of one path, direction and engine (process CPU time)."""

    path: str
    direction: str
    engine: str
    packets: int
    events_per_packet: float
    us_per_packet: float
    us_per_event: float


def measure(packets: int, profile_name: str = "skylake-2018-mitig") -> Iterator[Timing]:
    """Time every shipped path on every engine, with Poisson traffic at 300 kpps of 64 B."""
    prices = profile(profile_name)
    stream = traffic.poisson(RATE, 64, packets, seed=1)
    for name in paths.SHIPPED:
        for direction in ("tx", "rx"):
            for engine in ENGINES:
                took, events = [], 0
                for _ in range(REPEATS):
                    start = time.process_time()
                    played = play(
                        paths.path(name), direction, prices, Host(), stream, engine=engine
                    )
                    took.append(time.process_time() - start)
                    events = played.outcome.events
                us = statistics.median(took) * 1e6
                yield Timing(
                    name, direction, engine, packets, events / packets, us / packets, us / events
                )


def as_rows(timings: list[Timing]) -> list[dict[str, Any]]:
    """Return timings as plain rows."""
    return [asdict(t) for t in timings]


def as_text(timings: list[Timing]) -> str:
    """Return timings as a text table."""
    head = ("path", "dir", "engine", "packets", "events/packet", "us/packet", "us/event")
    return table(head, [tuple(asdict(t).values()) for t in timings])
