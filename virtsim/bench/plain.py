"""The standard works in plain SimPy: processes as a user of SimPy writes them, one work at a time.

They know nothing of Programs. They agree with the reference engine wherever no two events of
different processes fall on one picosecond; SimPy then takes whichever was scheduled first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import simpy

from virtsim.bench.answer import Answer
from virtsim.bench.plain_net import VirtioNet
from virtsim.bench.works import PLACES, Work

Steps = Generator[simpy.Event, Any, None]


def play(work: Work) -> Answer:
    """Play a standard work."""
    return PLAYED[work.name](work)


def tandem(work: Work) -> Answer:
    """Play servers in a row: a Store before each, and a packet that finds it full is dropped."""
    env = simpy.Environment()
    at_ps = work.job.packets.at_ps.tolist()
    services = [work.column(use).tolist() for use in range(len(work.program.uses))]
    places = work.program.rings[0].capacity or float("inf")
    queues = [simpy.Store(env) for _ in services]
    fate = [-1] * len(at_ps)
    served, wakeups = [0] * len(services), [0] * len(services)

    def offer(k: int, packet: int) -> None:
        if len(queues[k].items) < places:
            queues[k].put(packet)
        else:
            fate[packet] = -2 - k

    def source() -> Steps:
        for packet, at in enumerate(at_ps):
            yield env.timeout(at - env.now)
            offer(0, packet)

    def server(k: int) -> Steps:
        queue, service, last = queues[k], services[k], k + 1 == len(services)
        while True:
            asleep = not queue.items
            packet = yield queue.get()
            wakeups[k] += asleep
            yield env.timeout(service[packet])
            served[k] += 1
            if last:
                fate[packet] = int(env.now)
            else:
                offer(k + 1, packet)

    env.process(source())
    for k in range(len(services)):
        env.process(server(k))
    env.run()
    return answer(fate, [*served, *wakeups, *([0] * len(services)), int(env.now)])


def producer_consumer(work: Work) -> Answer:
    """Play a producer and a consumer that sleeps: an event each to wait on."""
    env = simpy.Environment()
    make, eat, kick = (work.column(use).tolist() for use in range(3))
    rearm, resume, wake = (int(work.column(use)[0]) for use in range(3, 6))
    n = len(work)
    fate = [-1] * n
    count: Counter[str] = Counter()
    made = eaten = 0
    armed = True
    room: simpy.Event | None = None
    kicked = env.event()

    def producer() -> Steps:
        nonlocal made, armed, room
        yield env.timeout(resume)
        for item in range(n):
            yield env.timeout(make[item])
            if item - eaten >= PLACES:
                count["stop"] += 1
                room = env.event()
                yield room
                yield env.timeout(resume)
            made += 1
            if armed:
                armed = False
                count["kick"] += 1
                yield env.timeout(kick[item])
                kicked.succeed()

    def consumer() -> Steps:
        nonlocal eaten, armed, room, kicked
        while True:
            if eaten == made:
                yield kicked
                kicked = env.event()
                yield env.timeout(wake)
            while eaten < made:
                yield env.timeout(eat[eaten])
                fate[eaten] = int(env.now)
                eaten += 1
                if room is not None:
                    room.succeed()
                    room = None
                if eaten == made:
                    count["rearm"] += 1
                    yield env.timeout(rearm)
                    armed = eaten == made

    env.process(producer())
    env.process(consumer())
    env.run()
    kicks, stops = count["kick"], count["stop"]
    uses = (n, n, kicks, count["rearm"], stops + 1, kicks)
    return answer(fate, [*uses, stops + 1, kicks, stops, 0, int(env.now)])


def virtio_net(work: Work) -> Answer:
    """Play virtio-net in both directions."""
    net = VirtioNet(work)
    net.env.run()
    return answer(net.fate, net.counters())


def answer(fate: list[int], counters: list[int]) -> Answer:
    """Return an answer made of lists."""
    return Answer(np.array(fate, dtype=np.int64), np.array(counters, dtype=np.int64))


PLAYED: Mapping[str, Callable[[Work], Answer]] = MappingProxyType(
    {"W1": tandem, "W2": tandem, "W3": producer_consumer, "W4": virtio_net}
)
