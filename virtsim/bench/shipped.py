"""Every shipped path, at a moderate rate and with guests that send or receive all they can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from virtsim import paths, traffic
from virtsim.bench.players import REFERENCE, engine
from virtsim.bench.works import Work
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile, profile
from virtsim.errors import InputError
from virtsim.model.path import Path
from virtsim.outcome import Job, Packets
from virtsim.parts import guest
from virtsim.program import SourceRow
from virtsim.traffic import PacketStream

Load = Literal["300 kpps", "pktgen", "dpdk"]
LOADS: tuple[Load, ...] = ("300 kpps", "pktgen", "dpdk")
"""The path's own guest at 300 000 packets a second; a guest that is never short of packets."""

PROFILE = "skylake-2018-mitig"
RATE = Fraction(300_000)
FLOOD = Fraction(20_000_000)
"""Packets a second that no path takes: what it delivers of them is its capacity."""

OVER = Fraction(5, 4)
"""Load of a receiving guest, in capacities of its path."""

SIZE_B = 64


@dataclass(frozen=True)
class Case:
    """A path in one direction under one load; ``stream`` gives it any number of packets."""

    path: Path
    direction: str
    load: Load
    rate: Fraction | None
    """Packets a second; None is a saturating sender."""

    prices: Profile

    def work(self, packets: int) -> Work:
        """Return its tables, and a job of so many packets."""
        stream = _stream(self.rate, packets)
        source = SourceRow("source", 0, stream.kind)
        program = compose(self.path, self.direction, Host(), self.prices, source)
        columns = Packets(
            np.ascontiguousarray(stream.at_ps),
            np.ascontiguousarray(stream.size_b),
            np.zeros(packets, dtype=np.int64),
        )
        prices = price(program, self.prices, columns, Host().nic_bps)
        return Work(self.path.name, program, Job(prices, columns))


def cases() -> Iterator[Case]:
    """Yield every shipped path, tx and rx, under every load that it can be given."""
    prices = profile(PROFILE)
    for name in paths.SHIPPED:
        for direction in ("tx", "rx"):
            for load in LOADS:
                path = _with_guest(paths.path(name), load)
                try:
                    yield Case(path, direction, load, _rate(path, direction, load, prices), prices)
                except InputError:
                    continue  # such a guest does not go with such a path


def _with_guest(path: Path, load: Load) -> Path:
    """Return a path with the guest of a load in place of its own, which keeps its NIC."""
    if load == "300 kpps":
        return path
    make = {"pktgen": guest.pktgen, "dpdk": guest.dpdk}[load]
    own = path.parts[0]
    return path.swap(own.name, make(nic=own.options["nic"]))


def _rate(path: Path, direction: str, load: Load, prices: Profile) -> Fraction | None:
    """Return the offered rate: of a receiver, five quarters of what it delivers of a flood."""
    if load == "300 kpps":
        return RATE
    if direction == "tx":
        return None
    flooded = Case(path, direction, load, FLOOD, prices).work(500)
    out = engine(REFERENCE)(flooded.program, flooded.job)
    done = out.delivered_ps[out.delivered_ps >= 0]
    return OVER * Fraction((len(done) - 1) * 10**12, int(done.max() - done.min()))


def _stream(rate: Fraction | None, packets: int) -> PacketStream:
    if rate is None:
        return traffic.saturate(SIZE_B, packets)
    return traffic.poisson(rate, SIZE_B, packets, seed=1)
