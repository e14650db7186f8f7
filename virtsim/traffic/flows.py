"""Flow numbers: which packets of a capture belong together.

A flow is one direction of a conversation: addresses, protocol and ports, or what a frame says in
place of them. Equal keys get equal numbers, counted from 0 in the order of first appearance.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from virtsim.chance import Ints

Bytes = NDArray[np.uint8]

WIDEST: Final = 64
"""How many bytes may be read from any start; the data must have as many after its last packet."""

_ETHERNET, _RAW = 1, (12, 14, 101, 228, 229)
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_WITH_PORTS: Final = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite
_BLOCK: Final = 1 << 16
_KEY_B: Final = 38  # version, protocol, 2 addresses of 16 bytes, 2 ports


def number_flows(data: bytes, start: Ints, end: Ints, linktype: Ints) -> Ints:
    """Return the flow number of each packet.

    Parameters
    ----------
    data
        The file, with `WIDEST` bytes after the last packet.
    start, end
        int64[n]: where the caught bytes of each packet begin and end; what would lie beyond counts
        as zero.
    linktype
        int64[n]: 1 for Ethernet (VLAN tags are skipped), or one of raw IP; packets of other link
        types share one flow.

    Returns
    -------
    int64[n]
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    numbers: dict[bytes, int] = {}
    flow = np.empty(len(start), dtype=np.int64)
    for at in range(0, len(start), _BLOCK):
        block = slice(at, at + _BLOCK)
        keys = _keys(raw, start[block], end[block], linktype[block])
        # As fixed-width strings the keys lose only trailing zeros, which keeps them distinct.
        names = keys.view(f"S{_KEY_B}").ravel().tolist()
        flow[block] = [numbers.setdefault(name, len(numbers)) for name in names]
    return flow


def _keys(raw: Bytes, start: Ints, end: Ints, linktype: Ints) -> Bytes:
    keys = np.zeros((len(start), _KEY_B), dtype=np.uint8)
    network, ethertype = _network(raw, start, end, linktype)
    others = (linktype == _ETHERNET) & (ethertype != 0x0800) & (ethertype != 0x86DD)
    keys[others, 2:16] = _read(raw, start[others], end[others], 14)
    for version, wanted in ((4, 0x0800), (6, 0x86DD)):
        here = np.flatnonzero(ethertype == wanted)
        if len(here):
            keys[here] = _ip_keys(raw, network[here], end[here], version)
    return keys


def _network(raw: Bytes, start: Ints, end: Ints, linktype: Ints) -> tuple[Ints, Ints]:
    """Return where the network header begins, and its Ethernet type (0: unknown link type)."""
    ethernet = linktype == _ETHERNET
    network = np.where(ethernet, start + 14, start)
    version = _read(raw, start, end, 1)[:, 0] >> 4
    by_version = np.select([version == 4, version == 6], [0x0800, 0x86DD], 0)
    told = np.where(np.isin(linktype, _RAW), by_version, 0)
    ethertype = np.where(ethernet, _short(_read(raw, start + 12, end, 2)), told)
    for _ in range(2):
        tagged = np.isin(ethertype, _TAGS)
        if not tagged.any():
            break
        network[tagged] += 4
        ethertype[tagged] = _short(_read(raw, network[tagged] - 2, end[tagged], 2))
    return network, ethertype


def _ip_keys(raw: Bytes, network: Ints, end: Ints, version: int) -> Bytes:
    keys = np.zeros((len(network), _KEY_B), dtype=np.uint8)
    keys[:, 0] = version
    if version == 4:
        head = _read(raw, network, end, 20)
        keys[:, 1], keys[:, 2:6], keys[:, 18:22] = head[:, 9], head[:, 12:16], head[:, 16:20]
        transport = network + 4 * (head[:, 0] & 15).astype(np.int64)
        later_fragment = (_short(head[:, 6:8]) & 0x1FFF) != 0
    else:
        head = _read(raw, network, end, 40)
        keys[:, 1], keys[:, 2:34] = head[:, 6], head[:, 8:40]
        transport = network + 40
        later_fragment = np.zeros(len(network), dtype=np.bool_)
    ported = np.isin(keys[:, 1], _WITH_PORTS) & ~later_fragment
    keys[ported, 34:38] = _read(raw, transport[ported], end[ported], 4)
    return keys


def _read(raw: Bytes, start: Ints, end: Ints, width: int) -> Bytes:
    """Return uint8[n, width]: the bytes from each start, zero from each end on."""
    rows: Bytes = sliding_window_view(raw, width)[np.minimum(start, end)]
    short = np.flatnonzero(start + width > end)
    if len(short):
        beyond = start[short, None] + np.arange(width) >= end[short, None]
        rows[short] = np.where(beyond, 0, rows[short])
    return rows


def _short(pairs: Bytes) -> Ints:
    """Return the number that two bytes in network order say."""
    return pairs[:, 0].astype(np.int64) << 8 | pairs[:, 1]
