"""What operations cost: one price list per machine, every price with its source."""

from virtsim.costs.book import (
    Profile,
    Source,
    kick_cost,
    profile,
    profile_names,
    sources,
    table,
)
from virtsim.costs.cost import Cost

__all__ = [
    "Cost",
    "Profile",
    "Source",
    "kick_cost",
    "profile",
    "profile_names",
    "sources",
    "table",
]
