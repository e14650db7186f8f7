"""What happens when: the rules every engine plays by, as text and as pure integer functions.

Words
-----
A *thread* runs *stages*; a stage takes packets from one *ring*, pays *uses* (an op with its cause)
and hands packets on. A *channel* is one direction of notification of one ring: forward ("there is
work": a kick in tx, a call in rx) or reverse ("there is room": a call in tx, a kick in rx).
Time is integer picoseconds. A use is *busy* (its payer's time) or a *delay* (the other side only
starts later). Every counter of a ring runs free and is compared modulo 65536, as virtio's do.

One instant
-----------
All that happens at one time stamp is ordered by the key ``(round, phase, rank)``.

0. *Due*: sources, ends of ops, ends of delays, timers, in rank order alone. Each publishes and
   decides its notification from the channel as it stands at that moment.
1. *Check*: free threads look at their rings and take, in rank order. A burst is what was
   published up to and including now.
2. *Unblock*: producers blocked on a ring that has a free slot publish, longest blocked first; they
   decide and go on in phase 1 of the next round.
3. *Sleep*: a free thread with nothing ready falls asleep.

Rounds of 0 to 2 repeat until one moves nothing, then 3 runs once. Whatever an event causes "now"
gets the smallest key after the event's own: a delivery after zero time joins phase 0 of the next
round, a check falls into the same round if its phase is still to come; what a phase 3 causes makes
rounds behind it. More than ``MAX_ROUNDS`` rounds in one instant is an endless cascade and an error
that names the thread.

The rank is a position in the Program's tables: sources, channels, stage timers, rings (what becomes
visible late), then threads, each in the order in which a packet meets them. Nothing depends on any
other order. A run ends with the last event that changes anything: a timer that was overtaken does
not.

Threads and cores
-----------------
Uses are atomic. Between two of them a thread may go up a level (softirq above process, hard
interrupt above both; no cost), or lose its core: to a host softirq at once, to another thread of
its class when its quantum is over and one waits. A core is first come, first served; a switch from
one thread to another costs the core's switch use, paid by the thread that comes on. A thread
woken on an idle core starts after its wake delay plus the exit latency of the deepest idle state
whose residency the core's idle time had reached; that delay counts as runnable. A thread woken
onto a busy core waits in its queue and then pays the switch instead. An interruption of a core
(steal, tick) stretches the use that runs, or what is left of the interruption delays the use
that starts during it.

Stages
------
A stage runs in *turns*. Serving a pending delivery pays the entry uses even if the ring turns out
empty (a spurious wake-up). A turn pays the turn uses, then serves batch after batch: ``burst``
batches are sized once, at their start; ``fill`` batches look again after every packet until full
or empty. After each batch the inline stages run on the same thread, then packets are *done*
(used-ring entries published) and the reverse channel decides; ``done: before`` swaps the two.
A turn ends on its budget (the stage goes to the end of its thread's queue), on an empty ring, or
on a full ring ahead.

On empty a stage re-arms (its re-arm uses pass first, the channel changes at their end) and looks
once more: what came before the re-arm is found by that look, what comes after it is notified.
``serve_armed`` re-arms first and serves all there is once more (up to its budget), armed again at
every packet, and goes on if that found anything. ``recheck: none`` does not look again: its channel
is a latch, which does not forget. A spinning wait, if nothing else of its thread is
ready, looks every turn of its poll loop for the length of its spin before it re-arms; meanwhile the
other stages of its thread are not armed either, and if one of them becomes ready the stage goes to
the end of the queue instead.

Notification
------------
A decision is made at publication: mode ``never``; ``always``; ``once`` (the first after an arm: a
wait queue that its sleeper leaves); ``flags`` (all while armed); ``event`` (virtio's event index);
``latch`` (an interrupt line with a mask: one while armed, none more until it is armed again, and
what was decided while it was not armed is sent by the arm); ``call`` (a called stage runs on the
decider's thread, now, at the more urgent of their levels, and serves what is there; one that is
stopped or has a turn coming is left alone). Where an entry becomes visible late the decision is
made then, at nobody's expense. A decision to send pays the send uses, and the signal uses if the
target sleeps, on the sender; then the delivery is in flight. One delivery per channel is in flight,
a second merges with it. ``gap_ps`` keeps two deliveries of a channel apart, the later one is put
off (moderation); ``hold_n``/``hold_ps`` deliver at the n-th decision or so long after the first
(coalescing). A delivery may go through a relay: always, if its target sleeps and no thread delivers
it, or if it was put off (then its send uses are the relay's business). The relay's stage pays its
entry uses and delivers as its own thread would, or hands on to the next relay. A stage with
``timer_ps`` starts that long after its delivery; a second delivery meanwhile starts it at once.

A full ring ahead
-----------------
``drop``: the packet is dropped and counted at the ring. ``block``: the stage decides on what it has
published so far, then the thread waits on its core for a slot (the core it may lose after its
quantum, its place it keeps). ``stop``: after a publication that leaves fewer than ``room`` slots,
the stage stops until a reclaim makes room (at once). ``wait``: no packet is taken while there is no
slot; the stage arms the reverse channel, looks once more and leaves (at the next take). A poller
that waits takes a burst no larger than the room ahead, is told nothing, and looks again. ``hold``:
like wait, with one packet already in hand. ``retry``: a burst is offered again, paying its batch
uses each time, up to ``retries`` times and only while the last try placed something; the rest is
dropped. A stage that ``reclaims`` takes back used slots itself: at the start of a burst, of an
inline run and of each try, else after the lead uses of each packet. One that ``cleans`` does a
reclaiming stage's work at the start of each of its turns.

Pollers
-------
A poller's iteration is its loop uses, then one check per stage in order; a check happens at the
start of its poll use. While everything is empty only the clock passes: the next check is found by
``next_poll``, and that look sees whatever is published in its instant; a poller that is at work
sees what is there at its phase 1. Checks that find nothing are *polling*, all else is *busy*. A
paced poller is never parked: before each iteration its pace decides on a sleep, for which it pays
and gives up its core; an iteration that begins while there is nothing to do is polling.

Devices
-------
A device's stage may have several servers: as many packets are in service side by side. Each passes
its item uses, which are delays, and is handed on at their end; completions of one stage at one
instant keep the order in which the packets were taken. A device pays nothing for telling anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

MASK = 0xFFFF
MAX_ROUNDS = 10_000
DUE, CHECK, UNBLOCK, SLEEP = range(4)


def need_event(event: int, new: int, old: int) -> bool:
    """Tell whether publishing ``old`` .. ``new`` crossed the event index.

    The arithmetic of virtio 1.x, "Used Buffer Notification Suppression": all three run freely
    modulo 65536 and ``old`` is the index at the previous decision.
    """
    return ((new - event - 1) & MASK) < ((new - old) & MASK)


def event_next(position: int, k: int = 1) -> int:
    """Event index that asks for a notification at the k-th entry after ``position``."""
    return (position + k - 1) & MASK


def event_share(position: int, outstanding: int, num: int, den: int) -> int:
    """Event index after a share of what is outstanding (``enable_cb_delayed``: 3/4)."""
    return (position + outstanding * num // den) & MASK


def event_off(published: int) -> int:
    """Event index that was just passed: silent for the next 65535 entries."""
    return (published - 1) & MASK


def passed(event: int, position: int, published: int) -> bool:
    """Tell whether the entry that ``event`` waits for has been published already."""
    return ((published - position) & MASK) > ((event - position) & MASK)


def burst_take(visible: int, batch: int, budget_left: int) -> int:
    """Size of the next burst: what is there, at most a batch, at most what the budget allows."""
    return max(0, min(visible, batch, budget_left))


def next_poll(now_ps: int, first_ps: int, period_ps: int) -> int:
    """First check at or after ``now_ps`` of a poller that checks at first + k * period."""
    if now_ps <= first_ps:
        return first_ps
    return first_ps + -((first_ps - now_ps) // period_ps) * period_ps


def halt_poll_next(
    poll_ps: int, block_ps: int, *, start_ps: int, grow: int, shrink: int, max_ps: int
) -> int:
    """Length of the next halt poll after one halt that lasted ``block_ps`` in all.

    KVM's rule: keep it while it catches the wake-ups, shrink it after a block longer than the
    ceiling (``shrink`` 0, or a result below ``start_ps``: to nothing), grow it when a longer poll
    would have caught this one [virt/kvm/kvm_main.c: grow_halt_poll_ns, shrink_halt_poll_ns].
    """
    if block_ps <= poll_ps:
        return poll_ps
    if poll_ps and block_ps > max_ps:
        shorter = poll_ps // shrink if shrink else 0
        return shorter if shorter >= start_ps else 0
    if poll_ps < max_ps and block_ps < max_ps:
        return min(max(poll_ps * grow, start_ps), max_ps)
    return poll_ps


def moderate(now_ps: int, last_ps: int | None, gap_ps: int) -> int:
    """Time at which a delivery asked for now may happen, at least a gap after the last one."""
    return now_ps if last_ps is None else max(now_ps, last_ps + gap_ps)


def stretch(start_ps: int, busy_ps: int, at_ps: Sequence[int], for_ps: Sequence[int]) -> int:
    """End of a use that starts now on a core with these interruptions (sorted, not overlapping).

    Interruptions that are over are skipped, one under way delays the start, and each that begins
    before the use has ended pushes its end further out.
    """
    from bisect import bisect_right

    end = start_ps + busy_ps
    i = max(0, bisect_right(at_ps, start_ps) - 1)
    if i < len(at_ps) and at_ps[i] <= start_ps:
        end += max(0, at_ps[i] + for_ps[i] - start_ps)
        i += 1
    while i < len(at_ps) and at_ps[i] < end:
        end += for_ps[i]
        i += 1
    return end


def interrupted(from_ps: int, until_ps: int, at_ps: Sequence[int], for_ps: Sequence[int]) -> int:
    """Time between two moments in which a core with these interruptions was interrupted."""
    return sum(
        max(0, min(at + length, until_ps) - max(at, from_ps))
        for at, length in zip(at_ps, for_ps, strict=True)
    )


def idle_state(idle_ps: int, residencies_ps: Sequence[int]) -> int:
    """Index of the deepest idle state whose residency was reached, -1 for none."""
    deepest = -1
    for i, residency in enumerate(residencies_ps):
        if idle_ps >= residency:
            deepest = i
    return deepest
