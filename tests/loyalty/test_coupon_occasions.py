"""Coupons that come by themselves: once for each occasion, to whom it concerns, whatever is repeated or killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.checkout.queries import first_orders
from shuke.core.models import OutboxCursor, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.loyalty import coupon_occasions
from shuke.loyalty.accruals import accrue
from shuke.loyalty.coupon_occasions import CONSUMER, issue_birthday_coupons, issue_on_occasions
from shuke.members.models import Member, MemberStatus
from shuke.members.operations import change_status, register_member
from shuke.members.operations.bulk import register_members_in_bulk
from shuke.members.values import NewMember
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Coupon, Sweep
from tests.core.races import settle
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member, make_profile

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)  # Tuesday noon in Shanghai
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


def coupon(code: str, *occasions: str, **terms: Any) -> dict[str, Any]:
    names = {"zh-Hans": code}
    return {
        "code": code,
        "name": names,
        "type": "amount_off",
        "amount": "10",
        "auto_issue": {"on": list(occasions)},
        **terms,
    }


@pytest.fixture(autouse=True)
def _clean_afterwards() -> Iterator[None]:
    yield
    assert verify_coupons()[1] == []


def drain(now: datetime = NOW) -> None:
    """Read all facts there are now, and what follows from them."""
    settle()
    last = OutboxEvent.objects.order_by("-txid", "-id").values_list("txid", "id").first()
    while issue_on_occasions(now=now, first_orders=first_orders, limit=3):
        pass
    place = OutboxCursor.objects.filter(consumer=CONSUMER).values_list("txid", "event_id").first()
    assert place is not None
    assert last is not None
    assert place >= last


def held(member: Any) -> list[tuple[str, str]]:
    rows = Coupon.objects.filter(member_id=member.id, source="auto").order_by("id")
    return sorted(rows.values_list("template", "reference"))


def born(name: str, birthday: date | None) -> Any:
    profile = replace(make_profile(name), birthday=birthday)
    return register_member(actor=SYSTEM, now=NOW - 400 * DAY, profile=profile)


def test_joining_brings_what_the_programme_of_that_moment_says_once() -> None:
    publish(coupons=[coupon("hello", "registration"), coupon("other", "birthday")])
    anna = make_member(now=NOW)
    publish(NOW + DAY, coupons=[coupon("later", "registration")])
    ben = make_member(now=NOW + 2 * DAY)
    drain(NOW + 2 * DAY)
    assert (held(anna), held(ben)) == ([("hello", "registration")], [("later", "registration")])
    OutboxCursor.objects.filter(consumer=CONSUMER).delete()
    drain(NOW + 3 * DAY)
    assert Coupon.objects.count() == 2, "read a second time, nobody is given a second piece"


def test_who_was_brought_over_or_is_frozen_meanwhile_is_given_nothing() -> None:
    publish(coupons=[coupon("hello", "registration")])
    frozen, kept = make_member(now=NOW), make_member(now=NOW)
    change_status(actor=TILL, now=NOW, member_id=frozen.id, status=MemberStatus.FROZEN, reason="lost card")
    bulk = register_members_in_bulk(
        actor=SYSTEM, now=NOW, rows=[NewMember(joined_at=NOW - 90 * DAY), NewMember(joined_at=NOW)]
    )
    old, fresh = (Member.objects.get(id=member_id) for _place, member_id in bulk.registered)
    drain()
    assert (held(frozen), held(old)) == ([], [])
    assert held(kept) == held(fresh) == [("hello", "registration")]


def test_a_higher_tier_and_the_first_purchase_bring_theirs_once() -> None:
    make_shop(coupons=[coupon("up", "tier_up"), coupon("first", "first_purchase")])
    anna, ben = make_member(now=NOW - DAY), make_member(now=NOW - DAY)
    sell(("A", 1), member=anna, now=NOW)
    drain()
    assert held(anna) == [("first", "first_purchase")]
    sell(("A", 120), member=anna, now=NOW + DAY)  # 1,200: silver
    sell(("A", 400), member=ben, now=NOW + DAY)  # 4,000: gold at once, and the first purchase
    drain(NOW + DAY)
    assert held(anna) == [("first", "first_purchase"), ("up", "tier_up:silver:2026")]
    assert held(ben) == [("first", "first_purchase"), ("up", "tier_up:gold:2026")]
    sell(("A", 1), member=ben, now=NOW + 2 * DAY)
    drain(NOW + 2 * DAY)
    assert len(held(ben)) == 2


def test_a_full_profile_and_a_friend_bring_theirs() -> None:
    gifts = [
        {"id": kind, "name": {"zh-Hans": "礼"}, "kind": kind, "give": 1}
        for kind in ("profile_completed", "referral")
    ]
    publish(accruals=gifts, coupons=[coupon("gift", "profile_completed", "referral")])
    anna = make_member(now=NOW - DAY)
    accrue(actor=SYSTEM, member_id=anna.id, kind="profile_completed", now=NOW)
    friends = [
        accrue(actor=SYSTEM, member_id=anna.id, kind="referral", reference=f"friend-{n}", now=NOW)
        for n in range(2)
    ]
    drain()
    assert held(anna) == sorted(
        [("gift", "profile_completed"), *(("gift", f"referral:{each.id}") for each in friends)]
    )


def test_a_stock_that_runs_out_ends_it_quietly() -> None:
    publish(coupons=[coupon("few", "registration", limits={"stock": 2}), coupon("many", "registration")])
    members = [make_member(now=NOW) for _ in range(4)]
    drain()
    given = [template for each in members for template, _reference in held(each)]
    assert (given.count("few"), given.count("many")) == (2, 4)


def test_a_template_whose_days_are_over_does_not_stop_the_others() -> None:
    publish(
        coupons=[
            coupon("gone", "registration", validity={"until": "2026-03-10"}),
            coupon("here", "registration"),
        ]
    )
    anna = make_member(now=NOW)
    drain(NOW + DAY)
    assert held(anna) == [("here", "registration")]


def walk(now: datetime, limit: int = 2) -> int:
    looked = 0
    while batch := issue_birthday_coupons(now=now, limit=limit):
        looked += batch
    return looked


def test_birthdays_bring_coupons_on_the_local_day_once_a_year() -> None:
    publish(coupons=[coupon("cake", "birthday")])
    today = born("B1", date(1990, 3, 10))
    tomorrow, never = born("B2", date(1990, 3, 11)), born("B3", None)
    leap = born("B4", date(1992, 2, 29))
    assert walk(NOW) == 4
    assert walk(NOW + timedelta(hours=3)) == 0, "once a day"
    assert (held(today), held(tomorrow), held(never)) == ([("cake", "birthday:2026")], [], [])
    # 16:00 UTC is the beginning of the next day in Shanghai.
    assert walk(datetime(2026, 3, 10, 16, tzinfo=UTC)) == 4
    assert held(tomorrow) == [("cake", "birthday:2026")]
    assert held(leap) == []
    walk(NOW + 365 * DAY)
    assert held(today) == [("cake", "birthday:2026"), ("cake", "birthday:2027")]


def test_birthdays_missed_while_no_worker_ran_are_made_up_for() -> None:
    publish(coupons=[coupon("cake", "birthday")])
    born("C0", None)
    walk(NOW)
    missed, long_ago = born("C1", date(1990, 3, 13)), born("C2", date(1990, 3, 11))
    walk(NOW + 10 * DAY)  # the 20th: seven days back is the 13th
    assert (held(missed), held(long_ago)) == ([("cake", "birthday:2026")], [])


def test_a_killed_walk_goes_on_after_its_last_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(coupons=[coupon("cake", "birthday")])
    members = sorted([born(f"D{n}", date(1990, 3, 10)) for n in range(5)], key=lambda each: each.id)
    assert issue_birthday_coupons(now=NOW, limit=2) == 2
    issue = coupon_occasions.issue_coupons

    def fall(*, member_ids: Sequence[UUID], **rest: Any) -> None:
        issue(member_ids=member_ids, **rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(coupon_occasions, "issue_coupons", fall)
    with pytest.raises(KeyboardInterrupt):
        issue_birthday_coupons(now=NOW, limit=2)
    monkeypatch.undo()
    assert (Coupon.objects.count(), Sweep.objects.get().after) == (2, members[1].id)
    assert [issue_birthday_coupons(now=NOW, limit=2) for _ in range(3)] == [2, 1, 0]
    assert [held(each) for each in members] == [[("cake", "birthday:2026")]] * 5
