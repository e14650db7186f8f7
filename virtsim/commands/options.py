"""Options that several commands take, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from virtsim.errors import InputError

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file (YAML).")]
Engine = Annotated[str, typer.Option(help="Engine to use; auto takes the first exact one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path, typer.Option(help="Directory that results are written under.")]
Profile = Annotated[str, typer.Option(help="Price list (see 'virtsim costs').")]
Direction = Annotated[
    str,
    typer.Option(
        help="tx (guest to link), rx (link to guest), pvp (link to guest to link) or v2v (guest "
        "to guest)."
    ),
]
AllPoints = Annotated[
    bool, typer.Option("--all", help="Print all points of the sweep, not the headline only.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a price (exit.light=900ns) or an option (but.vhost.batch=16).",
    ),
]

DEFAULT_PROFILE = "skylake-2018-mitig"


def pairs(items: list[str] | None) -> dict[str, Any]:
    """Split NAME=VALUE; a value is read as a scalar of the scenario file would be."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    pairs = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        if not equals or not key or not value:
            raise InputError("--set", f"'{item}'", "NAME=VALUE", "exit.light=900ns")
        try:
            pairs[key.strip()] = YAML(typ="safe").load(value)
        except YAMLError as error:
            want = "a value as a scenario file spells it"
            raise InputError("--set", f"'{value}' cannot be read", want) from error
    return pairs
