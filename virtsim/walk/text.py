"""A walk as plain text, at most ``WIDTH`` columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from virtsim.equation import Equation
from virtsim.walk.rows import Row, View

WIDTH, INDENT = 110, 16
MARK = "*"
"""Marks the steps that the packet's latency consists of."""

INSIDE = "| "
"""Stands before what is done inside the exit above it."""


def render(
    title: str,
    rows: tuple[Row, ...],
    way: Equation,
    refusal: str,
    totals: Mapping[str, int],
) -> str:
    """Return title, steps, what the packet waited for, and totals.

    ``way`` is its cost equation, or, if ``refusal`` says why there is none, what the trace says.
    """
    names = {row.thread for row in rows}
    column = max(map(len, names | {"thread"}))
    lines = [title, "", f"{'us':>12}  {'thread':<{column}}  {'step':<40}{'ns':>13}  cause"]
    shown: dict[str, View] = {}
    for row in rows:
        lines.extend(_row(row, column))
        if row.view is not None and _differs(row.view, shown.get(row.ring)):
            shown[row.ring] = row.view
            lines.append(f"{' ' * INDENT}{row.view}")
    played = f"as it was played (no cost equation: {refusal}):"
    head = f"{MARK} the packet's way, {played if refusal else 'its cost equation:'}"
    lines += ["", *textwrap.wrap(head, WIDTH, subsequent_indent="  ")]
    lines += textwrap.wrap(str(way), WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    if any(row.bar is not None and row.bar.inside for row in rows):
        lines += ["", f"{INSIDE}inside the exit above it: the guest stands still"]
    counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in totals.items() if n)
    lines += ["", "In all, its aftermath included:"]
    lines += textwrap.wrap(counts, WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in lines)


def _row(row: Row, column: int) -> Iterator[str]:
    mark = MARK if row.bar is not None and row.bar.critical else " "
    head = f"{mark} {row.at_ps / 1e6:>10.6f}  {row.thread:<{column}}  "
    if row.bar is not None:
        ns = (row.bar.end_ps - row.bar.start_ps) / 1000
        cause = "" if row.bar.cause == row.what else row.bar.cause
        step = f"{INSIDE if row.bar.inside else ''}{row.what}"
        yield f"{head}{step:<40}{ns:>13,.3f}  {cause}"
        return
    ring = f"[{row.ring}] " if row.ring else ""
    yield from textwrap.wrap(
        f"{ring}{row.what}", WIDTH, initial_indent=head, subsequent_indent=" " * (len(head) + 2)
    )


def _differs(view: View, before: View | None) -> bool:
    """Tell whether a step changed the ring; a decision alone does not."""
    return str(view) != str(before)
