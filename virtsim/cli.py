"""The command line. Data goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import errno
import gc
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from virtsim import __version__
from virtsim.commands import showing
from virtsim.commands.bench import bench
from virtsim.commands.files import probe, write
from virtsim.commands.options import (
    DEFAULT_PROFILE,
    AllPoints,
    Direction,
    Engine,
    File,
    Json,
    Out,
    Profile,
    Sets,
    pairs,
)
from virtsim.errors import HostError, VirtsimError
from virtsim.plugins import PluginWarning
from virtsim.printing import break_even, print_json, print_table
from virtsim.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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
    bounds: Annotated[
        bool, typer.Option(help="Also play with all prices low, and with all high.")
    ] = True,
    packets: Annotated[
        bool, typer.Option(help="Keep the stamps of each run's first million packets.")
    ] = False,
    packets_to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write all packets there, a Parquet file for each run."),
    ] = None,
    all_points: AllPoints = False,
) -> None:
    """Run all of a scenario: every path, direction, point and replication."""
    from virtsim.experiment import run as run_scenario
    from virtsim.scenario import load

    _on_closed_pipe("SIG_IGN")  # between processes it is an error, not our end
    scenario = load(file)
    probe(out)
    if packets_to is not None:
        probe(packets_to, "--packets-to")
    if seed is not None:
        scenario = scenario.but({"seed": seed}, {"seed": "--seed"})
    with Progress() as progress:
        result = run_scenario(
            scenario,
            engine=engine,
            on_progress=progress,
            bounds=bounds,
            packets=packets,
            packets_to=packets_to,
        )
    _finish(result, out, as_json, all_points)


@app.command()
def compare(
    rate: Annotated[str, typer.Option(help="Offered load, such as 1Mpps.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH...]", help="Paths to compare; all shipped ones if none."),
    ] = None,
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
    from virtsim.paths import SHIPPED
    from virtsim.scenario import from_compare, to_yaml

    _on_closed_pipe("SIG_IGN")  # between processes it is an error, not our end
    scenario = from_compare(
        tuple(paths or SHIPPED),
        rate=rate,
        size=size,
        direction=(direction,),
        profile=profile,
        packets=packets,
        sets=pairs(sets),
    )
    if around:
        scenario = scenario.but({"sweep": {"traffic.rate": _rates_around(rate)}})
    if out is not None:
        probe(out)
    if save is not None:
        write(save, to_yaml(scenario))
    with Progress() as progress:
        result = run_scenario(scenario, engine=engine, on_progress=progress)
    if out is not None:
        _finish(result, out, as_json, all_points)
    elif as_json:
        print_json(result.as_json() | {"break_even": break_even(result)})
    else:
        _print(result, all_points)


@app.command()
def diff(
    left: Annotated[
        str,
        typer.Argument(metavar="LEFT", help="A path, a scenario file, or a result directory."),
    ],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="What it is compared with.")],
    rate: Annotated[
        str | None, typer.Option(help="Of two paths: offered load.", show_default="50kpps")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Of two paths: frame size.", show_default="64B")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Of two paths: tx, rx, pvp or v2v.", show_default="tx")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Of two paths: price list.", show_default=DEFAULT_PROFILE)
    ] = None,
    packets: Annotated[
        int | None, typer.Option(help="Of two paths: packets of each run.", show_default="3000")
    ] = None,
    sets: Sets = None,
    all_points: Annotated[
        bool, typer.Option("--all", help="Compare all points of a sweep, not the headline only.")
    ] = False,
    engine: Engine = "reference",
    as_json: Json = False,
) -> None:
    """Tell what differs between two scenarios, results or paths, and what it costs."""
    from virtsim.diff import as_text
    from virtsim.diff import diff as compared
    from virtsim.experiment import run as run_scenario

    def play(scenario: Any) -> Any:
        with Progress() as progress:
            return run_scenario(scenario, engine=engine, on_progress=progress)

    _on_closed_pipe("SIG_IGN")  # between processes it is an error, not our end
    asked = {
        "rate": rate,
        "size": size,
        "direction": None if direction is None else (direction,),
        "profile": profile,
        "packets": packets,
        "sets": pairs(sets) or None,
    }
    traffic = {name: value for name, value in asked.items() if value is not None}
    found = compared(left, right, traffic=traffic, all_points=all_points, play=play)
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(as_text(found, all_points)))


for command in (
    showing.explain,
    showing.report,
    showing.paths,
    showing.costs,
    showing.walk,
    showing.schema,
    bench,
):
    app.command()(command)


# -- helpers ---------------------------------------------------------------------------------


def _finish(result: Any, out: Path, as_json: bool, all_points: bool) -> None:
    """Print a result, write its directory with a report, and say where.

    The table comes first, as a report's figures take longer than most runs; JSON, which says where
    the files are, waits for them.
    """
    if as_json:
        where = _saved(result, out)
        print_json(result.as_json() | {"results": str(where), "break_even": break_even(result)})
        return
    try:
        _print(result, all_points)
    finally:  # a reader of the first lines, who has closed the pipe, has asked for the files too
        where = _saved(result, out)
    typer.echo(f"report:  {where / 'report.html'}")
    typer.echo(f"results: {where}")


def _print(result: Any, all_points: bool) -> None:
    print_table(result, all_points)
    for sentence in break_even(result):
        typer.echo(sentence)


def _saved(result: Any, out: Path) -> Path:
    from virtsim.report import render

    where: Path = result.save(out, {"report.html": render(result)})
    return where


def _rates_around(rate: str) -> list[str]:
    """Return loads from a 32nd to four times a rate, which is one of them as it was written."""
    from virtsim.units import packet_rate

    own = packet_rate(rate, "--rate")
    times = (1 / 32, 1 / 8, 1 / 2, 1, 1.5, 2, 4)
    return [rate if n == 1 else f"{float(own) * n:.6g}pps" for n in times]


def main() -> None:
    """Run the command line; every error is one message and an exit code."""
    # What a command makes it mostly needs until its end: to look for garbage often is a waste.
    gc.set_threshold(10_000)
    # A reader that has seen enough ends us silently, as it does other Unix tools.
    _on_closed_pipe("SIG_DFL")
    warnings.formatwarning = _warning
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


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    line: str | None = None,
) -> str:  # fmt: skip
    """Return a warning as text; where in the code one about a plugin came up helps nobody."""
    place = "" if issubclass(category, PluginWarning) else f"{filename}:{lineno}: "
    return f"{place}warning: {message}\n"


def _fail(message: str, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
