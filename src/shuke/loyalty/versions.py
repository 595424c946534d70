"""What can be done with versions that are published: take back one that has not begun, and return to a former one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from shuke.core.authority import require_chain
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.loyalty.errors import UnknownVersion, VersionBegun, VersionCancelled
from shuke.loyalty.models import CancelledVersion, ProgrammeVersion
from shuke.loyalty.operations import LEAD, PUBLISH_LOCK, publish_programme
from shuke.loyalty.queries import forget_versions, source_of


def cancel_version(*, actor: Actor, number: int, now: datetime, reason: str = "") -> ProgrammeVersion:
    """Take back a scheduled version before it begins; what was in force before it then simply stays.

    The version and its number remain on record. Publishes `loyalty.programme_cancelled.v1`.

    :raises NotChainWide: when the actor covers some stores only.
    :raises UnknownVersion: when there is none of that number.
    :raises VersionBegun: when it has begun, or begins so soon that a process may already count on it.
    :raises VersionCancelled: when it was taken back before.
    """
    require_chain(actor)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        version = ProgrammeVersion.objects.filter(number=number).first()
        if version is None:
            raise UnknownVersion
        if version.effective_at < now + LEAD:
            raise VersionBegun(number=number)
        _row, made = CancelledVersion.objects.get_or_create(
            version=version,
            defaults={"cancelled_at": now, "cancelled_by_id": _staff(actor), "reason": reason},
        )
        if not made:
            raise VersionCancelled(number=number)
        facts = {"number": number, "effective_at": version.effective_at.isoformat()}
        record_audit(
            actor=actor,
            action="loyalty.programme_cancelled.v1",
            now=now,
            object_type="programme_version",
            object_id=version.id,
            reason=reason,
            data=facts,
        )
        publish_event(
            name="loyalty.programme_cancelled.v1",
            member_id=None,
            occurred_at=now,
            payload={"version_id": str(version.id), **facts},
        )
        forget_versions()
        transaction.on_commit(forget_versions)
    return version


def roll_back(
    *,
    actor: Actor,
    number: int,
    now: datetime,
    effective_at: datetime | None = None,
    note: str = "",
    accepted: Collection[str] = (),
) -> ProgrammeVersion:
    """Publish a former version's document anew, as the next version. Raises what `publish_programme` does, UnknownVersion."""
    return publish_programme(
        actor=actor,
        now=now,
        source=source_of(number),
        effective_at=effective_at,
        note=note or f"← {number}",
        accepted=accepted,
    )


def _staff(actor: Actor) -> UUID | None:
    return actor.id if actor.kind == "staff" else None
