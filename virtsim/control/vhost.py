"""Handing the rings over: to the vhost-net kernel module by ioctls, to a switch by messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtsim.control.steps import Step
from virtsim.model.features import Negotiated

START, FEATURES, GO = (
    *("QEMU starts: the back end is opened", "features reach the back end"),
    "the rings are handed over",
)
VRINGS = 2
"""Receive and transmit of one queue pair; the control queue stays with QEMU."""

KERNEL = "[hw/virtio/vhost-backend.c, hw/virtio/vhost.c: vhost_dev_init, vhost_dev_start]"
USER = "[hw/virtio/vhost-user.c: vhost_user_backend_init]"
INIT = "[hw/virtio/vhost.c: vhost_dev_init, vhost_virtqueue_init]"
RUN = "[hw/virtio/vhost.c: vhost_dev_start, vhost_virtqueue_start]"
ENABLE = "[hw/net/virtio-net.c: peer_attach; hw/net/vhost_net.c: vhost_net_set_vring_enable]"


@dataclass(frozen=True)
class Handover:
    """What QEMU tells a back end: at its start, as features are written, and at DRIVER_OK."""

    start: tuple[Step, ...] = ()
    features: tuple[Step, ...] = ()
    go: tuple[Step, ...] = ()


@dataclass(frozen=True)
class BackEnd:
    """A vhost-user back end: its protocol features, and how often it looks at its socket.

    ``timer_ps`` passes before each answer.
    """

    name: str
    protocol: frozenset[str]
    timer_ps: int = 0


DPDK = BackEnd(
    "DPDK",
    frozenset({"MQ", "REPLY_ACK", "BACKEND_REQ", "CONFIGURE_MEM_SLOTS", "STATUS"}),
)
"""Of its protocol features those that add messages [lib/vhost/vhost_user.h:
VHOST_USER_PROTOCOL_FEATURES]."""

SNABB = BackEnd("Snabb", frozenset(), 500_000_000_000)
"""No protocol feature, and a timer of 500 ms [src/apps/vhost/vhost_user.lua:
get_protocol_features, process_qemu_timer]."""


def kernel(regions: int, spinning: bool) -> Handover:
    """Return the ioctls that QEMU makes on /dev/vhost-net for one queue pair.

    Parameters
    ----------
    regions
        Memory regions of the guest, all in one table.
    spinning
        The worker polls for a while before it sleeps (poll-us).
    """
    start = [
        Step(START, "QEMU", "opens /dev/vhost-net: one worker for the pair", syscalls=1,
             source="[net/tap.c: net_init_tap_one]"),
        Step(START, "QEMU", "VHOST_SET_OWNER, VHOST_GET_FEATURES_ARRAY", syscalls=2,
             note="before Linux 6.17 the latter fails and VHOST_GET_FEATURES follows",
             source=KERNEL),
        Step(START, "QEMU", "per vring VHOST_SET_VRING_CALL (masked) and _ERR",
             syscalls=2 * VRINGS, fds=2 * VRINGS, source=INIT),
    ]  # fmt: skip
    if spinning:
        start.append(Step(START, "QEMU", "per vring VHOST_SET_VRING_BUSYLOOP_TIMEOUT",
                          syscalls=VRINGS, source=INIT))  # fmt: skip
    go = (
        Step(GO, "QEMU", "VHOST_SET_FEATURES_ARRAY, VHOST_GET_ and _SET_BACKEND_FEATURES",
             syscalls=3, source=KERNEL),
        Step(GO, "QEMU", f"VHOST_SET_MEM_TABLE: {_regions(regions)}", syscalls=1,
             note="addresses of QEMU's own mapping: nothing is mapped anew", source=KERNEL),
        Step(GO, "QEMU", "per vring VHOST_SET_VRING_NUM, _BASE, _ADDR, _KICK (its ioeventfd) and "
             "_CALL (its irqfd)", syscalls=5 * VRINGS, fds=2 * VRINGS, source=RUN),
        Step(GO, "QEMU", "per vring VHOST_NET_SET_BACKEND: the tap", syscalls=VRINGS, fds=VRINGS,
             source="[hw/net/vhost_net.c: vhost_net_start_one]"),
    )  # fmt: skip
    return Handover(tuple(start), (), go)


def user(back_end: BackEnd, regions: int, deal: Negotiated) -> Handover:
    """Return the messages of the vhost-user socket in their order, for one queue pair.

    Without REPLY_ACK QEMU follows a message that it must see done by one that is always
    answered, GET_FEATURES [hw/virtio/vhost-user.c: vhost_user_write_sync].
    """
    talk = _Talk(back_end)
    features = [
        step
        for word in range(1 if deal.legacy else 2)
        for step in _enabled(talk, FEATURES, f"the driver has written word {word} of the features")
    ]
    go = (*_enabled(talk, GO, "enabled again at the start"), *_handed_over(talk, regions))
    return Handover(tuple(_opened(talk)), tuple(features), go)


@dataclass(frozen=True)
class _Talk:
    """Makes steps of messages to one back end."""

    to: BackEnd

    def has(self, feature: str) -> bool:
        return feature in self.to.protocol

    def send(
        self, phase: str, what: str, *, answered: bool = False, acked: bool = False,
        fds: int = 0, mapped: int = 0, note: str = "", source: str = "",
    ) -> Step:  # fmt: skip
        """One message; an acked one is answered if REPLY_ACK was agreed on."""
        waits = answered or (acked and self.has("REPLY_ACK"))
        wait = self.to.timer_ps if waits else 0
        return Step(phase, "QEMU", what, messages=1, answers=int(waits), fds=fds, regions=mapped,
                    wait_ps=wait, note=note, source=source)  # fmt: skip


def _opened(talk: _Talk) -> Iterator[Step]:
    yield Step(START, "QEMU", "connects to the back end's socket, or listens for it", syscalls=1,
               source="[net/vhost-user.c]")  # fmt: skip
    yield talk.send(START, "GET_FEATURES", answered=True, source=USER)
    yield talk.send(START, "GET_PROTOCOL_FEATURES", answered=True, source=USER)
    yield talk.send(START, "SET_PROTOCOL_FEATURES", source=USER,
                    note=", ".join(sorted(talk.to.protocol)) or "none is known")  # fmt: skip
    if talk.has("MQ"):
        yield talk.send(START, "GET_QUEUE_NUM", answered=True, source=USER)
    if talk.has("CONFIGURE_MEM_SLOTS"):
        yield talk.send(START, "GET_MAX_MEM_SLOTS", answered=True, source=USER)
    if talk.has("BACKEND_REQ"):
        yield talk.send(START, "SET_BACKEND_REQ_FD", acked=True, fds=1,
                        note="a socket for the other way", source=USER)  # fmt: skip
    yield talk.send(START, "SET_OWNER", source=INIT)
    yield talk.send(START, "GET_FEATURES", answered=True, source=INIT)
    for ring in range(VRINGS):
        yield talk.send(START, f"SET_VRING_CALL {ring}", acked=True, fds=1, note="masked",
                        source=INIT)  # fmt: skip
        yield talk.send(START, f"SET_VRING_ERR {ring}", acked=True, fds=1, source=INIT)


def _enabled(talk: _Talk, phase: str, note: str) -> Iterator[Step]:
    for ring in range(VRINGS):
        yield talk.send(phase, f"SET_VRING_ENABLE {ring}", acked=True, note=note, source=ENABLE)
        if not talk.has("REPLY_ACK"):
            yield talk.send(phase, "GET_FEATURES", answered=True, source=ENABLE,
                            note="stands for the answer")  # fmt: skip


def _status(talk: _Talk, what: str) -> Iterator[Step]:
    if talk.has("STATUS"):
        source = "[hw/virtio/vhost-user.c: vhost_user_add_status]"
        yield talk.send(GO, "GET_STATUS", answered=True, source=source)
        yield talk.send(GO, f"SET_STATUS: {what}", source=source)


def _handed_over(talk: _Talk, regions: int) -> Iterator[Step]:
    yield talk.send(GO, "SET_FEATURES", source=RUN)
    yield from _status(talk, "FEATURES_OK")
    if talk.has("CONFIGURE_MEM_SLOTS"):
        for region in range(regions):
            yield talk.send(GO, f"ADD_MEM_REG {region}", acked=True, fds=1, mapped=1,
                            source="[hw/virtio/vhost-user.c: send_add_regions]")  # fmt: skip
    else:
        yield talk.send(GO, f"SET_MEM_TABLE: {_regions(regions)}", acked=True, fds=regions,
                        mapped=regions, note="at most 8 in one message",
                        source="[hw/virtio/vhost-user.c: vhost_user_set_mem_table]")  # fmt: skip
    for ring in range(VRINGS):
        yield talk.send(GO, f"SET_VRING_NUM {ring}", source=RUN)
        yield talk.send(GO, f"SET_VRING_BASE {ring}", source=RUN)
        yield talk.send(GO, f"SET_VRING_ADDR {ring}", source=RUN)
        yield talk.send(GO, f"SET_VRING_KICK {ring}", acked=True, fds=1, source=RUN,
                        note="the ring starts")  # fmt: skip
        yield talk.send(GO, f"SET_VRING_CALL {ring}", acked=True, fds=1, source=RUN,
                        note="the irqfd instead of the masked one")  # fmt: skip
    yield from _status(talk, "DRIVER_OK")


def _regions(n: int) -> str:
    return f"{n} region{'s' if n != 1 else ''}"
