"""Accruals besides purchases: once each, under caps and budgets, however many report them at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from procrastinate.contrib.django import app as queue

from shuke.core.errors import InvalidInput, NotFound
from shuke.core.models import AuditEvent, OutboxCursor, OutboxEvent
from shuke.core.values import SYSTEM, Actor
from shuke.kit import clock, jobs
from shuke.ledger.models import Account, Entry, Lot, Transfer
from shuke.ledger.queries import reconcile
from shuke.loyalty.accruals import accrue
from shuke.loyalty.counters import budget_states, verify_counters
from shuke.loyalty.errors import AccrualNotOffered, AlreadyBrought, NoProgramme
from shuke.loyalty.groups import join_group, leave_group
from shuke.loyalty.models import Accrual, Use
from shuke.loyalty.queries import programme_at
from shuke.loyalty.subscribers import CONSUMER, welcome_members
from shuke.members.models import Member
from shuke.members.operations import change_status
from shuke.members.operations.bulk import register_members_in_bulk
from shuke.members.values import NewMember
from shuke.rewards.models import Coupon
from tests.core.races import race, settle
from tests.factories.checkout import publish
from tests.factories.ledger import owe
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)  # Tuesday noon in Shanghai
NAME = {"zh-Hans": "发放"}


def rule(id: str, kind: str, give: int = 10, **keys: Any) -> dict[str, Any]:
    return {"id": id, "name": NAME, "kind": kind, "give": give, **keys}


def points(member: Any) -> int:
    return sum(Account.objects.filter(member=member, asset="points").values_list("balance", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["registration", "profile_completed", "check_in", "survey", "referral", "review"]
)
def test_each_kind_is_rewarded_once_per_reference(kind: str) -> None:
    publish(accruals=[rule("gift", kind)])
    member = make_member()
    reference = "" if kind in ("registration", "profile_completed", "check_in") else "ref-1"
    first = accrue(actor=SYSTEM, member_id=member.id, kind=kind, reference=reference, now=NOW)
    again = accrue(
        actor=SYSTEM, member_id=member.id, kind=kind, reference=reference, now=NOW + timedelta(hours=1)
    )
    assert (first.is_new, again.is_new, again.id, first.units(), again.units()) == (
        True,
        False,
        first.id,
        10,
        10,
    )
    assert points(member) == 10
    transfer = Transfer.objects.get()
    assert (transfer.kind, transfer.occurred_at) == ("accrue", NOW)
    (entry,) = Entry.objects.filter(account="member")
    assert entry.explain == {"rules": [{"id": "gift", "points": 10}], "accrual": kind}
    assert Lot.objects.get().expires_at == datetime(2027, 3, 31, 16, tzinfo=UTC)
    assert reconcile().differences == ()
    event = OutboxEvent.objects.get(name="loyalty.accrued.v1")
    assert (event.member_id, event.payload["points"]) == (member.id, 10)


@pytest.mark.django_db
def test_a_check_in_counts_once_a_local_day() -> None:
    publish(accruals=[rule("daily", "check_in", 5)])
    member = make_member()
    for hours in (0, 1, 11, 12):  # noon, one, eleven, midnight in Shanghai
        accrue(actor=SYSTEM, member_id=member.id, kind="check_in", now=NOW + timedelta(hours=hours))
    assert points(member) == 10
    assert list(Accrual.objects.order_by("reference").values_list("reference", flat=True)) == [
        "2026-03-10", "2026-03-11",
    ]  # fmt: skip


@pytest.mark.django_db
def test_other_references_other_rewards_and_rules_add_up_until_their_caps() -> None:
    publish(
        accruals=[
            rule("review", "review", 10, caps={"day": 25}),
            rule("tuesday", "review", 1, when={"weekdays": ["tue"]}),
            rule("gold", "review", 100, when={"tiers": ["gold"]}),
        ]
    )
    member = make_member()
    got = [
        accrue(actor=SYSTEM, member_id=member.id, kind="review", reference=f"r{n}", now=NOW).given
        for n in range(4)
    ]
    assert [each[0]["amount"] for each in got] == [11, 11, 6, 1]
    assert got[2][0]["rules"] == [
        {"id": "review", "points": 5, "of": 10, "cut": "day"},
        {"id": "tuesday", "points": 1},
    ]
    tomorrow = NOW + timedelta(days=1)
    assert (
        accrue(actor=SYSTEM, member_id=member.id, kind="review", reference="r4", now=tomorrow).units() == 10
    )


@pytest.mark.django_db
def test_what_brings_nothing_is_still_done_once() -> None:
    publish(accruals=[rule("gold", "survey", when={"tiers": ["gold"]})])
    member = make_member()
    first = accrue(actor=SYSTEM, member_id=member.id, kind="survey", reference="s", now=NOW)
    assert (first.given, first.is_new, Transfer.objects.count()) == ([], True, 0)
    assert not accrue(actor=SYSTEM, member_id=member.id, kind="survey", reference="s", now=NOW).is_new


@pytest.mark.django_db
def test_conditions_look_at_the_member_file_plans_and_segments() -> None:
    conditions: list[dict[str, Any]] = [
        {"tags": ["vip"]}, {"plans": ["plus"]}, {"segments": ["loyal"]}, {"birthday": "day"}, {"tenure_days": {"to": 9}},
    ]  # fmt: skip
    publish(accruals=[rule(f"r{n}", "survey", 10**n, when=when) for n, when in enumerate(conditions)])
    now = datetime(2026, 5, 16, 16, 30, tzinfo=UTC)  # 17 May in Shanghai, the birthday of every made member
    joined = now - timedelta(days=9)
    chosen = make_member(now=joined, tags=["vip"])
    join_group(kind="plan", code="plus", member_ids=[chosen.id], since=joined, until=now + timedelta(days=1))
    join_group(kind="segment", code="loyal", member_ids=[chosen.id], since=joined)
    assert accrue(actor=SYSTEM, member_id=chosen.id, kind="survey", reference="a", now=now).units() == 11_111
    leave_group(kind="segment", code="loyal", member_ids=[chosen.id], now=now)
    later = now + timedelta(days=1)
    assert accrue(actor=SYSTEM, member_id=chosen.id, kind="survey", reference="b", now=later).units() == 1
    plain = make_member(now=now - timedelta(days=10))
    assert accrue(actor=SYSTEM, member_id=plain.id, kind="survey", reference="a", now=now).units() == 1_000


@pytest.mark.django_db
def test_a_debt_is_settled_first() -> None:
    publish(accruals=[rule("gift", "registration", 30)])
    member = make_member()
    owe(member.id, 20, at=NOW)
    accrue(actor=SYSTEM, member_id=member.id, kind="registration", now=NOW)
    account = Account.objects.get(member=member, asset="points")
    assert (account.balance, account.debt) == (10, 0)
    assert reconcile().differences == ()


@pytest.mark.django_db
def test_refusals_name_what_is_wrong_and_change_nothing() -> None:
    member = make_member()

    def refused(error: type[Exception], kind: str, reference: str = "", member_id: Any = None) -> None:
        with pytest.raises(error):
            accrue(actor=SYSTEM, member_id=member_id or member.id, kind=kind, reference=reference, now=NOW)

    refused(NoProgramme, "registration")
    publish(accruals=[rule("gift", "registration"), rule("review", "review")])
    refused(InvalidInput, "joining")
    refused(InvalidInput, "review")
    refused(InvalidInput, "review", "x" * 81)
    refused(InvalidInput, "review", "a\nb")
    refused(InvalidInput, "registration", "twice")
    refused(AccrualNotOffered, "survey", "s1")
    refused(NotFound, "registration", member_id=uuid4())
    assert (Accrual.objects.count(), Transfer.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_staff_leave_their_trace_in_the_audit_log() -> None:
    publish(accruals=[rule("gift", "review")])
    member = make_member()
    staff = Actor("staff", uuid4(), "Lin")
    accrue(actor=staff, member_id=member.id, kind="review", reference="r", now=NOW)
    event = AuditEvent.objects.get(action="loyalty.accrued.v1")
    assert (event.object_id, event.data["points"]) == (str(member.id), 10)


@pytest.mark.django_db(transaction=True)
def test_twins_and_two_who_brought_one_friend() -> None:
    publish(accruals=[rule("friend", "referral")])
    one, two = make_member(), make_member()

    def bring(member: Any) -> Any:
        return accrue(actor=SYSTEM, member_id=member.id, kind="referral", reference="friend", now=NOW)

    results = race([partial(bring, one)] * 4 + [partial(bring, two)] * 4)
    assert Accrual.objects.count() == 1
    winner = Accrual.objects.get().member_id
    assert points(one) + points(two) == 10
    assert sum(isinstance(each, AlreadyBrought) for each in results) == 4
    assert {each.id for each in results if not isinstance(each, Exception)} == {Accrual.objects.get().id}
    assert winner in (one.id, two.id)


@pytest.mark.django_db(transaction=True)
def test_a_budget_is_given_out_to_the_last_unit_and_no_further() -> None:
    publish(
        accruals=[rule("gift", "review", 7, budget="small")],
        budgets=[{"id": "small", "name": NAME, "limit": 100}],
    )
    members = [make_member() for _ in range(16)]
    acts = [
        partial(accrue, actor=SYSTEM, member_id=member.id, kind="review", reference=f"r{n}", now=NOW)
        for member in members
        for n in range(2)
    ]
    results = race(acts)
    assert [each for each in results if isinstance(each, BaseException)] == []
    assert sorted(each.units() for each in results) == [0] * 17 + [2] + [7] * 14
    in_force = programme_at(NOW)
    assert in_force is not None
    (state,) = budget_states(in_force.programme, NOW)
    assert (state.used, state.left) == (100, 0)
    assert verify_counters() == []


@pytest.mark.django_db
def test_uses_are_never_edited_and_a_wrong_counter_is_found() -> None:
    publish(
        accruals=[rule("gift", "review", 7, budget="small")],
        budgets=[{"id": "small", "name": NAME, "limit": 100}],
    )
    accrue(actor=SYSTEM, member_id=make_member().id, kind="review", reference="r", now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE loyalty_counter SET used = 8")
    (difference,) = verify_counters()
    assert (difference.budget, difference.said, difference.found) == ("small", 8, 7)
    with pytest.raises(IntegrityError):
        Use.objects.update(amount=8)


@pytest.mark.django_db(transaction=True)
def test_new_members_get_what_joining_brings_once_and_those_brought_over_nothing() -> None:
    publish(accruals=[rule("gift", "registration", 30)])
    fresh, closed = make_member(now=NOW), make_member(now=NOW)
    change_status(actor=SYSTEM, member_id=closed.id, status="closed", reason="left", now=NOW)
    brought = NewMember(joined_at=NOW - timedelta(days=400))
    bulk = register_members_in_bulk(actor=SYSTEM, now=NOW, rows=[brought])
    moved = Member.objects.get(id=bulk.registered[0][1])
    settle()
    while welcome_members(now=NOW):
        pass
    OutboxCursor.objects.filter(consumer=CONSUMER).delete()  # read everything again
    while welcome_members(now=NOW):
        pass
    assert (points(fresh), points(closed), points(moved)) == (30, 0, 0)
    assert Accrual.objects.get().member_id == fresh.id


@pytest.mark.django_db(transaction=True)
def test_who_joins_at_the_desk_has_what_joining_brings_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first purchase follows at once: nobody waits for the minute to be over."""
    monkeypatch.setattr(queue.periodic_registry, "periodic_tasks", {})
    publish(
        accruals=[rule("gift", "registration", 30)],
        coupons=[
            {
                "code": "first-cup",
                "name": NAME,
                "type": "percent_off",
                "percent": 50,
                "auto_issue": {"on": ["registration"]},
            }
        ],
    )
    member = make_member(now=clock.now())
    settle()
    jobs.run_worker(wait=False, concurrency=1)
    assert points(member) == 30
    assert [coupon.template for coupon in Coupon.objects.filter(member_id=member.id)] == ["first-cup"]
