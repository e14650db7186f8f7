"""Commands as a user calls them: data on stdout, errors as one message and an exit code."""

import json
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from virtsim import report
from virtsim.errors import InputError
from virtsim.result import Result

KEYS = {
    *("path", "label", "direction", "profile", "engine", "seed", "replication", "point"),
    *("packets", "offered_pps", "delivered_pps", "goodput_bps", "drops", "latency_ns"),
    *("per_packet", "threads", "bottleneck", "regime", "bounds"),
}
PER_PACKET = {
    *("exits", "exits_user", "kicks", "calls", "interrupts", "context_switches", "syscalls"),
    *("copies", "copied_bytes", "cpu_ns", "core_ns"),
}


def test_run_json_has_every_key(call, scenario: Path, tmp_path: Path) -> None:
    """`run --json` prints one object whose runs carry every key of the contract."""
    code, out, _ = call("run", scenario, "--json", "--out", tmp_path / "results")
    data = json.loads(out)
    assert code == 0
    assert [r["label"] for r in data["runs"]] == ["vhost-net", "vhost-user-ovs"]
    for run in data["runs"]:
        assert set(run) >= KEYS
        assert set(run["per_packet"]) >= PER_PACKET
        assert set(run["latency_ns"]) == {"mean", "p50", "p90", "p99", "p999", "max"}
        assert set(run["bounds"]) == {"delivered_pps", "latency_ns.p50"}
        low, high = run["bounds"]["latency_ns.p50"]
        assert low <= run["latency_ns"]["p50"] <= high


def test_thread_shares_sum_to_one(call, scenario: Path, tmp_path: Path) -> None:
    """Busy, polling, runnable and asleep are shares of the window and sum to 1."""
    _, out, _ = call("run", scenario, "--json", "--out", tmp_path)
    for run in json.loads(out)["runs"]:
        for shares in run["threads"].values():
            total = sum(shares[s] for s in ("busy", "polling", "runnable", "asleep"))
            assert total == pytest.approx(1)


def test_run_writes_a_result_that_can_be_rebuilt(call, scenario: Path, tmp_path: Path) -> None:
    """A result directory holds all its files, and its resolved scenario gives the same numbers."""
    _, out, _ = call("run", scenario, "--json", "--out", tmp_path / "a", "--packets")
    first = json.loads(out)
    where = Path(first["results"])
    names = {"resolved.yaml", "summary.json", "provenance.json", "report.html"}
    names |= {f"{t}.parquet" for t in ("runs", "ledger", "latency", "packets")}
    assert {p.name for p in where.iterdir()} == names
    _, out, _ = call("run", where / "resolved.yaml", "--json", "--out", tmp_path / "b")
    again = json.loads(out)
    assert again["runs"] == first["runs"]
    assert again["fingerprint"] == first["fingerprint"]


def test_report_is_made_again_from_the_directory(call, scenario: Path, tmp_path: Path) -> None:
    """`report DIR` needs nothing but the directory."""
    _, out, _ = call("run", scenario, "--json", "--out", tmp_path)
    where = Path(json.loads(out)["results"])
    page = (where / "report.html").read_text(encoding="utf-8")
    (where / "report.html").unlink()
    code, _, _ = call("report", where)
    assert code == 0
    assert len((where / "report.html").read_text(encoding="utf-8")) == pytest.approx(
        len(page), rel=0.01
    )


def test_seed_option_replaces_the_files(call, scenario: Path, tmp_path: Path) -> None:
    """`--seed N` is the seed that the output names."""
    _, out, _ = call("run", scenario, "--seed", 7, "--json", "--out", tmp_path)
    assert {r["seed"] for r in json.loads(out)["runs"]} == {7}


def test_engine_that_is_not_there_is_bad_input(call, scenario: Path, tmp_path: Path) -> None:
    """An engine is run or refused, never silently another."""
    code, out, err = call("run", scenario, "--engine", "warp", "--out", tmp_path)
    assert (code, out) == (2, "")
    assert "there is no engine 'warp'" in err
    assert "reference" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "absent.yaml"], "there is no such file"),
        (["nonsense"], "No such command"),
        (["run"], "Missing argument"),
        (["compare", "vhost-net", "vhost-nett", "--rate", "1Mpps"], "Did you mean 'vhost-net'?"),
        (["compare", "vhost-net", "--rate", "1000"], "no unit"),
        (["compare", "vhost-net", "--rate", "1Mpps", "--size", "-64B"], "-64B"),
        (["compare", "vhost-net", "--rate", "1Mpps", "--set", "exit.lite=1us"], "exit.lite"),
        (["compare", "vhost-net", "--rate", "1Mpps", "--set", "exit.light"], "NAME=VALUE"),
        (["compare", "vhost-net", "--rate", "1Mpps", "--direction", "up"], "up"),
        (["walk", "vhost"], "there is no path 'vhost'"),
        (["walk", "vhost-net", "--set", "but.virtqueue.size=100"], "a power of two"),
        (["costs", "--profile", "pentium"], "pentium"),
        (["costs", "--source", "no such source"], "no price stands on"),
        (["report", "nowhere"], "there is no summary.json here"),
        (["explain", "absent.yaml"], "there is no such file"),
        (["explain", "/dev/zero"], "not a regular file"),
        (["compare", "vhost-net", "--rate", "1Mpps", "--packets", "1000000000"], "at most"),
        (["walk", "vhost-net", "--set", "but.virtqueue.kick=kvm.irqfd"], "not a kick"),
        (["walk", "vhost-net", "--set", "but.virtqueue.call=kvm.ioeventfd"], "not a call"),
    ],
)
def test_bad_input_is_one_message_and_code_2(call, words: list[str], said: str) -> None:
    """Whatever is wrong with the input ends in one message on stderr, code 2, no traceback."""
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert "want" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("damage", ["[1]", "{}", '{"runs": [{}]}', "nonsense"])
def test_damaged_result_is_bad_input(call, scenario: Path, tmp_path: Path, damage: str) -> None:
    """`report` on a directory whose files do not hold what they should says so, with code 2."""
    _, out, _ = call("run", scenario, "--json", "--out", tmp_path)
    where = Path(json.loads(out)["results"])
    (where / "summary.json").write_text(damage, encoding="utf-8")
    code, out, err = call("report", where)
    assert (code, out) == (2, "")
    assert "a damaged result" in err


