"""The head of the arena."""

(
    N_THREADS, THREADS, MASK, LOADED, N_PACKETS, AT, ARRIVED, DELIVERED, DROPPED, SATURATES,
    WINDOW_FROM, WINDOW_TO, HORIZON,
) = range(13)  # fmt: skip
SIZE = 13

NEVER = 1 << 62
UNBOUNDED = 1 << 60
ROUND_BITS = 5
ROUNDS = 1 << ROUND_BITS  # of one instant, that a stamp can tell apart
OVER, HUNGRY, TIRED = range(3)  # the run is over, packets are needed, or it has played for long
