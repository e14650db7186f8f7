"""Traffic: what is sent, and when, whatever path it takes."""

from virtsim.traffic.capture import Capture, read_capture
from virtsim.traffic.sources import (
    PacketStream,
    constant,
    imix,
    mmpp,
    onoff,
    poisson,
    replay,
    request,
    saturate,
)

__all__ = [
    "Capture",
    "PacketStream",
    "constant",
    "imix",
    "mmpp",
    "onoff",
    "poisson",
    "read_capture",
    "replay",
    "request",
    "saturate",
]
