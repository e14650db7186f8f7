"""What driver and worker have in common: a thread on a core of its own, and its place in time."""

from virtsim.engines.vector.driver.rows import channel

(
    RANK, KEY, ORDER, WHAT, MODE, STATE, SINCE, SLEEPS, WAKE, N_STATES, STATES, IDLE_SINCE, WAKEUPS,
    RESUME, SIGNAL, TOTAL,
) = range(16)  # fmt: skip
FIRST = TOTAL + 4  # what TOTAL was at the first mark, and at the last
LAST = FIRST + 4
SIZE = LAST + 4

DRIVER = channel.END
WORKER = DRIVER + SIZE
END = WORKER + SIZE

BUSY, POLLING, RUNNABLE, ASLEEP = range(4)
SLEEPING, CLAIMED, WAKING, CAUGHT, IDLING, RUNNING, SPINNING = range(7)
"""Its mode, as deliveries see it: up to CAUGHT it will look by itself."""
