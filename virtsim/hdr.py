"""Histograms as HdrHistogram writes them, so that its libraries, in any language, can read them.

The layout of the buckets is the same; this is its encoding, "V2 compressed", of which the Java
implementation is the definition [HdrHistogram/HdrHistogram: AbstractHistogram.java,
ZigZagEncoding.java].
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

from virtsim.histogram import Histogram, Ints

V2, V2_COMPRESSED = 0x1C849313, 0x1C849314
HEADER, OUTER = ">iiiiqqd", ">ii"
DIGITS, LOWEST, HIGHEST, RATIO = 3, 1, (1 << 62) - 1, 1.0


def encoded(histogram: Histogram) -> str:
    """Return a histogram in HdrHistogram's base64 text, values in the unit they were counted in."""
    counts = b"".join(_zigzag(word) for word in _words(histogram.buckets, histogram.counts))
    header = struct.pack(HEADER, V2, len(counts), 0, DIGITS, LOWEST, HIGHEST, RATIO)
    packed = zlib.compress(header + counts)
    return base64.b64encode(struct.pack(OUTER, V2_COMPRESSED, len(packed)) + packed).decode()


def _words(buckets: Ints, counts: Ints) -> Iterator[int]:
    """Yield the counts bucket by bucket; a negative number is a run of so many empty ones."""
    after = 0
    for bucket, count in zip(buckets.tolist(), counts.tolist(), strict=True):
        if bucket > after:
            yield after - bucket
        yield count
        after = bucket + 1


def _zigzag(value: int) -> bytes:
    """Return a signed number in the 1 to 9 bytes of a ZigZag LEB128-64b9B word."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest >> 7 and len(out) < 8:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest & 0xFF)
    return bytes(out)
