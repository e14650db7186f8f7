"""From tables to the arena of a run of servers."""

from __future__ import annotations

from dataclasses import dataclass

from virtsim.engines.vector.arena import Arena, power_of_two
from virtsim.engines.vector.columns import Columns
from virtsim.engines.vector.servers.rows import channel, ring, run, server
from virtsim.program import NONE, Program, Uses

MODES = {
    "never": channel.NEVER, "always": channel.ALWAYS, "once": channel.ONCE,
    "flags": channel.FLAGS, "event": channel.EVENTS,
}  # fmt: skip
FULL = {"drop": server.DROP, "wait": server.WAIT, "block": server.STAND, "hold": server.HOLD}


@dataclass
class Places:
    """Where the rows are."""

    servers: list[int]
    channels: list[int]
    rings: list[int]


def build(program: Program, columns: Columns, n: int, first: list[int]) -> tuple[Arena, Places]:
    """Return the arena of a run of n packets, and where its rows are."""
    a = Arena(program, columns, first, [0] * run.SIZE)
    rows = a.take(server.SIZE * len(program.stages))
    at = Places(
        [rows + i * server.SIZE for i in range(len(program.stages))],
        [a.take(channel.SIZE) for _ in program.channels],
        [a.take(ring.SIZE) for _ in program.rings],
    )
    a.write(0, {run.N_SERVERS: len(program.stages), run.SERVERS: rows})
    a.write(0, {run.RING: at.rings[program.sources[0].ring]})
    for i in range(len(program.rings)):
        _ring(a, at, i, n)
    for i in range(len(program.channels)):
        _channel(a, at, i)
    for i in range(len(program.stages)):
        _server(a, at, i)
    return a, at


def _ring(a: Arena, at: Places, i: int, n: int) -> None:
    row = a.program.rings[i]
    sourced = not row.capacity and a.program.sources[0].ring == i
    size = 1 if sourced else power_of_two(row.capacity or n)
    a.write(at.rings[i], {
        ring.INDEX: i,
        ring.CAPACITY: row.capacity or run.UNBOUNDED,
        ring.FREES_AT_DONE: int(row.frees == "done"),
        ring.MASK: size - 1,
        ring.ITEMS: a.take(size),
        ring.FORWARD: at.channels[row.forward] if row.forward != NONE else 0,
        ring.REVERSE: at.channels[row.reverse] if row.reverse != NONE else 0,
        ring.SOURCED: int(sourced),
    })  # fmt: skip


def _channel(a: Arena, at: Places, i: int) -> None:
    row, program = a.program.channels[i], a.program
    senders = [s for s, stage in enumerate(program.stages) if stage.out == row.ring]
    if not row.forward:
        senders = [s for s, stage in enumerate(program.stages) if stage.ring == row.ring]
    sender = senders[0] if senders else 0
    signal = program.threads[program.stages[row.target].thread].signal
    if not program.threads[program.stages[sender].thread].host_cpu:
        signal = ()  # a device pays nothing for telling anybody
    a.write(at.channels[i], {
        channel.MODE: MODES[row.mode],
        channel.IS_FORWARD: int(row.forward),
        channel.ARMED: int(row.armed),
        channel.EVENT: 0 if row.armed else 0xFFFF,
        channel.TARGET: at.servers[row.target],
        channel.SEND: a.paid(sender, row.send, varies=True),
        channel.SIGNAL: a.paid(sender, signal, varies=True),
        channel.ENTRY: a.paid(row.target, row.entry),
        channel.INTRUDE: a.paid(row.target, row.intrude),
        channel.RING: at.rings[row.ring],
    })  # fmt: skip


def _server(a: Arena, at: Places, i: int) -> None:
    program = a.program
    row, s = program.stages[i], at.servers[i]
    thread, payer = program.threads[row.thread], len(program.stages) + row.thread
    sleeps = thread.wait == "sleep"
    stands = server.POLLING if thread.host_cpu else server.ASLEEP
    states: list[int] = []
    for residency, use in program.cores[thread.core].idle_states:
        states += [residency, a.paid(payer, (*thread.wake, use))]
    a.column(s, server.COST, server.COST_STEP, per_item(row.batch_uses, row.lead, row.item))
    arms = {arm.when: arm for arm in row.arms if arm.when != "entry"}
    off = [arm.channel for arm in row.arms if arm.when == "entry"]
    a.write(s, {
        server.RANK: program.rank_of_thread(row.thread),
        server.KEY: run.NEVER,
        server.WHAT: server.WOKEN if sleeps else server.ROUSED,
        server.MODE: server.SLEEPING if sleeps else server.IDLING,
        server.STATE: server.ASLEEP if sleeps else stands,
        server.SLEEPS: int(sleeps),
        server.STANDS_BY: stands,
        server.RING: at.rings[row.ring],
        server.OUT: at.rings[row.out] if row.out != NONE else 0,
        server.FULL: FULL[row.full],
        server.RESUME: a.paid(payer, thread.resume),
        server.IDLE: a.paid(payer, thread.idle),
        server.BLOCK: a.paid(payer, thread.block),
        server.ENTRY: a.paid(i, row.entry),
        server.TURN: a.paid(i, row.turn),
        server.EMPTY: a.paid(i, row.empty_uses),
        server.REARM: a.paid(i, arms["empty"].uses),
        server.K: arms["empty"].k,
        server.STOP_USES: a.paid(
            i, arms["stop"].uses if "stop" in arms else (), varies=row.full == "hold"
        ),
        server.ROOM_OFF: int("stop" in arms and arms["stop"].channel in off),
        server.STOP_K: arms["stop"].k if "stop" in arms else 0,
        server.N_STATES: len(states) // 2,
        server.STATES: a.listed(states),
        server.WAKE: a.paid(payer, thread.wake),
        server.FORWARD: at.channels[arms["empty"].channel],
        server.ROOM: at.channels[arms["stop"].channel] if "stop" in arms else 0,
    })  # fmt: skip


def per_item(batch: Uses, lead: Uses, item: Uses) -> Uses:
    """Return what a server pays for each packet."""
    return (*batch, *lead, *item)


def sums(program: Program) -> list[Uses]:
    """Return the lists of uses whose prices a packet pays in one go, and the uses of a notice."""
    wanted: list[Uses] = []
    for row in program.stages:
        wanted.append(per_item(row.batch_uses, row.lead, row.item))
        signal = program.threads[row.thread].signal
        wanted += [(u,) for u in signal]
        wanted += [(u,) for arm in row.arms if arm.when == "stop" for u in arm.uses]
    for channel_row in program.channels:
        wanted += [(u,) for u in channel_row.send]
    return list(dict.fromkeys(wanted))
