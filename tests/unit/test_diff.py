"""The parts of `virtsim diff`: settings, parts, runs and the account of their CPU time."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtsim.diff.difference import MOST_OPS, split, sum_ps
from virtsim.diff.parts import path_change
from virtsim.diff.runs import FIGURES, Pair, Run, match, runs_of
from virtsim.diff.settings import Change, alike, changes, settings
from virtsim.diff.sides import at_headline
from virtsim.errors import InputError
from virtsim.ledger import Row
from virtsim.model.path import Part, Path
from virtsim.model.ring import Ring
from virtsim.parts import bridge, guest, kvm, nic, tap, vhost_net, virtqueue
from virtsim.result import LEDGER, Record, Result
from virtsim.scenario import Scenario

# -- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("1Mpps", "1000kpps", True),
        ("1Mpps", "1Mbps", False),
        ("50us", "0.05ms", True),
        ("50us", "50ns", False),
        ("10%", 0.1, True),
        ("1KiB", "1024B", True),
        ("4x", "4.0x", True),
        (["1Mpps", "2Mpps"], ["1000kpps", "2000kpps"], True),
        (["1Mpps"], ["1Mpps", "2Mpps"], False),
        (True, 1, False),
        (None, 0, False),
        ("C1", "C6", False),
        ("linux", "linux", True),
    ],
)
def test_values_are_alike_by_what_they_say(left: Any, right: Any, same: bool) -> None:
    """Two texts of one quantity are alike, whatever their units; other values if they are equal."""
    assert alike(left, right) is same
    assert alike(right, left) is same


def test_changes_are_dotted_keys_that_differ() -> None:
    """Each key of either side that differs is told once; what a side does not say is None."""
    left = {"traffic.rate": "1Mpps", "seed": 1, "guest.queue": 512}
    right = {"traffic.rate": "1000kpps", "seed": 2, "costs.exit.light": "900ns"}
    assert changes(left, right) == (
        Change("seed", 1, 2),
        Change("guest.queue", 512, None),
        Change("costs.exit.light", None, "900ns"),
    )


def test_settings_leave_out_the_name_and_the_paths() -> None:
    """A scenario's name is no setting, and its paths are compared part by part."""
    text = "name: x\npaths: [a]\nseed: 1\ntraffic: {kind: pcap, file: far/away.pcap}\n"
    assert settings(text, {"away.pcap": "f" * 64}, "here") == {
        "seed": 1,
        "traffic.kind": "pcap",
        "traffic.file": "away.pcap (sha256 ffffffffffff)",
    }


# -- parts -------------------------------------------------------------------------------------


def _path(*parts: Part) -> Path:
    return Path("path", *parts)


def _vhost(call: Any = None, **options: Any) -> Path:
    queue = virtqueue(kick=kvm.ioeventfd(), call=call or kvm.irqfd())
    return _path(guest.linux(), queue, vhost_net.worker(**options), tap(), bridge(), nic())


def test_a_path_does_not_differ_from_itself() -> None:
    """Two paths made alike differ in nothing, and every part is the same."""
    found = path_change(_vhost(), _vhost(), "a", "b")
    assert not found.differs
    assert found.same == ("guest", "virtqueue", "vhost", "tap", "bridge", "nic")


def test_options_that_differ() -> None:
    """An option is told by part and name; one quantity in two units is one value."""
    left, right = _vhost(spin="50us", batch=32), _vhost(spin="0.05ms", batch=16)
    assert path_change(left, right, "a", "b").options == (Change("vhost.batch", 32, 16),)


def test_parts_in_one_only() -> None:
    """A part that one path lacks is told with what made it and its options."""
    left = _vhost()
    found = path_change(left, left.swap("bridge"), "a", "b")
    assert [(part.name, part.made_by) for part in found.left_only] == [("bridge", "bridge")]
    assert (found.right_only, found.options) == ((), ())


def test_another_part_of_the_same_name() -> None:
    """Parts of one name made by two makers are told apart by how a scenario spells them."""
    left = _vhost()
    right = left.swap("guest", guest.pktgen())
    found = path_change(left, right, "a", "b")
    assert found.options[0] == Change("guest", "guest.linux", "guest.pktgen")
    assert Change("guest.burst", None, 32) in found.options


