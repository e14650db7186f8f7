"""The control plane: what happens before the first packet, in order, counted and priced."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

import virtsim
from virtsim import explain
from virtsim.control import PRICED, Plan, plan
from virtsim.control.emulated import eeprom_word
from virtsim.control.text import features, features_text, plan_text
from virtsim.errors import InputError
from virtsim.model.features import SNABB_OFFERS
from virtsim.model.path import Part
from virtsim.parts import guest, kvm, vhost_net, virtqueue
from virtsim.paths import path

PRICES = virtsim.profile("skylake-2018-mitig")


def of(name: str, changes: dict[str, object] | None = None, regions: int = 1) -> Plan:
    """Return the plan of a shipped path with some options changed."""
    return plan(path(name, "test").but(changes or {}), regions)


def snabb() -> Plan:
    """Return the plan of a Linux guest behind Snabb."""
    queue = virtqueue(suppress="flags", call=kvm.irqfd(by="process"))
    back_end = Part("snabb", "virtqueue", "mbuf", features=SNABB_OFFERS)
    return plan(virtsim.Path("snabb", guest.linux(), queue, back_end))


def messages(found: Plan, fds: bool = False) -> list[str]:
    """Return the vhost-user messages of a plan, without their notes."""
    told = [step for step in found.steps if step.messages and (step.fds or not fds)]
    return [step.what.partition(":")[0] for step in told]


def exits(found: Plan, words: str) -> int:
    """Return the exits of the one step whose text has some words in it."""
    (step,) = (step for step in found.steps if words in step.what)
    return step.exits


# -- virtio ------------------------------------------------------------------------------------


def test_status_goes_through_its_values_in_order() -> None:
    """Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK and its check, queues, DRIVER_OK."""
    said = " | ".join(step.what for step in of("vhost-net").steps)
    order = ["reset", "ACKNOWLEDGE", "status DRIVER ", "offered", "accepted", "FEATURES_OK, read",
             "sets up 3 queues", "DRIVER_OK", "VHOST_SET_MEM_TABLE", "fills"]  # fmt: skip
    places = [said.index(word) for word in order]
    assert places == sorted(places)


def test_registers_of_the_life_cycle() -> None:
    """Each access to a register is an exit to QEMU, none has an ioeventfd.

    A status is read and written, reset and FEATURES_OK are read back; 4 words of features are
    selected and moved; DRIVER_OK is read once more when the probe ends.
    """
    found = of("virtio-qemu")
    counts = {"reset": 2, "ACKNOWLEDGE": 2, "status DRIVER": 2, "reads the features": 8,
              "writes the features": 8, "FEATURES_OK": 3}  # fmt: skip
    steps = [step for step in found.steps if step.phase == "status and features"]
    assert [step.exits for step in steps] == list(counts.values())
    assert exits(found, "DRIVER_OK") == 3


def test_registers_of_a_queue() -> None:
    """A modern queue takes 18 accesses, and 3 for a vector, which the control queue has not.

    The number of queues; size, enabled, size, three addresses in halves, notification offset and
    enable, each behind a select: 1 + 2 + 2 + 2 + 7 + 2 + 2.
    """
    found = of("vhost-net")
    assert exits(found, "sets up 3 queues") == 3 * 18 + 2 * 3
    # 3 reads of the control word, 4 entries masked, address, data, read back and unmask: 3 x 5,
    # and 10 accesses to the capability.
    assert exits(found, "MSI-X") == 10 + 3 + 4 + 15
    assert found.total("exits") == sum(step.exits for step in found.steps) == 210


def test_a_polled_queue_has_no_vector() -> None:
    """Without a call the driver asks for no vector, and nothing is wired for it."""
    queue = virtqueue(kick=kvm.ioeventfd())
    polled = plan(virtsim.Path("polled", guest.linux(), queue, vhost_net.worker()))
    assert not any("MSI-X" in step.what or "IRQFD" in step.what for step in polled.steps)
    assert polled.total("exits") == 210 - 32 - 2 - 2 * 3


def test_without_ioeventfd_none_is_registered() -> None:
    """A kick that exits to QEMU needs no ioeventfd."""
    assert any("KVM_IOEVENTFD" in step.what for step in of("virtio-qemu").steps)
    found = of("virtio-qemu", {"virtqueue.kick": kvm.exit_to_qemu()})
    assert not any("KVM_IOEVENTFD" in step.what for step in found.steps)


def test_a_legacy_device_has_fewer_registers() -> None:
    """Snabb's device: no virtio capabilities, 32 bits of features, no FEATURES_OK."""
    found = snabb()
    assert not any("FEATURES_OK" in step.what for step in found.steps)
    # select, size; select, page number; select, page number written.
    assert exits(found, "sets up 3 queues") == 3 * 6 + 2 * 3
    assert found.total("exits") < of("vhost-net").total("exits")


# -- vhost-net ---------------------------------------------------------------------------------


