"""The form of a Program: what stands in its tables before a run and never changes.

Which rows there are and how they refer to one another, the modes of channels and stages, which uses
a list has and where they are booked: with these known, a kernel can be made for all Programs of one
form (see ``compiling.specialising``). Prices, packets and quantities (sizes of rings, budgets,
times) are no part of the form, except that a quantity may be absent: then it stays so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from types import FunctionType, ModuleType

from virtsim.engines.compiling.known import Known
from virtsim.engines.compiling.routines import Piece, Untranslatable
from virtsim.engines.compiling.specialising import Copies, Specialiser
from virtsim.engines.stepper.rows import (
    arm,
    channel,
    core,
    event,
    frame,
    leaf,
    ring,
    source,
    stage,
    thread,
    use,
    world,
)
from virtsim.engines.stepper.tables import MOST, Writer
from virtsim.outcome import Job
from virtsim.program import NONE, Program

FIXED: dict[ModuleType, str] = {
    world: "HEAP_LEAF SOURCE_LEAVES LEAVES N_LEAVES THREADS N_THREADS STAGES N_STAGES SOURCES"
    " N_SOURCES CORES N_CORES HAS_LOOPS",
    thread: "INDEX RANK CORE LEAF LEDGER WAIT HOST_CPU SOFTIRQ HAS_SOFTIRQS LOOP IDLE_LOOP"
    " SIGNAL WAKE IDLE BLOCK RESUME HIT SPINS_ARMED SPINS_LOOKING SPIN_TURN ADAPTIVE UNEVEN PACED"
    " NAP_USES LATE STAGES N_STAGES CYCLE QUEUES QUEUES_1 QUEUES_2 QUEUE_MASK ACC BOTTOM HIGHEST",
    stage: "INDEX THREAD POSITION LEDGER LEVEL RING ROLE OUT INLINE CLEANS RESTARTS ENTRY TURN"
    " BATCH_USES LEAD ITEM EMPTY_USES POLL REFILL_USES RESTART ON_ENTRY ON_TAKE ON_PUBLISH ON_STOP"
    " ON_EMPTY ON_CLEAN BURST GIVES EMITS EMITS_BATCH EMITTED LATE_SLOTS CHAINS DECIDES_EACH"
    " DECIDES_BATCH FULL WHEN_EMPTY RECHECK LATE_FLUSH DEFER TIMER_RANK RECLAIMS",
    ring: "INDEX RANK FREES VISIBLE_USES FORWARD REVERSE CONSUMER LOOKERS N_LOOKERS BLOCKED",
    channel: "RANK RING FORWARD MODE TARGET SEND RUNNING INTRUDE ENTRY VIA VIA_WHEN",
    core: "QUEUE SHARED SWITCH STATES N_STATES",
    source: "RANK LEAF RING KIND",
    leaf: "OWNER",
    use: "MASK CELL PER_BYTE EXIT LAST",
    arm: "CHANNEL SILENT VALUE USES PASSED LAST",
}
QUANTITIES: dict[ModuleType, str] = {
    thread: "PERIOD_PS",
    stage: "BATCH BUDGET_B ROOM SERVERS TIMER_PS REFILL",
    ring: "CAPACITY",
    channel: "GAP HOLD_PS HOLD_N",
    source: "OUTSTANDING THINK_PS",
    arm: "K",
}
ABSENT = (0, 1, MOST)
"""Values of a quantity that say that there is none: no time, one at a time, no bound."""

MAY_STOP = (stage.STOP, stage.WAIT, stage.HOLD)


class Form:
    """The form of a Program."""

    def __init__(self, program: Program, job: Job) -> None:
        writer = Writer(program, job)
        writer.write([NONE] * len(program.sources))
        self.words = writer.words
        self.fixed: dict[int, int] = {}
        self.rows: dict[ModuleType, list[int]] = {
            world: [0], thread: writer.threads, stage: writer.stages, ring: writer.rings,
            channel: writer.channels, core: writer.cores, source: writer.sources,
            leaf: writer.leaves, arm: [], use: [],
        }  # fmt: skip
        self._fix_lists(writer)
        for kind, names in FIXED.items():
            for row in self.rows[kind]:
                self.fix(*(row + getattr(kind, name) for name in names.split()))
        for kind, names in QUANTITIES.items():
            for row in self.rows[kind]:
                here = [row + getattr(kind, name) for name in names.split()]
                self.fix(*(at for at in here if self.words[at] in ABSENT))
        self._fix_what_stays()
        rows = sorted((kind.__name__, at) for kind, at in self.rows.items())
        said = repr((rows, sorted(self.fixed.items())))
        self.name = hashlib.sha256(said.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def pieces(self, entry: FunctionType) -> list[Piece]:
        """Return the kernel for this form.

        Raises
        ------
        Untranslatable
            If a routine might change what is fixed, or is called with rows that cannot be told.
        """
        return Specialiser(self.fixed, "a", self.choices).pieces(entry)

    def fix(self, *at: int) -> None:
        """Note that words never change."""
        self.fixed |= {i: self.words[i] for i in at}

    def _fix_lists(self, writer: Writer) -> None:
        """Find the rows of lists, and fix how many each has."""
        self.fix(writer.nothing)
        for kind, lists in ((use, writer.lists.values()), (arm, writer.arm_lists)):
            for at in lists:
                self.fix(at)
                self.rows[kind] += [at + 1 + i * kind.SIZE for i in range(self.words[at])]
        for t in writer.threads:
            at = self.words[t + thread.STAGES]
            self.fix(*range(at, at + self.words[t + thread.N_STAGES]))
        for r in writer.rings:
            at = self.words[r + ring.LOOKERS]
            self.fix(*range(at, at + self.words[r + ring.N_LOOKERS]))

    def _fix_what_stays(self) -> None:
        """Fix what only some modes ever change."""
        words = self.words
        blocked = set()
        for s in self.rows[stage]:
            if words[s + stage.FULL] != stage.HOLD:
                self.fix(s + stage.HELD)
            if words[s + stage.FULL] not in MAY_STOP:
                self.fix(s + stage.STOPPED)
            if words[s + stage.FULL] == stage.BLOCK:
                blocked.add(words[s + stage.OUT])
            if words[s + stage.LATE_FLUSH] == 0:
                self.fix(s + stage.REARMED)
        self.fix(*(r + ring.BLOCKED_N for r in self.rows[ring] if r not in blocked))
        self.fix(*(k + core.QUEUED for k in self.rows[core] if not words[k + core.SHARED]))
        for t in self.rows[thread]:
            if not words[t + thread.SOFTIRQ] and not words[t + thread.HAS_SOFTIRQS]:
                self.fix(t + thread.KSOFTIRQD)

    def stages_of(self, t: int) -> list[int]:
        """Return the stages of a thread."""
        return [s for s in self.rows[stage] if self.words[s + stage.THREAD] == t]

    def choices(self, called: FunctionType, known: Known, copies: Copies) -> Iterable[int]:
        """Return what a dispatched routine may be called with.

        Raises
        ------
        Untranslatable
            If that depends on something that is not known of a call.
        """
        try:
            return self._choices(called, known, {name: list(copies[name]) for name in copies})
        except KeyError as missing:
            said = f"{called.__name__}: it cannot be told beforehand what {missing} may be"
            raise Untranslatable(said) from None

    def _choices(
        self, called: FunctionType, known: Known, copies: dict[str, list[Known]]
    ) -> Iterable[int]:
        words, rows, routine = self.words, self.rows, called.__name__
        if (kind := getattr(called, "frame", None)) is not None:
            return [0, *(k["step"] for k in copies.get("stop", []) if k["routine"] == kind)]
        match routine:
            case "go_on":
                return rows[thread]
            case "close_loop":
                return rows[source]
            case "happen":
                return rows[leaf]
            case "resume":
                pushed = [k for k in copies.get("push", []) if k["t"] == known["t"]]
                return [frame.LIFE, *(k["row"] * frame.ROUTINES + k["routine"] for k in pushed)]
            case "act":
                return [k["row"] * event.KINDS + k["kind"] for k in copies.get("at", [])]
            case "visit":
                return range(words[known["t"] + thread.N_STAGES] + 1)
            case "pay_intrusion" | "pay_delivery":
                return [h for h in rows[channel] if words[h + channel.TARGET] == known["s"]]
            case "pass_on":
                return [h for h in rows[channel] if words[h + channel.VIA]]
        # Inline stages run on batches of others, and relays have entries only.
        none = (stage.RUNS_INLINE,) if routine == "enter" else (stage.RUNS_INLINE, stage.RELAYS)
        here = self.stages_of(known["t"])
        return [s for s in here if words[s + stage.ROLE] not in none]
