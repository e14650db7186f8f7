"""Terms and their sum: what an isolated packet waits for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

Kind = Literal["busy", "delay", "poll wait"]
POLL_WAIT: Kind = "poll wait"
TIMER = "timer"
QUEUED = "queued"
WAITS = (POLL_WAIT, TIMER, QUEUED)
"""Symbols of the waits that are no op: for a poller's next look, for a stage's timer, for a thread
that is still at its own work."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: an op (``times`` is the bytes of a per-byte op, else 1) and what it costs.

    ``who`` is the thread that spends it, or that a delay holds up; ``ps`` is the whole term.
    """

    op: str
    times: int
    ps: int
    who: str
    part: str
    cause: str
    kind: Kind

    def __str__(self) -> str:
        if self.op in (POLL_WAIT, QUEUED):
            return f"{self.op}({self.who})"
        return self.op if self.times == 1 else f"{self.times} B x {self.op}"


@dataclass(frozen=True)
class Equation:
    """The latency of one isolated packet as a sum, in the order in which the packet meets it."""

    at_ps: int
    terms: tuple[Term, ...]

    @property
    def value_ps(self) -> int:
        """Sum of the terms, in ps."""
        return sum(term.ps for term in self.terms)

    def intervals(self) -> Iterator[tuple[int, int, Term]]:
        """Yield start and end (ps) of each term: one begins where the one before it ends."""
        ends = accumulate((term.ps for term in self.terms), initial=self.at_ps)
        for start, term in zip(ends, self.terms, strict=False):
            yield start, start + term.ps, term

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.terms))} = {self.value_ps / 1e6:.3f} us"

    def as_dict(self) -> dict[str, Any]:
        """Return the equation in JSON's own types."""
        names = ("op", "times", "ps", "who", "part", "cause", "kind")
        rows = [{name: getattr(term, name) for name in names} for term in self.terms]
        return {"at_ps": self.at_ps, "value_ps": self.value_ps, "text": str(self), "terms": rows}
