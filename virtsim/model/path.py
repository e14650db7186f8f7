"""Parts and the paths composed of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, ParamSpec

from virtsim.errors import InputError, did_you_mean
from virtsim.model.features import Features
from virtsim.model.ring import DescriptorRing, Ring, Virtqueue
from virtsim.model.stage import Stage

Seam = Literal["app", "virtqueue", "skb", "mbuf", "register", "dma", "link", "any"]
Element = Stage | Ring | Virtqueue | DescriptorRing
P = ParamSpec("P")


@dataclass(frozen=True, repr=False)
class Part:
    """A named piece of a path, read both ways.

    ``tx`` and ``rx`` list its stages and rings in the order in which a packet of that direction
    meets them. ``inner`` and ``outer`` are the kinds of its seams, guest side first. ``through`` is
    what a guest does to forward a packet from its receive to its transmit queue; ``turn`` what a
    packet meets, instead of both halves, where it turns back to another guest. ``features`` are
    the virtio features that a device offers or a guest's driver accepts.
    """

    name: str
    inner: Seam
    outer: Seam
    tx: tuple[Element, ...] = ()
    rx: tuple[Element, ...] = ()
    through: tuple[Element, ...] = ()
    turn: tuple[Element, ...] = ()
    features: Features = frozenset()
    made_by: Callable[..., Part] | None = field(default=None, compare=False, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.inner} to {self.outer}>"

    def set(self, changes: Mapping[str, Any], where: str) -> Part:
        """Return the part made anew with some options changed, all at once.

        Parameters
        ----------
        changes
            Values by option: ``tx.spin`` stands for ``tx_spin`` or, if shared, ``spin``.
        where
            What stands before the options' names in an error.

        Raises
        ------
        InputError
            If the part has no such option, or refuses the value.
        """
        known = tuple(self.options)
        wanted = {self._option(option, where): (option, v) for option, v in changes.items()}
        values = {name: value for name, (_, value) in wanted.items()}
        assert self.made_by is not None or not known
        try:
            return self.made_by(**{**self.options, **values}) if self.made_by else self
        except InputError as error:
            name = error.where.rpartition(".")[2].partition(" ")[0]
            option, _ = wanted.get(name, next(iter(wanted.values())))
            raise InputError(f"{where}.{option}", error.got, error.want, error.hint) from None

    def _option(self, option: str, where: str) -> str:
        """Return the name of an option as the part's maker spells it."""
        known = tuple(self.options)
        name = option.replace(".", "_")
        if name not in known and name[:3] in ("tx_", "rx_"):
            name = name[3:]
        if name in known:
            return name
        want = f"one of {', '.join(known)}" if known else "no option, it has none"
        got = f"part '{self.name}' has no option '{option}'"
        raise InputError(f"{where}.{option}", got, want, did_you_mean(name, known))


def part(make: Callable[P, Part]) -> Callable[P, Part]:
    """Let a function that makes a Part remember its options, so that ``but`` can change them."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> Part:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        made = make(*args, **kwargs)
        return replace(made, made_by=remembering, options=dict(bound.arguments))

    return remembering


@dataclass(frozen=True, repr=False)
class Path:
    """One chain of parts, guest outwards, read left to right in tx and right to left in rx.

    Raises
    ------
    InputError
        If two neighbours have unlike seams, or two parts one name.
    """

    name: str
    parts: tuple[Part, ...]
    summary: str = ""

    def __init__(self, name: str, *parts: Part, summary: str = "") -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(
            self, "parts", tuple(p for p in parts if getattr(p, "name", "") != "none")
        )
        object.__setattr__(self, "summary", summary)
        self._check()

    def __repr__(self) -> str:
        return f"<{self.name}: {' | '.join(p.name for p in self.parts)}>"

    def _check(self) -> None:
        given: tuple[object, ...] = self.parts
        for i, each in enumerate(given):
            if not isinstance(each, Part):
                got, want = f"{each!r} is not a part", "a part, such as parts.nic()"
                raise InputError(f"{self.name}.parts[{i}]", got, want, "Call the function")
        if not self.parts:
            raise InputError(f"{self.name}.parts", "a path without parts", "at least a guest")
        names = [p.name for p in self.parts]
        for i, (inner, outer) in enumerate(zip(self.parts, self.parts[1:], strict=False)):
            if "any" not in (inner.outer, outer.inner) and inner.outer != outer.inner:
                raise InputError(
                    f"{self.name}.parts[{i + 1}]",
                    f"'{inner.name}' ends in a {inner.outer} and '{outer.name}' "
                    f"begins with a {outer.inner}",
                    "neighbours with the same kind of seam",
                    f"put a part between them, or one that takes a {inner.outer}",
                )
        for i, name in enumerate(names):
            if name in names[:i]:
                raise InputError(
                    f"{self.name}.parts[{i}]", f"a second part named '{name}'", "each name once"
                )

    def named(self, name: str) -> Path:
        """Return the same path under another name."""
        return Path(name, *self.parts, summary=self.summary)

    def swap(self, name: str, *others: Part) -> Path:
        """Return the path with one part replaced (by nothing, with ``parts.none()``)."""
        self._index(name, f"{self.name}.swap")
        made: list[Part] = []
        for old in self.parts:
            made.extend(others if old.name == name else (old,))
        return Path(self.name, *made, summary=self.summary)

    def but(self, changes: Mapping[str, Any], where: str = "") -> Path:
        """Return the path with options changed: dotted name (part.option) and value.

        Raises
        ------
        InputError
            For a part or an option that is not there, or a value that the part refuses.
        """
        where = where or f"{self.name}.but"
        wanted: dict[int, dict[str, Any]] = {}
        for key, value in changes.items():
            name, dot, option = key.partition(".")
            spot = f"{where}.{key}"
            if not dot:
                hint = "vhost.spin is an option"
                raise InputError(spot, f"'{key}' names no option", "part.option", hint)
            wanted.setdefault(self._index(name, spot), {})[option] = value
        parts = list(self.parts)
        for i, options in wanted.items():
            parts[i] = parts[i].set(options, f"{where}.{parts[i].name}")
        return Path(self.name, *parts, summary=self.summary)

    def _index(self, name: str, where: str) -> int:
        names = [p.name for p in self.parts]
        if name not in names:
            raise InputError(
                where,
                f"path '{self.name}' has no part '{name}'",
                f"one of {', '.join(names)}",
                did_you_mean(name, names),
            )
        return names.index(name)
