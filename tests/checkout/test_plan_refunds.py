"""What is taken back whole: terms of which nothing was had, within the days of their sale. And what has to count as had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shuke.checkout.queries import plan_discounts
from shuke.loyalty.plans import errors
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code
from shuke.loyalty.plans.models import PlanRefund
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.selling import renew_plan, start_trial
from tests.factories.checkout import TILL, make_shop, publish
from tests.factories.members import make_member
from tests.factories.plans import BLACK, CASH, PLUS, buy

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""
DAY = timedelta(days=1)
MONTHLY = {**PLUS, "benefits": {"multiplier": "2"}, "duration": {"months": 1}}
NEVER = {"policy": "none", "full_days": 1}
"""Nothing is paid back after the day of the sale."""


def quote(who: Any, now: datetime, plan: str = "plus") -> dict[str, Any]:
    return quote_plan_refund(member_id=who.id, plan=plan, now=now, enjoyed=plan_discounts)


def give_back(who: Any, now: datetime, plan: str = "plus") -> PlanRefund:
    return refund_plan(
        actor=TILL, member_id=who.id, plan=plan, sale=CASH, reason="x", now=now, enjoyed=plan_discounts
    )


def test_what_was_taken_back_whole_is_no_purchase_of_the_limit() -> None:
    make_shop(plans=[{**MONTHLY, "limits": {"per_member": 1}, "refund": {"full_days": 1}}, BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    give_back(who, NOON)
    buy(who, NOON + timedelta(hours=1))
    give_back(who, NOON + 2 * DAY)  # in part: it was bought
    with pytest.raises(errors.PlanLimitReached):
        buy(who, NOON + 3 * DAY)


@pytest.mark.parametrize("refund", [NEVER, {"policy": "pro_rata", "full_days": 1, "fee_percent": "10"}])
@pytest.mark.parametrize("late", [-5 * DAY, 2 * DAY])
def test_a_renewal_by_mistake_is_taken_back_whole_on_its_day(refund: dict[str, Any], late: timedelta) -> None:
    make_shop(plans=[{**MONTHLY, "refund": refund}, BLACK])
    who = make_member(now=NOON - DAY)
    now = buy(who, NOON).ends_at + late
    renew_plan(actor=TILL, member_id=who.id, plan="plus", sale=CASH, now=now)
    # Five days before its end the first term still has 4 days of 31 left, less the fee.
    rest = 1549 - 154 if late < 0 * DAY and refund is not NEVER else 0
    assert quote(who, now)["refund_minor"] == 12000 + rest
    give_back(who, now)
    assert verify_plans(now=now) == []


def test_a_plan_bought_in_its_trial_by_mistake_is_taken_back_whole_on_its_day() -> None:
    make_shop(plans=[{**MONTHLY, "refund": NEVER}, BLACK])
    who = make_member(now=NOON - DAY)
    start_trial(actor=TILL, member_id=who.id, plan="plus", now=NOON)
    buy(who, NOON + 3 * DAY)
    assert quote(who, NOON + 3 * DAY)["refund_minor"] == 12000
    assert quote(who, NOON + 4 * DAY)["refund_minor"] == 0


def test_a_term_to_come_is_paid_back_by_the_day_of_its_sale_not_of_its_beginning() -> None:
    """A year that follows a gift: where nothing is paid back later, nothing is while it waits for its beginning either."""
    yearly = {**MONTHLY, "duration": {"months": 12}, "refund": NEVER, "renewal": {"ahead_days": 366}}
    make_shop(plans=[yearly, BLACK])
    who = make_member(now=NOON - DAY)
    (code,) = codes_of(gift_plan(actor=TILL, plan="plus", sale=CASH, now=NOON))
    redeem_plan_code(actor=TILL, member_id=who.id, code=code, now=NOON)
    renew_plan(actor=TILL, member_id=who.id, plan="plus", sale=CASH, now=NOON)
    assert quote(who, NOON)["refund_minor"] == 12000
    assert quote(who, NOON + 200 * DAY)["refund_minor"] == 0


def test_a_plan_that_a_new_version_dropped_is_paid_back_as_it_was_sold() -> None:
    make_shop(plans=[{**MONTHLY, "refund": {"policy": "pro_rata", "fee_percent": "10"}}, BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    publish(NOON + DAY, plans=[BLACK])
    left = 12000 - 12000 * 3 // 31
    assert quote(who, NOON + 2 * DAY)["refund_minor"] == left - left // 10
    assert give_back(who, NOON + 2 * DAY).refund_minor == left - left // 10
    assert verify_plans(now=NOON + 2 * DAY) == []
    with pytest.raises(errors.UnknownPlan):
        quote(make_member(now=NOON), NOON + 2 * DAY)
