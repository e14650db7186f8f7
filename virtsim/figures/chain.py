"""A path as a chain of boxes: where each part runs, who polls, and what a packet crosses."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from virtsim.model.ops import counts_of
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import NEVER, DescriptorRing, Notify, Ring, Virtqueue
from virtsim.model.stage import Stage
from virtsim.model.thread import CALLER, THE_POLLER, Poll, Sleep, Thread

Place = Literal["guest", "process", "kernel", "hardware"]
PLACES: tuple[Place, ...] = ("guest", "process", "kernel", "hardware")
HOMES: Mapping[str, Place] = {
    "vcpu": "guest",
    "main_loop": "process",
    "poller": "process",
    "vhost_worker": "kernel",
    "softirq": "kernel",
}
"""Where a thread of a kind runs."""

SEAMS: Mapping[str, Place] = {"skb": "kernel", "mbuf": "process", "register": "process",
                           "dma": "hardware"}  # fmt: skip
"""Where a part without a thread of its own runs, by the seam at its guest's side."""

SPELT: Mapping[str, str] = {"intx": "INTx", "msi-x": "MSI-X", "signal_msi": "MSI ioctl"}
"""How notifications are written, if not as the parts name them."""

Queue = Virtqueue | DescriptorRing


@dataclass(frozen=True)
class Box:
    """Parts that stand together: their names, the threads that run them, whether these poll."""

    place: Place
    names: tuple[str, ...]
    lines: tuple[str, ...] = ()
    polls: bool = False


@dataclass(frozen=True)
class Seam:
    """What a packet crosses from one box to the next: outwards (tx), and inwards (rx)."""

    out: str = ""
    back: str = ""


@dataclass(frozen=True)
class Chain:
    """A path's boxes, guest outwards, and the seams between them."""

    label: str
    boxes: tuple[Box, ...]
    seams: tuple[Seam, ...]
    copies: tuple[int, int] = (0, 0)


def chain(label: str, path: Path) -> Chain:
    """Return what stands between a path's guest and the link."""
    reader = _Reader(path)
    boxes: list[Box] = []
    seams: list[Seam] = []
    for i, part in enumerate(path.parts):
        if _is_queue(part):
            continue
        box = reader.box(i)
        if boxes and boxes[-1].place == box.place and reader.joins(i):
            last = boxes.pop()
            boxes.append(replace(last, names=last.names + box.names))
            continue
        if boxes:
            seams.append(reader.seam(i))
        boxes.append(box)
    if path.parts[-1].outer == "link" and boxes[-1].place != "hardware":
        seams.append(reader.wire())
        boxes.append(Box("hardware", ("NIC",)))
    return Chain(label, tuple(boxes), tuple(seams), copies(path))


def _is_queue(part: Part) -> bool:
    return part.inner == part.outer == "virtqueue"


