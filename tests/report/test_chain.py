from __future__ import annotations

import pytest

from virtsim import paths
from virtsim.figures.chain import Chain, chain
from virtsim.figures.lanes import lanes
from virtsim.figures.style import styles
from virtsim.parts import guest, kvm
from virtsim.paths import SHIPPED


def read(name: str) -> Chain:
    """Read a shipped path."""
    return chain(name, paths.path(name))


@pytest.mark.parametrize(
    ("name", "places", "copies"),
    [
        ("e1000", ["guest", "process", "kernel", "hardware"], (2, 2)),
        ("virtio-qemu", ["guest", "process", "kernel", "hardware"], (1, 2)),
        ("vhost-net", ["guest", "kernel", "kernel", "hardware"], (1, 1)),
        ("vhost-user-ovs", ["guest", "process", "hardware"], (1, 1)),
        ("vhost-user-snabb", ["guest", "process", "hardware"], (1, 1)),
        ("sriov", ["guest", "hardware"], (0, 0)),
    ],
)
def test_places(name: str, places: list[str], copies: tuple[int, int]) -> None:
    """What stands between guest and link, in its order, and how often the host copies."""
    found = read(name)
    assert [box.place for box in found.boxes] == places
    assert found.copies == copies
    assert len(found.seams) == len(found.boxes) - 1


@pytest.mark.parametrize(
    ("name", "out", "back"),
    [
        ("e1000", "exit to QEMU: register", "interrupt: INTx"),
        ("virtio-qemu", "exit: ioeventfd", "interrupt: MSI ioctl"),
        ("vhost-net", "exit: ioeventfd", "interrupt: irqfd"),
        ("vhost-user-ovs", "polled: no kick", "interrupt: irqfd"),
        ("vhost-user-snabb", "polled: no kick", "interrupt: irqfd"),
        ("sriov", "doorbell, no exit", "interrupt: MSI-X"),
    ],
)
def test_what_leaves_the_guest(name: str, out: str, back: str) -> None:
    """How the driver tells the device, and the device the driver."""
    seam = read(name).seams[0]
    assert (seam.out, seam.back) == (out, back)


def test_who_polls() -> None:
    """Poll-mode threads are marked, and a guest that polls takes no interrupt."""
    polling = {name: [box.polls for box in read(name).boxes] for name in SHIPPED}
    assert {name for name, marks in polling.items() if any(marks)} == {
        "vhost-user-ovs", "vhost-user-snabb"
    }  # fmt: skip
    dpdk = chain("mine", paths.path("sriov").swap("guest", guest.dpdk(nic="vf")))
    assert dpdk.boxes[0].polls
    assert dpdk.seams[0].back == "polled: no interrupt"


def test_who_runs_what() -> None:
    """Each box names its threads: e1000 sends on the vCPU, tap and bridge on whoever calls."""
    _, emulated, kernel, _ = read("e1000").boxes
    assert emulated.lines == ("tx: the vCPU, in its exit", "rx: qemu sleeps")
    assert kernel.names == ("tap", "bridge", "NIC driver")
    assert read("vhost-net").boxes[2].lines == ("tx: called by vhost", "rx: softirq")
    assert read("vhost-user-snabb").boxes[1].lines == ("snabb polls, with naps",)


def test_options_are_seen() -> None:
    """Exits to QEMU, spinning workers, pollers that never nap and remapped interrupts are told."""
    bare = paths.path("virtio-qemu").but({"virtqueue.kick": kvm.exit_to_qemu()})
    assert chain("mine", bare).seams[0].out == "exit to QEMU"
    spinning = chain("mine", paths.path("vhost-net").but({"vhost.spin": "50us"}))
    assert spinning.boxes[1].lines == ("vhost spins, then sleeps",)
    busy = chain("mine", paths.path("vhost-user-snabb").but({"snabb.pacing": "busy"}))
    assert busy.boxes[1].lines == ("snabb polls",)
    remapped = chain("mine", paths.path("sriov").but({"vf.interrupts": "remapped"}))
    assert remapped.seams[0].back == "interrupt: MSI-X, by the host"


def test_every_chain_is_drawn() -> None:
    """The figure has every path's name and every box's text."""
    found = [read(name) for name in SHIPPED]
    texts = {text.get_text() for text in lanes(found, styles(SHIPPED)).axes[0].texts}
    assert set(SHIPPED) <= texts
    assert all(" · ".join(box.names) in texts for one in found for box in one.boxes)
