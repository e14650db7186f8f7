"""Paths as a scenario spells them: parts with options, then the guest, the host, and ``but``.

Every error's ``where`` is a dotted path of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Part, Path
from virtsim.model.ring import Notify
from virtsim.parts import BY_NAME, NOTIFICATIONS
from virtsim.parts.kvm import with_apicv
from virtsim.paths import path as path_by_name
from virtsim.scenario.models import Guest, Machine, NamedPath, OwnPath

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
        raise InputError(f"{where}.{spot}", error.got, error.want, error.hint) from None


def _part(entry: Any, where: str) -> Part:
    name, options = _name_and_options(entry, where)
    return _made(BY_NAME, "part", name, options, where, f"{where}.{name}" if options else where)


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
    hints = get_type_hints(make)
    del hints["return"]
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


def _for_path(path: Path, key: str, value: Any, where: str) -> Any:
    """Return the value for a dotted option of a path, of the type that its part wants."""
    name, _, option = key.partition(".")
    part = next((p for p in path.parts if p.name == name), None)
    if part is None or part.made_by is None:
        return value
    option = option.replace(".", "_")
    if option not in part.options and option[:3] in ("tx_", "rx_"):
        option = option[3:]
    hints = get_type_hints(part.made_by)
    return _typed(hints[option], value, where) if option in hints else value


def _typed(hint: Any, value: Any, where: str) -> Any:
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
    """Return the path with the scenario's guest in place of its own."""
    first = path.parts[0]
    if guest.driver is not None:
        make = BY_NAME[f"guest.{guest.driver}"]
        path = path.swap(first.name, first if first.made_by is make else make())
    name = path.parts[0].name
    for option, value in (guest.model_extra or {}).items():
        where = f"guest.{option}"
        path = _changed(path, f"{name}.{option}", value, where)
    return (
        path
        if guest.queue is None
        else _changed(path, "virtqueue.size", guest.queue, "guest.queue")
    )


def _on_host(path: Path, host: Machine) -> Path:
    """Return the path on the scenario's host.

    ``forward: none`` ends it at the tap; a path without a tap has no such place and stays whole.
    """
    names = [part.name for part in path.parts]
    if host.forward == "none" and "tap" in names:
        path = Path(path.name, *path.parts[: names.index("tap") + 1], summary=path.summary)
    queue = next((part for part in path.parts if part.name == "virtqueue"), None)
    if host.apicv is None or queue is None:
        return path
    return path.but({"virtqueue.call": with_apicv(queue.options["call"], host.apicv)})


def _changed(path: Path, key: str, value: Any, where: str) -> Path:
    """Change one option of a path that the scenario spells otherwise, at ``where``."""
    try:
        return path.but({key: _for_path(path, key, value, where)})
    except InputError as error:
        raise InputError(where, error.got, error.want, error.hint) from None
