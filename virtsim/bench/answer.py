"""What a play of a standard work comes to, so that plays can be compared before they are timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from virtsim.bench.works import Work
from virtsim.outcome import Ints, Outcome


@dataclass(frozen=True)
class Answer:
    """Stamps and counters of one play.

    ``fate`` has the time (ps) at which each packet was delivered, -2 - ring for one that a ring
    dropped, or -1. ``counters`` are the uses paid, then the wake-ups of each thread, the stops of
    each stage, and the end of the run (ps).
    """

    fate: Ints
    counters: Ints

    @classmethod
    def of(cls, outcome: Outcome) -> Answer:
        """Return what an engine's outcome comes to."""
        fate = np.where(outcome.dropped >= 0, -2 - outcome.dropped, outcome.delivered_ps)
        end = np.array([outcome.end_ps], dtype=np.int64)
        counted = (outcome.count.sum(axis=0), outcome.wakeups, outcome.stops, end)
        return cls(fate, np.concatenate(counted))

    @property
    def checksum(self) -> int:
        """Sum of fates, each times the odd number of its packet, modulo 2**64."""
        odd = 2 * np.arange(len(self.fate), dtype=np.uint64) + 1
        return int((odd * self.fate.view(np.uint64)).sum(dtype=np.uint64))

    def same(self, other: Answer) -> bool:
        """Tell whether two plays agree, integer for integer."""
        return np.array_equal(self.fate, other.fate) and np.array_equal(
            self.counters, other.counters
        )


def blank(work: Work) -> Answer:
    """Return an answer that is still to be filled in."""
    p = work.program
    n = len(p.uses) + len(p.threads) + len(p.stages) + 1
    return Answer(np.full(len(work), -1, dtype=np.int64), np.zeros(n, dtype=np.int64))


def events(work: Work, answer: Answer) -> int:
    """Return how many events a work has: arrivals, and ends of ops and delays.

    It is the work's own number, whoever plays it: an engine may need more steps or fewer. Looks of
    a poller that find nothing are none of them.
    """
    paid = answer.counters[: len(work.program.uses)]
    looks = np.array([use.cause == "poll" for use in work.program.uses], dtype=bool)
    return len(work) + int(paid[~looks].sum())
