"""Servers in a row that cost nothing but their work: hop by hop over columns.

What happens at a hop depends on what arrives there and on the packets before, never on what comes
behind. So a hop is one pass over the packets: the recurrence of a FIFO server with so many places.
"""

from virtsim.engines.vector.tandem.accepting import reasons
from virtsim.engines.vector.tandem.running import run, stream

__all__ = ["reasons", "run", "stream"]
