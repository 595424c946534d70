"""What a member's year looks like on their file: when they buy, what, where, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from shuke.analytics.logic import RECENCY_LIMITS
from shuke.analytics.values import Insights
from shuke.console import charts, formats


def habits(insights: Insights | None, currency: str) -> dict[str, Any]:
    """Charts and rankings of a member's year; nothing before the first purchase."""
    if insights is None or not insights.orders_year:
        return {"has_habits": False}
    months = charts.Trend(
        [f"{month:%Y-%m}" for month, _orders in insights.months],
        [charts.Series.of_counts(_("Orders"), [orders for _month, orders in insights.months], kind="bar")],
        _("Month"),
    )
    hours = charts.Trend(
        [f"{hour}:00" for hour in range(len(insights.hours))],
        [charts.Series.of_counts(_("Orders"), insights.hours, kind="bar", colour=3)],
        _("Hour"),
    )
    return {
        "has_habits": True,
        "months": months,
        "hours": hours if any(insights.hours) else None,
        "categories": _ranked(
            [(path.rpartition("/")[2], minor) for path, minor in insights.categories], currency
        ),
        "brands": _ranked(insights.brands, currency),
        "favourite_stores": _ranked([(name, orders) for _id, name, orders in insights.stores], ""),
        "rhythm": _rhythm(insights),
    }


def _ranked(rows: Sequence[tuple[str, int]], currency: str) -> list[dict[str, Any]]:
    """The first five of a ranking with the length of their bars; amounts with a currency, else numbers."""
    most = max((value for _name, value in rows), default=0)
    return [
        {
            "name": name,
            "value": max(value, 0),
            "max": max(most, 1),
            "text": formats.money(value, currency, whole=True) if currency else formats.number(value),
        }
        for name, value in rows[:5]
    ]


def _rhythm(insights: Insights) -> str:
    """Where the member stands in the value grid, in words."""
    cell = insights.cell
    if cell is None:
        return ""
    limit = RECENCY_LIMITS[cell.recency]
    fewest = insights.frequency_starts[cell.frequency]
    return _("Last order within %(days)d days, at least %(orders)d orders a year") % {
        "days": limit,
        "orders": fewest,
    }
