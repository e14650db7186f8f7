"""What takes minutes and is asked for by name: a large sweep, and a very long stream."""

from __future__ import annotations

import os
import time

from virtsim import experiment
from virtsim.bench import goals
from virtsim.bench import stream as streams
from virtsim.bench.players import REFERENCE
from virtsim.bench.rows import Row, Tell
from virtsim.choosing import choose_engine
from virtsim.compose import Host, compose
from virtsim.costs import profile
from virtsim.engines.compiling.machine import HINT, available
from virtsim.paths import path
from virtsim.scenario import Scenario, from_compare

PROFILE = "skylake-2018-mitig"

POINTS = {
    "traffic.rate": {"from": "50kpps", "to": "1000kpps", "steps": 10, "scale": "log"},
    "traffic.size": {"from": "64B", "to": "1518B", "steps": 10},
    "but.vhost.spin": {"from": "0us", "to": "90us", "steps": 10},
}
"""A thousand points of vhost-net tx: rate x size x busy polling."""

PACKETS = 10**6
FEW = 100
"""Packets of each point where nothing but the reference engine plays them."""


def sweep_of(packets: int) -> Scenario:
    """Return the sweep, with so many packets at each point."""
    sweep = from_compare(("vhost-net",), rate="300kpps", packets=packets, profile=PROFILE)
    return sweep.but({"sweep": POINTS})


def sweep(tell: Tell, packets: int | None = None) -> Row:
    """Play the sweep with two processes and with one; return a row.

    Parameters
    ----------
    packets
        Of each point; by default a million, or a hundred where only the reference engine is there.
    """
    each = packets or (FEW if _engine() == REFERENCE else PACKETS)
    scenario = sweep_of(each)
    took = {}
    for workers in (2, 1):
        tell(f"sweep: {workers} of {os.cpu_count()} CPUs, {each} packets a point")
        start = time.perf_counter()
        result = experiment.run(scenario, workers=workers)
        took[workers] = time.perf_counter() - start
    points = len({tuple(r["point"].values()) for r in result.summaries})
    row: Row = {
        "long": "sweep",
        "engine": "+".join(sorted({r["engine"] for r in result.summaries})),
        "points": points,
        "packets": each,
        "seconds": took[2],
        "seconds_one_worker": took[1],
        "to_one_worker": took[1] / took[2],
    }
    whole = goals.OF_SWEEP if each == PACKETS else goals.OF_SWEEP[1:]
    return row | {"goals": goals.verdicts(whole, row)}


def _engine() -> str:
    """Return the engine that plays the sweep."""
    program = compose(path("vhost-net"), "tx", Host(), profile(PROFILE))
    return choose_engine("auto", program)[0]


def stream(tell: Tell, packets: int = streams.PACKETS) -> Row:
    """Play W2 as a stream with its draws inside, in a process of its own; return a row."""
    row: Row = {"long": "stream", "engine": "vector"}
    if not available():
        return row | {"why": HINT, "goals": goals.verdicts(goals.OF_STREAM, row)}
    tell(f"stream: {packets} packets")
    found = streams.measured(packets)
    if found is None:
        return row | {"why": "its process failed", "goals": goals.verdicts(goals.OF_STREAM, row)}
    row |= {"packets": packets, **found, "ns_per_packet": found["seconds"] * 1e9 / packets}
    whole = goals.OF_STREAM if packets == streams.PACKETS else goals.OF_STREAM[1:]
    return row | {"goals": goals.verdicts(whole, row)}
