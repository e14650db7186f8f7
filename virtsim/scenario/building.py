"""Paths as a scenario spells them: parts with options, then the guest, the host, and ``but``.

Every error's ``where`` is a dotted path of the scenario.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Part, Path
from virtsim.model.ring import Notify
from virtsim.parts import BY_NAME, NOTIFICATIONS, all_parts
from virtsim.parts.guest import SEAMS
from virtsim.parts.kvm import with_apicv
from virtsim.paths import path as path_by_name
from virtsim.scenario.models import GUESTS, Guest, Machine, NamedPath, OwnPath

QUEUES = {"virtqueue": "size", "e1000": "ring", "vf": "ring"}
"""The part between a guest's driver and its device, and that part's option for its length."""

T = TypeVar("T")
_KINDS: Mapping[type, str] = {int: "a whole number", bool: "true or false", str: "text"}


def build(entry: str | NamedPath | OwnPath, where: str, guest: Guest, host: Machine) -> Path:
    """Return the path of one entry; ``but`` wins over the guest and the host."""
    if isinstance(entry, str):
        entry, spot = NamedPath(path=entry), where
    else:
        spot = f"{where}.path"
    base = path_by_name(entry.path, spot) if isinstance(entry, NamedPath) else _own(entry, where)
    path = _on_host(_with_guest(base, guest), host)
    changes = {key: _for_path(path, key, v, f"{where}.but.{key}") for key, v in entry.but.items()}
    return path.but(changes, f"{where}.but")


def _own(entry: OwnPath, where: str) -> Path:
    made = [_part(each, f"{where}.parts[{i}]") for i, each in enumerate(entry.parts)]
    try:
        return Path(entry.name, *made)
    except InputError as error:
        spot = error.where.removeprefix(f"{entry.name}.")
        hint = _other_nic(made) or error.hint
        raise InputError(f"{where}.{spot}", error.got, error.want, hint) from None


def _other_nic(parts: list[Part]) -> str | None:
    """Return the hint for a guest whose NIC is not the one that stands next to it."""
    guest, *rest = parts
    drivers = {seam: nic for nic, seam in SEAMS.items()}
    nic = drivers.get(rest[0].inner) if rest else None
    if nic is None or guest.options.get("nic") in (None, nic):
        return None
    return f"The guest's driver is that of another NIC, write {_spelt(guest)}: {{nic: {nic}}}"


def _spelt(part: Part) -> str:
    """Return how a scenario spells a part."""
    return next((name for name, make in all_parts().items() if make is part.made_by), part.name)


def _part(entry: Any, where: str) -> Part:
    name, options = _name_and_options(entry, where)
    return _made(all_parts(), "part", name, options, where, f"{where}.{name}" if options else where)


def _notification(entry: Any, where: str) -> Notify:
    name, options = _name_and_options(entry, where)
    return _made(NOTIFICATIONS, "notification", name, options, where, f"{where}.{name}")


def _name_and_options(entry: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    """Split ``name`` or ``{name: {option: value}}``."""
    name, options = next(iter(entry.items())) if isinstance(entry, dict) and entry else (entry, {})
    options = {} if options is None else options
    if not isinstance(name, str) or not isinstance(options, dict):
        want = "a name, or one name with its options, such as kvm.irqfd: {apicv: false}"
        raise InputError(where, f"{entry!r} is not that", want)
    return name, options


def _made(
    known: Mapping[str, Callable[..., T]], what: str, name: str, options: Mapping[str, Any],
    where: str, inside: str,
) -> T:  # fmt: skip
    """Return what a maker makes of options, each of them checked."""
    if name not in known:
        want = f"one of {', '.join(known)}"
        raise InputError(where, f"there is no {what} '{name}'", want, did_you_mean(name, known))
    make = known[name]
    hints = _options_of(make)
    given: dict[str, Any] = {}
    for option, value in options.items():
        if option not in hints:
            want = f"one of {', '.join(hints)}" if hints else "no option, it has none"
            hint = did_you_mean(str(option), hints)
            raise InputError(f"{inside}.{option}", f"{name} has no option '{option}'", want, hint)
        given[option] = _typed(hints[option], value, f"{inside}.{option}")
    try:
        return make(**given)
    except InputError as error:
        # A part names itself; which of its options that is here, only this place knows.
        option = error.where.rpartition(".")[2]
        spot = f"{inside}.{option}" if option in given else inside
        raise InputError(spot, error.got, error.want, error.hint) from None
    except Exception as error:
        if name in (*BY_NAME, *NOTIFICATIONS):
            raise
        got = f"plugin '{name}' failed, {type(error).__name__}: {error}"
        raise InputError(inside, got, "options that it takes") from error


def _options_of(make: Callable[..., Any]) -> dict[str, Any]:
    """Return the options of a maker with their types; one without an annotation may be anything."""
    hints = get_type_hints(make)
    return {name: hints.get(name, Any) for name in inspect.signature(make).parameters}


def _for_path(path: Path, key: str, value: Any, where: str) -> Any:
    """Return the value for a dotted option of a path, of the type that its part wants."""
    name, _, option = key.partition(".")
    part = next((p for p in path.parts if p.name == name), None)
    if part is None or part.made_by is None:
        return value
    option = option.replace(".", "_")
    if option not in part.options and option[:3] in ("tx_", "rx_"):
        option = option[3:]
    hints = _options_of(part.made_by)
    return _typed(hints[option], value, where) if option in hints else value


def _typed(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint is Notify:
        return _notification(value, where)
    if get_origin(hint) is Literal:
        choices = [str(choice) for choice in get_args(hint)]
        if value not in get_args(hint):
            want = f"one of {', '.join(choices)}"
            raise InputError(where, f"{value!r} is not one of its values", want,
                             did_you_mean(str(value), choices))  # fmt: skip
        return value
    allowed = get_args(hint) or (hint,)
    # A bare number for a quantity is left to the part, whose error shows the spelling.
    quantity = str in allowed and type(value) in (int, float)
    if type(value) not in allowed and not quantity:
        want = " or ".join(_KINDS[kind] for kind in allowed if kind in _KINDS)
        raise InputError(where, f"{value!r} is not {want}", want)
    return value


def _with_guest(path: Path, guest: Guest) -> Path:
    """Return the path with the scenario's guest in place of its own, which keeps its NIC."""
    if guest.driver is not None:
        path = with_driver(path, guest.driver)
    name = path.parts[0].name
    for option, value in (guest.model_extra or {}).items():
        where = f"guest.{option}"
        if option not in path.parts[0].options:
            raise _no_guest_option(path.parts[0], option, where)
        path = _changed(path, f"{name}.{option}", value, where)
    return path if guest.queue is None else _with_queue(path, guest.queue)


