"""The standard works, as Programs, with everything random drawn beforehand.

* **W1** one FIFO server at load 0.8.
* **W2** five FIFO servers in tandem, 256 places each, drop-tail, loads 0.9 to 1.01.
* **W3** a producer, a ring of 256, and a consumer that sleeps and is kicked.
* **W4** virtio-net in both directions: two sources, a vhost worker that serves two rings in turn,
  and a vCPU that takes interrupts, polls and sends. Sources send faster and slower in turns.

Every packet has prices of its own (exponential ones, uniform ones), drawn by its number, so that
all engines and baselines play the same luck. What belongs to no packet has one price in a Program:
a wake-up, a re-arm, the way of an interrupt and its entry cost the mean of the uniform times that
they would be drawn from.

Six clocks of W4 have ranks in this order: rx source, tx source, rx interrupt, tx interrupt, worker,
vCPU; at one instant all of them act before any thread looks at a ring. Where a Program has rules of
its own they hold. NAPI whose budget is used up queues behind the sender (ksoftirqd) and then has a
turn of its own, rather than a packet whenever the sender has nothing; the sender learns of used
slots at its next packet or interrupt; a kick that is on its way while the worker finds its packet
by looking again is served all the same; an event index that was passed comes round after 65536.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from virtsim.chance import Words, draws, exponential_gaps
from virtsim.outcome import Ints, Job, Packets, Prices
from virtsim.program import (
    LEVELS,
    ArmRow,
    ChannelRow,
    CoreRow,
    Program,
    RingRow,
    SourceRow,
    StageRow,
    ThreadRow,
    Use,
    Uses,
)

US = 1_000_000
"""Picoseconds of a microsecond."""

SEED = 1
PLACES = 256
LOADS = (0.90, 0.93, 0.96, 0.99, 1.01)
"""Of W2's servers; the last one drops about a packet in a hundred."""

TAP, QDISC, BUDGET, SPELL = 500, 1000, 64, 3000
NEVER = 1 << 60
HARDIRQ, SOFTIRQ, PROCESS = range(len(LEVELS))


@dataclass(frozen=True)
class Work:
    """A standard work: its tables, its packets and their prices."""

    name: str
    program: Program
    job: Job

    def __len__(self) -> int:
        return len(self.job.packets)

    def column(self, use: int) -> Ints:
        """Return the prices of a use: one for all packets, or one for each (ps)."""
        prices = self.job.prices
        at = int(prices.offset[use])
        return prices.flat[at : at + (len(self) if prices.step[use] else 1)]


class _Priced:
    """Uses with their prices, in order."""

    def __init__(self) -> None:
        self.rows: list[Use] = []
        self.columns: list[Ints] = []

    def __call__(
        self, op: str, price: int | Ints, cause: str = "work", *, busy: bool = True
    ) -> Uses:
        """Append a use with its price: one for all packets, or one for each."""
        self.rows.append(Use(op, cause, busy))
        self.columns.append(np.atleast_1d(np.asarray(price, dtype=np.int64)))
        return (len(self.rows) - 1,)

    def prices(self, packets: int) -> Prices:
        """Return the prices; a column that is longer than one has one for each packet."""
        lengths = [len(column) for column in self.columns]
        assert all(n in (1, packets) for n in lengths)
        offset = np.cumsum([0, *lengths], dtype=np.int64)[:-1]
        step = np.array([int(n > 1) for n in lengths], dtype=np.int64)
        return Prices(np.concatenate(self.columns), offset, step)


def work(name: str, packets: int) -> Work:
    """Return a standard work.

    Parameters
    ----------
    packets
        How many; W4 has half of them each way. Fewer packets are the first of more.
    """
    return WORKS[name](packets)


def w1(packets: int) -> Work:
    """Return one FIFO server: gaps exp(1 us), service exp(0.8 us)."""
    return tandem("W1", _arrivals("W1", packets), [_exp("W1.serve", 0.8, packets)], 0)


