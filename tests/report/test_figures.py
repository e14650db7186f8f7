from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from virtsim.errors import InputError
from virtsim.figures import Plots
from virtsim.figures.kinds import KINDS, kind_of
from virtsim.figures.style import OTHERS, PATHS, styles
from virtsim.report import Evidence
from virtsim.result import Result

NAMES = ("breakdown", "latency", "events", "core_time", "throughput")


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_labelled(swept: Result, name: str) -> None:
    """Every row and column of panels has a label, and the figure or its panels a title."""
    figure: Figure = getattr(Plots(swept), name)()
    panels = figure.axes
    assert any(axes.get_xlabel() for axes in panels)
    assert figure.get_suptitle()
    assert all(axes.get_title(loc="left") for axes in panels)


def test_draws_what_little_there_is(single: Result, silent: Result) -> None:
    """A result with one path, or with nothing delivered, can be drawn."""
    for result in (single, silent):
        Plots(result).breakdown()
        Plots(result).latency()


@pytest.mark.parametrize("name", NAMES[2:])
def test_loads_need_a_sweep(single: Result, name: str) -> None:
    """A figure against the load says what is missing if there is one load only."""
    with pytest.raises(InputError, match="want a sweep over the load"):
        getattr(Plots(single), name)()


def test_evidence_is_drawn(swept: Result, evidence: Evidence) -> None:
    """Equations, walks and crossings given as arguments become figures."""
    plots = Plots(swept)
    first = evidence.isolated[0]
    assert first.equation is not None
    assert first.walk is not None
    bars = plots.isolated([(first.label, first.direction, first.equation)]).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(first.equation.value_ps / 1e6)
    assert plots.waterfall(first.walk).axes[0].get_xlabel().endswith("(µs)")
    assert len(plots.crossings(evidence.crossings).axes) == 2


def test_breakdown_is_the_cpu_time(swept: Result) -> None:
    """The bars of a path are as long as its CPU time per packet."""
    record = next(
        r for r in swept.records if r.summary["headline"] and r.summary["direction"] == "tx"
    )
    bars = Plots(swept).breakdown().axes[0].patches
    lowest = min(bar.get_y() for bar in bars)
    length = sum(bar.get_width() for bar in bars if bar.get_y() == lowest)
    assert length == pytest.approx(record.summary["per_packet"]["cpu_ns"] / 1000)


def test_styles_are_constant_and_differ_in_grey() -> None:
    """A path looks the same in every company; no two share hatch, marker or dash."""
    assert styles(["vhost-net"])["vhost-net"] == styles(["a", "e1000", "vhost-net"])["vhost-net"]
    assert styles(["mine"])["mine"] == styles(["vhost-net", "mine"])["mine"]
    for looks in (list(PATHS.values()), list(OTHERS)):
        for attribute in ("colour", "hatch", "marker", "dash"):
            assert len({getattr(style, attribute) for style in looks}) == len(looks)
    assert len(set(styles([f"path {i}" for i in range(len(OTHERS))]).values())) == len(OTHERS)


def test_kinds_differ_in_grey() -> None:
    """Kinds of work differ in hatch, or in brightness where they have none."""
    hatched = [kind.hatch for kind in KINDS if kind.hatch]
    assert len(hatched) == len(set(hatched))


@pytest.mark.parametrize(
    ("op", "cause", "kind"),
    [
        ("tap.write", "work", "system calls"),
        ("tap.write_byte", "work", "copying"),
        ("irq.signal_msi", "call", "system calls"),
        ("kick.vcpu:mmio", "kick", "kicks"),
        ("sys.eventfd_write", "kick", "kicks"),
        ("wake.signal", "wake", "sleeping and waking"),
        ("irq.guest_entry", "entry", "interrupts"),
        ("pmd.loop", "poll", "polling"),
        ("link.wire", "work", "device and wire"),
        ("somebody.elses_op", "work", "packet work"),
    ],
)
def test_kind_of(op: str, cause: str, kind: str) -> None:
    """Each op, with its cause, is of the kind that a reader would look for it under."""
    assert kind_of(op, cause).name == kind


def test_leaves_matplotlib_alone(single: Result) -> None:
    """Drawing changes none of matplotlib's settings and never loads pyplot."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    Plots(single).latency()
    assert dict(mpl.rcParams) == before


def test_imports_are_lazy() -> None:
    """Importing figures and report loads neither matplotlib, pandas, jinja2 nor simpy."""
    code = (
        "import sys, virtsim.figures, virtsim.report; "
        "print([m for m in ('matplotlib', 'pandas', 'jinja2', 'simpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
