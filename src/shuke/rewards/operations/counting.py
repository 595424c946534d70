"""Move a template's counter outside the hot path, through the one function that also looks at its limits."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from shuke.rewards.models import Counter
from shuke.rewards.values import CouponTemplate


def count(
    template: str,
    now: datetime,
    *,
    issued: int = 0,
    held: int = 0,
    expired: int = 0,
    void: int = 0,
    stock: int | None = None,
    alarm: int | None = None,
) -> bool:
    """Move the counter, and hold it until the transaction ends. False, and nothing moved, beyond the stock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rewards_count(%s, %s, %s, 0, %s, %s, 0, %s, %s, NULL, NULL, %s)",
            [template, issued, held, expired, void, now, stock, alarm],
        )
        return bool(cursor.fetchone()[0])


def take_counter(template: str) -> Counter:
    """The template's counter, held until the transaction ends."""
    Counter.objects.bulk_create([Counter(template=template)], ignore_conflicts=True)
    return Counter.objects.select_for_update().get(template=template)


def stock_left(template: CouponTemplate) -> int:
    """Pieces that the stock still holds."""
    issued = Counter.objects.filter(template=template.code).values_list("issued", flat=True).first() or 0
    return max((template.limits.stock or 0) - issued, 0)
