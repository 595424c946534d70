"""Adjustments by hand: limits per role, a second person above the line, never oneself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.core.models import AuditEvent, OutboxEvent, Staff
from shuke.core.values import Actor, Role
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.ledger.models import Account, Adjustment, Entry, Transfer
from shuke.ledger.moves import debts_of, list_adjustments
from shuke.ledger.operations import (
    approve_adjustment,
    lapse_adjustments,
    place_hold,
    reject_adjustment,
    request_adjustment,
)
from shuke.ledger.queries import open_lots, reconcile
from shuke.ledger.values import AdjustmentPolicy, LotTerms
from tests.core.races import race
from tests.factories.core import NOW, make_staff
from tests.factories.ledger import give, owe
from tests.factories.members import make_member

DAY = timedelta(days=1)
LIMITS = {"store_manager": 1000, "service_agent": 200, "owner": 5000, "api_key": 50}
POLICY = AdjustmentPolicy(LIMITS, four_eyes_above=100, may_owe=False, request_days=14)
TERMS = LotTerms(active_at=NOW, expires_at=NOW + 365 * DAY)


def ask(staff: Staff | Actor, member_id: UUID, amount: int, **more: Any) -> Adjustment:
    asked: dict[str, Any] = {
        "actor": staff.as_actor() if isinstance(staff, Staff) else staff, "member_id": member_id, "asset": "points",
        "amount": amount, "reason": "spilt coffee", "now": NOW, "policy": POLICY, "terms": TERMS, **more,
    }  # fmt: skip
    return request_adjustment(**asked)


def approve(staff: Staff, adjustment: Adjustment, **more: Any) -> Adjustment:
    asked: dict[str, Any] = {"now": NOW + DAY, "policy": POLICY, "terms": TERMS, **more}
    return approve_adjustment(actor=staff.as_actor(), adjustment_id=adjustment.id, **asked)


def refused(act: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ShukeError) as refusal:
        act(*args, **kwargs)
    return refusal.value.code


@pytest.mark.django_db
def test_a_small_one_is_posted_at_once() -> None:
    member, agent = make_member(), make_staff(Role.SERVICE_AGENT)
    done = ask(agent, member.id, 100)
    assert (done.status, done.decided_by) == ("posted", "")
    (lot,) = open_lots(member.id)
    assert (lot.remaining, lot.active_at, lot.expires_at) == (100, NOW, TERMS.expires_at)
    transfer = Transfer.objects.get(kind="adjust")
    assert (transfer.id, transfer.reason) == (done.transfer_id, "spilt coffee")
    own = Entry.objects.get(account="member")
    assert own.explain == {
        "adjustment": str(done.id), "requested_by": f"staff:{agent.id}", "approved_by": None,
    }  # fmt: skip
    assert AuditEvent.objects.get(action="ledger.points_adjusted.v1").reason == "spilt coffee"
    assert OutboxEvent.objects.get(name="ledger.points_adjusted.v1").payload["amount"] == 100
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_large_one_waits_for_someone_else() -> None:
    member, agent, manager = make_member(), make_staff(Role.SERVICE_AGENT), make_staff(Role.STORE_MANAGER)
    asked = ask(agent, member.id, 150)
    assert asked.status == "requested"
    assert not Transfer.objects.exists()
    assert [each.id for each in list_adjustments(status="requested").rows] == [asked.id]
    done = approve(manager, asked, note="checked the receipt")
    assert (done.status, done.decided_by, done.note) == (
        "posted",
        f"staff:{manager.id}",
        "checked the receipt",
    )
    assert Account.objects.get().balance == 150
    explain = Entry.objects.get(account="member").explain
    assert explain == {
        "adjustment": str(asked.id), "requested_by": f"staff:{agent.id}", "approved_by": f"staff:{manager.id}",
    }  # fmt: skip
    assert list_adjustments(status="requested").rows == []
    assert refused(approve, manager, asked) == "adjustment_decided"
    assert Account.objects.get().balance == 150
    assert reconcile().is_clean


@pytest.mark.django_db
def test_nobody_approves_what_is_his_own_or_beyond_him() -> None:
    member, manager, other = make_member(), make_staff(Role.STORE_MANAGER), make_staff(Role.STORE_MANAGER)
    own = ask(manager, member.id, 150)
    assert refused(approve, manager, own) == "own_adjustment"
    assert refused(approve, make_staff(Role.SERVICE_AGENT), own) == "not_allowed"
    assert refused(approve, make_staff(Role.CASHIER), own) == "not_allowed"
    assert refused(approve, make_staff(Role.STORE_MANAGER, is_active=False), own) == "not_allowed"
    large = ask(make_staff(Role.OWNER), member.id, 1500)
    assert refused(approve, other, large) == "adjustment_beyond_limit"
    assert refused(approve, other, Adjustment(id=uuid7())) == "unknown_adjustment"
    key = Actor("key", uuid7(), "till")
    assert (
        refused(approve_adjustment, actor=key, adjustment_id=own.id, now=NOW, policy=POLICY, terms=TERMS)
        == "not_allowed"
    )
    assert not Transfer.objects.exists()
    approve(other, own)
    assert Account.objects.get().balance == 150


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "change", "code"),
    [
        (Role.SERVICE_AGENT, {"amount": 201}, "adjustment_beyond_limit"),
        (Role.SERVICE_AGENT, {"amount": -201}, "adjustment_beyond_limit"),
        (Role.ADMIN, {"amount": 1}, "adjustment_not_allowed"),
        (Role.CASHIER, {"amount": 1}, "not_allowed"),
        (Role.SERVICE_AGENT, {"amount": 0}, "bad_units"),
        (Role.SERVICE_AGENT, {"reason": " "}, "reason_missing"),
        (Role.SERVICE_AGENT, {"policy": None}, "adjustment_not_allowed"),
        (Role.SERVICE_AGENT, {"member_id": uuid7()}, "unknown_holder"),
    ],
)
def test_who_may_not_adjust(role: Role, change: dict[str, Any], code: str) -> None:
    member = make_member()
    asked = {"member_id": member.id, "amount": 10, **change}
    member_id, amount = asked.pop("member_id"), asked.pop("amount")
    assert refused(ask, make_staff(role), member_id, amount, **asked) == code
    assert not Adjustment.objects.exists()


@pytest.mark.django_db
def test_a_key_has_its_own_limit() -> None:
    member, key = make_member(), Actor("key", uuid7(), "crm")
    assert ask(key, member.id, 50).status == "posted"
    assert refused(ask, key, member.id, 51) == "adjustment_beyond_limit"


@pytest.mark.django_db
def test_taking_spares_what_is_held_and_what_has_lapsed() -> None:
    member, manager = make_member(), make_staff(Role.STORE_MANAGER)
    give(member.id, 40, at=NOW - 9 * DAY, expires_at=NOW - DAY)  # lapsed, not swept yet
    waiting = give(member.id, 30, at=NOW - DAY, active_at=NOW + DAY)
    give(member.id, 50, at=NOW - DAY)
    place_hold(actor=manager.as_actor(), member_id=member.id, asset="points", amount=20, reason="r", now=NOW)
    assert refused(ask, manager, member.id, -61) == "not_enough"
    ask(manager, member.id, -45)
    assert {lot.id: lot.remaining for lot in open_lots(member.id)}[waiting] == 15
    assert Account.objects.get().balance == 75
    owing = AdjustmentPolicy(LIMITS, 100, may_owe=True, request_days=14)
    ask(manager, member.id, -25, policy=owing)
    (debt,) = debts_of(member.id, NOW + 3 * DAY)
    assert (debt.amount, debt.outstanding, debt.kind, debt.reason, debt.age) == (
        10, 10, "adjust", "spilt coffee", 3 * DAY,
    )  # fmt: skip
    assert reconcile().is_clean


@pytest.mark.django_db
def test_adding_pays_debts_first() -> None:
    member, manager = make_member(), make_staff(Role.STORE_MANAGER)
    owe(member.id, 30, at=NOW - DAY)
    ask(manager, member.id, 20)
    assert open_lots(member.id) == []
    ask(manager, member.id, 20)
    assert [lot.remaining for lot in open_lots(member.id)] == [10]
    (debt,) = debts_of(member.id, NOW, settled=True)
    assert (debt.outstanding, [part.amount for part in debt.recoveries]) == (0, [20, 10])
    assert debts_of(member.id, NOW) == []
    assert reconcile().is_clean


@pytest.mark.django_db
def test_an_approval_that_cannot_be_booked_leaves_the_request_open() -> None:
    member, manager, other = make_member(), make_staff(Role.STORE_MANAGER), make_staff(Role.STORE_MANAGER)
    give(member.id, 100, at=NOW - DAY)
    asked = ask(manager, member.id, -150)
    assert refused(approve, other, asked) == "not_enough"
    assert Adjustment.objects.get().status == "requested"
    give(member.id, 100, at=NOW)
    approve(other, asked)
    assert Account.objects.get().balance == 50


@pytest.mark.django_db
def test_requests_are_refused_taken_back_or_lapse() -> None:
    member, agent, manager = make_member(), make_staff(Role.SERVICE_AGENT), make_staff(Role.STORE_MANAGER)
    first, second, third = (ask(agent, member.id, 150 + n, now=NOW + timedelta(seconds=n)) for n in range(3))
    assert (
        refused(reject_adjustment, actor=manager.as_actor(), adjustment_id=first.id, now=NOW, note="")
        == "reason_missing"
    )
    assert refused(
        reject_adjustment, actor=make_staff(Role.CASHIER).as_actor(), adjustment_id=first.id, now=NOW, note="n"
    ) == "not_allowed"  # fmt: skip
    assert (
        reject_adjustment(actor=manager.as_actor(), adjustment_id=first.id, now=NOW, note="no receipt").note
        == "no receipt"
    )
    reject_adjustment(actor=agent.as_actor(), adjustment_id=second.id, now=NOW, note="typed wrong")
    late = third.lapses_at
    assert refused(approve, manager, third, now=late) == "adjustment_decided"
    assert (lapse_adjustments(now=late), lapse_adjustments(now=late)) == (1, 0)
    page = list_adjustments(member_id=member.id)
    assert [each.status for each in page.rows] == ["lapsed", "rejected", "rejected"]
    first_page = list_adjustments(limit=2)
    rest = list_adjustments(limit=2, cursor=first_page.next_cursor)
    assert [each.id for each in (*first_page.rows, *rest.rows)] == [
        third.id,
        second.id,
        first.id,
    ]
    assert rest.next_cursor is None
    assert not Transfer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_approvers_one_books_it() -> None:
    member, agent = make_member().id, make_staff(Role.SERVICE_AGENT)
    approvers = [make_staff(Role.STORE_MANAGER) for _ in range(4)]
    asked = ask(agent, member, 150)
    results = race([lambda who=who: approve(who, asked) for who in approvers])  # type: ignore[misc]
    assert sorted(getattr(each, "code", "booked") for each in results) == ["adjustment_decided"] * 3 + [
        "booked"
    ]
    assert Account.objects.get().balance == 150
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_an_approval_and_a_refusal_at_once_decide_once() -> None:
    member, agent = make_member().id, make_staff(Role.SERVICE_AGENT)
    one, two = make_staff(Role.STORE_MANAGER), make_staff(Role.STORE_MANAGER)
    for _ in range(4):
        asked = ask(agent, member, 150)
        results = race(
            [
                lambda: approve(one, asked),  # noqa: B023  run at once
                lambda: reject_adjustment(actor=two.as_actor(), adjustment_id=asked.id, now=NOW, note="n"),  # noqa: B023
            ]
        )
        assert sorted(type(each).__name__ for each in results) == ["Adjustment", "AdjustmentDecided"]
    posted = Adjustment.objects.filter(status="posted").count()
    assert sum(Account.objects.values_list("balance", flat=True)) == 150 * posted
    assert reconcile().is_clean