def w2(packets: int) -> Work:
    """Return five FIFO servers in tandem: gaps exp(1 us), services of means 0.9 to 1.01 us."""
    served = [_exp(f"W2.serve{i}", load, packets) for i, load in enumerate(LOADS)]
    return tandem("W2", _arrivals("W2", packets), served, PLACES)


def tandem(name: str, at_ps: Ints, services: Sequence[Ints], places: int) -> Work:
    """Return servers in a row; each has so many waiting places (0: any number).

    Parameters
    ----------
    at_ps
        Arrivals, ascending: int64[n], ps.
    services
        Service times of each server: int64[n], ps.
    """
    use = _Priced()
    k = len(services)
    stages = []
    for i, service in enumerate(services):
        arms = (ArmRow(i, "entry", "off"), ArmRow(i, "empty", "next"))
        out = i + 1 if i + 1 < k else -1
        item = use(f"serve{i}", service)
        stages.append(StageRow(f"server{i}", i, PROCESS, "host", i, item=item, out=out, arms=arms))
    program = Program(
        name, "tx", tuple(use.rows),
        cores=_cores(k),
        threads=tuple(ThreadRow(f"server{i}", "raw", i, "sleep") for i in range(k)),
        rings=tuple(RingRow(f"queue{i}", places, forward=i) for i in range(k)),
        channels=tuple(ChannelRow(f"work{i}", i, True, "flags", i) for i in range(k)),
        stages=tuple(stages),
        sources=(SourceRow("source", 0),),
    )  # fmt: skip
    return _of(program, use, at_ps)


def w3(packets: int) -> Work:
    """Return the producer and the consumer that sleeps."""
    return producer_consumer(
        _exp("W3.make", 0.9, packets),
        _exp("W3.eat", 0.8, packets),
        _uniform("W3.kick", 1.0, 3.0, packets),
        resume=_mean(1.0, 2.0),
        wake=_mean(2.0, 8.0),
        rearm=_mean(0.1, 0.3),
    )


def producer_consumer(
    make: Ints, eat: Ints, kick: Ints, *, resume: int, wake: int, rearm: int
) -> Work:
    """Return a producer and a consumer with a ring of 256 between them.

    Parameters
    ----------
    make, eat, kick
        Work on an item by each side, and what a kick for it costs the producer: int64[n], ps.
    resume, wake, rearm
        Delay of the producer when a slot is free again, of the consumer when it is kicked, and
        what asking for a kick costs: ps.
    """
    use = _Priced()
    made, eaten = use("make", make), use("eat", eat)
    kicked, asked = use("kick", kick, "kick"), use("rearm", rearm, "rearm")
    roused = use("resume", resume, "wake", busy=False)
    woken = use("wake", wake, "wake", busy=False)
    program = Program(
        "W3", "tx", tuple(use.rows),
        cores=_cores(2),
        threads=(
            ThreadRow("producer", "raw", 0, "sleep", wake=roused),
            ThreadRow("consumer", "raw", 1, "sleep", wake=woken),
        ),
        rings=(
            RingRow("items", 0, forward=0),
            RingRow("ring", PLACES, frees="done", forward=1, reverse=2),
        ),
        channels=(
            ChannelRow("begin", 0, True, "once", 0),
            ChannelRow("kick", 1, True, "once", 1, send=kicked),
            ChannelRow("room", 1, False, "once", 0, armed=False),
        ),
        stages=(
            StageRow(
                "make", 0, PROCESS, "guest", 0, item=made, out=1, full="hold",
                arms=(
                    ArmRow(0, "entry", "off"), ArmRow(0, "empty", "next"),
                    ArmRow(2, "entry", "off"), ArmRow(2, "stop", "next"),
                ),
            ),
            StageRow(
                "eat", 1, PROCESS, "host", 1, item=eaten,
                arms=(ArmRow(1, "entry", "off"), ArmRow(1, "empty", "next", uses=asked)),
            ),
        ),
        sources=(SourceRow("source", 0, "saturate"),),
    )  # fmt: skip
    return _of(program, use, np.zeros(len(make), dtype=np.int64))