def test_ioctls_of_vhost_net() -> None:
    """The owner first, then features, memory, each vring, and the tap last."""
    steps = [step for step in of("vhost-net").steps if "VHOST_" in step.what]
    order = ["VHOST_SET_OWNER", "_ERR", "VHOST_SET_FEATURES", "VHOST_SET_MEM_TABLE",
             "_NUM, _BASE, _ADDR, _KICK", "VHOST_NET_SET_BACKEND"]  # fmt: skip
    assert [step.syscalls for step in steps] == [2, 4, 3, 1, 10, 2]
    assert all(word in step.what for word, step in zip(order, steps, strict=True))


def test_busy_polling_is_told_to_the_kernel() -> None:
    """With poll-us each vring is told how long to spin."""
    spinning = of("vhost-net", {"vhost.spin": "50us"})
    assert spinning.total("syscalls") == of("vhost-net").total("syscalls") + 2
    assert any("BUSYLOOP_TIMEOUT" in step.what for step in spinning.steps)


# -- vhost-user --------------------------------------------------------------------------------


def test_handshake_message_by_message() -> None:
    """The order of QEMU's messages to DPDK's library, which has REPLY_ACK and memory slots."""
    opened = ["GET_FEATURES", "GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES", "GET_QUEUE_NUM",
              "GET_MAX_MEM_SLOTS", "SET_BACKEND_REQ_FD", "SET_OWNER", "GET_FEATURES"]  # fmt: skip
    masked = [f"SET_VRING_{what} {ring}" for ring in (0, 1) for what in ("CALL", "ERR")]
    enabled = [f"SET_VRING_ENABLE {ring}" for ring in (0, 1)]
    vring = ("NUM", "BASE", "ADDR", "KICK", "CALL")
    rings = [f"SET_VRING_{what} {ring}" for ring in (0, 1) for what in vring]
    status = ["GET_STATUS", "SET_STATUS"]
    # Features reach the device in two words, and with each the rings are enabled again.
    assert messages(of("vhost-user-ovs")) == [
        *opened, *masked, *enabled, *enabled, *enabled, "SET_FEATURES", *status, "ADD_MEM_REG 0",
        *rings, *status,
    ]  # fmt: skip


def test_a_ring_is_known_before_it_is_kicked() -> None:
    """Memory comes before addresses, and a ring's address before the descriptor that starts it."""
    for found in (of("vhost-user-ovs"), snabb()):
        told = messages(found)
        memory = next(i for i, what in enumerate(told) if "MEM_" in what and "GET" not in what)
        for ring in (0, 1):
            assert (
                memory < told.index(f"SET_VRING_ADDR {ring}") < told.index(f"SET_VRING_KICK {ring}")
            )


def test_each_region_is_handed_over_and_mapped() -> None:
    """A region is one descriptor and one mapping, in a message of its own or all in a table."""
    one, three = of("vhost-user-ovs"), of("vhost-user-ovs", regions=3)
    grown = {name: three.total(name) - one.total(name) for name in ("messages", "fds", "regions")}
    assert grown == {"messages": 2, "fds": 2, "regions": 2}
    # KVM's eventfds of 3 queues and 3 vectors; masked call, error, kick, call of each ring; the
    # socket for the other way; the region.
    assert one.total("fds") == 3 + 3 + 2 * 4 + 1 + 1


def test_answers_are_waited_for() -> None:
    """With REPLY_ACK what must be done is answered; without, GET_FEATURES follows it."""
    told = messages(snabb())
    enables = [i for i, what in enumerate(told) if what.startswith("SET_VRING_ENABLE")]
    assert enables
    assert all(told[i + 1] == "GET_FEATURES" for i in enables)
    acked = [s for s in of("vhost-user-ovs").steps if s.what.startswith("SET_VRING_ENABLE")]
    assert all(step.answers == 1 for step in acked)


def test_snabb_takes_half_a_second_an_answer() -> None:
    """Snabb looks at its socket every 500 ms: three answers at the start, four enabled rings."""
    found = snabb()
    assert found.total("answers") == 3 + 4
    assert found.total("wait_ps") == 7 * 500_000_000_000
    assert of("vhost-user-ovs").total("wait_ps") == 0


@pytest.mark.parametrize(
    ("name", "regions"), [("vhost-user-ovs", 9), ("vhost-net", 65), ("vhost-net", 0)]
)
def test_regions_are_limited(name: str, regions: int) -> None:
    """A back end takes so many regions; there is at least one."""
    with pytest.raises(InputError, match=f"{regions} memory regions"):
        of(name, regions=regions)


# -- other devices -----------------------------------------------------------------------------


def chain(name: str, seam: str) -> Plan:
    """Return the plan of a device known by its part's name alone."""
    made = Part("guest", "app", seam), Part(name, seam, "link")  # type: ignore[arg-type]
    return plan(virtsim.Path(name, *made))


