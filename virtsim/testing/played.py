"""Playing whole paths and counting what they did, per op and per counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from virtsim.compose import Host, compose
from virtsim.costing import price
from virtsim.costs import Profile, profile
from virtsim.engines.reference import run as reference
from virtsim.model.ops import counts_of
from virtsim.model.path import Path
from virtsim.outcome import Job, Outcome, Packets
from virtsim.program import Program, SourceRow
from virtsim.testing.laws import Run

GAP_PS = 50_000_000
"""Between isolated packets: long enough for everything to come to rest."""


@dataclass(frozen=True)
class Played:
    """A path's Program and what came of playing it."""

    program: Program
    job: Job
    outcome: Outcome

    @property
    def delivered(self) -> int:
        """Packets delivered."""
        return int((self.outcome.delivered_ps >= 0).sum())

    @property
    def ops(self) -> Counter[str]:
        """How often each op was used."""
        found: Counter[str] = Counter()
        for use, n in zip(self.program.uses, self.outcome.count.sum(axis=0), strict=True):
            found[use.op] += int(n)
        return found

    @property
    def counters(self) -> Counter[str]:
        """What ``ops.yaml`` says that these uses count: exits, kicks, copies, bytes and so on."""
        found: Counter[str] = Counter()
        sums = zip(
            self.program.uses,
            self.outcome.count.sum(axis=0),
            self.outcome.bytes.sum(axis=0),
            strict=True,
        )
        for use, n, n_bytes in sums:
            for name, each in counts_of(use.op).items():
                found[name] += int(n_bytes if use.per_byte else n * each)
        return found

    def per_packet(self, name: str) -> Fraction:
        """Return a counter over the packets delivered."""
        return Fraction(self.counters[name], self.delivered)

    def times(self, op: str, what: str = "pay") -> list[int]:
        """Return when an op began, from the trace."""
        mine = {i for i, use in enumerate(self.program.uses) if use.op == op}
        return [e.at_ps for e in self.outcome.trace if e.what == what and e.use in mine]


def play(
    path: Path,
    direction: str,
    at_ps: Sequence[int],
    *,
    size_b: int = 64,
    prices: Profile | None = None,
    host: Host | None = None,
    source: SourceRow | None = None,
    trace: bool = False,
    run: Run = reference,
) -> Played:
    """Play a path with packets that arrive at these times, and return what came of it."""
    book = prices or profile("skylake-2018-mitig")
    on = host or Host()
    program = compose(path, direction, on, book, source)
    n = len(at_ps)
    packets = Packets(
        np.array(at_ps, dtype=np.int64),
        np.full(n, size_b, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    job = Job(price(program, book, packets, on.nic_bps), packets, trace=trace)
    return Played(program, job, run(program, job))


def isolated(n: int, gap_ps: int = GAP_PS) -> list[int]:
    """Return arrivals so far apart that each packet finds everything at rest."""
    return [gap_ps * (i + 1) for i in range(n)]


def check_path(
    path: Path,
    direction: str,
    expected: Mapping[str, int],
    *,
    n: int = 20,
    prices: Profile | None = None,
    host: Host | None = None,
    run: Run = reference,
) -> None:
    """Check what isolated packets count on a path: exact integers per packet.

    Raises
    ------
    AssertionError
        With all counters that differ, or if a packet is not delivered.
    """
    played = play(path, direction, isolated(n), prices=prices, host=host, run=run)
    assert played.delivered == n, f"{path.name} {direction}: {played.delivered} of {n} delivered"
    got = {name: played.per_packet(name) for name in expected}
    unlike = {k: f"{float(got[k]):g}, not {expected[k]}" for k in expected if got[k] != expected[k]}
    assert not unlike, f"{path.name} {direction}: {unlike}"
