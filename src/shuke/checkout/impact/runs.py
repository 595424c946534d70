"""The look at a large book as a job: asked for once for a draft, carried out in the background, good for an hour.

A small book is looked at while somebody waits. A large one is not: its members are counted by a job, and for as long as what it
found is fresh, the warnings of that very draft against that very version are told from it. A job that has told nothing of
itself for minutes has failed: whoever asks again gets a new one, and should the old one live after all, it finds its row closed
and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shuke.checkout.errors import ImpactInterrupted, UnknownImpact
from shuke.checkout.impact.models import ImpactRun, ImpactStatus
from shuke.checkout.impact.operations import DAYS, ask_impact, assess_impact
from shuke.checkout.simulate.operations import Progress
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit import jobs
from shuke.kit.errors import ShukeError
from shuke.loyalty.document import digest_of, validate

JOB = "checkout.impact"
MANY = 20_000
"""Members of a book that is looked at by a job: fewer take a second or two."""
FRESH = timedelta(hours=1)
"""For so long what was found stands for the book."""
BEAT = timedelta(seconds=5)
"""So often a running job writes how far it has come."""
OPEN = (ImpactStatus.WAITING, ImpactStatus.RUNNING)


class _Stopped(Exception):
    """The run was given up for lost meanwhile."""


def is_large_book() -> bool:
    """True when the members are too many to look at while somebody waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT FROM members_member LIMIT %s) AS m", [MANY + 1])
        (members,) = cursor.fetchone()
    return int(members) > MANY


def start_impact(
    *, actor: Actor, now: datetime, source: str, days: int = DAYS, against: int | None = None
) -> ImpactRun:
    """Ask for a look at every member under a draft; a job carries it out. Who asks the same again gets the same run: the one
    that goes on, or one that is done and fresh. One that has fallen silent is closed, and a new one begins.

    Raises InvalidProgramme for the draft, and what `ask_impact` does for the question.
    """
    document = validate(source)
    question = ask_impact(document=document, now=now, days=days, against=against)
    digest, number = digest_of(document), question.against.number
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{JOB}:{digest}"])
        same = ImpactRun.objects.filter(
            digest=digest, against=number, days=days, asked_at__gt=now - 2 * FRESH
        )
        for row in same.order_by("-asked_at"):
            _close_if_silent(row, now)
            if row.is_open or _is_fresh(row, now):
                return row
        row = ImpactRun.objects.create(
            source=source,
            digest=digest,
            against=number,
            days=days,
            asked_at=now,
            asked_by=actor.name,
        )
        record_audit(
            actor=actor,
            action="checkout.impact_asked.v1",
            now=now,
            object_type="impact",
            object_id=row.id,
            data={"digest": digest, "against": number},
        )
        jobs.defer(JOB, impact_id=str(row.id))
    return row


def run_impact(*, impact_id: UUID, clock: Callable[[], datetime]) -> None:
    """Carry it out; an interrupted run begins anew. One that is over is left as it is, also when it is closed on the way."""
    begun = clock()
    waiting = ImpactRun.objects.filter(id=impact_id, status__in=OPEN)
    if not waiting.update(status=ImpactStatus.RUNNING, done=0, seen_at=begun):
        return
    row = get_impact(impact_id)
    running = ImpactRun.objects.filter(id=impact_id, status=ImpactStatus.RUNNING)
    came, told_at = Progress(0, 0), begun - BEAT

    def watch(progress: Progress) -> None:
        nonlocal came, told_at
        came, at = progress, clock()
        if at - told_at < BEAT:
            return
        told_at = at
        if not running.update(done=progress.done, total=progress.total, seen_at=at):
            raise _Stopped

    try:
        question = ask_impact(document=validate(row.source), now=clock(), days=row.days, against=row.against)
        report = assess_impact(question, watch=watch)
    except _Stopped:
        return
    except ShukeError as error:
        running.update(status=ImpactStatus.FAILED, problem=str(error)[:300], ended_at=clock())
        return
    with transaction.atomic():
        ended = clock()
        found = {"report": report, "done": came.done, "total": came.total}
        if running.update(status=ImpactStatus.DONE, ended_at=ended, seen_at=ended, **found):
            publish_event(
                name="checkout.impact_done.v1",
                member_id=None,
                occurred_at=ended,
                payload={"impact_id": str(impact_id), "members": report["members"]},
            )


def follow_impact(*, impact_id: UUID, now: datetime) -> ImpactRun:
    """One look, for whoever waits for it: it has failed when it has fallen silent. Raises UnknownImpact."""
    row = get_impact(impact_id)
    _close_if_silent(row, now)
    return row


def _close_if_silent(row: ImpactRun, now: datetime) -> None:
    """Only if the job has not told of itself since the row was read."""
    if not row.is_silent(now):
        return
    same = ImpactRun.objects.filter(id=row.id, status__in=OPEN, seen_at=row.seen_at)
    same.update(status=ImpactStatus.FAILED, problem=str(ImpactInterrupted())[:300], ended_at=now)
    row.refresh_from_db()


def get_impact(impact_id: UUID) -> ImpactRun:
    """One look. Raises UnknownImpact."""
    row = ImpactRun.objects.filter(id=impact_id).first()
    if row is None:
        raise UnknownImpact
    return row


def fresh_report(
    document: Mapping[str, Any], against: Mapping[str, Any], now: datetime
) -> dict[str, Any] | None:
    """What was lately found of a checked draft against a published document; None when nobody looked within the hour."""
    rows = ImpactRun.objects.filter(
        digest=digest_of(document), status=ImpactStatus.DONE, asked_at__gt=now - 2 * FRESH
    )
    wanted = digest_of(against)
    for row in rows.order_by("-asked_at"):
        if row.report and _is_fresh(row, now) and row.report["programmes"]["current"]["digest"] == wanted:
            found: dict[str, Any] = row.report
            return found
    return None


def _is_fresh(row: ImpactRun, now: datetime) -> bool:
    """Counted from when the members began to be looked at."""
    return row.report is not None and datetime.fromisoformat(row.report["at"]) > now - FRESH
