"""The programme in force decides what moves by hand: who may, how much, and on which terms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shuke.core.models import OutboxEvent
from shuke.core.values import SYSTEM, Role
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.ledger.models import Lot
from shuke.ledger.operations import release_hold
from shuke.ledger.queries import balances_of, reconcile
from shuke.loyalty import books
from tests.factories.checkout import publish
from tests.factories.core import make_staff
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# 00:30 on 22 November in Shanghai.
NOW = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)


def points(**changes: Any) -> dict[str, Any]:
    return {"points": {"name": {"zh-Hans": "积分"}, **changes}}


def refused(act: Any, **kwargs: Any) -> str:
    with pytest.raises(ShukeError) as refusal:
        act(**kwargs)
    return refusal.value.code


def test_added_points_are_usable_at_once_and_end_as_the_programme_says() -> None:
    publish(assets=points(pending={"usable": "after_days", "days": 7}))
    member = make_member()
    books.request_adjustment(
        actor=SYSTEM, member_id=member.id, asset="points", amount=10, reason="sorry", now=NOW
    )
    lot = Lot.objects.get()
    assert (lot.active_at, lot.expires_at) == (NOW, datetime(2027, 11, 30, 16, tzinfo=UTC))
    assert balances_of(member.id, NOW)[0].usable == 10


def test_limits_come_from_the_programme_of_the_moment() -> None:
    limits = {"service_agent": 100, "store_manager": 100}
    publish(adjustments={"points": {"limits": limits, "four_eyes_above": 10}})
    member, agent, manager = make_member(), make_staff(Role.SERVICE_AGENT), make_staff(Role.STORE_MANAGER)
    asked: dict[str, Any] = {"member_id": member.id, "asset": "points", "reason": "sorry", "now": NOW}
    assert (
        refused(books.request_adjustment, actor=agent.as_actor(), amount=101, **asked)
        == "adjustment_beyond_limit"
    )
    assert refused(
        books.request_adjustment, actor=agent.as_actor(), amount=1, **{**asked, "asset": "growth"}
    ) == ("adjustment_not_allowed")
    assert (
        refused(books.request_adjustment, actor=agent.as_actor(), amount=1, **{**asked, "asset": "moons"})
        == "unknown_asset"
    )
    request = books.request_adjustment(actor=agent.as_actor(), amount=50, **asked)
    approval: dict[str, Any] = {"actor": manager.as_actor(), "adjustment_id": request.id, "now": NOW + DAY}
    publish(NOW + timedelta(hours=1), adjustments={"points": {"limits": {"store_manager": 40}}})
    assert refused(books.approve_adjustment, **approval) == "adjustment_beyond_limit"
    publish(NOW + timedelta(hours=2), adjustments={"points": {"limits": {"store_manager": 60}}})
    assert books.approve_adjustment(**approval).status == "posted"
    assert refused(books.approve_adjustment, **{**approval, "adjustment_id": uuid7()}) == "unknown_adjustment"


def test_gifts_count_by_the_local_day() -> None:
    publish(transfers={"points": {"per_day": 50}})
    sender, receiver = make_member(), make_member()
    give(sender.id, 200, at=NOW - 9 * DAY)
    asked: dict[str, Any] = {
        "actor": SYSTEM, "sender_id": sender.id, "receiver_id": receiver.id, "asset": "points", "reason": "gift",
    }  # fmt: skip
    # Half an hour before midnight in Shanghai, and half an hour after: two local days.
    books.transfer_points(amount=50, now=NOW - timedelta(hours=1), **asked)
    books.transfer_points(amount=50, now=NOW, **asked)
    assert (
        refused(books.transfer_points, amount=1, now=NOW + timedelta(hours=23), **asked)
        == "transfer_beyond_day"
    )
    assert (
        refused(books.transfer_points, amount=1, now=NOW, **{**asked, "asset": "growth"})
        == "transfer_not_allowed"
    )


def test_a_capture_counts_as_spending_and_a_release_does_not() -> None:
    publish(assets=points(expiry={"model": "inactivity", "months": 2}))
    member = make_member()
    lot = give(member.id, 100, at=NOW - 9 * DAY, expires_at=NOW + 9 * DAY)
    Lot.objects.update(slides=True)
    asked: dict[str, Any] = {"actor": SYSTEM, "now": NOW}
    hold = {"member_id": member.id, "asset": "points", "amount": 10, "reason": "table 5"}
    release_hold(hold_id=books.place_hold(**hold, **asked).id, **asked)
    assert Lot.objects.get(id=lot).expires_at == NOW + 9 * DAY
    books.capture_hold(hold_id=books.place_hold(**hold, **asked).id, **asked)
    assert Lot.objects.get(id=lot).expires_at == datetime(2027, 1, 31, 16, tzinfo=UTC)
    assert refused(books.capture_hold, hold_id=uuid7(), **asked) == "unknown_hold"
    assert reconcile().is_clean


def test_notices_are_those_of_each_asset() -> None:
    assert books.announce_expiring(now=NOW) == 0
    publish(assets=points(notice_days=[10]))
    member = make_member()
    give(member.id, 5, at=NOW - DAY, expires_at=NOW + 9 * DAY)
    give(member.id, 6, at=NOW - DAY, expires_at=NOW + 11 * DAY)
    give(
        member.id, 7, at=NOW - DAY, expires_at=NOW + 11 * DAY, asset="growth"
    )  # told 30 days ahead by default
    assert books.announce_expiring(now=NOW) == 2
    told = OutboxEvent.objects.filter(name="ledger.points_expiring.v1")
    assert {(row.payload["asset"], row.payload["amount"]) for row in told} == {("points", 5), ("growth", 7)}
    assert refused(books.request_adjustment, actor=SYSTEM, member_id=member.id, asset="points", amount=1, reason="r",
                   now=datetime(2020, 1, 1, tzinfo=UTC)) == "no_programme"  # fmt: skip
