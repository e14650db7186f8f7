"""The table of uses: each op of each part for each cause has one number."""

from __future__ import annotations

from virtsim.errors import InputError
from virtsim.model.ops import op as find_op
from virtsim.program import Use, Uses

WIRE, STEP = "link.wire", "step"
"""Ops that no profile prices: serialization on the link, and the picosecond of a bare visit."""


class UseTable:
    """Numbers uses in the order in which they are first named."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._numbers: dict[Use, int] = {}

    @property
    def rows(self) -> tuple[Use, ...]:
        """All uses, each at its number."""
        return tuple(self._numbers)

    def __call__(self, ops: tuple[str, ...], cause: str, part: str, in_exit: bool = False) -> Uses:
        """Return the numbers of a part's ops for a cause, ``in_exit`` if the guest stands still.

        Raises
        ------
        InputError
            If an op is unknown, or a parameter, which nobody spends.
        """
        return tuple(self._number(self._use(op, cause, part, in_exit)) for op in ops)

    def _number(self, use: Use) -> int:
        return self._numbers.setdefault(use, len(self._numbers))

    def _use(self, name: str, cause: str, part: str, in_exit: bool) -> Use:
        if name in (WIRE, STEP):
            return Use(name, cause, True, part, exit=in_exit)
        where = f"{self._path}.{part}"
        op = find_op(name.partition(":")[0], where)
        if op.time == "parameter":
            raise InputError(where, f"'{name}' is a parameter, nobody spends it", "an op")
        on_vcpu = in_exit or op.payer in ("vcpu_host", "qemu_vcpu")
        per_byte = op.per == "byte" or name.endswith(":byte")
        return Use(name, cause, op.time == "busy", part, per_byte, on_vcpu)
