"""Where threads run: the machine, its cores and idle states, and the rows of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from virtsim.compose.placement import node_of
from virtsim.compose.uses import UseTable
from virtsim.costs import Profile
from virtsim.model.thread import Always, Poll, Sleep, Thread, Wait
from virtsim.program import CoreRow, PaceRow, SpinRow, ThreadRow

PS_PER_NS = 1000


@dataclass(frozen=True)
class Host:
    """What a path runs on, besides its prices.

    ``placement`` puts threads on cores by number (a thread that is not named has a core of its own)
    and threads, NIC and memory on nodes; see :mod:`virtsim.compose.placement`. ``cstates`` are the
    idle states that the governor may choose, shallow to deep.
    """

    nic_bps: int = 25_000_000_000
    cstates: tuple[str, ...] = ("C1", "C6")
    placement: Mapping[str, int] = field(default_factory=dict)
    quantum_ps: int = 3_000_000_000


@dataclass(frozen=True)
class Hosting:
    """Gives threads their cores and rows."""

    path: str
    host: Host
    profile: Profile
    uses: UseTable

    def rows(
        self, part_of: Mapping[Thread, str]
    ) -> tuple[tuple[CoreRow, ...], tuple[ThreadRow, ...]]:
        """Return the cores and the threads of a path, threads in the order given.

        Parameters
        ----------
        part_of
            The part that each thread's own uses belong to.
        """
        numbers: dict[str, int] = {}
        cores: list[CoreRow] = []
        threads: list[ThreadRow] = []
        for thread, part in part_of.items():
            name = self._core_of(thread)
            if name not in numbers:
                numbers[name] = len(cores)
                cores.append(self._core(name, thread))
            threads.append(self._thread(thread, part, numbers[name]))
        return tuple(cores), tuple(threads)

    def _core_of(self, thread: Thread) -> str:
        placed = self.host.placement.get(thread.name)
        return thread.name if placed is None else f"core{placed}"

    def _core(self, name: str, thread: Thread) -> CoreRow:
        node = node_of(self.host.placement, thread.name)
        if thread.kind == "device":
            return CoreRow(name, node=node)
        states = tuple(
            (
                self._parameter(f"cstate.{s}.residency"),
                self.uses((f"cstate.{s}",), "wake", "host")[0],
            )
            for s in self.host.cstates
        )
        switch = self.uses(("sched.ctxsw",), "switch", "host")
        return CoreRow(name, switch, self.host.quantum_ps, states, node)

    def _thread(self, thread: Thread, part: str, core: int) -> ThreadRow:
        use, wait = self.uses, thread.wait
        loop = wait.loop if isinstance(wait, Poll) else thread.loop
        return ThreadRow(
            thread.name,
            thread.kind,
            core,
            _wait_name(wait),
            host_cpu=thread.kind != "device",
            softirq=thread.kind == "softirq",
            loop=use(loop, "loop", part),
            idle_loop=use(loop, "poll", part) if isinstance(wait, Poll) else (),
            signal=use(thread.signal, "wake", part),
            wake=use(thread.wake, "wake", part),
            idle=use(thread.idle, "halt", part),
            block=use(thread.block, "halt", part),
            resume=use(thread.resume, "halt", part),
            hit=use(thread.hit, "wake", part),
            spin=self._spin(wait, part),
            pace=self._pace(wait, part),
        )

    def _pace(self, wait: Wait, part: str) -> PaceRow | None:
        pace = wait.pace if isinstance(wait, Poll) else None
        if pace is None:
            return None
        uses = self.uses(pace.sleep, "poll", part), self.uses(pace.late, "wake", part)
        return PaceRow(pace.step_ps, pace.max_ps, pace.few, pace.relax, pace.period_ps, *uses)

    def _spin(self, wait: Wait, part: str) -> SpinRow | None:
        if not isinstance(wait, Sleep):
            return None
        most = self._parameter(wait.spin_ps) if isinstance(wait.spin_ps, str) else wait.spin_ps
        if most == 0:
            return None
        turn = self.uses(wait.turn, "poll", part)
        return SpinRow(most, wait.armed, turn, wait.adaptive, wait.start_ps, wait.grow, wait.shrink)

    def _parameter(self, op: str) -> int:
        """Return a threshold of the profile, in ps."""
        return int(self.profile.cost(op, self.path).value * PS_PER_NS)


def _wait_name(wait: Wait) -> Literal["sleep", "poll", "always"]:
    if isinstance(wait, Poll):
        return "poll"
    return "always" if isinstance(wait, Always) else "sleep"
