"""What operations cost: one price list per machine, every price with its source."""

from virtsim.costs.book import (
    Profile,
    Source,
    kick_cost,
    profile,
    profile_names,
    sources,
)
from virtsim.costs.cost import Cost
from virtsim.costs.listing import table
from virtsim.costs.variants import VARIANTS, cost_of, variant_cost

__all__ = [
    "VARIANTS",
    "Cost",
    "Profile",
    "Source",
    "cost_of",
    "kick_cost",
    "profile",
    "profile_names",
    "sources",
    "table",
    "variant_cost",
]
