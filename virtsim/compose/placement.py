"""Which thread runs on which core and NUMA node; a placement that contradicts itself is refused.

A placement is a mapping, as in a scenario: a thread's name to the number of its core, and
``<thread>_node``, ``nic_node`` and ``memory_node`` to numbers of nodes, 0 unless given. Guest
memory, and with it every virtqueue, is on ``memory_node``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from virtsim.compose.chain import OTHER
from virtsim.errors import InputError, did_you_mean
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import Ring
from virtsim.model.stage import Stage
from virtsim.model.thread import CALLER, THE_POLLER, Always, Poll, Thread

_OF_A_GUEST = ("vcpu0", "vhost", "qemu")
THREADS = (*_OF_A_GUEST, "softirq", "irq", "pmd", "snabb", *(name + OTHER for name in _OF_A_GUEST))
"""Threads that may be placed though a path does not have them: one placement serves many paths."""

NIC, MEMORY = "nic", "memory"
SUFFIX = "_node"
MOST_NODES = 8


def node_of(placement: Mapping[str, int], name: str) -> int:
    """Return the node of a thread, of ``NIC`` or of ``MEMORY``."""
    return placement.get(f"{name}{SUFFIX}", 0)


def threads_of(path: Path) -> dict[str, Thread]:
    """Return the threads of a path in all directions, those of a second guest too, by name."""
    turns = [i for i, part in enumerate(path.parts) if part.turn]
    twice = path.parts[: turns[0]] if turns else ()
    second = (replace(thread, name=thread.name + OTHER) for thread in _threads(twice))
    return {thread.name: thread for thread in (*_threads(path.parts), *second)}


def _threads(parts: Iterable[Part]) -> Iterator[Thread]:
    for part in parts:
        for element in (*part.tx, *part.rx, *part.through, *part.turn):
            for stage in _stages(element):
                if stage.thread not in (None, CALLER, THE_POLLER):
                    assert stage.thread is not None
                    yield stage.thread


def _stages(element: Element) -> tuple[Stage, ...]:
    """Return a stage, or those that pass on the notifications of a ring."""
    if isinstance(element, Stage):
        return (element,)
    return () if isinstance(element, Ring) else (*element.kick.relay, *element.call.relay)


def concerning(placement: Mapping[str, int], path: Path) -> dict[str, int]:
    """Return what a placement says of a path: of its threads, of memory and of the NIC."""
    mine = {*threads_of(path), NIC, MEMORY}
    return {key: n for key, n in placement.items() if key.removesuffix(SUFFIX) in mine}


def check(placement: Mapping[str, int], path: Path) -> None:
    """Refuse a placement that a path cannot have.

    Raises
    ------
    InputError
        For what :func:`check_keys` refuses, a device on a core, or a core on two nodes.
    """
    threads = threads_of(path)
    check_keys(placement, threads)
    for key in placement:
        if key in threads and threads[key].kind == "device":
            got = f"'{key}' is a device, it runs on no core"
            raise InputError(f"placement.{key}", got, f"its node, {key}{SUFFIX}")
    for first, second, core in _sharing(placement, threads):
        nodes = [node_of(placement, name) for name in (first, second)]
        if nodes[0] != nodes[1]:
            told = next(t for t in (second, first) if f"{t}{SUFFIX}" in placement)
            got = (
                f"core {core} would be on node {nodes[0]} for {first} "
                f"and on node {nodes[1]} for {second}"
            )
            want = "one node for the threads of one core"
            other = first if told == second else second
            hint = f"{other}{SUFFIX}: {node_of(placement, told)}, or another core for {told}"
            raise InputError(f"placement.{told}{SUFFIX}", got, want, hint)


def check_keys(placement: Mapping[str, int], threads: Iterable[str]) -> None:
    """Refuse to place what is no thread, of these or of ``THREADS``, and numbers out of range.

    Raises
    ------
    InputError
        With the nearest name that there is.
    """
    names = sorted({*threads, *THREADS} - {NIC})
    nodes = [f"{name}{SUFFIX}" for name in (*names, NIC, MEMORY)]
    for key in placement:
        if key not in (*names, NIC, *nodes):
            node = key.endswith(SUFFIX)
            got = f"there is no thread '{key.removesuffix(SUFFIX)}'" + " to have a node" * node
            want = f"some of {', '.join(nodes if node else names)}"
            hint = did_you_mean(key, nodes if node else [*names, *nodes])
            raise InputError(f"placement.{key}", got, want, hint)
        _check_number(f"placement.{key}", key.endswith(SUFFIX), placement[key])


def check_pollers(placement: Mapping[str, int], path: Path) -> None:
    """Refuse two poll-mode threads on one core: each takes all that it can get of it.

    A poller beside a thread that sleeps is a case that occurs: the poller burns its quantum, and
    the other waits for the end of it.

    Raises
    ------
    InputError
        If there are two such threads.
    """
    polling = {name: t for name, t in threads_of(path).items() if _polls(t)}
    for first, second, core in _sharing(placement, polling):
        got = f"core {core} is shared by {first} and {second}, which both poll: each would burn it"
        want = "a core of its own for each thread that polls"
        hint = "a thread that polls can share its core with one that sleeps"
        raise InputError(f"placement.{second}", got, want, hint)


def _check_number(where: str, node: bool, number: object) -> None:
    most = f"0 to {MOST_NODES - 1}, the nodes of a machine" if node else "0 or more"
    if not isinstance(number, int) or isinstance(number, bool):
        raise InputError(where, f"{number!r} is not a number", most)
    if number < 0 or (node and number >= MOST_NODES):
        raise InputError(where, f"there is no {'node' if node else 'core'} {number}", most)


def _polls(thread: Thread) -> bool:
    return isinstance(thread.wait, Poll | Always) and thread.kind != "device"


def _sharing(
    placement: Mapping[str, int], threads: Iterable[str]
) -> Iterator[tuple[str, str, int]]:
    """Yield each two threads that are placed on one core, in the placement's order, and it."""
    known = set(threads)
    placed = [(name, core) for name, core in placement.items() if name in known]
    for (first, core), (second, other) in combinations(placed, 2):
        if core == other:
            yield first, second, core
