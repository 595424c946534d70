"""What is taken back whole: terms of which nothing was had, within the days of their sale. And what has to count as had."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.catalog.models import Store
from shuke.checkout.answers import receipt_code
from shuke.checkout.errors import ProductReserved
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import cancel_order, refund_order
from shuke.checkout.values import MemberRef
from shuke.ledger.models import Account
from shuke.loyalty.models import Standing
from shuke.loyalty.plans import errors
from shuke.loyalty.plans.entitlements import entitlements_of, redeem_entitlement, undo_entitlement
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code
from shuke.loyalty.plans.giving import give_birthday_gifts, give_plan_packs, give_tier_packs
from shuke.loyalty.plans.models import EntitlementUse, PlanRefund
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.selling import renew_plan, start_trial
from shuke.rewards.models import Coupon
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member
from tests.factories.plans import BLACK, CASH, PLUS, buy
from tests.factories.programmes import BASE
from tests.loyalty.test_giving import MONTHLY as MONTHLY_PACK
from tests.loyalty.test_giving import coupon

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""
DAY = timedelta(days=1)
MONTHLY = {**PLUS, "benefits": {"multiplier": "2"}, "duration": {"months": 1}}
NEVER = {"policy": "none", "full_days": 1}
"""Nothing is paid back after the day of the sale."""


def quote(who: Any, now: datetime, plan: str = "plus") -> dict[str, Any]:
    return quote_plan_refund(member_id=who.id, plan=plan, now=now, enjoyed=enjoyed_on_sales)


def give_back(who: Any, now: datetime, plan: str = "plus") -> PlanRefund:
    return refund_plan(
        actor=TILL, member_id=who.id, plan=plan, sale=CASH, reason="x", now=now, enjoyed=enjoyed_on_sales
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


# What counts as had -----------------------------------------------------------------------------------------

BY_DEFAULT = {"policy": "pro_rata", "full_days": 1, "used": "greater"}
CHECK = {"code": "check", "name": {"zh-Hans": "体测"}, "quota": 2, "period": "year", "worth": "30.00"}


def bare(base: dict[str, Any] = PLUS, **changes: Any) -> dict[str, Any]:
    """A plan that brings nothing but what is said."""
    return {**base, "benefits": {}, "refund": BY_DEFAULT, **changes}


def with_gold(**gold: Any) -> dict[str, Any]:
    tiers = deepcopy(BASE["tiers"])
    tiers["levels"][2] |= gold
    return tiers


def check(who: Any, now: datetime = NOON) -> EntitlementUse:
    shop = Store.objects.get(code="S1")
    return redeem_entitlement(actor=TILL, member_id=who.id, entitlement="check", store=shop, now=now)


def test_a_level_that_is_reached_afterwards_does_not_make_its_gifts_the_members_own() -> None:
    """Had through the plan's level, which a purchase then reaches for an instant: it still was the plan's."""
    gold = with_gold(benefits={"entitlements": [CHECK], "packs": [MONTHLY_PACK]}, discount_percent="0")
    make_shop(tiers=gold, coupons=[coupon("five")], plans=[bare(tier="gold"), BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    check(who)
    give_tier_packs(now=NOON)
    sold = sell(("A", 400), now=NOON, member=who)
    told = quote(who, NOON)
    assert (told["used_entitlements_minor"], told["used_packs_minor"]) == (3000, 1000)
    made = give_back(who, NOON)
    refund_order(actor=TILL, order_id=sold["id"], reason="x", now=NOON)
    assert Standing.objects.get().tier == "classic"
    assert made.refund_minor == 12000 - 4000


def test_what_two_plans_of_one_level_give_is_kept_once() -> None:
    make_shop(
        tiers=with_gold(benefits={"entitlements": [CHECK]}),
        plans=[bare(tier="gold"), bare(BLACK, tier="gold")],
    )
    who, hour = make_member(now=NOON - DAY), timedelta(hours=1)
    buy(who, NOON)
    buy(who, NOON + hour, "black")
    check(who, NOON + 2 * hour)
    sell(("A", 100), now=NOON + 2 * hour, member=who)  # 5 %
    now = NOON + 3 * hour
    # The one that is held longest gave it, whichever is given up first.
    assert [quote(who, now, code)["is_full"] for code in ("plus", "black")] == [False, True]
    assert give_back(who, now, "black").refund_minor == 36500
    assert give_back(who, now).refund_minor == 12000 - 3000 - 5000


def test_what_two_plans_both_give_themselves_is_kept_once() -> None:
    both = {"benefits": {"entitlements": [CHECK]}}
    make_shop(plans=[bare(**both), bare(BLACK, **both)])
    who, hour = make_member(now=NOON - DAY), timedelta(hours=1)
    buy(who, NOON)
    buy(who, NOON + hour, "black")
    check(who, NOON + 2 * hour)
    used = [quote(who, NOON + 3 * hour, code)["used_entitlements_minor"] for code in ("plus", "black")]
    assert used == [3000, 0]


@pytest.mark.parametrize("level", ["", "gold"])
def test_points_that_a_plan_multiplied_are_use_of_it_while_the_sale_stands(level: str) -> None:
    make_shop(plans=[bare(**({"tier": level} if level else {"benefits": {"multiplier": "3"}})), BLACK],
        tiers=with_gold(discount_percent="0", multiplier="2"))  # fmt: skip
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    sold = sell(("A", 50), now=NOON, member=who)
    assert not quote(who, NOON)["is_full"]
    refund_order(actor=TILL, order_id=sold["id"], reason="back", now=NOON)
    assert quote(who, NOON)["is_full"]


def test_what_has_no_stated_worth_is_used_all_the_same() -> None:
    free = {k: v for k, v in CHECK.items() if k != "worth"}
    make_shop(plans=[bare(benefits={"entitlements": [free]}), BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    assert quote(who, NOON)["is_full"]
    check(who)
    told = quote(who, NOON)
    assert (told["is_full"], told["refund_minor"]) == (False, 12000 - 32)  # by its days


def test_what_is_taken_back_of_an_earlier_term_is_no_credit_of_this_one() -> None:
    make_shop(plans=[bare(benefits={"entitlements": [CHECK]}, duration={"months": 1}, grace_days=0), BLACK])
    who = make_member(now=NOON - DAY)
    ended = buy(who, NOON).ends_at
    old = check(who)
    buy(who, now := ended + DAY)
    new = check(who, now)
    assert quote(who, now)["used_entitlements_minor"] == 3000
    undo_entitlement(actor=TILL, use_id=old.id, reason="typed wrong", now=now)
    assert (quote(who, now)["used_entitlements_minor"], quote(who, now)["is_full"]) == (3000, False)
    undo_entitlement(actor=TILL, use_id=new.id, reason="typed wrong", now=now)
    assert quote(who, now)["is_full"]


def test_packs_without_a_worth_are_use() -> None:
    pack = {k: v for k, v in MONTHLY_PACK.items() if k != "worth"}
    make_shop(plans=[bare(benefits={"packs": [pack]}), BLACK], coupons=[coupon("five")])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    give_plan_packs(now=NOON)
    assert not quote(who, NOON)["is_full"]


@pytest.mark.parametrize("level", ["", "gold"])
def test_a_birthday_gift_is_use_of_the_plan_that_brought_it(level: str) -> None:
    gift = {"birthday": {"points": 888}}
    made = bare(tier="gold") if level else bare(benefits=gift)
    make_shop(plans=[made, BLACK], tiers=with_gold(benefits=gift if level else {}))
    birthday = datetime(2026, 5, 17, 4, tzinfo=UTC)
    who = make_member(now=birthday - DAY)
    buy(who, birthday)
    assert quote(who, birthday)["is_full"]
    give_birthday_gifts(now=birthday)
    assert Account.objects.get(member_id=who.id, asset="points").balance == 888
    assert not quote(who, birthday)["is_full"]


@pytest.mark.parametrize(("bought", "had"), [(False, 0), (True, 2)])
def test_a_trial_brings_no_packs_through_its_level_either(bought: bool, had: int) -> None:
    gold = bare(tier="gold", trial={"days": 7})
    make_shop(
        tiers=with_gold(benefits={"packs": [MONTHLY_PACK]}), coupons=[coupon("five")], plans=[gold, BLACK]
    )
    who = make_member(now=NOON - DAY)
    start_trial(actor=TILL, member_id=who.id, plan="plus", now=NOON)
    give_tier_packs(now=NOON)
    if bought:
        buy(who, NOON)
    give_tier_packs(now=NOON + DAY)
    assert not Coupon.objects.exists()  # also bought, its paid time only begins when the trial is over
    give_tier_packs(now=NOON + 8 * DAY)
    assert Coupon.objects.count() == had


def test_no_quota_of_a_level_begins_anew_when_another_plan_ends() -> None:
    term = {**CHECK, "period": "term"}
    monthly = bare(duration={"months": 1}, grace_days=0, benefits={"multiplier": "2"})
    make_shop(tiers=with_gold(benefits={"entitlements": [term]}), plans=[monthly, bare(BLACK, tier="gold")])
    who = make_member(now=NOON - 60 * DAY)
    buy(who, NOON)
    buy(who, NOON + 5 * DAY, "black")
    for _ in range(2):
        check(who, NOON + 6 * DAY)
    assert [each.left for each in entitlements_of(member_id=who.id, now=NOON + 40 * DAY)] == [0]


# Free deliveries --------------------------------------------------------------------------------------------

SHIPS = {"free_shipping": True, "free_shipping_from": "50.00", "free_shipping_worth": "6.00"}
SENT = {"facts": {"delivery": "pending"}}


def ordered(who: Any, tens: int, now: datetime = NOON, **more: Any) -> dict[str, Any]:
    return sell(("A", tens), now=now, member=who, **{**SENT, **more})


def test_free_deliveries_are_kept_at_their_worth() -> None:
    make_shop(plans=[bare(benefits=SHIPS), BLACK])
    who = make_member(now=NOON - 2 * DAY)
    ordered(who, 9, NOON - DAY)  # before the plan
    buy(who, NOON)
    assert quote(who, NOON)["is_full"]
    ordered(who, 4)  # too little
    ordered(who, 9, facts=None)  # taken along at the till
    gone = ordered(who, 9)
    cancel_order(actor=TILL, order_id=UUID(gone["id"]), reason="x", now=NOON)
    assert quote(who, NOON)["is_full"], "nothing was delivered free of charge because of the plan"
    for _ in range(2):
        ordered(who, 9)
    told = quote(who, NOON)
    assert (told["used_shipping_minor"], told["is_full"]) == (1200, False)
    assert told["refund_minor"] == 12000 - 1200
    assert give_back(who, NOON).refund_minor == 12000 - 1200


def test_a_free_delivery_without_a_stated_worth_is_a_use_all_the_same() -> None:
    make_shop(plans=[bare(benefits={"free_shipping": True}), BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    ordered(who, 1)
    told = quote(who, NOON)
    assert (told["used_shipping_minor"], told["is_full"]) == (0, False)


def test_what_the_members_own_tier_or_an_older_plan_frees_is_not_the_plans() -> None:
    gold = with_gold(benefits={**SHIPS, "free_shipping_from": "80.00", "free_shipping_worth": "5.00"})
    make_shop(tiers=gold, plans=[bare(benefits=SHIPS), bare(BLACK, tier="gold", benefits={})])
    own = make_member(now=NOON - 2 * DAY)
    sell(("A", 400), now=NOON - DAY, member=own)  # 4,000.00 make gold
    buy(own, NOON)
    ordered(own, 9)  # gold frees it
    ordered(own, 6)  # gold does not
    assert quote(own, NOON)["used_shipping_minor"] == 600
    both, hour = make_member(now=NOON - 2 * DAY), timedelta(hours=1)
    buy(both, NOON)
    buy(both, NOON + hour, "black")  # a level that frees from more on
    ordered(both, 9, NOON + 2 * hour)
    now = NOON + 3 * hour
    assert [quote(both, now, plan)["used_shipping_minor"] for plan in ("plus", "black")] == [600, 0]
    other = make_member(now=NOON - 2 * DAY)
    buy(other, NOON, "black")
    ordered(other, 9, NOON + hour)
    assert quote(other, now, "black")["used_shipping_minor"] == 500, "the level of the plan freed it"


def test_one_delivery_is_kept_once_whichever_plan_frees_from_less() -> None:
    """The older plan frees from more on: what it freed is not the younger one's as well."""
    more = {**SHIPS, "free_shipping_from": "80.00", "free_shipping_worth": "5.00"}
    make_shop(plans=[bare(benefits=SHIPS), bare(BLACK, benefits=more)])
    who, hour = make_member(now=NOON - DAY), timedelta(hours=1)
    buy(who, NOON, "black")
    buy(who, NOON + hour)
    ordered(who, 9, NOON + 2 * hour)  # both
    ordered(who, 6, NOON + 2 * hour)  # the younger one alone
    now = NOON + 3 * hour
    assert [quote(who, now, plan)["used_shipping_minor"] for plan in ("plus", "black")] == [600, 500]


