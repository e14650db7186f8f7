"""OVS-DPDK: a poll-mode thread that copies between guests and a userspace NIC driver."""

from __future__ import annotations

from typing import Literal

from virtsim.errors import InputError
from virtsim.model.features import OVS_OFFERS
from virtsim.model.path import Part, part
from virtsim.model.ring import Ring
from virtsim.model.stage import Stage
from virtsim.model.thread import THE_POLLER, Pace, Thread, device, poller
from virtsim.parts.host_net import WIRE
from virtsim.units import time_ps

BURST = 32
"""NETDEV_MAX_BURST and MAX_PKT_BURST [lib/dpif-netdev.c, lib/vhost]."""

RETRIES = 8
"""tx-retries-max of a vhost-user port [lib/netdev-dpdk.c]."""

NIC_DESC = 2048

SLEEP_STEP = "1us"
"""What an iteration with few packets adds to the sleep after it; few is under half a burst
(PMD_SLEEP_THRESH, PMD_SLEEP_INC_US) [lib/dpif-netdev.c: pmd_thread_main]."""

MOST_SLEEP = "10ms"
"""PMD_RCU_QUIESCE_INTERVAL [lib/dpif-netdev.c: parse_pmd_sleep_list]."""

SLACK = "sys.timer_slack:1us"
"""A poll-mode thread asks for a fine timer: PMD_TIMER_RES_NS [lib/dpif-netdev.c]."""


def pmd(sleep: str) -> Thread:
    """Return the poll-mode thread that serves all queues given to it.

    Raises
    ------
    InputError
        For a sleep longer than OVS takes.
    """
    most = time_ps(sleep, "ovs.sleep")
    if most > time_ps(MOST_SLEEP, ""):
        raise InputError(
            "ovs.sleep", f"sleeps of {sleep}", f"0us to {MOST_SLEEP}, as OVS truncates"
        )
    step = time_ps(SLEEP_STEP, "")
    pace = Pace(step_ps=step, max_ps=most, few=BURST // 2, relax=0, late=(SLACK,))
    return poller("pmd", loop=("pmd.loop",), pace=pace if most else None)


@part
def port(
    *, burst: int = BURST, retries: int = RETRIES, lookup: Literal["emc", "megaflow"] = "emc",
    sleep: str = "0us",
) -> Part:  # fmt: skip
    """Return a vhost-user port of OVS-DPDK with the flow lookup behind it.

    Parameters
    ----------
    burst
        Packets of one dequeue or enqueue.
    retries
        How often a burst that the guest has no room for is offered again, while some of it fits.
    lookup
        Where a packet's flow is found: exact-match cache or megaflow classifier.
    sleep
        Longest sleep before an iteration (pmd-sleep-max); "0us" never sleeps. It grows while no
        queue gives half a burst, and starts anew when one does.
    """
    if not 1 <= burst <= 32:
        raise InputError(
            "ovs.burst", f"bursts of {burst}", "1 to 32, as the vhost library truncates"
        )
    if not 0 <= retries <= 32:
        raise InputError("ovs.retries", f"{retries} retries", "0 to 32")
    if lookup not in ("emc", "megaflow"):
        raise InputError("ovs.lookup", f"{lookup!r} finds no flow", "'emc' or 'megaflow'")
    dequeue = Stage(
        "ovs.dequeue",
        pmd(sleep),
        ops=("vhostuser.deq", "vhostuser.deq_byte"),
        batch_ops=("vhostuser.deq_burst",),
        poll=("pmd.empty_poll",),
        gather="burst",
        batch=burst,
        done="before",
        on_empty="leave",
    )
    switch = Stage(
        "ovs.switch", ops=(f"ovsdpdk.{lookup}",), batch_ops=("pmd.burst",), gather="burst"
    )
    enqueue = Stage(
        "ovs.enqueue",
        ops=("vhostuser.enq", "vhostuser.enq_byte"),
        batch_ops=("vhostuser.enq_burst",),
        gather="burst",
        publish="batch",
        full="retry",
        retries=retries,
    )
    return Part(
        "ovs", "virtqueue", "mbuf", tx=(dequeue, switch), rx=(switch, enqueue),
        turn=(dequeue, switch, enqueue), features=OVS_OFFERS,
    )  # fmt: skip


@part
def nic_pmd(*, descriptors: int = NIC_DESC, burst: int = BURST) -> Part:
    """Return a NIC driven by the poll-mode thread: no interrupt, no skb, a full ring drops."""
    if not 32 <= descriptors <= 32768:
        raise InputError("nic.descriptors", f"{descriptors} descriptors", "32 to 32768")
    transmit = Stage(
        "nic.transmit",
        ops=("nicpmd.tx",),
        batch_ops=("nicpmd.tx_burst", "pcie.doorbell"),
        gather="burst",
        publish="batch",
    )
    receive = Stage(
        "nic.receive",
        THE_POLLER,
        ops=("nicpmd.rx",),
        batch_ops=("nicpmd.rx_burst",),
        poll=("pmd.empty_poll",),
        gather="burst",
        batch=burst,
        on_empty="leave",
    )
    dma_out = Ring("nic.tx", descriptors, visible=("pcie.dma_rtt", "nic.latency"))
    dma_in = Ring("nic.rx", descriptors, visible=("nic.latency", "pcie.dma_write"))
    wire = Stage("link", device("nic"), ops=(WIRE,))
    return Part("nic", "mbuf", "link", tx=(transmit, dma_out, wire), rx=(dma_in, receive))
