"""`virtsim diff`: what differs between scenarios, results and paths, and what that costs."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from virtsim import experiment
from virtsim.diff import TRAFFIC
from virtsim.diff.runs import FIGURES

LEFT = """\
virtsim: 1
name: left
profile: skylake-2018-mitig
direction: tx
traffic: {kind: poisson, rate: 100kpps, size: 64B, packets: 300}
paths: [vhost-net, vhost-user-ovs]
seed: 1
"""
RIGHT = """\
virtsim: 1
name: right
profile: skylake-2018-mitig
direction: [tx, rx]
traffic: {kind: poisson, rate: 0.1Mpps, size: 128B, packets: 300}
paths: [{path: vhost-net, but: {vhost.spin: 50us}}, virtio-qemu]
seed: 1
guest: {napi_tx: false}
"""
SWEPT = LEFT.replace("seed: 1\n", "seed: 1\nsweep: {traffic.rate: [50kpps, 100kpps]}\n")


@pytest.fixture
def write(tmp_path: Path):
    """Return a writer of scenario files: name and text in, path out."""

    def made(name: str, text: str) -> Path:
        file = tmp_path / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return made


@pytest.fixture
def result(tmp_path: Path):
    """Return a maker of result directories: a scenario file in, its directory out."""
    return lambda file: experiment.run(file, workers=1).save(tmp_path / "results")


@pytest.fixture
def stop_playing(monkeypatch):
    """Return what makes any further attempt to play a scenario fail."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a scenario was played")

    return lambda: monkeypatch.setattr("virtsim.experiment.run", refuse)


def _pick(run: dict, name: str) -> float:
    for key in name.split("."):
        run = run[key]
    return run  # type: ignore[return-value]


def _check_adds_up(pair: dict) -> None:
    """Check that the ops and the rest make the difference of cpu_ns, largest first."""
    found, figure = pair["cpu_ns"], pair["figures"]["per_packet.cpu_ns"]
    each = [op["difference"] for op in found["ops"]]
    assert 0 < len(each) <= 10
    assert each == sorted(each, key=abs, reverse=True)
    assert math.fsum([*each, found["rest"]["difference"]]) == pytest.approx(found["difference"])
    assert found["difference"] == pytest.approx(figure["difference"])
    for op in found["ops"]:
        assert op["difference"] == pytest.approx(op["right"] - op["left"], abs=1e-9)


def test_two_scenarios(call, write) -> None:
    """Settings, paths and options that differ are told; a rate in another unit does not differ."""
    code, out, _ = call("diff", write("a", LEFT), write("b", RIGHT), "--json")
    found = json.loads(out)
    assert (code, found["differs"]) == (0, True)
    assert {row["key"]: (row["left"], row["right"]) for row in found["settings"]} == {
        "direction": (["tx"], ["tx", "rx"]),
        "traffic.size": ("64B", "128B"),
        "guest.napi_tx": (None, False),
    }
    assert found["paths"]["left_only"] == ["vhost-user-ovs"]
    assert found["paths"]["right_only"] == ["virtio-qemu"]
    (path,) = found["paths"]["both"]
    assert (path["left"], path["left_only"], path["right_only"]) == ("vhost-net", [], [])
    assert {row["key"]: (row["left"], row["right"]) for row in path["options"]} == {
        "guest.napi_tx": (True, False),
        "vhost.spin": ("0us", "50us"),
    }
    assert path["same"] == ["virtqueue", "tap", "bridge", "nic"]
    assert found["runs"]["left_only"] == []
    assert found["runs"]["right_only"] == [{"label": "vhost-net", "direction": "rx", "point": {}}]


def test_figures_are_those_of_run(call, write, result) -> None:
    """Both sides' figures are what `run` says of them, and the difference is right minus left."""
    left, right = write("a", LEFT), write("b", RIGHT)
    _, out, _ = call("diff", left, right, "--json")
    (pair,) = json.loads(out)["runs"]["both"]
    runs = {}
    for name, file in (("left", left), ("right", right)):
        summary = json.loads((result(file) / "summary.json").read_text(encoding="utf-8"))
        runs[name] = next(r for r in summary["runs"] if r["label"] == "vhost-net")
    assert set(pair["figures"]) == set(FIGURES)
    for name, figure in pair["figures"].items():
        assert (figure["left"], figure["right"]) == tuple(_pick(r, name) for r in runs.values())
        assert figure["difference"] == figure["right"] - figure["left"]
    p50 = [[level["latency_ns.p50"] for level in r["levels"].values()] for r in runs.values()]
    each = [b - a for a, b in zip(*p50, strict=True)]
    assert pair["figures"]["latency_ns.p50"]["bounds"] == [min(each), max(each)]
    _check_adds_up(pair)


