"""One member's habits, for the member file."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shuke.analytics.logic import Cell, frequency_class, recency_class
from shuke.analytics.models import MemberSummary
from shuke.analytics.queries.overview import freshness
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import Insights
from shuke.analytics.zone import reporting_zone
from shuke.catalog.models import Store
from shuke.kit.clock import add_months, local_date, start_of_day

MONTHS = 12


def member_insights(member_id: UUID, *, now: datetime) -> Insights | None:
    """What a member likes, where and when they buy; None while the reports do not know the member. Four queries.

    The months are counted now from the member's own orders, refunded ones left out; the rest is as of the last refresh.
    """
    summary = MemberSummary.objects.filter(member_id=member_id).first()
    if summary is None:
        return None
    current = freshness()
    cell = None
    if summary.last_day and current.today and not summary.is_closed:
        recency = recency_class((current.today - summary.last_day).days)
        frequency = frequency_class(summary.orders_year, current.frequency_starts)
        if recency is not None and frequency is not None:
            cell = Cell(recency, frequency)
    liked = summary.favourites
    store_ids = [UUID(store_id) for store_id, _orders in liked.get("stores", [])]
    names = dict(Store.objects.filter(id__in=store_ids).values_list("id", "name")) if store_ids else {}
    zone = reporting_zone(now)
    this_month = local_date(now, zone).replace(day=1)
    months = [add_months(this_month, n - MONTHS + 1) for n in range(MONTHS)]
    counted = dict(
        rows(
            "SELECT date_trunc('month', occurred_at AT TIME ZONE %(zone)s::text)::date, count(*) FROM checkout_order"
            " WHERE member_id = %(member)s::uuid AND status = 'committed' AND occurred_at >= %(since)s GROUP BY 1",
            {"zone": zone.key, "member": member_id, "since": start_of_day(months[0], zone)},
        )
    )
    return Insights(
        first_order_at=summary.first_order_at,
        last_order_at=summary.last_order_at,
        orders_year=summary.orders_year,
        spend_year_minor=summary.spend_year_minor,
        cell=cell,
        frequency_starts=current.frequency_starts,
        categories=[(path, minor) for path, minor in liked.get("categories", [])],
        brands=[(brand, minor) for brand, minor in liked.get("brands", [])],
        stores=[
            (store_id, names.get(store_id, ""), orders)
            for store_id, (_raw, orders) in zip(store_ids, liked.get("stores", []), strict=True)
        ],
        hours=list(liked.get("hours", [])),
        months=[(month, counted.get(month, 0)) for month in months],
    )
