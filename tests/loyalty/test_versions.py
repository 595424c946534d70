"""Taking back a scheduled version, returning to a former one, and warnings that must be confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from shuke.core.errors import NotChainWide
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Role
from shuke.loyalty import cautions
from shuke.loyalty.cautions import ALL, Caution, Draft, register_check
from shuke.loyalty.commands import app
from shuke.loyalty.errors import SameProgramme, Unconfirmed, UnknownVersion, VersionBegun, VersionCancelled
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import LEAD, publish_programme
from shuke.loyalty.queries import list_versions, programme_at
from shuke.loyalty.versions import cancel_version, roll_back
from tests.factories.core import NOW, make_staff
from tests.factories.loyalty import SOURCE, changed, publish

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
BETTER = changed("threshold: 5000", "threshold: 6000")
BEST = changed("threshold: 5000", "threshold: 7000")


def number_at(at) -> int:
    in_force = programme_at(at)
    assert in_force
    return in_force.number


def test_only_who_covers_all_stores_publishes_takes_back_and_returns():
    bound = make_staff(Role.MARKETER, all_stores=False).as_actor()
    publish(now=NOW - DAY)
    publish(BETTER, effective_at=NOW + DAY)
    for act in (
        lambda: publish_programme(actor=bound, now=NOW, source=BEST, accepted=ALL),
        lambda: cancel_version(actor=bound, number=2, now=NOW),
        lambda: roll_back(actor=bound, number=1, now=NOW + 2 * DAY, accepted=ALL),
    ):
        with pytest.raises(NotChainWide):
            act()
    assert ProgrammeVersion.objects.count() == 2 and number_at(NOW + DAY) == 2


def test_a_scheduled_version_that_is_taken_back_never_begins():
    staff = make_staff()
    publish(now=NOW - DAY)
    publish(BETTER, effective_at=NOW + DAY)
    publish(BEST, effective_at=NOW + 2 * DAY)
    assert number_at(NOW + DAY) == 2
    cancel_version(actor=staff.as_actor(), number=2, now=NOW, reason="Too dear")
    assert [number_at(NOW + n * DAY) for n in range(4)] == [1, 1, 3, 3]
    rows = {row.number: row for row in list_versions(NOW)}
    assert [rows[n].status for n in (1, 2, 3)] == ["in_force", "cancelled", "scheduled"]
    assert rows[1].until == NOW + 2 * DAY
    assert ProgrammeVersion.objects.count() == 3
    audit = AuditEvent.objects.get(action="loyalty.programme_cancelled.v1")
    assert (audit.actor_id, audit.reason, audit.data["number"]) == (staff.id, "Too dear", 2)
    assert OutboxEvent.objects.get(name="loyalty.programme_cancelled.v1").payload["number"] == 2


def test_what_has_begun_or_begins_at_once_cannot_be_taken_back():
    publish(now=NOW - DAY)
    publish(BETTER, effective_at=NOW + DAY)
    with pytest.raises(VersionBegun):
        cancel_version(actor=SYSTEM, number=1, now=NOW)
    with pytest.raises(VersionBegun):
        cancel_version(actor=SYSTEM, number=2, now=NOW + DAY - LEAD + timedelta(microseconds=1))
    cancel_version(actor=SYSTEM, number=2, now=NOW + DAY - LEAD)
    with pytest.raises(VersionCancelled):
        cancel_version(actor=SYSTEM, number=2, now=NOW)
    with pytest.raises(UnknownVersion):
        cancel_version(actor=SYSTEM, number=9, now=NOW)


def test_a_version_taken_back_does_not_stand_in_the_way_of_the_same_document():
    publish(now=NOW - DAY)
    publish(BETTER, effective_at=NOW + DAY)
    with pytest.raises(SameProgramme):
        publish(BETTER, effective_at=NOW + 2 * DAY)
    cancel_version(actor=SYSTEM, number=2, now=NOW)
    assert publish(BETTER, effective_at=NOW + 2 * DAY).number == 3


def test_a_rollback_publishes_the_former_document_anew():
    publish(now=NOW - 2 * DAY)
    publish(BETTER, now=NOW - DAY)
    version = roll_back(actor=SYSTEM, number=1, now=NOW)
    assert (version.number, version.source, version.effective_at) == (3, SOURCE, NOW + LEAD)
    assert version.digest == ProgrammeVersion.objects.get(number=1).digest
    with pytest.raises(UnknownVersion):
        roll_back(actor=SYSTEM, number=9, now=NOW)


@pytest.fixture
def lowered() -> Iterator[None]:
    """A check such as upper rooms register: it warns of a gold tier that is harder to reach than before."""

    def check(draft: Draft):
        before = draft.before["tiers"]["levels"][2]["threshold"] if draft.before else None
        after = draft.document["tiers"]["levels"][2]["threshold"]
        if before and before < after:
            yield Caution("takes_tiers", "tiers.levels[2]", "%(count)d members lose gold", {"count": 95})

    register_check("test.lowered", check)
    yield
    del cautions._checks["test.lowered"]


@pytest.mark.usefixtures("lowered")
def test_a_warning_must_be_confirmed_by_its_key():
    publish(now=NOW - DAY)
    with pytest.raises(Unconfirmed) as refused:
        publish(BETTER)
    assert [each.key for each in refused.value.cautions] == ["takes_tiers:tiers.levels[2]"]
    assert str(refused.value) == "Confirm 1 warnings first. The first: tiers.levels[2]: 95 members lose gold"
    with pytest.raises(Unconfirmed):
        publish_programme(actor=SYSTEM, now=NOW, source=BETTER, accepted=["takes_points:"])
    assert ProgrammeVersion.objects.count() == 1
    publish_programme(actor=SYSTEM, now=NOW, source=BETTER, accepted=["takes_tiers:tiers.levels[2]"])
    publish_programme(actor=SYSTEM, now=NOW + DAY, source=BEST, accepted=ALL)
    assert ProgrammeVersion.objects.count() == 3


@pytest.mark.usefixtures("lowered")
def test_commands_warn_roll_back_and_take_back(tmp_path):
    def run(*args: str):
        return CliRunner().invoke(app, list(args))

    file = tmp_path / "programme.yaml"
    file.write_text(SOURCE, encoding="utf-8")
    assert run("apply", str(file)).exit_code == 0
    file.write_text(BETTER, encoding="utf-8")
    assert "! tiers.levels[2]: 95 members lose gold" in run("diff", str(file)).output
    refused = run("apply", str(file), "--effective-at", "2099-01-01T00:00")
    assert refused.exit_code == 1
    assert refused.output.splitlines() == [
        "! tiers.levels[2]: 95 members lose gold",
        "Nothing was published. To publish all the same, add --accept-warnings.",
    ]
    assert run("apply", str(file), "--effective-at", "2099-01-01T00:00", "--accept-warnings").exit_code == 0
    assert run("cancel", "2").output == "Version 2 is taken back; it will not begin.\n"
    assert "cancelled" in run("versions").output
    assert run("apply", str(file), "--effective-at", "2099-01-01T00:00", "--accept-warnings").exit_code == 0
    back = run("rollback", "1", "--effective-at", "2099-06-01T00:00")
    assert back.output.splitlines() == [
        "~ Gold threshold 6,000.00 → 5,000.00",
        "Published version 4, in force from 2099-06-01 00:00:00 CST.",
    ]
    assert run("rollback", "77").exit_code == 1
