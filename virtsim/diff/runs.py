"""What runs came to, side by side: figures, and CPU time by op, to the last picosecond."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from virtsim.errors import InputError
from virtsim.ledger import POLL
from virtsim.result import LEDGER, Record, Result

FIGURES = (
    "delivered_pps",
    "latency_ns.p50",
    "latency_ns.p99",
    *(
        f"per_packet.{name}"
        for name in (
            *("cpu_ns", "core_ns", "exits", "kicks", "calls", "interrupts", "syscalls", "copies"),
        )
    ),
)
"""What is compared, by its place in a run's summary."""

OP = ("thread", "part", "op", "cause")
"""What names an op of the ledger here: the same work in two stages of a thread is one."""

Op = tuple[str, str, str, str]
Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Run:
    """One path, direction and point of one side: the mean of its replications.

    Parameters
    ----------
    levels
        The figures that were played at low and high prices too, by level; empty away from the
        headline.
    n
        Times per delivered packet that each op was booked.
    busy_ps
        CPU time per delivered packet of each op; None if nothing was delivered.
    """

    label: str
    direction: str
    point: tuple[tuple[str, str], ...]
    headline: bool
    regime: str
    replications: int
    figures: Mapping[str, float | None]
    levels: Mapping[str, Mapping[str, float | None]]
    n: Mapping[Op, Fraction]
    busy_ps: Mapping[Op, Fraction] | None

    @property
    def key(self) -> Key:
        """What a run is matched by."""
        return self.label, self.direction, self.point


@dataclass(frozen=True)
class Figure:
    """One figure on both sides; None where a run has none, such as a latency without deliveries.

    ``bounds`` are the least and the greatest difference over low, typical and high prices on both
    sides, for the figures that are played at all three.
    """

    name: str
    left: float | None
    right: float | None
    bounds: tuple[float, float] | None = None

    @property
    def difference(self) -> float | None:
        """Right minus left."""
        return None if self.left is None or self.right is None else self.right - self.left

    @property
    def uncertain(self) -> bool:
        """Whether the prices' ranges leave open which side has more."""
        return self.bounds is not None and self.bounds[0] < 0 < self.bounds[1]


@dataclass(frozen=True)
class OpChange:
    """An op that costs more or less on the right: times and CPU time (ps) per packet."""

    op: Op
    n: tuple[Fraction, Fraction]
    busy_ps: tuple[Fraction, Fraction]

    @property
    def difference_ps(self) -> Fraction:
        """Right minus left."""
        return self.busy_ps[1] - self.busy_ps[0]


