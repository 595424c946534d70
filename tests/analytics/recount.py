"""The same figures, counted plainly from the base tables: what the tests compare with. Written apart from the room's SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from shuke.analytics.logic import Period
from shuke.analytics.zone import HOME
from shuke.kit.clock import end_of_day, start_of_day

Ids = Sequence[UUID] | None


def one(sql: str, given: dict[str, Any]) -> int:
    """A single whole number."""
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        [(value,)] = cursor.fetchall()
    return int(value or 0)


def within(period: Period, stores: Ids) -> dict[str, Any]:
    """The instants of a period, and the stores."""
    return {
        "since": start_of_day(period.first, HOME),
        "until": end_of_day(period.last, HOME),
        "stores": None if stores is None else list(stores),
    }


def member_sales(period: Period, stores: Ids) -> int:
    given = within(period, stores)
    sold = one(
        """SELECT sum(sales_minor) FROM checkout_order WHERE member_id IS NOT NULL
           AND occurred_at >= %(since)s AND occurred_at < %(until)s
           AND (%(stores)s::uuid[] IS NULL OR store_id = ANY(%(stores)s))""",
        given,
    )
    returned = one(
        """SELECT sum(r.sales_minor) FROM checkout_refund r JOIN checkout_order o ON o.id = r.order_id
           WHERE o.member_id IS NOT NULL AND r.occurred_at >= %(since)s AND r.occurred_at < %(until)s
           AND (%(stores)s::uuid[] IS NULL OR o.store_id = ANY(%(stores)s))""",
        given,
    )
    return sold - returned


def active(period: Period, stores: Ids) -> int:
    return one(
        """SELECT count(DISTINCT member_id) FROM checkout_order WHERE status = 'committed'
           AND occurred_at >= %(since)s AND occurred_at < %(until)s
           AND (%(stores)s::uuid[] IS NULL OR store_id = ANY(%(stores)s))""",
        within(period, stores),
    )


def joined(period: Period, stores: Ids) -> int:
    return one(
        """SELECT count(*) FROM members_member WHERE joined_at >= %(since)s AND joined_at < %(until)s
           AND (%(stores)s::uuid[] IS NULL OR join_store_id = ANY(%(stores)s))""",
        within(period, stores),
    )


def ledger(account: str, period: Period, stores: Ids) -> int:
    """What moved on a system account: "issued" is negative when points are given out."""
    return one(
        """SELECT sum(e.amount) FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
           WHERE e.asset = 'points' AND e.account = %(account)s
           AND t.occurred_at >= %(since)s AND t.occurred_at < %(until)s
           AND (%(stores)s::uuid[] IS NULL OR t.store_id = ANY(%(stores)s))""",
        {**within(period, stores), "account": account},
    )


def turned(period: Period, stores: Ids) -> tuple[int, int]:
    """What acts added to members' points, and what they took, each act as a whole."""
    acts = """SELECT sum(e.amount) AS net FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
              WHERE e.asset = 'points' AND e.account = 'member'
              AND t.occurred_at >= %(since)s AND t.occurred_at < %(until)s
              AND (%(stores)s::uuid[] IS NULL OR t.store_id = ANY(%(stores)s)) GROUP BY t.id"""
    given = within(period, stores)
    return (
        one(f"SELECT sum(net) FROM ({acts}) AS a WHERE net > 0", given),
        -one(f"SELECT sum(net) FROM ({acts}) AS a WHERE net < 0", given),
    )


HOMES = """SELECT m.id, coalesce(m.join_store_id, (SELECT o.store_id FROM checkout_order o WHERE o.member_id = m.id
           ORDER BY o.occurred_at, o.id LIMIT 1)) AS store_id, m.status FROM members_member m"""


def outstanding(day: date, stores: Ids) -> int:
    """What members at home at these stores held when the day ended."""
    return one(
        f"""SELECT sum(e.amount) FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
            JOIN ({HOMES}) AS h ON h.id = e.member_id
            WHERE e.asset = 'points' AND e.account = 'member' AND t.occurred_at < %(until)s
            AND (%(stores)s::uuid[] IS NULL OR h.store_id = ANY(%(stores)s))""",
        within(Period(day, day), stores),
    )


def in_cell(today: date, ages: tuple[int, int], orders: tuple[int, int], stores: Ids) -> list[UUID]:
    """Members, not closed, whose last standing order is so many days old and who have so many in 365 days."""
    year = Period.last_days(365, today)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT h.id FROM ({HOMES}) AS h JOIN checkout_order o ON o.member_id = h.id AND o.status = 'committed'
                WHERE h.status <> 'closed' AND (%(stores)s::uuid[] IS NULL OR h.store_id = ANY(%(stores)s))
                GROUP BY h.id
                HAVING %(today)s::date - max((o.occurred_at AT TIME ZONE 'Asia/Shanghai')::date) BETWEEN %(a)s AND %(b)s
                AND count(*) FILTER (WHERE o.occurred_at >= %(since)s) BETWEEN %(c)s AND %(d)s ORDER BY h.id""",
            {
                **within(year, stores),
                "today": today,
                "a": ages[0],
                "b": ages[1],
                "c": orders[0],
                "d": orders[1],
            },
        )
        return [member_id for (member_id,) in cursor.fetchall()]
