from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from virtsim.breakeven import gathered
from virtsim.costs import cost_of
from virtsim.figures import Plots
from virtsim.figures.data import headline
from virtsim.report import Evidence, drawings, gather, render
from virtsim.report.drawings import pictures_of
from virtsim.report.page import reconciliation
from virtsim.report.tables import threads_table
from virtsim.result import Result
from virtsim.scenario import from_compare, resolved_yaml

VOID = {"meta", "link", "br", "img", "use", "path", "rect", "hr", "input", "circle"}


class Page(HTMLParser):
    """What a test asks about a page: elements with their ancestors, ids, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self.stack)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self.stack)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack, f"</{tag}> closes nothing"
            assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element of a kind."""
        return [attrs for name, attrs, _ in self.elements if name == tag]

    @property
    def words(self) -> str:
        """Text that a reader sees, with plain spaces."""
        seen = " ".join(text for tag, text in self.texts if tag not in ("style", "title", "desc"))
        return re.sub(r"\s+", " ", seen)


@pytest.fixture(scope="session")
def page(swept: Result, evidence: Evidence) -> Page:
    """Return the page of the sweep."""
    return Page(render(swept, evidence))


@pytest.fixture(scope="session")
def bare(single: Result, evidence: Evidence) -> Page:
    """Return the page of a single path, without walks."""
    return Page(render(single, Evidence(evidence.profiles)))