@dataclass(frozen=True)
class VirtioNet:
    """Times of W4, in ps: a column of one per packet of its direction, or one for all."""

    rx_at: Ints
    tx_at: Ints
    xmit: Ints
    kick: Ints
    tx: Ints
    rx: Ints
    call: Ints
    napi: Ints
    rearm: int
    wake: int
    rx_irq: int
    tx_irq: int
    entry: int
    complete: int


def w4(packets: int) -> Work:
    """Return virtio-net, tx and rx: half of the packets each way."""
    n = packets // 2
    return virtio_net(
        VirtioNet(
            rx_at=_switching("W4.rx_gap", 1.7, n, ((3, 5), (7, 5))),
            tx_at=_switching("W4.tx_gap", 1.9, n, ((5, 3), (5, 7))),
            xmit=_exp("W4.xmit", 0.55, n),
            kick=_uniform("W4.kick", 1.0, 3.0, n),
            tx=_exp("W4.tx", 0.75, n),
            rx=_exp("W4.rx", 0.6, n),
            call=_uniform("W4.call", 0.3, 0.9, n),
            napi=_exp("W4.napi", 0.5, n),
            rearm=_mean(0.1, 0.3),
            wake=_mean(2.0, 8.0),
            rx_irq=_mean(1.0, 4.0),
            tx_irq=_mean(1.0, 4.0),
            entry=_mean(0.3, 0.8),
            complete=_mean(0.05, 0.2),
        )
    )


