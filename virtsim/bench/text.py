"""A benchmark as text: a table a section, with the goals in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from virtsim.bench.native import NO_COMPILER
from virtsim.bench.rows import Row
from virtsim.text import Cell, table

TIMES = {
    "packets": "packets", "ns_per_packet": "ns/packet", "events_per_packet": "events/packet",
    "ns_per_event": "ns/event",
}  # fmt: skip
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "works": {
        "work": "work", "by": "by", **TIMES, "to_c": "x C's time",
        "to_reference": "x reference's speed", "to_plain": "x SimPy's speed",
        "peak_mb": "peak MB", "own_mb": "own MB",
    },
    "paths": {
        "path": "path", "direction": "dir", "load": "load", "engine": "engine", **TIMES,
        "to_reference": "x reference's speed",
    },
    "start": {
        "start": "first result", "seconds": "s", "whole_seconds": "whole s", "cpu_seconds": "CPU s",
    },
    "long": {
        "long": "long", "engine": "engine", "points": "points", "packets": "packets",
        "seconds": "s", "seconds_one_worker": "s, one worker", "to_one_worker": "x faster",
        "ns_per_packet": "ns/packet", "peak_mb": "peak MB", "p9999_us": "p99.99 us",
    },
}  # fmt: skip
NOTES: Mapping[str, str] = {
    "works": "CPU time, medians of rounds in which all take turns; peak memory in a process of its "
    "own (own: what the play itself added to its inputs).",
    "paths": "Loads: the path's own guest at 300 kpps; pktgen and dpdk send all they can (tx), or "
    "are offered 5/4 of what the path takes (rx).",
    "start": "'virtsim run' of a thousand packets, without and with the compiled code kept.",
    "long": "A thousand points of vhost-net tx in two processes and in one; W2 as a stream.",
}


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a benchmark."""
    machine = found["machine"]
    load = "unknown" if machine["load"] is None else f"{machine['load']:.1f}"
    yield f"{machine['cpus']} x {machine['cpu']}, load {load}; {machine['compiler'] or NO_COMPILER}"
    for section, names in COLUMNS.items():
        if section not in found:
            continue
        yield ""
        yield table((*names.values(), "goals"), [_cells(names, row) for row in found[section]])
        yield NOTES[section]
        if section == "paths":
            yield from _shares(found[section])


def _shares(rows: Sequence[Row]) -> Iterator[str]:
    """Yield in how many of the cases each engine meets each of its goals."""
    verdicts: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        for said in row["goals"]:
            goal, _, verdict = said.rpartition(": ")
            verdicts.setdefault((row["engine"], goal), []).append(verdict == "met")
    for (engine, goal), met in verdicts.items():
        yield f"{engine}, {goal}: met in {sum(met)} of {len(met)}."


def _cells(names: Mapping[str, str], row: Row) -> list[Cell]:
    return [*(row.get(name) for name in names), _remark(row)]


def _remark(row: Row) -> str:
    """Return why there are no figures, or what they mean for the goals."""
    why = row.get("why")
    if not why:
        return "; ".join(row["goals"])
    first, *more = why.split("; ")
    return f"none: {first}" + (f" (and {len(more)} more reasons)" if more else "")
