"""A scenario as written: plain data, and where in the file each thing stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from virtsim.errors import InputError

COMMAND_LINE = "command line"
"""What stands for the file where there is none."""

_WANT = "a scenario in YAML"
_OF_A_PATH = re.compile(r"^paths\[\d+\]\.(?=but\.)")


@dataclass(frozen=True)
class Document:
    """What a scenario's file says.

    Parameters
    ----------
    data
        The file as plain mappings, lists and scalars.
    source
        The file as the user named it, or "command line".
    folder
        What relative file names in it are relative to.
    nodes
        The root of the YAML nodes, which know their lines; None without a file.
    moved
        Place of each value that came from elsewhere (a sweep, an option), by its dotted key.
    point
        The point of a sweep that this is, as text, or "".
    """

    data: Mapping[str, Any]
    source: str = COMMAND_LINE
    folder: Path = Path()
    nodes: Any = field(default=None, compare=False, repr=False)
    moved: Mapping[str, str] = field(default_factory=dict, compare=False)
    point: str = ""

    def place(self, dotted: str) -> str:
        """Return where a dotted path stands: file, line and column of its key, and itself."""
        key = _OF_A_PATH.sub("", dotted)
        for name, place in self.moved.items():
            if _begins(key, name):
                return place
        point = f" (at {self.point})" if self.point else ""
        if self.nodes is None:
            return f"{self.source}  {dotted}{point}"
        mark = _mark(self.nodes, dotted)
        return f"{self.source}:{mark.line + 1}:{mark.column + 1}  {dotted}{point}".rstrip()

    def has(self, dotted: str) -> bool:
        """Whether the file says something at exactly this dotted path."""
        found: Any = self.data
        for key in _steps(dotted, found):
            if key is None:
                return False
            found = found[key]
        return True

    def changed(
        self, values: Mapping[str, Any], places: Mapping[str, str], point: str = ""
    ) -> Document:
        """Return the document with values set at dotted keys; ``but.x`` sets it in every path.

        Parameters
        ----------
        places
            Where each of the values stands; those that are not named stand on the command line.
        """
        data = dict(self.data)
        for key, value in values.items():
            _set(data, key, value)
        moved = {key: places.get(key, f"{COMMAND_LINE}  {key}") for key in values}
        return replace(self, data=data, moved={**self.moved, **moved}, point=point or self.point)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Give every error from inside, whose ``where`` is a dotted path, its place in the file."""
        try:
            yield
        except InputError as error:
            raise InputError(self.place(error.where), error.got, error.want, error.hint) from error


def read(path: str | Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    InputError
        If it cannot be read, is not UTF-8, is no YAML, or is not one mapping.
    """
    # Imported here: an import of virtsim alone stays quick.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    name, text = str(path), _text(Path(path))
    try:
        data = YAML(typ="safe", pure=True).load(text)
        nodes = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        got = ": ".join(part for part in (error.context, error.problem) if part)
        raise InputError(f"{name}{at}", f"not YAML, {got}", _WANT) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(name, f"not YAML, {str(error).splitlines()[0]}", _WANT) from None
    if data is None:
        raise InputError(name, "the file is empty", _WANT)
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "one value"
        raise InputError(
            f"{name}:1:1", f"the file is {kind}", "keys at the top, such as virtsim: 1"
        )
    return Document(data, name, Path(path).parent, nodes)


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():
        # A device or a pipe may never end.
        raise InputError(str(path), "it cannot be read: not a regular file", "a readable file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(str(path), "there is no such file", _WANT) from None
    except UnicodeDecodeError as error:
        got = f"byte {error.start} is not UTF-8"
        raise InputError(str(path), got, "a file in UTF-8") from None
    except OSError as error:  # a directory, no permission, a path through a file
        reason = error.strerror or "unreadable"
        raise InputError(str(path), f"it cannot be read: {reason}", "a readable file") from None


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    root, dot, rest = key.partition(".")
    if not dot:
        data[root] = value
    elif root == "but":
        data["paths"] = [_with_but(entry, rest, value) for entry in data["paths"]]
    else:
        data[root] = {**data.get(root, {}), rest: value}


def _with_but(entry: Any, key: str, value: Any) -> dict[str, Any]:
    entry = {"path": entry} if isinstance(entry, str) else entry
    return {**entry, "but": {**entry.get("but", {}), key: value}}


def _begins(dotted: str, key: str) -> bool:
    """Whether a dotted path is, or goes on from, a key (which may have dots of its own)."""
    return dotted.startswith(key) and dotted[len(key) : len(key) + 1] in ("", ".", "[")


def _steps(dotted: str, data: Any) -> Iterator[Any]:
    """Yield the keys and indices that lead down a dotted path, then None where it leaves."""
    while dotted:
        key = _first_key(dotted, data)
        yield key
        if key is None:
            return
        data = data[key]
        dotted = dotted[len(f"[{key}]" if isinstance(key, int) else key) :].removeprefix(".")


def _first_key(dotted: str, data: Any) -> str | int | None:
    index = re.match(r"\[(\d+)\]", dotted)
    if index:
        i = int(index[1])
        return i if isinstance(data, list) and i < len(data) else None
    names = [k for k in data if isinstance(k, str)] if isinstance(data, Mapping) else []
    # Keys hold dots too (vhost.spin), so the longest that fits is meant.
    return max((k for k in names if _begins(dotted, k)), key=len, default=None)


def _mark(node: Any, dotted: str) -> Any:
    """Return the mark of the deepest key or item on a dotted path that the file has."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    mark = node.start_mark
    while dotted:
        index = re.match(r"\[(\d+)\]", dotted)
        if index and isinstance(node, SequenceNode) and int(index[1]) < len(node.value):
            node, length = node.value[int(index[1])], len(index[0])
            mark = node.start_mark
        elif isinstance(node, MappingNode) and not index:
            pairs = [(k, v) for k, v in node.value if _begins(dotted, str(k.value))]
            if not pairs:
                break
            key, node = max(pairs, key=lambda pair: len(str(pair[0].value)))
            mark, length = key.start_mark, len(str(key.value))
        else:
            break
        dotted = dotted[length:].removeprefix(".")
    return mark
