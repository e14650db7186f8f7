"""Traffic as a description that can be sent to another process and played there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from virtsim.compose import Host
from virtsim.program import SourceRow
from virtsim.traffic import (
    WIRE_OVERHEAD_B,
    Capture,
    ChunkedStream,
    PacketStream,
    chunked,
    mmpp,
    of_source,
    read_capture,
    replay,
    request,
)
from virtsim.traffic.chunked import spaced, spaced_from
from virtsim.units import format_rate

Kind = Literal[
    "constant", "poisson", "onoff", "mmpp", "imix", "saturate", "request", "pcap", "source"
]

FROM_LINK = ("rx", "pvp")
"""Directions in which packets come in by the link; in the others a guest sends them."""


@dataclass(frozen=True)
class Traffic:
    """What is sent in one run; packets are made when they are asked for.

    From the link nothing arrives faster than it carries: ``saturate`` is a full link, and an
    arrival is put off until the frame's last bit can be in. ``rates`` and ``stays_ps`` are the
    states of a modulated source.
    """

    kind: Kind
    packets: int
    seed: int
    replication: int
    rate: Fraction = Fraction(0)
    size_b: int = 0
    file: str = ""
    speed: Fraction = Fraction(1)
    outstanding: int = 0
    think_ps: int = 0
    burst: Fraction = Fraction(32)
    duty: Fraction = Fraction(1, 10)
    rates: tuple[Fraction, ...] = ()
    stays_ps: tuple[int, ...] = ()
    source_name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def stream(self, direction: str, host: Host) -> PacketStream:
        """Return the packets, the same ones for every path.

        Raises
        ------
        InputError
            If a capture is not what it was, or the stream is too long.
        """
        made = self.chunked(direction, host)
        if made is not None:
            return made.whole()
        return self._held() if direction not in FROM_LINK else _spaced(self._held(), host.nic_bps)

    def chunked(self, direction: str, host: Host) -> ChunkedStream | None:
        """Return the same packets, made a chunk at a time; None if they have to be in memory."""
        if direction not in FROM_LINK:
            return self._made()
        if self.kind == "saturate":
            full = chunked.constant(
                _line_rate(self.size_b, host.nic_bps), self.size_b, self.packets
            )
            return replace(full, label="saturate")
        made = self._made()
        return None if made is None else spaced(made, host.nic_bps)

    def source(self, direction: str) -> SourceRow:
        """Return the row of this source in a Program."""
        if self.kind == "request":
            return SourceRow("source", 0, "closed", self.outstanding, self.think_ps)
        return SourceRow("source", 0, "saturate" if self._saturates(direction) else "open")

    def notes(self, direction: str, host: Host) -> tuple[str, ...]:
        """Return what a reader should know about how these packets were made."""
        return (*self._link_notes(direction, host), *self._capture_notes())

    def _saturates(self, direction: str) -> bool:
        return self.kind == "saturate" and direction not in FROM_LINK

    def _made(self) -> ChunkedStream | None:
        size_b, n, draws = self.size_b, self.packets, (self.seed, self.replication)
        if self.kind == "constant":
            return chunked.constant(self.rate, size_b, n)
        if self.kind == "poisson":
            return chunked.poisson(self.rate, size_b, n, *draws)
        if self.kind == "onoff":
            return chunked.onoff(self.rate, size_b, n, *draws, burst=self.burst, duty=self.duty)
        if self.kind == "imix":
            return chunked.imix(self.rate, n, *draws)
        return chunked.saturate(size_b, n) if self.kind == "saturate" else None

    def _held(self) -> PacketStream:
        draws = (self.seed, self.replication)
        if self.kind == "mmpp":
            return mmpp(self.rates, self.stays_ps, self.size_b, self.packets, *draws)
        if self.kind == "request":
            return request(self.outstanding, self.size_b, self.packets, self.think_ps)
        if self.kind == "source":
            return of_source(self.source_name, self.options, self.packets, *draws)
        return replay(capture(self.file), self.speed, self.packets)

    def _link_notes(self, direction: str, host: Host) -> tuple[str, ...]:
        if direction not in FROM_LINK:
            return ()
        if self.kind == "saturate":
            rate = _line_rate(self.size_b, host.nic_bps)
            full = f"'saturate' is a full link, {format_rate(rate)} of {self.size_b} B"
            return (f"{direction}: {full}",)
        if self.kind == "request":
            return (f"{direction}: the closed loop's packets are not spaced by the link",)
        if self.kind == "constant" and self.rate <= _line_rate(self.size_b, host.nic_bps):
            return ()
        apart = "arrivals are at least the time apart that a frame takes on the link"
        return (f"{direction}: {apart}",)

    def _capture_notes(self) -> tuple[str, ...]:
        if self.kind != "pcap":
            return ()
        found = capture(self.file)
        laps = -(-self.packets // len(found))
        facts = (
            (laps - 1, f"the capture is played {laps} times over"),
            (
                int((found.size_b < 64).sum()),
                "{n} frames of the capture are short and count as 64 B",
            ),
            (found.n_reordered, "{n} packets of the capture are put in the order of their stamps"),
            (found.n_unstamped, "{n} packets of the capture take the stamp of the one before"),
        )
        return tuple(text.format(n=n) for n, text in facts if n)


def capture(file: str, where: str = "traffic.file") -> Capture:
    """Read a capture, or return it if it was read a moment ago and is still the same file.

    Raises
    ------
    InputError
        If it is missing, cut short or no capture.
    """
    try:
        stat = Path(file).stat()
    except OSError:
        return read_capture(file, where)
    return _capture(file, where, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _capture(file: str, where: str, mtime_ns: int, size_b: int) -> Capture:
    return read_capture(file, where)


def _line_rate(size_b: int, nic_bps: int) -> Fraction:
    """Return the frames per second of a full link."""
    return Fraction(nic_bps, (size_b + WIRE_OVERHEAD_B) * 8)


def _spaced(stream: PacketStream, nic_bps: int) -> PacketStream:
    """Put arrivals off so that each is a frame's time on the link after the one before it."""
    if stream.kind != "open":
        return stream
    return replace(stream, at_ps=spaced_from(stream.at_ps, stream.size_b, nic_bps))
