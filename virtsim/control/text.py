"""Features and control plane of a path as data to print, and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import groupby
from typing import Any

from virtsim.model.features import Features, Negotiated
from virtsim.model.layout import lines
from virtsim.model.negotiation import agreed, has_virtqueue
from virtsim.model.path import Path
from virtsim.text import table

BURST = 32
_UNITS = {
    "exits": ("exit", "exits"),
    "syscalls": ("syscall", "syscalls"),
    "messages": ("message", "messages"),
    "answers": ("answer", "answers"),
    "commands": ("command", "commands"),
    "fds": ("fd", "fds"),
    "regions": ("region mapped", "regions mapped"),
}


def features(path: Path) -> dict[str, Any]:
    """Return what is agreed on at each virtqueue of a path, in JSON's own types."""
    deals = {p.name: agreed(path, p.name) for p in path.parts if has_virtqueue(p)}
    return {name: _features(deal) for name, deal in deals.items() if deal is not None}


def _features(deal: Negotiated) -> dict[str, Any]:
    in_order = deal.used_entries(BURST) == 1
    return {
        "wanted": _names(deal.wanted),
        "offered": _names(deal.offered),
        "accepted": _names(deal.accepted),
        "agreed": _names(deal.agreed),
        "dropped": [
            {"feature": d.feature.name, "lacking": list(d.lacking), "why": d.why}
            for d in deal.dropped
        ],
        "ring": deal.ring,
        "suppress": deal.suppress,
        "legacy": deal.legacy,
        "header_b": deal.header_b,
        "tx_slots": deal.tx_slots(),
        "used_entries": {str(n): deal.used_entries(n) for n in (1, BURST)},
        "lines": {
            str(n): dict(
                zip(
                    ("per_batch", "per_packet"),
                    map(str, lines(deal.ring, n, in_order)),
                    strict=True,
                )
            )
            for n in (1, BURST)
        },
    }


def _names(features: Features) -> list[str]:
    return [feature.name for feature in sorted(features)]


def features_text(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what :func:`features` returned as lines."""
    if not data:
        yield "no virtqueue: nothing to negotiate"
    for name, each in data.items():
        if len(data) > 1:
            yield f"{name}:"
        yield from _agreement_text(each)


def _agreement_text(data: Mapping[str, Any]) -> Iterator[str]:
    said = {"wanted": "asked for", "offered": "offered", "accepted": "accepted", "agreed": "agreed"}
    for key, word in said.items():
        yield f"{word + ':':11}{', '.join(data[key])}"
    for each in data["dropped"]:
        yield f"           without {each['feature']}: {each['why']}"
    used = data["used_entries"][str(BURST)]
    yield (
        f"so: {data['ring']} rings, notifications suppressed by "
        f"{'event index' if data['suppress'] == 'event_idx' else 'flags'}, a header of "
        f"{data['header_b']} B, {_count(data['tx_slots'], 'slot', 'slots')} for a packet to send, "
        f"{_count(used, 'used entry', 'used entries')} for {BURST} buffers"
    )
    moved = {int(n): {k: Fraction(v) for k, v in row.items()} for n, row in data["lines"].items()}
    total = {n: row["per_batch"] + n * row["per_packet"] for n, row in moved.items()}
    yield (
        f"cache lines handed over: {total[1]} for a packet alone, {total[BURST]} for a burst of "
        f"{BURST}; {moved[BURST]['per_batch']} of either for the batch as such"
    )


def plan_text(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what :meth:`Plan.as_dict` returned as lines: steps, totals, price, assumptions."""
    if not data["steps"]:
        yield "no device whose set-up is known here"
        return
    for phase, steps in groupby(data["steps"], key=lambda step: step["phase"]):
        yield f"{phase}:"
        rows = [(s["who"], s["what"], _counts(s), s.get("note", "")) for s in steps]
        yield table(("who", "what", "counts", "note"), rows, indent="  ")
    yield f"in all: {_counts(data['totals'])}"
    prices = [(p["op"], p["count"], *_us(p)) for p in data["prices"]]
    spent = [*prices, ("sum, without waits", None, *_us(data["cost_ns"]))]
    yield table(("op", "count", "low us", "us", "high us"), spent, indent="  ")
    for line in data["assumptions"]:
        yield f"assumed: {line}"


def _counts(data: Mapping[str, Any]) -> str:
    found = [_count(data[name], *unit) for name, unit in _UNITS.items() if data.get(name)]
    if data.get("wait_ps"):
        found.append(f"{data['wait_ps'] / 1e9:,.4g} ms of waiting")
    return ", ".join(found) or "-"


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _us(ns: Mapping[str, float]) -> list[float]:
    return [ns[bound] / 1000 for bound in ("low", "value", "high")]
