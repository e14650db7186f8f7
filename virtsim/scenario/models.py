"""What a scenario may say. The only pydantic models of virtsim; quantities stay text here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from virtsim import units
from virtsim.errors import InputError, did_you_mean
from virtsim.parts import BY_NAME
from virtsim.traffic.sources import LARGEST_B, MOST_PACKETS, SMALLEST_B

GUESTS = ("linux", "pktgen")
NOT_YET = ("pvp", "v2v")


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


class Constant(Strict):
    """Packets at even spacing."""

    kind: Literal["constant"]
    rate: Rate
    size: Size
    packets: Packets = 10_000


class Poisson(Strict):
    """Packets whose gaps are exponential."""

    kind: Literal["poisson"]
    rate: Rate
    size: Size
    packets: Packets = 10_000


class OnOff(Strict):
    """Bursts with exponential silences between them; ``rate`` is the mean over both."""

    kind: Literal["onoff"]
    rate: Rate
    size: Size
    packets: Packets = 10_000
    burst: Burst = "32"
    duty: Duty = "10%"


class Imix(Strict):
    """Evenly spaced frames of 64, 594 and 1518 bytes, 7 : 4 : 1."""

    kind: Literal["imix"]
    rate: Rate
    packets: Packets = 10_000


class Saturate(Strict):
    """A sender that always has a packet; in rx, a full link."""

    kind: Literal["saturate"]
    size: Size
    packets: Packets = 10_000


class Request(Strict):
    """A closed loop: a packet delivered releases the next."""

    kind: Literal["request"]
    size: Size
    outstanding: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    think: Time = "0us"
    packets: Packets = 10_000


class Pcap(Strict):
    """The packets of a capture; ``file`` is relative to the scenario's own."""

    kind: Literal["pcap"]
    file: str
    speed: Speed = "1x"
    packets: Packets | None = None


AnyTraffic = Annotated[
    Constant | Poisson | OnOff | Imix | Saturate | Request | Pcap, Discriminator("kind")
]

_OPTIONS = WithJsonSchema({"type": "object"})
Options = Annotated[dict[str, Any], _OPTIONS]


class NamedPath(Strict):
    """A path by its name, under a label of its own, with options changed."""

    path: str
    label: str | None = None
    but: Options = Field(default_factory=dict)


def _part(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, dict) and len(value) == 1):
        return value
    refuse(f"{value!r} is not a part", "a name, or one name with its options", "tap: {queue: 500}")


_PART_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"enum": list(BY_NAME)},
            {
                "type": "object",
                "properties": {name: {"type": "object"} for name in BY_NAME},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
)
PartEntry = Annotated[Any, BeforeValidator(_part), _PART_SCHEMA]


class OwnPath(Strict):
    """A path made of parts, guest outwards."""

    name: str
    parts: Annotated[list[PartEntry], Field(min_length=1)]
    label: str | None = None
    but: Options = Field(default_factory=dict)


def _path_entry(entry: Any) -> Any:
    if not isinstance(entry, str | Mapping):
        refuse(f"{entry!r} is not a path", "a name, {path: name, ...} or {name: ..., parts: [...]}")
    return entry


def _path_kind(entry: Any) -> str:
    if isinstance(entry, str):
        return "by name"
    own = isinstance(entry, OwnPath) or (isinstance(entry, Mapping) and "parts" in entry)
    return "of parts" if own else "named"


PathEntry = Annotated[
    Annotated[str, Tag("by name")]
    | Annotated[NamedPath, Tag("named")]
    | Annotated[OwnPath, Tag("of parts")],
    Discriminator(_path_kind),
    BeforeValidator(_path_entry),
]


def _guest_schema(schema: dict[str, Any]) -> None:
    """Name every option of the guest parts, which the model takes as they come."""
    for guest in GUESTS:
        for option in BY_NAME[f"guest.{guest}"]().options:
            schema["properties"].setdefault(option, {})
    schema["additionalProperties"] = False


class Guest(Strict):
    """The guest of every path of the file, besides these any option of its part."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_guest_schema)

    driver: Literal["linux", "pktgen"] | None = None
    vcpus: int = 1
    queue: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_vcpu(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("vcpus", 1) != 1:
            refuse(f"a guest with {data['vcpus']} vCPUs", "1; more are not there yet", key="vcpus")
        return data


class Machine(Strict):
    """The host of every path of the file."""

    nic: BitRate = "25Gbps"
    forward: Literal["bridge", "none"] = "bridge"
    cstates: list[str] = Field(default_factory=lambda: ["C1", "C6"])
    apicv: bool | None = None


class Range(Strict):
    """Evenly spaced values, or evenly spaced in their logarithm."""

    start: Annotated[str | int, Field(alias="from")]
    to: str | int
    steps: Annotated[int, Field(ge=2, le=10_000)]
    scale: Literal["linear", "log"] = "linear"


Axis = Annotated[
    Annotated[list[Any], Field(min_length=1), Tag("values")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "values" if isinstance(value, list) else "range"),
]


def _directions(value: Any) -> Any:
    every = value if isinstance(value, list) else [value]
    if not every:
        refuse("no direction", "tx, rx, or both")
    for i, each in enumerate(every):
        key = f"[{i}]" if isinstance(value, list) else ""
        if each in NOT_YET:
            refuse(f"'{each}' is not there yet", "tx or rx", key=key)
        if each not in ("tx", "rx"):
            refuse(
                f"{each!r} is not a direction",
                "tx or rx",
                did_you_mean(str(each), ("tx", "rx")),
                key,
            )
        if each in every[:i]:
            refuse(f"'{each}' is there twice", "each direction once", key=key)
    return every


def _cores(value: Any) -> Any:
    for key in ("nic_node", "memory_node"):
        if isinstance(value, Mapping) and key in value:
            refuse(
                f"'{key}' is not modelled yet", "threads with the numbers of their cores", key=key
            )
    return value


Direction = Literal["tx", "rx"]
Directions = Annotated[
    list[Direction],
    BeforeValidator(_directions),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["tx", "rx"]},
                {
                    "type": "array",
                    "items": {"enum": ["tx", "rx"]},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
Core = Annotated[int, Field(ge=0, le=4095)]


class Model(Strict):
    """A scenario file."""

    virtsim: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    profile: str
    direction: Directions
    traffic: AnyTraffic
    paths: Annotated[list[PathEntry], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    replications: Annotated[int, Field(ge=1, le=1000)] = 1
    warmup: Warmup = "10%"
    guest: Guest = Field(default_factory=Guest)
    host: Machine = Field(default_factory=Machine)
    placement: Annotated[dict[str, Core], BeforeValidator(_cores)] = Field(default_factory=dict)
    costs: Options = Field(default_factory=dict)
    sweep: dict[str, Axis] = Field(default_factory=dict)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    schema = Model.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "virtsim scenario",
    }
