"""What must hold over all coupons: counters equal their rows, and each piece stands where its history left it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from shuke.kit.sql import load


@dataclass(frozen=True, slots=True)
class CouponDifference:
    """`what`: counter, history, value or codes. The subject is a template's figure, a piece, or a job."""

    what: str
    subject: str
    said: str
    found: str


def verify_coupons(*, most: int = 10) -> tuple[int, list[CouponDifference]]:
    """(pieces looked at, the first differences of each kind). Set-based, from one snapshot, without locks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rewards_coupon")
        pieces = int(cursor.fetchone()[0])
        cursor.execute(load("rewards", "verify"), {"most": most})
        return pieces, [CouponDifference(*row) for row in cursor.fetchall()]