@dataclass(frozen=True)
class Pair:
    """A run on the left and the one on the right that it is compared with."""

    left: Run
    right: Run

    @property
    def headline(self) -> bool:
        """Whether it stands for a whole sweep, on either side."""
        return self.left.headline or self.right.headline

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures of both, in the order of FIGURES."""
        return tuple(
            Figure(name, self.left.figures[name], self.right.figures[name], self._bounds(name))
            for name in FIGURES
        )

    @property
    def differs(self) -> bool:
        """Whether any figure or op does."""
        ops_differ = (self.left.n, self.left.busy_ps) != (self.right.n, self.right.busy_ps)
        return ops_differ or any(f.left != f.right for f in self.figures)

    @property
    def ops(self) -> tuple[OpChange, ...] | None:
        """Ops whose CPU time per packet differs, the largest difference first.

        Their differences sum to that of ``cpu_ns``, exactly. None where nothing was delivered.
        """
        mine, theirs = self.left.busy_ps, self.right.busy_ps
        if mine is None or theirs is None:
            return None
        none = Fraction(0)
        found = [
            OpChange(
                op,
                (self.left.n.get(op, none), self.right.n.get(op, none)),
                (mine.get(op, none), theirs.get(op, none)),
            )
            for op in {**mine, **theirs}
        ]
        differing = [change for change in found if change.difference_ps]
        return tuple(sorted(differing, key=lambda c: (-abs(c.difference_ps), c.op)))

    def _bounds(self, name: str) -> tuple[float, float] | None:
        levels = [level for level in self.left.levels if level in self.right.levels]
        both = [(self.left.levels[x].get(name), self.right.levels[x].get(name)) for x in levels]
        differences = [b - a for a, b in both if a is not None and b is not None]
        return (min(differences), max(differences)) if len(differences) == 3 else None


def match(
    left: Sequence[Run], right: Sequence[Run]
) -> tuple[tuple[Pair, ...], tuple[Run, ...], tuple[Run, ...]]:
    """Return pairs of runs, and those of either side that are left over.

    Runs are matched by label, direction and point; a headline that has no like is then compared
    with the headline of the other side.
    """
    theirs = {run.key: run for run in right}
    pairs = [Pair(run, theirs.pop(run.key)) for run in left if run.key in theirs]
    matched = {pair.left.key for pair in pairs}
    heads = {run.key[:2]: run for run in theirs.values() if run.headline}
    for run in left:
        if run.key not in matched and run.headline and run.key[:2] in heads:
            pairs.append(Pair(run, theirs.pop(heads.pop(run.key[:2]).key)))
            matched.add(run.key)
    alone = tuple(run for run in left if run.key not in matched)
    return tuple(pairs), alone, tuple(theirs.values())


def runs_of(result: Result, where: str) -> tuple[Run, ...]:
    """Return what a result's runs came to, replications joined.

    Raises
    ------
    InputError
        If the result, which is at ``where``, does not hold what every result holds.
    """
    with reading(where):
        groups: dict[Key, list[Record]] = {}
        for record in result.records:
            run = record.summary
            point = tuple((str(k), str(v)) for k, v in sorted(run["point"].items()))
            groups.setdefault((str(run["label"]), str(run["direction"]), point), []).append(record)
        return tuple(_joined(key, records) for key, records in groups.items())


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Say of files that do not hold what they should that they do not, and nothing else."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        got = f"a damaged result: {type(error).__name__}: {error}"
        hint = "Run the scenario again"
        raise InputError(where, got, "the files that 'run' wrote", hint) from error


def _joined(key: Key, records: Sequence[Record]) -> Run:
    first = records[0].summary
    found = [{name: _pick(record.summary, name) for name in FIGURES} for record in records]
    booked = [_booked(record) for record in records]
    all_delivered = all(busy_ps is not None for _, busy_ps in booked)
    return Run(
        *key,
        bool(first["headline"]),
        str(first["regime"]),
        len(records),
        {name: _mean([figures[name] for figures in found]) for name in FIGURES},
        {str(k): dict(v) for k, v in (first.get("levels") or {}).items()},
        _means([n for n, _ in booked]),
        _means([ps for _, ps in booked if ps is not None]) if all_delivered else None,
    )


def _booked(record: Record) -> tuple[dict[Op, Fraction], dict[Op, Fraction] | None]:
    """Return times and CPU time (ps) per delivered packet of each op that host threads paid."""
    run = record.summary
    hosts = {name for name, thread in run["threads"].items() if thread["core"] is not None}
    n: dict[Op, int] = {}
    busy: dict[Op, int] = {}
    for row in record.ledger:
        line = dict(zip(LEDGER, row, strict=True))
        if line["thread"] in hosts and line["cause"] != POLL:
            op: Op = tuple(str(line[name]) for name in OP)  # type: ignore[assignment]
            n[op] = n.get(op, 0) + int(line["count"])
            busy[op] = busy.get(op, 0) + int(line["busy_ps"])
    delivered = run["packets"] - sum(run["drops"].values()) - run["in_flight"]
    if not delivered:
        return {}, None
    cpu_ns = float(Fraction(sum(busy.values()), delivered)) / 1000
    if not math.isclose(cpu_ns, run["per_packet"]["cpu_ns"], rel_tol=1e-9):
        said = run["per_packet"]["cpu_ns"]
        raise ValueError(f"the ledger has {cpu_ns} ns of CPU time per packet, the summary {said}")
    return _per(n, delivered), _per(busy, delivered)


def _per(totals: Mapping[Op, int], delivered: int) -> dict[Op, Fraction]:
    return {op: Fraction(total, delivered) for op, total in totals.items()}


def _means(each: Sequence[Mapping[Op, Fraction]]) -> dict[Op, Fraction]:
    names = dict.fromkeys(op for figures in each for op in figures)
    return {
        op: sum((f.get(op, Fraction(0)) for f in each), Fraction(0)) / len(each) for op in names
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    numbers = [value for value in known if value is not None]
    return sum(numbers) / len(numbers) if len(numbers) == len(known) else None


def _pick(tree: Any, name: str) -> float | None:
    for key in name.split("."):
        tree = tree[key]
    return None if tree is None else float(tree)