def test_e1000_reads_its_eeprom_bit_by_bit() -> None:
    """A word takes 25 clocks of register accesses; 70 words are most of the set-up.

    Out: each of 3 + 6 bits is set, clocked high and low, each flushed by a read: 6 accesses; in:
    16 bits of 5; and request, grant, select, standby, release around them.
    """
    accesses, pauses = eeprom_word()
    assert accesses == 9 * 6 + 16 * 5 + (2 + 2 + 1) + 5 + 9 + 7
    assert pauses == 9 * 3 + 16 * 2 + 4 + 2
    found = chain("e1000", "register")
    eeprom = sum(step.exits for step in found.steps if "EEPROM" in step.phase)
    assert eeprom == 70 * accesses > found.total("exits") * 0.9
    assert found.total("wait_ps") >= 70 * pauses * 50_000_000


def test_a_vf_traps_only_at_its_vector_table() -> None:
    """VFIO: QEMU opens container, group and device and maps all memory; registers do not exit."""
    found = chain("vf", "dma")
    said = " | ".join(step.what for step in found.steps)
    order = ["GROUP_GET_STATUS", "GET_API_VERSION", "SET_IOMMU", "MAP_DMA", "GET_DEVICE_FD",
             "GET_REGION_INFO", "register BAR", "MSI-X", "SET_IRQS"]  # fmt: skip
    places = [said.index(word) for word in order]
    assert places == sorted(places)
    assert found.total("exits") == exits(found, "MSI-X") > 0
    assert found.total("messages") == found.total("commands") == 0


def test_a_second_guest_is_planned_too() -> None:
    """Each virtqueue of a path has its own life cycle; a name behind a dot changes nothing."""
    one = path("vhost-user-ovs", "test")
    queue = Part("virtqueue.b", "virtqueue", "virtqueue", tx=one.parts[1].tx, rx=one.parts[1].rx)
    far = Part("ovs.b", "mbuf", "virtqueue", features=one.parts[2].features)
    both = virtsim.Path("v2v", *one.parts[:3], far, queue, Part("guest.b", "virtqueue", "app"))
    assert plan(both).totals == {name: 2 * n for name, n in plan(one).totals.items()}


def test_an_unknown_back_end_is_said() -> None:
    """A device of another package gets its virtio life cycle, and the plan says what is missing."""
    mine = Part("mine", "virtqueue", "mbuf")
    found = plan(virtsim.Path("own", guest.linux(), virtqueue(), mine))
    assert found.total("exits") > 0
    assert any("'mine'" in line for line in found.assumptions)


def test_no_device_no_plan() -> None:
    """A path without a known device has no set-up, and its text says so."""
    found = plan(virtsim.Path("bare", *path("vhost-net", "test").parts[3:]))
    assert found.steps == ()
    assert list(plan_text(found.as_dict(PRICES))) == ["no device whose set-up is known here"]


# -- price and print ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["virtio-qemu", "vhost-net", "vhost-user-ovs"])
def test_a_plan_costs_its_counts_times_prices(name: str) -> None:
    """The price of a plan is linear in its counts, at each bound of the price list."""
    found = of(name)
    for level in ("low", "value", "high"):
        paid = sum(getattr(p, level) for p in found.prices(PRICES))
        due = sum(found.total(n) * getattr(PRICES.cost(op), level) for n, op in PRICED.items())
        assert paid == due > 0
    dearer = PRICES.override({"ctrl.reg": "10us"}, "test")
    (reg,) = (p for p in found.prices(dearer) if p.op == "ctrl.reg")
    assert reg.value == Fraction(10_000) * found.total("exits")


def test_every_step_has_a_source_or_counts_nothing() -> None:
    """A count without a source stands nowhere in a plan."""
    for name in ("virtio-qemu", "vhost-net", "vhost-user-ovs"):
        for step in (*of(name).steps, *snabb().steps, *chain("e1000", "register").steps):
            counted = any(getattr(step, count) for count in (*PRICED, "answers", "fds"))
            assert step.source.startswith("[") or not counted


def test_explain_has_features_and_control() -> None:
    """`virtsim explain` of a path: what is agreed on, the life cycle, the handshake, the sums."""
    data = explain.explain(explain.subject("vhost-user-ovs"))
    assert json.loads(json.dumps(data["features"])) == data["features"]
    assert data["features"]["vhost-user-ovs"] == features(path("vhost-user-ovs", "test"))
    control = data["control"]["vhost-user-ovs"]
    assert json.loads(json.dumps(control)) == control
    assert control["totals"] == of("vhost-user-ovs").totals
    text = "\n".join(explain.as_text(data))
    for words in ("without RING_PACKED: not asked for", "SET_VRING_KICK 1", "in all: 210 exits",
                  "ctrl.reg", "5 for a packet alone, 15 for a burst of 32"):  # fmt: skip
        assert words in text


def test_explain_says_what_packed_rings_save() -> None:
    """Where packed rings are agreed on, the lines handed over are those of a packed ring."""
    packed = path("vhost-user-ovs", "test").but({"virtqueue.ring": "packed"})
    text = "\n".join(features_text(features(packed)))
    assert "so: packed rings" in text
    assert "2 for a packet alone, 16 for a burst of 32; 0 of either" in text


def test_explain_of_nothing() -> None:
    """What is neither a file nor a path is refused, with the path that was meant."""
    with pytest.raises(InputError) as error:
        explain.subject("vhost-nett")
    assert "vhost-net" in str(error.value.hint)
