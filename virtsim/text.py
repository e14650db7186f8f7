"""Plain text: tables for the terminal, and enumerations."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float | None


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], indent: str = "") -> str:
    """Return rows under a head; columns of numbers are set to the right."""
    texts = [[cell(c) for c in row] for row in rows]
    widths = [max(len(t[i]) for t in [list(head), *texts]) for i in range(len(head))]
    right = [all(not isinstance(row[i], str) for row in rows) for i in range(len(head))]
    lines = [list(head), ["-" * w for w in widths], *texts]
    return "\n".join(
        (
            indent + "  ".join(_pad(t, w, r) for t, w, r in zip(line, widths, right, strict=True))
        ).rstrip()
        for line in lines
    )


def cell(value: Cell) -> str:
    """Return a value as a cell: three significant digits, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, str | int):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def listing(items: Sequence[str]) -> str:
    """Join words as a sentence does: a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
