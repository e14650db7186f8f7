"""The report: one HTML page, complete in itself, made from a result and from nothing else."""

from virtsim.report.drawings import figures_of
from virtsim.report.evidence import Crossing, Evidence, Isolated, evidence, gather
from virtsim.report.page import render

__all__ = ["Crossing", "Evidence", "Isolated", "evidence", "figures_of", "gather", "render"]
