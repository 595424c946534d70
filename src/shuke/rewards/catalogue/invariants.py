"""What is always true of the catalogue, and the proof of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, slots=True)
class CatalogueDifference:
    """Something that says other than what it stands for: a stock counter, or a redemption's points
    against the ledger, its coupons against those handed out."""

    what: str
    name: str
    said: int
    found: int


def verify_catalogue(*, most: int = 10) -> list[CatalogueDifference]:
    """The first differences; empty when every counter equals its rows and every redemption its transfers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 'stock', coalesce(s.reward, r.reward), coalesce(s.taken, 0), coalesce(r.pieces, 0)"
            " FROM rewards_rewardstock s FULL JOIN"
            " (SELECT reward, sum(quantity)::bigint AS pieces FROM rewards_redemption"
            "  WHERE status NOT IN ('cancelled', 'lapsed') GROUP BY reward) r ON r.reward = s.reward"
            " WHERE coalesce(s.taken, 0) <> coalesce(r.pieces, 0)"
            " UNION ALL"
            " SELECT 'points', r.id::text, r.points, coalesce(e.spent, 0) FROM rewards_redemption r LEFT JOIN LATERAL"
            " (SELECT -sum(e.amount)::bigint AS spent FROM ledger_entry e"
            "  WHERE e.transfer_id = r.transfer_id AND e.account = 'member' AND e.asset = 'points') e ON true"
            " WHERE r.points <> coalesce(e.spent, 0)"
            " UNION ALL"
            " SELECT 'coupons', r.id::text, r.quantity, coalesce(c.pieces, 0) FROM rewards_redemption r LEFT JOIN LATERAL"
            # A piece may be called back by itself, or be lost with a refund: it was given nevertheless.
            " (SELECT count(*) AS pieces FROM rewards_coupon c WHERE c.source = 'reward' AND c.reference = r.id::text"
            "  AND (c.state = 'void' OR r.status <> 'cancelled')) c ON true"
            " WHERE r.kind = 'coupon' AND r.quantity <> coalesce(c.pieces, 0)"
            " ORDER BY 1, 2 LIMIT %s",
            [most],
        )
        return [CatalogueDifference(*row) for row in cursor.fetchall()]
