"""Commands that play no scenario: they show what there is, and what has been played."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from virtsim.commands.files import write
from virtsim.commands.options import (
    DEFAULT_PROFILE,
    Direction,
    Engine,
    Json,
    Profile,
    Sets,
    pairs,
)
from virtsim.errors import InputError
from virtsim.printing import print_json


def explain(
    what: Annotated[str, typer.Argument(metavar="FILE|PATH", help="A scenario, or a path's name.")],
    engine: Engine = "auto",
    tables: Annotated[
        bool, typer.Option("--tables", help="Show the tables of integers that engines read, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a scenario or a path comes to: settings, threads, prices, set-up; runs nothing."""
    from virtsim.explain import as_text, subject
    from virtsim.explain import explain as explain_scenario

    data = explain_scenario(subject(what), engine)
    if as_json:
        print_json(data)
    else:
        for line in as_text(data, tables=tables):
            typer.echo(line)


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A result directory.")],
    figures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the figures here as PNG, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the report of a result directory again, from its own files."""
    from virtsim.report import figures_of, gather, render
    from virtsim.result import load

    result = load(directory)
    found = gather(result)
    page = directory / "report.html"
    write(page, render(result, found))
    plot = result.plot
    files = [] if figures is None else plot.save(figures, figures_of(plot, found))
    drawn = [str(file) for file in files]
    if as_json:
        print_json({"report": str(page), "figures": drawn})
    else:
        typer.echo("\n".join([f"report: {page}", *(f"figure: {name}" for name in drawn)]))


def paths(as_json: Json = False) -> None:
    """List the paths, their directions, their parts and the engines that play them."""
    from virtsim import costs as book
    from virtsim.explain import coverage, coverage_text, directions_of
    from virtsim.paths import all_paths

    prices = book.profile(DEFAULT_PROFILE)
    rows: list[dict[str, Any]] = []
    for name, make in all_paths().items():
        path = make()
        parts = {part.name: _defaults(part.options) for part in path.parts}
        rows.append(
            {"path": name, "summary": path.summary, "parts": parts,
             "directions": directions_of(path, prices), "engines": coverage(path, prices)}
        )  # fmt: skip
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['path']}: {row['summary']}  [{', '.join(row['directions'])}]")
        typer.echo(f"    engines: {coverage_text(row['engines'])}")
        for name, options in row["parts"].items():
            shown = ", ".join(f"{option}={value}" for option, value in options.items())
            typer.echo(f"    {name}" + (f"  ({shown})" if shown else ""))


def costs(
    profile: Profile = DEFAULT_PROFILE,
    path: Annotated[str | None, typer.Option(help="Only the ops of this path.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Only prices that stand on this source.")
    ] = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """List prices with their low, high, source and confidence; assumed ones are marked."""
    from virtsim import costs as book
    from virtsim.explain import price_table

    prices = book.profile(profile, "--profile").override(pairs(sets), "--set")
    rows = book.table(prices, _ops_of_path(path, prices) if path else None)
    if source is not None:
        rows = [r for r in rows if source.lower() in json.dumps(r, default=str).lower()]
        if not rows:
            raise InputError(
                "--source", f"no price stands on '{source}'", "part of a source's name or id"
            )
    if as_json:
        print_json({"profile": prices.name, "machine": prices.machine, "prices": rows})
        return
    typer.echo(f"{prices.name}: {prices.machine}")
    typer.echo(price_table(rows))
    assumed = sum(1 for r in rows if r["confidence"] == "assumed")
    typer.echo(f"{len(rows)} prices, {assumed} of them assumed (no figure was found)")


def walk(
    path: Annotated[str, typer.Argument(help="A path.")],
    direction: Direction = "tx",
    profile: Profile = DEFAULT_PROFILE,
    size: Annotated[str, typer.Option(help="Frame size with its FCS.")] = "64B",
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Follow one isolated packet: every op, every ring step, and the cost equation."""
    from virtsim.scenario import from_compare, resolve
    from virtsim.units import size_b
    from virtsim.walk import walk as walk_path

    one = from_compare(
        (path,), size=size, direction=(direction,), profile=profile, packets=1, sets=pairs(sets)
    )
    spec = resolve(one)[0]
    followed = walk_path(spec.path, direction, spec.profile, spec.host, size_b(size, "--size"))
    if as_json:
        print_json(followed.as_dict())
    else:
        typer.echo(followed.text())


def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it here, not to stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of scenario files."""
    from virtsim.scenario import json_schema

    text = json.dumps(json_schema(), indent=2)
    if out is None:
        typer.echo(text)
    else:
        write(out, text + "\n")
        typer.echo(f"schema: {out}", err=True)


def _ops_of_path(name: str, prices: Any) -> tuple[str, ...]:
    from virtsim import paths as shipped
    from virtsim.compose import Host, compose
    from virtsim.explain import directions_of, ops_of

    chosen = shipped.path(name, "--path")
    programs = [
        compose(chosen, direction, Host(), prices) for direction in directions_of(chosen, prices)
    ]
    return tuple(dict.fromkeys(op for program in programs for op in ops_of(program)))


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's options with their values, notifications by their names."""
    return {name: getattr(value, "name", value) for name, value in sorted(options.items())}
