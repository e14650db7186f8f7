"""What a thread runs: its life, its iterations, the entries and turns of its stages."""

from __future__ import annotations

from virtsim.engines.compiling.words import Words, dispatched, seldom
from virtsim.engines.stepper.batches import held_first
from virtsim.engines.stepper.clock import check, wait
from virtsim.engines.stepper.cores import acquire, give_way, must_yield, pay, pay_polling, set_level
from virtsim.engines.stepper.frames import pop, push, resumed, stop
from virtsim.engines.stepper.notifying import ALL, REVERSE_ONLY, arms, relay
from virtsim.engines.stepper.polling import can_work, park, sees_work, settle
from virtsim.engines.stepper.ready import append, enqueue, take_ready, top
from virtsim.engines.stepper.rows import channel, core, frame, node, queue, stage, thread, world
from virtsim.engines.stepper.timers import delay_turn
from virtsim.engines.stepper.turns import turn
from virtsim.engines.stepper.waiting import BACK, nap, rest

BORN, WOKEN, RUNNING, RESUMED, LIVING = range(5)


@resumed(frame.LIFE)
def go_on_living(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Live: be born, then serve what is ready and rest, or poll, for ever."""
    if step == BORN:
        if a[t + thread.WAIT] == thread.SLEEPS:
            stop(a, f, frame.LIFE, WOKEN)
            return wait(a, t, thread.SLEEPING)
        step = RESUMED
        if acquire(a, p, c, t):
            return stop(a, f, frame.LIFE, RESUMED)
    if step == WOKEN:
        step = RUNNING
        if acquire(a, p, c, t):
            return stop(a, f, frame.LIFE, RUNNING)
    if step == RUNNING:
        step = RESUMED
        if pay(a, p, c, t, a[t + thread.LEDGER], a[t + thread.RESUME], 0):
            return stop(a, f, frame.LIFE, RESUMED)
    stop(a, f, frame.LIFE, LIVING)
    if a[t + thread.WAIT] == thread.POLLS:
        push(a, t, frame.POLL, 0)
        return world.STOP
    while True:
        if a[t + thread.READY] == 0:
            set_level(a, t, -1)
            if rest(a, p, c, t):
                return world.STOP
        elif iterate(a, p, c, t):
            return world.STOP


def iterate(a: Words, p: Words, c: Words, t: int) -> int:
    """Run what is ready; a thread with a loop serves all of it in one iteration."""
    if a[a[t + thread.LOOP]] == 0:
        return run_one(a, p, c, t)
    f = push(a, t, frame.ITERATE, 0)
    a[f + frame.LEFT] = 0
    for level in range(3):
        a[f + frame.LEFT] += a[a[t + thread.QUEUES + level] + queue.N]
    if pay(a, p, c, t, a[t + thread.LEDGER], a[t + thread.LOOP], 0):
        return stop(a, f, frame.ITERATE, 0)
    return go_on_iterating(a, p, c, t, f)


def go_on_iterating(a: Words, p: Words, c: Words, t: int, f: int) -> int:
    """Go on with an iteration."""
    while a[f + frame.LEFT] > 0:
        a[f + frame.LEFT] -= 1
        if run_one(a, p, c, t):
            return stop(a, f, frame.ITERATE, 0)
    return pop(a, t)


# -- one ready thing ---------------------------------------------------------------------------

START, RAN = range(2)


def run_one(a: Words, p: Words, c: Words, t: int) -> int:
    """Run the most urgent thing that is ready: a stage's entry or its turn."""
    return go_on_running(a, p, c, t, push(a, t, frame.RUN_ONE, 0), START)


@resumed(frame.RUN_ONE)
def go_on_running(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Go on with a ready thing."""
    if step == START:
        level = top(a, t)
        item = take_ready(a, t, level)
        s = item >> 1
        a[f + frame.A], a[f + frame.B] = a[t + thread.LEVEL], level
        set_level(a, t, level)
        a[t + thread.TURNS] += 1
        if (level == 1 or a[t + thread.SOFTIRQ]) and a[t + thread.SOFTIRQ_SINCE] < 0:
            a[t + thread.SOFTIRQ_SINCE], a[t + thread.SOFTIRQ_N] = a[world.NOW], 0
        if item & 1:
            if enter(a, p, c, t, s):
                return stop(a, f, frame.RUN_ONE, RAN)
        else:
            a[s + stage.TURN_QUEUED] = 0
            if turn(a, p, c, t, s):
                return stop(a, f, frame.RUN_ONE, RAN)
    set_level(a, t, a[f + frame.A])
    a[t + thread.TURNS] -= 1
    if a[t + thread.SOFTIRQ]:
        limit_host_softirq(a, t)
    elif a[t + thread.HAS_SOFTIRQS] and a[f + frame.B] == 1:
        limit_softirq(a, t)
    elif a[t + thread.KSOFTIRQD]:
        stay_ksoftirqd(a, t)
    return pop(a, t)


def over(a: Words, t: int) -> bool:
    """Tell whether a softirq has run for too long, or served too much."""
    longest = a[world.NOW] - a[t + thread.SOFTIRQ_SINCE] >= a[t + thread.SOFTIRQ_PS]
    return longest or a[t + thread.SOFTIRQ_N] >= a[t + thread.SOFTIRQ_PACKETS]


@seldom
def limit_softirq(a: Words, t: int) -> None:
    """End a vCPU's softirq round; what is left after its limits goes on at process level."""
    q = a[t + thread.QUEUES + 1]
    if a[q + queue.N] and not over(a, t):
        return
    a[t + thread.SOFTIRQ_SINCE] = -1
    if a[q + queue.N]:
        a[t + thread.KSOFTIRQD] = 1
        while a[q + queue.N]:
            append(a, t, 2, take_ready(a, t, 1))


@seldom
def stay_ksoftirqd(a: Words, t: int) -> None:
    """End ksoftirqd's time if no softirq is left at process level."""
    q = a[t + thread.QUEUES + 2]
    a[t + thread.KSOFTIRQD] = 0
    for i in range(a[q + queue.N]):
        at = a[q + queue.ITEMS + ((a[q + queue.FIRST] + i) & a[t + thread.QUEUE_MASK])]
        if a[(at >> 1) + stage.LEVEL] == 1:
            a[t + thread.KSOFTIRQD] = 1


@seldom
def limit_host_softirq(a: Words, t: int) -> None:
    """End a host softirq's round; after its limits it competes as a process and yields first."""
    if a[t + thread.READY] == 0:
        a[t + thread.SOFTIRQ_SINCE], a[t + thread.KSOFTIRQD] = -1, 0
    elif not a[t + thread.KSOFTIRQD] and over(a, t):
        a[t + thread.KSOFTIRQD] = 1
        k = a[t + thread.CORE]
        a[k + core.SLICE_SINCE] = a[world.NOW] - a[k + core.QUANTUM]


# -- entries -----------------------------------------------------------------------------------

LANDING, INTRUDED, PAID, ENTERED, ASKED, ARMED, HAD_TURN, PLACED = range(8)


@dispatched("s")
def enter(a: Words, p: Words, c: Words, t: int, s: int) -> int:
    """Serve a delivery: pay what it costs, then let the stage have its turn."""
    if a[s + stage.ROLE] == stage.RELAYS:
        return relay(a, p, c, t, s)
    f = push(a, t, frame.ENTRY, s)
    a[s + stage.ENTRY_QUEUED] = 0
    a[f + frame.NTH], a[f + frame.A] = a[s + stage.LANDED], 0
    a[s + stage.LANDED] = 0
    return go_on_entering(a, p, c, t, s, f, LANDING)


@resumed(frame.ENTRY)
def go_on_entering(a: Words, p: Words, c: Words, t: int, s: int, f: int, step: int) -> int:
    """Go on with an entry: I is the next landing, A tells whether one was of packets."""
    while step <= INTRUDED:
        x = a[f + frame.NTH]
        h = a[x + node.CHANNEL]
        if step == LANDING:
            if x == 0:
                step = PAID
                if pay(a, p, c, t, a[s + stage.LEDGER], a[s + stage.ENTRY], 0):
                    return stop(a, f, frame.ENTRY, PAID)
                break
            a[f + frame.A] |= a[h + channel.FORWARD]
            step = INTRUDED
            if a[x + node.INTRUDED] and pay_intrusion(a, p, c, t, s, h):
                return stop(a, f, frame.ENTRY, INTRUDED)
        if step == INTRUDED:
            forget_landing(a, f, x)
            step = LANDING
            if pay_delivery(a, p, c, t, s, h):
                return stop(a, f, frame.ENTRY, LANDING)
    if step == PAID:
        hold, which = a[s + stage.FULL] == stage.HOLD, ALL
        if hold or a[s + stage.FULL] == stage.WAIT:
            a[s + stage.STOPPED] = 0
        step = ENTERED
        # Packets behind are another event's business, and stay armed.
        if hold and not a[f + frame.A]:
            step, which = ASKED, REVERSE_ONLY
        if arms(a, p, c, t, s, a[s + stage.ON_ENTRY], 0, which):
            return stop(a, f, frame.ENTRY, step)
    if step == ASKED:
        if a[s + stage.HELD] < 0:
            return pop(a, t)
        step = PLACED
        if held_first(a, p, c, t, s):
            return stop(a, f, frame.ENTRY, PLACED)
    if step == PLACED and not a[s + stage.STOPPED]:
        enqueue(a, p, c, s, 0)
    if step == ENTERED:
        if a[s + stage.TIMER_PS]:
            delay_turn(a, p, c, s)
        elif a[s + stage.DEFER]:
            enqueue(a, p, c, s, 0)
        elif not a[s + stage.TURN_QUEUED] and turn(a, p, c, t, s):
            return stop(a, f, frame.ENTRY, HAD_TURN)
    return pop(a, t)


@dispatched("h")
def pay_intrusion(a: Words, p: Words, c: Words, t: int, s: int, h: int) -> int:
    """Pay for a delivery that cut in."""
    return pay(a, p, c, t, a[s + stage.LEDGER], a[h + channel.INTRUDE], 0)


@dispatched("h")
def pay_delivery(a: Words, p: Words, c: Words, t: int, s: int, h: int) -> int:
    """Pay for a delivery's handling."""
    return pay(a, p, c, t, a[s + stage.LEDGER], a[h + channel.ENTRY], 0)


def forget_landing(a: Words, f: int, x: int) -> None:
    """Go to the next landing; give the memory of one that is served back."""
    a[x + node.TIMES] -= 1
    if a[x + node.TIMES] == 0:
        a[f + frame.NTH] = a[x + node.NEXT]
        a[x + node.NEXT] = a[world.FREE_NODE]
        a[world.FREE_NODE] = x
        a[world.N_FREE] += 1


# -- polling -----------------------------------------------------------------------------------

LOOKING, LOOKED, PARKED, SERVED = range(4)


def go_on_polling(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Look at the stages' rings in turn, for ever."""
    while True:
        if step == PARKED:
            settle(a, p, c, t)
            if a[t + thread.FOUND] >= 0:
                # Looks that cost nothing leave the position open; the one that found is known.
                a[t + thread.POSITION] = a[t + thread.FOUND]
        elif step == SERVED:
            a[t + thread.TURNS] -= 1
        if step != LOOKED:
            step = LOOKED
            if check(a, t):
                return stop(a, f, frame.POLL, LOOKED)
        step = LOOKING
        if must_yield(a, t):
            stop(a, f, frame.POLL, LOOKING)
            return give_way(a, t)
        if not a[t + thread.PACED] and not sees_work(a, t):
            park(a, p, t)
            stop(a, f, frame.POLL, PARKED)
            return wait(a, t, thread.PARKED)
        position = a[t + thread.POSITION]
        a[t + thread.POSITION] = (position + 1) % (a[t + thread.N_STAGES] + 1)
        a[f + frame.STEP] = LOOKING
        if visit(a, p, c, t, f, position):
            return world.STOP
        step = a[f + frame.STEP]


@dispatched("position")
def visit(a: Words, p: Words, c: Words, t: int, f: int, position: int) -> int:
    """Open an iteration, or look at a stage and serve it: then the poller goes on at SERVED."""
    if position == 0:
        return loop(a, p, c, t)
    s = a[a[t + thread.STAGES] + position - 1]
    if can_work(a, s):
        a[t + thread.TURNS] += 1
        stop(a, f, frame.POLL, SERVED)
        return turn(a, p, c, t, s)
    return pay_polling(a, p, c, t, a[s + stage.LEDGER], a[s + stage.POLL])


CHECKED, OPENED = BACK + 1, BACK + 2


def loop(a: Words, p: Words, c: Words, t: int) -> int:
    """Open an iteration; a paced poller may sleep before it."""
    return go_on_looping(a, p, c, t, push(a, t, frame.LOOP, 0), START)


@resumed(frame.LOOP)
def go_on_looping(a: Words, p: Words, c: Words, t: int, f: int, step: int) -> int:
    """Go on with the opening of an iteration."""
    if step <= BACK and a[t + thread.PACED]:
        if nap(a, p, c, t, f, step):
            return world.STOP
        a[t + thread.ITERATION_PS], a[t + thread.MOST] = a[world.NOW], 0
        if check(a, t):
            return stop(a, f, frame.LOOP, CHECKED)
    if step != OPENED:
        ledger = a[t + thread.LEDGER]
        if sees_work(a, t):
            if pay(a, p, c, t, ledger, a[t + thread.LOOP], 0):
                return stop(a, f, frame.LOOP, OPENED)
        elif pay_polling(a, p, c, t, ledger, a[t + thread.IDLE_LOOP]):
            return stop(a, f, frame.LOOP, OPENED)
    return pop(a, t)
