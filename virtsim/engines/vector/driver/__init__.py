"""A driver that sends, and a worker that takes batch by batch, with a virtqueue between them.

The driver's thread has two handlers: one sends and stops when the ring is nearly full, the other
takes used slots back when it is interrupted. The worker may spin on the ring before it asks to be
told; it sleeps, is kicked, and hands its packets to a device that nothing comes back from. Driver
and worker act one at a time; each goes on as long as nobody else has anything to do before.
"""

from virtsim.engines.vector.driver.accepting import price_reasons, reasons, roles
from virtsim.engines.vector.driver.running import run

__all__ = ["price_reasons", "reasons", "roles", "run"]
