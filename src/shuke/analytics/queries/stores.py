"""Stores beside each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext_lazy as _

from shuke.analytics.logic import Period
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import StoreFigures, StorePage, Stores
from shuke.core.errors import InvalidInput
from shuke.kit.sql import load

_KEYS: dict[str, Callable[[StoreFigures], Any]] = {
    "sales": lambda row: row.sales_minor,
    "change": lambda row: _growth(row),
    "orders": lambda row: row.orders,
    "members": lambda row: row.members,
    "basket": lambda row: row.basket_minor or 0,
    "points_in": lambda row: row.points_in,
    "points_out": lambda row: row.points_out,
    "name": lambda row: row.name,
}


def compare_stores(
    *,
    period: Period,
    stores: Stores = None,
    sort: str = "sales",
    descending: bool = True,
    limit: int = 10,
    offset: int = 0,
) -> StorePage:
    """Stores that sold in the period or the one before, in the order of one figure; ties by code. Two queries.

    Buyers are counted for the stores of the page only, unless they decide the order. Raises InvalidInput for an unknown
    `sort`.
    """
    if sort not in _KEYS:
        raise InvalidInput(field="sort", reason=_("The stores cannot be sorted by this."))
    found = sorted(_figures(period, stores), key=lambda row: row.code)
    if sort == "members":
        found = _with_members(found, period)
    found.sort(key=_KEYS[sort], reverse=descending)
    page = found[offset : offset + limit]
    return StorePage(page if sort == "members" else _with_members(page, period), len(found))


def _growth(row: StoreFigures) -> Fraction:
    """Against the period before; a store that sold nothing then comes last."""
    if row.previous_sales_minor <= 0:
        return Fraction(-(10**9))
    return Fraction(row.sales_minor, row.previous_sales_minor)


def _figures(period: Period, stores: Stores) -> list[StoreFigures]:
    given = {
        "stores": None if stores is None else list(stores),
        "first": period.first,
        "last": period.last,
        "previous_first": period.previous.first,
    }
    return [
        StoreFigures(
            store_id=store_id,
            code=code,
            name=name,
            region=region,
            sales_minor=sales,
            previous_sales_minor=previous,
            orders=orders,
            members=0,
            # Half up; an average is shown, never added up again.
            basket_minor=(2 * kept + orders) // (2 * orders) if orders else None,
            points_in=came,
            points_out=went,
        )
        for store_id, code, name, region, sales, previous, orders, kept, came, went in rows(
            load("analytics", "compare_stores"), given
        )
    ]


def _with_members(figures: list[StoreFigures], period: Period) -> list[StoreFigures]:
    counted = dict(
        rows(
            "SELECT store_id, count(*) FROM analytics_visits WHERE store_id = ANY(%(stores)s::uuid[])"
            " AND width_bucket(%(last)s::date, days) > width_bucket(%(first)s::date - 1, days) GROUP BY store_id",
            {"stores": [row.store_id for row in figures], "first": period.first, "last": period.last},
        )
    )
    return [replace(row, members=counted.get(row.store_id, 0)) for row in figures]
