"""A producer, a ring of limited size, and a consumer that sleeps and is kicked: item after item.

Where nobody pays for telling the producer of room, what becomes of an item follows from the items
before it: when it is made, whether there is room, whether the consumer is at work, asks for a kick,
or sleeps.
"""

from virtsim.engines.vector.pair.accepting import price_reasons, reasons
from virtsim.engines.vector.pair.running import run, stream

__all__ = ["price_reasons", "reasons", "run", "stream"]
