"""The reference engine: SimPy, literal and complete. What it says is what the rules mean.

Each thread is a SimPy process. ``world`` holds the state and the clock, ``cores`` says who runs,
``waiting`` and ``polling`` how a thread waits, ``notifying`` who tells whom, ``serving`` what a
stage does in its turn and ``handing`` where its packets go.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.engines.reference.cores import acquire, give_way, must_yield, pay
from virtsim.engines.reference.notifying import announce, publish
from virtsim.engines.reference.polling import park, settle
from virtsim.engines.reference.serving import call, run_one, turn
from virtsim.engines.reference.waiting import nap, nothing_ready, rest
from virtsim.engines.reference.world import ASLEEP, Gate, Stage, Steps, Thread, World, as_ints
from virtsim.errors import EngineRefusal
from virtsim.outcome import Job, Outcome
from virtsim.program import NONE, Program, SourceRow
from virtsim.semantics import DUE

NAME = "reference"


def run(program: Program, job: Job) -> Outcome:
    """Play a Program and return what happened.

    Raises
    ------
    EngineRefusal
        If the tables contradict themselves, or one instant does not end.
    """
    problems = program.problems()
    if problems:
        raise EngineRefusal(
            program.name, "its tables cannot be played", "tables that agree", reasons=problems
        )
    w = World(program, job)

    def rise(thread: Thread) -> Steps:
        while thread.top < thread.level:
            yield from run_one(w, thread)

    w.rise, w.call = rise, call
    for thread in w.threads:
        w.env.process(_life(w, thread))
    while w.env.peek() == 0:  # threads take their places before the first packet can come
        w.env.step()
    _start_sources(w)
    w.play_out()
    return _outcome(w)


# -- threads ---------------------------------------------------------------------------------


def _life(w: World, thread: Thread) -> Steps:
    if thread.row.wait == "sleep":
        thread.mode = "asleep"
        thread.gate = gate = Gate(w.env)
        yield gate
        thread.mode = "run"
        yield from acquire(w, thread)
        yield from pay(w, thread, w.payer_of(thread), thread.row.resume, 0)
    else:
        thread.mode = "run"
        yield from acquire(w, thread)
    if thread.row.wait == "poll":
        yield from _poll(w, thread)
    while True:
        if nothing_ready(thread):
            thread.level = -1
            yield from rest(w, thread)
        else:
            yield from _iterate(w, thread)


def _iterate(w: World, thread: Thread) -> Steps:
    """Run what is ready; a thread with a loop serves all of it in one iteration."""
    if not thread.row.loop:
        yield from run_one(w, thread)
        return
    n = sum(map(len, thread.ready))
    yield from pay(w, thread, w.payer_of(thread), thread.row.loop, 0)
    for _ in range(n):
        yield from run_one(w, thread)


def _poll(w: World, thread: Thread) -> Steps:
    """Look at the stages' rings in turn, for ever."""
    cycle: list[Stage | None] = [None, *thread.stages]
    while True:
        yield from w.check(thread)
        if must_yield(w, thread):
            yield from give_way(w, thread)
            continue
        if thread.row.pace is None and not w.sees_work(thread):
            yield from park(w, thread)
            continue
        stage = cycle[thread.position]
        thread.position = (thread.position + 1) % len(cycle)
        if stage is None:
            yield from _loop(w, thread)
        elif w.can_work(stage):
            thread.turns += 1
            yield from turn(w, thread, stage)
            thread.turns -= 1
        else:
            yield from pay(w, thread, stage.index, stage.row.poll, 0, polling=True)


def _loop(w: World, thread: Thread) -> Steps:
    """Open an iteration; a paced poller may sleep before it."""
    if thread.row.pace is not None:
        yield from nap(w, thread, thread.row.pace)
        thread.iteration_ps, thread.most = w.now, 0
        yield from w.check(thread)
    idle = not w.sees_work(thread)
    uses = thread.row.idle_loop if idle else thread.row.loop
    yield from pay(w, thread, w.payer_of(thread), uses, 0, polling=idle)


# -- sources ---------------------------------------------------------------------------------


