"""Packet streams: the columns that every engine reads."""

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np

from virtsim.chance import Ints
from virtsim.errors import InputError

Kind = Literal["open", "saturate", "closed"]

SMALLEST_B: Final = 64
"""The shortest Ethernet frame, with its FCS."""

LARGEST_B: Final = 65549
"""The longest frame, with its FCS, that a path takes."""

WIRE_OVERHEAD_B: Final = 20
"""What a frame takes on the link besides: preamble, start delimiter and inter-frame gap."""

MOST_PACKETS: Final = 10**9
LONGEST_PS: Final = 1 << 56
"""The longest stream on average, 20 hours; leaves sums of gaps far from the end of int64."""

SECOND_PS: Final = 10**12
_BLOCK: Final = 1 << 16  # values per check, so that none needs memory of the size of a column


@dataclass(frozen=True, eq=False)
class PacketStream:
    """Packets in the order of their arrival.

    A column whose packets are all alike may have a stride of zero; all columns are read-only.

    Parameters
    ----------
    at_ps
        int64[n], ascending, not negative: when each packet arrives; all 0 unless open.
    size_b
        int64[n]: frame lengths with their FCS, 64 to 65549 bytes.
    flow
        int64[n]: a number for each packet's conversation, not negative.
    kind
        ``open``: packets come at `at_ps`; ``saturate``: the sender starts the next one when it
        can; ``closed``: the completion of packet i releases packet i + `outstanding`.
    outstanding
        Packets in flight at once; positive for a closed loop, else 0.
    think_ps
        Time from a completion to the release that follows; closed loops only.
    label
        How figures and messages name the stream.
    n_padded
        How many frames of the source were shorter than 64 bytes and count as 64.

    Raises
    ------
    InputError
        If columns differ in length, or a value is outside what is said here.
    """

    at_ps: Ints
    size_b: Ints
    flow: Ints
    kind: Kind = "open"
    outstanding: int = 0
    think_ps: int = 0
    label: str = ""
    n_padded: int = 0

    def __post_init__(self) -> None:
        for name in ("at_ps", "size_b", "flow"):
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        check_packets(len(self.at_ps))
        for name in ("size_b", "flow"):
            n = len(getattr(self, name))
            if n != len(self):
                raise error_of(name, f"{n} values stand beside {len(self)} of at_ps", "one each")
        if self.at_ps[0] < 0 or not _ascends(self.at_ps):
            raise error_of("at_ps", "arrivals go back in time", "an ascending column from 0 on")
        check_range("size_b", self.size_b, SMALLEST_B, LARGEST_B)
        check_range("flow", self.flow, 0, np.iinfo(np.int64).max)
        self._check_kind()

    def __len__(self) -> int:
        return len(self.at_ps)

    @property
    def offered_pps(self) -> float | None:
        """Packets per second from the first to the last arrival; None if nobody sets a pace."""
        span_ps = int(self.at_ps[-1]) - int(self.at_ps[0])
        return (len(self) - 1) * SECOND_PS / span_ps if self.kind == "open" and span_ps else None

    @property
    def constant_size_b(self) -> int | None:
        """The one frame length of all packets, or None."""
        first = int(self.size_b[0])
        alike = self.size_b.strides == (0,) or bool(np.all(self.size_b == first))
        return first if alike else None

    def head(self, n: int) -> "PacketStream":
        """Return the first `n` packets (all, if there are fewer)."""
        return replace(self, at_ps=self.at_ps[:n], size_b=self.size_b[:n], flow=self.flow[:n])

    def _check_kind(self) -> None:
        if self.kind not in get_args(Kind):
            raise error_of("kind", repr(self.kind), f"one of {', '.join(get_args(Kind))}")
        if (self.outstanding > 0) != (self.kind == "closed") or self.outstanding < 0:
            got = f"{self.outstanding} packets in flight of a stream that is {self.kind}"
            raise error_of("outstanding", got, "at least 1 for a closed loop, else 0")
        if self.think_ps < 0 or (self.think_ps and self.kind != "closed"):
            got = f"{self.think_ps} ps in a stream that is {self.kind}"
            raise error_of("think_ps", got, "0, or a positive time in a closed loop")
        if self.kind != "open" and self.at_ps[-1] != 0:
            raise error_of("at_ps", f"a stream that is {self.kind} has arrival times", "all 0")


def _column(name: str, values: Ints) -> Ints:
    """Return a read-only view of a one-dimensional int64 column."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype != np.int64:
        got = f"an array of {values.dtype} with {values.ndim} dimensions"
        raise error_of(name, got, "one column of int64")
    view = values.view()
    view.flags.writeable = False
    return view


def _ascends(values: Ints) -> bool:
    if values.strides == (0,):
        return True
    pairs = range(0, len(values) - 1, _BLOCK)
    return all(np.all(np.diff(values[at : at + _BLOCK + 1]) >= 0) for at in pairs)


def check_packets(packets: int) -> int:
    """Return a number of packets that is one."""
    if not 1 <= packets <= MOST_PACKETS:
        raise error_of("packets", f"{packets} packets", f"1 to {MOST_PACKETS}")
    return packets


def check_range(name: str, values: Ints, low: int, high: int) -> None:
    """Refuse a column whose values are not within two bounds."""
    if values.strides == (0,):
        values = values[:1]
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        bad = least if least < low else most
        at = int(np.argmax(values == bad))
        raise error_of(name, f"packet {at} has {bad}", f"{low} to {high}")


def error_of(field: str, got: str, want: str, hint: str | None = None) -> InputError:
    """Return an error about a field of the traffic."""
    return InputError(f"traffic.{field}", got, want, hint)