def test_two_paths(call) -> None:
    """Two paths are told apart by their parts and played under the same traffic."""
    words = ("--rate", "50kpps", "--size", "256B", "--packets", 200, "--direction", "rx")
    code, out, _ = call("diff", "vhost-net", "vhost-user-ovs", *words, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["traffic"] == {
        "profile": "skylake-2018-mitig",
        "traffic.kind": "poisson",
        "traffic.rate": "50kpps",
        "traffic.size": "256B",
        "traffic.packets": 200,
    }
    (path,) = found["paths"]["both"]
    assert [part["part"] for part in path["left_only"]] == ["vhost", "tap", "bridge"]
    assert [part["made_by"] for part in path["right_only"]] == ["ovs.port"]
    assert {"key": "nic", "left": "nic", "right": "nic.pmd"} in path["options"]
    (pair,) = found["runs"]["both"]
    assert (pair["left"]["label"], pair["right"]["label"]) == ("vhost-net", "vhost-user-ovs")
    assert pair["left"]["direction"] == pair["right"]["direction"] == "rx"
    _check_adds_up(pair)


def test_help_names_the_default_traffic(call) -> None:
    """The defaults that the help shows are those that two paths are played under."""
    _, out, _ = call("diff", "--help")
    assert all(f"({value})" in out for value in TRAFFIC.values())


def test_two_paths_with_another_guest(call) -> None:
    """`--set` changes both paths, and the parts are those that are played."""
    words = ("--set", "guest.driver=pktgen", "--set", "exit.light=900ns", "--packets", 200)
    code, out, _ = call("diff", "vhost-net", "virtio-qemu", *words, "--json")
    found = json.loads(out)
    assert code == 0
    assert "guest" in found["paths"]["both"][0]["same"]


def test_two_results_are_not_played(call, write, result, stop_playing) -> None:
    """Results are compared from their own files, run by run of one label, direction and point."""
    left = result(write("a", SWEPT))
    right = result(write("b", SWEPT.replace("64B", "128B").replace("50kpps, ", "")))
    stop_playing()
    code, out, _ = call("diff", left, right, "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["key"] for row in found["settings"]] == ["traffic.size", "sweep.traffic.rate"]
    here = {"traffic.rate": "100kpps"}
    assert [(r["left"]["point"], r["right"]["point"]) for r in found["runs"]["both"]] == [
        (here, here),
        (here, here),
    ]
    gone = [(run["label"], run["point"]["traffic.rate"]) for run in found["runs"]["left_only"]]
    assert gone == [("vhost-net", "50kpps"), ("vhost-user-ovs", "50kpps")]
    for pair in found["runs"]["both"]:
        _check_adds_up(pair)


def test_headlines_compare_where_points_do_not(call, write, result, stop_playing) -> None:
    """A headline without a run at its point on the other side is compared with the headline."""
    left = result(write("a", LEFT))
    right = result(write("b", SWEPT))
    stop_playing()
    _, out, _ = call("diff", left, right, "--json")
    (first, _) = json.loads(out)["runs"]["both"]
    assert first["left"]["point"] == {}
    assert first["right"]["point"] == {"traffic.rate": "100kpps"}
    assert not first["differs"]
    _, out, _ = call("diff", left, right)
    assert "vhost-net tx at its only point -> traffic.rate=100kpps" in out


def test_points_away_from_the_headline(call, write) -> None:
    """Only the headline of a sweep is played and shown, unless all points are asked for."""
    files = write("a", SWEPT), write("b", SWEPT.replace("64B", "128B"))
    _, out, _ = call("diff", *files, "--json")
    points = [run["left"]["point"]["traffic.rate"] for run in json.loads(out)["runs"]["both"]]
    assert points == ["100kpps", "100kpps"]
    _, out, _ = call("diff", *files, "--all")
    assert out.count("vhost-net tx at traffic.rate=50kpps") == 1
    assert out.count("vhost-net tx at traffic.rate=100kpps") == 1


def test_other_points_of_results_are_counted(call, write, result) -> None:
    """What results have beyond the headline is counted, and shown with --all."""
    left = result(write("a", SWEPT))
    right = result(write("b", SWEPT.replace("64B", "128B")))
    _, out, _ = call("diff", left, right)
    assert "(2 runs at other points, 2 that differ: --all)" in out
    assert "traffic.rate=50kpps" not in out
    _, out, _ = call("diff", left, right, "--all")
    assert "vhost-net tx at traffic.rate=50kpps" in out


def test_a_scenario_and_its_result(call, write, result) -> None:
    """Of a scenario and a result the scenario is played, and comes to the same as before."""
    file = write("a", SWEPT)
    code, out, _ = call("diff", file, result(file), "--json")
    found = json.loads(out)
    assert (code, found["differs"]) == (0, False)
    assert len(found["runs"]["both"]) == 2
    _, out, _ = call("diff", result(file), file)
    assert "Nothing differs, in any figure of 2 runs." in out


@pytest.mark.parametrize("names", [("vhost-net", "vhost-net"), ("a", "b")])
def test_nothing_differs(call, write, stop_playing, monkeypatch, tmp_path, names) -> None:
    """What is asked for alike says so with code 0 and is not played; a name is no difference."""
    write("a", LEFT)
    write("b", LEFT.replace("name: left", "name: other").replace("100kpps", "0.1Mpps"))
    monkeypatch.chdir(tmp_path)
    stop_playing()
    words = [name if name == "vhost-net" else f"{name}.yaml" for name in names]
    code, out, err = call("diff", *words)
    assert (code, err) == (0, "")
    assert "Nothing differs" in out
    _, out, _ = call("diff", *words, "--json")
    assert json.loads(out)["differs"] is False


def test_captures_are_told_by_their_content(call, write, tmp_path: Path) -> None:
    """A capture in another folder is the same if its bytes are, and another if they are not."""
    capture = Path(__file__).parents[2] / "scenarios" / "captures" / "http_mix.pcap"
    text = LEFT.replace("kind: poisson, rate: 100kpps, size: 64B", "kind: pcap, file: FILE")
    same, cut = tmp_path / "same", tmp_path / "cut"
    for folder in (same, cut):
        folder.mkdir()
    shutil.copy(capture, same)
    whole = capture.read_bytes()
    (cut / capture.name).write_bytes(whole[: 24 + 16 + int.from_bytes(whole[32:36], "little")])
    folders = (capture.parent, same, cut)
    files = [write(f.name, text.replace("FILE", str(f / capture.name))) for f in folders]
    _, out, _ = call("diff", files[0], files[1])
    assert "Nothing differs" in out
    _, out, _ = call("diff", files[0], files[2], "--json")
    assert [row["key"] for row in json.loads(out)["settings"]] == ["traffic.file"]


def test_no_path_in_common_is_said(call, write, stop_playing) -> None:
    """Without a label on both sides nothing is played, and a note says how paths are matched."""
    stop_playing()
    other = LEFT.replace("[vhost-net, vhost-user-ovs]", "[{path: vhost-net, label: mine}]")
    code, out, _ = call("diff", write("a", LEFT), write("b", other))
    assert code == 0
    assert "paths on the right only: mine" in out
    assert "paths are matched by label" in out


def test_text_names_what_differs(call, write) -> None:
    """The text has the settings, the options, the figures, and the ops with their sum."""
    code, out, err = call("diff", write("a", LEFT), write("b", RIGHT))
    assert (code, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    rows = [line.split() for line in lines]
    assert ["traffic.size", "64B", "128B"] in rows
    assert ["vhost.spin", "0us", "50us"] in rows
    assert "paths on the left only: vhost-user-ovs" in lines
    assert "runs on the right only: vhost-net rx" in lines
    for name in ("p50 us", "cpu ns", "core ns", "exits"):
        assert any(line.startswith(name) for line in lines)
    start = next(i for i, line in enumerate(lines) if "by op" in line) + 3
    end = next(i for i, row in enumerate(rows) if row[:1] == ["all"])
    *each, total = (float(row[-1].replace(",", "")) for row in rows[start : end + 1])
    assert 1 < len(each) <= 11
    assert math.fsum(each) == pytest.approx(total, abs=0.05 * len(each) + 0.05)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vhost-nett", "vhost-net"], "Did you mean 'vhost-net'?"),
        (["vhost-net", "absent.yaml"], "there is no file, directory or path of that name"),
        (["vhost-net", "a.yaml"], "a path and a scenario file do not compare"),
        (["a.yaml", "vhost-net"], "a scenario file and a path do not compare"),
        (["a.yaml", "a.yaml", "--rate", "1Mpps"], "--rate: "),
        (["a.yaml", "a.yaml", "--set", "exit.light=1us"], "--set: "),
        (["a.yaml", "bad.yaml"], "bad.yaml:6:9  paths[0]: there is no path 'vhost'"),
        (["a.yaml", "."], "there is no summary.json here"),
        (["a.yaml", "/dev/zero"], "not a regular file"),
        (["vhost-net", "virtio-qemu", "--rate", "100"], "no unit"),
        (["vhost-net", "virtio-qemu", "--direction", "up"], "'up' is not a direction"),
        (["vhost-net", "virtio-qemu", "--set", "but.vhost.spin=1us"], "has no part 'vhost'"),
        (["vhost-net", "virtio-qemu", "--engine", "warp"], "there is no engine 'warp'"),
        (["vhost-net", "virtio-qemu", "--packets", "90000000"], "would have to hold"),
        (["vhost-net"], "Missing argument"),
    ],
)
def test_bad_input_is_one_message_and_code_2(
    call, write, monkeypatch, tmp_path: Path, words: list[str], said: str
) -> None:
    """Whatever is wrong with a side or an option ends in one message and code 2."""
    write("a", LEFT)
    write("bad", LEFT.replace("[vhost-net,", "[vhost,"))
    monkeypatch.chdir(tmp_path)
    code, out, err = call("diff", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "want" in err
    assert "Traceback" not in err


def _without_drops(where: Path) -> None:
    data = json.loads((where / "summary.json").read_text(encoding="utf-8"))
    del data["runs"][0]["drops"]
    (where / "summary.json").write_text(json.dumps(data), encoding="utf-8")


def _dearer_ledger(where: Path) -> None:
    frame = pd.read_parquet(where / "ledger.parquet")
    frame.busy_ps += 1000 * (frame.cause != "poll")
    frame.to_parquet(where / "ledger.parquet")


def _cut_ledger(where: Path) -> None:
    (where / "ledger.parquet").write_bytes((where / "ledger.parquet").read_bytes()[:100])


def _no_ledger(where: Path) -> None:
    (where / "ledger.parquet").unlink()


def _list_resolved(where: Path) -> None:
    (where / "resolved.yaml").write_text("- 1\n", encoding="utf-8")


def _open_resolved(where: Path) -> None:
    (where / "resolved.yaml").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_drops, "a damaged result: KeyError: 'drops'"),
        (_dearer_ledger, "a damaged result: ValueError: the ledger has"),
        (_cut_ledger, "a damaged result"),
        (_no_ledger, "cannot be read"),
        (_list_resolved, "its resolved.yaml holds no scenario"),
        (_open_resolved, "its resolved.yaml holds no scenario"),
    ],
)
def test_damaged_result_is_bad_input(call, write, result, tmp_path, damage, said: str) -> None:
    """A directory whose files do not hold what they should is named, with code 2."""
    whole = result(write("a", LEFT))
    where = shutil.copytree(whole, tmp_path / "damaged")
    damage(where)
    for words in ((whole, where), (where, whole)):
        code, out, err = call("diff", *words)
        assert (code, out) == (2, "")
        assert str(where) in err
        assert said in err


def test_result_of_a_path_that_is_gone(call, write, result, tmp_path: Path) -> None:
    """A result whose paths can no longer be made still compares in all that its files say."""
    whole = result(write("a", LEFT))
    where = shutil.copytree(whole, tmp_path / "old")
    text = (where / "resolved.yaml").read_text(encoding="utf-8")
    (where / "resolved.yaml").write_text(text.replace("vhost-net", "gone"), encoding="utf-8")
    code, out, _ = call("diff", whole, where)
    assert code == 0
    assert "Nothing differs, in any figure of 2 runs." in out
    assert "how the paths are made is not compared" in out
    assert "there is no path 'gone'" in out
