import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtsim.errors import InputError
from virtsim.traffic import read_capture, replay

PCAP_MAGIC = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D}
NS_PER_UNIT = {"us": 1000, "ns": 1}
orders = st.sampled_from("<>")
files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@dataclass(frozen=True)
class Packet:
    at_ns: int
    original_b: int
    data: bytes
    interface: int = 0


def _stamps(step_ns=1):
    return st.integers(0, 10**12).map(lambda n: 1_700_000_000 * 10**9 + n * step_ns)


packets = st.builds(Packet, _stamps(), st.integers(0, 65535), st.binary(max_size=80))


def _pcap(packets, order="<", unit="ns", linktype=1, snap_b=64):
    out = [struct.pack(order + "IHHiIII", PCAP_MAGIC[unit], 2, 4, 0, 0, snap_b, linktype)]
    for p in packets:
        second, rest = divmod(p.at_ns, 10**9)
        rest //= NS_PER_UNIT[unit]
        out.append(struct.pack(order + "IIII", second, rest, len(p.data), p.original_b) + p.data)
    return b"".join(out)


def _padded(data):
    return data + bytes(-len(data) % 4)


def _block(order, kind, body):
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def _option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + _padded(value)


def _section(order):
    return _block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def _interface(order, resolution=9, offset_s=0, linktype=1, snap_b=0):
    options = _option(order, 2, b"eth0") + _option(order, 9, bytes([resolution]))
    options += _option(order, 14, struct.pack(order + "q", offset_s)) + _option(order, 0, b"")
    return _block(order, 1, struct.pack(order + "HHI", linktype, 0, snap_b) + options)


def _enhanced(order, units, packet):
    sizes = (len(packet.data), packet.original_b)
    head = struct.pack(order + "5I", packet.interface, units >> 32, units & 0xFFFFFFFF, *sizes)
    return _block(order, 6, head + _padded(packet.data) + _option(order, 1, b"a comment"))


def _simple(order, packet):
    return _block(order, 3, struct.pack(order + "I", packet.original_b) + _padded(packet.data))


def _pcapng(packets, order="<"):
    """Return a section with one interface in ns, and blocks of other kinds in between."""
    statistics = _block(order, 5, bytes(12))
    out = [_section(order), _interface(order), statistics]
    out += [_enhanced(order, p.at_ns, p) + _block(order, 0xBAD, b"skip") for p in packets]
    return b"".join(out)


def _ethernet(payload, ethertype=0x0800, tags=()):
    shim = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
    return bytes(range(12)) + shim + struct.pack("!H", ethertype) + payload


def _ipv4(source=1, target=2, protocol=17, ports=(5, 6), options=0, offset=0):
    head = struct.pack("!BBHHHBBH", 0x45 + options, 0, 0, 0, offset, 64, protocol, 0)
    addresses = struct.pack("!II", source, target)
    return head + addresses + bytes(4 * options) + struct.pack("!HH", *ports)


def _ipv6(source=1, target=2, protocol=17, ports=(5, 6)):
    head = struct.pack("!IHBB", 0x60000000, 8, protocol, 64)
    addresses = source.to_bytes(16, "big") + target.to_bytes(16, "big")
    return head + addresses + struct.pack("!HH", *ports)


def _read(tmp_path, data):
    path = tmp_path / "some.cap"
    path.write_bytes(data)
    return read_capture(path)


def _flows(tmp_path, frames, linktype=1):
    listed = [Packet(i, len(frame), frame) for i, frame in enumerate(frames)]
    return _read(tmp_path, _pcap(listed, linktype=linktype)).flow.tolist()


