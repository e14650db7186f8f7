"""A difference as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from virtsim.diff.difference import Difference, ns, split, sum_ps
from virtsim.diff.parts import PartShown, PathChange
from virtsim.diff.runs import OP, Figure, OpChange, Pair, Run
from virtsim.diff.settings import Change, Value
from virtsim.diff.sides import NOUNS, Side
from virtsim.text import Cell, cell, table

SHOWN = {
    "delivered_pps": ("delivered kpps", 1000),
    "latency_ns.p50": ("p50 us", 1000),
    "latency_ns.p99": ("p99 us", 1000),
    "per_packet.cpu_ns": ("cpu ns", 1),
    "per_packet.core_ns": ("core ns", 1),
}
"""How figures are called here and what they are divided by; the others go by their own names."""

MOST_NAMED = 5
"""Runs without a like that are named; the rest is counted."""

INDENT = "  "


def as_text(found: Difference, all_points: bool = False) -> Iterator[str]:
    """Yield a difference as lines, the headline's runs or those of all points."""
    yield f"left:  {_side(found.left)}"
    yield f"right: {_side(found.right)}"
    if not found.differs:
        yield _nothing(found)
        yield from (f"note: {note}" for note in found.notes)
        return
    if found.settings:
        yield from ("", "settings that differ")
        yield _changes(found.settings)
    elif found.left.kind != "path":
        yield from ("", "the settings are the same")
    yield from _paths(found)
    yield from _runs(found, all_points)
    if found.notes:
        yield ""
    yield from (f"note: {note}" for note in found.notes)


def _side(side: Side) -> str:
    return f"{side.given} ({NOUNS[side.kind]})"


def _nothing(found: Difference) -> str:
    """Say that nothing differs, and why that is known."""
    if found.pairs:
        return f"Nothing differs, in any figure of {_count(len(found.pairs), 'run')}."
    if found.left.kind == "path":
        return "Nothing differs: parts and options are the same, so nothing was played."
    return "Nothing differs: settings, paths and options are the same, so nothing was played."


# -- what was asked ----------------------------------------------------------------------------


def _paths(found: Difference) -> Iterator[str]:
    for side, labels in (("left", found.left_only), ("right", found.right_only)):
        if labels:
            yield from ("", f"paths on the {side} only: {'; '.join(labels)}")
    same = [path.left for path in found.paths if not path.differs]
    if same:
        yield from ("", f"paths made alike: {'; '.join(same)}")
    for path in found.paths:
        if path.differs:
            yield from ("", f"{_labels(path.left, path.right)}: parts and options that differ")
            yield _changes(_rows(path))
            if path.same:
                yield f"{INDENT}(the same: {', '.join(path.same)})"


def _rows(path: PathChange) -> tuple[Change, ...]:
    """Return a row per part and option that only one path has, and per option that differs."""
    left = [row for part in path.left_only for row in _alone(part)]
    right = [Change(c.key, c.right, c.left) for part in path.right_only for c in _alone(part)]
    return (*left, *right, *path.options)


def _alone(part: PartShown) -> Iterator[Change]:
    yield Change(part.name, part.made_by, None)
    for option, value in part.options.items():
        if value is not None:  # an option that is not set is as the profile or the driver says
            yield Change(f"{part.name}.{option}", value, None)


def _changes(changes: Sequence[Change]) -> str:
    rows = [(c.key, _value(c.left), _value(c.right)) for c in changes]
    return table(("", "left", "right"), rows, INDENT)


def _value(value: Value) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


# -- what came of it ---------------------------------------------------------------------------


def _runs(found: Difference, all_points: bool) -> Iterator[str]:
    for side, runs in (("left", found.left_runs), ("right", found.right_runs)):
        if runs:
            named = "; ".join(map(_run, runs[:MOST_NAMED]))
            more = f"; and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
            yield from ("", f"runs on the {side} only: {named}{more}")
    if found.traffic is not None:
        said = ", ".join(f"{k.removeprefix('traffic.')} {v}" for k, v in found.traffic.items())
        yield from ("", f"played under: {said}")
    shown = [pair for pair in found.pairs if all_points or pair.headline]
    for pair in shown:
        yield ""
        yield from _pair(pair)
    hidden = [pair for pair in found.pairs if pair not in shown]
    if hidden:
        n = sum(pair.differs for pair in hidden)
        yield from ("", f"({_count(len(hidden), 'run')} at other points, {n} that differ: --all)")


