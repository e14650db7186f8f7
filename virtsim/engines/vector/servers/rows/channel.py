"""One direction of notification."""

(
    MODE, IS_FORWARD, ARMED, EVENT, OLD, TRIGGERED, TARGET, SEND, SIGNAL, ENTRY, INTRUDE, RING,
    LANDED, INTRUDED,
) = range(14)  # fmt: skip
SIZE = 14

NEVER, ALWAYS, ONCE, FLAGS, EVENTS = range(5)
