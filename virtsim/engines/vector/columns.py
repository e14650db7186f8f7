"""Columns of prices as a kernel reads them: sums of what a packet pays in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from virtsim.outcome import Ints, Prices
from virtsim.program import Uses


def columns_of(prices: Prices, n: int) -> list[Ints]:
    """Return the prices of each use: one for all packets, or one for each of n."""
    found = zip(prices.offset.tolist(), prices.step.tolist(), strict=True)
    return [prices.flat[at : at + (n if step else 1)] for at, step in found]


def total(columns: list[Ints], uses: Uses) -> Ints:
    """Return the sum of several uses' prices: one for all packets, or one for each."""
    if len(uses) == 1:
        return columns[uses[0]]
    whole = np.zeros(1, dtype=np.int64)
    for use in uses:
        whole = whole + columns[use]
    return whole


def flat(column: Ints, n: int) -> Ints:
    """Return a column with a price for each of n packets."""
    return column if len(column) == n else np.full(n, column[0])


@dataclass(frozen=True)
class Columns:
    """Where the sums of lists of uses stand: offset and step of each."""

    places: dict[Uses, tuple[int, int]]
    length: int

    @classmethod
    def of(cls, lists: list[Uses], columns: list[Ints]) -> tuple[Columns, Ints]:
        """Lay out the sums over a whole run, and return their values."""
        places: dict[Uses, tuple[int, int]] = {}
        values: list[Ints] = []
        at = 0
        for uses in lists:
            mine = total(columns, uses)
            places[uses] = at, int(len(mine) > 1)
            values.append(mine)
            at += len(mine)
        return cls(places, at), np.concatenate([np.zeros(0, dtype=np.int64), *values])

    @classmethod
    def blank(cls, lists: list[Uses], size: int) -> Columns:
        """Lay out columns of ``size`` packets each, to be filled again and again."""
        return cls({uses: (i * size, 1) for i, uses in enumerate(lists)}, len(lists) * size)

    def place(self, uses: Uses) -> tuple[int, int]:
        """Return offset and step of a list's column."""
        return self.places[uses]
