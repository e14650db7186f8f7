"""A step of a packet's life, and how it handles its rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtsim.model.thread import Thread

Ops = tuple[str, ...]


@dataclass(frozen=True)
class Arm:
    """When a stage changes which notification it asks for, and to what.

    ``of`` is "work" (packets on the ring it takes from) or "room" (slots on the ring ahead);
    ``passed`` lets the completion stage run if the armed event lies behind already.
    """

    of: Literal["work", "room"]
    when: Literal["entry", "take", "publish", "stop", "empty", "clean"]
    value: Literal["next", "share", "off", "still"]
    ops: Ops = ()
    passed: bool = False


@dataclass(frozen=True)
class Stage:
    """A handler: takes packets from the ring before it and hands them to what comes next.

    A stage without a thread runs inline, on its caller's, and on its caller's batch; one on the
    thread ``CALLER`` takes from a ring of its own whenever its caller notifies it (level "hardirq":
    inside an exit, the guest stands still). Ops are paid per delivery (``entry``;
    ``room_entry`` if it tells of room on the ring ahead), per turn (``turn``), per batch
    (``batch_ops``), per packet (``lead`` before the stage looks at the ring ahead, ``ops`` after),
    per refill of receive buffers (``refill``, once ``refill_at`` are missing), at an empty ring
    (``empty_ops``) or per look that finds nothing (``poll``). The other fields are those of
    :class:`virtsim.program.StageRow`; ``completion`` takes back the slots of the ring ahead, and a
    stage that ``cleans`` does the work of its thread's completion in passing.
    """

    name: str
    thread: Thread | None = None
    level: Literal["hardirq", "softirq", "process"] = "process"
    ops: Ops = ()
    lead: Ops = ()
    entry: Ops = ()
    room_entry: Ops = ()
    turn: Ops = ()
    batch_ops: Ops = ()
    empty_ops: Ops = ()
    poll: Ops = ()
    rearm: Ops = ()
    refill: Ops = ()
    refill_at: int = 0
    gather: Literal["fill", "burst"] = "fill"
    batch: int = 1
    budget: int = 1 << 30
    budget_b: int = 1 << 60
    done: Literal["before", "after", "never"] = "after"
    publish: Literal["each", "batch"] = "each"
    decide: Literal["each", "batch"] = "each"
    full: Literal["drop", "block", "stop", "wait", "hold", "retry"] = "drop"
    room: int = 1
    retries: int = 0
    on_empty: Literal["rearm", "serve_armed", "leave"] = "rearm"
    recheck: Literal["continue", "requeue", "none"] = "continue"
    flush: Literal["before_rearm", "after_rearm"] = "before_rearm"
    defer: bool = False
    timer_ps: int = 0
    reclaims: bool = False
    cleans: bool = False
    arms: tuple[Arm, ...] = ()
    completion: Stage | None = None
    restart: Ops = ()

    @property
    def by_packet(self) -> bool:
        """Whether an inline stage takes each packet all the way before it takes the next."""
        return self.gather == "fill"
