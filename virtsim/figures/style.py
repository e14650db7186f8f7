"""How paths and kinds of work look: one colour and one pattern each, the same in every figure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

Dash = str | tuple[float, tuple[float, ...]]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Style:
    """The looks of a path: a colour, and what tells it from the others without colour."""

    colour: str
    hatch: str
    marker: str
    dash: Dash

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of a curve."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dash}

    @property
    def bar(self) -> dict[str, Any]:
        """Keywords of a bar."""
        return {"facecolor": self.colour, "hatch": self.hatch, "edgecolor": "white"}


PATHS: Mapping[str, Style] = MappingProxyType(
    {
        "e1000": Style("#3a0f47", "xxx", "D", (0, (1, 1))),
        "virtio-qemu": Style("#8a1f00", "///", "o", "-"),
        "vhost-net": Style("#0f5fae", "\\\\\\", "s", (0, (5, 1.5))),
        "vhost-user-ovs": Style("#00865c", "|||", "^", (0, (5, 1.5, 1, 1.5))),
        "vhost-user-snabb": Style("#b98300", "---", "v", (0, (3, 1, 1, 1, 1, 1))),
        "sriov": Style("#55aad9", "+++", "P", (0, (8, 2))),
    }
)
"""The paths that virtsim ships. In grey they go from dark to light: the less of the host is in a
path, the lighter it is."""

OTHERS = (
    Style("#14264a", "//", "X", (0, (6, 1, 1, 1))),
    Style("#5c2a0d", "||", "*", (0, (2, 1))),
    Style("#543a94", "xx", "<", (0, (4, 2, 1, 2))),
    Style("#a03a5a", "--", ">", (0, (7, 1.5, 2, 1.5))),
    Style("#6c7020", "++", "h", (0, (1, 2))),
    Style("#2c8c8c", "\\\\", "p", (0, (3, 3))),
    Style("#c8776c", "/", "d", (0, (10, 2, 2, 2))),
    Style("#a3a3a3", "|", "8", (0, (2, 3))),
)
"""For paths that a user named. (Hatches of lines only: dots take 100 kB of SVG each.)"""


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """Return the style of each label, unlike for all as long as there are enough."""
    wanted = list(dict.fromkeys(labels))
    made = {label: PATHS[label] for label in wanted if label in PATHS}
    taken: set[int] = set()
    for label in (name for name in wanted if name not in PATHS):
        start = zlib.crc32(label.encode()) % len(OTHERS)
        turns = [(start + i) % len(OTHERS) for i in range(len(OTHERS))]
        at = next((i for i in turns if i not in taken), start)
        taken.add(at)
        made[label] = OTHERS[at]
    return {label: made[label] for label in wanted}


SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        # Given, it need not be looked for: nothing stands above a panel but its title.
        "axes.titley": 1.0,
        "axes.labelsize": 9,
        "axes.edgecolor": "#555555",
        "axes.labelcolor": "#222222",
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": "#e3e3e3",
        "grid.linewidth": 0.6,
        "xtick.color": "#444444",
        "ytick.color": "#444444",
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.7,
        "lines.markersize": 4.5,
        "hatch.linewidth": 0.8,
        "hatch.color": "white",
        "figure.constrained_layout.use": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "virtsim",
    }
)


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function draw with the house settings, and leave matplotlib's own as they were."""

    @wraps(draw)
    def drawing(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib as mpl

        settings: Any = dict(SETTINGS)
        with mpl.rc_context(settings):
            return draw(*args, **kwargs)

    return drawing
