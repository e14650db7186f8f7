"""From tables to the arena of a run of driver and worker."""

from __future__ import annotations

from virtsim.engines.vector.arena import Arena
from virtsim.engines.vector.columns import Columns
from virtsim.engines.vector.driver.accepting import Roles
from virtsim.engines.vector.driver.rows import channel, driver, run, thread, worker
from virtsim.program import NONE, Program, StageRow, Uses

MODES = {
    "never": channel.NEVER, "always": channel.ALWAYS, "once": channel.ONCE,
    "flags": channel.FLAGS, "event": channel.EVENTS,
}  # fmt: skip
VALUES = {
    "next": channel.TO_NEXT, "share": channel.TO_SHARE, "off": channel.OFF, "still": channel.STILL,
}  # fmt: skip
COUNTERS = {
    channel.QUEUE: (run.SENT, run.TAKEN, run.SENT, run.TAKEN),
    channel.KICK: (run.PUT, run.FETCHED, run.PUT, run.FREED),
    channel.CALL: (run.DONE, run.FREED, run.PUT, run.FREED),
}  # fmt: skip
LOOKS = {"continue": driver.AGAIN, "requeue": driver.LATER, "none": driver.NEVER}


def build(program: Program, found: Roles, columns: Columns, first: list[int]) -> Arena:
    """Return the arena of a run."""
    a = Arena(program, columns, first, [0] * worker.END)
    sender, handler, behind = (
        program.stages[i] for i in (found.sender, found.handler, found.worker)
    )
    a.write(0, {
        run.KEY: run.NEVER,
        run.CAPACITY: program.rings[found.ring].capacity,
        run.FLY_KEY: run.NEVER,
        run.FLY_RANK: program.rank_of_channel(found.call),
        run.RUNNING: a.paid(found.handler, program.channels[found.call].running),
    })  # fmt: skip
    at = {
        found.queue: channel.QUEUE, found.kick: channel.KICK, found.call: channel.CALL,
    }  # fmt: skip
    for i, c in at.items():
        row = program.channels[i]
        a.write(c, dict(enumerate(COUNTERS[c], channel.COUNTER)))
        a.write(c, {
            channel.MODE: MODES[row.mode],
            channel.ARMED: int(row.armed),
            channel.EVENT: 0 if row.armed else 0xFFFF,
        })  # fmt: skip
    _thread(a, thread.DRIVER, sender.thread, found.worker)
    _thread(a, thread.WORKER, behind.thread, found.sender)
    _spinning(a, behind.thread)
    _waiting(a, sender.thread)
    _sender(a, found, sender, at)
    _handler(a, found, handler, at)
    _worker(a, found, behind, at)
    return a


def _thread(a: Arena, at: int, index: int, waker: int) -> None:
    """Write a thread; ``waker`` is the stage that pays for waking it."""
    row, program = a.program.threads[index], a.program
    payer, sleeps = len(program.stages) + index, row.wait == "sleep"
    states: list[int] = []
    for residency, use in program.cores[row.core].idle_states:
        states += [residency, a.paid(payer, (*row.wake, use))]
    a.write(at, {
        thread.RANK: program.rank_of_thread(index),
        thread.KEY: run.NEVER,
        thread.MODE: thread.SLEEPING if sleeps else thread.IDLING,
        thread.WHAT: driver.WOKEN if at == thread.DRIVER else worker.WOKEN,
        thread.STATE: thread.ASLEEP if sleeps else thread.POLLING,
        thread.SLEEPS: int(sleeps),
        thread.WAKE: a.paid(payer, row.wake),
        thread.N_STATES: len(states) // 2,
        thread.STATES: a.listed(states),
        thread.RESUME: a.paid(payer, row.resume),
        thread.SIGNAL: a.paid(waker, row.signal, varies=True),
    })  # fmt: skip


def _waiting(a: Arena, index: int) -> None:
    row = a.program.threads[index]
    payer = len(a.program.stages) + index
    a.write(0, {
        driver.IDLE: a.paid(payer, row.idle),
        driver.BLOCK: a.paid(payer, row.block),
        driver.HIT: a.paid(payer, row.hit),
        driver.ROUSED_TO: driver.MAIN,
        driver.BEGAN: -1,
        driver.LEVEL: driver.BASE,
        driver.TOP: driver.NOBODY,
        driver.SINCE_SOFT: -1,
        driver.SOFT_PS: row.softirq_ps,
        driver.SOFT_N: row.softirq_packets,
    })  # fmt: skip
    a.write(driver.QUEUED, dict.fromkeys(range(4), driver.NOBODY))
    if row.spin is not None:
        a.write(0, {
            driver.SPIN_PS: row.spin.max_ps,
            driver.ADAPTS: int(row.spin.adaptive),
            driver.START_PS: row.spin.start_ps,
            driver.GROW: row.spin.grow,
            driver.SHRINK: row.spin.shrink,
        })  # fmt: skip


def _spinning(a: Arena, index: int) -> None:
    """Write how a worker spins on its ring."""
    spin = a.program.threads[index].spin
    if spin is None:
        return
    a.write(0, {
        worker.SPINS: 1,
        worker.SPIN_PS: spin.max_ps,
        worker.POLL: a.paid(len(a.program.stages) + index, spin.turn),
        worker.LOOK_EVERY: max(1, sum(a.first[use] for use in spin.turn)),
    })  # fmt: skip


