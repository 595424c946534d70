"""A large book is looked at by a job; the draft is published by what it found, for an hour, and by nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shuke.checkout.errors import ImpactNotCounted, UnknownImpact
from shuke.checkout.impact import runs
from shuke.checkout.impact.models import ImpactRun
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.checkout.impact.runs import get_impact, run_impact, start_impact
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.kit import jobs
from shuke.kit.ids import uuid7
from shuke.loyalty.document import validate
from shuke.loyalty.errors import Unconfirmed
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import publish_programme, warnings_of
from tests.factories.checkout import make_shop, publish, sell
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def deferred(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """One member is many; jobs are kept here instead of being queued."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(runs, "MANY", 0)
    monkeypatch.setattr(jobs, "defer", lambda name, **given: found.append({"name": name, **given}))
    make_shop()
    sell(("A", 110), member=make_member(now=NOW - 40 * 24 * HOUR), now=NOW - 72 * HOUR)
    return found


def draft(threshold: str = "2000.00") -> str:
    levels = document()["tiers"]["levels"]
    levels[1] |= {"threshold": threshold}
    return json.dumps(document(tiers={**document()["tiers"], "levels": levels}))


def asked(source: str | None = None, at: datetime = NOW) -> ImpactRun:
    return start_impact(actor=SYSTEM, now=at, source=source or draft())


def looked(source: str | None = None, at: datetime = NOW) -> ImpactRun:
    row = asked(source, at)
    run_impact(impact_id=row.id, clock=lambda: at)
    return get_impact(row.id)


def put(source: str, at: datetime, *accepted: str, **more: Any) -> ProgrammeVersion:
    return publish_programme(actor=SYSTEM, now=at, source=source, accepted=accepted, may_count=False, **more)


def test_the_job_finds_what_a_count_at_once_finds_and_is_asked_for_once(deferred: list[Any]) -> None:
    row = asked()
    assert asked(at=NOW + HOUR / 2).id == row.id
    assert deferred == [{"name": "checkout.impact", "impact_id": str(row.id)}]
    assert AuditEvent.objects.filter(action="checkout.impact_asked.v1").count() == 1
    run_impact(impact_id=row.id, clock=lambda: NOW)
    run_impact(impact_id=row.id, clock=lambda: NOW + HOUR)  # handed out twice
    found = get_impact(row.id)
    assert (found.status, found.done, found.total, found.percent) == ("done", 1, 1, 100)
    assert found.report == assess_impact(ask_impact(document=validate(draft()), now=NOW))
    assert OutboxEvent.objects.filter(name="checkout.impact_done.v1").count() == 1
    assert asked(at=NOW + HOUR / 2).id == row.id
    assert asked(at=NOW + HOUR).id != row.id and asked(draft("2500.00")).id != row.id
    with pytest.raises(UnknownImpact):
        get_impact(uuid7())


def test_a_draft_is_published_by_what_was_found_of_this_very_draft_within_the_hour() -> None:
    for refused in (lambda: put(draft(), NOW), lambda: warnings_of(validate(draft()), NOW, may_count=False)):
        with pytest.raises(ImpactNotCounted):
            refused()
    looked(draft("2500.00"))
    with pytest.raises(ImpactNotCounted):
        put(draft(), NOW)
    looked()
    with pytest.raises(Unconfirmed) as warned:
        put(draft(), NOW + HOUR / 2)
    assert [(each.key, each.params) for each in warned.value.cautions] == [
        ("tiers_lost:tiers", {"members": 1})
    ]
    with pytest.raises(ImpactNotCounted):
        put(draft(), NOW + HOUR, "tiers_lost:tiers")
    assert put(draft(), NOW + HOUR / 2, "tiers_lost:tiers").number == 2


def test_what_was_found_against_another_version_does_not_count() -> None:
    looked()
    publish(NOW + HOUR / 4, tiers={**document()["tiers"], "window_months": 6})
    with pytest.raises(ImpactNotCounted):
        put(draft(), NOW + HOUR / 3, "tiers_lost:tiers")
    looked(at=NOW + HOUR / 3)
    assert put(draft(), NOW + HOUR / 3, "tiers_lost:tiers").number == 3


def test_nobody_is_counted_where_the_levels_stay_and_small_books_are_counted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert put(json.dumps(document(code="other")), NOW).number == 2
    monkeypatch.setattr(runs, "MANY", 1)
    with pytest.raises(Unconfirmed):
        put(draft(), NOW + HOUR)


def test_the_command_line_counts_by_itself() -> None:
    with pytest.raises(Unconfirmed):
        publish_programme(actor=SYSTEM, now=NOW, source=draft())
