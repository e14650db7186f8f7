"""Packet captures: a walk over the headers of pcap and pcapng files.

Only record headers and the addresses of each packet are read. A Python loop finds where records
begin, since each tells where the next one is; everything else is done by columns.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Never

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from virtsim.chance import Ints
from virtsim.errors import InputError
from virtsim.traffic.flows import WIDEST, number_flows

FCS_B: Final = 4
"""Captures leave out the frame check sequence; lengths here have it."""

_LARGEST_RECORD_B: Final = 256 * 1024
_LONGEST_S: Final = 4_000_000  # 46 days stay within int64 picoseconds
_SECOND_PS: Final = 10**12
_PCAP: Final = {  # first four bytes: (byte order, ps per sub-second unit)
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**3),
    b"\xa1\xb2\x3c\x4d": (">", 10**3),
}
_PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_ORDER_MAGIC: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_RESOLUTION, _OFFSET = 9, 14  # options of an interface
_FINEST_HZ: Final = 2**62
_ROOM: Final = f"what its block has room for, and at most {_LARGEST_RECORD_B} bytes"


@dataclass(frozen=True, eq=False)
class Capture:
    """The packets of a capture, in the order of their time stamps.

    Parameters
    ----------
    at_ps
        int64[n], ascending: time since the earliest packet.
    size_b
        int64[n]: length on the wire, with 4 bytes of FCS, however short the snap length was.
    flow
        int64[n]: number of the packet's addresses, protocol and ports, by first appearance in
        the file; what lies beyond the snap length counts as zero.
    linktype
        Link type of the first packet (1: Ethernet).
    path
        The file.
    n_reordered
        How many packets were stamped earlier than a packet before them in the file.
    n_unstamped
        How many packets carry no stamp (pcapng simple packets); they take that of the one before.
    """

    at_ps: Ints
    size_b: Ints
    flow: Ints
    linktype: int
    path: Path
    n_reordered: int = 0
    n_unstamped: int = 0

    def __len__(self) -> int:
        return len(self.at_ps)


def read_capture(path: str | Path, where: str = "traffic.file") -> Capture:
    """Read a pcap or pcapng file.

    Parameters
    ----------
    path
        The file: pcap with micro- or nanosecond stamps or pcapng, of either byte order.
    where
        What an error names as the place: the option that gave the path.

    Returns
    -------
    Capture
        At least one packet.

    Raises
    ------
    InputError
        If the file is missing, compressed, no capture, cut short, damaged or without packets;
        the message says at which byte.
    """
    path = Path(path)
    file = _File(_load(path, where), path, where)
    magic = bytes(file.data[:4])
    if magic in _PCAP:
        columns = _read_pcap(file, *_PCAP[magic])
    elif magic == _SECTION.to_bytes(4, "big"):
        columns = _read_pcapng(file)
    else:
        _refuse_magic(file)
    if not len(columns.start):
        file.fail("has no packets", "at least one packet")
    return _capture(file, columns)


@dataclass(frozen=True)
class _File:
    """The bytes of a file, followed by zeros so that short packets can be read past their end."""

    data: bytes
    path: Path
    where: str

    @property
    def end(self) -> int:
        return len(self.data) - WIDEST

    def fail(self, got: str, want: str, hint: str | None = None) -> Never:
        raise InputError(self.where, f"{self.path} {got}", want, hint)

    def cut(self, at: int, what: str, needed: int) -> Never:
        """Report that `needed` bytes of `what` begin at byte `at`, and the file ends before."""
        got = f"is cut short: {what} at byte {at} needs {needed} bytes, {self.end - at} are left"
        self.fail(got, "a complete file", "Capture again, or let editcap copy the whole packets.")


class _Columns(NamedTuple):
    """One entry per packet; stamps are seconds of any epoch, and ps."""

    start: Ints
    caught_b: Ints
    original_b: Ints
    second: Ints
    rest_ps: Ints
    linktype: Ints
    stamped: NDArray[np.bool_]


class _Interface(NamedTuple):
    linktype: int
    snap_b: int
    units_hz: int
    offset_s: int


def _load(path: Path, where: str) -> bytes:
    if path.exists() and not path.is_file():
        # A device or a pipe may never end.
        raise InputError(where, f"{path} is not a file", "a pcap or pcapng file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(where, f"{path} does not exist", "a pcap or pcapng file") from None
    except (IsADirectoryError, NotADirectoryError):
        raise InputError(where, f"{path} is not a file", "a pcap or pcapng file") from None
    if not data:
        raise InputError(where, f"{path} is empty", "a pcap or pcapng file")
    return data + bytes(WIDEST)


def _refuse_magic(file: _File) -> Never:
    for magic, name in _PACKED.items():
        if file.data.startswith(magic):
            file.fail(f"is compressed ({name})", "a plain capture", "Decompress it first.")
    if file.end < 4:
        file.cut(0, "the magic number", 4)
    file.fail(f"is not a capture: it begins with {file.data[:4].hex()}", "a pcap or pcapng file")


def _capture(file: _File, columns: _Columns) -> Capture:
    second = columns.second - columns.second.min()
    if second.max() > _LONGEST_S:
        file.fail(f"has stamps {second.max()} s apart", f"at most {_LONGEST_S} s")
    at_ps = second * _SECOND_PS + columns.rest_ps
    at_ps -= at_ps.min()
    flow = number_flows(
        file.data, columns.start, columns.start + columns.caught_b, columns.linktype
    )
    size_b = columns.original_b + FCS_B
    n_reordered = int(np.count_nonzero(at_ps < np.maximum.accumulate(at_ps)))
    if n_reordered:
        order = np.argsort(at_ps, kind="stable")
        at_ps, size_b, flow = at_ps[order], size_b[order], flow[order]
    for column in (at_ps, size_b, flow):
        column.flags.writeable = False
    n_unstamped = int(np.count_nonzero(~columns.stamped))
    linktype = int(columns.linktype[0])
    return Capture(at_ps, size_b, flow, linktype, file.path, n_reordered, n_unstamped)


def _read_pcap(file: _File, order: str, unit_ps: int) -> _Columns:
    if file.end < 24:
        file.cut(0, "the file header", 24)
    (linktype,) = struct.unpack_from(order + "I", file.data, 20)
    at = np.array(_pcap_records(file, order), dtype=np.int64)
    second, rest, caught, original = _words(file, order, at, 4)
    return _Columns(
        start=at + 16,
        caught_b=caught,
        original_b=original,
        second=second,
        rest_ps=rest * unit_ps,
        linktype=np.full(len(at), linktype & 0xFFFF, dtype=np.int64),
        stamped=np.ones(len(at), dtype=np.bool_),
    )


def _pcap_records(file: _File, order: str) -> list[int]:
    """Return where each record begins."""
    starts: list[int] = []
    length_at = struct.Struct(order + "I").unpack_from
    data, at, last = file.data, 24, file.end - 16
    while at <= last:
        (length,) = length_at(data, at + 8)
        if length > _LARGEST_RECORD_B:
            got = f"has a record of {length} bytes at byte {at} (packet {len(starts)})"
            file.fail(got, f"at most {_LARGEST_RECORD_B} bytes")
        starts.append(at)
        at += 16 + length
    if at < file.end:
        file.cut(at, f"packet {len(starts)}", 16)
    if at > file.end:
        file.cut(starts[-1], f"packet {len(starts) - 1}", at - starts[-1])
    return starts


def _read_pcapng(file: _File) -> _Columns:
    parts: list[_Columns] = []
    at = 0
    while at < file.end:
        part, at = _read_section(file, at)
        parts.append(part)
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = _Columns(*joined)
    # Carry the last stamp forward to packets that have none.
    source = np.maximum.accumulate(np.where(columns.stamped, np.arange(len(columns.start)), -1))
    known = int(np.argmax(columns.stamped)) if columns.stamped.any() else 0
    source = np.where(source < 0, known, source)
    return columns._replace(second=columns.second[source], rest_ps=columns.rest_ps[source])


def _read_section(file: _File, at: int) -> tuple[_Columns, int]:
    """Read from one section header to the next; return the packets and where that one is."""
    order = _ORDER_MAGIC.get(file.data[at + 8 : at + 12])
    if order is None:
        if file.end < at + 28:
            file.cut(at, "a section header", 28)
        file.fail(f"has no byte-order magic at byte {at + 8}", "1a2b3c4d in either order")
    word, pair = struct.Struct(order + "I").unpack_from, struct.Struct(order + "II").unpack_from
    data, kind, first = file.data, 0, at
    blocks: dict[int, list[int]] = {_INTERFACE: [], _OLD_PACKET: [], _SIMPLE: [], _ENHANCED: []}
    while at < file.end:
        kind, length = pair(data, at)
        if kind == _SECTION and at != first:
            break
        end = at + length
        if length < 12 or length & 3 or end > file.end or word(data, end - 4)[0] != length:
            _refuse_block(file, order, at)
        if kind in blocks:
            blocks[kind].append(at)
        at = end
    if blocks[_OLD_PACKET]:
        got = f"has an obsolete packet block at byte {blocks[_OLD_PACKET][0]}"
        file.fail(got, "enhanced packet blocks", "Let editcap -F pcapng rewrite it.")
    interfaces = [_interface(file, order, each) for each in blocks[_INTERFACE]]
    return _packets(file, order, interfaces, blocks[_ENHANCED], blocks[_SIMPLE]), at


def _refuse_block(file: _File, order: str, at: int) -> Never:
    (length,) = struct.unpack_from(order + "I", file.data, at + 4)
    if file.end - at < 12:
        file.cut(at, "a block", 12)
    if length < 12 or length & 3:
        file.fail(f"has a block of {length} bytes at byte {at}", "12 or more, a multiple of 4")
    if at + length > file.end:
        file.cut(at, "a block", length)
    (again,) = struct.unpack_from(order + "I", file.data, at + length - 4)
    file.fail(f"has a block at byte {at} of {length} bytes, or {again}", "the same length twice")


def _interface(file: _File, order: str, at: int) -> _Interface:
    """Read an interface block and those of its options that say what a stamp means."""
    (length,) = struct.unpack_from(order + "I", file.data, at + 4)
    if length < 20:
        file.fail(f"has an interface block of {length} bytes at byte {at}", "20 or more")
    linktype, _, snap_b = struct.unpack_from(order + "HHI", file.data, at + 8)
    units_hz, offset_s = 10**6, 0
    option, end = at + 16, at + length - 4
    while option + 4 <= end:
        code, size = struct.unpack_from(order + "HH", file.data, option)
        value = file.data[option + 4 : option + 4 + size]
        if code == _RESOLUTION and size == 1:
            units_hz = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _OFFSET and size == 8:
            (offset_s,) = struct.unpack(order + "q", value)
        elif code == 0:
            break
        option += 4 + (size + 3) // 4 * 4
    if units_hz > _FINEST_HZ:
        file.fail(f"counts {units_hz} units per second (interface at byte {at})", "at most 2**62")
    return _Interface(linktype, snap_b, units_hz, offset_s)


def _packets(
    file: _File, order: str, interfaces: list[_Interface], enhanced: list[int], simple: list[int]
) -> _Columns:
    """Return the packets of one section in the order of its blocks."""
    blocks = np.array(enhanced + simple, dtype=np.int64)
    stamped = np.arange(len(blocks)) < len(enhanced)
    ranks = np.argsort(blocks)
    blocks, stamped = blocks[ranks], stamped[ranks]
    _, length, first, high, low, caught, original = _words(file, order, blocks, 7)
    number = np.where(stamped, first, 0)
    if len(blocks) and number.max() >= len(interfaces):
        bad = blocks[number >= len(interfaces)][0]
        file.fail(f"has a packet of an undeclared interface at byte {bad}", "an interface block")
    original = np.where(stamped, original, first)
    snaps = np.array([each.snap_b or _LARGEST_RECORD_B for each in interfaces], dtype=np.int64)
    caught = np.where(stamped, caught, np.minimum(first, snaps[number]))
    room = length - np.where(stamped, 32, 16)
    _check_caught(file, blocks, caught, np.minimum(room, _LARGEST_RECORD_B))
    second, rest_ps = _stamps(interfaces, number, high, low)
    linktypes = np.array([each.linktype for each in interfaces], dtype=np.int64)
    start = blocks + np.where(stamped, 28, 12)
    return _Columns(start, caught, original, second, rest_ps, linktypes[number], stamped)


def _check_caught(file: _File, blocks: Ints, caught: Ints, most: Ints) -> None:
    bad = np.flatnonzero(caught > most)
    if len(bad):
        at = bad[0]
        file.fail(f"has a packet of {caught[at]} bytes at byte {blocks[at]}", _ROOM)


def _stamps(interfaces: list[_Interface], number: Ints, high: Ints, low: Ints) -> tuple[Ints, Ints]:
    """Return seconds and ps of stamps that count units of their interfaces."""
    units = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    second, rest_ps = np.zeros_like(high), np.zeros_like(high)
    for i, each in enumerate(interfaces):
        here = number == i
        whole, rest = np.divmod(units[here], np.uint64(each.units_hz))
        second[here] = whole.astype(np.int64) + each.offset_s
        if _SECOND_PS % each.units_hz == 0:
            rest_ps[here] = rest.astype(np.int64) * (_SECOND_PS // each.units_hz)
        else:  # the product may not fit 64 bits
            rest_ps[here] = rest.astype(object) * _SECOND_PS // each.units_hz
    return second, rest_ps


def _words(file: _File, order: str, at: Ints, n: int) -> list[Ints]:
    """Return `n` columns: the 32-bit words that follow each place."""
    rows = sliding_window_view(np.frombuffer(file.data, dtype=np.uint8), 4 * n)[at]
    return list(rows.view(order + "u4").astype(np.int64).T)
