"""Prices have grounds, bounds and parts that fit together, and stay so when a user changes them."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim.costs import Cost, Profile, kick_cost, profile, profile_names, sources, table
from virtsim.errors import InputError
from virtsim.model.ops import included, ops

NAMES = ("haswell-2014", "modern-2022", "skylake-2018-mitig", "skylake-2018-nomitig")
MITIG = "skylake-2018-mitig"
in_all = pytest.mark.parametrize("name", NAMES)
in_ns = [name for name, one in ops().items() if one.per != "byte" and one.time != "parameter"]


def columns(cost: Cost) -> tuple[Fraction, Fraction, Fraction]:
    """Return the low, typical and high price."""
    return cost.low, cost.value, cost.high


def shift(new: Profile, old: Profile, op: str) -> list[Fraction]:
    """Return by how much the three prices of `op` moved."""
    pairs = zip(columns(new.cost(op)), columns(old.cost(op)), strict=True)
    return [after - before for after, before in pairs]


# the price lists ---------------------------------------------------------------------------------


def test_profiles() -> None:
    """There are four price lists, each with every operation and the clock of its machine."""
    assert profile_names() == NAMES
    assert [profile(name).hz for name in NAMES] == [2_500_000_000, 3 * 10**9, *[2_500_000_000] * 2]
    assert all(profile(name).costs.keys() == ops().keys() for name in NAMES)


@in_all
def test_bounds_enclose_the_price(name: str) -> None:
    """Every price lies between its bounds and is not negative."""
    for cost in profile(name).costs.values():
        assert 0 <= cost.low <= cost.value <= cost.high, cost.op


@in_all
def test_no_whole_is_cheaper_than_its_part(name: str) -> None:
    """Every whole costs at least what each operation inside it costs, typically and at bounds."""
    costs = profile(name).costs
    for whole in costs:
        for part in included(whole):
            for one, other in zip(columns(costs[whole]), columns(costs[part]), strict=True):
                assert one >= other, (whole, part)


@in_all
def test_unit_follows_from_the_operation(name: str) -> None:
    """What is spent per byte is priced in ns/B, a ratio only as a parameter, all else in ns."""
    for cost in profile(name).costs.values():
        one = ops()[cost.op]
        assert (cost.unit == "ns/B") == (one.per == "byte"), cost.op
        assert cost.unit != "ratio" or one.time == "parameter", cost.op


@in_all
def test_every_price_has_grounds_or_is_assumed(name: str) -> None:
    """A price stands on sources, at the last, or says that it is assumed."""
    one = profile(name)
    for op, cost in one.costs.items():
        assert set(cost.basis) <= sources().keys() | one.costs.keys(), op
        assert op not in cost.basis, op
        assert cost.derivation, op
        assert cost.assumed == (not cost.basis), op
        assert one.grounds(op) <= sources().keys(), op
        assert cost.assumed or one.grounds(op) or _stands_on_assumptions(one, op), op


def _stands_on_assumptions(one: Profile, op: str) -> bool:
    """Whether an operation of the list below this one is assumed."""
    return any(one.costs[b].assumed or _stands_on_assumptions(one, b) for b in one.costs[op].basis)


def test_sources_are_all_used_and_named_apart_from_operations() -> None:
    """Every source supports some price, has an author, and cannot be taken for an operation."""
    used = {name for p in NAMES for cost in profile(p).costs.values() for name in cost.basis}
    assert sources().keys() == used - ops().keys()
    assert not sources().keys() & ops().keys()
    for source in sources().values():
        assert source.low <= source.value <= source.high, source.id
        for word in (source.source, source.description, source.machine, source.year):
            assert word, source.id


def test_prices_are_exact() -> None:
    """A price is read as it is written, a decimal fraction and not its nearest float."""
    assert profile("modern-2022").cost("vhostuser.enq_byte").value == Fraction(33, 1000)


def test_unknown_names() -> None:
    """An unknown profile or operation is an error that offers the nearest."""
    with pytest.raises(InputError) as caught:
        profile("skylake-2018", "profile")
    assert MITIG in caught.value.want
    assert caught.value.hint
    with pytest.raises(InputError) as caught:
        profile(MITIG).cost("exit.lite", "here")
    assert (caught.value.where, caught.value.hint) == ("here", "Did you mean 'exit.light'?")


def test_profiles_are_frozen_and_travel() -> None:
    """A profile cannot be changed, and comes back equal from a worker process."""
    one = profile(MITIG)
    with pytest.raises(TypeError):
        one.costs["exit.light"] = one.costs["kick.vcpu"]  # type: ignore[index]
    for again in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert again == one
        assert hash(again) == hash(one)


def test_hash_tells_prices_apart() -> None:
    """The hash is stable, and changes with a price, a bound or a shape, not with words."""
    one = profile(MITIG)
    assert one.hash == profile(MITIG, "elsewhere").hash
    assert len({profile(name).hash for name in NAMES}) == 4
    assert one.override({"exit.light": "651ns"}, "here").hash != one.hash
    wild = {"exit.light": {"value": "650ns", "dist": "exponential"}}
    assert one.override(wild, "here").hash != one.override({"exit.light": "650ns"}, "here").hash


def test_levels() -> None:
    """A level moves every price to its lower bound, nowhere, or to its upper bound."""
    one = profile(MITIG)
    assert one.level("typical") == one
    assert all(c.value == c.low == one.costs[c.op].low for c in one.level("low").costs.values())
    assert all(c.value == c.high == one.costs[c.op].high for c in one.level("high").costs.values())
    with pytest.raises(InputError, match="Did you mean 'high'"):
        one.level("higher")  # type: ignore[arg-type]


# kick by ioeventfd -------------------------------------------------------------------------------


@in_all
def test_kick_by_port_costs_what_is_listed(name: str) -> None:
    """A kick by port I/O is the listed price; one by MMIO adds its share of the exit."""
    one = profile(name)
    ratio, exit_ = one.cost("exit.fast_mmio"), one.cost("exit.light")
    assert kick_cost(one, mmio=False) == one.cost("kick.vcpu")
    mmio = kick_cost(one, mmio=True)
    assert mmio.value == one.cost("kick.vcpu").value + (ratio.value - 1) * exit_.value
    assert mmio.low <= mmio.value <= mmio.high
    assert mmio.op == "kick.vcpu"


# overrides ---------------------------------------------------------------------------------------


def test_a_part_moves_its_wholes_by_the_same_difference() -> None:
    """An exit dearer by 250 ns makes everything dearer by that much in which it is included."""
    old = profile(MITIG)
    new = old.override({"exit.light": "900ns"}, "costs")
    assert new.cost("exit.light").value == old.cost("exit.light").value + 250
    for op in ops():
        inside = op == "exit.light" or "exit.light" in included(op)
        assert new.cost(op).value - old.cost(op).value == (250 if inside else 0), op
        assert new.cost(op).overridden == inside, op
    assert new.cost("kick.vcpu").moved_by == ("exit.light",)
    assert new.cost("kick.vcpu").confidence == old.cost("kick.vcpu").confidence
    assert new.cost("exit.light").confidence == "override"


@given(st.sampled_from(NAMES), st.sampled_from(in_ns), st.integers(0, 10**9))
def test_one_override_keeps_the_rest_of_every_whole(name: str, op: str, ps: int) -> None:
    """Whatever one part is given, what wholes cost beside it stays, at typical and bounds.

    Bounds are widened where the rest would have put them on the wrong side.
    """
    old = profile(name)
    floor = max((old.cost(part).value for part in included(op)), default=Fraction(0))
    price = floor + Fraction(ps, 1000)
    new = old.override({op: f"{float(price)}ns"}, "costs")
    assert columns(new.cost(op)) == (price,) * 3
    moved = shift(new, old, op)
    for whole, cost in new.costs.items():
        assert 0 <= cost.low <= cost.value <= cost.high
        for part in included(whole):
            assert cost.value >= new.cost(part).value
            assert cost.low >= new.cost(part).low
        if op in included(whole):
            low, value, high = shift(new, old, whole)
            assert value == moved[1]
            assert low == moved[0] or cost.low == cost.value
            assert high == moved[2] or cost.high == cost.value
        elif whole != op:
            assert cost == old.cost(whole)


@given(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(in_ns), st.integers(0, 10**8)))
def test_many_overrides_either_fit_or_are_refused(name: str, prices: dict[str, int]) -> None:
    """Several overrides together keep every whole above its parts, or are an `InputError`."""
    old = profile(name)
    try:
        new = old.override({op: f"{ps}ps" for op, ps in prices.items()}, "costs")
    except InputError:
        return
    for whole, cost in new.costs.items():
        assert 0 <= cost.low <= cost.value <= cost.high
        assert all(cost.value >= new.cost(part).value for part in included(whole))
        outer = [
            op
            for op in prices
            if op in included(whole)
            and not any(op in included(other) for other in prices if other in included(whole))
        ]
        if whole not in prices:
            assert cost.value == old.cost(whole).value + sum(shift(new, old, op)[1] for op in outer)


NESTED = [
    (part, whole, outer)
    for outer in in_ns
    for whole in sorted(included(outer))
    for part in sorted(included(whole))
]


@given(st.sampled_from(NAMES), st.sampled_from(NESTED), st.integers(0, 999), st.integers(0, 999))
def test_part_and_whole_given_together(
    name: str, nested: tuple[str, str, str], less: int, more: int
) -> None:
    """The given whole costs what was given, and moves what includes it by its own difference."""
    part, whole, outer = nested
    old = profile(name)
    changes = {
        part: f"{old.cost(part).value + less}ns",
        whole: f"{old.cost(whole).value + less + more}ns",
    }
    new = old.override(changes, "costs")
    assert new.cost(whole).value == old.cost(whole).value + less + more
    assert new.cost(outer).value == old.cost(outer).value + less + more
    assert new.cost(outer).moved_by == (whole,)


def test_overrides_do_not_depend_on_their_order() -> None:
    """The same changes in another order give the same list."""
    changes = {"exit.light": "700ns", "sys.syscall": "80ns", "exit.user_mmio": "5us"}
    backwards = dict(reversed(changes.items()))
    one = profile(MITIG)
    assert one.override(changes, "a").hash == one.override(backwards, "a").hash


def test_free_exits() -> None:
    """The favourite question, what if an exit cost nothing, has an answer in every profile."""
    for name in NAMES:
        old = profile(name)
        new = old.override({"exit.light": "0ns"}, "costs")
        assert (
            new.cost("kick.vcpu").value
            == old.cost("kick.vcpu").value - old.cost("exit.light").value
        )


def test_spellings() -> None:
    """A price may be in cycles of the profile's clock, per byte, a ratio, or random."""
    one = profile("modern-2022").override(
        {
            "exit.light": "3000cycles",
            "copy.l3": "0.2ns/B",
            "exit.fast_mmio": "1.1",
            "tap.write": {"value": "900ns", "dist": "lognormal", "cv": "0.5"},
        },
        "costs",
    )
    assert one.cost("exit.light").value == 1000
    assert one.cost("copy.l3").value == Fraction(1, 5)
    assert one.cost("exit.fast_mmio").value == Fraction(11, 10)
    assert (one.cost("tap.write").dist, one.cost("tap.write").cv) == ("lognormal", Fraction(1, 2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exit.lite": "1ns"}, "Did you mean 'exit.light'"),
        ({"exit.light": 900}, "Write '900ns'"),
        ({"exit.light": "1ns/B"}, "is a time per byte, not a time"),
        ({"copy.l3": "1ns"}, "is a time, not a time per byte"),
        ({"exit.fast_mmio": "1ns"}, "has a unit"),
        ({"exit.light": "-1ns"}, "negative"),
        ({"exit.light": "10us", "kick.vcpu": "1us"}, "less than the exit.light inside it"),
        ({"kick.vcpu": "1ns"}, "Override exit.light too"),
        ({"exit.light": {"dist": "gamma", "cv": "0.5"}}, "no price"),
        ({"exit.light": {"value": "1us", "dits": "gamma"}}, "Did you mean 'dist'"),
        ({"exit.light": {"value": "1us", "dist": "gama"}}, "Did you mean 'gamma'"),
        ({"exit.light": {"value": "1us", "dist": "gamma"}}, "no cv"),
        ({"exit.light": {"value": "1us", "dist": "gamma", "cv": "0"}}, "cv above 0"),
        ({"exit.light": {"value": "1us", "dist": "exponential", "cv": "2"}}, "not the cv"),
        ({"exit.light": {"value": "1us", "cv": "2"}}, "not the cv of constant"),
        ({"exit.light": {"value": "1us", "dist": ["gamma"]}}, "not a distribution"),
        ({"cstate.C1.residency": {"value": "1us", "dist": "exponential"}}, "parameter"),
    ],
)
def test_bad_overrides(changes: dict[str, object], says: str) -> None:
    """A change that cannot be made names its place and what would do."""
    with pytest.raises(InputError) as caught:
        profile(MITIG).override(changes, "costs")  # type: ignore[arg-type]
    assert caught.value.where.startswith("costs")
    assert says in str(caught.value)


# table -------------------------------------------------------------------------------------------


def test_table_says_what_a_price_stands_on() -> None:
    """A row names its sources with their addresses, and marks what is assumed or overridden."""
    one = profile(MITIG).override({"exit.light": "900ns"}, "costs")
    rows = {row["op"]: row for row in table(one)}
    assert rows.keys() == ops().keys()
    assert rows["exit.light"]["source"] == "override"
    assert rows["kick.vcpu"]["overridden"]
    assert not rows["copy.l3"]["overridden"]
    assert rows["e1000.tx_desc"]["assumed"]
    assert "https://" in rows["exit.kernel_dev"]["source"]
    assert "vmexit.inl_from_kernel.luto2017" in rows["exit.kernel_dev"]["source"]
    assert [row["op"] for row in table(one, ["copy.l3"])] == ["copy.l3"]


def test_a_price_list_is_read_once() -> None:
    """Asking again, from wherever, gives the very same profile."""
    assert profile(MITIG) is profile(MITIG, "again")
