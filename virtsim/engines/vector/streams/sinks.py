"""Where packets go once they have ended."""

from __future__ import annotations

from collections.abc import Callable

from virtsim.outcome import Ints

Sink = Callable[[Ints, Ints, Ints, Ints], None]
"""Takes packets in order: when they arrived and were delivered (ps), the ring that dropped them or
-1, and their bytes."""
