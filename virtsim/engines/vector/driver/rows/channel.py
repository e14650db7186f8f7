"""One direction of notification, and what an arm rule says of one."""

from virtsim.engines.vector.driver.rows import run

MODE, ARMED, EVENT, OLD, TRIGGERED, COUNTER, POSITION, OUT, BACK = range(9)
"""COUNTER is where the counter stands whose progress it announces, POSITION where it stands how far
who is told has come; OUT less BACK is what is outstanding."""
SIZE = 9
QUEUE, KICK, CALL = (run.SIZE + i * SIZE for i in range(3))
END = CALL + SIZE

NEVER, ALWAYS, ONCE, FLAGS, EVENTS = range(5)

N = 0  # rules in a list; behind it come as many rows of these
CHANNEL, VALUE, K, NUM, DEN, PASSES = range(6)
RULE = 6
TO_NEXT, TO_SHARE, OFF, STILL = range(4)
