"""How much of each tier metric members have in a window, and what they hold on the tracks beside the main one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from shuke.checkout.logic import TrackFacts
from shuke.loyalty.programme import Programme
from shuke.loyalty.tier_logic import window_start
from shuke.loyalty.tier_rows import lowest, state_of
from shuke.loyalty.tiers import Metric, Tiers

FIGURES: dict[Metric, str] = {
    "spend": "o.qualifying_minor - o.refunded_qualifying_minor",
    "growth": "o.growth_earned - o.refunded_growth",
    "points": "o.points_earned - o.refunded_points",
    "orders": "(o.id IS NOT NULL)::int",
}
"""What an order still counts for, by metric. A track that is set by hand counts nothing."""

_CASES = " ".join(f"WHEN '{metric}' THEN {figure}" for metric, figure in FIGURES.items())


def totals(windows: Sequence[tuple[UUID, Metric, datetime, datetime]]) -> list[int]:
    """The total of each (member, metric, from, to), both ends included; in the order given, in one query."""
    if not windows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT w.n, coalesce(sum(CASE w.metric {_CASES} END), 0)"  # noqa: S608  fixed expressions
            " FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
            " WITH ORDINALITY AS w(member_id, metric, start_at, end_at, n)"
            " LEFT JOIN checkout_order o ON o.member_id = w.member_id AND o.status = 'committed'"
            " AND o.occurred_at >= w.start_at AND o.occurred_at <= w.end_at GROUP BY w.n",
            [list(column) for column in zip(*windows, strict=True)],
        )
        found = {int(n): int(total) for n, total in cursor.fetchall()}
    return [found[n] for n in range(1, len(windows) + 1)]


def totals_in(members: Sequence[UUID], metric: Metric, start: datetime, end: datetime) -> dict[UUID, int]:
    """The total of each member in one window, both ends included; who bought nothing in it is missing. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT o.member_id, sum({FIGURES[metric]})::bigint FROM checkout_order o"  # noqa: S608  fixed expressions
            " WHERE o.member_id = ANY(%s::uuid[]) AND o.status = 'committed'"
            " AND o.occurred_at >= %s AND o.occurred_at <= %s GROUP BY o.member_id",
            [list(members), start, end],
        )
        return dict(cursor.fetchall())


def qualifying_of(tiers: Tiers, member_id: UUID, joined: datetime, now: datetime) -> int:
    """One member's total in the window that ends now."""
    if tiers.by_hand:
        return 0
    return totals([(member_id, tiers.metric, window_start(tiers, now, joined), now)])[0]


def read_tracks(
    programme: Programme, member_id: UUID, joined: datetime, now: datetime
) -> tuple[TrackFacts, ...]:
    """What the member holds on each further track of the programme, with its total in the window that ends now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT track, tier, since, review_at, held FROM loyalty_trackstanding WHERE member_id = %s",
            [member_id],
        )
        stored = {
            track: state_of(tier, since, review_at, held, joined)
            for track, tier, since, review_at, held in cursor.fetchall()
        }
    counted = [tiers for tiers in programme.tracks.values() if not tiers.by_hand]
    sums = totals([(member_id, t.metric, window_start(t, now, joined), now) for t in counted])
    by_track = {tiers.code: total for tiers, total in zip(counted, sums, strict=True)}
    return tuple(
        TrackFacts(code, stored.get(code) or lowest(tiers, joined), by_track.get(code, 0))
        for code, tiers in programme.tracks.items()
    )
