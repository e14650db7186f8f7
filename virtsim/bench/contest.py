"""Everybody plays the same work in one process: first do they agree, then how long do they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtsim.bench.answer import Answer, events
from virtsim.bench.players import PLAIN, REFERENCE, Absent, C, Player, reason
from virtsim.bench.works import Work
from virtsim.errors import VirtsimError

DIFFERS = "it differs from the reference, so it was not timed"


@dataclass(frozen=True)
class Sizes:
    """How long a measurement is.

    Whoever would take longer than ``limit_s`` for the large number of packets plays the small one.
    """

    small: int
    large: int
    slow_rounds: int
    fast_rounds: int
    limit_s: float


@dataclass(frozen=True)
class Found:
    """What was found of one player: CPU time, and ratios to others. ``why`` it is nothing."""

    packets: int | None = None
    ns_per_packet: float | None = None
    events_per_packet: float | None = None
    ns_per_event: float | None = None
    to_c: float | None = None
    to_reference: float | None = None
    to_plain: float | None = None
    why: str = ""


class Contest:
    """One work, small and large, and who plays it; the reference is among them."""

    def __init__(
        self, small: Work, large: Work, everybody: Sequence[Player | Absent], sizes: Sizes
    ) -> None:
        self.small, self.large, self.sizes = small, large, sizes
        self.everybody = everybody
        self.whys = {p.name: p.why for p in everybody if isinstance(p, Absent)}
        self.given: dict[str, Work] = {}
        self.truths: dict[int, Answer] = {}

    def found(self) -> dict[str, Found]:
        """Return what was found of everybody."""
        ready = [p for p in self.everybody if isinstance(p, Player)]
        # The reference goes first: its answer is what the others' are held against.
        ready.sort(key=lambda player: player.name != REFERENCE)
        here = [player for player in ready if self._agrees(player)]
        ns = self._ns_per_packet(here)
        return {player.name: self._of(player.name, ns) for player in self.everybody}

    def _agrees(self, player: Player) -> bool:
        """Compare a player with the reference, and choose its size by how long it takes."""
        try:
            player.prepare(self.small)()  # whatever is loaded or compiled once
            took, given = _timed(player.prepare(self.small))
            same = self._is_true(self.small, player.read(given))
            fast = took * len(self.large) <= self.sizes.limit_s * len(self.small)
            if same and fast:
                same = self._is_true(self.large, player.read(player.prepare(self.large)()))
        except VirtsimError as error:
            self.whys[player.name] = reason(error)
            return False
        if not same:
            self.whys[player.name] = DIFFERS
        self.given[player.name] = self.large if fast else self.small
        return same

    def _is_true(self, given: Work, answer: Answer) -> bool:
        """Compare an answer with the first one to the same work."""
        return answer.same(self.truths.setdefault(len(given), answer))

    def _ns_per_packet(self, here: Sequence[Player]) -> dict[str, float]:
        slow, fast = self.sizes.slow_rounds, self.sizes.fast_rounds
        rounds = {p.name: slow if self.given[p.name] is self.small else fast for p in here}
        took = medians({p.name: p.prepare(self.given[p.name]) for p in here}, rounds)
        return {name: s * 1e9 / len(self.given[name]) for name, s in took.items()}

    def _of(self, name: str, ns: Mapping[str, float]) -> Found:
        if name not in ns:
            return Found(why=self.whys[name])
        mine, given = ns[name], self.given[name]
        per_packet = events(given, self.truths[len(given)]) / len(given)
        return Found(
            len(given), mine, per_packet, mine / per_packet,
            to_c=mine / ns[C] if C in ns else None,
            to_reference=ns[REFERENCE] / mine if REFERENCE in ns else None,
            to_plain=ns[PLAIN] / mine if PLAIN in ns else None,
        )  # fmt: skip


def medians(plays: Mapping[str, Callable[[], Any]], rounds: Mapping[str, int]) -> dict[str, float]:
    """Return the median CPU time of each (s).

    All take part in turn, round after round, each in as many as it is given, so that a busy moment
    of the machine meets everybody.
    """
    took: dict[str, list[float]] = {name: [] for name in plays}
    for turn in range(max(rounds.values(), default=0)):
        for name, play in plays.items():
            if turn < rounds[name]:
                took[name].append(_timed(play)[0])
    return {name: statistics.median(times) for name, times in took.items()}


def _timed(play: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    given = play()
    return time.process_time() - start, given