def _sender(a: Arena, found: Roles, row: StageRow, at: dict[int, int]) -> None:
    program, i = a.program, found.sender
    if row.lead:
        a.column(0, driver.LEAD, driver.LEAD_STEP, row.lead)
    a.column(0, driver.ITEM, driver.ITEM_STEP, row.item)
    a.write(0, {
        driver.ENTRY: a.paid(i, row.entry),
        driver.TURN: a.paid(i, row.turn),
        driver.EMPTY: a.paid(i, row.empty_uses),
        driver.REARM: a.paid(i, rearm(row)),
        driver.LEADS: len(row.lead),
        driver.LEAD_EXIT: int(any(program.uses[use].exit for use in row.lead)),
        driver.ITEM_EXIT: int(any(program.uses[use].exit for use in row.item)),
        driver.BATCH: row.batch,
        driver.BUDGET: row.budget,
        driver.EACH: int(row.decide == "each"),
        driver.ROOM: row.room,
        driver.KICK: a.paid(i, program.channels[found.kick].send, varies=True),
        driver.AT_ENTRY: _rules(a, row, "entry", at),
        driver.AT_TAKE: _rules(a, row, "take", at),
        driver.AT_PUBLISH: _rules(a, row, "publish", at),
        driver.AT_STOP: _rules(a, row, "stop", at),
        driver.AT_EMPTY: _rules(a, row, "empty", at),
    })  # fmt: skip


def _handler(a: Arena, found: Roles, row: StageRow, at: dict[int, int]) -> None:
    i = found.handler
    a.write(0, {
        driver.IRQ_ENTRY: a.paid(i, row.entry),
        driver.IRQ_TURN: a.paid(i, row.turn),
        driver.RESTART: a.paid(i, row.restart),
        driver.IRQ_REARM: a.paid(i, rearm(row)),
        driver.DEFERS: int(row.defer),
        driver.IRQ_LEVEL: row.level,
        driver.LOOKS: LOOKS[row.recheck],
        driver.AT_IRQ: _rules(a, row, "entry", at),
        driver.AT_CLEANED: _rules(a, row, "empty", at),
    })  # fmt: skip


def _worker(a: Arena, found: Roles, row: StageRow, at: dict[int, int]) -> None:
    program, i = a.program, found.worker
    a.column(0, worker.COST, worker.COST_STEP, (*row.lead, *row.item))
    if found.inline != NONE:
        a.column(0, worker.AFTER, worker.AFTER_STEP, program.stages[found.inline].item)
    a.write(0, {
        worker.ENTRY: a.paid(i, row.entry),
        worker.TURN: a.paid(i, row.turn),
        worker.EMPTY: a.paid(i, row.empty_uses),
        worker.LOOP: a.paid(len(program.stages) + row.thread, program.threads[row.thread].loop),
        worker.DEFERS: int(row.defer),
        worker.STAYS_ARMED: int(row.on_empty == "serve_armed"),
        worker.ASKS_EARLY: int(asks_early(program, row)),
        worker.REARM: a.paid(i, rearm(row)),
        worker.INLINES: int(found.inline != NONE),
        worker.BATCH: row.batch,
        worker.BUDGET: row.budget,
        worker.BUDGET_B: row.budget_b,
        worker.CALL: a.paid(i, program.channels[found.call].send, varies=True),
        worker.AT_ENTRY: _rules(a, row, "entry", at),
        worker.AT_TAKE: _rules(a, row, "take", at),
        worker.AT_EMPTY: _rules(a, row, "empty", at),
    })  # fmt: skip


def _rules(a: Arena, row: StageRow, when: str, at: dict[int, int]) -> int:
    """Append the arm rules of an occasion."""
    rules = [arm for arm in row.arms if arm.when == when]
    words = [len(rules)]
    for arm in rules:
        words += [
            at[arm.channel], VALUES[arm.value], arm.k, arm.num, arm.den, int(arm.passed != NONE),
        ]  # fmt: skip
    return a.listed(words)


def rearm(row: StageRow) -> Uses:
    """Return what a stage pays to ask anew."""
    return tuple(use for arm in row.arms if arm.when == "empty" for use in arm.uses)


def asks_early(program: Program, row: StageRow) -> bool:
    """Tell whether a worker asks with a batch in hand; before a spin the batch is flushed."""
    return row.flush == "after_rearm" and program.threads[row.thread].spin is None


def sums(program: Program, found: Roles) -> list[Uses]:
    """Return the lists of uses whose prices a packet pays in one go, and the uses of a notice."""
    sender, behind = program.stages[found.sender], program.stages[found.worker]
    wanted: list[Uses] = [sender.item, (*behind.lead, *behind.item)]
    if sender.lead:
        wanted.append(sender.lead)
    if found.inline != NONE:
        wanted.append(program.stages[found.inline].item)
    signals = [program.threads[row.thread].signal for row in (sender, behind)]
    for uses in (*signals, program.channels[found.kick].send, program.channels[found.call].send):
        wanted += [(use,) for use in uses]
    return list(dict.fromkeys(wanted))