def test_notifications_of_one_name() -> None:
    """Notifications of one name are told apart by what they do, others by their names."""
    found = path_change(_vhost(), _vhost(kvm.irqfd(apicv=False)), "a", "b")
    assert {change.key for change in found.options} == {
        "virtqueue.call.running",
        "virtqueue.call.intrude",
        "virtqueue.call.entry",
    }
    found = path_change(_vhost(), _vhost(kvm.signal_msi()), "a", "b")
    assert found.options == (Change("virtqueue.call", "irqfd", "signal_msi"),)


def test_parts_made_by_hand() -> None:
    """Parts without options are told apart by their stages and rings, and by their order."""
    small, large = (Part("x", "any", "any", tx=(Ring("x", n),)) for n in (1, 2))
    other = Part("y", "any", "any")
    (change,) = path_change(_path(small), _path(large), "a", "b").options
    assert change.key == "x.stages"
    found = path_change(_path(small, other), _path(other, small), "a", "b")
    assert found.options == (Change("order", ["x", "y"], ["y", "x"]),)


# -- runs --------------------------------------------------------------------------------------

THREADS = {"vcpu0": {"core": "vcpu0"}, "vhost": {"core": "vhost"}, "nic": {"core": None}}
ROWS = st.lists(
    st.builds(
        Row,
        thread=st.sampled_from(sorted(THREADS)),
        core=st.just("0"),
        stage=st.sampled_from(["one", "two"]),
        part=st.sampled_from(["guest", "vhost"]),
        op=st.sampled_from([f"op{i}" for i in range(9)]),
        cause=st.sampled_from(["work", "kick", "poll"]),
        count=st.integers(0, 10**6),
        busy_ps=st.integers(0, 10**12),
        delay_ps=st.just(0),
        bytes=st.just(0),
    ),
    max_size=40,
)


def _busy_ps(rows: list[Row]) -> int:
    return sum(r.busy_ps for r in rows if r.thread != "nic" and r.cause != "poll")


def _record(rows: list[Row], delivered: int, **changed: Any) -> Record:
    cpu_ns = float(Fraction(_busy_ps(rows), delivered)) / 1000 if delivered else None
    figures = dict.fromkeys((name.rpartition(".")[2] for name in FIGURES), 1.0)
    summary = {
        "label": "mine", "direction": "tx", "point": {}, "headline": True, "regime": "batched",
        "replication": 0, "threads": THREADS, "packets": delivered + 3, "drops": {"tap": 2},
        "in_flight": 1, "delivered_pps": 1e6, "latency_ns": figures,
        "per_packet": figures | {"cpu_ns": cpu_ns},
    }  # fmt: skip
    ledger = tuple(tuple(getattr(row, name) for name in LEDGER) for row in rows)
    return Record(summary | changed, ledger, ())


def _run(*records: Record) -> Run:
    (run,) = runs_of(Result("x", "", records), "here")
    return run


@given(ROWS, ROWS, st.integers(1, 5000), st.integers(1, 5000))
def test_ops_account_for_the_difference_to_the_picosecond(
    left: list[Row], right: list[Row], n_left: int, n_right: int
) -> None:
    """The ops that are told and the rest sum to the difference of CPU time, exactly.

    Polling is no CPU time of a packet, and a device's time is not the host's.
    """
    pair = Pair(_run(_record(left, n_left)), _run(_record(right, n_right)))
    ops = pair.ops
    assert ops is not None
    told, rest = split(ops)
    exact = Fraction(_busy_ps(right), n_right) - Fraction(_busy_ps(left), n_left)
    assert sum_ps(told) + sum_ps(rest) == sum_ps(ops) == exact
    assert len(told) == min(len(ops), MOST_OPS)
    sizes = [abs(change.difference_ps) for change in ops]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 not in sizes


@given(ROWS, ROWS)
def test_sides_can_be_changed(left: list[Row], right: list[Row]) -> None:
    """With the sides changed every difference changes its sign and nothing else."""
    a, b = _run(_record(left, 7)), _run(_record(right, 11))
    there, back = Pair(a, b).ops, Pair(b, a).ops
    assert there is not None
    assert back is not None
    assert [(c.op, c.difference_ps) for c in there] == [(c.op, -c.difference_ps) for c in back]


