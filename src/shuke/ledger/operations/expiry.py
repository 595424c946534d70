"""What lapses: told ahead, and taken out of the book once its instant has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from shuke.core.values import SYSTEM
from shuke.kit.sql import load
from shuke.ledger.models import ExpiryNotice, Lot

EXPIRY_BATCH = 5000


def expire_lots(*, now: datetime, limit: int = EXPIRY_BATCH) -> int:
    """Expire one batch of lapsed lots: about `limit`, and all lapsed lots of the members they belong to.

    One transaction: for each member, asset and instant an "expire" transfer dated at the instant of expiry, the lots down
    to what is held, the balance down, the book's revision up, and the event `ledger.points_expired.v1`. Exactly once,
    whoever else runs and whenever it is killed. Returns how many lots it expired: 0 when nothing is left that is not in
    other hands.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_expire(%s, %s, %s)", [now, limit, SYSTEM.reference])
        expired: int = cursor.fetchone()[0]
    return expired


def announce_expiring(*, asset: str, notice_days: Sequence[int], now: datetime) -> int:
    """Tell ahead what will lapse: `ledger.points_expiring.v1` per member and instant, once for each of the `notice_days`.

    Of several that are due at once (an instant 5 days ahead, with notices of 30 and 7 days) only the nearest is told.
    One transaction per instant of expiry. Returns how many members were told.
    """
    if not notice_days:
        return 0
    furthest = now + timedelta(days=max(notice_days))
    ahead = Lot.objects.filter(asset=asset, remaining__gt=0, expires_at__gt=now, expires_at__lte=furthest)
    told = 0
    for instant in ahead.order_by("expires_at").values_list("expires_at", flat=True).distinct():
        assert instant is not None
        days = min(day for day in notice_days if instant <= now + timedelta(days=day))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                load("ledger", "announce_expiring"),
                {"asset": asset, "instant": instant, "days": days, "now": now},
            )
            told += cursor.fetchone()[0]
    return told


def forget_notices(*, now: datetime) -> int:
    """Delete the notices about what has lapsed: they cannot be due again. Returns how many."""
    deleted, _by_model = ExpiryNotice.objects.filter(expires_at__lte=now).delete()
    return deleted
