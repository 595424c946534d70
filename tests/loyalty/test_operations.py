"""Publishing versions and reviewing tiers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.ledger.models import Book
from shuke.loyalty.errors import CurrencyFixed, EffectiveInThePast, InvalidProgramme, SameProgramme
from shuke.loyalty.models import ProgrammeVersion, Standing, TierChange
from shuke.loyalty.operations import LEAD, publish_programme
from shuke.loyalty.tier_reviews import Qualifying, review_member, review_tiers
from tests.factories.core import NOW, make_staff
from tests.factories.loyalty import SOURCE, changed, no_sales, publish, stand
from tests.factories.members import make_member

DAY = timedelta(days=1)
BETTER = changed("threshold: 5000", "threshold: 6000")
# The end of a local day in Shanghai.
DUE = datetime(2026, 10, 31, 16, tzinfo=UTC)


@pytest.mark.django_db
def test_a_version_is_numbered_audited_and_announced() -> None:
    staff = make_staff()
    version = publish_programme(actor=staff.as_actor(), now=NOW, source=SOURCE, note="Autumn")
    stored = ProgrammeVersion.objects.get()
    assert (stored.number, stored.effective_at, stored.published_by, stored.note) == (1, NOW, staff, "Autumn")
    assert stored.source == SOURCE
    assert stored.document["tiers"]["levels"][2]["threshold"] == "5000.00"
    audit = AuditEvent.objects.get(action="loyalty.programme_published.v1")
    assert (audit.actor_id, audit.object_id, audit.reason) == (staff.id, str(version.id), "Autumn")
    event = OutboxEvent.objects.get(name="loyalty.programme_published.v1")
    assert (event.payload["number"], event.payload["version_id"]) == (1, str(version.id))


@pytest.mark.django_db
def test_at_once_means_as_soon_as_every_process_has_learned_of_it() -> None:
    assert publish().effective_at == NOW
    assert publish(BETTER, now=NOW + DAY).effective_at == NOW + DAY + LEAD
    third = publish(SOURCE, now=NOW + 2 * DAY, effective_at=NOW + 2 * DAY + timedelta(seconds=1))
    assert third.effective_at == NOW + 2 * DAY + LEAD
    assert publish(BETTER, now=NOW + 3 * DAY, effective_at=NOW + 9 * DAY).effective_at == NOW + 9 * DAY


@pytest.mark.django_db
def test_only_the_first_version_may_begin_in_the_past() -> None:
    first = publish(effective_at=NOW - 400 * DAY)
    assert first.effective_at == NOW - 400 * DAY
    with pytest.raises(EffectiveInThePast):
        publish(BETTER, effective_at=NOW - timedelta(microseconds=1))
    assert ProgrammeVersion.objects.count() == 1


@pytest.mark.django_db
def test_a_document_that_changes_nothing_is_refused() -> None:
    publish()
    with pytest.raises(SameProgramme) as caught:
        publish("# only a comment\n" + SOURCE)
    assert "version 1" in str(caught.value)
    publish(BETTER, effective_at=NOW + 9 * DAY)
    with pytest.raises(SameProgramme):
        publish(SOURCE, effective_at=NOW + 5 * DAY)
    back = publish(SOURCE, effective_at=NOW + 10 * DAY)
    assert back.number == 3


@pytest.mark.django_db
def test_bad_documents_and_notes_change_nothing() -> None:
    with pytest.raises(InvalidProgramme):
        publish(changed("threshold: 5000", "threshold: 50"))
    with pytest.raises(InvalidInput):
        publish_programme(actor=SYSTEM, now=NOW, source=SOURCE, note="x" * 301)
    assert not ProgrammeVersion.objects.exists()
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db
def test_the_currency_stays_what_it_was() -> None:
    publish()
    with pytest.raises(CurrencyFixed):
        publish(SOURCE.replace("CNY", "HKD"))


@pytest.mark.django_db
def test_bytes_with_a_byte_order_mark_are_kept_as_text() -> None:
    version = publish_programme(actor=SYSTEM, now=NOW, source=b"\xef\xbb\xbf" + SOURCE.encode())
    assert ProgrammeVersion.objects.get(id=version.id).source == SOURCE


@pytest.mark.django_db(transaction=True)
def test_rivals_get_numbers_without_gaps() -> None:
    publish()
    failures: list[BaseException] = []

    def work(threshold: int) -> None:
        try:
            for step in range(4):
                amount = threshold + step
                publish(changed("threshold: 5000", f"threshold: {amount}"), now=NOW + DAY)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(10_000 * n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures
    assert list(ProgrammeVersion.objects.order_by("number").values_list("number", flat=True)) == list(
        range(1, 18)
    )


@pytest.mark.django_db(transaction=True)
def test_twins_publish_one_version() -> None:
    publish()
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            barrier.wait(20)
            publish(BETTER, now=NOW + DAY)
            outcomes.append("published")
        except SameProgramme:
            outcomes.append("same")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["published", "same", "same", "same"]


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["loyalty_programmeversion", "loyalty_tierchange"])
def test_the_database_refuses_to_change_history(table: str) -> None:
    publish()
    member = make_member().id
    stand(member, "gold", since=NOW - 400 * DAY, review_at=DUE)
    review_member(member_id=member, now=NOW, qualifying=no_sales)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def spent(totals: Mapping[UUID, int]) -> Qualifying:
    def qualifying(
        members: list[UUID], ends: Mapping[UUID, datetime], *, track: str = "", review: bool = False
    ) -> dict[UUID, int]:
        return {member: totals.get(member, 0) for member in members}

    return qualifying


@pytest.mark.django_db
def test_a_term_that_ended_is_renewed_or_lapses() -> None:
    version = publish()
    keeps, drops, waits = make_member().id, make_member().id, make_member().id
    for member, review_at in ((keeps, DUE), (drops, DUE), (waits, NOW + DAY)):
        stand(member, "gold", since=DUE - 365 * DAY, review_at=review_at)

    assert review_tiers(now=NOW, qualifying=spent({keeps: 500_000})) == 2
    assert review_tiers(now=NOW, qualifying=spent({keeps: 500_000})) == 0

    tiers = {s.member_id: (s.tier, s.since, s.review_at) for s in Standing.objects.all()}
    # The term runs a year from the review (1 November, local), to the end of that month.
    next_review = datetime(2027, 11, 30, 16, tzinfo=UTC)
    assert tiers[keeps] == ("gold", DUE - 365 * DAY, next_review)
    assert tiers[drops] == ("silver", DUE, next_review)
    assert tiers[waits] == ("gold", DUE - 365 * DAY, NOW + DAY)
    changes = {c.member_id: c for c in TierChange.objects.all()}
    assert set(changes) == {keeps, drops}
    lapsed = changes[drops]
    assert (lapsed.from_tier, lapsed.to_tier, lapsed.cause, lapsed.metric) == ("gold", "silver", "lapsed", 0)
    assert (lapsed.occurred_at, lapsed.programme_version_id) == (DUE, version.id)
    assert (changes[keeps].cause, changes[keeps].metric) == ("renewed", 500_000)
    assert OutboxEvent.objects.filter(name="loyalty.tier_changed.v1", member_id=drops).count() == 1
    assert Book.objects.get(member=drops).revision == 1


@pytest.mark.django_db
def test_several_terms_that_ended_meanwhile_are_reviewed_one_by_one() -> None:
    publish(effective_at=NOW - 2000 * DAY)
    member = make_member().id
    first = datetime(2024, 10, 31, 16, tzinfo=UTC)
    stand(member, "gold", since=first - 365 * DAY, review_at=first)
    asked: list[datetime] = []

    def totals(
        members: list[UUID], ends: Mapping[UUID, datetime], *, track: str = "", review: bool = False
    ) -> dict[UUID, int]:
        asked.append(ends[members[0]])
        return no_sales(members, ends)

    assert review_member(member_id=member, now=NOW, qualifying=totals) == 2
    second = datetime(2025, 11, 30, 16, tzinfo=UTC)
    assert asked == [first, second]
    steps = TierChange.objects.order_by("occurred_at").values_list("occurred_at", "from_tier", "to_tier")
    assert list(steps) == [(first, "gold", "silver"), (second, "silver", "classic")]
    standing = Standing.objects.get()
    assert (standing.tier, standing.review_at) == ("classic", None)


@pytest.mark.django_db
def test_batches_resume_where_they_stopped() -> None:
    publish()
    members = [make_member().id for _ in range(5)]
    for days, member in enumerate(members):
        stand(member, "silver", since=DUE - 400 * DAY, review_at=DUE - days * DAY)
    assert review_tiers(now=NOW, qualifying=no_sales, limit=2) == 2
    done = set(TierChange.objects.values_list("member_id", flat=True))
    assert done == {members[4], members[3]}
    assert [review_tiers(now=NOW, qualifying=no_sales, limit=2) for _ in range(3)] == [2, 1, 0]
    assert set(Standing.objects.values_list("tier", flat=True)) == {"classic"}


@pytest.mark.django_db
def test_a_review_asks_for_totals_once_per_batch() -> None:
    publish()
    for _ in range(3):
        stand(make_member().id, "silver", since=DUE - 400 * DAY, review_at=DUE)
    calls = []

    def totals(
        members: list[UUID], ends: Mapping[UUID, datetime], *, track: str = "", review: bool = False
    ) -> dict[UUID, int]:
        calls.append(len(members))
        return no_sales(members, ends)

    review_tiers(now=NOW, qualifying=totals)
    assert calls == [3]


@pytest.mark.django_db
def test_without_a_programme_nothing_is_reviewed() -> None:
    stand(make_member().id, "silver", since=DUE - 400 * DAY, review_at=DUE)
    assert review_tiers(now=NOW, qualifying=no_sales) == 0
    assert Standing.objects.get().tier == "silver"


@pytest.mark.django_db(transaction=True)
def test_two_runs_review_each_tier_once() -> None:
    publish()
    members = [make_member().id for _ in range(30)]
    for member in members:
        stand(member, "gold", since=DUE - 400 * DAY, review_at=DUE)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while review_tiers(now=NOW, qualifying=no_sales, limit=4):
                pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures
    assert TierChange.objects.count() == 30
    assert set(Standing.objects.values_list("tier", flat=True)) == {"silver"}