def with_driver(path: Path, driver: str) -> Path:
    """Return the path with another guest, one of ``GUESTS``, in place of its own."""
    first, make = path.parts[0], BY_NAME[f"guest.{driver}"]
    nic = {"nic": first.options["nic"]} if "nic" in first.options else {}
    return path.swap(first.name, first if first.made_by is make else make(**nic))


def _no_guest_option(part: Part, option: str, where: str) -> InputError:
    """Return the error for an option that a guest does not have; others may have it."""
    others = [f"guest.{g}" for g in GUESTS if option in BY_NAME[f"guest.{g}"]().options]
    has = "has" if len(others) == 1 else "have"
    hint = f"{' and '.join(others)} {has} it" if others else did_you_mean(option, part.options)
    want = f"one of {', '.join(part.options)}" if part.options else "no option, it has none"
    return InputError(where, f"{_spelt(part)} has no option '{option}'", want, hint)


def _with_queue(path: Path, length: int) -> Path:
    """Return the path with rings of another length between the guest and its device."""
    for part in path.parts:
        if part.name in QUEUES:
            return _changed(path, f"{part.name}.{QUEUES[part.name]}", length, "guest.queue")
    got = f"path '{path.name}' has no queue between a driver and a device"
    raise InputError("guest.queue", got, f"a path with one of {', '.join(QUEUES)}")


def _on_host(path: Path, host: Machine) -> Path:
    """Return the path on the scenario's host.

    ``forward: none`` ends it at the tap; a path without a tap has no such place and stays whole.
    """
    names = [part.name for part in path.parts]
    if host.forward == "none" and "tap" in names:
        path = Path(path.name, *path.parts[: names.index("tap") + 1], summary=path.summary)
    return path if host.apicv is None else path.but(_apicv(path, host.apicv))


def _apicv(path: Path, apicv: bool) -> dict[str, Any]:
    """Return the options that give a path's interrupts to a host with or without APICv.

    Without it VT-d cannot post an interrupt either, and remaps it.
    """
    found: dict[str, Any] = {}
    for part in path.parts:
        if "apicv" in part.options:
            found[f"{part.name}.apicv"] = apicv
            if not apicv and part.options.get("interrupts") == "posted":
                found[f"{part.name}.interrupts"] = "remapped"
        elif part.name == "virtqueue":
            found["virtqueue.call"] = with_apicv(part.options["call"], apicv)
    return found


def _changed(path: Path, key: str, value: Any, where: str) -> Path:
    """Change one option of a path that the scenario spells otherwise, at ``where``."""
    try:
        return path.but({key: _for_path(path, key, value, where)})
    except InputError as error:
        raise InputError(where, error.got, error.want, error.hint) from None
