"""A path of one's own: parts put together by hand, exchanged, renamed, and refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from virtsim import Path, paths, traffic
from virtsim.compose import Host, compose
from virtsim.costs import profile
from virtsim.errors import InputError
from virtsim.parts import (
    bridge,
    guest,
    kvm,
    nic,
    nic_pmd,
    none,
    ovs_dpdk,
    qemu_net,
    tap,
    vhost_net,
    virtqueue,
)


def mine(**options: object) -> Path:
    """Return vhost-net without a bridge, with batches of 16."""
    return Path(
        "mine",
        guest.linux(**options),
        virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd()),
        vhost_net.worker(batch=16),
        tap(),
        nic(),
    )


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_own_path_plays(lab, direction):
    """A chain of parts whose seams fit plays both ways, reconciles, and delivers every packet."""
    played = lab.play(mine(), direction, traffic.constant(Fraction(50_000), 64, 200))
    found = lab.counts(played)
    assert (found["delivered"], found["dropped"]) == (200, 0)
    assert found["bridge.fwd"] == 0
    assert played.program.name == "mine"


def test_own_batch(lab):
    """A worker with batch=16 publishes 16 used entries at a time: 256 packets a turn are 16."""
    path = mine().swap("guest", guest.pktgen(idle="poll"))
    played = lab.play(path, "tx", traffic.saturate(64, 1024), trace=True)
    decided = [n for n, _ in lab.decisions(played, "virtqueue.tx", forward=False)]
    assert decided == [16] * 64
    rounds = lab.rounds(played, "vhost", "vhost.handle_enter", "vhost.tx_pkt")
    assert rounds[:4] == [256] * 4


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_own_path_is_the_shipped_one_less_a_bridge(lab, direction):
    """Taking the bridge out of vhost-net leaves the chain above: same tables, same latencies.

    An isolated packet is earlier by the one bridge hop that it no longer makes.
    """
    shipped = paths.path("vhost-net")
    bare = shipped.swap("bridge", none()).but({"vhost.batch": 16}).named("mine")
    runs = [
        lab.play(path, direction, traffic.constant(Fraction(1000), 64, 10))
        for path in (bare, mine())
    ]
    assert runs[0].program.digest == runs[1].program.digest
    assert runs[0].outcome.digest() == runs[1].outcome.digest()
    hop = lab.latency_ps(shipped, direction) - lab.latency_ps(mine(), direction)
    assert hop == lab.prices.cost("bridge.fwd").value * 1000


def test_named_and_but_leave_the_original_alone():
    """``named``, ``but`` and ``swap`` return another path; the one they start from stays."""
    shipped = paths.path("vhost-net")
    other = shipped.named("other").but({"vhost.spin": "50us"}).swap("bridge", none())
    assert (shipped.name, other.name) == ("vhost-net", "other")
    assert [p.name for p in shipped.parts][-2:] == ["bridge", "nic"]
    assert [p.name for p in other.parts][-2:] == ["tap", "nic"]
    assert shipped == paths.path("vhost-net")


@pytest.mark.parametrize("direction", ["tx", "rx"])
def test_another_device_behind_the_same_guest(lab, direction):
    """Exchanging the worker for QEMU is a path like virtio-qemu, whatever carries the calls.

    By irqfd a call is no system call: of 5 (tx) or 4 (rx) of an isolated packet 1 is saved.
    """
    path = mine(idle="poll").swap("vhost", qemu_net.net()).named("qemu by irqfd")
    found = lab.isolated(path, direction, 5)
    assert found["syscalls"] == 5 * (4 if direction == "tx" else 3)
    assert found["calls"] == found["interrupts"] == 5


def test_ovs_port_with_kicks(lab):
    """A poll-mode switch behind a virtqueue with kicks never asks for any: no kick is sent."""
    path = Path(
        "polled",
        guest.linux(idle="poll"),
        virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd(by="process")),
        ovs_dpdk.port(lookup="megaflow"),
        nic_pmd(),
    )
    found = lab.isolated(path, "tx", 5)
    assert (found["kicks"], found["exits"], found["delivered"]) == (0, 0, 5)
    assert (found["ovsdpdk.megaflow"], found["ovsdpdk.emc"]) == (5, 0)


CALLS = virtqueue(kick=kvm.ioeventfd(), call=kvm.irqfd())


@pytest.mark.parametrize(
    ("parts", "where", "said"),
    [
        ((guest.linux(), CALLS, tap(), nic()), "mine.parts[2]", "ends in a virtqueue"),
        ((guest.linux(), CALLS, vhost_net.worker(), nic_pmd()), "mine.parts[3]", "a skb"),
        ((guest.linux(), CALLS, ovs_dpdk.port(), nic()), "mine.parts[3]", "a mbuf"),
        ((tap(), bridge(), tap()), "mine.parts[2]", "a second part named 'tap'"),
    ],
)
def test_seams_refuse(parts, where, said):
    """Neighbours must share a seam (virtqueue, skb, mbuf, link), and each part has its own name."""
    with pytest.raises(InputError) as refused:
        Path("mine", *parts)
    assert refused.value.where == where
    assert said in refused.value.got


def test_a_worker_needs_a_ring():
    """A guest and a worker share a seam, but with no virtqueue between them nothing can wait."""
    path = Path("mine", guest.linux(), vhost_net.worker(), tap())
    with pytest.raises(InputError, match="no ring before it"):
        compose(path, "tx", Host(), profile("skylake-2018-mitig"))


@pytest.mark.parametrize("change", [{"vhost.nothing": 1}, {"vhots.spin": "1us"}, {"spin": "1us"}])
def test_options_refuse(change):
    """An option is spelt part.option; what no part has is refused with its place."""
    with pytest.raises(InputError) as refused:
        paths.path("vhost-net").but(change)
    assert next(iter(change)) in refused.value.where


def test_a_device_that_sleeps_needs_a_kick():
    """A worker behind a virtqueue without kicks would never wake: refused before any packet."""
    path = paths.path("vhost-net").but({"virtqueue.kick": kvm.never()})
    for direction in ("tx", "rx"):
        with pytest.raises(InputError, match="kick"):
            compose(path, direction, Host(), profile("skylake-2018-mitig"))
