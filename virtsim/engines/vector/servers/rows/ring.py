"""A ring's free-running counters."""

(
    INDEX, CAPACITY, FREES_AT_DONE, PUBLISHED, TAKEN, DONE, MASK, ITEMS, FORWARD, REVERSE,
    BLOCKED, SOURCED,
) = range(12)  # fmt: skip
SIZE = 12
