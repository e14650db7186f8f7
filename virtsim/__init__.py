"""virtsim: a discrete-event simulator of virtualized I/O paths."""

__version__ = "0.1.0"
