"""What a result holds, as figures and words need it: one cell per path and direction."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from virtsim.figures.kinds import POLLING, Kind, kind_of
from virtsim.ledger import POLL, Row
from virtsim.result import Record, Result

K = TypeVar("K")
DIRECTIONS = ("tx", "rx", "pvp", "v2v")
DIRECTION_NAMES = {
    "tx": "tx, guest to link",
    "rx": "rx, link to guest",
    "pvp": "pvp, link to link",
    "v2v": "v2v, guest to guest",
}
LOADS = ("rate", "speed")
"""Last names of the axes of a sweep that change the offered load."""

T_95 = (4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Student's t for a 95 % interval with 2 to 10 degrees of freedom; 2.0 serves above."""


@dataclass(frozen=True)
class Cell:
    """One path in one direction at one point of the sweep: all its replications."""

    label: str
    path: str
    direction: str
    records: tuple[Record, ...]

    @property
    def first(self) -> Mapping[str, Any]:
        """Summary of the first replication."""
        return self.records[0].summary

    @property
    def polled(self) -> bool:
        """Whether a thread of the path polls for as long as it lives."""
        return bool(self.first.get("polled"))

    def values(self, name: str) -> list[float]:
        """Return a figure (dotted name) of each replication that has one."""
        found = (pick(record.summary, name) for record in self.records)
        return [value for value in found if value is not None]

    def value(self, name: str) -> float | None:
        """Return the mean over the replications, None if any of them has no such figure."""
        values = self.values(name)
        return sum(values) / len(values) if len(values) == len(self.records) else None

    def spread(self, name: str) -> float | None:
        """Return half the width of the 95 % interval of the mean, None below three runs."""
        values = self.values(name)
        n = len(values)
        if n < 3 or n < len(self.records):
            return None
        mean = sum(values) / n
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
        return (T_95[n - 3] if n - 3 < len(T_95) else 2.0) * deviation / math.sqrt(n)

    def bounds(self, name: str) -> tuple[float, float] | None:
        """Return a figure's least and largest value over all prices low, typical and high."""
        for record in self.records:
            found = (record.summary.get("bounds") or {}).get(name)
            if found:
                return float(found[0]), float(found[1])
        return None

    def levels(self, name: str) -> dict[str, float]:
        """Return a figure with all prices low, typical and high, as far as it was played so."""
        for record in self.records:
            found = record.summary.get("levels") or {}
            known = {level: row.get(name) for level, row in found.items()}
            if known:
                return {level: float(value) for level, value in known.items() if value is not None}
        return {}

    @property
    def drops(self) -> Counter[str]:
        """Packets dropped, by place, over all replications."""
        total: Counter[str] = Counter()
        for record in self.records:
            total.update({place: int(n) for place, n in record.summary["drops"].items()})
        return total

    @property
    def packets(self) -> int:
        """Packets offered, over all replications."""
        return sum(int(record.summary["packets"]) for record in self.records)

    @property
    def delivered(self) -> int:
        """Packets delivered, over all replications."""
        lost = sum(int(record.summary.get("in_flight", 0)) for record in self.records)
        return self.packets - sum(self.drops.values()) - lost

    @property
    def loss(self) -> float:
        """Share of the offered packets that was dropped."""
        return sum(self.drops.values()) / self.packets if self.packets else 0.0

    def entries(self) -> Iterator[Row]:
        """Yield the ledger lines that a host CPU pays, of all replications."""
        for record in self.records:
            host = {
                name for name, row in record.summary["threads"].items() if row["core"] is not None
            }
            for row in record.ledger:
                if row[0] in host:
                    yield Row(*row)

    @cached_property
    def spent(self) -> dict[tuple[str, Kind], float]:
        """CPU time per delivered packet (ns) by part and kind of work; polling comes as a kind."""
        return self._per_packet(lambda e: (e.part, kind_of(e.op, e.cause)))

    @cached_property
    def by_kind(self) -> dict[Kind, float]:
        """CPU time per delivered packet (ns) by kind of work, polling left out."""
        found = self._per_packet(lambda e: kind_of(e.op, e.cause))
        return {kind: ns for kind, ns in found.items() if kind is not POLLING}

    @cached_property
    def by_op(self) -> dict[str, float]:
        """CPU time per delivered packet (ns) by op, polling left out."""
        rows = self._per_packet(lambda e: None if e.cause == POLL else e.op)
        return {op: ns for op, ns in rows.items() if op is not None}

    def _per_packet(self, key: Callable[[Row], K]) -> dict[K, float]:
        if not self.delivered:
            return {}
        total: Counter[K] = Counter()
        for entry in self.entries():
            total[key(entry)] += int(entry.busy_ps)
        return {name: ps / 1000 / self.delivered for name, ps in total.items() if ps}

    @cached_property
    def ops(self) -> frozenset[str]:
        """Return every op that the ledger names, busy or delay, of host and device."""
        return frozenset(row[4] for record in self.records for row in record.ledger)

    def latencies(self) -> tuple[list[float], list[int]]:
        """Return the latency histogram of all replications: values (us, rising) and counts."""
        total: Counter[int] = Counter()
        for record in self.records:
            total.update({int(ps): int(n) for ps, n in record.latency})
        rising = sorted(total)
        return [ps / 1e6 for ps in rising], [total[ps] for ps in rising]


