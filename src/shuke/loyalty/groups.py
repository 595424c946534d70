"""Plans and segments of members, as the rooms above report them: the rules of a sale look at them here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from shuke.loyalty.models import MemberGroup

GroupKind = Literal["plan", "segment"]


def join_group(
    *, kind: GroupKind, code: str, member_ids: Iterable[UUID], since: datetime, until: datetime | None = None
) -> None:
    """Members have this plan or are in this segment from `since`, until `until` or further notice."""
    MemberGroup.objects.bulk_create(
        [MemberGroup(member_id=m, kind=kind, code=code, since=since, until=until) for m in member_ids],
        update_conflicts=True,
        unique_fields=["member_id", "kind", "code"],
        update_fields=["since", "until"],
    )


def leave_group(*, kind: GroupKind, code: str, member_ids: Iterable[UUID], now: datetime) -> None:
    """They no longer do, from now on."""
    members = list(member_ids)
    with transaction.atomic():
        MemberGroup.objects.filter(
            Q(until__isnull=True) | Q(until__gt=now), kind=kind, code=code, member_id__in=members
        ).update(until=now)
