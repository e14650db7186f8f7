"""The worker: what is ready, and its one stage with what it does inline."""

from virtsim.engines.vector.driver.rows import driver

(
    READY, TURN_READY, ENTRY_LAST, ENTRY, TURN, EMPTY, REARM, COST, COST_STEP, AFTER, AFTER_STEP,
    INLINES, SIZES, SIZES_STEP, BATCH, BUDGET, BUDGET_B, SERVED, SERVED_B, HAND, HAND_B, CALL,
    LOOP, TO_SERVE, DEFERS, STAYS_ARMED, IS_ARMED, ASKS_EARLY, HAS_ASKED, AT_ENTRY, AT_TAKE,
    AT_EMPTY, SPINS, SPIN_PS, POLL, LOOK_EVERY, LOOK_FROM,
) = range(driver.END, driver.END + 37)  # fmt: skip
END = driver.END + 37
"""TO_SERVE: what is left of an iteration of its loop. STAYS_ARMED: whether it serves what it finds
after it has asked to be told without taking that back, and IS_ARMED whether it is doing that.
ASKS_EARLY: whether it asks with a batch in hand, and HAS_ASKED whether it did, and found nothing.
SPINS: whether it spins for SPIN_PS before it asks, and looks each LOOK_EVERY from LOOK_FROM on; a
turn of that loop is the uses of POLL.
"""

# What it does next, once its key is the least.
(
    MAIN, ENTERED, TURNED, TAKE, FILL, ATE, FILLED, DONE, CALLED, SIGNALLED, TOLD, LOOK, EMPTIED,
    REARMED, RECHECK, WOKEN, LAST_PHASE, NEXT, LOOPED, ASKED, FOUND,
    SPUN,
) = range(22)  # fmt: skip
