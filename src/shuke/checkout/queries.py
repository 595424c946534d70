"""What others read of orders, and the qualifying totals that tiers are reviewed by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection

from shuke.loyalty.logic import window_start
from shuke.loyalty.queries import programme_at


def qualifying_totals(member_ids: list[UUID], ends: Mapping[UUID, datetime]) -> dict[UUID, int]:
    """The tier metric of each member in the window that ends at `ends[member]`, refunded orders left out."""
    totals: dict[UUID, int] = dict.fromkeys(member_ids, 0)
    if not member_ids:
        return totals
    starts = []
    figure = "qualifying_minor"
    for member_id in member_ids:
        in_force = programme_at(ends[member_id])
        if in_force is None:
            starts.append(ends[member_id])
            continue
        starts.append(window_start(in_force.programme.tiers, ends[member_id], in_force.programme))
        figure = "qualifying_minor" if in_force.programme.tiers.metric == "spend" else "growth_earned"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT w.member_id, coalesce(sum(o.{figure}), 0)"  # noqa: S608  one of two fixed column names
            " FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS w(member_id, start_at, end_at)"
            " LEFT JOIN checkout_order o ON o.member_id = w.member_id AND o.status = 'committed'"
            " AND o.occurred_at >= w.start_at AND o.occurred_at <= w.end_at GROUP BY w.member_id",
            [member_ids, starts, [ends[m] for m in member_ids]],
        )
        totals.update({member_id: int(total) for member_id, total in cursor.fetchall()})
    return totals
