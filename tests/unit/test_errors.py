"""Errors say where, got, want and hint, as fields and as text."""

from __future__ import annotations

import pickle

import pytest

from virtsim.errors import EngineRefusal, HostError, InputError, VirtsimError, did_you_mean


def test_text_has_the_agreed_form() -> None:
    """An error reads `where: got.`, then `want ...`, then the hint."""
    error = InputError(
        "scenarios/vhost.yaml:14:9  paths[1].but.vhost.tx.wait",
        "'pol' is not a way to wait",
        "one of always, sleep, poll, inline",
        did_you_mean("pol", ["always", "sleep", "poll", "inline"]),
    )
    assert str(error) == (
        "scenarios/vhost.yaml:14:9  paths[1].but.vhost.tx.wait: 'pol' is not a way to wait.\n"
        "  want one of always, sleep, poll, inline.  Did you mean 'poll'?"
    )


def test_no_hint_leaves_no_trace() -> None:
    """Without a hint the text ends after what was wanted."""
    assert str(InputError("a", "b", "c")) == "a: b.\n  want c."


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (EngineRefusal, 2), (HostError, 3)])
def test_exit_codes(kind: type[VirtsimError], code: int) -> None:
    """Bad input and a refusal end a command with 2, a failing environment with 3."""
    assert kind.exit_code == code
    assert kind("a", "b", "c").exit_code == code


def test_refusal_lists_its_reasons() -> None:
    """A refusing engine says each reason on a line of its own."""
    error = EngineRefusal("vector", "cannot", "feed-forward", None, ["shared core", "timer"])
    assert error.reasons == ("shared core", "timer")
    assert str(error).splitlines()[-2:] == ["  - shared core", "  - timer"]


@pytest.mark.parametrize(
    "error",
    [
        InputError("a", "b", "c", "d"),
        HostError("a", "b", "c"),
        EngineRefusal("a", "b", "c", None, ("r",)),
    ],
)
def test_errors_survive_a_worker_process(error: VirtsimError) -> None:
    """An error pickled and read back is the same error."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_did_you_mean_ignores_case_and_silence_is_none() -> None:
    """The nearest choice is found in any case; a word near nothing gives no hint."""
    assert did_you_mean("mPPS", ["Mpps", "Gbps"]) == "Did you mean 'Mpps'?"
    assert did_you_mean("zebra", ["Mpps", "Gbps"]) is None
