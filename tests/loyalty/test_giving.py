"""Packs and birthday gifts: once for each period and source, to those who have them, whatever is repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shuke.core.models import OutboxEvent
from shuke.core.values import SYSTEM
from shuke.ledger.queries import balances_of
from shuke.loyalty.plans.giving import BIRTHDAY_GIFT, give_birthday_gifts, give_plan_packs, give_tier_packs
from shuke.loyalty.plans.models import BenefitGrant
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, renew_plan, start_trial
from shuke.members.operations.register import register_member
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Coupon
from tests.factories.checkout import TILL, sell
from tests.factories.members import make_member, make_profile
from tests.factories.plans import CASH, buy, make_club, plan

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""
DAY = timedelta(days=1)


def coupon(code: str, **terms: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": {"zh-Hans": code},
        "type": "amount_off",
        "amount": "5.00",
        "validity": {"days_after_issue": 31},
        **terms,
    }


MONTHLY = {"code": "m", "period": "month", "coupons": [{"template": "five", "count": 2}], "worth": "10.00"}


def pack_club(stock: int | None = None, **changes: Any) -> None:
    limits = {"limits": {"stock": stock}} if stock else {}
    changes.setdefault("coupons", [coupon("five", **limits)])
    make_club(plan(benefits={"packs": [MONTHLY]}), **changes)


def give(now: datetime) -> None:
    for _ in range(2):
        while give_plan_packs(now=now):
            pass
        while give_tier_packs(now=now):
            pass
        while give_birthday_gifts(now=now):
            pass


def pieces(member: Any) -> int:
    return Coupon.objects.filter(member_id=member.id).count()


def test_a_year_brings_twelve_packs_and_the_next_year_twelve_more() -> None:
    pack_club()
    who = make_member(now=NOON - DAY)
    term = buy(who, NOON)
    counts = []
    for day in range(0, 366, 5):
        give(NOON + day * DAY)
        counts.append(pieces(who))
    assert counts[0] == 2
    assert (max(counts), counts[7]) == (24, 4)  # 6 April: the second month began on the 2nd
    renew_plan(actor=TILL, member_id=who.id, plan="plus", sale=CASH, now=term.ends_at + DAY)  # out of grace
    give(term.ends_at + DAY)
    assert pieces(who) == 26
    assert set(BenefitGrant.objects.values_list("worth_minor", flat=True)) == {1000}
    assert verify_coupons()[1] == []


def test_a_trial_brings_no_pack_and_grace_neither() -> None:
    pack_club()
    who, other = make_member(now=NOON - DAY), make_member(now=NOON - DAY)
    trial = start_trial(actor=TILL, member_id=who.id, plan="plus", now=NOON)
    give(NOON)
    assert pieces(who) == 0
    buy(who, NOON + DAY)
    give(NOON + 2 * DAY)
    assert pieces(who) == 0  # what is paid for begins after the trial
    give(trial.ends_at)
    assert pieces(who) == 2
    term = buy(other, NOON)
    give(term.ends_at + DAY)
    assert pieces(other) == 0


def test_a_stock_that_runs_out_leaves_the_rest_without_a_row() -> None:
    pack_club(stock=3)
    members = [make_member(now=NOON - DAY) for _ in range(3)]
    for who in members:
        buy(who, NOON)
    give(NOON)
    assert sorted(pieces(who) for who in members) == [0, 0, 2]
    assert BenefitGrant.objects.count() == 1


def test_packs_of_a_tier_come_with_the_calendar() -> None:
    tiers = {
        "metric": "spend",
        "levels": [
            {"code": "basic", "name": {"zh-Hans": "普通"}, "threshold": "0"},
            {
                "code": "gold",
                "name": {"zh-Hans": "金"},
                "threshold": "100",
                "benefits": {"packs": [{**MONTHLY, "coupons": [{"template": "five"}]}]},
            },
        ],
    }
    make_club(plan(), coupons=[coupon("five")], tiers=tiers)
    gold, plain = make_member(now=NOON - DAY), make_member(now=NOON - DAY)
    sell(("A", 20), now=NOON, member=gold)
    for day in (0, 1, 10, 29, 30):  # the 31st of March, the 1st of April
        give(NOON + day * DAY)
    assert (pieces(gold), pieces(plain)) == (2, 0)
    periods = BenefitGrant.objects.filter(member=gold).values_list("period", flat=True)
    assert sorted(periods) == ["2026-03-01", "2026-04-01"]
    sell(("A", 20), now=NOON + 30 * DAY, member=plain)
    give(NOON + 31 * DAY)
    assert pieces(plain) == 1  # reached on the day before


def test_birthday_gifts_of_tier_and_plan_come_once_a_year() -> None:
    gift = {"points": 100, "coupons": [{"template": "five"}], "days_before": 3}
    make_club(plan(benefits={"birthday": gift}), coupons=[coupon("five")])
    who, leap = born(date(1990, 3, 10)), born(date(1992, 2, 29))
    make_member(now=NOON - DAY)
    for each in (who, leap):
        buy_plan(actor=TILL, member_id=each.id, plan="plus", sale=Sale("cash"), now=NOON)
    for day in range(0, 400, 3):
        give(NOON + day * DAY)
    assert pieces(who) == 1  # held for a year: the next birthday lies behind its end and grace
    grants = BenefitGrant.objects.filter(kind="birthday").values_list("member_id", "period")
    # Who was born on 29 February is greeted on the 28th; the day before the plan was bought still counts.
    assert sorted(grants) == sorted([(who.id, "2026"), (leap.id, "2026"), (leap.id, "2027")])
    assert sum(b.balance for b in balances_of(who.id, NOON + 20 * DAY) if b.asset == "points") == 100
    told = OutboxEvent.objects.filter(name=BIRTHDAY_GIFT, member_id=who.id).values_list("payload", flat=True)
    assert [(each["source"], each["points"]) for each in told] == [("plan:plus", 100)]


def born(birthday: date) -> Any:
    profile = replace(make_profile("王"), birthday=birthday)
    return register_member(actor=SYSTEM, now=NOON - DAY, profile=profile)
