from __future__ import annotations

import dataclasses
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from virtsim.errors import InputError
from virtsim.figures import Plots
from virtsim.figures.kinds import KINDS, kind_of
from virtsim.figures.style import OTHERS, PATHS, styles
from virtsim.paths import SHIPPED
from virtsim.report import Evidence, figures_of
from virtsim.result import Result

NAMES = ("breakdown", "latency", "events", "core_time", "throughput")


def lightness(colour: str) -> float:
    """Return how light a colour is to the eye: CIE L*, 0 to 100."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    y = sum(p * w for p, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


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
    walks = [(one.label, one.walk) for one in evidence.isolated if one.walk]
    falls = plots.waterfalls(walks, "all").axes
    assert len({axes.get_xlim() for axes in falls}) == 1
    assert [axes.get_title(loc="left") for axes in falls] == [label for label, _ in walks]


def test_figures_are_saved(swept: Result, evidence: Evidence, tmp_path: Path) -> None:
    """All figures of a report can be had as PNG, those of the evidence beside it included."""
    plots = Plots(swept)
    files = plots.save(tmp_path, figures_of(plots, evidence))
    more = ("lanes", "isolated", "walk-tx", "walk-rx", "crossings")
    assert {file.stem for file in files} == {*NAMES, *more}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_labels_keep_their_looks(swept: Result) -> None:
    """Every figure of a result takes its looks from all labels of it, drawn there or not."""
    few = dataclasses.replace(swept, records=swept.records[:1])
    assert Plots(swept).looks["e1000"] == Plots(few).looks["e1000"] == PATHS["e1000"]
    assert set(Plots(swept).looks) == set(SHIPPED)


def test_four_directions_are_two_by_two(swept: Result) -> None:
    """Panels of four directions stand two by two, each with its axis named."""
    more = [
        dataclasses.replace(r, summary={**r.summary, "direction": to})
        for r in swept.records
        for back, to in (("tx", "pvp"), ("rx", "v2v"))
        if r.summary["direction"] == back
    ]
    four = dataclasses.replace(swept, records=(*swept.records, *more))
    for draw in (Plots(four).latency, Plots(four).core_time, Plots(four).throughput):
        panels = draw().axes
        spots = {(round(a.get_position().x0, 1), round(a.get_position().y0, 1)) for a in panels}
        assert len(panels) == len(spots) == 4
        assert all(axes.get_xlabel() for axes in panels)


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
    """A path looks the same in every company; no two share hatch, marker, dash or brightness."""
    assert styles(["vhost-net"])["vhost-net"] == styles(["a", "e1000", "vhost-net"])["vhost-net"]
    assert styles(["mine"])["mine"] == styles(["vhost-net", "mine"])["mine"]
    for looks in (list(PATHS.values()), list(OTHERS)):
        for attribute in ("colour", "hatch", "marker", "dash"):
            assert len({getattr(style, attribute) for style in looks}) == len(looks)
        grey = [lightness(style.colour) for style in looks]
        assert grey == sorted(grey)
        assert min(b - a for a, b in pairwise(grey)) > 4
        assert max(grey) < 70  # white is 100
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
        ("host.irq", "entry", "interrupts"),
        ("sys.eventfd_read", "entry", "system calls"),
        ("exit.user_mmio", "entry", "exits to QEMU"),
        ("exit.user_mmio", "kick", "exits to QEMU"),
        ("exit.user_dev_extra", "rearm", "exits to QEMU"),
        ("kick.user", "kick", "kicks"),
        ("pmd.loop", "poll", "polling"),
        ("link.wire", "work", "device and wire"),
        ("mem.dram_remote_add:byte", "numa", "NUMA distance"),
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
