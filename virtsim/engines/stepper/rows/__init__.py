"""The arena: all state of a run is one array of int64 words, and a row is an offset into it.

Each module here names the words of one kind of row, so that ``a[t + thread.MODE]`` is the mode of
the thread whose row begins at ``t``. Row 0 is the world's, so 0 stands for no row.
"""

APART = True
"""No word belongs to rows of two kinds; the compiler relies on it (see ``compiling.ir.row_of``)."""
