"""Random Programs on every engine, for as long as one likes.

``python -m virtsim.testing.agreement --programs 20000 --seed 7`` draws Programs of every family,
plays each on the reference and on whatever engine accepts it, and ends with code 1 at the first
difference, with the smallest Program that shows it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from virtsim.choosing import ENGINES, engine_of
from virtsim.errors import EngineRefusal
from virtsim.outcome import Outcome
from virtsim.progress import Progress
from virtsim.testing.driving import drivers
from virtsim.testing.laws import check_same
from virtsim.testing.rows import Case
from virtsim.testing.strategy import programs
from virtsim.testing.streams import pairs, pollers, servers, tandems
from virtsim.text import table

FAMILIES: Mapping[str, Callable[[], Any]] = MappingProxyType({
    "any": programs, "tandem": tandems, "pair": pairs, "servers": servers, "pollers": pollers,
    "driver": drivers,
})  # fmt: skip
"""Strategies: all that a Program can say, and what engine 'vector' is made for."""

BATCH = 100
SPARE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def compare(family: str, n: int, first_seed: int) -> Iterator[Counter[str]]:
    """Play n Programs of a family on all engines; yield how many each has played, batch by batch.

    Raises
    ------
    AssertionError
        At the first difference, of the smallest Program found that shows it.
    """
    played: Counter[str] = Counter()

    def check(case: Case) -> None:
        played["programs"] += 1
        expected = _outcome("reference", case)
        for name in ENGINES:
            found = expected if name == "reference" else _outcome(name, case)
            if found is not None:
                played[name] += 1
                assert expected is not None, f"'{name}' plays what the reference refuses"
                check_same(expected, found, f"engine '{name}'")

    for k in range(0, n, BATCH):
        options = settings(
            max_examples=min(BATCH, n - k), deadline=None, database=None, print_blob=False,
            suppress_health_check=SPARE, phases=[Phase.generate, Phase.shrink],
        )  # fmt: skip
        decorators: list[Any] = [given(FAMILIES[family]()), options, seed(first_seed + k)]
        test = check
        for decorate in decorators:
            test = decorate(test)
        test()  # type: ignore[call-arg]
        yield played


def _outcome(engine: str, case: Case) -> Outcome | None:
    try:
        return engine_of(engine)(case.program, case.job)
    except EngineRefusal:
        return None


def main(words: Sequence[str] | None = None) -> int:
    """Compare engines and print how many Programs each has played; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m virtsim.testing.agreement")
    parser.add_argument("--programs", type=_positive, default=2000, help="of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", action="append", choices=list(FAMILIES))
    asked = parser.parse_args(words)
    families = asked.family or list(FAMILIES)
    try:
        rows = [*_rows(families, asked.programs, asked.seed)]
    except AssertionError as difference:
        print(difference, *getattr(difference, "__notes__", ()), sep="\n")
        return 1
    print(table(("family", "programs", *ENGINES), rows))
    print("no difference")
    return 0


def _rows(families: Sequence[str], n: int, first_seed: int) -> Iterator[list[str | int]]:
    with Progress() as progress:
        for i, family in enumerate(families):
            played: Counter[str] = Counter()
            for played in compare(family, n, first_seed):
                progress(min(i * n + played["programs"], len(families) * n), len(families) * n)
            yield [family, *(played[name] for name in ("programs", *ENGINES))]


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