def virtio_net(times: VirtioNet) -> Work:
    """Return W4 with any times. Packets received come first, then packets sent.

    The rows of a kind are numbered as they stand: rings tap, qdisc, send, receive; channels rx
    interrupt, tx interrupt, kick, tap, room, qdisc; stages worker's tx and rx, xmit, NAPI, tx done.
    """
    n_rx, n_tx = len(times.rx_at), len(times.tx_at)
    sent = (np.zeros(n_rx, dtype=np.int64), np.zeros(0, dtype=np.int64))
    received = (np.zeros(0, dtype=np.int64), np.zeros(n_tx, dtype=np.int64))

    def column(of: Ints, pads: tuple[Ints, Ints]) -> Ints:
        return np.concatenate((pads[0], of, pads[1]))

    use = _Priced()
    xmit = use("xmit", column(times.xmit, sent))
    kick = use("kick", column(times.kick, sent), "kick")
    tx = use("tx", column(times.tx, sent))
    rearm = use("rearm", times.rearm, "rearm")
    wake = use("wake", times.wake, "wake", busy=False)
    rx = use("rx", column(times.rx, received))
    call = use("call", column(times.call, received), "call")
    rx_irq = use("rx_irq", times.rx_irq, "deliver", busy=False)
    tx_irq = use("tx_irq", times.tx_irq, "deliver", busy=False)
    entry = use("entry", times.entry, "entry")
    napi = use("napi", column(times.napi, received))
    complete = use("complete", times.complete, "rearm")
    # Interrupts and kicks of room are asked for by event index: at so many packets from now.
    ask_slots = ArmRow(1, "stop", "share", num=PLACES - BUDGET - 1, den=PLACES, passed=4)
    ask_room = ArmRow(4, "stop", "share", num=PLACES // 2 - 1, den=PLACES)
    program = Program(
        "W4", "tx", tuple(use.rows),
        cores=_cores(2),
        threads=(
            ThreadRow("vhost", "raw", 0, "sleep", wake=wake),
            ThreadRow("vcpu", "raw", 1, "always", softirq_packets=BUDGET, softirq_ps=NEVER),
        ),
        rings=(
            RingRow("tap", TAP, forward=3),
            RingRow("qdisc", QDISC, forward=5),
            RingRow("send", PLACES, frees="reclaim", forward=2, reverse=1),
            RingRow("receive", PLACES, frees="done", forward=0, reverse=4),
        ),
        channels=(
            ChannelRow("rx_irq", 3, True, "once", 3, send=call, running=rx_irq),
            ChannelRow("tx_irq", 2, False, "event", 4, running=tx_irq, armed=False),
            ChannelRow("kick", 2, True, "once", 0, send=kick),
            ChannelRow("tap", 0, True, "once", 1),
            ChannelRow("room", 3, False, "event", 1, armed=False),
            ChannelRow("qdisc", 1, True, "once", 2),
        ),
        stages=(
            StageRow(
                "vhost.tx", 0, PROCESS, "host", 2, item=tx, budget=BUDGET,
                arms=(ArmRow(2, "entry", "off"), ArmRow(2, "empty", "next", uses=rearm)),
            ),
            StageRow(
                "vhost.rx", 0, PROCESS, "host", 0, item=rx, budget=BUDGET, out=3, full="wait",
                arms=(ArmRow(3, "entry", "off"), ArmRow(3, "empty", "next"), ask_room),
            ),
            StageRow(
                "xmit", 1, PROCESS, "guest", 1, item=xmit, out=2, full="stop", reclaims=True,
                arms=(ArmRow(5, "entry", "off"), ArmRow(5, "empty", "next"), ask_slots),
            ),
            StageRow(
                "napi", 1, SOFTIRQ, "guest", 3, item=napi, entry=entry, budget=BUDGET,
                arms=(ArmRow(0, "entry", "off"), ArmRow(0, "empty", "next", uses=complete)),
            ),
            StageRow(
                "txdone", 1, HARDIRQ, "guest", 2, role="reclaim", entry=entry, restarts=2,
                recheck="none",
            ),
        ),
        sources=(SourceRow("rx", 0), SourceRow("tx", 1)),
    )  # fmt: skip
    at_ps = np.concatenate((times.rx_at, times.tx_at))
    source = np.repeat(np.arange(2, dtype=np.int64), (n_rx, n_tx))
    return _of(program, use, at_ps, source)


WORKS: MappingProxyType[str, Callable[[int], Work]] = MappingProxyType(
    {"W1": w1, "W2": w2, "W3": w3, "W4": w4}
)


def _of(program: Program, use: _Priced, at_ps: Ints, source: Ints | None = None) -> Work:
    n = len(at_ps)
    by = np.zeros(n, dtype=np.int64) if source is None else source
    packets = Packets(at_ps, np.full(n, 64, dtype=np.int64), by)
    return Work(program.name, program, Job(use.prices(n), packets))


def _cores(n: int) -> tuple[CoreRow, ...]:
    return tuple(CoreRow(f"core{i}") for i in range(n))


# -- draws -------------------------------------------------------------------------------------


def _words(stream: str, n: int) -> Words:
    return draws(SEED, 0, f"bench.{stream}", n)


def _exp(stream: str, mean_us: float, n: int) -> Ints:
    """Return exponential times of at least 1 ps."""
    return np.maximum(exponential_gaps(round(mean_us * US), _words(stream, n)), 1)


def _uniform(stream: str, low_us: float, high_us: float, n: int) -> Ints:
    low, high = round(low_us * US), round(high_us * US)
    upper = (_words(stream, n) >> np.uint64(32)).astype(np.int64)
    return low + ((upper * (high - low)) >> 32)


def _mean(low_us: float, high_us: float) -> int:
    """Return the mean of a uniform time, which stands for it."""
    return round((low_us + high_us) * US / 2)


def _arrivals(name: str, n: int) -> Ints:
    return np.cumsum(_exp(f"{name}.gap", 1.0, n))


def _switching(
    stream: str, mean_us: float, n: int, factors: tuple[tuple[int, int], tuple[int, int]]
) -> Ints:
    """Return arrivals with exponential gaps times one factor or the other, 3000 packets each."""
    gaps = _exp(stream, mean_us, n)
    spell = (np.arange(n) // SPELL) & 1
    for state, (num, den) in enumerate(factors):
        mine = spell == state
        gaps[mine] = np.maximum(gaps[mine] * num // den, 1)
    return np.cumsum(gaps)