def test_interrupt_ends_a_run_with_130(scenario: Path, tmp_path: Path) -> None:
    """Ctrl-C stops a run and its processes: one word on stderr, code 130."""
    long = scenario.read_text(encoding="utf-8").replace("packets: 200", "packets: 200000")
    scenario.write_text(long, encoding="utf-8")
    command = [sys.executable, "-c", "from virtsim.cli import main; main()", "run", str(scenario)]
    command += ["--engine", "reference"]
    running = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(timeout=4)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "stopped\n")


def test_a_place_that_cannot_be_written_is_code_3(call, scenario: Path, tmp_path: Path) -> None:
    """Failures of the environment are told apart from bad input."""
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    code, _, err = call("run", scenario, "--out", blocked)
    assert code == 3
    assert "cannot write results" in err
    assert call("schema", "--out", tmp_path)[0] == 3


def test_compare_saves_the_scenario_that_it_ran(call, tmp_path: Path) -> None:
    """`compare --save FILE` writes a scenario that `run` takes and that gives the same figures."""
    file = tmp_path / "saved.yaml"
    words = ("--rate", "100kpps", "--size", "128B", "--packets", 200, "--json")
    _, out, _ = call("compare", "vhost-net", "vhost-user-ovs", *words, "--save", file)
    _, again, _ = call("run", file, "--json", "--out", tmp_path)
    assert json.loads(again)["runs"] == json.loads(out)["runs"]


def test_compare_names_the_break_even(call) -> None:
    """`compare` of a polled with a sleeping path says whether and from where the core pays."""
    words = ("--rate", "1Mpps", "--packets", 600, "--set", "guest.driver=pktgen")
    code, out, _ = call("compare", "vhost-net", "vhost-user-ovs", *words)
    assert code == 0
    assert "the polled core of vhost-user-ovs" in out.lower()


def test_schema_writes_the_committed_file(call, tmp_path: Path) -> None:
    """`schema --out FILE` writes, to the byte, the schema that is committed with the package."""
    committed = resources.files("virtsim.scenario").joinpath("schema.json").read_bytes()
    code, out, err = call("schema", "--out", tmp_path / "schema.json")
    assert (code, out) == (0, "")
    assert str(tmp_path / "schema.json") in err
    assert (tmp_path / "schema.json").read_bytes() == committed
    _, out, _ = call("schema")
    assert out.encode() == committed


@pytest.mark.parametrize("command", [["paths"], ["costs", "--path", "vhost-net"], ["schema"]])
def test_lists_are_json_too(call, command: list[str]) -> None:
    """Every list can be had as JSON."""
    words = command if command == ["schema"] else [*command, "--json"]
    code, out, _ = call(*words)
    assert code == 0
    assert json.loads(out)


def test_costs_mark_assumed_prices(call) -> None:
    """An assumed price looks assumed, an override looks like one."""
    _, out, _ = call("costs", "--set", "exit.light=900ns")
    assert "** ASSUMED **" in out
    line = next(line for line in out.splitlines() if line.startswith("exit.light "))
    assert "** OVERRIDE **" in line


def test_closed_pipe_is_no_error() -> None:
    """A reader that stops early (head) ends the command without a message."""
    done = subprocess.run(
        f"{sys.executable} -c 'from virtsim.cli import main; main()' costs --json | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_the_table_comes_before_the_report(
    call, scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong with a report does so after the figures have been shown."""

    def broken(result: Result) -> str:
        raise InputError("report", "it is broken", "a report")

    monkeypatch.setattr(report, "render", broken)
    code, out, err = call("run", scenario, "--out", tmp_path)
    assert code == 2
    assert "it is broken" in err
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["vhost-net", "vhost-user-ovs"]


def test_who_reads_the_first_line_only_gets_the_files_too(scenario: Path, tmp_path: Path) -> None:
    """A pipe that is closed in the middle of the table does not end the command there."""
    code = "from virtsim.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(scenario), "--out", str(tmp_path / "out")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == ""
    running.wait(timeout=60)
    assert list((tmp_path / "out").glob("small/*/report.html"))


def test_import_is_quick_because_it_is_lazy() -> None:
    """`import virtsim` pulls in no heavy package, and even the command line starts without them."""
    heavy = ("simpy", "numba", "matplotlib", "pandas", "numpy", "pint", "pydantic", "jinja2")
    code = f"import sys, virtsim, virtsim.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
