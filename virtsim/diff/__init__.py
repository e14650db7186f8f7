"""What differs between two scenarios, results or paths, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from virtsim.diff.difference import Difference
from virtsim.diff.parts import PathChange, path_change
from virtsim.diff.runs import Pair, match, runs_of
from virtsim.diff.settings import changes
from virtsim.diff.sides import NOUNS, Side, at_headline, side
from virtsim.diff.text import as_text
from virtsim.errors import InputError
from virtsim.experiment import run
from virtsim.model.path import Path
from virtsim.result import Result
from virtsim.scenario import Scenario, from_compare

__all__ = ["TRAFFIC", "Difference", "as_text", "diff"]

Play = Callable[[Scenario], Result]

TRAFFIC: Mapping[str, Any] = {"rate": "50kpps", "packets": 3000}
"""What two paths are played under, unless told otherwise: a load that the shipped ones carry."""


def diff(
    left: str,
    right: str,
    *,
    traffic: Mapping[str, Any] | None = None,
    all_points: bool = False,
    play: Play = run,
) -> Difference:
    """Compare two scenarios, results or paths; what has not been played yet is played.

    Parameters
    ----------
    left, right
        Each the name of a path, a scenario file, or a result directory of ``virtsim run``; a name
        of a path is one even where a file is called so (``./vhost-net`` is the file). A path
        compares with a path only; of a scenario and a result the scenario is played.
    traffic
        What two paths are played under, as arguments of
        :func:`virtsim.scenario.from_compare`: rate, size, packets, direction, profile, sets.
    all_points
        Play all points of a scenario's sweep, not the headline only.
    play
        What plays a scenario; it is called at most once for each side.

    Raises
    ------
    InputError
        If a side is none of these or cannot be read, or if the two do not compare.
    """
    one, other = side(left), side(right)
    kinds = {one.kind, other.kind}
    if kinds == {"path"}:
        return _of_paths(one, other, {**TRAFFIC, **(traffic or {})}, play)
    if "path" in kinds:
        got = f"a {NOUNS[one.kind]} and a {NOUNS[other.kind]} do not compare"
        want = "two names of paths, or scenario files and result directories"
        hint = "'virtsim run' compares the paths of one scenario"
        raise InputError(f"{left} and {right}", got, want, hint)
    for option in traffic or {}:
        got = "scenarios and results have traffic and prices of their own"
        want = "this option with two names of paths only"
        raise InputError(f"--{'set' if option == 'sets' else option}", got, want)
    return _of_scenarios(one, other, all_points, play)


def _of_paths(one: Side, other: Side, traffic: Mapping[str, Any], play: Play) -> Difference:
    """Compare two paths under the same traffic."""
    names = list(dict.fromkeys((one.given, other.given)))
    both = Side("the two paths", "scenario", from_compare(names, **traffic))
    made = both.paths
    found = path_change(made[one.given], made[other.given], one.given, other.given)
    if not found.differs:
        return Difference(one, other, paths=(found,))
    assert both.scenario is not None
    result = play(both.scenario)
    runs = {(r.label, r.direction): r for r in runs_of(result, both.given)}
    pairs = [
        Pair(runs[label, direction], runs[other.given, direction])
        for label, direction in runs
        if label == one.given
    ]
    said = {k: v for k, v in both.settings.items() if k.startswith(("traffic.", "profile"))}
    return Difference(
        one, other, paths=(found,), pairs=tuple(pairs), traffic=said, notes=result.notes
    )


def _of_scenarios(one: Side, other: Side, all_points: bool, play: Play) -> Difference:
    """Compare two scenarios or results: what they say, then what came of it."""
    common = [label for label in one.labels if label in other.labels]
    paths, notes = _path_changes(one, other, common)
    asked = Difference(
        one,
        other,
        settings=changes(one.settings, other.settings),
        left_only=tuple(label for label in one.labels if label not in common),
        right_only=tuple(label for label in other.labels if label not in common),
        paths=paths,
        notes=notes,
    )
    if not common:
        alone = "no path is on both sides, so no runs are compared; paths are matched by label."
        return replace(asked, notes=(*notes, alone))
    if one.kind == other.kind == "scenario" and not asked.differs:
        return asked  # the same runs would come to the same figures
    left, right = (each.result or _played(each, all_points, play) for each in (one, other))
    pairs, *alone_runs = match(runs_of(left, one.given), runs_of(right, other.given))
    # Where only the headline of one side was played, the other's other points say nothing.
    whole = all_points or one.kind == other.kind
    left_runs, right_runs = (
        tuple(r for r in runs if r.label in common and (whole or r.headline)) for runs in alone_runs
    )
    return replace(
        asked,
        pairs=pairs,
        left_runs=left_runs,
        right_runs=right_runs,
        notes=(*notes, *_notes(left, right), *_births(left, right, _same_prices(one, other))),
    )


def _played(each: Side, all_points: bool, play: Play) -> Result:
    assert each.scenario is not None
    return play(each.scenario if all_points else at_headline(each.scenario))


def _path_changes(
    one: Side, other: Side, labels: Sequence[str]
) -> tuple[tuple[PathChange, ...], tuple[str, ...]]:
    """Compare the paths of some labels, or note that a result's can no longer be made."""
    made: list[Mapping[str, Path]] = []
    for each in (one, other):
        try:
            made.append(each.paths)
        except InputError as error:
            if each.result is None:
                raise
            note = f"how the paths are made is not compared: {error.where}: {error.got}."
            return (), (note,)
    return tuple(path_change(made[0][x], made[1][x], x, x) for x in labels), ()


def _notes(left: Result, right: Result) -> Iterator[str]:
    """Yield the notes of both results, each with its side unless both have it."""
    for note in dict.fromkeys((*left.notes, *right.notes)):
        sides = [s for s, result in (("left", left), ("right", right)) if note in result.notes]
        yield note if len(sides) == 2 else f"{sides[0]}: {note}"


def _same_prices(one: Side, other: Side) -> bool:
    """Whether both sides ask for the same changes of prices, at one point."""
    asked = [{k: v for k, v in s.settings.items() if "costs." in k} for s in (one, other)]
    return asked[0] == asked[1] and not any(key.startswith("sweep.") for key in asked[0])


def _births(left: Result, right: Result, same_prices: bool) -> Iterator[str]:
    """Yield what else may tell two results apart: the code and the price lists behind them."""
    codes = [[str(r.provenance.get(key)) for key in ("virtsim", "git")] for r in (left, right)]
    if codes[0] != codes[1]:
        said = [f"virtsim {version} ({git})" for version, git in codes]
        yield f"left was played by {said[0]}, right by {said[1]}."
    priced = [r.provenance.get("profiles") for r in (left, right)]
    mine, theirs = (hashes if isinstance(hashes, dict) else {} for hashes in priced)
    for name in mine:
        if same_prices and mine[name] != theirs.get(name, mine[name]):
            yield f"left and right were played at two versions of the prices {name}."
