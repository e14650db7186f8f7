"""What the benchmark's tests share: the compiled loops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from virtsim.bench import native


@pytest.fixture(scope="session")
def loops() -> Iterator[native.Loops]:
    """Return the compiled loops; without a C compiler the test is skipped."""
    with native.compiled() as made:
        if isinstance(made, str):
            pytest.skip(made)
        yield made
