"""The rows of a benchmark: standard works and shipped paths, everybody side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from virtsim.bench import goals, memory, native
from virtsim.bench.contest import Contest, Sizes
from virtsim.bench.players import engine_player, players
from virtsim.bench.shipped import cases
from virtsim.bench.works import WORKS, work

Row = dict[str, Any]
Tell = Callable[[str], None]
"""Is told how far a measurement has come."""


def works(sizes: Sizes, engines: Sequence[str], tell: Tell, *, peaks: bool) -> list[Row]:
    """Return a row for each standard work by each engine, the C loops and plain SimPy.

    Parameters
    ----------
    engines
        Names of engines; the reference is among them.
    peaks
        Whether to measure peak memory too, each in a process of its own.
    """
    rows = []
    with native.compiled() as loops:
        everybody = list(players(engines, loops))
        for name in WORKS:
            tell(f"{name}: CPU time")
            contest = Contest(work(name, sizes.small), work(name, sizes.large), everybody, sizes)
            for by, found in contest.found().items():
                row = {"work": name, "by": by} | asdict(found)
                if peaks and found.packets is not None:
                    tell(f"{name}: memory of {by}")
                    row |= memory.peak(name, by, found.packets)
                rows.append(row | {"goals": goals.verdicts(goals.OF_WORKS.get((name, by)), row)})
    return rows


def paths(sizes: Sizes, engines: Sequence[str], tell: Tell) -> list[Row]:
    """Return a row for each shipped path, direction and load by each engine."""
    everybody = [engine_player(name) for name in engines]
    rows = []
    for case in cases():
        named = {"path": case.path.name, "direction": case.direction, "load": case.load}
        tell(", ".join(named.values()))
        contest = Contest(case.work(sizes.small), case.work(sizes.large), everybody, sizes)
        for by, found in contest.found().items():
            row = named | {"engine": by} | asdict(found)
            del row["to_c"], row["to_plain"]
            wanted = goals.OF_PATHS.get(by) if found.packets is not None else None
            rows.append(row | {"goals": goals.verdicts(wanted, row)})
    return rows
