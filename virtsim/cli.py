"""The command line. Data goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import errno
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from virtsim import __version__
from virtsim.errors import HostError, InputError, VirtsimError
from virtsim.printing import break_even, print_json, print_table
from virtsim.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="Scenario file (YAML).")]
Engine = Annotated[str, typer.Option(help="Engine to use; auto takes the first exact one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path, typer.Option(help="Directory that results are written under.")]
Profile = Annotated[str, typer.Option(help="Price list (see 'virtsim costs').")]
Direction = Annotated[str, typer.Option(help="tx (guest to link) or rx (link to guest).")]
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
STOPPED = 130
"""Exit code after Ctrl-C."""


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    """Simulate virtualized I/O paths: choose, size and tune before you build."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    file: File,
    engine: Engine = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed instead of the file's.")] = None,
    out: Out = Path("results"),
    as_json: Json = False,
    packets: Annotated[bool, typer.Option(help="Keep per-packet stamps.")] = False,
    all_points: AllPoints = False,
) -> None:
    """Run all of a scenario: every path, direction, point and replication."""
    from virtsim.experiment import run as run_scenario
    from virtsim.scenario import load

    _on_closed_pipe("SIG_IGN")  # between processes it is an error, not our end
    scenario = load(file)
    _probe(out)
    if seed is not None:
        scenario = scenario.but({"seed": seed}, {"seed": "--seed"})
    with Progress() as progress:
        result = run_scenario(scenario, engine=engine, on_progress=progress, packets=packets)
    _finish(result, out, as_json, all_points)


@app.command()
def compare(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Paths to compare.")],
    rate: Annotated[str, typer.Option(help="Offered load, such as 1Mpps.")],
    size: Annotated[str, typer.Option(help="Frame size with its FCS, such as 64B.")] = "64B",
    direction: Direction = "tx",
    profile: Profile = DEFAULT_PROFILE,
    packets: Annotated[int, typer.Option(help="Packets of each run.")] = 3000,
    sets: Sets = None,
    around: Annotated[bool, typer.Option(help="Also play loads around the rate.")] = True,
    engine: Engine = "auto",
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the scenario.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write results and a report here.")] = None,
    all_points: AllPoints = False,
    as_json: Json = False,
) -> None:
    """Compare paths at your own rate and size, without a file."""
    from virtsim.experiment import run as run_scenario
    from virtsim.scenario import from_compare, to_yaml

    _on_closed_pipe("SIG_IGN")  # between processes it is an error, not our end
    scenario = from_compare(
        tuple(paths),
        rate=rate,
        size=size,
        direction=(direction,),
        profile=profile,
        packets=packets,
        sets=_pairs(sets),
    )
    if around:
        scenario = scenario.but({"sweep": {"traffic.rate": _rates_around(rate)}})
    if out is not None:
        _probe(out)
    if save is not None:
        _write(save, to_yaml(scenario))
    with Progress() as progress:
        result = run_scenario(scenario, engine=engine, on_progress=progress)
    if out is not None:
        _finish(result, out, as_json, all_points)
    elif as_json:
        print_json(result.as_json() | {"break_even": break_even(result)})
    else:
        print_table(result, all_points)
        for sentence in break_even(result):
            typer.echo(sentence)


