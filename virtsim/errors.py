"""What virtsim says when it cannot go on: where it stood, what it got, what it wanted, a hint.

Every error is one of three kinds, and its kind is the exit code of the command line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class VirtsimError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    where
        The place: a file with line and column, the dotted name of an option, an operation.
    got
        What was found there, as the main clause of a sentence.
    want
        What would have been accepted; follows the word "want".
    hint
        A complete sentence that may help, or None.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, where: str, got: str, want: str, hint: str | None = None) -> None:
        # All four go to Exception, so that an error survives the way back from a worker process.
        super().__init__(where, got, want, hint)
        self.where = where
        self.got = got
        self.want = want
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {_sentence(self.got)}\n  want {_sentence(self.want)}"
        return f"{text}  {_sentence(self.hint)}" if self.hint else text


class InputError(VirtsimError):
    """The user's input is wrong: a file, an option, an argument."""

    exit_code: ClassVar[int] = 2


class EngineRefusal(VirtsimError):  # noqa: N818 - the engine refuses, nothing failed
    """An engine was asked for something it cannot do exactly; `reasons` says what, one by one."""

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        where: str,
        got: str,
        want: str,
        hint: str | None = None,
        reasons: Iterable[str] = (),
    ) -> None:
        super().__init__(where, got, want, hint)
        self.reasons = tuple(reasons)
        self.args = (where, got, want, hint, self.reasons)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {reason}" for reason in self.reasons)])


class HostError(VirtsimError):
    """The environment failed: a full disk, a missing permission."""

    exit_code: ClassVar[int] = 3


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """Return the hint that names the choice nearest to `word`, whatever its case, or None."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"Did you mean '{by_lower[near[0]]}'?" if near else None


def _sentence(text: str) -> str:
    """End `text` with a full stop unless it already ends."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
