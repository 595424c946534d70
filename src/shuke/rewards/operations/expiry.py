"""What lapses: told ahead, and taken out of pockets once its instant has come. In batches that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from shuke.core.operations import publish_event
from shuke.core.values import SYSTEM
from shuke.kit.sql import load
from shuke.rewards.models import CodeJob, CodeJobStatus
from shuke.rewards.operations.codes import end_job

BATCH = 5000
NOTICE_DAYS = (7, 1)
"""How many days ahead holders are told that a piece will lapse."""
CODES_LAPSED = "rewards.codes_expired.v1"


def expire_coupons(*, now: datetime, limit: int = BATCH) -> int:
    """Expire one batch of lapsed pieces, or the untouched codes of one job. Returns how many; 0 when nothing is left.

    One transaction: states, history, counters and the events `rewards.coupon_expired.v1` (one event for the codes of a job).
    Pieces that somebody else holds just now are left to the next run. No sale uses a lapsed piece, however late this runs.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rewards_expire(%s, %s, %s)", [now, limit, SYSTEM.reference])
        expired: int = cursor.fetchone()[0]
    return expired or _expire_codes(now)


def _expire_codes(now: datetime) -> int:
    with transaction.atomic():
        due = CodeJob.objects.select_for_update(skip_locked=True).filter(
            ended_at__isnull=True, valid_until__lte=now, status=CodeJobStatus.DONE
        )
        job = due.order_by("valid_until").first()
        if job is None:
            return 0
        end_job(job, CodeJobStatus.EXPIRED, now)
        facts = {"job_id": str(job.id), "template": job.template, "count": job.ended_pieces}
        publish_event(name=CODES_LAPSED, member_id=None, occurred_at=now, payload=facts)
    # The job counts as one when none of its codes was left, or the caller would take that for the end.
    return job.ended_pieces or 1


def announce_expiring(*, now: datetime, notice_days: Sequence[int] = NOTICE_DAYS, limit: int = BATCH) -> int:
    """Tell one batch of holders ahead what will lapse: `rewards.coupon_expiring.v1`, once per piece for each of the days.

    Of several notices that are due at once only the nearest is told. Returns how many were told.
    """
    told = 0
    for days in sorted(notice_days):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                load("rewards", "announce_expiring"),
                {"now": now, "until": now + timedelta(days=days), "days": days, "limit": limit},
            )
            told += cursor.fetchone()[0]
    return told
