"""From a path to its Program.

``builder`` lays out the chain of parts, ``hosting`` places its threads, ``uses`` numbers its ops.
"""

from virtsim.compose.builder import compose
from virtsim.compose.chain import DIRECTIONS
from virtsim.compose.hosting import Host
from virtsim.compose.uses import STEP, WIRE

__all__ = ["DIRECTIONS", "STEP", "WIRE", "Host", "compose"]
