"""Holds: nobody else gets what is held, and every end gives back exactly what was not captured."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.ledger.models import Entry, Hold, Lot, Transfer
from shuke.ledger.moves import list_holds
from shuke.ledger.operations import capture_hold, expire_holds, expire_lots, place_hold, release_hold
from shuke.ledger.queries import balances_of, reconcile
from tests.core.races import race
from tests.factories.core import NOW, make_staff
from tests.factories.ledger import give
from tests.factories.members import make_member

DAY = timedelta(days=1)


def hold(member_id: UUID, amount: int, *, actor: Actor = SYSTEM, **more: object) -> Hold:
    return place_hold(
        actor=actor, member_id=member_id, asset="points", amount=amount, reason="table 5", now=NOW, **more
    )  # type: ignore[arg-type]


def figures(member_id: UUID) -> tuple[int, int, int]:
    """(balance, usable, held) of the points."""
    points = balances_of(member_id, NOW)[0]
    return points.balance, points.usable, points.held


@pytest.mark.django_db
def test_a_hold_takes_what_ends_soonest_and_a_capture_spends_it() -> None:
    member, staff = make_member(), make_staff()
    late = give(member.id, 100, at=NOW - DAY, expires_at=NOW + 9 * DAY)
    soon = give(member.id, 30, at=NOW - DAY, expires_at=NOW + DAY)
    placed = hold(member.id, 50, actor=staff.as_actor(), reference="booking 7")
    assert figures(member.id) == (130, 80, 50)
    assert dict(Lot.objects.values_list("id", "held")) == {soon: 30, late: 20}
    assert reconcile().is_clean

    done = capture_hold(actor=staff.as_actor(), hold_id=placed.id, amount=40, now=NOW + timedelta(hours=1))
    assert (done.status, done.captured) == ("captured", 40)
    assert figures(member.id) == (90, 90, 0)
    assert dict(Lot.objects.values_list("id", "remaining")) == {soon: 0, late: 90}
    transfer = Transfer.objects.get(kind="redeem")
    assert (transfer.id, transfer.reason, transfer.actor) == (
        done.transfer_id,
        "table 5",
        f"staff:{staff.id}",
    )
    assert set(Entry.objects.filter(transfer=transfer).values_list("account", "amount")) == {
        ("member", -30), ("member", -10), ("redeemed", 40),
    }  # fmt: skip
    names = ["ledger.points_held.v1", "ledger.hold_captured.v1"]
    told = OutboxEvent.objects.filter(name__startswith="ledger.").order_by("id")
    assert list(told.values_list("name", flat=True)) == names
    assert set(AuditEvent.objects.filter(action__in=names).values_list("action", flat=True)) == set(names)
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_release_and_the_end_of_its_time_free_what_was_held() -> None:
    member = make_member()
    give(member.id, 100, at=NOW - DAY)
    released, forgotten = hold(member.id, 30), hold(member.id, 20, until=NOW + DAY)
    assert release_hold(actor=SYSTEM, hold_id=released.id, now=NOW).status == "released"
    assert figures(member.id) == (100, 80, 20)
    assert expire_holds(now=NOW + DAY - timedelta(seconds=1)) == 0
    assert expire_holds(now=NOW + DAY) == 1
    assert expire_holds(now=NOW + DAY) == 0
    assert figures(member.id) == (100, 100, 0)
    assert [each.status for each in list_holds(member.id).rows] == ["expired", "released"]
    assert list_holds(member.id, open_only=True).rows == []
    assert OutboxEvent.objects.filter(name="ledger.hold_released.v1").count() == 2
    assert {each.id for each in Hold.objects.all()} == {released.id, forgotten.id}
    assert reconcile().is_clean


@pytest.mark.django_db
def test_what_lapses_while_held_can_be_captured_but_does_not_come_back() -> None:
    member = make_member()
    give(member.id, 50, at=NOW - DAY, expires_at=NOW + DAY)
    captured, released = hold(member.id, 20), hold(member.id, 10)
    later = NOW + 2 * DAY
    assert expire_lots(now=later) == 1
    assert figures(member.id)[0] == 30
    capture_hold(actor=SYSTEM, hold_id=captured.id, now=later)
    release_hold(actor=SYSTEM, hold_id=released.id, now=later)
    assert balances_of(member.id, later)[0].usable == 0
    assert expire_lots(now=later) == 1
    assert balances_of(member.id, later)[0].balance == 0
    assert reconcile().is_clean


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 101}, "not_enough"),
        ({"amount": 0}, "bad_units"),
        ({"amount": 10**16}, "bad_units"),
        ({"reason": "  "}, "reason_missing"),
        ({"reason": "x" * 301}, "reason_missing"),
        ({"until": NOW}, "bad_hold_end"),
        ({"until": NOW + 400 * DAY}, "bad_hold_end"),
        ({"member_id": uuid7()}, "unknown_holder"),
        ({"asset": "growth"}, "not_enough"),
    ],
)
def test_a_hold_that_cannot_be(change: dict[str, object], code: str) -> None:
    member = make_member()
    give(member.id, 100, at=NOW - DAY)
    give(member.id, 100, at=NOW - DAY, active_at=NOW + DAY)  # not usable yet
    asked = {"member_id": member.id, "asset": "points", "amount": 10, "reason": "r", **change}
    with pytest.raises(ShukeError) as refusal:
        place_hold(actor=SYSTEM, now=NOW, **asked)  # type: ignore[arg-type]
    assert refusal.value.code == code
    assert not Hold.objects.exists()
    assert figures(member.id) == (200, 100, 0)


@pytest.mark.django_db
def test_an_ended_hold_stays_ended() -> None:
    member = make_member()
    give(member.id, 100, at=NOW - DAY)
    placed = hold(member.id, 40)
    for amount, code in ((41, "hold_too_small"), (0, "bad_units")):
        with pytest.raises(ShukeError) as refusal:
            capture_hold(actor=SYSTEM, hold_id=placed.id, amount=amount, now=NOW)
        assert refusal.value.code == code
    with pytest.raises(ShukeError) as refusal:
        capture_hold(actor=SYSTEM, hold_id=placed.id, now=placed.expires_at)
    assert refusal.value.code == "hold_ended"
    capture_hold(actor=SYSTEM, hold_id=placed.id, now=NOW)
    for act in (capture_hold, release_hold):
        with pytest.raises(ShukeError) as refusal:
            act(actor=SYSTEM, hold_id=placed.id, now=NOW)
        assert refusal.value.code == "hold_ended"
    with pytest.raises(ShukeError) as refusal:
        release_hold(actor=SYSTEM, hold_id=uuid7(), now=NOW)
    assert refusal.value.code == "unknown_hold"
    assert figures(member.id) == (60, 60, 0)


@pytest.mark.django_db(transaction=True)
def test_of_many_holds_at_once_only_those_that_fit_are_placed() -> None:
    member = make_member().id
    give(member, 100, at=NOW - DAY)
    results = race([lambda: hold(member, 30)] * 6)
    refused = [each for each in results if isinstance(each, ShukeError)]
    assert len(results) - len(refused) == 3
    assert {each.code for each in refused} == {"not_enough"}
    assert figures(member) == (100, 10, 90)
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_a_capture_and_a_release_at_once_end_the_hold_once() -> None:
    member = make_member().id
    give(member, 100, at=NOW - DAY)
    for _ in range(4):
        placed = hold(member, 10)
        results = race(
            [
                lambda: capture_hold(actor=SYSTEM, hold_id=placed.id, now=NOW),  # noqa: B023  run at once
                lambda: release_hold(actor=SYSTEM, hold_id=placed.id, now=NOW),  # noqa: B023
                lambda: expire_holds(now=placed.expires_at),  # noqa: B023
            ]
        )
        ended = [each for each in results if isinstance(each, Hold) or each == 1]
        assert len(ended) == 1, results
    spent = 10 * Transfer.objects.filter(kind="redeem").count()
    assert figures(member) == (100 - spent, 100 - spent, 0)
    assert reconcile().is_clean
