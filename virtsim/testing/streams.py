"""Random Programs of the kinds that play as streams: pollers on cores of their own, and servers.

They are all of what the vector engine accepts, half of them tie-heavy: prices from a small grid, so
that looks, publications and slots given back meet in one instant all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from virtsim.program import NONE, ArmRow, Full, PaceRow, Uses
from virtsim.testing.rows import Case, Rows

T = TypeVar("T")


@st.composite
def pollers(draw: st.DrawFn, max_stages: int = 4, max_packets: int = 30) -> Case:
    """Draw a chain of pollers' and devices' stages, with prices and packets."""
    return _Pollers(draw, max_stages, max_packets).case()


class Drawer:
    """Draws what Programs are made of, asking hypothesis at every turn."""

    def __init__(self, draw: st.DrawFn, max_stages: int, max_packets: int) -> None:
        self.draw = draw
        self.rows = Rows("random stream")
        self.ties = draw(st.booleans())
        self.n = draw(st.integers(1, max_packets))
        self.k = draw(st.integers(1, max_stages))

    def one_of(self, *values: T) -> T:
        """Draw one of some values; the first is the simplest."""
        return self.draw(st.sampled_from(values))

    def maybe(self, one_in: int = 4) -> bool:
        """Draw a rare yes."""
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def number(self, low: int, high: int) -> int:
        """Draw a time or a count: from a small grid if ties are wanted."""
        return self.draw(st.integers(low, min(high, low + 4) if self.ties else high))

    def use(self, cause: str, *, least: int = 0, busy: bool = True, varies: bool = False) -> Uses:
        """Append a use with a drawn price, constant or (where packets matter) one for each."""
        price: int | Sequence[int] = self.number(least, 60)
        if varies and self.maybe(2):
            high = least + 3 if self.ties else 60
            price = self.draw(st.lists(st.integers(least, high), min_size=self.n, max_size=self.n))
        return self.rows.use(f"u{len(self.rows.uses)}.{cause}", price, cause, busy=busy)

    def some(self, cause: str, *, busy: bool = True, varies: bool = False) -> Uses:
        """Append a use, or none."""
        return self.use(cause, busy=busy, varies=varies) if self.maybe(3) else ()

    def packets(self, ring: int, kind: str) -> Case:
        """Write the source and draw the packets."""
        self.rows.source(ring, kind=kind)
        gap = st.integers(0, 3) if self.ties else st.integers(0, 100)
        scale = self.number(1, 8)
        gaps = self.draw(st.lists(gap, min_size=self.n, max_size=self.n))
        at = [scale * sum(gaps[: i + 1]) for i in range(self.n)]
        return self.rows.case(at, warmup=self.draw(st.integers(0, self.n)))


class _Pollers(Drawer):
    """Writes a chain of bursts."""

    def case(self) -> Case:
        """Write the tables and draw the packets."""
        order = self.draw(st.permutations(range(self.k)))
        devices = self._devices()
        threads = [NONE] * self.k
        for i in order:  # ranks are not in the order of the chain
            before = [t for j, t in enumerate(threads) if t != NONE and not devices[j]]
            if devices[i]:
                threads[i] = self.rows.thread(wait="always", host_cpu=False)
            elif before and self.maybe(3):
                threads[i] = self.draw(st.sampled_from(before))
            else:
                threads[i] = self._poller()
        self._pace(threads, devices)
        kind = self.one_of("open", "open", "open", "saturate")
        first = 0 if kind == "saturate" or self.maybe(2) else self.number(1, 8)
        rings = [self._ring(0, first, own=False)]
        fulls = [self._ahead(devices[i]) for i in range(self.k - 1)]
        for i in range(1, self.k):
            own = not devices[i - 1] and fulls[i - 1] in ("drop", "retry", "wait")
            rings.append(self._ring(i, 0 if self.maybe(6) else self.number(1, 8), own=own))
        for i in range(self.k):
            out = rings[i + 1] if i + 1 < self.k else NONE
            if devices[i]:
                item = self.use("work", least=1, varies=True)
                stage = self.rows.stage(threads[i], rings[i], item, out=out)
                mode = self.one_of("once", "flags", "event", "always")
                self.rows.woken(stage, rings[i], mode=mode)
            else:
                self._stage(threads[i], rings[i], out, fulls[i] if out != NONE else None)
        for t, row in enumerate(self.rows.threads):
            if row.wait == "poll" and self.maybe(2):
                idle = self.rows.ring(1)
                self.rows.stage(
                    t, idle, self.use("work", least=1), gather="burst", poll=self.some("poll"),
                    on_empty="leave",
                )  # fmt: skip
        return self.packets(rings[0], kind)

    def _devices(self) -> list[bool]:
        found: list[bool] = []
        for i in range(self.k):
            found.append(i > 0 and not found[-1] and self.maybe(3))
        return found

    def _poller(self) -> int:
        return self.rows.thread(wait="poll", loop=self.some("loop"), idle_loop=self.some("poll"))

    def _pace(self, threads: list[int], devices: list[bool]) -> None:
        """Let pollers sleep between iterations, unless one that does not has several rings."""
        polling = [t for t, is_device in zip(threads, devices, strict=True) if not is_device]
        for t in dict.fromkeys(polling):
            if not self.maybe(3):
                continue
            others = {s for s in polling if s != t and self.rows.threads[s].pace is None}
            if any(polling.count(s) > 1 for s in others):
                continue
            self._change(t, PaceRow(
                step_ps=self.number(1, 30), max_ps=self.number(5, 99), few=self.one_of(1, 2, 3),
                relax=self.one_of(2, 0), period_ps=self.number(1, 99) if self.maybe(3) else 0,
                uses=self.some("poll"), late=self.some("wake", busy=False),
            ))  # fmt: skip

    def _change(self, thread: int, pace: PaceRow) -> None:
        self.rows.threads[thread] = replace(self.rows.threads[thread], pace=pace)

    def _ahead(self, device: bool) -> Full:
        """Draw what a stage does when the ring ahead of it is full."""
        return "drop" if device else self.one_of("drop", "retry", "wait")

    def _ring(self, i: int, capacity: int, *, own: bool) -> int:
        """Write a ring; ``own``: its producer may take back used slots by itself."""
        frees = self.one_of("take", "done", "reclaim") if own else self.one_of("take", "done")
        visible = self.use("transit", busy=False, varies=True) if self.maybe(3) else ()
        return self.rows.ring(capacity, frees=frees, visible=visible)

    def _stage(self, thread: int, ring: int, out: int, full: Full | None) -> int:
        """Write a poller's stage and the inline stages behind it."""
        reclaims = out != NONE and self.rows.rings[out].frees == "reclaim"
        hand: dict[str, Any] = {
            "out": out, "full": full or "drop", "publish": self.one_of("each", "batch"),
            "decide": self.one_of("each", "batch"), "reclaims": reclaims,
        }  # fmt: skip
        n_inline = 0 if full == "wait" else max(int(full == "retry"), self.one_of(0, 0, 1, 2))
        behind = NONE
        for k in range(n_inline):
            fields = {"retries": self.one_of(0, 1, 3), **hand} if k == 0 else {"inline": behind}
            behind = self.rows.stage(
                thread, NONE, self.use("work", varies=True), role="inline",
                batch_uses=self.some("batch", varies=True), **fields,
            )  # fmt: skip
        done = self.one_of("after", "before", "never")
        capacity = self.rows.rings[ring].capacity or 4
        fields = {"inline": behind} if n_inline else hand
        if done == "never":
            fields |= {"refill": self.draw(st.integers(0, capacity - 1))}
            fields |= {"refill_uses": self.some("refill")}
        return self.rows.stage(
            thread, ring, self.use("work", least=1, varies=True), gather="burst",
            batch=self.one_of(1, 2, 3, 5), budget=self.one_of(1 << 30, 1, 2, 4), done=done,
            turn=self.some("turn"), poll=self.some("poll"), on_empty="leave",
            lead=self.some("work", varies=True), batch_uses=self.some("batch", varies=True),
            **fields,
        )  # fmt: skip


