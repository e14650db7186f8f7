"""The world's words, and how instants and clocks are numbered."""

from __future__ import annotations

(
    NONE, NOW, ROUND, PLACE, LAST, NEXT, EVENTS, LIMIT, ERROR, ERROR_AT, BORN,
    LEAVES, N_LEAVES, HEAP, HEAP_N, HEAP_MOST, HEAP_LEAF, SOURCE_LEAVES, SERIAL, HORIZON,
    NODES, FREE_NODE, N_FREE, LOW,
    N, WARMUP, N_ARRIVED, FINISHED, MARKS, MARK, LAST_MARK,
    THREADS, N_THREADS, STAGES, N_STAGES, SOURCES, N_SOURCES, CORES, N_CORES, HAS_LOOPS,
    RETURNED, RETURNED_B,
) = range(42)  # fmt: skip
SIZE = 42
# A place inside a round: the phase, then the rank plus one.
PHASE = 1 << 18
# A place inside an instant: the round, then the place in it.
TURN_BITS = 20
TURN = 1 << TURN_BITS
NEVER = 1 << 62
LONGEST = 1 << 60

DONE, STOP = range(2)

# What went wrong.
(
    FINE, TOO_MANY_ROUNDS, TOO_LONG, TOO_DEEP, TOO_FULL, FREE_VISIT, NOT_POLLED,
) = range(7)  # fmt: skip
# Why the kernel came back.
OVER, SLICE, GROW, FAILED = range(4)