def test_figures_drawn_side_by_side_are_the_same(
    swept: Result, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many processes draw changes neither a figure nor their order."""
    cells = headline(swept)
    apart = pictures_of(Plots(swept), cells, evidence)
    monkeypatch.setattr(drawings, "WORTH_A_PROCESS", 1000)
    alone = pictures_of(Plots(swept), cells, evidence)
    assert list(apart.items()) == list(alone.items())
    assert len(apart) > 4


def test_needs_no_network(page: Page) -> None:
    """Nothing is loaded from elsewhere; only links to sources lead outside."""
    for tag, attrs, stack in page.elements:
        assert tag not in ("script", "link", "iframe", "img", "image"), tag
        assert "src" not in attrs
        for name in ("href", "xlink:href"):
            target = attrs.get(name) or "#"
            assert target.startswith("#") or (tag == "a" and "table" in stack), target
    assert "@import" not in page.html
    assert not re.search(r"url\((?!#)", page.html)


def test_well_formed_and_small(page: Page) -> None:
    """Every element is closed in order, every id is unique, every inner link has its end."""
    assert page.stack == []
    ids = [a["id"] for _, a, _ in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    ends = {t[1:] for _, a, _ in page.elements for t in a.values() if t and t.startswith("#")}
    assert {end for end in ends if not re.fullmatch(r"[0-9a-f]{6}", end)} <= set(ids)
    assert len(page.html) < 2_000_000


def test_every_figure_speaks(page: Page) -> None:
    """Each figure has a caption, and its drawing a title and a description."""
    n = len(page.all("figure"))
    assert n == 10  # lanes, breakdown, latency, three of the load, isolated, two falls, crossings
    assert len(page.all("figcaption")) == len(page.all("svg")) == len(page.all("desc")) == n
    assert all(svg.get("role") == "img" and svg.get("aria-labelledby") for svg in page.all("svg"))
    assert all(text.strip() for tag, text in page.texts if tag in ("figcaption", "desc"))


def test_assumed_and_overridden_prices_are_marked(page: Page, evidence: Evidence) -> None:
    """Assumed and overridden prices are marked by a word and by the looks of their row."""
    rows = [a for a in page.all("tr") if str(a.get("id", "")).startswith("skylake-2018-mitig-")]
    kinds = {str(a["id"]).removeprefix("skylake-2018-mitig-"): a["class"] for a in rows}
    costs = {op: cost_of(evidence.profiles[0], op) for op in kinds}
    assert kinds
    assert {op for op, k in kinds.items() if k == "assumed"} == {
        op for op in kinds if costs[op].assumed
    }
    assert {op for op, k in kinds.items() if k == "override"} == {
        op for op in kinds if costs[op].overridden
    }
    marks = [text for _, text in page.texts if text.strip() == "assumed"]
    assert len(marks) >= sum(k == "assumed" for k in kinds.values())
    assert "moved by the override of exit.light" in page.words
    assert "overridden by the scenario" in page.words


def test_says_where_threads_run(page: Page, swept: Result) -> None:
    """Each direction has a table of its threads: core, node, and shares that add up to 100 %."""
    assert {"threads-tx", "threads-rx"} <= {t.get("id") for t in page.all("table")}
    rows = threads_table(headline(swept, "tx"))
    found = {(r.name, r.unit): [v.text for v in r.values] for r in rows}
    assert [*found] == [
        (cell.label, name) for cell in headline(swept, "tx") for name in cell.first["threads"]
    ]
    for (_, thread), (core, node, *shares) in found.items():
        assert (core, node) == ("none" if thread == "nic" else thread, "0")
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.2)


def test_says_what_the_ledger_adds_up_to(page: Page, swept: Result) -> None:
    """The ledger is added up again; a missing line is noticed."""
    assert "nothing is unaccounted for" in page.words
    first = swept.records[0]
    robbed = dataclasses.replace(first, ledger=first.ledger[1:])
    assert "differ by" in reconciliation(dataclasses.replace(swept, records=(robbed,)))


def test_sweep_brings_break_even(page: Page, swept: Result) -> None:
    """With a sweep over the rate the page says when the polled core pays, in each direction."""
    found = Plots(swept).break_evens()
    assert {direction for direction, _ in found} == {"tx", "rx"}
    said = [s for d in ("tx", "rx") for s in gathered([one for way, one in found if way == d])]
    assert all(sentence in page.words for sentence in said)
    assert sum("The polled core of" in sentence for sentence in said) >= 2
    assert any(a.get("id") == "figure-core_time" for a in page.all("figure"))


def test_one_path_without_sweep(bare: Page) -> None:
    """One path, one direction, no sweep, no walk: the page says less, and how to get more."""
    assert bare.stack == []
    assert "This scenario has one load only" in bare.words
    assert "mine & <yours>" in bare.words
    assert "Does vhost save" not in bare.words
    assert "rx, link to guest" not in bare.words
    assert "a note <b>in words</b>" in bare.words


def test_nothing_delivered(silent: Result, evidence: Evidence) -> None:
    """Nulls are dashes, never numbers; what cannot be drawn is said instead."""
    page = Page(render(silent, Evidence(evidence.profiles)))
    assert "delivers nothing" in page.words
    assert "No packet was delivered" in page.words
    assert "100 at tap" in page.words
    assert "nan" not in page.words.lower().split()
    assert "None" not in page.words


def test_shows_crossings_and_equation(page: Page) -> None:
    """The counts behind the old claim, its verdict, and the equation in op names are there."""
    assert "What vhost-net saves here is user/kernel crossings, not context switches." in page.words
    assert "64 B × vhost.tx_byte" in page.words
    assert "took the same time to the picosecond" in page.words


def test_other_directions(onward: tuple[Result, Evidence]) -> None:
    """Pages of packets through a guest, or between two, are whole: words, figures, walks."""
    page = Page(render(*onward))
    assert page.stack == []
    assert f"figure-walk-{onward[1].isolated[0].direction}" in {
        a.get("id") for a in page.all("figure")
    }
    assert "Lowest latency" in page.words
    assert "what was left of the nap of its poller" in page.words
    assert "None" not in page.words


def test_same_result_same_page(single: Result, evidence: Evidence) -> None:
    """Rendering is repeatable, byte for byte."""
    found = Evidence(evidence.profiles)
    assert render(single, found) == render(single, found)


def test_evidence_from_the_result_alone(single: Result) -> None:
    """Prices, walk and crossings are made anew from the resolved scenario in the result."""
    scenario = from_compare(["vhost-net"], rate="100kpps", sets={"exit.light": "900ns"})
    summary = {**single.records[0].summary, "label": "vhost-net"}
    record = dataclasses.replace(single.records[0], summary=summary)
    made = dataclasses.replace(single, resolved=resolved_yaml(scenario), records=(record,))
    found = gather(made)
    assert [(one.label, one.direction) for one in found.isolated] == [("vhost-net", "tx")]
    assert found.profiles[0].cost("exit.light").overridden
    assert [row.crossings for row in found.crossings] == [5, 6, 0]
    assert "What vhost-net saves here" in Page(render(made)).words
