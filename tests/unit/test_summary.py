"""What limits a run: the regime and the bottleneck, on either side and in every direction."""

from __future__ import annotations

from fractions import Fraction

import pytest

from virtsim import paths, traffic
from virtsim.compose import Host
from virtsim.costs import profile
from virtsim.parts import guest
from virtsim.running import Played, play
from virtsim.summary import polled, summarize
from virtsim.traffic import PacketStream

PRICES = profile("skylake-2018-mitig")


def played(
    name: str, direction: str, stream: PacketStream, driver: str = "linux", **prices: str
) -> Played:
    """Return a run of a path with a guest that never halts, some prices given (dots as __)."""
    path = paths.path(name)
    make = {"linux": guest.linux, "pktgen": guest.pktgen, "dpdk": guest.dpdk}[driver]
    path = path.swap("guest", make(nic=path.parts[0].options["nic"], idle="poll"))
    book = PRICES.override({op.replace("__", "."): p for op, p in prices.items()}, "test")
    return play(path, direction, book, Host(), stream)


def flood(n: int = 1500, size_b: int = 64) -> PacketStream:
    """Return packets of a sender that always has one."""
    return traffic.saturate(size_b, n)


def stream(kpps: int, n: int = 1500) -> PacketStream:
    """Return small packets at an even rate."""
    return traffic.constant(Fraction(kpps * 1000), 64, n)


SLOW_RX = {"guest__virtio_rx": "3us"}
CASES = {
    "tx, the guest": (("vhost-net", "tx", flood()), {}, "producer", "vcpu0"),
    "tx, the host": (("virtio-qemu", "tx", flood(), "pktgen"), {}, "consumer", "qemu"),
    "rx, the guest": (("vhost-user-ovs", "rx", stream(800)), SLOW_RX, "consumer", "vcpu0"),
    "rx, the host": (("virtio-qemu", "rx", stream(900), "dpdk"), {}, "producer", "qemu"),
    "pvp, the guest": (("vhost-user-ovs", "pvp", stream(800)), SLOW_RX, "consumer", "vcpu0"),
    "pvp, the host": (("virtio-qemu", "pvp", stream(500), "dpdk"), {}, "producer", "qemu"),
    "v2v, the first guest": (("vhost-user-ovs", "v2v", flood()), {}, "producer", "vcpu0"),
    "v2v, the host": (("virtio-qemu", "v2v", flood(), "pktgen"), {}, "consumer", "qemu"),
    "v2v, the second guest": (
        ("vhost-user-ovs", "v2v", stream(350)), {"guest__virtio_rx": "6us"}, "consumer", "vcpu0.b",
    ),
    "link, out": (("sriov", "tx", flood(1500, 1518), "dpdk"), {}, "link", "nic"),
    "link, the NIC's switch": (("sriov", "v2v", flood(1500, 1518), "dpdk"), {}, "link", "nic"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_limits_a_run(case: tuple[tuple[object, ...], dict[str, str], str, str]) -> None:
    """A saturated thread is the producer or the consumer of the packets' first virtqueue.

    Out of a guest (tx, and the first of two in v2v) the guest produces. In by the link (rx, pvp)
    the host produces and the guest consumes, and so does everything behind a first guest, the
    second one too. A link, or the NIC's own switch, is a bottleneck of its own.
    """
    how, prices, regime, bottleneck = case
    found = summarize(played(*how, **prices))  # type: ignore[arg-type]
    assert (found["regime"], found["bottleneck"]) == (regime, bottleneck)


@pytest.mark.parametrize(("name", "driver", "regime", "burns"), [
    ("vhost-user-ovs", "linux", "polled", True),
    ("vhost-user-ovs", "dpdk", "polled", True),
    ("vhost-net", "dpdk", "woken", False),
    ("vhost-net", "linux", "woken", False),
    ("sriov", "dpdk", "polled", False),
    ("sriov", "linux", "batched", False),
])  # fmt: skip
def test_a_polling_guest_is_not_a_polling_host(
    name: str, driver: str, regime: str, burns: bool
) -> None:
    """A polled core is the host's: a guest's own polling is on every path with that guest.

    At low load: OVS polls whatever the guest does; vhost's worker is woken behind a polling guest
    as behind another. With a virtual function and a polling guest nobody is ever told anything.
    """
    run = played(name, "tx", stream(20, 300), driver)
    assert summarize(run)["regime"] == regime
    assert polled(run.program) == burns
