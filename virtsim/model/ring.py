"""What threads share: rings, virtqueues, and how notifications get across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtsim.errors import InputError
from virtsim.model.features import Layout
from virtsim.model.stage import Stage

Ops = tuple[str, ...]
Suppress = Literal["event_idx", "flags", "always", "never"]
MODES = {"event_idx": "event", "flags": "flags", "always": "always", "never": "never"}


@dataclass(frozen=True)
class Notify:
    """How one notification gets across: what its sender pays, what its receiver sees.

    ``by`` says who can send it: a driver kicks, a device calls.
    ``send`` is paid by the sender; ``running`` passes before a running receiver sees it and
    ``intrude`` is busy time of a running receiver; ``entry`` is paid by the receiver at each one.
    After a ``direct`` one the receiver serves its ring in the same iteration: what its handler
    would put off was put off by the sender already. After an ``inline`` one it serves it on the
    sender's thread, at once. The stages of ``relay`` pass it on one after another, always, when the
    receiver sleeps or when moderation put it off (``late``).
    """

    name: str
    by: Literal["driver", "device", "anyone"] = "anyone"
    send: Ops = ()
    running: Ops = ()
    intrude: Ops = ()
    entry: Ops = ()
    direct: bool = False
    inline: bool = False
    relay: tuple[Stage, ...] = ()
    relay_when: Literal["always", "asleep", "late"] = "always"


NEVER = Notify("never")
"""No notification: the other side polls."""


@dataclass(frozen=True)
class Ring:
    """A queue inside the host or the guest; a full one drops under its own name.

    ``capacity`` 0 is unbounded; ``visible`` passes before the other side sees an entry; ``notify``
    is how a consumer that waits is told, ``gap_ps`` keeps two notifications apart.
    """

    name: str
    capacity: int
    visible: Ops = ()
    notify: Notify = Notify("wake-up")
    gap_ps: int = 0
    rearm: Ops = ()


@dataclass(frozen=True)
class Virtqueue:
    """One virtqueue: a ring between driver and device with both notifications.

    ``mergeable``, ``indirect`` and ``in_order`` are what the device is asked to do; whether it
    does is settled with its driver, see :mod:`virtsim.model.negotiation`.

    Raises
    ------
    InputError
        For a size that virtio does not allow: a split ring holds a power of two of descriptors,
        a packed one any number, both at most 32768.
    """

    size: int = 256
    suppress: Suppress = "event_idx"
    kick: Notify = NEVER
    call: Notify = NEVER
    ring: Layout = "split"
    mergeable: bool = True
    indirect: bool = True
    in_order: bool = False

    def __post_init__(self) -> None:
        self._check_lines()
        self._check_size()
        if self.suppress not in MODES:
            raise InputError(
                "virtqueue.suppress",
                f"{self.suppress!r} suppresses nothing",
                f"one of {list(MODES)}",
            )
        for name in ("mergeable", "indirect", "in_order"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InputError(f"virtqueue.{name}", f"{value!r} is neither", "true or false")

    def _check_size(self) -> None:
        """Check the layout, and the size that goes with it."""
        if self.ring not in ("split", "packed"):
            want = "'split' or 'packed'"
            raise InputError("virtqueue.ring", f"{self.ring!r} is no layout of a ring", want)
        where = "virtqueue.size"
        if not isinstance(self.size, int) or isinstance(self.size, bool):
            raise InputError(where, f"{self.size!r} is not a number of descriptors", "an integer")
        inside = 2 <= self.size <= 32768
        if self.ring == "packed" and not inside:
            got = f"a packed ring of {self.size} descriptors"
            raise InputError(where, got, "any number from 2 to 32768")
        if self.ring == "split" and (not inside or self.size & (self.size - 1)):
            near = 1 << max(1, min(15, (max(self.size, 2) - 1).bit_length()))
            raise InputError(
                where,
                f"a split ring of {self.size} descriptors",
                "a power of two from 2 to 32768",
                f"write {near}",
            )

    def _check_lines(self) -> None:
        for name, line, sender in (("kick", self.kick, "driver"), ("call", self.call, "device")):
            if line.by not in (sender, "anyone"):
                got, want = f"'{line.name}' is not a {name}", f"a notification by the {sender}"
                raise InputError(f"virtqueue.{name}", got, want)

    def mode(self, line: Notify) -> str:
        """Return the suppression mode of one notification."""
        return "never" if line == NEVER else MODES[self.suppress]


@dataclass(frozen=True)
class DescriptorRing:
    """A NIC's descriptors, one ring each way, between its driver and the device or its emulation.

    ``fetch`` passes before the device sees what the driver posted, ``land`` before the driver sees
    what the device wrote. The device's ``call`` is an interrupt with a mask, which latches what it
    may not send, and ``gap_ps`` keeps two of them apart. A full receive ring drops. ``mapping`` is
    what the driver pays to let the device reach each buffer.

    Raises
    ------
    InputError
        For a size that no such ring has.
    """

    size: int = 256
    kick: Notify = NEVER
    call: Notify = NEVER
    fetch: Ops = ()
    land: Ops = ()
    gap_ps: int = 0
    mapping: Ops = ()

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not whole or not 16 <= self.size <= 32768:
            raise InputError("ring.size", f"a ring of {self.size!r} descriptors", "16 to 32768")

    def mode(self, line: Notify) -> str:
        """Return the suppression mode of one notification."""
        if line == NEVER:
            return "never"
        return "call" if line.inline else "latch"
