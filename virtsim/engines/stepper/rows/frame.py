"""A routine that waits, or whose callee does: where it stands, and its locals."""

from __future__ import annotations

(
    WHAT, STEP, PACKET, FIRST, LAST, LEFT, USES, NTH, BEHIND, A, B, C, D,
) = range(13)  # fmt: skip
SIZE = 13
# What goes on: a routine, and the row that it is about.
ROUTINES = 64
(
    LIFE, POLL, LOOP, ITERATE, REST, ACQUIRE, GIVE_WAY, PAY, ARMS, RUN_ONE, ENTRY, RELAY, TURN,
    BATCH, EMIT, BLOCKED, HOLD, SEND, CALL, FINISH, INLINE, RETRY, REFILL, EMPTY,
    QUIET, RECLAIM, CLEAN, ADMIT, MAY_TAKE, HELD, REARM_EARLY, SERVE_ARMED, RESTART,
    DECIDE,
) = range(34)  # fmt: skip
