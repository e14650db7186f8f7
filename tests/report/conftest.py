from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest

from virtsim import ledger, paths, traffic
from virtsim.compose import Host
from virtsim.costs import Profile, profile
from virtsim.figures.chain import Chain, chain
from virtsim.figures.data import Cell
from virtsim.report import Crossing, Evidence, Isolated
from virtsim.result import Record, Result
from virtsim.running import play
from virtsim.summary import summarize
from virtsim.walk import walk

PROFILE = profile("skylake-2018-mitig").override({"exit.light": "900ns"}, "costs")
SHIPPED = tuple(paths.SHIPPED)
EVENTS = ("interrupts", "context_switches", "exits_user", "kicks")
CROSSINGS = (
    Crossing("virtio-qemu (ioeventfd on)", "virtio-qemu", 1, 5, 0, 1, 1),
    Crossing("virtio-qemu (ioeventfd off)", "virtio-qemu", 1, 6, 1, 1, 1),
    Crossing("vhost-net", "vhost-net", 1, 0, 0, 1, 1),
)


def record(name: str, direction: str, rate: int, label: str | None = None) -> Record:
    """Play one short run at a rate (packets per second), as the experiment would keep it."""
    stream = traffic.poisson(Fraction(rate), 64, 300, 1)
    played = play(paths.path(name), direction, PROFILE, Host(), stream)
    summary: dict[str, Any] = {
        "path": name, "label": label or name, "direction": direction, "profile": PROFILE.name,
        "engine": "reference", "seed": 1, "replication": 0, "point": {"traffic.rate": f"{rate}pps"},
        "headline": rate == 100_000,
        "polled": any(t.wait == "poll" for t in played.program.threads),
    }  # fmt: skip
    histogram = played.tally.latency
    rows = ledger.rows(played.program, played.outcome)
    names = [field.name for field in fields(ledger.Row)]
    summary |= summarize(played)
    median = summary["latency_ns"]["p50"]
    summary["bounds"] = {"latency_ns.p50": [median / 2, median * 3]}
    return Record(
        summary,
        tuple(tuple(getattr(r, name) for name in names) for r in rows),
        histogram.steps(),
    )


def result(records: Sequence[Record], name: str = "small") -> Result:
    """Return a result of some records."""
    provenance = {"fingerprint": "0123456789ab", "virtsim": "0", "git": None}
    return Result(name, "virtsim: 1\n", tuple(records), provenance, ("a note <b>in words</b>",))


def lone(name: str, direction: str, prices: Profile = PROFILE) -> Isolated:
    """Walk one packet alone on a shipped path."""
    found = walk(paths.path(name), direction, prices, Host(), 64)
    return Isolated(name, direction, found, found.equation)


def boxes(name: str) -> Chain:
    """Read a shipped path as a chain."""
    return chain(name, paths.path(name))


@pytest.fixture(scope="session")
def swept() -> Result:
    """Play all shipped paths, in both directions, at three rates."""
    rates = (20_000, 100_000, 900_000)
    return result([record(p, d, r) for d in ("tx", "rx") for r in rates for p in SHIPPED])


@pytest.fixture(scope="session", params=["pvp", "v2v"])
def onward(request: pytest.FixtureRequest) -> tuple[Result, Evidence]:
    """Play four paths through a guest, or between two, and walk one packet on each."""
    names = ("e1000", "vhost-net", "vhost-user-snabb", "sriov")
    records = [record(name, request.param, 100_000) for name in names]
    return result(records), Evidence((PROFILE,), tuple(lone(n, request.param) for n in names))


@pytest.fixture(scope="session")
def single() -> Result:
    """One path under a name of the user's, one direction, no sweep."""
    one = record("vhost-net", "tx", 100_000, "mine & <yours>")
    return result([replace(one, summary={**one.summary, "point": {}, "bounds": None})])


@pytest.fixture(scope="session")
def silent(single: Result) -> Result:
    """Return a result in which nothing was delivered."""
    summary = dict(single.records[0].summary)
    summary |= {
        "delivered_pps": 0.0, "goodput_bps": 0.0, "drops": {"tap": summary["packets"]},
        "latency_ns": dict.fromkeys(summary["latency_ns"]),
        "per_packet": dict.fromkeys(summary["per_packet"]),
    }  # fmt: skip
    return result([replace(single.records[0], summary=summary, latency=())])


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    """Prices, walks, crossings and chains of the shipped paths."""
    isolated = tuple(lone(name, direction) for name in SHIPPED for direction in ("tx", "rx"))
    return Evidence((PROFILE,), isolated, CROSSINGS, tuple(map(boxes, SHIPPED)))


@pytest.fixture
def cell() -> Callable[..., Cell]:
    """Return a maker of cells with given figures."""

    def make(
        label: str,
        *,
        bounds: Any = None,
        levels: Any = None,
        ledger: Any = (),
        **figures: Any,
    ) -> Cell:
        per_packet = {"cpu_ns": 1000.0, "core_ns": 1000.0, "syscalls": 0.0, "copies": 1.0}
        per_packet |= {name: figures.pop(name) for name in EVENTS if name in figures}
        summary = {
            "label": label, "path": label, "direction": "tx", "packets": 10, "in_flight": 0,
            "drops": {}, "point": {}, "polled": False, "offered_pps": 1e5, "delivered_pps": 1e5,
            "latency_ns": {"p50": figures.pop("p50", 5000.0), "p99": 9000.0},
            "per_packet": per_packet | {k: figures.pop(k) for k in set(figures) & set(per_packet)},
            "threads": {"t": {"core": "c"}}, "bounds": bounds, "levels": levels, **figures,
        }  # fmt: skip
        return Cell(label, label, "tx", (Record(summary, tuple(ledger), ()),))

    return make
