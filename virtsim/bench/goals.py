"""What the project set out to reach, and in words whether it has. Nothing passes or fails by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from virtsim.text import cell


@dataclass(frozen=True)
class Goal:
    """A bound on one figure of a row; ``text`` says it with its unit."""

    figure: str
    bound: float
    which: Literal["at most", "at least"]
    text: str

    def verdict(self, value: float | None) -> str:
        """Return the goal, and whether a value meets it."""
        if value is None:
            return f"{self.text}: not measured"
        met = value <= self.bound if self.which == "at most" else value >= self.bound
        return f"{self.text}: met" if met else f"{self.text}: missed ({cell(float(value))})"


def at_most(figure: str, bound: float, unit: str) -> Goal:
    """Return a goal for a figure that should be small."""
    return Goal(figure, bound, "at most", f"≤{bound:g}{unit}")


def at_least(figure: str, bound: float, unit: str) -> Goal:
    """Return a goal for a figure that should be large."""
    return Goal(figure, bound, "at least", f"≥{bound:g}{unit}")


TO_C, TO_REFERENCE, TO_PLAIN, PER_EVENT = "to_c", "to_reference", "to_plain", "ns_per_event"

OF_WORKS: Mapping[tuple[str, str], tuple[Goal, ...]] = {
    ("W2", "vector"): (at_most(TO_C, 1.3, "x C"),),
    ("W3", "vector"): (at_most(TO_C, 1.3, "x C"),),
    ("W4", "stepper"): (
        at_most(TO_C, 1.5, "x C"),
        at_least(TO_REFERENCE, 100, "x reference"),
        at_least(TO_PLAIN, 50, "x SimPy"),
        at_most(PER_EVENT, 22, " ns/event"),
    ),
}
OF_PATHS: Mapping[str, tuple[Goal, ...]] = {
    "stepper": (
        at_least(TO_REFERENCE, 80, "x reference"),
        at_most(PER_EVENT, 22, " ns/event"),
    ),
    "vector": (at_least(TO_REFERENCE, 500, "x reference"),),
}
OF_START: Mapping[str, tuple[Goal, ...]] = {
    "cold": (at_most("seconds", 6, " s"),),
    "warm": (at_most("seconds", 1.5, " s"),),
}
OF_SWEEP = (at_most("seconds", 60, " s"), at_least("to_one_worker", 1.7, "x one worker"))
OF_STREAM = (at_most("seconds", 40, " s"), at_most("peak_mb", 256, " MB"))


def verdicts(goals: Sequence[Goal] | None, row: Mapping[str, Any]) -> list[str]:
    """Return what a row has come to, goal by goal; a figure that is not there says so."""
    return [goal.verdict(row.get(goal.figure)) for goal in goals or ()]
