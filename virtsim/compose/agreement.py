"""What driver and device of each virtqueue agree on, carried over to the path before it is laid out.

A queue that asks for what one of the sides does not have falls back, as QEMU does: no event index
is flags, no packed ring is a split one.
"""

from __future__ import annotations

from dataclasses import replace

from virtsim.costs.variants import VARIANTS
from virtsim.errors import InputError
from virtsim.model.features import Feature, Negotiated
from virtsim.model.negotiation import agreed, has_virtqueue, sides, virtqueue_of
from virtsim.model.path import Element, Part, Path
from virtsim.model.ring import Virtqueue
from virtsim.model.stage import Ops, Stage

PACKED = "packed"
"""The variant of an op that looks at a packed ring."""


def as_agreed(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Return a path whose virtqueues are what their two sides agree on, and what fell away.

    The ops of the two parts at a packed ring become their ``:packed`` variants, where there are
    any.

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
        notes += _notes(path.name, asked, got, deal)
        parts[part.name] = _mapped(parts[part.name], {asked: got})
        if got.ring == PACKED:
            for side in (s for s in sides(path, part) if s is not None):
                parts[side.name] = _packed(parts[side.name])
    return Path(path.name, *parts.values(), summary=path.summary), tuple(notes)


def _fallen_back(asked: Virtqueue, deal: Negotiated) -> Virtqueue:
    """Return a virtqueue with what was agreed on of what was asked for."""
    suppress = deal.suppress if asked.suppress == "event_idx" else asked.suppress
    try:
        return replace(asked, suppress=suppress, ring=deal.ring)
    except InputError as error:
        hint = f"RING_PACKED is {_why(deal, Feature.RING_PACKED)}, so the ring is split"
        raise InputError(error.where, error.got, error.want, hint) from None


def _notes(path: str, asked: Virtqueue, got: Virtqueue, deal: Negotiated) -> list[str]:
    fallen: list[str] = []
    if got.ring != asked.ring:
        why = _why(deal, Feature.RING_PACKED)
        fallen.append(f"{path}: a split ring, not a packed one (RING_PACKED: {why})")
    if got.suppress != asked.suppress:
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


def _packed(part: Part) -> Part:
    """Return a part whose ops look at a packed ring."""

    def other(elements: tuple[Element, ...]) -> tuple[Element, ...]:
        return tuple(_packed_stage(e) if isinstance(e, Stage) else e for e in elements)

    return replace(
        part, tx=other(part.tx), rx=other(part.rx), through=other(part.through),
        turn=other(part.turn),
    )  # fmt: skip


def _packed_stage(stage: Stage) -> Stage:
    return replace(stage, ops=_variants(stage.ops), batch_ops=_variants(stage.batch_ops))


def _variants(ops: Ops) -> Ops:
    return tuple(f"{op}:{PACKED}" if f"{op}:{PACKED}" in VARIANTS else op for op in ops)