def _start_sources(w: World) -> None:
    """Put every source's first packets on the clock."""
    w.round, w.phase, w.rank = 0, DUE, -1
    source_of = w.job.packets.source.tolist()
    mine: list[list[int]] = [[] for _ in w.program.sources]
    for packet, source in enumerate(source_of):
        mine[source].append(packet)
    waiting = [iter(packets) for packets in mine]
    for i, row in enumerate(w.program.sources):
        if row.kind == "saturate":
            w.at(0, DUE, i, lambda row=row, packets=mine[i]: _flood(w, row, packets))  # type: ignore[misc]
        elif row.kind == "open":
            _follow(w, i, waiting[i])
        else:
            for packet in mine[i][: row.outstanding]:
                next(waiting[i])
                w.at(w.at_ps[packet], DUE, i, lambda p=packet, r=row: _offer(w, r, p))  # type: ignore[misc]
    w.on_finish = lambda packet: _release(w, source_of[packet], waiting)


def _follow(w: World, source: int, packets: Iterator[int]) -> None:
    """Put a source's next instant on the clock: all packets that are due at it arrive together."""
    first = next(packets, None)
    if first is not None:
        _schedule(w, source, first, packets)


def _schedule(w: World, source: int, packet: int, packets: Iterator[int]) -> None:
    w.at(w.at_ps[packet], DUE, source, lambda: _arrivals(w, source, packet, packets))


def _arrivals(w: World, source: int, packet: int, packets: Iterator[int]) -> None:
    _offer(w, w.program.sources[source], packet)
    later = next(packets, None)
    while later is not None and w.at_ps[later] == w.now:
        _offer(w, w.program.sources[source], later)
        later = next(packets, None)
    if later is not None:
        _schedule(w, source, later, packets)


def _offer(w: World, row: SourceRow, packet: int) -> None:
    """Stamp an arrival, put the packet on its ring or drop it there, and announce it."""
    ring = w.rings[row.ring]
    w.arrive(packet)
    if ring.free <= 0:
        w.finish(packet, ring.index)
        return
    publish(w, ring, packet)
    if ring.row.forward != NONE and not ring.row.visible:
        announce(w, w.channels[ring.row.forward])


def _flood(w: World, row: SourceRow, packets: list[int]) -> None:
    """All packets are there; each arrives when its sender starts it."""
    ring = w.rings[row.ring]
    for packet in packets:
        publish(w, ring, packet)
    if ring.row.forward != NONE:
        announce(w, w.channels[ring.row.forward])


def _release(w: World, source: int, waiting: list[Iterator[int]]) -> None:
    """Let the next packet of a closed loop come, a think time after this one's end."""
    row = w.program.sources[source]
    if row.kind != "closed":
        return
    packet = next(waiting[source], None)
    if packet is not None:
        w.at(w.now + row.think_ps, DUE, source, lambda: _offer(w, row, packet))


# -- the end ---------------------------------------------------------------------------------


def _outcome(w: World) -> Outcome:
    w.env._now = w.last_ps  # timers that were overtaken are no part of the run
    for thread in w.threads:
        w.cut_short(thread)
        if thread.mode == "parked":
            settle(w, thread)
        w.set_state(thread, thread.state)
    marks = w.marks or [(0, [[0] * 4 for _ in w.threads])]
    (t0, first), (t1, last) = marks[0], marks[-1]
    return Outcome(
        arrived_ps=as_ints(w.arrived),
        delivered_ps=as_ints(w.delivered),
        dropped=as_ints(w.dropped),
        count=as_ints(w.count),
        busy_ps=as_ints(w.busy),
        delay_ps=as_ints(w.delay),
        bytes=as_ints(w.bytes),
        window=as_ints(last) - as_ints(first),
        total=as_ints(w.acc),
        window_ps=(t0, t1),
        end_ps=w.now,
        wakeups=as_ints(w.wakeups),
        spin_hits=as_ints(w.spin_hits),
        stops=as_ints(w.stops),
        stolen_ps=as_ints(w.stolen),
        events=w.events,
        trace=tuple(w.trace),
    )


__all__ = ["ASLEEP", "NAME", "run"]
