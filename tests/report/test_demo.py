from __future__ import annotations

from pathlib import Path

import pytest

import virtsim
from virtsim.paths import SHIPPED
from virtsim.report import render
from virtsim.result import Result
from virtsim.scenario import load

DEMO = Path(__file__).parents[2] / "scenarios" / "backends.yaml"


@pytest.fixture(scope="session")
def demo() -> Result:
    """Play the demo's headline, with few packets."""
    scenario = load(DEMO).but({"traffic.packets": 400, "sweep": {}})
    return virtsim.run(scenario, workers=1)


def test_demo_has_every_path_both_ways(demo: Result) -> None:
    """The demo plays each shipped path in tx and rx."""
    runs = [(r["path"], r["direction"]) for r in demo.summaries]
    assert sorted(runs) == sorted((name, d) for name in SHIPPED for d in ("tx", "rx"))


def test_demo_report_speaks_of_every_path(demo: Result) -> None:
    """The report draws six chains, a waterfall of each, and says what it says of each in words."""
    page = render(demo)
    for figure in ("lanes", "walk-tx", "walk-rx", "breakdown", "isolated", "crossings"):
        assert f'id="figure-{figure}"' in page
    headline = page[page.index('id="headline"') : page.index('id="paths"')]
    assert all(name in headline for name in SHIPPED)
    assert "exits to QEMU" in headline
    assert "There is no cost equation of this packet" in page  # Snabb's naps
    assert "None" not in headline
