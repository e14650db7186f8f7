"""Quantities of a scenario, as text that can be read, and mappings whose keys are all known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from virtsim import units
from virtsim.errors import InputError, did_you_mean
from virtsim.traffic.packets import LARGEST_B, MOST_PACKETS, SMALLEST_B


def refuse(got: str, want: str, hint: str | None = None, key: str = "") -> NoReturn:
    """Refuse a value, from inside a validator; ``key`` names what inside it is wrong."""
    raise PydanticCustomError(
        "virtsim", "{got}", {"got": got, "want": want, "hint": hint, "key": key}
    )


def _quantity(read: Callable[[object, str], object], value: object) -> str:
    try:
        read(value, "")
    except InputError as error:
        refuse(error.got, error.want, error.hint)
    return str(value)


def _frame(value: object) -> str:
    text = _quantity(units.size_b, value)
    if not SMALLEST_B <= units.size_b(text, "") <= LARGEST_B:
        refuse(f"a frame of {text}", f"{SMALLEST_B}B to {LARGEST_B}B", "A size includes the FCS")
    return text


def _warmup(value: object) -> str:
    text = _quantity(units.ratio, value)
    if units.ratio(text, "") >= 1:
        refuse(f"a share of {text}", "less than 100%")
    return text


def _duty(value: object) -> str:
    text = _quantity(units.ratio, value)
    if not 0 < units.ratio(text, "") <= 1:
        refuse(f"a share of {text}", "more than 0%, and at most 100%")
    return text


def _burst(value: object) -> str:
    text = _quantity(units.ratio, value)
    if units.ratio(text, "") < 1:
        refuse(f"bursts of {text} packets", "at least 1")
    return text


def _text_schema(*examples: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": list(examples)})


def _number_schema(*examples: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], "examples": list(examples)})


Rate = Annotated[
    str, BeforeValidator(partial(_quantity, units.packet_rate)), _text_schema("1Mpps", "14.88Mpps")
]
BitRate = Annotated[
    str, BeforeValidator(partial(_quantity, units.bitrate_bps)), _text_schema("25Gbps")
]
Time = Annotated[str, BeforeValidator(partial(_quantity, units.time_ps)), _text_schema("1.9us")]
Size = Annotated[str, BeforeValidator(_frame), _text_schema("64B", "1518B")]
Speed = Annotated[str, BeforeValidator(partial(_quantity, units.speed_factor)), _text_schema("4x")]
Warmup = Annotated[str, BeforeValidator(_warmup), _number_schema("10%", 0.1)]
Duty = Annotated[str, BeforeValidator(_duty), _number_schema("10%")]
Burst = Annotated[str, BeforeValidator(_burst), _number_schema(32)]
Packets = Annotated[int, Field(ge=1, le=MOST_PACKETS)]


class Strict(BaseModel):
    """A mapping whose keys are all known and whose numbers are not text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        if not isinstance(data, Mapping):
            refuse(f"{data!r} is not a mapping", f"keys out of {', '.join(fields)}")
        for key in data:
            if key not in fields and cls.model_config["extra"] == "forbid":
                want = f"one of {', '.join(fields)}"
                refuse(f"there is no key '{key}'", want, did_you_mean(str(key), fields), str(key))
        for key, field in fields.items():
            if field.is_required() and key not in data:
                needed = [name for name, each in fields.items() if each.is_required()]
                refuse(f"the key '{key}' is missing", f"all of {', '.join(needed)}")
        return data