def test_a_level_below_the_members_own_frees_nothing() -> None:
    tiers = with_gold(benefits={**SHIPS, "free_shipping_from": "80.00"})
    tiers["levels"][1] |= {"benefits": SHIPS}
    make_shop(tiers=tiers, plans=[bare(tier=tiers["levels"][1]["code"]), BLACK])
    who = make_member(now=NOON - 2 * DAY)
    sell(("A", 400), now=NOON - DAY, member=who)  # 4,000.00 make gold
    buy(who, NOON)
    assert not ordered(who, 6)["benefits"]["free_shipping"], "they are served as gold, which frees from more"
    assert quote(who, NOON)["is_full"]


def test_what_a_plan_brings_since_a_new_version_is_no_use_of_the_sales_before_it() -> None:
    make_shop(plans=[bare(), BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    assert not ordered(who, 9)["benefits"]["free_shipping"]
    sell(("B", 1), now=NOON, member=who)
    now, hour = NOON + timedelta(hours=1), timedelta(hours=1)
    publish(now, plans=[bare(benefits={**SHIPS, "exclusive": [{"skus": ["B"]}]}), BLACK])
    assert quote(who, now)["is_full"], (
        "the customer paid for that delivery, and everybody could buy the goods"
    )
    assert ordered(who, 9, now)["benefits"]["free_shipping"]
    publish(now + hour, plans=[bare(), BLACK])
    assert quote(who, now + 2 * hour)["used_shipping_minor"] == 600, "what was had stays had"


def test_a_delivery_that_was_paid_for_before_the_sale_was_claimed_is_no_use() -> None:
    make_shop(plans=[bare(benefits=SHIPS), BLACK])
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    order = ordered(None, 9)
    assert not order["benefits"]["free_shipping"]
    attach_order(
        actor=TILL,
        receipt=receipt_code(UUID(order["id"]), order["number"]),
        member=MemberRef("id", str(who.id)),
        now=NOON,
    )
    assert quote(who, NOON)["is_full"]


def test_goods_that_only_holders_may_buy_are_a_use_until_they_come_back() -> None:
    early = {"exclusive": [{"skus": ["B"]}]}
    gold = with_gold(benefits=early, discount_percent="0", multiplier="1")
    make_shop(tiers=gold, plans=[bare(benefits=early), bare(BLACK, benefits=early)])
    who, hour = make_member(now=NOON - DAY), timedelta(hours=1)
    with pytest.raises(ProductReserved):
        sell(("B", 1), now=NOON - hour, member=who)
    buy(who, NOON)
    sell(("A", 1), now=NOON, member=who)
    assert quote(who, NOON)["is_full"]
    sold = sell(("B", 2), now=NOON, member=who)
    assert not quote(who, NOON)["is_full"]
    buy(who, NOON + hour, "black")
    assert quote(who, NOON + hour, "black")["is_full"], "the plan that is held longer gave it"
    give = {"actor": TILL, "order_id": UUID(sold["id"]), "reason": "x", "now": NOON + hour}
    refund_order(**give)
    assert quote(who, NOON + hour)["is_full"]
    golden = make_member(now=NOON - DAY)
    sell(("A", 400), now=NOON - hour, member=golden)
    buy(golden, NOON)
    sell(("B", 1), now=NOON, member=golden)
    assert quote(golden, NOON)["is_full"], "so does the level that they reached themselves"
