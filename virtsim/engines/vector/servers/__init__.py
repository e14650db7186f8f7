"""Programs of servers: every thread has a core and one stage, and takes packet after packet.

It sleeps or stands by while its ring is empty, is told of packets, re-arms and looks once more; it
may be told of room too. Servers act one at a time, the least key (time, round, phase, rank) first.
"""

from virtsim.engines.vector.servers.accepting import reasons
from virtsim.engines.vector.servers.running import run

__all__ = ["reasons", "run"]
