"""A stage of a poller, inline ones too."""

(
    RING, FED, TURN, POLL, BATCH_USES, COST, COST_STEP, BATCH, WAITS, RECLAIMS, INLINE,
    OUT, EACH, BEFORE, RETRIES, REFILL, REFILL_USES, OWED,
) = range(18)  # fmt: skip
SIZE = 18
