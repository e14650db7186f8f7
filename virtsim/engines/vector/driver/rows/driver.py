"""The driver: its way of waiting, what is ready, the sender, the handler of its interrupt."""

from virtsim.engines.vector.driver.rows import thread

(
    IDLE, BLOCK, HIT, IN_EXIT, ROUSED_TO, SPINS, SPIN_PS, ADAPTS, START_PS, GROW, SHRINK, POLL_PS,
    BEGAN, HIT_PS, HITS, LEVEL, TOP, SEQUENCE, SINCE_SOFT, SOFT_PS, SOFT_N, DEMOTED,
    ENTRY, TURN, EMPTY, REARM, LEAD, LEAD_STEP, LEADS, LEAD_EXIT, ITEM, ITEM_STEP, ITEM_EXIT, BATCH,
    BUDGET, EACH, ROOM, STOPPED, STOPS, SERVED, HAND, KICK, AT_ENTRY, AT_TAKE, AT_PUBLISH, AT_STOP,
    AT_EMPTY, IRQ_ENTRY, IRQ_TURN, RESTART, IRQ_REARM, DEFERS, IRQ_LEVEL, LOOKS, AT_IRQ, AT_CLEANED,
    QUEUED,
) = range(thread.END, thread.END + 57)  # fmt: skip
SINCE = QUEUED + 4  # QUEUED is the level at which each item is ready, this is since when
SAVED = SINCE + 4  # the level below each level that runs
FRAMES = SAVED + 3  # what each level was about to pay: a list, a packet, and what comes then
FRAME = 3
END = FRAMES + 3 * FRAME

IRQ, CLEAN, ENTER, SEND = range(4)  # items that may be ready: entries and turns
BASE, NOBODY = -1, 3  # below and above all levels
A_LEAD, AN_ITEM = 1, 2  # uses that stand in a column, in place of a list
AGAIN, LATER, NEVER = range(3)  # whether the handler looks once more
# What it does next, once its key is the least.
(
    MAIN, RUN_OVER, ENTERED, TURNED, TAKE, FILL, LED, MADE, SENT, SIGNALLED, TOLD, FILLED, AFTER,
    LOOK, EMPTIED, REARMED, RECHECK, IRQ_ENTERED, IRQ_TURNED, RECLAIM, RESTARTED, IRQ_REARMED,
    IRQ_LOOK, WOKEN, LAST_PHASE, IDLED, SPUN, CAUGHT, BLOCKED, LAST_AGAIN, ROUSED_LATE,
) = range(31)  # fmt: skip