def _pair(pair: Pair) -> Iterator[str]:
    head = _heading(pair)
    if not pair.differs:
        yield f"{head}: the same in every figure"
        return
    yield head
    differing = [figure for figure in pair.figures if figure.left != figure.right]
    if differing:
        names = ("", "left", "right", "right - left", "%", "over low to high prices")
        rows = [_figure(figure) for figure in differing]
        shown = len(names) if any(row[-1] for row in rows) else len(names) - 1
        yield table(names[:shown], [row[:shown] for row in rows], INDENT)
    same = [_name(figure) for figure in pair.figures if figure.left == figure.right]
    if same:
        yield f"{INDENT}(the same: {', '.join(same)})"
    yield from _accounted(pair)


def _heading(pair: Pair) -> str:
    """Return whose runs these are, where in a sweep, and what limits them."""
    left, right = pair.left, pair.right
    text = f"{_labels(left.label, right.label)} {left.direction}"
    if left.point or right.point:
        text += f" at {_labels(_point(left), _point(right))}"
    n = (left.replications, right.replications)
    if n != (1, 1):
        text += f", means of {_labels(*map(str, n))} replications"
    return f"{text} ({_labels(left.regime, right.regime)})"


def _labels(left: str, right: str) -> str:
    return left if left == right else f"{left} -> {right}"


def _run(run: Run) -> str:
    where = f" at {_point(run)}" if run.point else ""
    return f"{run.label} {run.direction}{where}"


def _point(run: Run) -> str:
    return ", ".join(f"{key}={value}" for key, value in run.point) or "its only point"


def _name(figure: Figure) -> str:
    own = figure.name.removeprefix("per_packet.")
    return SHOWN.get(figure.name, (own, 1))[0]


def _figure(figure: Figure) -> tuple[Cell, ...]:
    by = SHOWN.get(figure.name, ("", 1))[1]
    left, right, difference = (
        None if value is None else value / by
        for value in (figure.left, figure.right, figure.difference)
    )
    share = 100 * difference / left if left and difference is not None else None
    return _name(figure), left, right, difference, share, _bounds(figure, by)


def _bounds(figure: Figure, by: int) -> str:
    if figure.bounds is None:
        return ""
    low, high = (cell(bound / by) for bound in figure.bounds)
    return f"{low} to {high}" + (" (uncertain)" if figure.uncertain else "")


def _accounted(pair: Pair) -> Iterator[str]:
    """Yield which ops account for the difference of CPU time per packet."""
    ops = pair.ops
    if ops is None:
        yield f"{INDENT}nothing was delivered on one side, so no CPU time per packet is compared"
        return
    if not ops:
        return
    yield f"{INDENT}CPU time per packet, by op"
    yield _ops(ops)


def _ops(ops: tuple[OpChange, ...]) -> str:
    """Return the largest differences as a table that adds up: with the rest, and the sum."""
    told, rest = split(ops)
    names: list[tuple[str, ...]] = [change.op for change in told]
    names += [(f"the rest ({_count(len(rest), 'op')})", "", "", "")] if rest else []
    sums = [sum_ps(rest), sum_ps(ops)] if rest else [sum_ps(ops)]
    columns = {
        "left n": [f"{float(change.n[0]):.3g}" for change in told],
        "right n": [f"{float(change.n[1]):.3g}" for change in told],
        "left ns": [_ns(change.busy_ps[0]) for change in told],
        "right ns": [_ns(change.busy_ps[1]) for change in told],
        "right - left": [_ns(x) for x in (*(change.difference_ps for change in told), *sums)],
    }
    head, *rows = zip(*(_column(k, v, len(names) + 1) for k, v in columns.items()), strict=True)
    named = [*names, ("all", "", "", "")]
    return table(
        (*OP, *head), [(*name, *row) for name, row in zip(named, rows, strict=True)], INDENT
    )


def _column(head: str, texts: Sequence[str], rows: int) -> list[str]:
    """Return a column of numbers as texts set to the right, under its head."""
    filled = [head, *texts, *[""] * (rows - len(texts))]
    width = max(map(len, filled))
    return [text.rjust(width) for text in filled]


def _ns(ps: Fraction) -> str:
    return f"{ns(ps):,.1f}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
