"""The chain of a path before it has rows: who takes from what, and hands on to what."""

from __future__ import annotations

from dataclasses import dataclass, field

from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import Ring, Virtqueue
from virtsim.model.stage import Stage
from virtsim.program import NONE


@dataclass
class Draft:
    """A stage on its way to a row: its element, and what its neighbours turn out to be."""

    stage: Stage
    part: str
    ring: int = NONE
    out: int = NONE
    inline: list[tuple[str, Stage]] = field(default_factory=list)
    taken: Ring | Virtqueue | None = None
    ahead: Ring | Virtqueue | None = None


def chain_of(path: Path, direction: str) -> list[tuple[Part, Element]]:
    """Return the elements of a path in the order in which a packet meets them."""
    if direction == "tx":
        return [(p, e) for p in path.parts for e in p.tx]
    return [(p, e) for p in reversed(path.parts) for e in p.rx]


def refill_at(draft: Draft) -> int:
    """Return how many buffers must be missing before a driver posts new ones.

    min(budget, ring) / 2, with its NAPI budget [drivers/net/virtio_net.c: virtnet_receive].
    """
    if draft.stage.done != "never" or not isinstance(draft.taken, Virtqueue):
        return 0
    return min(draft.stage.budget, draft.taken.size) // 2


def groups(inline: list[tuple[str, Stage]]) -> list[list[tuple[str, Stage]]]:
    """Join inline stages that take each packet all the way; batch-wise ones stand alone."""
    groups: list[list[tuple[str, Stage]]] = []
    for part, stage in inline:
        if groups and stage.by_packet and groups[-1][-1][1].by_packet:
            groups[-1].append((part, stage))
        else:
            groups.append([(part, stage)])
    return groups


def stage_numbers(drafts: list[Draft]) -> dict[int, int]:
    """Return the row number of each thread-bearing stage."""
    at: dict[int, int] = {}
    n = 0
    for i, draft in enumerate(drafts):
        at[i] = n
        n += 1 + len(groups(draft.inline))
        n += draft.stage.completion is not None and isinstance(draft.ahead, Virtqueue)
    return at
