"""A kit for testing Programs, paths and engines; it needs hypothesis.

:func:`programs` draws random Programs, :func:`check_laws` holds an outcome against what must be
true of any, :func:`check_engine` one engine against another, and :func:`check_path` a path against
the counts it is documented to have. :class:`Rows` builds a Program row by row. ``fixtures`` has
the fixture ``engine`` for pytest: a test that uses it is played on every engine.
"""

from virtsim.testing.laws import check_engine, check_laws, check_same
from virtsim.testing.played import Played, check_path, isolated, play
from virtsim.testing.rows import (
    Case,
    Rows,
    closed_loop,
    one_stage,
    producer_consumer,
    shared_core,
    tandem,
)
from virtsim.testing.strategy import programs

__all__ = [
    "Case",
    "Played",
    "Rows",
    "check_engine",
    "check_laws",
    "check_path",
    "check_same",
    "closed_loop",
    "isolated",
    "one_stage",
    "play",
    "producer_consumer",
    "programs",
    "shared_core",
    "tandem",
]
