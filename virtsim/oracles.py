"""Closed forms that a simulation can be held against: what should come out, without simulating.

The producer/consumer results are those of Lettieri, Maffione and Rizzo ("A Study of Speed
Mismatches Between Communicating VMs", ANCS 2016; "A Study of I/O Performance of Virtual
Machines", The Computer Journal 61(6), 2018), in the form of the first author's public plotting
code. They are computed from parameters alone. All times are in one unit of the caller's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Regime = Literal["FC", "FP", "SS", "SCS", "SPS", "equal"]
Number = int | Fraction


@dataclass(frozen=True)
class ProdCons:
    """A producer and a consumer on cores of their own, joined by a queue with notifications.

    Parameters
    ----------
    slots
        Length of the queue (L); a slot is free again at the end of its item's consumption.
    wp, wc
        Work of producer and consumer per item.
    np, nc
        What a notification costs the producer (a kick) and the consumer (a call), who sends it.
    sp, sc
        Delay until the notified producer or consumer does useful work.
    kp, kc
        Items that must be queued, and slots that must be free, before the other side is notified.
    """

    slots: int
    wp: int
    wc: int
    np: int = 0
    nc: int = 0
    sp: int = 0
    sc: int = 0
    kp: int = 1
    kc: int = 1

    @property
    def slow_consumer_start(self) -> bool:
        """Whether the producer fills the queue before the woken consumer has freed a slot."""
        return self.sc + self.wc > (self.slots - self.kp) * self.wp

    @property
    def slow_producer_start(self) -> bool:
        """Whether the consumer drains the queue before the woken producer has filled a slot."""
        return self.sp + self.wp > (self.slots - self.kc) * self.wc

    @property
    def regime(self) -> Regime:
        """Who sleeps, and why.

        FC: a fast consumer sleeps whenever it has drained the queue. FP: a fast producer sleeps
        whenever it has filled it. SS: both sleep in each cycle, because both start slowly. SCS and
        SPS: both sleep in each cycle, because one side is fast and the consumer (producer) starts
        slowly. "equal": equal work and fast starts, nobody sleeps for long.
        """
        if self.slow_consumer_start and self.slow_producer_start:
            return "SS"
        if self.wc < self.wp:
            return "SCS" if self.slow_consumer_start else "FC"
        if self.wp < self.wc:
            return "SPS" if self.slow_producer_start else "FP"
        return "equal"

    @property
    def batch(self) -> int:
        """Items that one cycle adds (m in the formulas); a whole cycle is :attr:`cycle` items."""
        match self.regime:
            case "FC":
                return (self.sc + (self.kp - 1) * self.wc) // (self.wp - self.wc) + self.kp
            case "FP":
                return (self.sp + (self.kc - 1) * self.wp) // (self.wc - self.wp) + self.kc
            case "SCS":
                drained = (self.slots - self.kc) * self.wc - (self.sp + self.wp)
                return drained // (self.wp - self.wc) + 1
            case "SPS":
                filled = (self.slots - self.kp) * self.wp - (self.sc + self.wc)
                return filled // (self.wc - self.wp) + 1
            case "SS":
                return 0
        return 1

    @property
    def cycle(self) -> int:
        """Items per cycle: FC and FP notify once in it, the others once each way."""
        return self.batch if self.regime in ("FC", "FP", "equal") else self.slots + self.batch

    @property
    def time_per_item(self) -> Fraction:
        """Average time per item in the steady state (T)."""
        m = self.batch
        match self.regime:
            case "FC":
                return self.wp + Fraction(self.np, m)
            case "FP":
                return self.wc + Fraction(self.nc, m)
            case "SS":
                whole = self.kp * self.wp + self.kc * self.wc
            case "SCS":
                whole = self.kc * self.wc + (m + self.kp) * self.wp
            case "SPS":
                whole = self.kp * self.wp + (m + self.kc) * self.wc
            case _:
                return Fraction(self.wp)
        return Fraction(whole + self.np + self.nc + self.sp + self.sc, self.cycle)

    @property
    def critical_slots(self) -> tuple[int, int]:
        """Shortest queues without a slow consumer start and without a slow producer start."""
        consumer = 1 + self.kp + (self.sc + self.wc) // self.wp
        producer = 1 + self.kc + (self.sp + self.wp) // self.wc
        return consumer, producer

    @property
    def busy_wait(self) -> int:
        """Time per item if both sides polled: the slower side's work."""
        return max(self.wp, self.wc)

    @property
    def idle_latency(self) -> int:
        """Start of an isolated item's production to the end of its consumption."""
        return self.wp + self.np + self.sc + self.wc


def sleeping(slots: int, wp: int, wc: int, yp: int, yc: int) -> tuple[Fraction, Fraction]:
    """Bounds on the time per item if an idle side sleeps for a fixed time instead of being told.

    The producer sleeps ``yp`` when the queue is full, the consumer ``yc`` when it is empty. Both
    bounds are the slower side's work if its partner always wakes in time: the longest safe sleep is
    the time to fill (drain) the queue but for one item.
    """
    low = Fraction(max(wp, wc))
    fast_consumer = wc < wp and yc < (slots - 1) * wp - wc
    fast_producer = wp < wc and yp < (slots - 1) * wc - wp
    if fast_consumer or fast_producer:
        return low, low
    return low, max(wp + Fraction(yp, slots), wc + Fraction(yc, slots))


def md1_wait(load: float, service: float) -> float:
    """Mean wait in the queue of a server with Poisson arrivals and a constant service time.

    Raises
    ------
    ValueError
        For a load that is not in [0, 1).
    """
    return mg1_wait(load, service, 0.0)


def mg1_wait(load: float, service: float, cv2: float, setup: float = 0.0) -> float:
    """Mean wait in the queue of a server with Poisson arrivals (Pollaczek-Khinchine).

    Parameters
    ----------
    service, cv2
        Mean service time and its squared coefficient of variation.
    setup
        Constant time that passes before the first service of each busy period. By decomposition
        (Welch 1964) it adds ``setup (2 + rate setup) / (2 (1 + rate setup))``.
    """
    if not 0 <= load < 1:
        raise ValueError(f"a load of {load} has no steady state")
    rate = load / service
    wait = load * service * (1 + cv2) / (2 * (1 - load))
    return wait + setup * (2 + rate * setup) / (2 * (1 + rate * setup))


def mm1k_loss(load: float, k: int) -> float:
    """Share of packets lost at a server with room for ``k`` of them, the one in service included.

    Poisson arrivals, exponential service.
    """
    if load == 1:
        return 1 / (k + 1)
    return float((1 - load) * load**k / (1 - load ** (k + 1)))


def closed_loop(outstanding: int, services: Sequence[Number]) -> tuple[Fraction, Fraction]:
    """Time per packet and time in the loop of ``outstanding`` packets through servers in a row.

    With constant services the loop is limited by its slowest server or by its own length,
    whichever is longer per packet; in the first case packets wait only there, and Little's law
    gives the time in the loop.
    """
    longest, once = Fraction(max(services)), Fraction(sum(services))
    per_packet = max(longest, once / outstanding)
    return per_packet, per_packet * outstanding


def saturation(services: Sequence[Number]) -> Fraction:
    """Least time per packet of servers in a row: the slowest one's. No arrangement beats it."""
    return Fraction(max(services))


def little(time_in_system: float, rate: float) -> float:
    """Mean number of packets in a system, by Little's law."""
    return time_in_system * rate