@st.composite
def servers(draw: st.DrawFn, max_stages: int = 4, max_packets: int = 30) -> Case:
    """Draw servers in a row, each with a thread and a core, with prices and packets."""
    return _Servers(draw, max_stages, max_packets).case()


class _Servers(Drawer):
    """Writes a chain of servers."""

    def case(self) -> Case:
        """Write the tables and draw the packets."""
        threads = [NONE] * self.k
        for i in self.draw(st.permutations(range(self.k))):
            threads[i] = self._thread()
        kind = self.one_of("open", "open", "open", "saturate")
        first = 0 if kind == "saturate" or self.maybe(2) else self.number(1, 8)
        sizes = [first, *(0 if self.maybe(6) else self.number(1, 8) for _ in range(1, self.k))]
        rings = [self._ring(size) for size in sizes]
        fulls = [self.one_of("drop", "wait", "block", "hold") for _ in range(self.k - 1)] + ["drop"]
        for i in range(self.k):
            out = rings[i + 1] if i + 1 < self.k else NONE
            stage = self.rows.stage(
                threads[i], rings[i], self.use("work", least=1, varies=True), out=out,
                full=fulls[i], done=self.one_of("after", "before"), entry=self.some("entry"),
                turn=self.some("turn"), batch_uses=self.some("batch", varies=True),
                lead=self.some("work", varies=True), empty_uses=self.some("drain"),
            )  # fmt: skip
            self.rows.woken(
                stage, rings[i], rearm=self.some("rearm"), k=self.one_of(1, 1, 1, 2), **self._line()
            )
        for i in range(self.k - 1):
            if fulls[i] in ("wait", "hold"):
                back = self.rows.channel(rings[i + 1], i, forward=False, **self._line())
                arm = ArmRow(back, "stop", "next", self.one_of(1, 1, 2), uses=self.some("rearm"))
                self.rows.arm(i, arm)
                if self.maybe(2):
                    self.rows.arm(i, ArmRow(back, "entry", "off"))
        return self.packets(rings[0], kind)

    def _thread(self) -> int:
        states: tuple[tuple[int, int], ...] = ()
        if self.maybe(4):
            reach = sorted(self.draw(st.lists(st.integers(0, 200), min_size=1, max_size=2)))
            states = tuple((r, self.use("wake", busy=False)[0]) for r in reach)
        core = self.rows.core(idle_states=states)
        if self.maybe(4):
            return self.rows.thread(core, "always", host_cpu=self.maybe(2))
        fields: dict[str, Any] = {"signal": self.some("wake", varies=True)}
        fields |= {"wake": self.some("wake", busy=False)}
        if self.maybe(3):
            fields |= {"idle": self.use("halt"), "block": self.some("halt")}
        return self.rows.thread(core, resume=self.some("halt"), **fields)

    def _ring(self, capacity: int) -> int:
        return self.rows.ring(capacity, frees=self.one_of("take", "done"))

    def _line(self) -> dict[str, Any]:
        return {
            "mode": self.one_of("event", "flags", "always", "once"),
            "send": self.some("kick", varies=True), "intrude": self.some("deliver"),
            "entry": self.some("deliver"),
        }  # fmt: skip


