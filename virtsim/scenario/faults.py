"""What pydantic finds wrong, in the words and at the places that a user knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virtsim.errors import InputError, did_you_mean
from virtsim.scenario.document import Document

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_WANTED = {
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": ("is too little", "at least", "ge"),
    "less_than_equal": ("is too much", "at most", "le"),
}
_TAGS = ("union_tag_invalid", "union_tag_not_found")


def first_fault(error: ValidationError, document: Document) -> InputError:
    """Return the first thing that is wrong with a document; the hint counts the others."""
    first, *others = error.errors(include_url=False)
    got, want, hint = _said(first)
    if others:
        n = len(others)
        count = f"{n} more {'problem follows' if n == 1 else 'problems follow'}"
        hint = f"{hint.rstrip('.')}{'' if hint.endswith('?') else '.'}  {count}" if hint else count
    return InputError(document.place(_dotted(first, document.data)), got, want, hint)


def _dotted(problem: ErrorDetails, data: Any) -> str:
    """Return pydantic's location as a dotted path, without the tags of its unions."""
    dotted = ""
    for step in problem["loc"]:
        if isinstance(step, int) and isinstance(data, list):
            dotted, data = f"{dotted}[{step}]", data[step]
        elif isinstance(data, Mapping) and step in data:
            dotted, data = f"{dotted}.{step}", data[step]
    key = "kind" if problem["type"] in _TAGS else problem.get("ctx", {}).get("key", "")
    return f"{dotted}{'' if not key or key.startswith('[') else '.'}{key}".removeprefix(".")


def _said(problem: ErrorDetails) -> tuple[str, str, str | None]:
    """Return got, want and hint of one of pydantic's problems."""
    context, value, kind = problem.get("ctx", {}), problem["input"], problem["type"]
    if kind == "virtsim":
        return context["got"], context["want"], context["hint"]
    if kind in _TAGS:
        return _kind_of_traffic(value, context)
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        want = f"one of {', '.join(choices)}" if choices else context["expected"]
        return f"{value!r} is not known here", want, did_you_mean(str(value), choices)
    if kind in _BOUNDS:
        got, side, bound = _BOUNDS[kind]
        return f"{value} {got}", f"{side} {context[bound]}", None
    if kind == "string_pattern_mismatch":
        want = "letters, digits, '.', '_' and '-', at most 100"
        return f"{value!r} is not a name", want, None
    if kind == "too_short":
        return "the list is empty", "at least one item", None
    wanted = _WANTED.get(kind)
    return f"{value!r} is not {wanted or 'right'}", wanted or problem["msg"], None


def _kind_of_traffic(value: Any, context: Mapping[str, Any]) -> tuple[str, str, str | None]:
    word = value.get("kind") if isinstance(value, Mapping) else None
    if word is None:
        return "there is no kind of traffic", "a kind, such as kind: poisson", None
    kinds = re.findall(r"'(\w+)'", context.get("expected_tags", ""))
    return (
        f"{word!r} is not a kind of traffic",
        f"one of {', '.join(kinds)}",
        did_you_mean(str(word), kinds),
    )
