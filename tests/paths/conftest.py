"""What the tests of the paths share: runs that must reconcile, and counts taken from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import pytest

from virtsim import ledger, traffic
from virtsim.compose import Host
from virtsim.costs import Profile, profile
from virtsim.model.path import Path
from virtsim.running import Played, play
from virtsim.traffic import PacketStream

FAR_APART = Fraction(1000)
"""Packets per second that leave every thread at rest before the next packet comes."""

WARM = 10
"""Packets before those that are counted: halt polling needs eight halts to grow to 1.28 ms."""


class Lab:
    """Plays paths on one price list and counts; every run has to keep the books balanced."""

    prices: Profile = profile("skylake-2018-mitig")

    def with_prices(self, changes: Mapping[str, str]) -> Profile:
        """Return the price list with some prices given."""
        return self.prices.override(changes, "test")

    def play(
        self,
        path: Path,
        direction: str,
        stream: PacketStream,
        prices: Profile | None = None,
        *,
        host: Host | None = None,
        trace: bool = False,
    ) -> Played:
        """Play a run that reconciles: time, money and packets."""
        played = play(path, direction, prices or self.prices, host or Host(), stream, trace=trace)
        assert ledger.check(played.program, played.outcome) == []
        return played

    def counts(self, played: Played) -> Counter[str]:
        """Return every event counter, how often each op was paid, and the packets' fates."""
        out = played.outcome
        found = Counter(ledger.counters(played.program, out))
        for row in ledger.rows(played.program, out):
            found[row.op] += row.count
        found["delivered"] = int((out.delivered_ps >= 0).sum())
        found["dropped"] = int((out.dropped >= 0).sum())
        return found

    def added(
        self,
        path: Path,
        direction: str,
        stream: Callable[[int], PacketStream],
        n: int,
        more: int,
        prices: Profile | None = None,
    ) -> Counter[str]:
        """Return what ``more`` packets add to a run of ``n``: start and end cancel out."""
        short = self.counts(self.play(path, direction, stream(n), prices))
        found = self.counts(self.play(path, direction, stream(n + more), prices))
        found.subtract(short)
        return found

    def isolated(
        self,
        path: Path,
        direction: str,
        packets: int = 1,
        prices: Profile | None = None,
        *,
        size_b: int = 64,
        rate: Fraction = FAR_APART,
    ) -> Counter[str]:
        """Return what further isolated packets add."""
        return self.added(
            path, direction, lambda n: traffic.constant(rate, size_b, n), WARM, packets, prices
        )

    def latency_ps(
        self, path: Path, direction: str, prices: Profile | None = None, **more: Host
    ) -> int:
        """Return the latency of isolated packets, which all have the same."""
        stream = traffic.constant(FAR_APART, 64, WARM)
        out = self.play(path, direction, stream, prices, **more).outcome
        late = np.unique((out.delivered_ps - out.arrived_ps)[1:])
        assert len(late) == 1
        return int(late[0])

    def rounds(self, played: Played, thread: str, opener: str, item: str) -> list[int]:
        """Return how often a thread paid one op after each time that it paid another."""
        found: list[int] = []
        for event in played.outcome.trace:
            if event.what == "pay" and event.thread == thread:
                op = played.program.uses[event.use].op
                if op == opener:
                    found.append(0)
                elif op == item and found:
                    found[-1] += 1
        return found

    def decisions(self, played: Played, ring: str, *, forward: bool) -> list[tuple[int, bool]]:
        """Return each notification decision on a ring: entries since the last one, and if sent."""
        details = (
            dict(event.detail)
            for event in played.outcome.trace
            if event.what == "decide" and event.ring == ring
        )
        return [
            (d["new"] - d["old"], bool(d["send"])) for d in details if d["forward"] == int(forward)
        ]


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Return the bench that all tests of this folder use."""
    return Lab()
