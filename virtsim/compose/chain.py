"""The chain of a path: what a packet of one direction meets, in its order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from virtsim.errors import InputError
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import DescriptorRing, Notify, Ring, Virtqueue
from virtsim.model.stage import Stage
from virtsim.model.thread import CALLER, THE_POLLER, Poll, Thread
from virtsim.program import NONE

Half = Literal["tx", "rx"]
DIRECTIONS = ("tx", "rx", "pvp", "v2v")
OTHER = ".b"
"""What the names of a second guest, and of all that serves it alone, end in."""

Driven = Virtqueue | DescriptorRing
"""A queue between a driver and a device, with a notification each way."""


@dataclass(frozen=True)
class Step:
    """An element of a chain, the part it belongs to and the half of the path it stands in."""

    part: str
    element: Element
    half: Half


@dataclass
class Draft:
    """A stage on its way to a row: its element, and what its neighbours turn out to be."""

    stage: Stage
    part: str
    thread: Thread
    ring: int = NONE
    out: int = NONE
    inline: list[tuple[str, Stage]] = field(default_factory=list)
    taken: Ring | Driven | None = None
    ahead: Ring | Driven | None = None
    called: bool = False

    @property
    def polls(self) -> bool:
        """Whether it looks at its ring by itself."""
        return isinstance(self.thread.wait, Poll)


def chain_of(path: Path, direction: str) -> list[Step]:
    """Return the elements of a path in the order in which a packet meets them.

    Raises
    ------
    InputError
        For pvp if the guest forwards nothing, for v2v if nothing stands between two guests.
    """
    if direction == "tx":
        return _half(path.parts, "tx")
    if direction == "rx":
        return _half(reversed(path.parts), "rx")
    return _through(path) if direction == "pvp" else _between(path)


def _half(parts: Iterable[Part], half: Half) -> list[Step]:
    return [Step(p.name, e, half) for p in parts for e in (p.tx if half == "tx" else p.rx)]


def _through(path: Path) -> list[Step]:
    """In from the link, through the guest, and out again."""
    guest, *outer = path.parts
    if not guest.through:
        kind = f".{guest.made_by.__name__}" if guest.made_by else ""
        got = f"pvp goes through the guest, and {guest.name}{kind} forwards nothing"
        hint = "guest.linux bridges, guest.dpdk forwards as testpmd does"
        raise InputError(f"{path.name} (pvp)", got, "a guest that forwards", hint)
    inner = [Step(guest.name, e, "tx") for e in guest.through]
    return [*_half(reversed(outer), "rx"), *inner, *_half(outer, "tx")]


def _between(path: Path) -> list[Step]:
    """From one guest to another, up to where the packet turns and back down a second chain."""
    near, switch = _up_to_switch(path)
    return [*_half(near, "tx"), *_turn(switch), *_half(map(_second, reversed(near)), "rx")]


def _turn(switch: Part) -> list[Step]:
    """Return what a packet meets where it turns; a ring behind a stage is the other guest's."""
    steps: list[Step] = []
    for element in switch.turn:
        back = bool(steps) and not isinstance(element, Stage)
        mine = _renamed(element) if back and isinstance(element, DescriptorRing) else element
        steps.append(Step(switch.name, mine, "rx" if back else "tx"))
    return steps


def _up_to_switch(path: Path) -> tuple[list[Part], Part]:
    for i, part in enumerate(path.parts):
        if part.turn:
            return list(path.parts[:i]), part
    got = "nothing in the path could stand between two guests, as v2v needs it"
    want = "a bridge, a poll-mode switch, or a NIC with virtual functions"
    raise InputError(f"{path.name} (v2v)", got, want)


def idle_of(path: Path, direction: str) -> list[Step]:
    """Return what stands in a direction's way back: pollers look at its queues all the same."""
    if direction == "pvp":
        return []
    if direction != "v2v":
        return chain_of(path, "rx" if direction == "tx" else "tx")
    near, switch = _up_to_switch(path)
    second = [_second(p) for p in near]
    turn = [replace(step, element=_renamed(step.element)) for step in _turn(switch)]
    return [*_half(second, "tx"), *turn, *_half(reversed(near), "rx")]


# -- the second guest --------------------------------------------------------------------------


def _second(part: Part) -> Part:
    """Return a part as the second guest has it: its own threads, rings and names."""
    tx, rx = (tuple(_renamed(e, threads=True) for e in half) for half in (part.tx, part.rx))
    return replace(part, name=part.name + OTHER, tx=tx, rx=rx)


def _renamed(element: Element, *, threads: bool = False) -> Element:
    if isinstance(element, Stage):
        return _renamed_stage(element, threads)
    if isinstance(element, Ring):
        return replace(element, name=element.name + OTHER)
    return replace(element, kick=_renamed_line(element.kick), call=_renamed_line(element.call))


def _renamed_stage(stage: Stage, threads: bool) -> Stage:
    thread, completion = stage.thread, stage.completion
    if thread is not None and threads and thread not in (CALLER, THE_POLLER):
        thread = replace(thread, name=thread.name + OTHER)
    if completion is not None:
        completion = _renamed_stage(completion, threads)
    return replace(stage, name=stage.name + OTHER, thread=thread, completion=completion)


def _renamed_line(line: Notify) -> Notify:
    return replace(line, relay=tuple(_renamed_stage(s, threads=True) for s in line.relay))


# -- what the rows of a chain need to know -------------------------------------------------------


def poller_of(path: Path) -> Thread | None:
    """Return the poll-mode thread of a path's switch, if it has one."""
    for part in path.parts:
        for element in (*part.tx, *part.rx, *part.turn):
            thread = element.thread if isinstance(element, Stage) else None
            if thread is not None and thread.kind == "poller" and thread != THE_POLLER:
                return thread
    return None


def refill_at(draft: Draft) -> int:
    """Return how many buffers must be missing before a driver posts new ones.

    min(budget, ring) / 2, with its NAPI budget [drivers/net/virtio_net.c: virtnet_receive], unless
    the driver has a number of its own.
    """
    if draft.stage.done != "never" or not isinstance(draft.taken, Driven):
        return 0
    if draft.stage.refill_at:
        return draft.stage.refill_at - 1
    return min(draft.stage.budget, draft.taken.size) // 2


def groups(inline: list[tuple[str, Stage]]) -> list[list[tuple[str, Stage]]]:
    """Join inline stages that take each packet all the way; batch-wise ones stand alone."""
    groups: list[list[tuple[str, Stage]]] = []
    for part, stage in inline:
        if groups and stage.by_packet and groups[-1][-1][1].by_packet:
            groups[-1].append((part, stage))
        else:
            groups.append([(part, stage)])
    return groups


def stage_numbers(drafts: list[Draft]) -> dict[int, int]:
    """Return the row number of each thread-bearing stage."""
    at: dict[int, int] = {}
    n = 0
    for i, draft in enumerate(drafts):
        at[i] = n
        n += 1 + len(groups(draft.inline))
        n += draft.stage.completion is not None and isinstance(draft.ahead, Driven)
    return at
