"""Units that wait: woken once by their event, announced once when their instant comes, and told ahead before they lapse."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.ledger.logic import WAITING
from shuke.ledger.models import ExpiryNotice, Lot
from shuke.ledger.operations import activate_lots, announce_active, announce_expiring
from shuke.ledger.operations.expiry import forget_notices
from shuke.ledger.queries import balances_of, reconcile
from tests.core.races import race
from tests.factories.core import NOW, make_staff
from tests.factories.ledger import give, spend
from tests.factories.members import make_member

DAY = timedelta(days=1)


def waiting(
    member_id: UUID, amount: int, *, event: str = "delivered", order_id: UUID | None = None, **more: Any
) -> UUID:
    lot = give(member_id, amount, at=NOW - DAY, active_at=WAITING, **more)
    Lot.objects.filter(id=lot).update(waits_for=event, order_id=order_id)
    return lot


def events(name: str) -> list[tuple[UUID | None, dict[str, Any]]]:
    rows = OutboxEvent.objects.filter(name=name).order_by("id")
    return [(row.member_id, row.payload) for row in rows]


def usable(member_id: UUID, at: datetime = NOW) -> int:
    return balances_of(member_id, at)[0].usable


@pytest.mark.django_db
def test_an_event_wakes_what_waits_for_it_once() -> None:
    member, other, order = make_member(), make_member(), uuid7()
    woken = waiting(member.id, 10, order_id=order)
    waiting(member.id, 20, order_id=uuid7())
    waiting(member.id, 40, event="reviewed", order_id=order)
    waiting(other.id, 80)
    gone = waiting(member.id, 160, order_id=order, expires_at=NOW)
    staff = make_staff()
    assert activate_lots(actor=staff.as_actor(), event="delivered", order_id=order, now=NOW) == 1
    assert (usable(member.id), usable(other.id)) == (10, 0)
    lot = Lot.objects.get(id=woken)
    assert (lot.active_at, lot.pending) == (NOW, False)
    assert (Lot.objects.get(id=gone).active_at, Lot.objects.get(id=gone).pending) == (WAITING, False)
    assert events("ledger.points_activated.v1") == [
        (member.id, {"asset": "points", "amount": 10, "lots": 1, "event": "delivered"})
    ]
    assert AuditEvent.objects.get(action="ledger.points_activated.v1").object_id == str(order)
    assert activate_lots(actor=SYSTEM, event="delivered", order_id=order, now=NOW + DAY) == 0
    assert activate_lots(actor=SYSTEM, event="delivered", member_id=member.id, now=NOW) == 1
    assert usable(member.id) == 30
    assert activate_lots(actor=SYSTEM, event="delivered", member_id=uuid7(), now=NOW) == 0
    with pytest.raises(ShukeError):
        activate_lots(actor=SYSTEM, event="delivered", now=NOW)
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_an_event_reported_by_many_at_once_wakes_once() -> None:
    member = make_member().id
    for _ in range(3):
        waiting(member, 10)
    results = race([lambda: activate_lots(actor=SYSTEM, event="delivered", member_id=member, now=NOW)] * 4)
    assert sorted(results) == [0, 0, 0, 3]  # type: ignore[type-var]
    assert len(events("ledger.points_activated.v1")) == 1
    assert usable(member) == 30


@pytest.mark.django_db
def test_what_becomes_usable_is_announced_once_and_spent_before_that() -> None:
    member = make_member()
    lot = give(member.id, 10, at=NOW - 9 * DAY, active_at=NOW)
    give(member.id, 5, at=NOW - 9 * DAY, active_at=NOW)
    give(member.id, 7, at=NOW - 9 * DAY, active_at=NOW + DAY)
    waiting(member.id, 3)
    assert announce_active(now=NOW - timedelta(microseconds=1)) == 0
    assert usable(member.id) == 15  # time decides, not the run
    spend(member.id, lot, 10)
    assert announce_active(now=NOW) == 2
    assert announce_active(now=NOW) == 0
    told = [(member.id, {"asset": "points", "amount": 5, "lots": 1})]
    assert events("ledger.points_activated.v1") == told
    assert set(Lot.objects.filter(pending=True).values_list("remaining", flat=True)) == {7, 3}


@pytest.mark.django_db(transaction=True)
def test_two_runners_announce_each_lot_once() -> None:
    members = [make_member().id for _ in range(30)]
    for member in members:
        give(member, 2, at=NOW - 9 * DAY, active_at=NOW - DAY)

    def run() -> int:
        total = 0
        while announced := announce_active(now=NOW, limit=4):
            total += announced
        return total

    assert sum(race([run] * 3)) + run() == 30  # type: ignore[arg-type]
    assert sorted(member for member, _ in events("ledger.points_activated.v1")) == sorted(members)


@pytest.mark.django_db
def test_members_are_told_ahead_once_per_notice() -> None:
    member, other = make_member(), make_member()
    give(member.id, 10, at=NOW - DAY, expires_at=NOW + 20 * DAY)
    lot = give(member.id, 5, at=NOW - DAY, expires_at=NOW + 20 * DAY)
    give(other.id, 8, at=NOW - DAY, expires_at=NOW + 5 * DAY)
    give(other.id, 9, at=NOW - DAY, expires_at=NOW + 40 * DAY)
    give(other.id, 9, at=NOW - DAY, expires_at=NOW + DAY, asset="stars")
    assert announce_expiring(asset="points", notice_days=(30, 7), now=NOW) == 2
    assert announce_expiring(asset="points", notice_days=(30, 7), now=NOW) == 0
    ends = (NOW + 20 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (
        member.id,
        {"asset": "points", "amount": 15, "lots": 2, "expires_at": ends, "days": 30},
    ) in events("ledger.points_expiring.v1")
    # Of two notices that are due at once only the nearest is sent.
    assert [payload["days"] for who, payload in events("ledger.points_expiring.v1") if who == other.id] == [7]
    Lot.objects.filter(id=lot).update(held=5)
    assert (
        announce_expiring(asset="points", notice_days=(30, 7), now=NOW + 13 * DAY) == 2
    )  # 7 days; and the 40th day
    assert [
        payload["amount"] for who, payload in events("ledger.points_expiring.v1") if who == member.id
    ] == [15, 10]
    assert announce_expiring(asset="points", notice_days=(), now=NOW) == 0
    assert forget_notices(now=NOW + 30 * DAY) == 3
    assert ExpiryNotice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_runners_tell_each_member_once() -> None:
    members = [make_member().id for _ in range(20)]
    for member in members:
        give(member, 2, at=NOW - DAY, expires_at=NOW + 3 * DAY)
    race([lambda: announce_expiring(asset="points", notice_days=(7,), now=NOW)] * 3)
    assert sorted(member for member, _ in events("ledger.points_expiring.v1")) == sorted(members)
