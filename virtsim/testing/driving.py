"""Random Programs of a driver that is interrupted and a worker that is kicked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from hypothesis import strategies as st

from virtsim.program import NONE, ArmRow, SpinRow, Uses
from virtsim.testing.rows import Case
from virtsim.testing.streams import Drawer


@st.composite
def drivers(draw: st.DrawFn, max_packets: int = 40) -> Case:
    """Draw a driver that is interrupted and a worker that is kicked, with a ring between them."""
    return _Driver(draw, 2, max_packets).case()


@st.composite
def spinners(draw: st.DrawFn, max_packets: int = 40) -> Case:
    """Draw a driver and a worker that spins on its ring before it asks to be kicked."""
    return _Driver(draw, 2, max_packets, spins=True).case()


class _Driver(Drawer):
    """Writes a sender that stops, the handler that lets it go on, a worker, and a device."""

    def __init__(self, draw: st.DrawFn, stages: int, packets: int, *, spins: bool = False) -> None:
        super().__init__(draw, stages, packets)
        self.spins = spins

    def case(self) -> Case:
        """Write the tables and draw the packets."""
        rows = self.rows
        device = self.maybe(2)
        sides: dict[str, int] = {}
        for side in self.draw(st.permutations(["driver", "worker", *(["device"] * device)])):
            sides[side] = getattr(self, f"_{side}")()
        channels = self.draw(st.permutations(range(3)))
        capacity = self.number(1, 12)
        send, queue = rows.ring(), rows.ring(capacity, frees="reclaim")
        sender = rows.stage(
            sides["driver"], send, self.use("work", least=1, varies=True), out=queue, full="stop",
            room=self.draw(st.integers(1, capacity)), lead=self.some("work", varies=True),
            batch=self.one_of(1, 1, 2, 5), budget=self.one_of(1 << 30, 1, 3),
            decide=self.one_of("each", "batch"), entry=self.some("entry"), turn=self.some("turn"),
            empty_uses=self.some("drain"),
        )  # fmt: skip
        handler = rows.stage(
            sides["driver"], queue, role="reclaim", restarts=sender, level=self.one_of(1, 2),
            entry=self.some("entry"), turn=self.some("turn"), restart=self.some("restart"),
            recheck=self.one_of("continue", "requeue", "none"), defer=self.maybe(2),
        )  # fmt: skip
        worker = self._worker_stage(sides["worker"], queue, sides.get("device", NONE))
        for which in channels:
            if which == 0:
                rows.woken(sender, send, rearm=self.some("rearm"), mode=self._mode())
            elif which == 1:
                self._kicked(worker, queue)
            else:
                self._interrupted(sender, handler, queue)
        return self.packets(send, self.one_of("open", "open", "saturate"))

    def _mode(self) -> str:
        return self.one_of("event", "event", "flags", "once", "always")

    def _states(self) -> int:
        states: tuple[tuple[int, int], ...] = ()
        if self.maybe(4):
            reach = sorted(self.draw(st.lists(st.integers(0, 200), min_size=1, max_size=2)))
            states = tuple((r, self.use("wake", busy=False)[0]) for r in reach)
        return self.rows.core(idle_states=states)

    def _driver(self) -> int:
        fields: dict[str, Any] = {
            "softirq_ps": self.one_of(1 << 60, 0, 40), "softirq_packets": self.one_of(300, 300, 0),
        }  # fmt: skip
        if self.maybe(3):
            return self.rows.thread(self._states(), "always", **fields)
        fields |= {"signal": self.some("wake", varies=True), "wake": self.some("wake", busy=False)}
        if self.maybe(2):
            fields |= {"idle": self._exit("halt"), "block": self.some("halt")}
            fields |= {"hit": self.some("wake", busy=False)}
            if not self.maybe(3):
                fields["spin"] = SpinRow(
                    self.number(1, 90), armed=True, adaptive=self.maybe(2),
                    start_ps=self.number(1, 20), grow=self.one_of(2, 3), shrink=self.one_of(2, 0),
                )  # fmt: skip
        return self.rows.thread(self._states(), resume=self.some("halt"), **fields)

    def _exit(self, cause: str, *, least: int = 0) -> Uses:
        """Append a use that may be an exit of the guest's."""
        uses = self.use(cause, least=least, varies=cause == "kick")
        if self.maybe(2):
            self.rows.uses[uses[0]] = replace(self.rows.uses[uses[0]], exit=True)
        return uses

    def _worker(self) -> int:
        spin = self._spin() if self.spins or self.maybe(3) else None
        if self.maybe(4):
            return self.rows.thread(self._states(), "always", spin=spin)
        return self.rows.thread(
            self._states(), signal=self.some("wake", varies=True), resume=self.some("halt"),
            wake=self.some("wake", busy=False), loop=self.some("loop"), spin=spin,
        )  # fmt: skip

    def _spin(self) -> SpinRow:
        """Draw a spin, from one that ends before anything can come to one that is never in vain."""
        turn = self.use("poll") if self.maybe(4) else self.use("poll", least=1)
        more = self.use("poll") if self.maybe(3) else ()
        most = 12 if self.ties and self.maybe(2) else self.one_of(40, 300, 2000)
        return SpinRow(self.draw(st.integers(0, most)), armed=False, turn=(*turn, *more))

    def _device(self) -> int:
        return self.rows.thread(wait="always", host_cpu=False)

    def _worker_stage(self, thread: int, queue: int, device: int) -> int:
        """Write the worker's stage, what it does inline, and the device behind it."""
        out = NONE
        if device != NONE:
            visible = self.use("transit", busy=False, varies=True) if self.maybe(2) else ()
            out = self.rows.ring(self.one_of(0, 0, 0, 100), visible=visible)
            served = self.use("work", least=1, varies=True)
            self.rows.woken(self.rows.stage(device, out, served), out, mode="once")
        inline, stays = NONE, self.maybe(3)
        if device != NONE or self.maybe(2):
            item = self.use("work", varies=True)
            inline = self.rows.stage(thread, NONE, item, role="inline", out=out)
        return self.rows.stage(
            thread, queue, self.use("work", least=1, varies=True), inline=inline,
            batch=self.one_of(1, 2, 5), budget=self.one_of(1 << 30, 1, 3),
            budget_b=self.one_of(1 << 60, 65, 192), defer=self.maybe(2),
            lead=() if stays else self.some("work", varies=True),
            on_empty="serve_armed" if stays else "rearm",
            flush="before_rearm" if stays else self.one_of("before_rearm", "after_rearm"),
            entry=self.some("entry"), turn=self.some("turn"), empty_uses=self.some("drain"),
        )  # fmt: skip

    def _kicked(self, worker: int, queue: int) -> None:
        late = self.spins and self.maybe(3)  # kicks that come when a spin has found the packets
        kick = self._exit("kick", least=40 * late) if late or self.maybe(2) else ()
        mode = "always" if late else self._mode()
        channel = self.rows.channel(queue, worker, mode=mode, send=kick)
        off: Literal["off", "still"] = self.one_of("off", "still")
        rearm = ArmRow(channel, "empty", "next", self.one_of(1, 1, 2), uses=self.some("rearm"))
        self.rows.arm(worker, ArmRow(channel, "entry", off), rearm)
        if not self.rows.stages[worker].lead and self.maybe(2):
            self.rows.arm(worker, ArmRow(channel, "take", "next"))

    def _interrupted(self, sender: int, handler: int, queue: int) -> None:
        running = self.use("deliver", busy=False) if self.maybe(2) else ()
        back = self.rows.channel(
            queue, handler, forward=False, mode=self._mode(), running=running,
            send=self.some("call", varies=True), armed=self.maybe(2),
        )  # fmt: skip
        when: Literal["publish", "take", "stop"] = self.one_of("publish", "take", "stop")
        if when != "take" and self.maybe(2):
            self.rows.arm(sender, ArmRow(back, "take", "off"))
        den = self.one_of(4, 2)
        self.rows.arm(sender, ArmRow(back, when, "share", num=self.one_of(3, 1), den=den,
                                     passed=handler))  # fmt: skip
        rearm = ArmRow(back, "empty", "next", uses=self.some("rearm"))
        self.rows.arm(handler, ArmRow(back, "entry", "off"), rearm)
