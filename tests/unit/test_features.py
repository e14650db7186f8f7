"""Features: who offers, who accepts, what is agreed on, and what that decides."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtsim
from virtsim.costs import Cost, Profile, cost_of, profile_names, table
from virtsim.costs.variants import PACKED
from virtsim.errors import InputError
from virtsim.model import features as f
from virtsim.model.features import Feature, Negotiated, negotiate
from virtsim.model.layout import lines
from virtsim.model.negotiation import agreed, wanted
from virtsim.model.ops import ops
from virtsim.model.path import Part
from virtsim.model.ring import Virtqueue
from virtsim.parts import virtqueue
from virtsim.paths import path
from virtsim.scenario import from_compare, resolve

SETS = st.frozensets(st.sampled_from(sorted(Feature)))
ALL = frozenset(Feature)


def deal(name: str, changes: dict[str, object] | None = None) -> Negotiated:
    """Return what a shipped path agrees on with some options changed."""
    found = agreed(path(name, "test").but(changes or {}))
    assert found is not None
    return found


def why(found: Negotiated, feature: Feature) -> str:
    """Return why a feature fell away."""
    return next(each.why for each in found.dropped if each.feature is feature)


# -- the bits and who has them -----------------------------------------------------------------


def test_bits_are_virtios() -> None:
    """A feature's number is its bit in virtio 1.3."""
    bits = {
        "CSUM": 0, "GUEST_CSUM": 1, "GUEST_TSO4": 7, "MRG_RXBUF": 15, "CTRL_VQ": 17, "MQ": 22,
        "ANY_LAYOUT": 27, "INDIRECT_DESC": 28, "EVENT_IDX": 29, "PROTOCOL_FEATURES": 30,
        "VERSION_1": 32, "ACCESS_PLATFORM": 33, "RING_PACKED": 34, "IN_ORDER": 35,
        "NOTIFICATION_DATA": 38, "NOTF_COAL": 53,
    }  # fmt: skip
    assert {feature.name: int(feature) for feature in Feature} == bits


def test_what_sets_the_back_ends_apart() -> None:
    """The kernel does not pack, Snabb and the PMD have no event index, nobody coalesces."""
    assert Feature.RING_PACKED not in f.VHOST_NET_OFFERS
    assert {Feature.RING_PACKED, Feature.IN_ORDER} <= f.OVS_OFFERS
    assert f.SNABB_OFFERS.isdisjoint({Feature.EVENT_IDX, Feature.RING_PACKED, Feature.VERSION_1})
    assert Feature.EVENT_IDX not in f.DPDK_PMD_ACCEPTS
    offers = f.QEMU_OFFERS | f.VHOST_NET_OFFERS | f.OVS_OFFERS | f.SNABB_OFFERS
    assert Feature.NOTF_COAL not in offers
    assert Feature.IN_ORDER not in f.LINUX_ACCEPTS


# -- laws --------------------------------------------------------------------------------------


@given(SETS, SETS, SETS)
def test_agreed_is_what_all_sides_have(
    want: f.Features, offer: f.Features, know: f.Features
) -> None:
    """Agreed: wanted, offered and accepted, with all that it needs; the rest is dropped, once."""
    found = negotiate(want, offer, know)
    known = know | {Feature.PROTOCOL_FEATURES}
    assert found.agreed <= want & offer & known
    dropped = [each.feature for each in found.dropped]
    assert sorted({*dropped, *found.agreed}) == sorted([*dropped, *found.agreed])
    assert {*dropped, *found.agreed} == want | offer | know
    assert all(set(f.NEEDS.get(feature, ())) <= found.agreed for feature in found.agreed)


@given(SETS, SETS, SETS)
def test_reasons_are_true(want: f.Features, offer: f.Features, know: f.Features) -> None:
    """A side is blamed if and only if it lacks the feature; else something needed is missing."""
    found = negotiate(want, offer, know)
    has = {"configuration": want, "device": offer, "driver": know | {Feature.PROTOCOL_FEATURES}}
    for each in found.dropped:
        assert set(each.lacking) == {side for side in has if each.feature not in has[side]}
        assert set(each.needs).isdisjoint(found.agreed)
        if not each.lacking and not each.needs:
            assert each.feature is Feature.ANY_LAYOUT
            assert Feature.VERSION_1 in found.agreed
        assert each.why


@given(SETS, SETS)
def test_a_legacy_device_has_32_bits(offer: f.Features, know: f.Features) -> None:
    """Without VERSION_1 no later bit is agreed on, whoever has it."""
    found = negotiate(ALL, offer - {Feature.VERSION_1}, know)
    assert found.legacy
    assert all(feature < 32 for feature in found.agreed)


# -- what paths come to ------------------------------------------------------------------------


def test_packed_needs_the_device() -> None:
    """vhost-net falls back to a split ring, OVS and QEMU pack; Linux accepts it."""
    packed = {"virtqueue.ring": "packed"}
    assert deal("vhost-net", packed).ring == "split"
    assert why(deal("vhost-net", packed), Feature.RING_PACKED) == "not offered by the device"
    assert deal("vhost-user-ovs", packed).ring == deal("virtio-qemu", packed).ring == "packed"
    assert deal("vhost-user-ovs").ring == "split"
    assert why(deal("vhost-user-ovs"), Feature.RING_PACKED) == "not asked for"