def _row(busy_ps: int) -> Row:
    return Row("vhost", "0", "s", "vhost", "op", "work", 10, busy_ps, 0, 0)


def test_replications_are_averaged() -> None:
    """Runs of one label, direction and point are one: the mean of what each came to."""
    records = [_record([_row(30_000)], 10), _record([_row(50_000)], 10, replication=1)]
    run = _run(*records)
    assert run.replications == 2
    assert run.busy_ps == {("vhost", "vhost", "op", "work"): 4000}
    assert run.figures["per_packet.cpu_ns"] == 4.0


def test_nothing_delivered_is_no_account() -> None:
    """Where a side delivered nothing there is no CPU time per packet to compare."""
    starved = _run(_record([_row(1000)], 0, latency_ns=dict.fromkeys(("p50", "p99"))))
    pair = Pair(_run(_record([_row(1000)], 1)), starved)
    assert pair.ops is None
    assert pair.differs
    figures = {figure.name: figure for figure in pair.figures}
    assert figures["latency_ns.p50"].difference is None


def test_a_ledger_that_does_not_reconcile_is_refused() -> None:
    """A ledger whose CPU time is not the summary's is a damaged result, not a finding."""
    good = _record([_row(1000)], 10)
    bad = replace(good, ledger=((*good.ledger[0][:7], 2000, 0, 0),))
    with pytest.raises(InputError, match=r"here: a damaged result: .*the ledger has"):
        _run(bad)


def _levels(*p50: float) -> dict[str, dict[str, float]]:
    names = ("low", "typical", "high")
    return {level: {"latency_ns.p50": v} for level, v in zip(names, p50, strict=True)}


def test_an_order_that_prices_leave_open_is_uncertain() -> None:
    """A difference that is above 0 at some prices and below at others is uncertain."""
    left = _run(_record([], 10, levels=_levels(1.0, 5.0, 9.0)))
    for p50, bounds, uncertain in (((2.0, 5.0, 8.0), (-1.0, 1.0), True),
                                   ((2.0, 7.0, 9.0), (0.0, 2.0), False)):  # fmt: skip
        pair = Pair(left, _run(_record([], 10, levels=_levels(*p50))))
        figure = next(f for f in pair.figures if f.name == "latency_ns.p50")
        assert (figure.bounds, figure.uncertain) == (bounds, uncertain)


def test_runs_match_by_label_direction_and_point() -> None:
    """Like points match; a headline without a like takes the other's headline; the rest is left."""
    one = _run(_record([], 1))

    def at(rate: str, headline: bool = False, direction: str = "tx") -> Run:
        point = (("traffic.rate", rate),)
        return replace(one, point=point, headline=headline, direction=direction)

    left = [at("1Mpps"), at("2Mpps"), at("3Mpps", True), at("1Mpps", True, "rx")]
    right = [at("2Mpps", True), at("1Mpps"), at("5Mpps", True, "rx"), at("9Mpps")]
    pairs, left_only, right_only = match(left, right)
    assert [(pair.left, pair.right) for pair in pairs] == [
        (left[0], right[1]),
        (left[1], right[0]),
        (left[3], right[2]),
    ]
    assert (left_only, right_only) == ((left[2],), (right[3],))


def test_headline_of_a_sweep_is_one_point() -> None:
    """Narrowed to its headline a scenario has one point, the one that stands for the sweep."""
    swept = Scenario.of(
        {
            "virtsim": 1, "name": "x", "profile": "modern-2022", "direction": "tx", "seed": 1,
            "traffic": {"kind": "constant", "rate": "2Mpps", "size": "64B", "packets": 100},
            "paths": ["vhost-net"],
            "sweep": {
                "traffic.rate": ["1Mpps", "2Mpps", "3Mpps"],
                "guest.queue": [64, 128, 256],
                "but.vhost.batch": {"from": 1, "to": 64, "steps": 2},
            },
        }
    )  # fmt: skip
    assert at_headline(swept).fields.sweep == {
        "traffic.rate": ["2Mpps"],
        "guest.queue": [128],
        "but.vhost.batch": [64],
    }
