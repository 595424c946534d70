"""What pages ask of the reports. Every answer comes from the kept figures; none adds up sales."""

from shuke.analytics.queries.insights import member_insights
from shuke.analytics.queries.overview import first_sale_day, freshness, overview, tier_counts
from shuke.analytics.queries.rfm import member_ids_in_rfm, rfm_grid
from shuke.analytics.queries.stores import compare_stores

__all__ = [
    "compare_stores",
    "first_sale_day",
    "freshness",
    "member_ids_in_rfm",
    "member_insights",
    "overview",
    "rfm_grid",
    "tier_counts",
]
