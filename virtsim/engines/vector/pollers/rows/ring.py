"""A ring, with a time stamp for each entry: when it is visible, when its slot is given back."""

(
    INDEX, CAPACITY, FREES, FEED, FEEDER, DEVICE, PRODUCER, CONSUMER, SAME_THREAD, AHEAD,
    CONSUMER_RANK, SHOWN_BY, DELAY, DELAY_STEP, LAST_PS, MASK, ITEMS, SHOWN, STAMPS,
    PUBLISHED, SEEN, TAKEN, STAMPED, KNOWN, BACK_PS, NEXT, MOST, LOOKER,
    FREED_LAST,
) = range(29)  # fmt: skip
SIZE = 29

TAKE, DONE, RECLAIM = range(3)  # when a slot is free again
NOBODY, SOURCE, STAGE, A_DEVICE = range(4)  # who fills it
