"""What pages ask of the reports. The overview reads kept figures; what an accountant signs is added up anew."""

from shuke.analytics.queries.insights import member_insights
from shuke.analytics.queries.liability import liability
from shuke.analytics.queries.overview import first_sale_day, freshness, overview, tier_counts
from shuke.analytics.queries.rfm import member_ids_in_rfm, rfm_grid
from shuke.analytics.queries.settlement import settlement
from shuke.analytics.queries.stores import compare_stores

__all__ = [
    "compare_stores",
    "first_sale_day",
    "freshness",
    "liability",
    "member_ids_in_rfm",
    "member_insights",
    "overview",
    "rfm_grid",
    "settlement",
    "tier_counts",
]
