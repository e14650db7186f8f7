"""Traffic: what is sent, and when, whatever path it takes."""

from collections.abc import Callable, Mapping
from typing import Any

from virtsim.errors import InputError, did_you_mean
from virtsim.plugins import callable_or, plugged
from virtsim.traffic.capture import Capture, read_capture
from virtsim.traffic.chunked import ChunkedStream
from virtsim.traffic.packets import WIRE_OVERHEAD_B, PacketStream
from virtsim.traffic.sources import (
    constant,
    imix,
    mmpp,
    onoff,
    poisson,
    replay,
    request,
    saturate,
)

_a_source = callable_or("a function that makes a PacketStream")


def all_sources() -> Mapping[str, Callable[..., PacketStream]]:
    """Return the sources of plugins (``virtsim.traffic``) by name.

    Each takes ``packets``, ``seed`` and ``replication`` and whatever options it has, and returns
    as many packets with the times of their arrival.
    """
    return plugged("virtsim.traffic", (), _a_source)


def of_source(
    name: str, options: Mapping[str, Any], packets: int, seed: int, replication: int
) -> PacketStream:
    """Return the packets of a plugin's source.

    Raises
    ------
    InputError
        If there is no such source, or it does not make that many packets of these options.
    """
    known = all_sources()
    if name not in known:
        want = f"one of {', '.join(known)}" if known else "the name of one that is installed"
        got, hint = f"there is no source '{name}'", did_you_mean(name, known)
        raise InputError("traffic.source", got, want, hint)
    try:
        stream = known[name](packets=packets, seed=seed, replication=replication, **options)
    except InputError:
        raise
    except Exception as error:  # a stranger's code may fail in any way
        got = f"source '{name}' failed, {type(error).__name__}: {error}"
        raise InputError("traffic.options", got, "options that it takes") from error
    right = isinstance(stream, PacketStream) and len(stream) == packets
    if not right or stream.kind != "open":
        got = f"source '{name}' made no stream of {packets} packets with their times"
        raise InputError("traffic.source", got, "an open PacketStream of as many as asked for")
    return stream


__all__ = [
    "WIRE_OVERHEAD_B",
    "Capture",
    "ChunkedStream",
    "PacketStream",
    "all_sources",
    "constant",
    "imix",
    "mmpp",
    "of_source",
    "onoff",
    "poisson",
    "read_capture",
    "replay",
    "request",
    "saturate",
]
