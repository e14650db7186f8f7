"""What is kept between runs: it saves time, and whatever becomes of it, nothing else."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from virtsim import cache, shipped
from virtsim.costs.book import profile_names

FILES = [
    ("virtsim.model", "ops.yaml"),
    ("virtsim.costs.data", "sources.yaml"),
    *(("virtsim.costs.data", f"{name}.yaml") for name in profile_names()),
]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the two places of a cache that nothing has been put in yet."""
    found = [tmp_path / "ours", tmp_path / "users"]
    monkeypatch.setattr(cache, "_places", lambda: iter(found))
    return found


def test_what_is_stored_is_loaded(places: list[Path]) -> None:
    """By its name and key; it is in the first place only, as a single file."""
    cache.store("name", b"key", b"data")
    assert cache.load("name", b"key") == b"data"
    assert [file.name for file in places[0].iterdir()] == ["name"]
    assert not places[1].exists()


def test_another_key_loads_nothing(places: list[Path]) -> None:
    """What was made from something else is not what is asked for."""
    cache.store("name", b"key", b"data")
    assert cache.load("name", b"another key") is None
    assert cache.load("another name", b"key") is None


def test_a_new_key_takes_the_place_of_the_old(places: list[Path]) -> None:
    """There is one file per name, however often its source changes."""
    cache.store("name", b"old", b"1")
    cache.store("name", b"new", b"2")
    assert cache.load("name", b"old") is None
    assert cache.load("name", b"new") == b"2"
    assert len(list(places[0].iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 5, 32, 35])
def test_a_file_that_was_cut_short_is_none(places: list[Path], keep: int) -> None:
    """Wherever it was cut."""
    cache.store("name", b"key", b"data")
    file = places[0] / "name"
    file.write_bytes(file.read_bytes()[:keep])
    assert cache.load("name", b"key") is None


def test_a_place_that_cannot_be_written_is_passed_over(places: list[Path]) -> None:
    """The second serves where the first is no folder."""
    places[0].write_text("no folder")
    cache.store("name", b"key", b"data")
    assert cache.load("name", b"key") == b"data"
    assert (places[1] / "name").exists()


def test_without_any_place_nothing_is_kept(places: list[Path]) -> None:
    """And nothing is said about it."""
    for place in places:
        place.write_text("no folder")
    cache.store("name", b"key", b"data")
    assert cache.load("name", b"key") is None


def test_a_file_that_cannot_be_replaced_leaves_no_scratch(places: list[Path]) -> None:
    """What was begun is cleared away."""
    (places[0] / "name" / "in the way").mkdir(parents=True)
    cache.store("name", b"key", b"data")
    assert [file.name for file in places[0].iterdir()] == ["name"]
    assert cache.load("name", b"key") == b"data"


@pytest.mark.parametrize("home", ["relative", "~nobody-of-this-name"])
def test_a_home_that_is_nowhere_is_no_place(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Nothing is written into whatever folder a command is called from."""
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert len(list(cache._places())) == 1


@pytest.mark.parametrize(("package", "name"), FILES)
def test_shipped_yaml_reads_as_it_is_written(places: list[Path], package: str, name: str) -> None:
    """Read from its text and from what was kept of it, a file says the same, in the same order."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    said = YAML(typ="safe", pure=True).load(text)
    first, again = shipped.read_yaml(package, name), shipped.read_yaml(package, name)
    assert len(list(places[0].iterdir())) == 1
    assert said == first == again
    assert json.dumps(said) == json.dumps(again)


def test_a_changed_file_is_read_anew(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of its old text is not believed."""
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    for price in (1, 2):
        (tmp_path / "list.yaml").write_text(f"price: {price}\n")
        assert shipped.read_yaml("any", "list.yaml") == {"price": price}