def test_in_order_needs_the_driver() -> None:
    """Linux does not accept IN_ORDER, the PMD does: one used entry then stands for a batch."""
    asked = wanted(Virtqueue(in_order=True))
    linux = negotiate(asked, f.OVS_OFFERS, f.LINUX_ACCEPTS)
    assert (linux.used_entries(32), why(linux, Feature.IN_ORDER)) == (
        32, "not accepted by the driver",
    )  # fmt: skip
    pmd = negotiate(asked, f.OVS_OFFERS, f.DPDK_PMD_ACCEPTS)
    assert [pmd.used_entries(n) for n in (0, 1, 32)] == [0, 1, 1]
    assert pmd.suppress == "flags"


def test_snabb_is_a_legacy_device() -> None:
    """Snabb: flags, a header of 12 bytes only while buffers merge, a slot for header and data."""
    found = negotiate(wanted(Virtqueue()), f.SNABB_OFFERS, f.LINUX_ACCEPTS)
    assert (found.legacy, found.suppress, found.header_b, found.tx_slots()) == (
        True,
        "flags",
        12,
        1,
    )
    bare = negotiate(
        wanted(Virtqueue(mergeable=False, indirect=False)), f.SNABB_OFFERS, f.DPDK_PMD_ACCEPTS
    )
    # The PMD does not ask for ANY_LAYOUT: the header is a descriptor of its own.
    assert (bare.header_b, bare.tx_slots()) == (10, 2)


@pytest.mark.parametrize(
    ("options", "segments", "slots"),
    [({}, 1, 1), ({}, 3, 1), ({"indirect": False}, 1, 1), ({"indirect": False}, 3, 4)],
)
def test_slots_of_a_packet_to_send(options: dict[str, bool], segments: int, slots: int) -> None:
    """The header goes in front of one segment, beside several; a table takes one slot for all."""
    found = negotiate(wanted(Virtqueue(**options)), f.QEMU_OFFERS, f.LINUX_ACCEPTS)
    assert found.tx_slots(segments) == slots


def test_slots_of_a_received_packet() -> None:
    """Mergeable buffers fill one after the other; else one holds all, a chain with guest TSO."""
    merged = negotiate(wanted(Virtqueue()), f.QEMU_OFFERS, f.LINUX_ACCEPTS)
    assert [merged.rx_slots(n, 1536) for n in (60, 1524, 1525, 9000)] == [1, 1, 2, 6]
    single = negotiate(wanted(Virtqueue(mergeable=False)), f.QEMU_OFFERS, f.LINUX_ACCEPTS)
    assert single.rx_slots(9000, 1536) == 1
    chain = negotiate(
        wanted(Virtqueue(mergeable=False, indirect=False)), f.QEMU_OFFERS, f.LINUX_ACCEPTS
    )
    assert chain.rx_slots(60, 1536) == 19
    with pytest.raises(InputError, match="buffers of 0 bytes"):
        merged.rx_slots(60, 0)


def test_suppress_is_asked_for_by_the_virtqueue() -> None:
    """The event index is used only where the virtqueue's option asks for it."""
    assert deal("vhost-net").suppress == "event_idx"
    assert deal("vhost-net", {"virtqueue.suppress": "flags"}).suppress == "flags"


def test_without_a_virtqueue_nothing_is_agreed_on() -> None:
    """A path that has no virtqueue has no agreement; nor has a part of another name."""
    one = path("vhost-net", "test")
    assert agreed(virtsim.Path("bare", *one.parts[3:])) is None
    assert agreed(one, "virtqueue.b") is None


def test_the_driver_is_where_the_application_is() -> None:
    """In a chain that ends in a second guest the device stands inside its virtqueue."""
    one = path("vhost-user-ovs", "test")
    guest, queue, ovs = one.parts[:3]
    second = Part("guest.b", "virtqueue", "app", features=f.DPDK_PMD_ACCEPTS)
    far = Part("ovs.b", "mbuf", "virtqueue", features=f.OVS_OFFERS)
    mirrored = Part("virtqueue.b", "virtqueue", "virtqueue", tx=queue.tx, rx=queue.rx)
    chain = virtsim.Path("v2v", guest, queue, ovs, far, mirrored, second)
    there = agreed(chain, "virtqueue.b")
    assert there is not None
    assert (there.offered, there.accepted) == (f.OVS_OFFERS, f.DPDK_PMD_ACCEPTS)
    here = agreed(chain)
    assert here is not None
    assert here.accepted == f.LINUX_ACCEPTS  # a guest that names none is taken for Linux


