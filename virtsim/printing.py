"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from virtsim.text import table

if TYPE_CHECKING:
    from virtsim.result import Result


def print_table(result: Result, all_points: bool) -> None:
    """Print a row per run, of the headline or of all points, and the result's notes."""
    from virtsim.units import format_rate

    head = (
        *("path", "dir", "point", "offered", "delivered", "p50 us", "p99 us", "cpu ns", "core ns"),
        *("exits", "kicks", "irqs", "syscalls", "switches", "copies", "drops", "regime"),
    )
    shown = [r for r in result.summaries if all_points or r["headline"]]
    many = any(r["replication"] for r in shown)
    rows = []
    for r in shown:
        p, lat = r["per_packet"], r["latency_ns"]
        rows.append(
            (
                *(r["label"], r["direction"], _point(r, many)),
                *(_rate(format_rate, r[k]) for k in ("offered_pps", "delivered_pps")),
                *(_us(lat["p50"]), _us(lat["p99"]), p["cpu_ns"], p["core_ns"], p["exits"]),
                *(p["kicks"], p["interrupts"], p["syscalls"], p["context_switches"]),
                *(p["copies"], sum(r["drops"].values()), r["regime"]),
            )
        )
    typer.echo(table(head, rows))
    for note in result.notes:
        typer.echo(f"note: {note}")
    left = len(result.summaries) - len(shown)
    if left:
        typer.echo(f"({left} runs at other points of the sweep: --all, or the report)")


def _point(run: Any, many: bool) -> str:
    """Return where in the sweep a run stands, and which replication it is if there are several."""
    parts = [*run["point"].values(), *([f"#{run['replication']}"] if many else [])]
    return ",".join(parts) or "-"


def _rate(show: Any, pps: float | None) -> str | None:
    return None if pps is None else str(show(pps))


def _us(ns: float | None) -> float | None:
    return None if ns is None else ns / 1000


def break_even(result: Result) -> list[str]:
    """Return from which rate on a polled core pays, in sentences."""
    from virtsim.breakeven import sentences

    return sentences(result.summaries)


def print_json(data: Any) -> None:
    """Print JSON; exact fractions become numbers."""
    typer.echo(json.dumps(data, indent=1, default=_plain))


def _plain(value: Any) -> Any:
    return float(value) if hasattr(value, "__float__") else str(value)