@app.command()
def explain(file: File, engine: Engine = "auto", as_json: Json = False) -> None:
    """Show the resolved scenario, its points, tables, prices and engine, without running it."""
    from virtsim.explain import as_text
    from virtsim.explain import explain as explain_scenario
    from virtsim.scenario import load

    data = explain_scenario(load(file), engine)
    if as_json:
        print_json(data)
    else:
        for line in as_text(data):
            typer.echo(line)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A result directory.")],
    figures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the figures here as PNG, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the report of a result directory again, from its own files."""
    from virtsim.report import render
    from virtsim.result import load

    result = load(directory)
    page = directory / "report.html"
    _write(page, render(result))
    drawn = [] if figures is None else [str(f) for f in result.plot.save(figures)]
    if as_json:
        print_json({"report": str(page), "figures": drawn})
    else:
        typer.echo("\n".join([f"report: {page}", *(f"figure: {name}" for name in drawn)]))


@app.command()
def paths(as_json: Json = False) -> None:
    """List the paths, their parts and the engines that play them."""
    from virtsim.paths import all_paths
    from virtsim.running import ENGINES

    rows: list[dict[str, Any]] = []
    for name, make in all_paths().items():
        path = make()
        parts = {part.name: _defaults(part.options) for part in path.parts}
        rows.append(
            {"path": name, "summary": path.summary, "parts": parts, "directions": ["tx", "rx"],
             "engines": list(ENGINES)}
        )  # fmt: skip
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['path']}: {row['summary']}  [engines: {', '.join(row['engines'])}]")
        for name, options in row["parts"].items():
            shown = ", ".join(f"{option}={value}" for option, value in options.items())
            typer.echo(f"    {name}" + (f"  ({shown})" if shown else ""))


@app.command()
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

    prices = book.profile(profile, "--profile").override(_pairs(sets), "--set")
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


@app.command()
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
        (path,), size=size, direction=(direction,), profile=profile, packets=1, sets=_pairs(sets)
    )
    spec = resolve(one)[0]
    followed = walk_path(spec.path, direction, spec.profile, spec.host, size_b(size, "--size"))
    if as_json:
        print_json(followed.as_dict())
    else:
        typer.echo(followed.text())


@app.command()
def bench(
    packets: Annotated[int, typer.Option(help="Packets of each run.", min=100)] = 3000,
    as_json: Json = False,
) -> None:
    """Time the engines on the shipped paths: microseconds per packet and per event."""
    from virtsim.bench import as_rows, as_text, measure

    timings = list(measure(packets))
    if as_json:
        print_json(as_rows(timings))
    else:
        typer.echo(as_text(timings))


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    from virtsim.scenario import json_schema

    print_json(json_schema())


# -- helpers ---------------------------------------------------------------------------------


def _finish(result: Any, out: Path, as_json: bool, all_points: bool) -> None:
    """Write a result directory with its report, and say where."""
    from virtsim.report import render

    where = result.save(out, {"report.html": render(result)})
    if as_json:
        print_json(result.as_json() | {"results": str(where), "break_even": break_even(result)})
        return
    print_table(result, all_points)
    for sentence in break_even(result):
        typer.echo(sentence)
    typer.echo(f"report:  {where / 'report.html'}")
    typer.echo(f"results: {where}")


def _rates_around(rate: str) -> list[str]:
    """Return loads from a 32nd to four times a rate, which is one of them as it was written."""
    from virtsim.units import packet_rate

    own = packet_rate(rate, "--rate")
    times = (1 / 32, 1 / 8, 1 / 2, 1, 1.5, 2, 4)
    return [rate if n == 1 else f"{float(own) * n:.6g}pps" for n in times]


def _ops_of_path(name: str, prices: Any) -> tuple[str, ...]:
    from virtsim import paths as shipped
    from virtsim.compose import Host, compose
    from virtsim.explain import ops_of

    chosen = shipped.path(name, "--path")
    programs = [compose(chosen, direction, Host(), prices) for direction in ("tx", "rx")]
    return tuple(dict.fromkeys(op for program in programs for op in ops_of(program)))


def _pairs(items: list[str] | None) -> dict[str, Any]:
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


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's options with their values, notifications by their names."""
    return {name: getattr(value, "name", value) for name, value in sorted(options.items())}


def _probe(out: Path) -> None:
    """Find out before a long run whether its results can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        got, want = f"cannot write results: {error.strerror}", "a directory that can be written"
        raise HostError(str(out), got, want, "choose another with --out") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(
            str(path), f"cannot be written: {error.strerror}", "a writable file"
        ) from error


def main() -> None:
    """Run the command line; every error is one message and an exit code."""
    # A reader that has seen enough ends us silently, as it does other Unix tools.
    _on_closed_pipe("SIG_DFL")
    try:
        code = app(standalone_mode=False)
    except VirtsimError as error:
        _fail(str(error), error.exit_code)
    except typer.Exit as leave:
        code = leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM, errno.EDQUOT):
            raise
        where = str(error.filename or "output")
        _fail(str(HostError(where, error.strerror or str(error), "a place to write")), 3)
    except Exception as error:
        # Click's own errors (unknown option, missing argument) carry a message and the code 2.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        if message:
            _fail(f"virtsim: {message}\n  want what 'virtsim --help' lists.", 2)
        code = 0  # it has printed its help, for want of arguments
    if code == STOPPED:
        _fail("stopped", STOPPED)
    sys.exit(code if isinstance(code, int) else 0)


def _on_closed_pipe(what: str) -> None:
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, getattr(signal, what))


def _fail(message: str, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
