"""The head of the arena."""

(
    N_SERVERS, SERVERS, N_PACKETS, AT, ARRIVED, DELIVERED, DROPPED, KEY, ORDER, NEXT, RING,
    SATURATES, N_ARRIVED, FIRST_MARK, N_MARKS, FIRST_PS, LAST_PS, NOW, ROUND, PHASE, RANK, RIVAL,
) = range(22)  # fmt: skip
SIZE = 22

NEVER = 1 << 62
UNBOUNDED = 1 << 60
AHEAD = 1 << 40  # how far a server goes on by itself, so that progress is told
OVER, TIRED = range(2)  # the run is over, or it has played for long
