"""Programs of pollers and devices on cores of their own: a burst is one step.

Nothing interrupts a poller, so what it does with a burst follows from the burst's size, the prices,
and what it reads on the way: how much room there is ahead. Everything it writes carries a time
stamp: when an entry becomes visible, when a slot is given back. Whoever has the least key, (time,
round, phase, rank), is next; it reads the stamps up to its key, and goes on until it would have to
read what others may still write.
"""

from virtsim.engines.vector.pollers.accepting import reasons
from virtsim.engines.vector.pollers.running import run
from virtsim.engines.vector.pollers.streaming import stream

__all__ = ["reasons", "run", "stream"]
