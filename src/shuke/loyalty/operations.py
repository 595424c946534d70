"""Publishing a programme."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.authority import require_chain
from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.cautions import Caution, Draft, cautions_of, unconfirmed
from shuke.loyalty.document import digest_of, validate
from shuke.loyalty.errors import CurrencyFixed, EffectiveInThePast, SameProgramme, Unconfirmed
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.queries import forget_versions, programme_at, version_by_id

LEAD = timedelta(seconds=3)
"""How soon after publishing a version may begin: time to commit, and for every process to read the list again."""

PUBLISH_LOCK = 0x5EA1_0010
"""Taken by whoever changes which versions there are."""


def publish_programme(
    *,
    actor: Actor,
    now: datetime,
    source: str | bytes,
    effective_at: datetime | None = None,
    note: str = "",
    accepted: Collection[str] = (),
    may_count: bool = True,
) -> ProgrammeVersion:
    """Publish a document as the next version. Numbers run without gaps, however many publish at once.

    It begins at `effective_at`, or at once, which means `LEAD` later: until then every process has learned of it. Only
    the first version may begin in the past, so that sales from before the programme can be imported under it.

    :raises NotChainWide: when the actor covers some stores only: a programme counts for all of them.
    :raises InvalidProgramme: with every problem of the document.
    :raises SameProgramme: when it equals what is in force at that time anyway.
    :raises EffectiveInThePast: when it shall begin before `now`.
    :raises CurrencyFixed: when its currency is not that of the first version.
    :raises Unconfirmed: when it warns of something whose key is not in `accepted`.

    With `may_count` False a check that would look at every member of a large book tells what it found lately, and refuses
    where it has not looked yet.
    """
    require_chain(actor)
    if len(note) > 300 or not note.isprintable():
        raise InvalidInput(field="note", reason=_("Give a note of at most 300 characters on one line."))
    document = validate(source)
    digest = digest_of(document)
    # Before the lock: a check may look at every member.
    warned = unconfirmed(warnings_of(document, now, effective_at, may_count=may_count), accepted)
    if warned:
        raise Unconfirmed(warned)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        last = ProgrammeVersion.objects.order_by("-number").first()
        starts = _start(last is None, effective_at, now)
        if last is not None:
            _check_against(last, document, digest, starts)
        version = ProgrammeVersion.objects.create(
            id=uuid7(),
            number=last.number + 1 if last else 1,
            document=document,
            source=source if isinstance(source, str) else source.decode("utf-8-sig"),
            digest=digest,
            note=note,
            effective_at=starts,
            published_at=now,
            published_by_id=actor.id if actor.kind == "staff" else None,
        )
        facts = {"number": version.number, "digest": digest, "effective_at": starts.isoformat()}
        record_audit(
            actor=actor,
            action="loyalty.programme_published.v1",
            now=now,
            object_type="programme_version",
            object_id=version.id,
            reason=note,
            data=facts,
        )
        publish_event(
            name="loyalty.programme_published.v1",
            member_id=None,
            occurred_at=now,
            payload={"version_id": str(version.id), **facts},
        )
        forget_versions()
        transaction.on_commit(forget_versions)
    return version


def warnings_of(
    document: Mapping[str, Any],
    now: datetime,
    effective_at: datetime | None = None,
    *,
    may_count: bool = True,
) -> tuple[Caution, ...]:
    """What has to be confirmed before a checked document is published to begin then. `may_count` as for publishing."""
    starts = max(effective_at or now, now)
    in_force = programme_at(starts)
    return cautions_of(
        Draft(
            document=document,
            programme=compile_programme(document),
            before=version_by_id(in_force.version_id).document if in_force else None,
            starts=starts,
            now=now,
            may_count=may_count,
        )
    )


def _start(is_first: bool, effective_at: datetime | None, now: datetime) -> datetime:
    if is_first:
        return effective_at or now
    if effective_at is not None and effective_at < now:
        raise EffectiveInThePast(field="effective_at")
    return max(effective_at or now, now + LEAD)


def _check_against(
    last: ProgrammeVersion, document: Mapping[str, Any], digest: str, starts: datetime
) -> None:
    if document["currency"] != last.document["currency"]:
        raise CurrencyFixed(field="currency", currency=last.document["currency"])
    before = (
        ProgrammeVersion.objects.filter(effective_at__lte=starts, cancellation=None)
        .order_by("-effective_at", "-number")
        .values_list("digest", "number")
        .first()
    )
    if before is not None and before[0] == digest:
        raise SameProgramme(number=before[1])
