"""A cell of the ledger: one payer's use."""

from __future__ import annotations

(
    COUNT, PS, BYTES,
) = range(3)  # fmt: skip
SIZE = 3
