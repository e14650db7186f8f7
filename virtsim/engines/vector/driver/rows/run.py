"""The clock, the packets, and the two rings' free-running counters."""

(
    N_PACKETS, AT, ARRIVED, LEFT, SATURATES, NEXT, KEY, ORDER, N_ARRIVED, FIRST_MARK, N_MARKS,
    FIRST_PS, LAST_PS, NOW, ROUND, PHASE, RANK, RIVAL, SENT, TAKEN, CAPACITY, PUT, FETCHED, DONE,
    FREED, FLIES, FLY_KEY, FLY_ORDER, FLY_RANK, RUNNING,
) = range(30)  # fmt: skip
"""SENT and TAKEN count on the way to the driver; PUT, FETCHED, DONE and FREED on the ring. FLIES
tells whether an interrupt is on its way, which takes the uses of RUNNING."""
SIZE = 30

NEVER = 1 << 62
AHEAD = 1 << 40  # how far somebody goes on alone, so that progress is told
OVER, TIRED = range(2)  # the run is over, or it has played for long