# -- the virtqueue's options -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"size": 100}, "a split ring of 100 descriptors"),
        ({"size": 65536}, "a split ring of 65536 descriptors"),
        ({"size": 65536, "ring": "packed"}, "a packed ring of 65536 descriptors"),
        ({"size": 1, "ring": "packed"}, "a packed ring of 1 descriptors"),
        ({"ring": "folded"}, "'folded' is no layout of a ring"),
        ({"mergeable": "yes"}, "'yes' is neither"),
        ({"indirect": 1}, "1 is neither"),
        ({"in_order": None}, "None is neither"),
    ],
)
def test_options_are_checked(options: dict[str, object], got: str) -> None:
    """A split ring holds a power of two, a packed one any number up to 32768; flags are flags."""
    with pytest.raises(InputError) as error:
        virtqueue(**options)  # type: ignore[arg-type]
    assert error.value.got == got
    assert error.value.where.startswith("virtqueue.")


@pytest.mark.parametrize("size", [2, 100, 999, 32768])
def test_a_packed_ring_need_not_be_a_power_of_two(size: int) -> None:
    """Any size up to 32768 will do for a packed ring."""
    assert virtqueue(size=size, ring="packed").options["size"] == size


def test_a_size_for_packed_rings_alone() -> None:
    """Where a packed ring falls back to a split one its size must suit that."""
    odd = {"virtqueue.ring": "packed", "virtqueue.size": 100}
    assert deal("vhost-user-ovs", odd).ring == "packed"
    with pytest.raises(InputError, match="not offered by the device") as error:
        deal("vhost-net", odd)
    assert error.value.where == "virtqueue.size"


def test_a_wrong_option_is_said_at_its_place() -> None:
    """In a scenario the error names the option, what it may be, and what was meant."""
    changed = from_compare(("vhost-net",)).but(
        {"paths": [{"path": "vhost-net", "but": {"virtqueue.ring": "paked"}}]}
    )
    with pytest.raises(InputError, match="one of split, packed") as error:
        resolve(changed)
    assert "virtqueue.ring" in str(error.value)
    assert "packed" in str(error.value.hint)


# -- cache lines and the prices of a packed ring -----------------------------------------------


@pytest.mark.parametrize(
    ("layout", "burst", "in_order", "per_batch", "in_all"),
    [
        # two indexes; descriptor, available entry, used entry: a line each for one packet;
        # 32 packets: 8 lines of descriptors, 1 of available and 4 of used entries.
        ("split", 1, False, 2, 5),
        ("split", 32, False, 2, 2 + 8 + 1 + 4),
        ("split", 1, True, 3, 5),
        ("split", 32, True, 3, 2 + 8 + 1 + 1),
        # descriptor there and back, four to a line.
        ("packed", 1, False, 0, 2),
        ("packed", 32, False, 0, 8 + 8),
        ("packed", 1, True, 1, 2),
        ("packed", 32, True, 1, 8 + 1),
    ],
)
def test_lines_follow_from_the_layout(
    layout: f.Layout, burst: int, in_order: bool, per_batch: int, in_all: int
) -> None:
    """Lines of 64 B handed over: descriptors of 16 B, available entries of 2, used ones of 8."""
    batch, packet = lines(layout, burst, in_order)
    assert (batch, batch + burst * packet) == (per_batch, in_all)
    assert isinstance(packet, Fraction)


def test_lines_of_nothing() -> None:
    """A burst has at least one packet, and a layout is one of virtio's."""
    with pytest.raises(InputError, match="bursts of 0"):
        lines("split", 0)
    with pytest.raises(InputError, match="no layout"):
        lines("folded")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("op", PACKED)
def test_a_packed_ring_saves_one_index_line(name: str, op: str) -> None:
    """The variant costs one hand-over less, but never less than what the op includes."""
    prices = virtsim.profile(name)
    whole, packed = prices.cost(op), cost_of(prices, f"{op}:packed")
    line = prices.cost("line.same_socket").value
    inside = sum((prices.cost(part).value for part in ops()[op].includes), Fraction(0))
    assert packed.value == max(whole.value - line, inside)
    assert 0 <= packed.low <= packed.value <= packed.high
    assert packed.value < whole.value
    assert (packed.op, packed.confidence) == (f"{op}:packed", "assumed")
    assert {op, "line.same_socket"} <= set(packed.basis)


def test_packed_prices_follow_overrides() -> None:
    """A dearer op or a dearer line moves the variant, and marks it as moved."""
    prices = virtsim.profile("skylake-2018-mitig")

    def packed(changed: Profile) -> Cost:
        return cost_of(changed, "qemu.net_tx:packed")

    dearer = prices.override({"line.same_socket": "149ns"}, "test")
    assert packed(prices).value - packed(dearer).value == 100
    assert packed(dearer).overridden
    assert not packed(prices).overridden


def test_an_op_without_the_variant_is_refused() -> None:
    """There is no packed price of an op that reads no index; the error lists those there are."""
    with pytest.raises(InputError, match=r"'vhost.tx_pkt:packed' is no variant"):
        cost_of(virtsim.profile("skylake-2018-mitig"), "vhost.tx_pkt:packed")


def test_variants_are_listed_under_their_own_names() -> None:
    """A price table shows a variant as it is spelt, with its own derivation and confidence."""
    (row,) = table(virtsim.profile("skylake-2018-mitig"), ("virtiopmd.burst:packed",))
    assert (row["op"], row["assumed"]) == ("virtiopmd.burst:packed", True)
    assert "index line" in row["derivation"]
