"""Unique codes in bulk: ordered, made by a job that goes on where it was interrupted, told to whoever may, called back.

A code is good at every store for whoever has it, so only actors who cover all stores order, see and call back codes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from shuke.core.authority import require_chain
from shuke.core.keyset import keyset
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit import jobs
from shuke.kit.ids import uuid7
from shuke.kit.typed_codes import shown_code
from shuke.rewards.codes import BLIND_BYTES, blind_codes, codes_of_job
from shuke.rewards.errors import (
    CodeCountOutOfRange,
    CodeJobEnded,
    CodeJobUnknown,
    CodesNotReady,
    CouponsOutOfStock,
    CouponTemplateOver,
)
from shuke.rewards.events import CODES_MADE, CODES_ORDERED, CODES_READ, CODES_VOIDED
from shuke.rewards.models import CodeJob, CodeJobStatus, Coupon
from shuke.rewards.operations.counting import count as move_counter
from shuke.rewards.operations.counting import stock_left, take_counter
from shuke.rewards.operations.holding import checked_reason
from shuke.rewards.operations.issuing import MAX_REASON
from shuke.rewards.terms import fixed_terms
from shuke.rewards.values import CouponTemplate

MAX_CODES = 5_000_000
BATCH = 50_000
"""Codes per transaction: what a killed job loses at most, and how often its progress is told."""
TOLD_AT_ONCE = 10_000
GENERATE = "rewards.generate_codes"

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)


def order_codes(
    *,
    actor: Actor,
    template: CouponTemplate,
    version_id: UUID,
    zone: ZoneInfo,
    count: int,
    note: str,
    now: datetime,
) -> CodeJob:
    """Order `count` unique codes of a template; a job of the worker makes them. They are taken from the stock now.

    Raises NotChainWide, CodeCountOutOfRange, CouponTemplateOver, CouponsOutOfStock.
    """
    require_chain(actor)
    if not 1 <= count <= MAX_CODES:
        raise CodeCountOutOfRange(field="count", most=MAX_CODES)
    note = clean_text("note", note, MAX_REASON)
    begins, ends = fixed_terms(template.validity, zone)
    if ends is not None and ends <= now:
        raise CouponTemplateOver(template=template.code)
    limits = template.limits
    with transaction.atomic():
        job = CodeJob.objects.create(
            id=uuid7(),
            template=template.code,
            count=count,
            valid_from=begins,
            valid_until=ends,
            note=note,
            created_at=now,
            programme_version_id=version_id,
            actor=actor.reference,
        )
        if not move_counter(template.code, now, issued=count, stock=limits.stock, alarm=limits.alarm_percent):
            left = stock_left(template)
            raise CouponsOutOfStock(field="count", template=template.code, left=left, asked=count)
        _record(actor, job, CODES_ORDERED, now, note, {"count": count})
        _publish(CODES_ORDERED, job, count, now)
        jobs.defer(GENERATE, lock=f"{GENERATE}:{job.id}", job_id=str(job.id))
    return job


def generate_codes(*, job_id: UUID, now: datetime, limit: int = BATCH) -> int:
    """Make the next codes of a job, in one transaction. Returns how many; 0 when there is nothing left to make.

    Killed anywhere, the job goes on after its last committed batch: codes follow from their place, so none is made twice.
    """
    with transaction.atomic():
        job = CodeJob.objects.select_for_update().filter(id=job_id).first()
        if job is None or job.status != CodeJobStatus.RUNNING:
            return 0
        made = min(limit, job.count - job.made)
        _copy(job.id, job.made, made)
        job.made += made
        if job.made == job.count:
            job.status, job.finished_at = CodeJobStatus.DONE, now
            _publish(CODES_MADE, job, job.count, now)
        job.save(update_fields=["made", "status", "finished_at"])
    return made


def _copy(job_id: UUID, first: int, count: int) -> None:
    """The blind indexes of the codes from `first` on, by binary COPY, in the order of the index they go into."""
    secret = keyset()
    blinds = blind_codes(secret, codes_of_job(secret, job_id, first, count))
    rows = sorted(zip(blinds, range(first, first + count), strict=True))
    head = struct.pack(">hi", 3, BLIND_BYTES)
    middle = struct.pack(">i", len(job_id.bytes)) + job_id.bytes + struct.pack(">i", 4)
    place = struct.Struct(">i").pack
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY rewards_code (blind, job_id, place) FROM STDIN (FORMAT binary)") as into,
    ):
        into.write(_HEADER + b"".join([head + blind + middle + place(n) for blind, n in rows]) + _TRAILER)


def download_codes(
    *,
    actor: Actor,
    job_id: UUID,
    now: datetime,
    reason: str,
    first: int = 0,
    count: int | None = None,
) -> Iterator[str]:
    """The codes of a finished job as they are printed, from a place on: made again, for they are stored nowhere.

    The look is on record before the first code is told. Raises NotChainWide, InvalidInput without a reason, CodeJobUnknown,
    CodesNotReady, CodeJobEnded.
    """
    require_chain(actor)
    reason = checked_reason(reason)
    with transaction.atomic():
        job = CodeJob.objects.filter(id=job_id).first()
        if job is None:
            raise CodeJobUnknown
        if job.status == CodeJobStatus.RUNNING:
            raise CodesNotReady(made=job.made, count=job.count)
        if job.status != CodeJobStatus.DONE:
            raise CodeJobEnded
        rest = max(job.count - first, 0)
        most = rest if count is None else min(count, rest)
        _record(actor, job, CODES_READ, now, reason, {"first": first, "count": most})
    return _told(job.id, first, most)


def _told(job_id: UUID, first: int, count: int) -> Iterator[str]:
    secret = keyset()
    for start in range(first, first + count, TOLD_AT_ONCE):
        for code in codes_of_job(secret, job_id, start, min(TOLD_AT_ONCE, first + count - start)):
            yield shown_code(code)


def void_codes(*, actor: Actor, job_id: UUID, reason: str, now: datetime) -> CodeJob:
    """Call back all codes of a job that nobody has touched. Pieces that members hold already stay theirs.

    Raises NotChainWide, CodeJobUnknown, CodeJobEnded.
    """
    require_chain(actor)
    reason = checked_reason(reason)
    with transaction.atomic():
        job = CodeJob.objects.select_for_update().filter(id=job_id).first()
        if job is None:
            raise CodeJobUnknown
        if job.ended_at is not None:
            raise CodeJobEnded
        end_job(job, CodeJobStatus.VOID, now)
        _record(actor, job, CODES_VOIDED, now, reason, {"count": job.ended_pieces})
        _publish(CODES_VOIDED, job, job.ended_pieces, now)
    return job


def end_job(job: CodeJob, status: CodeJobStatus, now: datetime) -> None:
    """The untouched codes of a locked job are expired or void from now on: the job says so, not each code.

    Sales and claims that touch one of them share a lock on the job, so none is under way.
    """
    take_counter(job.template)
    job.ended_pieces = job.count - Coupon.objects.filter(job_id=job.id).count()
    lapsed = job.ended_pieces if status == CodeJobStatus.EXPIRED else 0
    move_counter(job.template, now, expired=lapsed, void=job.ended_pieces - lapsed)
    job.status, job.ended_at = status, now
    job.save(update_fields=["status", "ended_at", "ended_pieces"])


def _record(
    actor: Actor, job: CodeJob, action: str, now: datetime, reason: str, data: dict[str, int]
) -> None:
    record_audit(
        actor=actor,
        action=action,
        now=now,
        object_type="coupon_codes",
        object_id=job.id,
        reason=reason,
        data={"template": job.template, **data},
    )


def _publish(name: str, job: CodeJob, count: int, now: datetime) -> None:
    facts = {"job_id": str(job.id), "template": job.template, "count": count}
    publish_event(name=name, member_id=None, occurred_at=now, payload=facts)
