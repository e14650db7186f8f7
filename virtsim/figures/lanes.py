"""Paths drawn side by side: what stands between a guest and the link, and what is crossed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from virtsim.figures.bars import WIDTH_IN
from virtsim.figures.chain import PLACES, Box, Chain, Place, Seam
from virtsim.figures.curves import Looks
from virtsim.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPANS: dict[Place, tuple[float, float]] = {
    "guest": (0.0, 11.0),
    "process": (26.0, 42.0),
    "kernel": (55.0, 88.0),
    "hardware": (103.0, 112.0),
}
"""Where each place stands from left to right, in units of the axis."""

TITLES = {"guest": "guest", "process": "host, user space", "kernel": "host, kernel",
          "hardware": "hardware"}  # fmt: skip
TINTS = {"guest": "#f3f1ea", "process": "#eef2ee", "kernel": "#eef1f6", "hardware": "#f4eeee"}
ROW_IN = 0.78
GAP = 6.5
"""Between two boxes of one place."""


@styled
def lanes(chains: Sequence[Chain], looks: Looks) -> Figure:
    """Draw one chain of boxes per path; a place that a line passes by is bypassed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, 0.75 + ROW_IN * max(1, len(chains))))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-1.5, 113.5)
    axes.set_ylim(len(chains) - 0.42, -0.95)
    for place in PLACES:
        low, high = SPANS[place]
        axes.axvspan(low - 1.2, high + 1.2, color=TINTS[place], zorder=0, linewidth=0)
        axes.text((low + high) / 2, -0.8, TITLES[place], ha="center", fontsize=8, weight="bold",
                  color="#555555")  # fmt: skip
    for y, chain in enumerate(chains):
        _row(axes, y, chain, looks[chain.label].colour)
    title = "What stands between a guest and the link?"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    return figure


def _row(axes: Axes, y: int, chain: Chain, colour: str) -> None:
    out, back = chain.copies
    copies = (
        f"{out} {'copy' if out == 1 else 'copies'} out, {back} in" if out or back else "no copy"
    )
    axes.text(-0.2, y - 0.36, chain.label, fontsize=8.5, weight="bold", color="#222222")
    axes.text(112, y - 0.36, copies, fontsize=7, ha="right", color="#555555")
    spots = _spots(chain.boxes)
    for ((_, left), (right, _)), seam in zip(pairwise(spots), chain.seams, strict=True):
        _seam(axes, y, (left, right), seam, colour)
    for (low, high), box in zip(spots, chain.boxes, strict=True):
        _box(axes, y, (low, high), box)


def _spots(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return where each box begins and ends; those of one place share it, by what they say."""
    spots = []
    for place in PLACES:
        mine = [max(map(len, (" · ".join(b.names), *b.lines))) for b in boxes if b.place == place]
        low, high = SPANS[place]
        room = high - low - GAP * (len(mine) - 1)
        for length in mine:
            width = room * length / sum(mine)
            spots.append((low, low + width))
            low += width + GAP
    return spots


def _box(axes: Axes, y: int, span: tuple[float, float], box: Box) -> None:
    """Draw a box; one whose thread polls has a heavy frame."""
    from matplotlib.patches import FancyBboxPatch

    low, high = span
    axes.add_patch(
        FancyBboxPatch(
            (low, y - 0.24), high - low, 0.56, boxstyle="round,pad=0,rounding_size=0.6",
            mutation_aspect=0.06, facecolor="white", edgecolor="#222222",
            linewidth=2.0 if box.polls else 0.8, zorder=3,
        )
    )  # fmt: skip
    for i, text in enumerate((" · ".join(box.names), *box.lines)):
        spot = y + 0.04 + 0.17 * (i - len(box.lines) / 2)
        axes.text((low + high) / 2, spot, text, ha="center", va="center", fontsize=6.8, zorder=4,
                  weight="normal" if i else "bold")  # fmt: skip


def _seam(axes: Axes, y: int, span: tuple[float, float], seam: Seam, colour: str) -> None:
    left, right = span
    axes.annotate("", (right, y + 0.04), (left, y + 0.04), zorder=2,
                  arrowprops={"arrowstyle": "<->", "color": colour, "linewidth": 1.3,
                              "shrinkA": 0, "shrinkB": 0})  # fmt: skip
    narrow = right - left < 20
    for text, dy, va in ((seam.out, -0.02, "bottom"), (seam.back, 0.1, "top")):
        axes.text((left + right) / 2, y + dy, text.replace(", ", ",\n") if narrow else text,
                  ha="center", va=va, fontsize=6.5, linespacing=1.0, color="#333333")  # fmt: skip
