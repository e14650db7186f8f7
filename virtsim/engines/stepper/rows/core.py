"""A core's words. STOPS counts its interruptions, whose times and lengths are elsewhere."""

from __future__ import annotations

(
    HOLDER, QUEUE, QUEUED, SHARED, IDLE_SINCE, SLICE_SINCE, QUANTUM, SWITCH, STATES, N_STATES,
    STOPS_AT, STOPS_FOR, STOPS,
) = range(13)  # fmt: skip
SIZE = 13
