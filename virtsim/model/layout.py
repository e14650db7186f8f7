"""Cache lines that two cores hand each other over a virtqueue, by the layout of its rings.

A hand-over is a line that one side wrote last and the other side reads. What each of them moves
per lap, in lines of 64 bytes [virtio 1.3, "Split Virtqueues", "Packed Virtqueues"]:

=====================  ==================  ========  ===============  ==========================
line                   written by          split     packed           once per
=====================  ==================  ========  ===============  ==========================
available index        driver              1         (in the flags)   batch
used index             device              1         (in the flags)   batch
descriptor, 16 B       driver              1/4       1/4              packet
available entry, 2 B   driver              1/32      none             packet
used entry, 8 B        device              1/8       none             packet; in order: batch, 1
used descriptor, 16 B  device              none      1/4              packet; in order: batch, 1
=====================  ==================  ========  ===============  ==========================

The fractions are those of a long burst; a packet that comes alone moves the whole line. The words
that ask for notifications are one line each way in both layouts, and move only when they change:
they are left out. A packed ring therefore saves the two index lines of a batch, which each side
must wait for before it knows that there is any work; in a long burst its used descriptors take
more lines than the split ring's entries do, but those can be fetched ahead.
"""

from __future__ import annotations

from fractions import Fraction

from virtsim.errors import InputError
from virtsim.model.features import Layout

LINE_B = 64
DESCRIPTOR_B, AVAIL_B, USED_B = 16, 2, 8
INDEXES = {"split": 2, "packed": 0}


def lines(layout: Layout, burst: int = 1, in_order: bool = False) -> tuple[Fraction, Fraction]:
    """Return the hand-overs per batch and per packet of packets in bursts, there and back.

    Parameters
    ----------
    burst
        Packets of a batch, which begins at the start of a line; 1 for isolated ones.
    in_order
        The device writes one used entry for the whole batch.

    Raises
    ------
    InputError
        For a layout that virtio does not have, or an empty burst.
    """
    if layout not in INDEXES:
        raise InputError("layout", f"{layout!r} is no layout of a ring", "'split' or 'packed'")
    if burst < 1:
        raise InputError("burst", f"bursts of {burst}", "at least 1 packet")
    there = _lines(burst, DESCRIPTOR_B) + (_lines(burst, AVAIL_B) if layout == "split" else 0)
    back = _lines(burst, USED_B if layout == "split" else DESCRIPTOR_B)
    per_batch = INDEXES[layout] + (1 if in_order else 0)
    return Fraction(per_batch), Fraction(there + (0 if in_order else back), burst)


def index_lines_saved() -> int:
    """Return how many lines of a batch a packed ring spares each of the two sides."""
    saved = lines("split")[0] - lines("packed")[0]
    return int(saved) // 2


def _lines(entries: int, each_b: int) -> int:
    return -(-entries * each_b // LINE_B)