class _Reader:
    """Reads a path's parts, with the threads that run them each way."""

    def __init__(self, path: Path) -> None:
        self.parts = path.parts
        self.poller = next((t for p in path.parts for t in _threads(p) if _is_poller(t)), None)
        self.out = self._runners([p.tx for p in path.parts])
        self.back = self._runners([p.rx for p in reversed(path.parts)])[::-1]
        self.guest_polls = any(isinstance(t.wait, Poll) for t in _threads(path.parts[0]))

    def _runners(self, halves: Sequence[tuple[Element, ...]]) -> list[Thread | None]:
        """Return who runs each part one way: its own thread, or the one that calls it."""
        now, found = None, []
        for half in halves:
            threads = [e.thread for e in half if isinstance(e, Stage) and e.thread is not None]
            on_cpu = [self.poller if t == THE_POLLER else t for t in threads if t.kind != "device"]
            found.append(on_cpu[0] if on_cpu else now)
            now = (on_cpu or [now])[-1]
        return found

    def box(self, i: int) -> Box:
        """Return the box of a part."""
        part = self.parts[i]
        kinds = [t.kind for t in _threads(part) if t.kind in HOMES]
        place = HOMES[kinds[0]] if kinds and part.inner not in SEAMS else SEAMS.get(part.inner)
        place = "guest" if i == 0 else place or "process"
        if place == "hardware":
            return Box(place, (f"NIC: {part.name}",))
        own = set(_threads(part))
        out, back = (_who(thread, own) for thread in (self.out[i], self.back[i]))
        lines = (out,) if out == back else (f"tx: {out}", f"rx: {back}")
        runs = [t for t in (self.out[i], self.back[i]) if t is not None]
        name = "NIC driver" if part.outer == "link" and i else part.name
        return Box(place, (name,), lines, any(map(_polls, runs)))

    def joins(self, i: int) -> bool:
        """Whether a part runs on the same threads as the one before it."""
        return (self.out[i], self.back[i]) == (self.out[i - 1], self.back[i - 1])

    def seam(self, i: int) -> Seam:
        """Return what lies between a part and the one before it, towards the guest."""
        before, after = self.parts[i - 1], self.parts[i]
        queue = next((e for e in (*before.tx, *after.tx) if isinstance(e, Queue)), None)
        if queue is not None and (_is_queue(before) or after.inner in ("register", "dma")):
            return self._driven(i, queue)
        calls = "a system call each" if _count(before.tx, "syscalls") else ""
        ring = next((e for e in after.rx if isinstance(e, Ring)), None)
        sleeper = self.back[i - 1]
        woken = ring is not None and sleeper is not None and isinstance(sleeper.wait, Sleep)
        back = [*(["wake-up"] if woken else []), *([calls] if calls else [])]
        return Seam(calls, ", ".join(back))

    def _driven(self, i: int, queue: Queue) -> Seam:
        """Return the notifications of a queue between the guest's driver and a device."""
        device = self.out[i]
        if device is not None and _polls(device) and isinstance(queue, Virtqueue):
            out = "polled: no kick"
        elif queue.kick == NEVER:
            out = "doorbell, no exit"
        else:
            name = queue.kick.name
            out = _exit(queue.kick) + ("" if name == "exit_to_qemu" else f": {name}")
        if self.guest_polls:
            return Seam(out, "polled: no interrupt")
        call = queue.call
        by = "by the host" if call.relay and call.relay_when == "always" else ""
        exits = "an exit" if _counted(call.intrude, "exits") else ""
        name = f"interrupt: {SPELT.get(call.name, call.name)}"
        return Seam(out, ", ".join(filter(None, (name, by, exits))))

    def wire(self) -> Seam:
        """Return what lies between the last driver and the NIC."""
        last, runner = self.parts[-1], self.back[-1]
        each = _count(last.tx, "doorbells")
        burst = sum(_counted(s.batch_ops, "doorbells") for s in last.tx if isinstance(s, Stage))
        out = f"doorbell a {'packet' if each else 'burst'}, DMA" if each or burst else "DMA"
        polled = runner is not None and _polls(runner)
        return Seam(out, "DMA, polled" if polled else "DMA, interrupt")


def _threads(part: Part) -> Iterator[Thread]:
    for element in (*part.tx, *part.rx):
        if isinstance(element, Stage) and element.thread not in (None, CALLER, THE_POLLER):
            assert element.thread is not None
            yield element.thread


def _is_poller(thread: Thread) -> bool:
    return thread.kind == "poller"


def _polls(thread: Thread) -> bool:
    return isinstance(thread.wait, Poll)


def _who(thread: Thread | None, own: Container[Thread]) -> str:
    """Name a thread: with its way of waiting where it belongs, else as the one that calls."""
    if thread is None:
        return "its caller"
    if thread == CALLER:
        return "the vCPU, in its exit"
    wait = thread.wait
    if isinstance(wait, Poll):
        return f"{thread.name} polls" + (", with naps" if wait.pace else "")
    if thread.kind == "softirq":
        return thread.name
    if thread not in own:
        return f"called by {thread.name}"
    if isinstance(wait, Sleep):
        spins = "spins, then " if wait.spin_ps and not wait.armed else ""
        return f"{thread.name} {spins}{'halts' if thread.kind == 'vcpu' else 'sleeps'}"
    return f"{thread.name} spins"


def _exit(kick: Notify) -> str:
    if _counted(kick.send, "exits_user"):
        return "exit to QEMU"
    return "exit" if _counted(kick.send, "exits") else "no exit"


def _counted(ops: Sequence[str], counter: str) -> int:
    return sum(counts_of(op).get(counter, 0) for op in ops)


def _count(half: Sequence[Element], counter: str) -> int:
    return sum(_counted(e.ops, counter) for e in half if isinstance(e, Stage))


def copies(path: Path) -> tuple[int, int]:
    """Return how often the host copies a packet on its way out, and on its way in."""
    out = sum(_count(part.tx, "copies") for part in path.parts)
    return out, sum(_count(part.rx, "copies") for part in path.parts)
