"""A large book is looked at by a job; the draft is published by what it found, for an hour, and by nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from shuke.checkout.errors import ImpactNotCounted, UnknownImpact
from shuke.checkout.impact import runs
from shuke.checkout.impact.models import SILENT, ImpactRun
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.checkout.impact.runs import follow_impact, get_impact, run_impact, start_impact
from shuke.checkout.simulate.operations import Progress
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
SECOND = timedelta(seconds=1)


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
    assert asked(at=NOW + SILENT / 2).id == row.id
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


@pytest.mark.parametrize("had_begun", [True, False])
def test_a_job_that_fell_silent_is_given_up_and_asking_again_begins_anew(
    deferred: list[Any], had_begun: bool
) -> None:
    row, beat = asked(), NOW
    if had_begun:  # and was killed a minute later
        beat = NOW + timedelta(minutes=1)
        ImpactRun.objects.filter(id=row.id).update(status="running", seen_at=beat, done=1, total=9)
    assert asked(at=beat + SILENT - SECOND).id == row.id
    assert follow_impact(impact_id=row.id, now=beat + SILENT - SECOND).is_open
    late = beat + SILENT
    with override("zh-hans"):
        seen = follow_impact(impact_id=row.id, now=late)
    assert (seen.status, seen.ended_at, seen.problem) == (
        "failed",
        late,
        "会员统计已中断。请再次发起，将重新统计。",
    )
    again = asked(at=late)
    assert again.id != row.id and [each["impact_id"] for each in deferred] == [str(row.id), str(again.id)]
    # The job of the first, handed out once more or at last, finds it closed.
    run_impact(impact_id=row.id, clock=lambda: late)
    assert get_impact(row.id).status == "failed" and get_impact(row.id).report is None
    run_impact(impact_id=again.id, clock=lambda: late)
    assert get_impact(again.id).status == "done"
    assert OutboxEvent.objects.filter(name="checkout.impact_done.v1").count() == 1


@pytest.mark.parametrize("wakes", ["at a batch", "at the end"])
def test_a_run_that_comes_back_to_life_neither_overwrites_nor_publishes(
    monkeypatch: pytest.MonkeyPatch, wakes: str
) -> None:
    row, looks, news = asked(), [], []
    late, real = NOW + SILENT + SECOND, runs.assess_impact

    def sleep_long(question: Any, watch: Any) -> dict[str, Any]:
        """The machine stood still in the middle of it; meanwhile somebody asked again, and that run went through."""
        looks.append(question)
        if len(looks) > 1:
            return real(question, watch=watch)
        found = real(question)
        news.append(asked(at=late))
        run_impact(impact_id=news[0].id, clock=lambda: late)
        if wakes == "at a batch":
            watch(Progress(1, 1))
            raise AssertionError("It went on.")
        return found

    monkeypatch.setattr(runs, "assess_impact", sleep_long)
    times = iter([NOW, NOW, late])
    run_impact(impact_id=row.id, clock=lambda: next(times, late))
    assert len(looks) == 2 and news[0].id != row.id
    lost, new = get_impact(row.id), get_impact(news[0].id)
    assert (lost.status, lost.report, lost.ended_at) == ("failed", None, late)
    assert (new.status, new.done) == ("done", 1)
    (told,) = OutboxEvent.objects.filter(name="checkout.impact_done.v1")
    assert told.payload["impact_id"] == str(new.id)


def test_a_running_job_tells_of_itself_every_few_seconds_and_not_at_every_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, seen, ticks = asked(), [], [0, 0, 1, 4, 5, 6, 11, 12]
    times = iter([NOW + tick * SECOND for tick in ticks])
    real = runs.assess_impact

    def slowly(question: Any, watch: Any) -> dict[str, Any]:
        for done in range(1, 6):
            watch(Progress(done, 9))
            kept = get_impact(row.id)
            seen.append((kept.done, kept.seen_at))
        return real(question)

    monkeypatch.setattr(runs, "assess_impact", slowly)
    run_impact(impact_id=row.id, clock=lambda: next(times))
    five, eleven = NOW + 5 * SECOND, NOW + 11 * SECOND
    assert seen[0] == (1, NOW + SECOND) and [done for done, _at in seen] == [1, 1, 1, 4, 5]
    assert seen[-1][1] == eleven and five < eleven
    done = get_impact(row.id)
    assert (done.status, done.done, done.total) == ("done", 5, 9)


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