def pick(tree: Any, name: str) -> float | None:
    """Return a figure of a summary by its dotted name, None if it is not there."""
    for key in name.split("."):
        if not isinstance(tree, Mapping) or key not in tree:
            return None
        tree = tree[key]
    return None if tree is None else float(tree)


def directions(result: Result) -> list[str]:
    """Return the directions that were run, tx first."""
    found = {record.summary["direction"] for record in result.records}
    return sorted(found, key=lambda d: (DIRECTIONS.index(d) if d in DIRECTIONS else 9, d))


def labels(result: Result) -> list[str]:
    """Return the labels of the paths in the scenario's order."""
    return list(dict.fromkeys(record.summary["label"] for record in result.records))


def headline(result: Result, direction: str | None = None) -> list[Cell]:
    """Return the cells that the headline speaks of, one per path and direction, in order."""
    chosen: dict[tuple[str, str], list[Record]] = {}
    for d in directions(result) if direction is None else [direction]:
        for label in labels(result):
            mine = _of(result, label, d)
            marked = [r for r in mine if r.summary.get("headline")] or mine
            same = [r for r in marked if r.summary["point"] == marked[0].summary["point"]]
            if same:
                chosen[label, d] = same
    return [_cell(records) for records in chosen.values()]


def load_axis(result: Result) -> str | None:
    """Return the axis of the sweep that changes the offered load, None if there is none."""
    names = {name for record in result.records for name in record.summary["point"]}
    return next((n for n in sorted(names) if n.rpartition(".")[2] in LOADS), None)


def by_load(result: Result, cell: Cell) -> list[Cell]:
    """Return a headline cell's siblings along the load axis, by rising offered rate."""
    axis = load_axis(result)
    if axis is None:
        return []
    rest = _without(cell.first["point"], axis)
    groups: dict[str, list[Record]] = {}
    for record in _of(result, cell.label, cell.direction):
        point = record.summary["point"]
        if axis in point and _without(point, axis) == rest:
            groups.setdefault(str(point[axis]), []).append(record)
    cells = [_cell(records) for records in groups.values()]
    return sorted(cells, key=lambda c: c.value("offered_pps") or 0.0)


def curve(cells: Sequence[Cell], name: str) -> list[tuple[float, float]]:
    """Return points (offered packets per second, figure), leaving out what is not known."""
    points = [(cell.value("offered_pps"), cell.value(name)) for cell in cells]
    return [(x, y) for x, y in points if x and y is not None]


def _of(result: Result, label: str, direction: str) -> list[Record]:
    return [
        r
        for r in result.records
        if r.summary["label"] == label and r.summary["direction"] == direction
    ]


def _cell(records: Sequence[Record]) -> Cell:
    first = records[0].summary
    return Cell(first["label"], first["path"], first["direction"], tuple(records))


def _without(point: Mapping[str, Any], axis: str) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name != axis}