def _expected(packets, step_ns=1):
    """Return (ps since the earliest, length with FCS) in the order of the stamps."""
    at = [p.at_ns // step_ns * step_ns for p in packets]
    rows = sorted(zip(at, (p.original_b + 4 for p in packets), strict=True), key=lambda row: row[0])
    return [((at_ns - rows[0][0]) * 1000, size_b) for at_ns, size_b in rows]


def _rows(capture):
    return list(zip(capture.at_ps.tolist(), capture.size_b.tolist(), strict=True))


@files
@given(st.lists(packets, min_size=1, max_size=20), orders, st.sampled_from(["us", "ns"]))
def test_pcap_round_trip(tmp_path, written, order, unit):
    """What was written to a pcap is read back, sorted by stamp, with the original lengths."""
    capture = _read(tmp_path, _pcap(written, order, unit))
    assert _rows(capture) == _expected(written, NS_PER_UNIT[unit])
    assert capture.linktype == 1


@files
@given(st.lists(packets, min_size=1, max_size=20), orders)
def test_pcapng_round_trip(tmp_path, written, order):
    """What was written to a pcapng is read back; blocks of other kinds are skipped."""
    assert _rows(_read(tmp_path, _pcapng(written, order))) == _expected(written)


@pytest.mark.parametrize("resolution", [0, 3, 6, 9, 12, 15, 0x80 | 10, 0x80 | 32, 0x80 | 40])
def test_pcapng_resolutions(tmp_path, resolution):
    """Stamps count units of 10**-n or 2**-n s, and if_tsoffset moves them by seconds."""
    hz = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    units = [5 * hz, 5 * hz + hz // 3, 7 * hz]
    packet = Packet(0, 60, b"")
    data = _section("<") + _interface("<", resolution) + _interface("<", resolution, offset_s=100)
    data += b"".join(_enhanced("<", unit, packet) for unit in units)
    data += _enhanced("<", units[-1], Packet(0, 60, b"", interface=1))
    want = [(unit - units[0]) * 10**12 // hz for unit in units]
    assert _read(tmp_path, data).at_ps.tolist() == [*want, want[-1] + 100 * 10**12]


def test_pcapng_sections_of_both_orders(tmp_path):
    """Each section has its own byte order and its own interfaces, stamps compare across them."""
    data = _section("<") + _interface("<", 9) + _enhanced("<", 2 * 10**9, Packet(0, 60, b""))
    data += _section(">") + _interface(">", 6, linktype=101)
    data += _enhanced(">", 3 * 10**6, Packet(0, 70, b"")) + _section("<")
    assert _rows(_read(tmp_path, data)) == [(0, 64), (10**12, 74)]


def test_pcapng_simple_packets(tmp_path):
    """A simple packet has no stamp: it takes that of the packet before it, and is counted."""
    data = _section("<") + _interface("<", snap_b=2) + _simple("<", Packet(0, 99, b"ab"))
    for at in (5, 8):
        data += _enhanced("<", at, Packet(0, 60, b"")) + _simple("<", Packet(0, 77, b"ab"))
    capture = _read(tmp_path, data)
    assert _rows(capture) == [(0, 103), (0, 64), (0, 81), (3000, 64), (3000, 81)]
    assert capture.n_unstamped == 3


def test_out_of_order_stamps_are_sorted_and_counted(tmp_path):
    """Packets go in the order of their stamps, equal ones in that of the file."""
    written = [Packet(at, size, b"") for at, size in ((5, 1), (3, 2), (4, 3), (5, 4), (6, 5))]
    capture = _read(tmp_path, _pcap(written))
    assert _rows(capture) == [(0, 6), (1000, 7), (2000, 5), (2000, 8), (3000, 9)]
    assert capture.n_reordered == 2


def test_columns_are_read_only(tmp_path):
    """A capture cannot be changed."""
    with pytest.raises(ValueError, match="read-only"):
        _read(tmp_path, _pcap([Packet(0, 60, b"")])).size_b[0] = 1


def test_flows_are_numbered_by_first_appearance(tmp_path):
    """Packets of the same addresses, protocol and ports share a number, counted from 0."""
    a, b, c = _ethernet(_ipv4()), _ethernet(_ipv6(), 0x86DD), _ethernet(bytes(40), 0x0806)
    assert _flows(tmp_path, [a, b, a, c, b, c]) == [0, 1, 0, 2, 1, 2]


@pytest.mark.parametrize("make", [_ipv4, _ipv6])
@pytest.mark.parametrize(
    "other", [{"source": 9}, {"target": 9}, {"protocol": 6}, {"ports": (5, 7)}, {"ports": (6, 5)}]
)
def test_flows_tell_apart(tmp_path, make, other):
    """Another address, protocol or port makes another flow, in raw IP as in Ethernet."""
    kind = 0x0800 if make is _ipv4 else 0x86DD
    assert _flows(tmp_path, [_ethernet(make(), kind), _ethernet(make(**other), kind)]) == [0, 1]
    assert _flows(tmp_path, [make(), make(**other)], linktype=101) == [0, 1]


@pytest.mark.parametrize(
    "same",
    [
        _ethernet(_ipv4(), tags=[7]),
        _ethernet(_ipv4(), tags=[7, 8]),
        _ethernet(_ipv4(options=3)),
        _ethernet(_ipv4()) + b"payload",
    ],
)
def test_flows_see_through_tags_and_options(tmp_path, same):
    """VLAN tags, IP options and payload do not make another flow."""
    assert _flows(tmp_path, [_ethernet(_ipv4()), same]) == [0, 0]


def test_flows_without_ports(tmp_path):
    """Later fragments and protocols without ports go by addresses and protocol."""
    fragments = [_ethernet(_ipv4(offset=185, ports=(i, i))) for i in (1, 2)]
    echoes = [_ethernet(_ipv4(protocol=1, ports=(i, i))) for i in (1, 2)]
    assert _flows(tmp_path, fragments + echoes) == [0, 0, 1, 1]


def test_flows_beyond_the_snap_length(tmp_path):
    """What was not caught counts as zero, and never as bytes of the next packet."""
    short = _ethernet(_ipv4())[:34]
    assert _flows(tmp_path, [short, _ethernet(_ipv4()), short, b"", short[:9]]) == [0, 1, 0, 2, 3]


def test_flows_of_unknown_links_are_one(tmp_path):
    """Nothing is known about packets of other link types."""
    assert _flows(tmp_path, [b"abc", _ipv4(), b""], linktype=147) == [0, 0, 0]


@files
@given(st.lists(packets, min_size=1, max_size=4), st.sampled_from([_pcap, _pcapng]), st.data())
def test_a_cut_file_is_refused(tmp_path, written, writer, data):
    """A file cut anywhere gives an InputError, or whole packets if cut between two records."""
    whole = writer(written)
    cut = data.draw(st.integers(0, len(whole) - 1))
    firsts = [_expected(written[:n]) for n in range(1, len(written) + 1)]
    try:
        capture = _read(tmp_path, whole[:cut])
    except InputError:
        return
    assert _rows(capture) in firsts


@files
@given(st.lists(packets, min_size=1, max_size=4), st.sampled_from([_pcap, _pcapng]), st.data())
def test_a_damaged_file_never_gives_a_traceback(tmp_path, written, writer, data):
    """With any bytes changed a file is read somehow, or gives an InputError."""
    damaged = bytearray(writer(written))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        capture = _read(tmp_path, bytes(damaged))
    except InputError:
        return
    assert np.all(np.diff(capture.at_ps) >= 0)
    assert capture.at_ps[0] == 0


ONE = _pcap([Packet(0, 60, b"abcd")])
NG = _section("<") + _interface("<")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\xd4\xc3", "is cut short: the magic number at byte 0 needs 4 bytes, 2 are left"),
        (b"hello, world", "is not a capture: it begins with 68656c6c"),
        (b"\x1f\x8b\x08\x00", "is compressed (gzip)"),
        (b"\xfd7zXZ\x00", "is compressed (xz)"),
        (b"BZh91AY", "is compressed (bzip2)"),
        (b"\x28\xb5\x2f\xfd", "is compressed (zstd)"),
        (ONE[:20], "is cut short: the file header at byte 0 needs 24 bytes, 20 are left"),
        (ONE[:24], "has no packets"),
        (ONE[:30], "is cut short: packet 0 at byte 24 needs 16 bytes, 6 are left"),
        (ONE + ONE[24:-1], "is cut short: packet 1 at byte 44 needs 20 bytes, 19 are left"),
        (
            ONE + struct.pack("<IIII", 0, 0, 300_000, 60),
            "has a record of 300000 bytes at byte 44 (packet 1)",
        ),
        (_pcap([Packet(0, 60, b""), Packet(10**17, 60, b"")]), "has stamps 100000000 s apart"),
        (NG, "has no packets"),
        (NG[:20], "is cut short: a block at byte 0 needs 28 bytes, 20 are left"),
        (NG[:8] + b"none" + NG[12:], "has no byte-order magic at byte 8"),
        (NG[:-1], f"is cut short: a block at byte 28 needs {len(NG) - 28} bytes"),
        (NG[:-1] + b"\x01", "has a block at byte 28 of 52 bytes, or 16777268"),
        (_section("<") + _block("<", 1, b"no"), "has a block of 14 bytes at byte 28"),
        (_section("<") + _block("<", 1, b"four"), "has an interface block of 16 bytes at byte 28"),
        (NG + _block("<", 6, b""), "has a packet of"),
        (
            _section("<") + _enhanced("<", 0, Packet(0, 60, b"")),
            "has a packet of an undeclared interface at byte 28",
        ),
        (
            NG + _block("<", 6, struct.pack("<5I", 0, 0, 0, 99, 99)),
            "has a packet of 99 bytes at byte 80",
        ),
        (NG + _block("<", 2, bytes(20)), "has an obsolete packet block at byte 80"),
        (_section("<") + _interface("<", 0xFF), "counts 170141183460469231731687303715884105728"),
    ],
)
def test_messages(tmp_path, data, says):
    """A file that cannot be read is refused with the file, the fault and its byte."""
    with pytest.raises(InputError) as caught:
        _read(tmp_path, data)
    assert caught.value.got.startswith(f"{tmp_path / 'some.cap'} {says}")
    assert caught.value.where == "traffic.file"


def test_compressed_hint(tmp_path):
    """Who gives a compressed file is told to decompress it."""
    with pytest.raises(InputError) as caught:
        _read(tmp_path, b"\x1f\x8b\x08\x00")
    assert "ecompress" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_no_file(tmp_path, name):
    """A missing file and a directory are refused, at the place that named them."""
    with pytest.raises(InputError) as caught:
        read_capture(tmp_path / name, "traffic.file of demo.yaml")
    assert caught.value.where == "traffic.file of demo.yaml"


def test_capture_lengths_reach_the_stream(tmp_path):
    """A replayed capture offers the recorded rate times the speed."""
    capture = _read(tmp_path, _pcap([Packet(i * 1000, 60, b"") for i in range(11)]))
    stream = replay(capture, Fraction(3))
    assert stream.offered_pps == pytest.approx(3e6, rel=1e-6)
    assert stream.label == "pcap:some.cap"
