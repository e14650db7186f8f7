"""What threads share: rings, virtqueues, and how notifications get across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtsim.errors import InputError

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
    would put off was put off by the sender already.
    """

    name: str
    by: Literal["driver", "device", "anyone"] = "anyone"
    send: Ops = ()
    running: Ops = ()
    intrude: Ops = ()
    entry: Ops = ()
    direct: bool = False


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

    Raises
    ------
    InputError
        For a size that virtio does not allow: a split ring holds a power of two of descriptors,
        at most 32768.
    """

    size: int = 256
    suppress: Suppress = "event_idx"
    kick: Notify = NEVER
    call: Notify = NEVER

    def __post_init__(self) -> None:
        self._check_lines()
        where = "virtqueue.size"
        if not isinstance(self.size, int) or isinstance(self.size, bool):
            raise InputError(where, f"{self.size!r} is not a number of descriptors", "an integer")
        if not 2 <= self.size <= 32768 or self.size & (self.size - 1):
            near = 1 << max(1, min(15, (max(self.size, 2) - 1).bit_length()))
            raise InputError(
                where,
                f"a split ring of {self.size} descriptors",
                "a power of two from 2 to 32768",
                f"write {near}",
            )
        if self.suppress not in MODES:
            raise InputError(
                "virtqueue.suppress",
                f"{self.suppress!r} suppresses nothing",
                f"one of {list(MODES)}",
            )

    def _check_lines(self) -> None:
        for name, line, sender in (("kick", self.kick, "driver"), ("call", self.call, "device")):
            if line.by not in (sender, "anyone"):
                got, want = f"'{line.name}' is not a {name}", f"a notification by the {sender}"
                raise InputError(f"virtqueue.{name}", got, want)

    def mode(self, line: Notify) -> str:
        """Return the suppression mode of one notification."""
        return "never" if line == NEVER else MODES[self.suppress]
