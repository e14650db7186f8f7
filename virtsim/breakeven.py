"""The rate above which a polled core pays: where two curves of core time per packet cross."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from virtsim.text import listing
from virtsim.units import format_rate

Curve = Sequence[tuple[float, float]]
"""Points (offered packets per second, core time per packet in ns), by rising rate."""


@dataclass(frozen=True)
class BreakEven:
    """Where the polled path starts to cost less core time per packet than the other.

    ``rate_pps`` is None if there is no such rate between ``low_pps`` and ``high_pps``, the loads
    that both carry; ``always`` then says whether the polled path is the cheaper one throughout, and
    ``sometimes`` whether it is at some loads, but not at the highest.
    ``limit_pps`` is what the other path delivers at most, if the polled one carries more.
    """

    polled: str
    other: str
    rate_pps: float | None
    always: bool
    low_pps: float
    high_pps: float
    limit_pps: float | None = None
    sometimes: bool = False

    def sentence(self) -> str:
        """Return the finding in words."""
        between = f"between {format_rate(self.low_pps)} and {format_rate(self.high_pps)}"
        if self.rate_pps is not None:
            said = (
                f"Above {format_rate(self.rate_pps)} the polled core of {self.polled} pays: "
                f"it takes less core time per packet than {self.other}."
            )
        elif self.always:
            said = f"{self.polled} takes less core time per packet than {self.other} {between}."
        elif self.sometimes:
            said = (
                f"The polled core of {self.polled} pays at some loads {between} only: at the "
                f"highest {self.other} costs less."
            )
        else:
            said = (
                f"The polled core of {self.polled} does not pay {between}: {self.other} costs less."
            )
        if self.limit_pps is None:
            return said
        limit = format_rate(self.limit_pps)
        return f"{said} {self.other} delivers {limit} at most, {self.polled} more."


def break_even(polled: str, curve: Curve, other: str, other_curve: Curve) -> BreakEven | None:
    """Find the lowest rate from which on the polled curve lies below the other.

    Points are matched by position (both played the same traffic) and the crossing is interpolated
    in the logarithms. None without at least one common point.
    """
    pairs = [
        (rate, math.log(mine / theirs))
        for (rate, mine), (_, theirs) in zip(curve, other_curve, strict=False)
        if rate and mine and theirs
    ]
    if not pairs:
        return None
    low, high = pairs[0][0], pairs[-1][0]
    if high < low * 1.01:
        return None
    crossing = None
    if pairs[-1][1] <= 0:
        for (r0, d0), (r1, d1) in pairwise(pairs):
            if d0 > 0 >= d1:
                share = d0 / (d0 - d1)
                crossing = math.exp(math.log(r0) + share * (math.log(r1) - math.log(r0)))
    below = [d <= 0 for _, d in pairs]
    some = any(below) and not below[-1]
    return BreakEven(polled, other, crossing, all(below), low, high, sometimes=some)


CARRIED = 0.97
"""Share of the offered load that a path has to deliver for its cost per packet to be compared."""


def findings(runs: Sequence[dict[str, Any]]) -> list[tuple[str, BreakEven]]:
    """Compare each polled path with each other one, per direction, over the loads both carry."""
    found: list[tuple[str, BreakEven]] = []
    for direction in dict.fromkeys(r["direction"] for r in runs):
        loads = _by_load([r for r in runs if r["direction"] == direction])
        polled = {r["label"] for r in runs if r["polled"]}
        for label in loads:
            for other in loads:
                if label in polled and other not in polled:
                    result = compared(label, loads[label], other, loads[other])
                    if result is not None:
                        found.append((direction, result))
    return found


def sentences(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the findings in words."""
    found = findings(runs)
    return [
        f"{direction}: {sentence}"
        for direction in dict.fromkeys(d for d, _ in found)
        for sentence in gathered([one for d, one in found if d == direction])
    ]


def gathered(found: Sequence[BreakEven]) -> Iterator[str]:
    """Yield what the break-evens of one direction say, gathered by the path that polls."""
    for polled in dict.fromkeys(one.polled for one in found):
        mine = [one for one in found if one.polled == polled]
        if len(mine) == 1:
            yield mine[0].sentence()
            continue
        yield from _core(polled, mine)
        limits = [f"{o.other} {format_rate(o.limit_pps)}" for o in mine if o.limit_pps is not None]
        if limits:
            yield f"{polled} delivers more than these do at most: {listing(limits)}."


def _core(polled: str, found: Sequence[BreakEven]) -> Iterator[str]:
    crossing = sorted((o.rate_pps, o.other) for o in found if o.rate_pps is not None)
    always = [o for o in found if o.rate_pps is None and o.always]
    some = [o for o in found if o.sometimes]
    never = [o for o in found if o.rate_pps is None and not (o.always or o.sometimes)]
    if crossing:
        where = listing([f"above {format_rate(pps)} against {other}" for pps, other in crossing])
        yield (
            f"The polled core of {polled} pays {where}: from there on it takes less core time "
            "per packet."
        )
    if always:
        yield f"{polled} takes less core time per packet than {_over(always)}."
    if some:
        yield (
            f"Against {_over(some)} the polled core of {polled} pays at some loads only, not at "
            "the highest."
        )
    if never:
        yield f"The polled core of {polled} does not pay against {_over(never)}."


def _over(found: Sequence[BreakEven]) -> str:
    """Name the other paths, each group with the loads over which it was compared."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in found:
        ends = format_rate(one.low_pps), format_rate(one.high_pps)
        groups.setdefault(ends, []).append(one.other)
    return listing([f"{listing(names)} ({low} to {high})" for (low, high), names in groups.items()])


Load = Mapping[str, Any]


def compared(
    label: str, mine: Sequence[Load], other: str, theirs: Sequence[Load]
) -> BreakEven | None:
    """Compare two paths over the loads that both carry, given their runs by rising load."""
    both = [(a, b) for a, b in zip(mine, theirs, strict=False) if _carried(a) and _carried(b)]
    found = break_even(label, [_cost(a) for a, _ in both], other, [_cost(b) for _, b in both])
    beyond = [b for a, b in zip(mine, theirs, strict=False) if _carried(a) and not _carried(b)]
    if found is None or not beyond:
        return found
    return replace(found, limit_pps=max(b["delivered_pps"] or 0.0 for b in theirs))


def _carried(run: Load) -> bool:
    offered, delivered = run["offered_pps"], run["delivered_pps"]
    return bool(offered and delivered and delivered >= CARRIED * offered)


def _cost(run: Load) -> tuple[float, float]:
    return run["offered_pps"] or 0.0, run["per_packet"]["core_ns"] or 0.0


def _by_load(runs: Sequence[Load]) -> dict[str, list[Load]]:
    """Return the first replication of each label's runs, by rising load, all else as headlined."""
    fixed = next((_but_load(r["point"]) for r in runs if r["headline"]), {})
    loads: dict[str, list[Load]] = {}
    for r in runs:
        if r["replication"] == 0 and _but_load(r["point"]) == fixed:
            loads.setdefault(r["label"], []).append(r)
    return {k: sorted(v, key=lambda r: r["offered_pps"] or 0.0) for k, v in loads.items()}


def _but_load(point: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in point.items() if not k.endswith((".rate", ".speed"))}
