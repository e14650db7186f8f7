"""The ledger inside a kernel: lists of uses that are paid together, and a row for each use.

After the head of a list come the offsets of its rows. A ``PLAIN`` list has constant prices, none of
them 0 (or all): how often it was paid says what its rows would. ``EXIT``: a guest stands still
meanwhile.
"""

from __future__ import annotations

N, TOTAL, PLAIN, TIMES, EXIT = range(5)
HEAD = 5

COUNT, COST, COLUMN, STEP, FIRST = range(5)
ROW = 5
