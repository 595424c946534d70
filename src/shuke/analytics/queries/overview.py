"""The figures of a period over some stores, with the period before and their trend.

Definitions, in the reports' local days:
- member sales: sales value of members' orders, on the day of the sale, less that of refunds, on the day of the refund;
- active members: members with at least one order in the period that was not refunded since;
- new members: members who joined, at these stores;
- points in and out: what acts at these stores added to members' balances and took from them, whatever the act: sales,
  refunds, rewards, gifts, adjustments, expiry; in − out over all stores is the change of what is outstanding;
- points outstanding: what the members at home at these stores held at the end of the period (debts count as negative).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from shuke.analytics.logic import FREQUENCY_STARTS, Metric, Period
from shuke.analytics.models import Refreshed
from shuke.analytics.queries.reading import rows
from shuke.analytics.values import Freshness, Overview, Stores, TierCount
from shuke.kit.sql import load
from shuke.loyalty.queries import programme_at, version_by_id

_AT = " AND store_id = ANY(%(stores)s::uuid[])"


def freshness() -> Freshness:
    """How current the figures are. One query."""
    state = Refreshed.objects.filter(id=1).first()
    if state is None:
        return Freshness(None, None, FREQUENCY_STARTS)
    return Freshness(state.as_of, state.today, tuple(state.frequency_starts) or FREQUENCY_STARTS)


def first_sale_day(stores: Stores = None) -> date | None:
    """The first local day with a sale at these stores; None before anything was sold. One query."""
    found = rows(
        f"SELECT min(day) FROM analytics_storeday WHERE true{_at(stores)}",  # noqa: S608  fixed text
        _given(stores),
    )
    day: date | None = found[0][0]
    return day


def overview(*, period: Period, stores: Stores = None) -> Overview:
    """The six figures of a period. Six queries, whatever the range."""
    steps = period.steps
    sold, moved = _sales_by_day(period, stores), _points_by_day(period, stores)
    joined = dict(
        rows(
            "SELECT day, sum(members)::bigint FROM analytics_newmembers"  # noqa: S608  fixed text
            f" WHERE day >= %(since)s AND day <= %(last)s{_at(stores)} GROUP BY day",
            {"since": period.previous.first, "last": period.last, **_given(stores)},
        )
    )
    return Overview(
        period=period,
        steps=steps,
        member_sales=_metric(period, sold),
        active_members=active_members(period=period, stores=stores),
        new_members=_metric(period, joined),
        points_in=_metric(period, {day: came for day, (came, _went) in moved.items()}),
        points_out=_metric(period, {day: went for day, (_came, went) in moved.items()}),
        points_outstanding=_outstanding(period, stores),
    )


def active_members(*, period: Period, stores: Stores = None) -> Metric:
    """Distinct buyers of the period, of the one before, and of each step. One query.

    Over all stores the cost depends on the days alone. Over some stores it grows with the visits at those stores.
    """
    steps = period.steps
    if stores is None:
        wanted = [period, period.previous, *steps]
        counts = [
            row[0]
            for row in rows(
                load("analytics", "count_active"),
                {"firsts": [each.first for each in wanted], "lasts": [each.last for each in wanted]},
            )
        ]
        return Metric(counts[0], counts[1], tuple(counts[2:]))
    counted = dict(
        rows(
            load("analytics", "count_active_at"),
            {
                "stores": list(stores),
                "first": period.first,
                "last": period.last,
                "previous_first": period.previous.first,
                "starts": [step.first for step in steps],
            },
        )
    )
    series = tuple(counted.get(n, 0) for n in range(1, len(steps) + 1))
    return Metric(counted.get(0, 0), counted.get(-1, 0), series)


def tier_counts(*, now: datetime, stores: Stores = None) -> list[TierCount]:
    """Members (closed ones left out) by the tier they hold, lowest first, every tier of the programme in force.

    A tier that the programme no longer knows counts as the lowest. Empty without a programme.
    """
    in_force = programme_at(now)
    if in_force is None:
        return []
    counted: dict[str, int] = {}
    for tier, members in rows(
        f"SELECT tier, sum(members)::bigint FROM analytics_homestore WHERE true{_at(stores)} GROUP BY tier",  # noqa: S608
        _given(stores),
    ):
        code = in_force.programme.tiers.level(tier).code
        counted[code] = counted.get(code, 0) + members
    described = version_by_id(in_force.version_id).document["tiers"]["levels"]
    return [
        TierCount(level["code"], rank, level["name"], counted.get(level["code"], 0))
        for rank, level in enumerate(described)
    ]


def _sales_by_day(period: Period, stores: Stores) -> dict[date, int]:
    return dict(
        rows(
            "SELECT day, sum(member_sales_minor - member_refund_minor)::bigint FROM analytics_storeday"  # noqa: S608
            f" WHERE day >= %(since)s AND day <= %(last)s{_at(stores)} GROUP BY day",
            {"since": period.previous.first, "last": period.last, **_given(stores)},
        )
    )


def _points_by_day(period: Period, stores: Stores) -> dict[date, tuple[int, int]]:
    found = rows(
        "SELECT day, sum(came)::bigint, sum(went)::bigint FROM analytics_pointsmoved"  # noqa: S608
        f" WHERE day >= %(since)s AND day <= %(last)s{_at(stores)} GROUP BY day",
        {"since": period.previous.first, "last": period.last, **_given(stores)},
    )
    return {day: (came, went) for day, came, went in found}


def _outstanding(period: Period, stores: Stores) -> Metric:
    """Backwards from what is held now, by what moved since."""
    [(held,)] = rows(
        f"SELECT coalesce(sum(points), 0)::bigint FROM analytics_homestore WHERE true{_at(stores)}",  # noqa: S608
        _given(stores),
    )
    moved = dict(
        rows(
            f"SELECT day, sum(net)::bigint FROM analytics_pointsday WHERE day >= %(since)s{_at(stores)} GROUP BY day",  # noqa: S608
            {"since": period.first, **_given(stores)},
        )
    )

    def at_end_of(day: date) -> int:
        return int(held) - sum(int(net) for since, net in moved.items() if since > day)

    return Metric(
        at_end_of(period.last),
        at_end_of(period.previous.last),
        tuple(at_end_of(step.last) for step in period.steps),
    )


def _metric(period: Period, by_day: dict[date, int]) -> Metric:
    return Metric(
        _inside(by_day, period),
        _inside(by_day, period.previous),
        tuple(_inside(by_day, step) for step in period.steps),
    )


def _inside(by_day: dict[date, int], period: Period) -> int:
    return sum(int(value) for day, value in by_day.items() if period.first <= day <= period.last)


def _at(stores: Iterable[UUID] | None) -> str:
    return "" if stores is None else _AT


def _given(stores: Iterable[UUID] | None) -> dict[str, list[UUID]]:
    return {} if stores is None else {"stores": list(stores)}
