"""Read the audit log, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent
from shuke.core.pagination import decode_cursor, encode_cursor

MAX_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilters:
    """What to show; None means everything. `action` may be a beginning such as "core." or a whole name."""

    actor_id: UUID | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    store_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


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


def _filtered(filters: AuditFilters) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    if filters.actor_id is not None:
        rows = rows.filter(actor_id=filters.actor_id)
    if filters.action:
        rows = rows.filter(action__startswith=filters.action)
    if filters.object_type:
        rows = rows.filter(object_type=filters.object_type)
    if filters.object_id:
        rows = rows.filter(object_id=filters.object_id)
    if filters.store_id is not None:
        rows = rows.filter(store_id=filters.store_id)
    if filters.since is not None:
        rows = rows.filter(occurred_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(occurred_at__lt=filters.until)
    return rows
