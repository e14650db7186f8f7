"""The command that times the engines."""

from __future__ import annotations

from typing import Annotated

import typer

from virtsim.commands.options import Json
from virtsim.errors import InputError, did_you_mean
from virtsim.printing import print_json


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Less than a minute, rougher, without memory.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", help="Also a sweep of 1000 points, and a very long stream.")
    ] = False,
    packets: Annotated[
        int | None,
        typer.Option(help="Packets of each path's run by the reference engine.", min=100),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SECTION", help="Measure this only: works, paths, start or long."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time the engines on standard works and shipped paths, beside C and plain SimPy."""
    from virtsim.bench import SECTIONS, measure, plan
    from virtsim.bench.text import lines

    for name in only or ():
        if name not in SECTIONS:
            got, want = f"there is no section '{name}'", f"one of {', '.join(SECTIONS)}"
            raise InputError("--only", got, want, did_you_mean(name, SECTIONS))
    asked = tuple(section for section in SECTIONS if section in (only or ()))
    found = measure(
        plan(quick=quick, long=long, packets=packets, only=asked),
        lambda what: typer.echo(f"bench: {what}", err=True),
    )
    if as_json:
        print_json(found)
    else:
        for line in lines(found):
            typer.echo(line)
