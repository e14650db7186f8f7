"""The dictionary of operations does not contradict itself."""

from __future__ import annotations

import pickle

import pytest

from virtsim.errors import InputError
from virtsim.model.ops import Op, included, op, ops

ALL = list(ops().values())
COUNTERS = {
    *("exits", "exits_user", "kicks", "calls", "interrupts", "context_switches", "syscalls"),
    *("copies", "copied_bytes", "wakes", "doorbells"),
}
PER = {
    *("packet", "batch", "byte", "wake", "kick", "interrupt", "poll", "switch", "exit", "call"),
    *("register", "message", "request", "descriptor", "line", "sleep", "second", "none"),
}
by_name = pytest.mark.parametrize("one", ALL, ids=lambda one: str(one.name))


def test_there_are_159() -> None:
    """The dictionary is complete, and each entry carries the name it is found by."""
    assert len(ALL) == 159
    assert all(ops()[one.name] is one for one in ALL)


@by_name
def test_words_are_known(one: Op) -> None:
    """Every op says what it is, for what it is spent, how, and moves known counters forward."""
    assert one.what
    assert one.payer
    assert one.per in PER
    assert one.time in ("busy", "delay", "parameter")
    assert one.counts.keys() <= COUNTERS
    assert all(count > 0 for count in one.counts.values())


@by_name
def test_included_operations_exist_without_cycles(one: Op) -> None:
    """What an op includes exists and does not lead back to it; prose is never an op's name."""
    assert set(one.includes) <= ops().keys()
    assert one.name not in included(one.name)
    assert not set(one.facts) & ops().keys()


@by_name
def test_bytes_only_inside_bytes(one: Op) -> None:
    """A price per byte cannot be part of one per anything else, nor the other way round."""
    assert all((ops()[part].per == "byte") == (one.per == "byte") for part in one.includes)


@by_name
def test_byte_ops_count_bytes_alone(one: Op) -> None:
    """An op per byte counts copied bytes or nothing, and copied bytes are counted per byte."""
    if one.per == "byte":
        assert one.counts.keys() <= {"copied_bytes"}
    else:
        assert "copied_bytes" not in one.counts


@by_name
def test_parameters_are_not_spent(one: Op) -> None:
    """A parameter has no payer, no counters and no parts, and is part of nothing."""
    if one.time == "parameter":
        assert (one.payer, one.per, one.counts, one.includes) == ("none", "none", {}, ())
        assert not any(one.name in other.includes for other in ALL)
    else:
        assert one.payer != "none"


@by_name
def test_counts_are_complete(one: Op) -> None:
    """A whole counts at least what each of its parts counts.

    Not so the re-entry into KVM_RUN, whose system call the dictionary leaves out on purpose, and
    what includes it.
    """
    for part in included(one.name):
        for counter, count in ops()[part].counts.items():
            if counter != "syscalls" or "sys.kvm_run_ioctl" not in {one.name, *included(one.name)}:
                assert one.counts.get(counter, 0) >= count


@by_name
def test_exits_to_user_are_exits(one: Op) -> None:
    """No op leaves for user space more often than it exits, and every kick by a vCPU exits."""
    assert one.counts.get("exits_user", 0) <= one.counts.get("exits", 0)
    if one.counts.get("kicks"):
        assert one.counts.get("exits")


def test_unknown_name_is_an_input_error_with_a_hint() -> None:
    """A misspelt op is named with its place, and the nearest one offered."""
    assert op("exit.light", "here").name == "exit.light"
    with pytest.raises(InputError) as caught:
        op("exit.lite", "costs")
    assert caught.value.where == "costs"
    assert caught.value.hint == "Did you mean 'exit.light'?"


def test_included_goes_to_the_bottom() -> None:
    """Parts of parts are inside too; an op the dictionary does not know includes nothing."""
    assert {"tun.skb", "linux.skb_alloc_free", "linux.skb_alloc"} <= included("tap.write")
    assert included("no.such_op") == frozenset()


def test_ops_are_frozen_and_travel() -> None:
    """Neither an op nor its counters can be changed; a pickled op comes back equal."""
    one = ops()["kick.vcpu"]
    with pytest.raises(TypeError):
        one.counts["exits"] = 2  # type: ignore[index]
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
