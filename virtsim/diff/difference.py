"""The finding: what differs between two sides, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from virtsim.diff.parts import PathChange
from virtsim.diff.runs import OP, Figure, OpChange, Pair, Run
from virtsim.diff.settings import Change, Value
from virtsim.diff.sides import Side

MOST_OPS = 10
"""Ops that are told one by one; the rest is summed."""

PS_PER_NS = 1000


@dataclass(frozen=True)
class Difference:
    """How two sides differ.

    Parameters
    ----------
    left, right
        The sides.
    settings
        Resolved settings that differ.
    left_only, right_only
        Labels of paths that the other side does not have.
    paths
        How the paths of both sides are made, compared.
    pairs
        Runs of both sides, compared.
    left_runs, right_runs
        Runs of paths of both sides that the other side has no like of.
    traffic
        What two paths were played under.
    notes
        What a reader should know about how far all this can be trusted.
    """

    left: Side
    right: Side
    settings: tuple[Change, ...] = ()
    left_only: tuple[str, ...] = ()
    right_only: tuple[str, ...] = ()
    paths: tuple[PathChange, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_runs: tuple[Run, ...] = ()
    right_runs: tuple[Run, ...] = ()
    traffic: Mapping[str, Value] | None = None
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything does: what was asked, or what came of it."""
        alone = (self.left_only, self.right_only, self.left_runs, self.right_runs)
        paths = any(path.differs for path in self.paths)
        return bool(self.settings) or any(alone) or paths or any(p.differs for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``diff --json`` prints."""
        return {
            "virtsim": 1,
            "left": {"given": self.left.given, "kind": self.left.kind},
            "right": {"given": self.right.given, "kind": self.right.kind},
            "differs": self.differs,
            "traffic": None if self.traffic is None else dict(self.traffic),
            "settings": [change.as_dict() for change in self.settings],
            "paths": {
                "left_only": list(self.left_only),
                "right_only": list(self.right_only),
                "both": [path.as_dict() for path in self.paths],
            },
            "runs": {
                "left_only": [_named(run) for run in self.left_runs],
                "right_only": [_named(run) for run in self.right_runs],
                "both": [_pair(pair) for pair in self.pairs],
            },
            "notes": list(self.notes),
        }


def split(ops: tuple[OpChange, ...]) -> tuple[tuple[OpChange, ...], tuple[OpChange, ...]]:
    """Return the ops that are told one by one, and the rest."""
    return ops[:MOST_OPS], ops[MOST_OPS:]


def sum_ps(ops: tuple[OpChange, ...]) -> Fraction:
    """Return the difference of CPU time per packet (ps) that some ops make, exactly."""
    return sum((change.difference_ps for change in ops), Fraction(0))


def ns(ps: Fraction) -> float:
    """Return an exact time in ps as ns."""
    return float(ps / PS_PER_NS)


def _named(run: Run) -> dict[str, Any]:
    return {"label": run.label, "direction": run.direction, "point": dict(run.point)}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "left": _side(pair.left),
        "right": _side(pair.right),
        "headline": pair.headline,
        "differs": pair.differs,
        "figures": {figure.name: _figure(figure) for figure in pair.figures},
        "cpu_ns": _accounted(pair.ops),
    }


def _side(run: Run) -> dict[str, Any]:
    return {**_named(run), "replications": run.replications, "regime": run.regime}


def _figure(figure: Figure) -> dict[str, Any]:
    said: dict[str, Any] = {
        "left": figure.left,
        "right": figure.right,
        "difference": figure.difference,
    }
    return said if figure.bounds is None else said | {"bounds": list(figure.bounds)}


def _accounted(ops: tuple[OpChange, ...] | None) -> dict[str, Any] | None:
    """Return which ops account for the difference of CPU time; null if nothing was delivered."""
    if ops is None:
        return None
    told, rest = split(ops)
    return {
        "difference": ns(sum_ps(ops)),
        "ops": [_op(change) for change in told],
        "rest": {"ops": len(rest), "difference": ns(sum_ps(rest))},
    }


def _op(change: OpChange) -> dict[str, Any]:
    return {
        **dict(zip(OP, change.op, strict=True)),
        "n": [float(n) for n in change.n],
        "left": ns(change.busy_ps[0]),
        "right": ns(change.busy_ps[1]),
        "difference": ns(change.difference_ps),
    }
