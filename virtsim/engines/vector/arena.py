"""The words of a run: rows of integers with the offsets of other rows, columns behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from virtsim.engines.vector import booked as uses
from virtsim.engines.vector.booking import Ledger
from virtsim.engines.vector.columns import Columns
from virtsim.outcome import Ints
from virtsim.program import Program, Uses


def power_of_two(n: int) -> int:
    """Return the least power of two that is not less than n."""
    return 1 << max(0, n - 1).bit_length()


@dataclass
class Arena:
    """Rows under construction.

    ``columns`` are the places of words that say where a column is, counted from the first column.
    ``rows`` are the ledger's, and ``lists`` the lists of uses that are paid as a whole.
    """

    program: Program
    places: Columns
    first: list[int]
    words: list[int]
    columns: list[int] = field(default_factory=list)
    rows: dict[tuple[int, int, bool], int] = field(default_factory=dict)
    lists: list[int] = field(default_factory=list)

    def take(self, n: int) -> int:
        """Reserve words and return their offset."""
        self.words += [0] * n
        return len(self.words) - n

    def listed(self, values: list[int]) -> int:
        """Append words and return their offset."""
        self.words += values
        return len(self.words) - len(values)

    def write(self, row: int, values: dict[int, int]) -> None:
        """Set fields of a row."""
        for at, value in values.items():
            self.words[row + at] = value

    def column(self, row: int, at: int, step: int, mine: Uses) -> None:
        """Say in two fields of a row where a column is."""
        self.words[row + at], self.words[row + step] = self.places.place(mine)
        self.columns.append(row + at)

    def paid(self, payer: int, mine: Uses, *, varies: bool = False) -> int:
        """Append a list of uses that are paid together; ``varies``: a price for each packet."""
        rows = [self._row(payer, use, varies) for use in mine]
        prices = [self.first[use] for use in mine]
        steps = any(self.words[row + uses.STEP] for row in rows)
        plain = not steps and (all(prices) or not any(prices))
        leaves = any(self.program.uses[use].exit for use in mine)
        at = self.listed([len(mine), sum(prices), int(plain), 0, int(leaves), *rows])
        self.lists.append(at)
        return at

    def _row(self, payer: int, use: int, varies: bool) -> int:
        """Return the ledger's row of a use."""
        at = self.rows.get((payer, use, varies))
        if at is None:
            at = self.rows[payer, use, varies] = self.take(uses.ROW)
            self.write(at, {uses.COLUMN: at + uses.FIRST, uses.FIRST: self.first[use]})
            if varies and self.places.place((use,))[1]:
                self.column(at, uses.COLUMN, uses.STEP, (use,))
        return at

    def closed(self) -> Ints:
        """Return the rows as an array; the columns will stand right behind them."""
        for place in self.columns:
            self.words[place] += len(self.words)
        self.columns.clear()
        return np.array(self.words, dtype=np.int64)

    def ledger(self, a: Ints) -> Ledger:
        """Return what a kernel has booked, list by list and row by row."""
        ledger = Ledger.blank(self.program)
        owner = {row: key for key, row in self.rows.items()}
        for at in self.lists:
            for row in a[at + uses.HEAD : at + uses.HEAD + a[at + uses.N]].tolist():
                payer, use, _ = owner[row]
                ledger.count[payer, use] += a[at + uses.TIMES]
                ledger.cost[payer, use] += a[at + uses.TIMES] * a[row + uses.FIRST]
        for row, (payer, use, _) in owner.items():
            ledger.count[payer, use] += a[row + uses.COUNT]
            ledger.cost[payer, use] += a[row + uses.COST]
        return ledger
