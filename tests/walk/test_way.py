from __future__ import annotations

import numpy as np
import pytest

from virtsim import paths, profile
from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.engines.reference import run
from virtsim.equation import equation
from virtsim.model.path import Path
from virtsim.outcome import Job, Packets
from virtsim.parts import guest
from virtsim.paths import SHIPPED
from virtsim.walk import AT_PS, walk
from virtsim.walk.way import NAP, way

PRICES = profile("skylake-2018-mitig")


def with_guest(name: str, driver: str) -> Path:
    """Return a shipped path with another guest; Snabb never sleeps, so that it has an equation."""
    path = paths.path(name)
    if name == "vhost-user-snabb":
        path = path.but({"snabb.pacing": "busy"})
    maker = {"linux": guest.linux, "dpdk": guest.dpdk}[driver]
    return path.swap("guest", maker(nic=path.parts[0].options["nic"]))


@pytest.mark.parametrize("driver", ["linux", "dpdk"])
@pytest.mark.parametrize("direction", ["tx", "rx", "pvp", "v2v"])
@pytest.mark.parametrize("name", SHIPPED)
def test_trace_and_equation_agree(name: str, direction: str, driver: str) -> None:
    """What the trace says that a packet waited for is, term by term, the cost equation."""
    program = compose(with_guest(name, driver), direction, Host(), PRICES)
    packets = Packets(*(np.array([x], dtype=np.int64) for x in (AT_PS, 64, 0)))
    prices = price(program, PRICES, packets, Host().nic_bps)
    outcome = run(program, Job(prices, packets, trace=True))
    read = way(program, prices, outcome.trace, AT_PS, 64)
    assert [term for term in read.terms if term.ps] == [
        term for term in equation(program, prices, AT_PS, 64).terms if term.ps
    ]


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_naps_are_waits(direction: str) -> None:
    """Where a poller sleeps there is no equation, but a way, with what was left of its nap.

    Its steps are marked, and cover the latency without a gap.
    """
    found = walk(paths.path("vhost-user-snabb"), direction, PRICES, Host(), 64)
    assert found.equation is None
    assert found.way.value_ps == found.latency_ps
    assert any(term.op == NAP and term.ps for term in found.way.terms)
    critical = sorted(
        (b.start_ps, b.end_ps) for b in found.bars if b.critical and b.end_ps > b.start_ps
    )
    ends = [0, *(end for _, end in critical)]
    assert [start for start, _ in critical] == ends[:-1]
    assert ends[-1] == found.latency_ps