@st.composite
def tandems(draw: st.DrawFn, max_stages: int = 5, max_packets: int = 40) -> Case:
    """Draw servers in a row that cost nothing but their work, on rings that drop."""
    return _Tandem(draw, max_stages, max_packets).case()


class _Tandem(Drawer):
    """Writes servers that are told for nothing."""

    def case(self) -> Case:
        """Write the tables and draw the packets."""
        threads = [NONE] * self.k
        for i in self.draw(st.permutations(range(self.k))):
            wait = self.one_of("sleep", "sleep", "always")
            threads[i] = self.rows.thread(wait=wait, host_cpu=wait == "sleep" or self.maybe(2))
        rings = [self.rows.ring(0 if self.maybe(4) else self.number(1, 6)) for _ in threads]
        for i in range(self.k):
            stage = self.rows.stage(
                threads[i], rings[i], self.use("work", least=1, varies=True),
                out=rings[i + 1] if i + 1 < self.k else NONE,
                lead=self.some("work", varies=True), batch_uses=self.some("batch", varies=True),
            )  # fmt: skip
            mode = self.one_of("flags", "once", "event", "always")
            self.rows.woken(stage, rings[i], mode=mode)
        return self.packets(rings[0], "open")


@st.composite
def pairs(draw: st.DrawFn, max_packets: int = 60) -> Case:
    """Draw a producer and a consumer that sleeps, with a ring between them."""
    return _Pair(draw, 2, max_packets).case()


class _Pair(Drawer):
    """Writes a producer that holds an item while there is no room."""

    def case(self) -> Case:
        """Write the tables and draw the prices."""
        rows = self.rows
        made, eaten = (self.use("work", least=1, varies=True) for _ in range(2))
        producer = rows.thread(wake=self.use("wake", least=1, busy=False))
        consumer = rows.thread(wake=self.some("wake", busy=False))
        send, queue = rows.ring(), rows.ring(self.number(1, 9), frees="done")
        make = rows.stage(producer, send, made, out=queue, full="hold")
        eat = rows.stage(consumer, queue, eaten)
        rows.woken(make, send, mode="once")
        rows.woken(eat, queue, mode="once", send=self.some("kick", varies=True),
                   rearm=self.some("rearm"))  # fmt: skip
        back = rows.channel(queue, make, forward=False, mode="once")
        rows.arm(make, ArmRow(back, "entry", "off"), ArmRow(back, "stop", "next"))
        return self.packets(send, "saturate")
