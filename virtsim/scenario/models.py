"""What a scenario may say, as pydantic models; quantities stay text here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from virtsim.compose.chain import DIRECTIONS
from virtsim.compose.placement import MOST_NODES
from virtsim.errors import did_you_mean
from virtsim.parts import BY_NAME
from virtsim.scenario.quantities import (
    BitRate,
    Burst,
    Duty,
    Packets,
    Rate,
    Size,
    Speed,
    Strict,
    Time,
    Warmup,
    refuse,
)

GUESTS = ("linux", "pktgen", "dpdk")


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


class State(Strict):
    """A state of a modulated source: the mean rate in it, and how long it lasts on average."""

    rate: Rate
    stay: Time


def _states(value: Any) -> Any:
    if not isinstance(value, list):
        refuse(f"{value!r} is not a list", "a list of states", "{rate: 1Mpps, stay: 50us} is one")
    if len(value) < 2:
        n = "no state" if not value else "one state alone"
        refuse(n, "two states or more", "A source without states is kind: poisson")
    return value


class Mmpp(Strict):
    """A Poisson process whose rate goes round a cycle of states, each of exponential length."""

    kind: Literal["mmpp"]
    states: Annotated[
        list[State],
        BeforeValidator(_states),
        Field(json_schema_extra={"minItems": 2}),
    ]
    size: Size
    packets: Packets = 10_000


class Imix(Strict):
    """Evenly spaced frames of 64, 594 and 1518 bytes, 7 : 4 : 1 in every twelve."""

    kind: Literal["imix"]
    rate: Rate
    packets: Packets = 10_000


class Saturate(Strict):
    """A sender that always has a packet; in rx and pvp, a full link."""

    kind: Literal["saturate"]
    size: Size
    packets: Packets = 10_000


class Request(Strict):
    """A closed loop: a packet delivered releases the next, ``think`` later."""

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


_OPTIONS = WithJsonSchema({"type": "object"})
Options = Annotated[dict[str, Any], _OPTIONS]


class Source(Strict):
    """What a source of another package makes, with the options that it has."""

    kind: Literal["source"]
    source: str
    options: Options = Field(default_factory=dict)
    packets: Packets = 10_000


AnyTraffic = Annotated[
    Constant | Poisson | OnOff | Mmpp | Imix | Saturate | Request | Pcap | Source,
    Discriminator("kind"),
]


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

    driver: Literal["linux", "pktgen", "dpdk"] | None = None
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
        refuse("no direction", f"some of {', '.join(DIRECTIONS)}")
    for i, each in enumerate(every):
        key = f"[{i}]" if isinstance(value, list) else ""
        if each not in DIRECTIONS:
            want, hint = f"one of {', '.join(DIRECTIONS)}", did_you_mean(str(each), DIRECTIONS)
            refuse(f"{each!r} is not a direction", want, hint, key)
        if each in every[:i]:
            refuse(f"'{each}' is there twice", "each direction once", key=key)
    return every


_DIRECTION = {"enum": list(DIRECTIONS)}
Directions = Annotated[
    list[str],
    BeforeValidator(_directions),
    WithJsonSchema(
        {
            "anyOf": [
                _DIRECTION,
                {"type": "array", "items": _DIRECTION, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
Core = Annotated[int, Field(ge=0, le=4095)]
_CORE = {"type": "integer", "minimum": 0, "maximum": 4095}
_NODE = {"type": "integer", "minimum": 0, "maximum": MOST_NODES - 1}
_PLACEMENT = {
    "type": "object",
    "properties": {key: _NODE for key in ("nic_node", "memory_node")},
    "patternProperties": {"_node$": _NODE},
    "additionalProperties": _CORE,
    "examples": [{"vcpu0": 2, "pmd": 3, "pmd_node": 1}],
}


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
    placement: Annotated[dict[str, Core], WithJsonSchema(_PLACEMENT)] = Field(default_factory=dict)
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
