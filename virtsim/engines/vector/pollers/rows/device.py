"""A device: a FIFO server whose packets never wait for anything but each other."""

(
    FREE_AT, COST, COST_STEP, OUT, ENDED, FETCHED, ITEMS, ENDS, MASK, BUSY, WINDOW,
) = range(11)  # fmt: skip
SIZE = 11
