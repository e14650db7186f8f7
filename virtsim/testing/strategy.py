"""Random Programs for hypothesis: chains of stages that use every feature, half of them tie-heavy.

All of them end: their traffic is finite, every sleeping stage is told of work or looks again, and
no thread blocks on a ring that it would have to empty itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from hypothesis import strategies as st

from virtsim.program import NONE, ArmRow, Full, PaceRow, SpinRow, Uses
from virtsim.testing.rows import HARDIRQ, PROCESS, SOFTIRQ, Case, Rows

T = TypeVar("T")


@st.composite
def programs(draw: st.DrawFn, max_stages: int = 4, max_packets: int = 30) -> Case:
    """Draw a valid Program with prices and packets."""
    return _Writer(draw, max_stages, max_packets).case()


class _Writer:
    """Writes one Program, asking hypothesis at every turn."""

    def __init__(self, draw: st.DrawFn, max_stages: int, max_packets: int) -> None:
        self.draw = draw
        self.rows = Rows("random")
        self.ties = draw(st.booleans())
        self.n = draw(st.integers(1, max_packets))
        self.k = draw(st.integers(1, max_stages))

    # -- drawing -------------------------------------------------------------------------------

    def one_of(self, *values: T) -> T:
        """Draw one of some values; the first is the simplest."""
        return self.draw(st.sampled_from(values))

    def maybe(self, one_in: int = 4) -> bool:
        """Draw a rare yes."""
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def number(self, low: int, high: int) -> int:
        """Draw a time or a count: from a small grid if ties are wanted."""
        return self.draw(st.integers(low, min(high, low + 4) if self.ties else high))

    def use(self, cause: str, *, least: int = 0, busy: bool = True, high: int = 60) -> Uses:
        """Append a use with a drawn price, constant or (where packets matter) one for each."""
        price: int | Sequence[int] = self.number(least, high)
        if not self.ties and cause == "work" and self.maybe(2):
            price = self.draw(st.lists(st.integers(least, high), min_size=self.n, max_size=self.n))
        return self.rows.use(f"u{len(self.rows.uses)}.{cause}", price, cause, busy=busy)

    def some(self, cause: str, *, busy: bool = True) -> Uses:
        """Append a use, or none."""
        return self.use(cause, busy=busy) if self.maybe(3) else ()

    # -- threads -------------------------------------------------------------------------------

    def threads(self) -> list[int]:
        """Draw a thread for each stage: a new one, or one of those before."""
        mine: list[int] = []
        for i in range(self.k):
            if i and self.maybe(4):
                mine.append(self.draw(st.sampled_from(mine)))
            else:
                mine.append(self._thread())
        return mine

    def _thread(self) -> int:
        wait = self.one_of("sleep", "sleep", "sleep", "always", "poll")
        fields: dict[str, Any] = {"softirq": wait == "sleep" and self.maybe(8)}
        if wait == "poll":
            fields |= {"loop": self.use("loop", least=1), "idle_loop": self.use("poll", least=1)}
            fields["pace"] = self._pace() if self.maybe(3) else None
        elif wait == "sleep":
            fields |= {
                "signal": self.some("wake"),
                "wake": self.some("wake", busy=False),
                "loop": () if self.maybe(2) else self.some("loop"),
                "spin": self._spin(),
            }
            spin = fields["spin"]
            if (spin and spin.armed) or self.maybe(3):
                fields |= {
                    "idle": self.use("halt"), "block": self.some("halt"),
                    "resume": self.some("halt"), "hit": self.some("wake", busy=False),
                }  # fmt: skip
        shared = self.rows.cores and self.maybe(5)
        core = self.draw(st.integers(0, len(self.rows.cores) - 1)) if shared else self._core()
        return self.rows.thread(core, wait, **fields)

    def _pace(self) -> PaceRow:
        return PaceRow(
            step_ps=self.number(1, 30), max_ps=self.number(5, 99), few=self.one_of(1, 2, 3),
            relax=self.one_of(2, 0), period_ps=self.number(1, 99) if self.maybe(3) else 0,
            uses=self.some("poll"), late=self.some("wake", busy=False),
        )  # fmt: skip

    def _core(self) -> int:
        states: tuple[tuple[int, int], ...] = ()
        if self.maybe(4):
            reach = sorted(self.draw(st.lists(st.integers(0, 200), min_size=1, max_size=2)))
            states = tuple((r, self.use("wake", busy=False)[0]) for r in reach)
        core = self.rows.core(
            switch=self.some("switch"), quantum_ps=self.number(61, 160), idle_states=states
        )
        if self.maybe(6):
            gaps = self.draw(
                st.lists(st.tuples(st.integers(1, 99), st.integers(1, 20)), max_size=4)
            )
            at, end = [], 0
            for gap, length in gaps:
                at.append(end + gap)
                end += gap + length
            self.rows.interruptions.append((core, tuple(at), tuple(x for _, x in gaps)))
        return core

    def _spin(self) -> SpinRow | None:
        if not self.maybe(2):
            return None
        armed = self.maybe(2)
        turn = () if armed else self.use("poll", least=1)
        adaptive = armed and self.maybe(2)
        return SpinRow(self.number(4, 200), armed, turn, adaptive, self.number(1, 20))

    # -- the chain -----------------------------------------------------------------------------

    def case(self) -> Case:
        """Write the tables and draw the packets."""
        threads = self.threads()
        self.waits = [self.rows.threads[t].wait for t in threads]
        rings = [self.rows.ring(0 if self.maybe(2) else self.number(1, 8))]
        self.called = [
            i > 0 and threads[i] == threads[i - 1] and self.maybe(2) for i in range(self.k)
        ]
        self.levels: list[int] = []
        self.ahead = ahead = [self._ahead(i, threads) for i in range(self.k)]
        self.blocking = {t for t, full in zip(threads, ahead, strict=True) if full == "block"}
        rings += [self._ring(i, full) for i, full in enumerate(ahead[:-1])]
        stages = [self._stage(i, threads, rings, ahead) for i in range(self.k)]
        for i in range(self.k):
            self._work(i, stages[i], rings[i])
            if i + 1 < self.k:
                caller = stages[i - 1] if self.called[i] else NONE
                self._room(stages[i], threads[i], rings[i + 1], ahead[i], caller)
        return self._packets(rings[0])

    def _ahead(self, i: int, threads: list[int]) -> Full | None:
        """Draw what a stage does when the ring ahead of it is full."""
        if i + 1 == self.k:
            return None
        choices: list[Full] = ["drop", "retry"]
        thread = self.rows.threads[threads[i]]
        if self.called[i + 1]:
            return self.draw(st.sampled_from(choices))
        if thread.wait != "poll":
            choices += ["stop", "wait", "hold", "stop", "wait"]
            if self.called[i] and self.maybe(2):
                return "stop"  # with its caller's line for used slots, as a NIC's, or without
        elif not self.called[i]:
            choices += ["wait", "wait"]
        if threads[i] not in threads[i + 1 :] and not thread.softirq:
            choices += ["block", "block"]
        return self.draw(st.sampled_from(choices))

    def _ring(self, i: int, full: Full | None) -> int:
        visible = self.some("transit", busy=False) if self.maybe(3) else ()
        visible = () if self.called[i + 1] else visible
        if full == "stop":
            return self.rows.ring(self.number(3, 9), frees="reclaim", visible=visible)
        own = full == "drop" or (full == "wait" and self.waits[i] == "poll")
        if own and self.maybe(3):
            return self.rows.ring(self.number(2, 8), frees="reclaim", visible=visible)
        frees = self.one_of("take", "done")
        return self.rows.ring(self.number(2, 8), frees=frees, visible=visible)

    def _stage(self, i: int, threads: list[int], rings: list[int], ahead: list[Full | None]) -> int:
        """Write a stage, and the inline stage behind it if there is one."""
        full, out = ahead[i], rings[i + 1] if i + 1 < self.k else NONE
        polls = self.waits[i] == "poll"
        looks = polls and full == "wait"
        careful = full in ("stop", "wait", "hold")
        burst = looks or (not careful and self.maybe(2))
        inline = full == "retry" or (not careful and self.maybe(4))
        called = self.called[i]
        plain = not polls and not called
        deferred = plain and not self.rows.threads[threads[i]].loop and self.maybe(5)
        fields = self._batching(burst, careful)
        if called:
            fields |= {"role": "called", "on_empty": "leave", "flush": "before_rearm"}
            fields |= {"budget": 1 << 30, "budget_b": 1 << 60} if polls else {}
        hand: dict[str, Any] = {
            "publish": "each" if full in ("stop", "hold") else self.one_of("each", "batch"),
            "decide": self.one_of("each", "each", "batch"),
            "full": full or "drop",
        }
        if full == "stop":
            hand["room"] = self.number(1, self.rows.rings[out].capacity - 1)
            hand["reclaims"] = self.maybe(3)
        elif out != NONE and self.rows.rings[out].frees == "reclaim":
            hand["reclaims"] = True
        keeps = self.rows.rings[rings[i]]
        if i and keeps.frees == "done" and not burst and self.maybe(3):
            fields |= {"done": "never", "refill": self.draw(st.integers(0, keeps.capacity - 1))}
        stage = self.rows.stage(
            threads[i], rings[i], self.use("work", least=1),
            level=self._level(i, called, deferred), defer=deferred,
            entry=self.some("entry"), turn=self.some("turn"), poll=self._poll(polls),
            batch_uses=self.some("batch"), empty_uses=self.some("drain"),
            timer_ps=self.number(1, 60) if plain and not deferred and self.maybe(8) else 0,
            **fields, **({} if inline else {"out": out, **hand}),
        )  # fmt: skip
        if inline:
            self._inline(stage, threads[i], out, hand)
        return stage

    def _level(self, i: int, called: bool, deferred: bool) -> int:
        """Draw a level; a called stage's is its caller's or more urgent."""
        if called:
            self.levels.append(min(self.levels[-1], self.one_of(PROCESS, SOFTIRQ, HARDIRQ)))
        else:
            self.levels.append(SOFTIRQ if deferred or self.maybe(6) else PROCESS)
        return self.levels[-1]

    def _poll(self, polls: bool) -> Uses:
        return self.use("poll", least=1) if polls else ()

    def _batching(self, burst: bool, careful: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "gather": "burst" if burst else "fill",
            "batch": self.one_of(1, 2, 3, 5),
            "budget": self.one_of(1 << 30, 1 << 30, 1, 2, 4, 7),
            "budget_b": self.one_of(1 << 60, 1 << 60, 64, 200),
            "done": self.one_of("after", "before"),
            "recheck": self.one_of("continue", "requeue"),
        }
        if not burst and not careful:
            fields["flush"] = self.one_of("before_rearm", "before_rearm", "after_rearm")
        return fields

    def _inline(self, stage: int, thread: int, out: int, hand: dict[str, Any]) -> None:
        """Let an inline stage do what is left of a stage's work."""
        inline = self.rows.stage(
            thread, NONE, self.use("work", least=1), role="inline", out=out,
            batch_uses=self.some("batch"), retries=self.one_of(0, 1, 3), **hand,
        )  # fmt: skip
        self.rows.change(stage, inline=inline)

    # -- notifications -------------------------------------------------------------------------

    def _line(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "mode": self.one_of("event", "event", "flags", "always", "once", "latch"),
            "send": self.some("kick"),
            "running": self.some("deliver", busy=False),
            "gap_ps": self.number(1, 60) if self.maybe(6) else 0,
        }
        if not fields["running"]:
            fields["intrude"] = self.some("deliver")
        if self.maybe(6):
            fields |= {"hold_n": self.one_of(1, 2, 3), "hold_ps": self.number(1, 60)}
        if self.maybe(5):
            when = "late" if fields["gap_ps"] else self.one_of("always", "asleep")
            fields |= {"via": self._relay(), "via_when": when}
        return fields

    def _relay(self) -> int:
        """Write a stage that passes deliveries on, on a thread of its own or on one that sleeps.

        One that blocks might wait for what it should deliver.
        """
        sleeping = {t for t, row in enumerate(self.rows.threads) if row.wait == "sleep"}
        sleepers = sorted(sleeping - self.blocking)
        own = not sleepers or self.maybe(2)
        softirq = self.maybe(3)
        thread = self.rows.thread(softirq=softirq) if own else self.draw(st.sampled_from(sleepers))
        behind = self._relay() if self.maybe(4) else NONE
        return self.rows.stage(
            thread, NONE, role="relay", entry=self.some("entry"),
            level=self.one_of(PROCESS, SOFTIRQ), inline=behind,
        )  # fmt: skip

    def _work(self, i: int, stage: int, ring: int) -> None:
        """Tell a stage of its packets, unless it polls."""
        if self.called[i]:
            self.rows.channel(ring, stage, mode="call", send=self.some("kick"))
            return
        if self.waits[i] == "poll":
            return
        row, line = self.rows.stages[stage], self._line()
        if self.called[i + 1 : i + 2] == [True] and self.ahead[i + 1] == "stop":
            line["mode"] = "latch"
        channel = self.rows.woken(stage, ring, rearm=self.some("rearm"), **line)
        if self.rows.channels[channel].mode == "latch" and self.maybe(2):
            self.rows.change(stage, recheck="none")
        elif row.flush == "before_rearm" and self.maybe(5):
            self.rows.change(stage, on_empty="serve_armed")
            self.rows.arm(stage, ArmRow(channel, "take", "next"))

    def _room(self, stage: int, thread: int, ring: int, full: Full | None, caller: int) -> None:
        """Tell a stage of room ahead, if that is what it waits for."""
        if full in ("wait", "hold") and self.rows.threads[thread].wait != "poll":
            back = self.rows.channel(ring, stage, forward=False, **self._line())
            self.rows.arm(stage, ArmRow(back, "stop", "next", uses=self.some("rearm")))
        elif full == "stop":
            self._completion(stage, thread, ring, caller)

    def _completion(self, stage: int, thread: int, ring: int, caller: int) -> None:
        """Write the stage that reclaims slots and restarts a stopped one, in one of 3 styles."""
        reclaim = self.rows.stage(
            thread, ring, self.some("work"), role="reclaim", restarts=stage,
            level=self.one_of(SOFTIRQ, PROCESS), entry=self.some("entry"), turn=self.some("turn"),
            restart=self.some("restart"), recheck=self.one_of("continue", "requeue"),
        )  # fmt: skip
        if self._shares_line(caller, reclaim, ring):
            return
        back = self.rows.channel(ring, reclaim, forward=False, **self._line())
        when: Literal["publish", "take", "stop"] = self.one_of("publish", "take", "stop")
        if when == "stop":
            self.rows.arm(stage, ArmRow(back, "take", "off"))
        # The share is what wakes a stopped producer; a stop must be followed by an arm of its own.
        self.rows.arm(stage, ArmRow(back, when, "share", passed=reclaim))
        if when != "stop":
            self.rows.arm(stage, ArmRow(back, "stop", "share", passed=reclaim))
        rearm = self.some("rearm")
        self.rows.arm(
            reclaim, ArmRow(back, "entry", "off"), ArmRow(back, "empty", "next", uses=rearm)
        )
        if self.rows.channels[back].mode == "latch" and self.maybe(2):
            self.rows.change(reclaim, recheck="none")
        if self.maybe(3):
            mine = [
                s for s, r in enumerate(self.rows.stages) if r.thread == thread and r.role == "take"
            ]
            self.rows.change(self.draw(st.sampled_from(mine)), cleans=reclaim)
            self.rows.arm(reclaim, ArmRow(back, "clean", "share", passed=reclaim))

    def _shares_line(self, caller: int, reclaim: int, ring: int) -> bool:
        """Let a caller's latched interrupt for packets tell of used slots too, as a NIC's does."""
        if caller == NONE:
            return False
        told = self.rows.rings[self.rows.stages[caller].ring].forward
        latched = told != NONE and self.rows.channels[told].mode == "latch"
        if not latched:
            return False
        self.rows.rings[ring] = replace(self.rows.rings[ring], reverse=told)
        self.rows.change(caller, cleans=reclaim)
        return True

    # -- traffic -------------------------------------------------------------------------------

    def _packets(self, ring: int) -> Case:
        kind = self.one_of("open", "open", "open", "saturate", "closed")
        capacity = self.rows.rings[ring].capacity
        if kind == "saturate" and capacity:
            kind = "open"
        two = kind == "open" and self.maybe(3)
        loop = {"outstanding": self.draw(st.integers(1, 5)), "think_ps": self.number(0, 50)}
        for _ in range(1 + two):
            self.rows.source(ring, kind=kind, **(loop if kind == "closed" else {}))
        gap = st.integers(0, 3) if self.ties else st.integers(0, 100)
        scale = self.number(1, 8)
        gaps = self.draw(st.lists(gap, min_size=self.n, max_size=self.n))
        at = [scale * sum(gaps[: i + 1]) for i in range(self.n)]
        source = self.draw(st.lists(st.integers(0, two), min_size=self.n, max_size=self.n))
        warmup = self.draw(st.integers(0, self.n // 2))
        return self.rows.case(at, source, warmup=warmup)
