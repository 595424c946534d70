"""Members by how recently and how often they buy: the grid, and who is in one of its cells."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from shuke.analytics.logic import RECENCY_LIMITS, YEAR_DAYS, Cell, frequency_orders, recency_days
from shuke.analytics.queries.overview import freshness
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import Freshness, MemberIdPage, RfmGrid, Stores
from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor, encode_cursor

MAX_LIMIT = 200

_EVERYBODY = "SELECT last_day, orders_year, members FROM analytics_recencycount"
_AT_HOME = (
    "SELECT last_day, orders_year, 1 AS members FROM analytics_membersummary"
    " WHERE home_store_id = ANY(%(stores)s::uuid[]) AND NOT is_closed AND last_day IS NOT NULL"
)


def rfm_grid(*, current: Freshness, stores: Stores = None) -> RfmGrid:
    """Members (closed ones left out) at home at these stores, by class of recency and frequency. Two queries."""
    shape = tuple((0,) * len(current.frequency_starts) for _row in RECENCY_LIMITS)
    if current.today is None:
        return RfmGrid(shape, current.frequency_starts, 0, 0)
    source = _EVERYBODY if stores is None else _AT_HOME
    given = {
        "today": current.today,
        "ages": [limit + 1 for limit in RECENCY_LIMITS[:-1]],
        "starts": list(current.frequency_starts),
        "year": YEAR_DAYS,
        **({} if stores is None else {"stores": list(stores)}),
    }
    counts = [list(row) for row in shape]
    lapsed = 0
    for recency, frequency, members in rows(
        "SELECT CASE WHEN orders_year > 0 AND %(today)s::date - last_day < %(year)s::int"  # noqa: S608  fixed texts
        " THEN width_bucket(%(today)s::date - last_day, %(ages)s::int[]) END,"
        " width_bucket(orders_year, %(starts)s::int[]), sum(members)::bigint"
        f" FROM ({source}) AS s GROUP BY 1, 2",
        given,
    ):
        if recency is None:
            lapsed += int(members)
        else:
            counts[recency][frequency - 1] += int(members)
    where = "" if stores is None else " WHERE store_id = ANY(%(stores)s::uuid[])"
    [(total,)] = rows(
        f"SELECT coalesce(sum(members), 0)::bigint FROM analytics_homestore{where}",  # noqa: S608  fixed text
        {} if stores is None else {"stores": list(stores)},
    )
    bought = lapsed + sum(map(sum, counts))
    return RfmGrid(tuple(map(tuple, counts)), current.frequency_starts, lapsed, int(total) - bought)


def member_ids_in_rfm(
    cell: Cell, *, stores: Stores = None, cursor: str | None = None, limit: int = 50
) -> MemberIdPage:
    """One page of the members in a cell of the grid, the latest buyers first. Two queries.

    Raises InvalidInput for a cell outside the grid, a damaged cursor or a limit outside 1 to 200.
    """
    current = freshness()
    if not (0 <= cell.recency < len(RECENCY_LIMITS) and 0 <= cell.frequency < len(current.frequency_starts)):
        raise InvalidInput(field="rfm", reason=_("There is no such field in the value grid."))
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(field="limit", reason=_("Ask for 1 to 200 rows."))
    if current.today is None:
        return MemberIdPage([], None)
    since, until = recency_days(cell.recency, current.today)
    fewest, most = frequency_orders(cell.frequency, current.frequency_starts)
    last_day, after = _place(cursor)
    home = "" if stores is None else " AND home_store_id = ANY(%(stores)s::uuid[])"
    found = rows(
        "SELECT last_day, member_id FROM analytics_membersummary"  # noqa: S608  fixed text
        " WHERE NOT is_closed AND orders_year > 0 AND last_day BETWEEN %(since)s::date AND %(until)s::date"
        " AND orders_year BETWEEN %(fewest)s::int AND %(most)s::int"
        " AND (last_day, member_id) < (%(last_day)s::date, %(after)s::uuid)"
        f"{home} ORDER BY last_day DESC, member_id DESC LIMIT %(limit)s::int",
        {
            "since": since,
            "until": until,
            "fewest": fewest,
            "most": most,
            "last_day": last_day,
            "after": after,
            "limit": limit + 1,
            **({} if stores is None else {"stores": list(stores)}),
        },
    )
    ids = [member_id for _day, member_id in found[:limit]]
    return MemberIdPage(ids, encode_cursor(found[limit - 1]) if len(found) > limit else None)


def _place(cursor: str | None) -> tuple[date, UUID]:
    if not cursor:
        return date.max, UUID(int=2**128 - 1)
    values = decode_cursor(cursor)
    if len(values) != 2 or not (isinstance(values[0], date) and isinstance(values[1], UUID)):
        raise InvalidInput(
            field="cursor", reason=_("This page link is damaged. Start again from the first page.")
        )
    return values[0], values[1]
