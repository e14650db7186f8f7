"""Snabb NFV: one engine loop in userspace that breathes packets in and out of its links.

A breath pulls from every app and then pushes through every link [src/core/app.lua: breathe]; here
it looks at its stages in the order in which a packet meets them. The difference shows only where
one packet is pulled and pushed twice (pvp), as a shift of less than a breath.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from virtsim.errors import InputError
from virtsim.model.features import SNABB_OFFERS
from virtsim.model.path import Part, part
from virtsim.model.ring import Notify, Ring
from virtsim.model.stage import Ops, Stage
from virtsim.model.thread import CALLER, THE_POLLER, Pace, Thread, device, poller
from virtsim.parts.host_net import WIRE
from virtsim.units import time_ps

LINK = 1023
"""Usable slots of a link of 1024; a full one drops [src/core/link.h]."""

PULL = 102
"""engine.pull_npackets: a tenth of a link [src/core/app.lua]."""

MAX_SLEEP = "100us"
STEP = "1us"
"""Longest sleep between two breaths, and how much one without packets adds [src/core/app.lua]."""

NIC_DESC = 2048
"""ring_buffer_size [src/apps/intel_mp/intel_mp.lua]."""

Pacing = Literal["adaptive", "busy", "fixed"]
Pages = Literal["huge", "small"]


def engine(pacing: Pacing, period: str, max_sleep: str) -> Thread:
    """Return Snabb's engine loop.

    Raises
    ------
    InputError
        For a way to pace breaths that there is not, or no time from breath to breath.
    """
    most, apart = time_ps(max_sleep, "snabb.max_sleep"), time_ps(period, "snabb.period")
    if not apart:
        raise InputError("snabb.period", f"breaths {period} apart", "more", "snabb.pacing: busy")
    pace = {
        "adaptive": Pace(step_ps=time_ps(STEP, "snabb.step"), max_ps=most),
        "busy": None,
        # It sleeps until a deadline: what it oversleeps shifts breaths and stretches no period.
        "fixed": Pace(period_ps=apart, late=()),
    }
    if pacing not in pace:
        want = f"one of {', '.join(pace)}"
        raise InputError("snabb.pacing", f"{pacing!r} is not a way to pace breaths", want)
    return poller("snabb", ("snabb.breath",), pace[pacing])


@part
def vhost(
    *, pacing: Pacing = "adaptive", period: str = "100us", max_sleep: str = MAX_SLEEP,
    link: int = LINK, pages: Pages = "huge", zero_copy: bool = False,
) -> Part:  # fmt: skip
    """Return Snabb's VhostUser app with the links that join it to the next app.

    A breath pulls all that the guest has sent and pushes what the guest has buffers for; the rest
    waits on its link, and a full link drops. Used entries are published, and the guest is called
    if it wants to be, once per breath and queue. The guest never kicks
    [src/lib/virtio/net_device.lua, virtq_device.lua]. Checksums that a driver leaves to the device
    are finished, and those of what it receives verified, in software.

    Parameters
    ----------
    pacing
        "adaptive": a breath without packets adds a microsecond to a sleep, another halves it.
        "busy": breath after breath. "fixed": one every ``period``.
    period
        From breath to breath, if fixed (Snabb's Hz); not less than a sleep costs.
    max_sleep
        Longest sleep, if adaptive.
    link
        Packets that a link holds.
    pages
        What maps the guest's memory into Snabb: "huge", or "small" pages of 4 KiB, of which the
        TLB has forgotten the one that a packet's buffer is on. The guest's own walks are left out.
    zero_copy
        As in the prototype of 2014: packets stay in the guest's buffers, which the NIC reads and
        fills; from guest to guest they are copied once. The guest has a sent buffer back when it is
        on the link, not when it is on the wire; what finds no room there stays in its ring.
    """
    if link < 1:
        raise InputError("snabb.link", f"a link for {link} packets", "at least 1")
    thread = engine(pacing, period, max_sleep)
    way = ":in_place" if zero_copy else ""
    pull = Stage(
        "snabb.vhost_pull",
        thread,
        ops=(f"snabb.vhost_deq{way}", *_touched(pages, zero_copy), "snabb.link"),
        batch_ops=("call.check",),
        gather="burst",
        batch=32768,
        done="after" if zero_copy else "before",
        publish="batch",
        full="wait" if zero_copy else "drop",
        on_empty="leave",
    )
    copying = Stage(
        "snabb.vhost_push",
        thread,
        ops=("snabb.vhost_enq", *_touched(pages, False)),
        batch_ops=("call.check",),
        gather="burst",
        batch=link,
        publish="batch",
        decide="batch",
        full="wait",
        on_empty="leave",
    )
    push = replace(copying, ops=(f"snabb.vhost_enq{way}", *_touched(pages, zero_copy)))
    to_guest, from_guest = Ring("snabb.to_guest", link), Ring("snabb.from_guest", link)
    return Part(
        "snabb",
        "virtqueue",
        "mbuf",
        tx=(pull, from_guest),
        rx=(to_guest, push),
        turn=(pull, from_guest, copying),
        features=SNABB_OFFERS,
    )


def _touched(pages: Pages, zero_copy: bool) -> Ops:
    """Return what each packet's memory costs, either way.

    Raises
    ------
    InputError
        For pages that there are not.
    """
    if pages not in ("huge", "small"):
        raise InputError("snabb.pages", f"{pages!r} pages", "'huge' or 'small'")
    walk = ("mem.dram:walk",) if pages == "small" else ()
    copied = () if zero_copy else ("snabb.vhost_byte",)
    return (*walk, *copied, "csum.byte")


@part
def nic(*, descriptors: int = NIC_DESC, pull: int = PULL) -> Part:
    """Return a NIC that Snabb drives from userspace: DMA from and to its hugepages, no copy.

    Every breath reads the head of the transmit ring from the device, whether it sends or not
    [src/apps/intel_mp/intel_mp.lua: Intel:push]. It writes the tail each time as well; writes that
    tell the NIC nothing new are left out.

    Parameters
    ----------
    descriptors
        Of each ring; a full receive ring drops, a full transmit ring makes the link fill up.
    pull
        Most packets that one breath takes from the NIC.
    """
    if not 32 <= descriptors <= 32768:
        raise InputError("nic.descriptors", f"{descriptors} descriptors", "32 to 32768")
    if pull < 1:
        raise InputError("nic.pull", f"{pull} packets a breath", "at least 1")
    send = Stage(
        "snabb.nic_push",
        THE_POLLER,
        ops=("snabb.nic_tx",),
        batch_ops=("pcie.mmio_read", "pcie.doorbell"),
        poll=("pcie.mmio_read",),
        gather="burst",
        batch=descriptors,
        publish="batch",
        full="wait",
        on_empty="leave",
    )
    receive = Stage(
        "snabb.nic_pull",
        THE_POLLER,
        ops=("snabb.nic_rx", "snabb.link"),
        gather="burst",
        batch=pull,
        publish="batch",
        on_empty="leave",
    )
    dma_out = Ring("nic.tx", descriptors, visible=("pcie.dma_rtt", "nic.latency"))
    dma_in = Ring("nic.rx", descriptors, visible=("nic.latency", "pcie.dma_write"))
    wire = Stage("link", device("nic"), ops=(WIRE,))
    return Part("nic", "mbuf", "link", tx=(send, dma_out, wire), rx=(dma_in, receive))


@part
def tap(*, pull: int = PULL) -> Part:
    """Return Snabb's Tap app, which stands where the NIC would: a system call for each packet.

    What the kernel does with a packet that is written to the tap, down to the NIC's driver, happens
    inside that call, on the engine's thread. Every breath ends its pull with a read that finds
    nothing, here even one that has read its most [src/apps/tap/tap.lua].

    Parameters
    ----------
    pull
        Most packets that one breath reads.
    """
    if pull < 1:
        raise InputError("snabb_tap.pull", f"{pull} packets a breath", "at least 1")
    push = Stage("snabb.tap_push", THE_POLLER, gather="burst", batch=LINK, on_empty="leave")
    call = Ring("snabb.tap_call", 1, notify=Notify("system call"))
    write = Stage("snabb.tap_write", CALLER, ops=("tap.write", "tap.write_byte"), on_empty="leave")
    read = Stage(
        "snabb.tap_pull",
        THE_POLLER,
        ops=("tap.read", "tap.read_byte", "snabb.link"),
        batch_ops=("tap.read_empty",),
        poll=("tap.read_empty",),
        gather="burst",
        batch=pull,
        publish="batch",
        on_empty="leave",
    )
    return Part("snabb_tap", "mbuf", "skb", tx=(push, call, write), rx=(read,))
