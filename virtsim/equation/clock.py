"""The clock of one packet's way through a Program: it pays, and keeps the terms."""

from __future__ import annotations

from virtsim.equation.terms import Kind, Term
from virtsim.errors import InputError
from virtsim.outcome import Prices
from virtsim.program import Program, Uses


def refusal(program: Program, got: str, want: str) -> InputError:
    """Return the error of a packet whose latency the tables do not say."""
    where = f"cost equation of {program.name} ({program.direction})"
    return InputError(where, got, want, "'virtsim walk' plays the packet instead")


class Clock:
    """Tells the time of whoever is being followed; ``open`` while the packet waits for it.

    What a thread does after the packet has left it passes on a clock that is not open: it makes no
    term, but it says when the thread comes to rest.
    """

    def __init__(self, program: Program, prices: Prices, at_ps: int, size_b: int) -> None:
        self.program, self.size_b = program, size_b
        self.costs = [int(prices.flat[offset]) for offset in prices.offset]
        self.now, self.open = at_ps, True
        self.terms: list[Term] = []

    def pay(self, uses: Uses, thread: int) -> None:
        """Let uses pass on a thread, or hold it up."""
        for use in uses:
            row = self.program.uses[use]
            kind: Kind = "busy" if row.busy else "delay"
            times, who = self.size_b if row.per_byte else 1, self.program.threads[thread].name
            self._pass(Term(row.op, times, self.costs[use], who, row.part, row.cause, kind))

    def wait(self, symbol: str, ps: int, thread: int, kind: Kind = "delay") -> None:
        """Let a wait that is no op pass."""
        self._pass(Term(symbol, 1, ps, self.program.threads[thread].name, "", symbol, kind))

    def sum(self, uses: Uses) -> int:
        """Return what uses cost together, in ps."""
        return sum(self.costs[use] for use in uses)

    def _pass(self, term: Term) -> None:
        if self.open:
            self.terms.append(term)
        self.now += term.ps
