"""Read the audit log, newest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput, NotFound
from shuke.core.models import AuditEvent, AuditSeal
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.text import storable
from shuke.kit.sql import load

MAX_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilters:
    """What to show; None means everything. `action` may be a beginning such as "core." or a whole name.

    `covered` are the stores that the reader covers: rows of other stores stay hidden, rows of none are shown.
    """

    actor_id: UUID | None = None
    actor_kind: str | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    store_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    covered: Collection[UUID] | None = None


@dataclass(frozen=True, slots=True)
class SealState:
    """How far the log is sealed: the last seal, rows under all seals, rows that wait, the last recorded proof."""

    last: AuditSeal | None
    sealed_rows: int
    waiting_rows: int
    proof: AuditEvent | None


PROVED = "core.audit_verified.v1"
"""The action under which `prove_audit` records its result."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows, newest first, and the cursor of the next page (None: this is the last)."""

    events: list[AuditEvent]
    next_cursor: str | None


def list_audit(
    filters: AuditFilters | None = None, cursor: str | None = None, *, limit: int = 50
) -> AuditPage:
    """One page of the audit log. Raises InvalidInput for a cursor that is not ours. One query, whatever the
    page.
    """
    limit = max(1, min(limit, MAX_PAGE))
    rows = _filtered(filters or AuditFilters())
    if cursor:
        place = decode_cursor(cursor)
        if len(place) != 1 or not isinstance(place[0], UUID):
            raise InvalidInput(field="cursor", reason=_("This page link belongs to another list."))
        rows = rows.filter(id__lt=place[0])
    events = list(rows.order_by("-id")[: limit + 1])
    more = len(events) > limit
    events = events[:limit]
    return AuditPage(events, encode_cursor([events[-1].id]) if more else None)


def get_audit(event_id: UUID, *, covered: Collection[UUID] | None = None) -> AuditEvent:
    """One row, unless it belongs to a store outside `covered`. Raises NotFound."""
    event = _filtered(AuditFilters(covered=covered)).filter(id=event_id).first()
    if event is None:
        raise NotFound
    return event


def list_audit_actions() -> list[str]:
    """Every action that the log holds, each found with one step through the index."""
    with connection.cursor() as cursor:
        cursor.execute(load("core", "list_audit_actions"))
        return [action for (action,) in cursor.fetchall()]


def seal_state() -> SealState:
    """How far the log is sealed and when it was last proved. Four small queries, whatever the size of the log's seals."""
    last = AuditSeal.objects.order_by("-number").first()
    sealed = AuditSeal.objects.aggregate(rows=Sum("rows"))["rows"] or 0
    waiting = AuditEvent.objects.filter(txid__gt=last.through_txid if last else 0).count()
    proof = AuditEvent.objects.filter(action=PROVED).order_by("-id").first()
    return SealState(last, sealed, waiting, proof)


def seal_of(event: AuditEvent) -> AuditSeal | None:
    """The seal that covers a row; None while it waits for one."""
    return (
        AuditSeal.objects.filter(after_txid__lt=event.txid, through_txid__gte=event.txid)
        .order_by("number")
        .first()
    )


def _filtered(filters: AuditFilters) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    if filters.actor_id is not None:
        rows = rows.filter(actor_id=filters.actor_id)
    if filters.actor_kind is not None:
        rows = rows.filter(actor_kind=filters.actor_kind)
    if filters.action:
        rows = rows.filter(action__startswith=storable(filters.action))
    if filters.object_type:
        rows = rows.filter(object_type=storable(filters.object_type))
    if filters.object_id:
        rows = rows.filter(object_id=storable(filters.object_id))
    if filters.store_id is not None:
        rows = rows.filter(store_id=filters.store_id)
    if filters.covered is not None:
        rows = rows.filter(Q(store_id__isnull=True) | Q(store_id__in=list(filters.covered)))
    if filters.since is not None:
        rows = rows.filter(occurred_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(occurred_at__lt=filters.until)
    return rows
