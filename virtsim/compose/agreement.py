"""What the two sides of each virtqueue agree on, carried over to the path before it is laid out.

A queue that asks for what one of the sides does not have falls back, as QEMU does: no event index
is flags, no packed ring is a split one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from virtsim.costs.variants import VARIANTS
from virtsim.model.features import Feature, Negotiated
from virtsim.model.negotiation import agreed, has_virtqueue, sides, virtqueue_of
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import NEVER, Virtqueue
from virtsim.model.stage import Ops, Stage
from virtsim.model.thread import Poll

PACKED = "packed"
"""The variant of an op that looks at a packed ring."""

CHECKSUM = "csum.byte"
"""What a device in software pays if the driver leaves checksums to it, as agreed by CSUM."""


def as_agreed(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Return a path whose virtqueues are what their two sides agree on, and what fell away.

    The ops of the two parts at a packed ring become their ``:packed`` variants, where there are
    any; checksums that the driver does itself are no op of the device.

    Raises
    ------
    InputError
        If a packed ring has to fall back to a split one that no split ring of that size can be.
    """
    parts = {part.name: part for part in path.parts}
    notes: list[str] = []
    for part in path.parts:
        if not has_virtqueue(part):
            continue
        deal, asked = agreed(path, part.name), virtqueue_of(part)
        assert deal is not None
        got = _fallen_back(asked, deal)
        driver, _ = sides(path, part)
        notes += _notes(path.name, asked, got, deal, told=_tells(asked, driver))
        parts[part.name] = _mapped(parts[part.name], {asked: got})
        for side in (s for s in sides(path, part) if s is not None):
            if got.ring == PACKED:
                parts[side.name] = _with_ops(parts[side.name], _variants)
            if Feature.CSUM not in deal.agreed:
                parts[side.name] = _with_ops(parts[side.name], _without_checksums)
    return Path(path.name, *parts.values(), summary=path.summary), tuple(notes)


def _fallen_back(asked: Virtqueue, deal: Negotiated) -> Virtqueue:
    """Return a virtqueue with what was agreed on of what was asked for."""
    suppress = deal.suppress if asked.suppress == "event_idx" else asked.suppress
    return replace(asked, suppress=suppress, ring=deal.ring)


def _tells(queue: Virtqueue, driver: Part | None) -> bool:
    """Tell whether there is any notification: a kick, or a driver that does not poll."""
    threads = [e.thread for e in driver.rx if isinstance(e, Stage)] if driver else []
    polls = any(thread is not None and isinstance(thread.wait, Poll) for thread in threads)
    return queue.kick != NEVER or not polls


def _notes(
    path: str, asked: Virtqueue, got: Virtqueue, deal: Negotiated, *, told: bool
) -> list[str]:
    fallen: list[str] = []
    if got.ring != asked.ring:
        why = _why(deal, Feature.RING_PACKED)
        fallen.append(f"{path}: a split ring, not a packed one (RING_PACKED: {why})")
    if got.suppress != asked.suppress and told:
        why = _why(deal, Feature.EVENT_IDX)
        fallen.append(f"{path}: notifications are held back by flags (EVENT_IDX: {why})")
    return fallen


def _why(deal: Negotiated, feature: Feature) -> str:
    return next(each.why for each in deal.dropped if each.feature is feature)


# -- parts with other elements -------------------------------------------------------------------


def _mapped(part: Part, others: dict[Virtqueue, Virtqueue]) -> Part:
    """Return a part with virtqueues replaced."""

    def other(elements: tuple[Element, ...]) -> tuple[Element, ...]:
        return tuple(others.get(e, e) if isinstance(e, Virtqueue) else e for e in elements)

    return replace(part, tx=other(part.tx), rx=other(part.rx))


def _with_ops(part: Part, change: Callable[[Ops], Ops]) -> Part:
    """Return a part with the ops of its stages changed."""

    def one(stage: Stage) -> Stage:
        return replace(stage, ops=change(stage.ops), batch_ops=change(stage.batch_ops))

    def other(elements: tuple[Element, ...]) -> tuple[Element, ...]:
        return tuple(one(e) if isinstance(e, Stage) else e for e in elements)

    return replace(
        part, tx=other(part.tx), rx=other(part.rx), through=other(part.through),
        turn=other(part.turn),
    )  # fmt: skip


def _variants(ops: Ops) -> Ops:
    return tuple(f"{op}:{PACKED}" if f"{op}:{PACKED}" in VARIANTS else op for op in ops)


def _without_checksums(ops: Ops) -> Ops:
    return tuple(op for op in ops if op != CHECKSUM)
