from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from shuke.catalog.models import Store
from shuke.checkout import errors as checkout_errors
from shuke.checkout.invariants import verify_orders
from shuke.checkout.operations import quote_order
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.refunds import refund_order
from shuke.core import rate
from shuke.core.errors import InvalidInput, TooManyWrongCodes
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.kit.typed_codes import with_check
from shuke.loyalty.models import MemberGroup
from shuke.loyalty.plans import errors
from shuke.loyalty.plans.dues import end_plans, remind_holders
from shuke.loyalty.plans.entitlements import entitlements_of, redeem_entitlement, undo_entitlement
from shuke.loyalty.plans.gift_orders import (
    download_gift_codes,
    get_gift_order,
    gifts_by_state,
    list_gift_orders,
    make_gifts,
    order_gifts,
    take_back_gifts,
)
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code, take_back_gift
from shuke.loyalty.plans.models import (
    LocalAccount,
    LocalPayment,
    PlanCharge,
    PlanGift,
    PlanGiftOrder,
    PlanHolding,
    PlanTerm,
)
from shuke.loyalty.plans.queries import PlanTotals, plan_figures, plan_totals, plans_of, verify_plans
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.renewals import cancel_auto_renew, charge_due, confirm_charge, start_auto_renew
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import quote_upgrade, renew_plan, start_trial, upgrade_plan
from tests.factories.checkout import TILL, sale, sell
from tests.factories.members import make_member
from tests.factories.plans import CASH, PLUS, buy, make_club, plan
from tests.factories.programmes import BASE

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""
DAY = timedelta(days=1)
ZONE = "Asia/Shanghai"


@pytest.fixture
def member(db: Any) -> Any:
    make_club()
    return make_member(now=NOON - DAY)


def price(who: Any, *lines: tuple[str, int], now: datetime = NOON, **more: Any) -> dict[str, Any]:
    return quote_order(actor=TILL, sale=sale(*lines, member=who, **more), now=now)


# Benefits in the price ------------------------------------------------------------------------------------


def test_a_plan_lowers_the_price_multiplies_points_and_frees_shipping(member: Any) -> None:
    plain = price(member, ("A", 3))
    assert plain["benefits"] == {"plans": [], "free_shipping": False, "priority_service": False}
    buy(member, NOON)
    answer = sell(("A", 3), now=NOON, member=member)
    assert (plain["payable_minor"], answer["payable_minor"]) == (3000, 2700)
    assert answer["points_earned"] == 54
    assert answer["lines"][0]["discounts"] == [
        {"kind": "plan", "code": "plus", "percent": 10000, "minor": 300}
    ]
    assert answer["benefits"] == {"plans": ["plus"], "free_shipping": True, "priority_service": True}
    assert verify_orders() == (1, [])


def test_a_plan_gives_nothing_before_it_begins_and_after_its_grace(member: Any) -> None:
    term = buy(member, NOON)
    ends = term.ends_at
    for at, payable in (
        (ends - timedelta(seconds=1), 900),
        (ends + 2 * DAY, 900),  # in its three days of grace, whether the job has run or not
        (ends + 3 * DAY, 1000),
    ):
        assert price(member, ("A", 1), now=at)["payable_minor"] == payable


@pytest.mark.parametrize(
    ("stacking", "payable", "points"), [("best", 2_700_00, 2700 * 2), ("add", 2_550_00, 2550 * 5 // 2)]
)
def test_tier_and_plan_count_as_the_policy_says(db: Any, stacking: str, payable: int, points: int) -> None:
    make_club(policies={"benefit_stacking": stacking})
    who = make_member(now=NOON - DAY)
    sell(("A", 400), now=NOON, member=who)  # gold: 5 % and ×1.5
    buy(who, NOON)
    answer = sell(("A", 300), now=NOON + DAY, member=who)
    assert (answer["payable_minor"], answer["points_earned"]) == (payable, points)
    assert sum(each["minor"] for each in answer["lines"][0]["discounts"]) == 300_000 - payable


def test_a_plan_has_its_holders_served_as_a_level_at_least(db: Any) -> None:
    make_club(plan(tier="gold", benefits={"discount_percent": "0", "multiplier": "1"}))
    who = make_member(now=NOON - DAY)
    assert price(who, ("A", 10))["payable_minor"] == 10000
    buy(who, NOON)
    answer = price(who, ("A", 10))  # gold: 5 % and ×1.5
    assert (answer["payable_minor"], answer["points_earned"]) == (9500, 142)
    assert answer["lines"][0]["discounts"][0]["code"] == "gold"


def test_prices_that_the_till_has_fixed_stay(member: Any) -> None:
    buy(member, NOON)
    assert price(member, ("A", 1), settled=True)["payable_minor"] == 1000


def test_reserved_goods_are_refused_with_who_may_buy_them(db: Any) -> None:
    early = {"exclusive": [{"skus": ["B"], "until": "2026-03-10"}]}
    make_club(plan(benefits=early))
    who, other = make_member(now=NOON - DAY), make_member(now=NOON - DAY)
    buy(who, NOON)
    assert price(who, ("B", 1))["payable_minor"] == 225
    for buyer in (other, None):
        with pytest.raises(checkout_errors.ProductReserved) as refused:
            price(buyer, ("A", 1), ("B", 1))
        assert (refused.value.field, refused.value.params["sku"]) == ("lines/1/sku", "B")
        assert refused.value.params["holders"] == "尊享卡"
    assert price(other, ("B", 1), now=NOON + 8 * DAY)["payable_minor"] == 250


# Selling ---------------------------------------------------------------------------------------------------


def test_buying_twice_is_refused_and_renewing_adds_a_term_without_a_gap(member: Any) -> None:
    first = buy(member, NOON)
    with pytest.raises(errors.PlanHeld):
        buy(member, NOON + DAY)
    with pytest.raises(errors.RenewalTooEarly):
        renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=NOON + DAY)
    late = first.ends_at + DAY  # in grace
    end_plans(now=late)
    assert PlanHolding.objects.get().state == "grace"
    second = renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=late)
    assert second.starts_at == first.ends_at
    assert second.ends_at == datetime(2028, 3, 1, 16, tzinfo=UTC)
    group = MemberGroup.objects.get(member_id=member.id, code="plus")
    assert (group.since, group.until) == (NOON, second.ends_at + 3 * DAY)
    assert verify_plans(now=NOON) == []


def test_a_plan_sale_is_recorded_once_by_its_number(member: Any) -> None:
    buy(member, NOON, number="P1")
    with pytest.raises(errors.PlanSaleExists):
        buy(make_member(now=NOON - DAY), NOON, number="P1")
    assert PlanTerm.objects.count() == 1


def test_limits_of_a_member_and_of_places(db: Any) -> None:
    make_club(plan(limits={"per_member": 1, "holders": 2}, duration={"months": 1}, grace_days=0))
    one, two, three = (make_member(now=NOON - DAY) for _ in range(3))
    term = buy(one, NOON)
    buy(two, NOON)
    with pytest.raises(errors.PlanSoldOut):
        buy(three, NOON)
    after = term.ends_at + DAY
    with pytest.raises(errors.PlanLimitReached):
        buy(one, after)
    buy(three, after)


def test_unknown_tenders_plans_and_members_are_refused(member: Any) -> None:
    with pytest.raises(errors.UnknownPlan):
        buy(member, NOON, "nope")
    with pytest.raises(InvalidInput):
        renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=Sale("points"), now=NOON)


def test_a_trial_is_once_and_a_purchase_follows_it(member: Any) -> None:
    trial = start_trial(actor=TILL, member_id=member.id, plan="plus", now=NOON)
    assert price(member, ("A", 1))["payable_minor"] == 900
    bought = buy(member, NOON + DAY)
    assert bought.starts_at == trial.ends_at == datetime(2026, 3, 8, 16, tzinfo=UTC)
    with pytest.raises(errors.TrialUsed):
        start_trial(actor=TILL, member_id=member.id, plan="plus", now=NOON + DAY)
    with pytest.raises(errors.NoTrial):
        start_trial(actor=TILL, member_id=member.id, plan="black", now=NOON)
    assert verify_plans(now=NOON) == []


def upgrade(who: Any, now: datetime, plan: str = "plus", target: str = "black", **more: Any) -> PlanTerm:
    return upgrade_plan(
        actor=TILL,
        member_id=who.id,
        plan=plan,
        target=target,
        sale=CASH,
        now=now,
        enjoyed=enjoyed_on_sales,
        **more,
    )


def test_an_upgrade_takes_what_is_left_as_credit(member: Any) -> None:
    buy(member, NOON)
    at = NOON + 100 * DAY
    quote = quote_upgrade(member_id=member.id, plan="plus", target="black", now=at, enjoyed=enjoyed_on_sales)
    credit = 12000 - 12000 * 101 // 365
    assert quote["credit_minor"] == credit
    due = quote["to_pay_minor"]
    with pytest.raises(
        errors.PlanUpgradeChanged
    ) as refused:  # a day later less is left, so more is to be paid
        upgrade(member, at + DAY, expected_minor=due)
    assert refused.value.params["due"] > due
    term = upgrade(member, at, expected_minor=due)
    assert (term.paid_minor, term.credit_minor) == (36500 - credit, credit)
    assert price(member, ("A", 1), now=at)["benefits"]["plans"] == ["black"]
    with pytest.raises(errors.NotAnUpgrade):
        upgrade(member, at, "black", "plus")
    totals = plan_totals(at + DAY, ZONE)
    assert totals.paid_minor == totals.earned_minor + totals.unearned_minor + totals.refunded_minor
    assert totals.paid_minor == 12000 + 36500 - credit
    assert verify_plans(now=NOON) == []


def test_what_a_plan_has_given_is_no_credit_for_the_next(member: Any) -> None:
    buy(member, NOON)
    sell(("A", 60), now=NOON, member=member)  # 60.00 off
    redeem_entitlement(actor=TILL, member_id=member.id, entitlement="check", store=store(), now=NOON)
    quote = quote_upgrade(
        member_id=member.id, plan="plus", target="black", now=NOON, enjoyed=enjoyed_on_sales
    )
    assert quote["credit_minor"] == 12000 - 6000 - 3000
    term = upgrade(member, NOON)
    assert (term.paid_minor, term.credit_minor) == (36500 - 3000, 3000)
    # Given up again at once, the new plan pays back what it cost, and no more: what the former gave stays paid.
    back = refund(member, NOON, plan="black").refund_minor
    assert 12000 + term.paid_minor - back == 6000 + 3000
    assert verify_plans(now=NOON) == []


def test_a_gift_is_no_money_for_a_better_plan_either(member: Any) -> None:
    (gift,) = gift_plan(actor=TILL, plan="plus", sale=CASH, now=NOON)
    redeem_plan_code(actor=TILL, member_id=member.id, code=codes_of([gift])[0], now=NOON)
    term = upgrade(member, NOON)
    assert (term.paid_minor, term.credit_minor) == (36500, 0)
    assert refund(member, NOON, plan="black").refund_minor == 36500
    assert plan_totals(NOON + DAY, ZONE).unearned_minor == 0
    assert verify_plans(now=NOON) == []


# Gifts -----------------------------------------------------------------------------------------------------


def test_a_gift_is_redeemed_once_by_whoever_has_the_code(member: Any) -> None:
    (gift,) = gift_plan(actor=TILL, plan="plus", sale=CASH, now=NOON, buyer_id=member.id)
    (code,) = codes_of([gift])
    sold = PlanTotals(
        holders=0,
        trials=0,
        ended=0,
        paid_minor=12000,
        earned_minor=0,
        unearned_minor=12000,
        refunded_minor=0,
    )
    assert plan_totals(NOON + DAY, ZONE) == plan_totals(NOON + DAY, ZONE, "plus") == sold
    assert plan_totals(NOON + DAY, ZONE, "black").paid_minor == 0
    friend = make_member(now=NOON - DAY)
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    with pytest.raises(errors.BadPlanCode):
        redeem_plan_code(actor=TILL, member_id=friend.id, code=wrong, now=NOON)
    term = redeem_plan_code(actor=TILL, member_id=friend.id, code=code.lower(), now=NOON + DAY)
    assert (term.cause, term.paid_minor) == ("gift", 12000)
    with pytest.raises(errors.PlanCodeUsed):
        redeem_plan_code(actor=TILL, member_id=member.id, code=code, now=NOON + DAY)
    with pytest.raises(errors.NothingPaid):
        refund(friend, NOON + 2 * DAY)
    assert plan_totals(NOON + 2 * DAY, ZONE).paid_minor == 12000
    stored = [bytes(row) for row in type(gift).objects.values_list("blind", flat=True)]
    assert all(code.replace("-", "").encode() not in row for row in stored)
    assert verify_plans(now=NOON) == []


def test_an_unredeemed_gift_can_be_taken_back_and_lapses(member: Any) -> None:
    gifts = gift_plan(actor=TILL, plan="plus", sale=CASH, now=NOON, count=2)
    first, second = codes_of(gifts)
    take_back_gift(actor=TILL, gift_id=gifts[0].id, sale=CASH, reason="returned", now=NOON)
    with pytest.raises(errors.PlanCodeUsed):
        redeem_plan_code(actor=TILL, member_id=member.id, code=first, now=NOON)
    with pytest.raises(errors.PlanCodeExpired):
        redeem_plan_code(actor=TILL, member_id=member.id, code=second, now=NOON + 400 * DAY)
    assert plan_totals(NOON + DAY, ZONE).refunded_minor == 12000


def ordered(count: int = 5) -> PlanGiftOrder:
    order = order_gifts(actor=TILL, plan="plus", sale=CASH, count=count, remark="a firm", now=NOON)
    while make_gifts(order_id=order.id, now=NOON, limit=2):
        pass
    return get_gift_order(order.id, actor=TILL)


def test_gifts_in_bulk_are_made_batch_by_batch_told_with_a_reason_and_paid_back(member: Any) -> None:
    first = order_gifts(actor=TILL, plan="plus", sale=CASH, count=5, now=NOON)
    assert make_gifts(order_id=first.id, now=NOON, limit=2) == 2
    half = get_gift_order(first.id, actor=TILL)
    assert (half.state, half.made, PlanGift.objects.count()) == ("running", 2, 2)
    with pytest.raises(errors.GiftOrderNotReady):
        download_gift_codes(actor=TILL, order_id=first.id, now=NOON, reason="to send them")
    with pytest.raises(errors.GiftOrderNotReady):
        take_back_gifts(actor=TILL, order_id=first.id, sale=CASH, reason="x", now=NOON)
    assert [make_gifts(order_id=first.id, now=NOON, limit=2) for _ in range(3)] == [2, 1, 0]
    assert get_gift_order(first.id, actor=TILL).state == "done"
    totals = plan_totals(NOON + DAY, ZONE)
    assert (totals.paid_minor, totals.unearned_minor) == (60000, 60000)
    with pytest.raises(InvalidInput):
        download_gift_codes(actor=TILL, order_id=first.id, now=NOON, reason=" ")
    told = download_gift_codes(actor=TILL, order_id=first.id, now=NOON, reason="to send them")
    read = AuditEvent.objects.get(action="loyalty.plan_gift_codes_read.v1")  # before the first code is told
    assert (read.reason, read.object_id) == ("to send them", str(first.id))
    codes = list(told)
    assert len(set(codes)) == 5 and codes == codes_of(PlanGift.objects.order_by("id"))
    redeem_plan_code(actor=TILL, member_id=member.id, code=codes[3], now=NOON)
    left = download_gift_codes(actor=TILL, order_id=first.id, now=NOON, reason="again")
    assert list(left) == [*codes[:3], codes[4]]
    other = ordered(3)
    assert [row.id for row in list_gift_orders(actor=TILL, plan="plus", limit=5)] == [other.id, first.id]
    assert [row.id for row in list_gift_orders(actor=TILL, plan="plus", limit=5, before=other.id)] == [
        first.id
    ]
    done = take_back_gifts(
        actor=TILL, order_id=first.id, sale=CASH, reason="the firm is gone", now=NOON + DAY
    )
    assert (done.state, done.taken_back) == ("void", 4)
    assert gifts_by_state(first.id) == {"redeemed": 1, "void": 4}
    assert gifts_by_state(other.id) == {"issued": 3}
    with pytest.raises(errors.PlanCodeUsed):
        redeem_plan_code(actor=TILL, member_id=make_member(now=NOON).id, code=codes[0], now=NOON + DAY)
    for act in (
        lambda: take_back_gifts(actor=TILL, order_id=first.id, sale=CASH, reason="x", now=NOON + DAY),
        lambda: download_gift_codes(actor=TILL, order_id=first.id, now=NOON + DAY, reason="x"),
    ):
        with pytest.raises(errors.GiftOrderEnded):
            act()
    totals = plan_totals(NOON + 2 * DAY, ZONE)
    assert (totals.paid_minor, totals.refunded_minor) == (8 * 12000, 4 * 12000)
    assert totals.paid_minor == totals.earned_minor + totals.unearned_minor + totals.refunded_minor
    told_events = OutboxEvent.objects.filter(
        name__in=["loyalty.plan_gifts_ordered.v1", "loyalty.plan_gifts_taken_back.v1"]
    )
    assert [event.payload["count"] for event in told_events.order_by("id")] == [5, 3, 4]
    assert verify_plans(now=NOON) == []


def test_gifts_in_bulk_that_cannot_be_sold(member: Any) -> None:
    make_club(plan(on_sale=False))
    with pytest.raises(errors.PlanNotOnSale):
        order_gifts(actor=TILL, plan="plus", sale=CASH, count=5, now=NOON)
    for count in (0, 20_001):
        with pytest.raises(InvalidInput):
            order_gifts(actor=TILL, plan="black", sale=CASH, count=count, now=NOON)
    with pytest.raises(errors.UnknownGiftOrder):
        take_back_gifts(actor=TILL, order_id=UUID(int=1), sale=CASH, reason="x", now=NOON)
    assert make_gifts(order_id=UUID(int=1), now=NOON) == 0


def test_codes_that_were_sold_at_a_store_are_not_for_people_of_others(member: Any) -> None:
    first, second = (Store.objects.get(code=code) for code in ("S1", "S2"))
    order = order_gifts(actor=TILL, plan="plus", sale=Sale("cash", store=first), count=2, now=NOON)
    make_gifts(order_id=order.id, now=NOON)
    there, here = (
        Actor("staff", uuid7(), "manager", all_stores=False, store_ids=frozenset({each.id}))
        for each in (second, first)
    )
    with pytest.raises(errors.UnknownGiftOrder):
        download_gift_codes(actor=there, order_id=order.id, now=NOON, reason="to send them")
    with pytest.raises(errors.UnknownGiftOrder):
        take_back_gifts(actor=there, order_id=order.id, sale=CASH, reason="x", now=NOON)
    assert len(list(download_gift_codes(actor=here, order_id=order.id, now=NOON, reason="to send them"))) == 2
    done = take_back_gifts(actor=here, order_id=order.id, sale=CASH, reason="x", now=NOON)
    assert done.taken_back == 2


def test_one_who_guesses_codes_keeps_nobody_else_of_the_same_key_waiting(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "_wrong_codes", rate.RateLimiter(2))
    first, second = codes_of(gift_plan(actor=TILL, plan="plus", sale=CASH, count=2, now=NOON))
    for body in ("ABCDEFGH2345672", "ABCDEFGH2345673"):
        with pytest.raises(errors.UnknownPlanCode):
            redeem_plan_code(actor=TILL, member_id=member.id, code=with_check(body), now=NOON)
    with pytest.raises(TooManyWrongCodes):
        redeem_plan_code(actor=TILL, member_id=member.id, code=first, now=NOON)
    other = make_member(now=NOON)
    redeem_plan_code(actor=TILL, member_id=other.id, code=second, now=NOON)
    assert [term.holding.member_id for term in PlanTerm.objects.all()] == [other.id]


# Refunds ---------------------------------------------------------------------------------------------------


def refund(who: Any, now: datetime, expected: int | None = None, plan: str = "plus") -> Any:
    return refund_plan(
        actor=TILL, member_id=who.id, plan=plan, sale=CASH, reason="no need", now=now, enjoyed=enjoyed_on_sales,
        expected_minor=expected,
    )  # fmt: skip


def test_a_refund_counts_what_the_plan_has_given(member: Any) -> None:
    buy(member, NOON)
    order = sell(("A", 60), now=NOON, member=member)  # 60.00 off
    sell(("A", 10), now=NOON, member=member)  # 10.00 off
    refund_order(actor=TILL, order_id=UUID(order["id"]), reason="back", now=NOON)
    redeem_entitlement(actor=TILL, member_id=member.id, entitlement="check", store=store(), now=NOON)
    quote = quote_plan_refund(member_id=member.id, plan="plus", now=NOON + DAY, enjoyed=enjoyed_on_sales)
    assert (quote["used_discounts_minor"], quote["used_entitlements_minor"]) == (1000, 3000)
    assert quote["refund_minor"] == 12000 - 4000
    with pytest.raises(errors.PlanRefundChanged):
        refund(member, NOON + DAY, expected=1)
    done = refund(member, NOON + DAY, expected=8000)
    assert done.refund_minor == 8000
    assert price(member, ("A", 1), now=NOON + DAY)["payable_minor"] == 1000
    with pytest.raises(errors.PlanNotHeld):
        refund(member, NOON + DAY)
    totals = plan_totals(NOON + 2 * DAY, ZONE)
    assert (totals.paid_minor, totals.earned_minor, totals.unearned_minor, totals.refunded_minor) == (
        (12000, 4000, 0, 8000)
    )
    assert (totals.holders, totals.ended) == (0, 1)
    assert verify_plans(now=NOON) == []


def test_what_a_level_takes_off_through_a_plan_is_use_of_the_plan(db: Any) -> None:
    make_club(plan(benefits={"discount_percent": "0"}, tier="gold", refund={"full_days": 7}))
    plain, silver = make_member(now=NOON - DAY), make_member(now=NOON - DAY)
    sell(("A", 100), now=NOON - DAY, member=silver)
    for who, used in ((plain, 5000), (silver, 3000)):
        buy(who, NOON)
        sell(("A", 100), now=NOON + DAY, member=who)  # 5 % off; a silver member has 2 % without the plan
        quote = quote_plan_refund(member_id=who.id, plan="plus", now=NOON + DAY, enjoyed=enjoyed_on_sales)
        assert (quote["used_discounts_minor"], quote["refund_minor"]) == (used, 12000 - used)
        assert not quote["is_full"]


@pytest.mark.parametrize(
    ("rules", "used", "later", "back"),
    [
        ({}, False, 0, 12000),  # sold by mistake, and noticed the same day
        ({}, True, 0, 12000 - 100),
        ({}, False, 1, 12000 - 65),
        ({"full_days": 0}, False, 0, 12000 - 32),
    ],
)
def test_an_unused_plan_is_taken_back_whole_on_the_day_of_its_sale(
    db: Any, rules: dict[str, Any], used: bool, later: int, back: int
) -> None:
    make_club(plan(refund={**rules, "fee_percent": "0"}))
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    if used:
        sell(("A", 1), now=NOON, member=who)
    quote = quote_plan_refund(member_id=who.id, plan="plus", now=NOON + later * DAY, enjoyed=enjoyed_on_sales)
    assert (quote["refund_minor"], quote["is_full"]) == (back, back == 12000)


def test_terms_to_come_are_paid_back_whole(member: Any) -> None:
    first = buy(member, NOON)
    at = first.ends_at - 10 * DAY
    renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=at)
    quote = quote_plan_refund(member_id=member.id, plan="plus", now=at, enjoyed=enjoyed_on_sales)
    assert quote["paid_minor"] == 24000
    assert quote["refund_minor"] == 12000 + 12000 - 12000 * 356 // 365
    refund(member, at)
    assert [p.held for p in plans_of(member_id=member.id, now=at)] == [False]
    assert verify_plans(now=NOON) == []


def test_figures_add_up_day_by_day(member: Any) -> None:
    buy(member, NOON)
    at = NOON + 40 * DAY
    (month,) = plan_figures(begin=NOON + 10 * DAY, end=at, now=at, time_zone=ZONE)
    before, after = (plan_totals(t, ZONE).earned_minor for t in (NOON + 10 * DAY, at))
    assert month.earned_minor == after - before
    assert (month.holders, month.sold, month.unearned_minor) == (1, 0, 12000 - after)


# Renewing by itself ----------------------------------------------------------------------------------------


def renewing(who: Any, *script: str) -> tuple[PlanTerm, PlanHolding]:
    term = buy(who, NOON)
    holding = start_auto_renew(actor=TILL, member_id=who.id, plan="plus", now=NOON)
    LocalAccount.objects.update(script=list(script))
    assert holding.charge_at == term.ends_at - DAY
    return term, holding


def test_a_plan_renews_itself(member: Any) -> None:
    term, _holding = renewing(member)
    assert charge_due(now=term.ends_at - 2 * DAY) == 0
    at = term.ends_at - DAY
    assert charge_due(now=at) == 1
    assert charge_due(now=at) == 0
    second = PlanTerm.objects.get(seq=2)
    assert (second.cause, second.starts_at, second.paid_minor) == ("auto_renewed", term.ends_at, 12000)
    assert LocalPayment.objects.count() == 1
    assert PlanHolding.objects.get().charge_at == second.ends_at - DAY
    assert verify_plans(now=NOON) == []


def test_a_declined_charge_is_tried_again_on_schedule_and_then_given_up(member: Any) -> None:
    term, _holding = renewing(member, "declined", "declined", "declined")
    at = term.ends_at - DAY
    tried = []
    for hour in range(24 * 6):
        now = at + timedelta(hours=hour)
        end_plans(now=now)
        if charge_due(now=now):
            tried.append(hour // 24)
    assert tried == [0, 1, 3]  # again after one day, then after two
    names = list(OutboxEvent.objects.order_by("id").values_list("name", flat=True))
    assert names.count("loyalty.plan_charge_failed.v1") == 2
    assert names.count("loyalty.plan_renewal_given_up.v1") == 1
    assert names.count("loyalty.plan_ended.v1") == 1
    assert PlanTerm.objects.count() == 1


def test_an_answer_that_was_lost_is_asked_for_and_nothing_is_charged_twice(member: Any) -> None:
    term, _holding = renewing(member, "lost")
    at = term.ends_at - DAY
    charge_due(now=at)
    assert PlanCharge.objects.get().state == "unknown"
    assert PlanTerm.objects.count() == 1
    charge_due(now=at + timedelta(hours=1))
    assert PlanCharge.objects.get().state == "approved"
    assert (LocalPayment.objects.count(), PlanTerm.objects.count()) == (1, 2)


def test_a_timeout_that_charged_nothing_is_charged_later(member: Any) -> None:
    term, _holding = renewing(member, "timeout")
    at = term.ends_at - DAY
    charge_due(now=at)
    assert LocalPayment.objects.count() == 0
    charge_due(now=at + timedelta(hours=1))
    assert (LocalPayment.objects.count(), PlanTerm.objects.count()) == (1, 2)


def test_a_worker_that_dies_after_charging_leaves_a_charge_that_is_settled_once(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shuke.loyalty.plans import renewals

    term, _holding = renewing(member)
    at = term.ends_at - DAY

    def die(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(renewals, "settle_charge", die)
        charge_due(now=at)
    assert charge_due(now=at + timedelta(minutes=1)) == 0  # still leased
    assert charge_due(now=at + renewals.LEASE) == 1
    assert (LocalPayment.objects.count(), PlanTerm.objects.count()) == (1, 2)


@pytest.mark.parametrize("became", ["lost", "timeout"])
@pytest.mark.parametrize("meanwhile", ["renewed", "withdrawn", "refunded"])
def test_a_charge_without_an_answer_is_asked_for_whatever_became_of_the_plan(
    member: Any, meanwhile: str, became: str
) -> None:
    term, _holding = renewing(member, became)
    at = term.ends_at - DAY
    charge_due(now=at)
    if meanwhile == "renewed":
        renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=at)
    elif meanwhile == "withdrawn":
        cancel_auto_renew(actor=TILL, member_id=member.id, plan="plus", now=at)
    else:
        refund(member, at)
    for hours in range(1, 60):
        charge_due(now=at + timedelta(hours=hours))
    payments = LocalPayment.objects.count()
    assert payments == (became == "lost")  # and nothing was charged that nobody wanted any more
    assert PlanTerm.objects.filter(cause="auto_renewed").count() == payments
    assert PlanCharge.objects.get().state == ("approved" if payments else "given_up")
    holding = PlanHolding.objects.get()
    assert holding.charge_at == (holding.until - DAY if meanwhile == "renewed" else None)
    assert verify_plans(now=NOON) == []


def test_a_decline_that_comes_after_a_sale_by_hand_charges_nothing_early(member: Any) -> None:
    term, _holding = renewing(member, "timeout")
    at = term.ends_at - DAY
    charge_due(now=at)
    renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=at)
    confirm_charge(reference=PlanCharge.objects.get().reference, outcome="declined", now=at)
    for days in range(10):
        charge_due(now=at + days * DAY)
    assert LocalPayment.objects.count() == 0
    holding = PlanHolding.objects.get()
    assert holding.charge_at == holding.until - DAY


def test_a_confirmation_from_outside_counts_once(member: Any) -> None:
    term, _holding = renewing(member, "lost")
    charge_due(now=term.ends_at - DAY)
    reference = PlanCharge.objects.get().reference
    for _ in range(2):
        confirm_charge(reference=reference, outcome="approved", now=term.ends_at)
    confirm_charge(reference=reference, outcome="declined", now=term.ends_at)
    charge_due(now=term.ends_at + DAY)
    assert PlanTerm.objects.count() == 2
    with pytest.raises(errors.UnknownCharge):
        confirm_charge(reference="x", outcome="approved", now=NOON)
    assert verify_plans(now=NOON) == []


def test_withdrawing_leave_ends_renewing_but_not_the_plan(member: Any) -> None:
    term, _holding = renewing(member)
    cancel_auto_renew(actor=TILL, member_id=member.id, plan="plus", now=NOON + DAY)
    cancel_auto_renew(actor=TILL, member_id=member.id, plan="plus", now=NOON + DAY)
    assert LocalAccount.objects.get().closed_at == NOON + DAY
    assert charge_due(now=term.ends_at) == 0
    assert price(member, ("A", 1), now=term.ends_at - DAY)["payable_minor"] == 900
    assert AuditEvent.objects.filter(action="loyalty.plan_auto_renew_cancelled.v1").count() == 1


# Ends and reminders ----------------------------------------------------------------------------------------


def test_reminders_and_ends_are_told_once(member: Any) -> None:
    term = buy(member, NOON)
    for hour in range(-24 * 9, 24 * 5, 7):
        now = term.ends_at + timedelta(hours=hour)
        for _ in range(2):
            remind_holders(now=now)
            end_plans(now=now)
    told = OutboxEvent.objects.filter(name__in=_ENDS).order_by("id").values_list("name", "payload")
    assert [(name, payload.get("days")) for name, payload in told] == [
        ("loyalty.plan_ending.v1", 7),
        ("loyalty.plan_ending.v1", 1),
        ("loyalty.plan_in_grace.v1", None),
        ("loyalty.plan_ended.v1", None),
    ]
    assert verify_plans(now=NOON) == []


_ENDS = [f"loyalty.{kind}.v1" for kind in ("plan_ending", "plan_in_grace", "plan_ended")]


# Entitlements ----------------------------------------------------------------------------------------------


def store(code: str = "S1") -> Any:

    return Store.objects.get(code=code)


def take(who: Any, now: datetime = NOON, at: str = "S1", code: str = "check") -> Any:
    return redeem_entitlement(actor=TILL, member_id=who.id, entitlement=code, store=store(at), now=now)


def test_an_entitlement_is_had_as_often_as_its_quota_says(member: Any) -> None:
    with pytest.raises(errors.UnknownEntitlement):
        take(member)
    term = buy(member, NOON)
    with pytest.raises(errors.EntitlementNotHere):
        take(member, at="S2")
    first = take(member)
    take(member)
    with pytest.raises(errors.EntitlementUsedUp):
        take(member)
    undo_entitlement(actor=TILL, use_id=first.id, reason="wrong member", now=NOON)
    with pytest.raises(errors.UseUndone):
        undo_entitlement(actor=TILL, use_id=first.id, reason="again", now=NOON)
    take(member)
    (state,) = entitlements_of(member_id=member.id, now=NOON)
    assert (state.used, state.left) == (2, 0)
    renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=term.ends_at - DAY)
    (fresh,) = entitlements_of(member_id=member.id, now=term.ends_at)
    assert fresh.left == 2  # a quota of a term begins anew with the next


def test_the_term_of_a_tier_is_not_begun_anew_each_day(db: Any) -> None:
    gift = {"code": "hello", "name": {"zh-Hans": "见面礼"}, "quota": 1, "period": "term"}
    levels = [
        {
            "code": "basic",
            "name": {"zh-Hans": "普通"},
            "threshold": "0",
            "benefits": {"entitlements": [gift]},
        },
        {"code": "gold", "name": {"zh-Hans": "金"}, "threshold": "100", "benefits": {"entitlements": [gift]}},
    ]
    make_club(plan(benefits={}), tiers={"metric": "spend", "levels": levels})
    who = make_member(now=NOON - DAY)
    take(who, code="hello")
    with pytest.raises(errors.EntitlementUsedUp):
        take(who, NOON + DAY, code="hello")
    sell(("A", 20), now=NOON + 2 * DAY, member=who)
    take(who, NOON + 2 * DAY, code="hello")  # gold began a term of its own
    with pytest.raises(errors.EntitlementUsedUp):
        take(who, NOON + 30 * DAY, code="hello")


def stocked(quota: int = 5, stock: int = 3) -> dict[str, Any]:
    gift = {"code": "mug", "name": {"zh-Hans": "马克杯"}, "quota": quota, "stock": stock}
    return plan(benefits={"entitlements": [gift]})


@pytest.mark.parametrize(("stacking", "had"), [("best", [2, 0, 0]), ("add", [2, 2, 2])])
def test_a_plan_that_is_bought_begins_no_quota_of_the_tier_anew(
    db: Any, stacking: str, had: list[int]
) -> None:
    check = {"code": "check", "name": {"zh-Hans": "体测"}, "quota": 2, "period": "term", "worth": "30.00"}
    levels = [dict(each) for each in BASE["tiers"]["levels"]]
    levels[0]["benefits"] = {"entitlements": [check]}
    make_club(
        {**PLUS, "benefits": {"entitlements": [check]}, "refund": {"full_days": 7}},
        tiers={"levels": levels},
        policies={"benefit_stacking": stacking},
    )
    who = make_member(now=NOON - DAY)
    found, paid_back = [], []
    for day in range(3):
        at = NOON + day * DAY
        if day:
            buy(who, at)
        left = next(each.left for each in entitlements_of(member_id=who.id, now=at))
        for _ in range(left):
            redeem_entitlement(actor=TILL, member_id=who.id, entitlement="check", store=store(), now=at)
        found.append(left)
        with pytest.raises(errors.EntitlementUsedUp):
            redeem_entitlement(actor=TILL, member_id=who.id, entitlement="check", store=store(), now=at)
        if day:
            paid_back.append(refund(who, at).refund_minor)
    assert found == had
    # What came through the plan alone is kept of its price.
    assert paid_back == [12000 - 3000 * count for count in had[1:]]
    assert verify_plans(now=NOON) == []


def test_gifts_end_with_their_stock(db: Any) -> None:
    make_club(stocked())
    who = make_member(now=NOON - DAY)
    buy(who, NOON)
    uses = [take(who, code="mug") for _ in range(3)]
    with pytest.raises(errors.EntitlementOutOfStock):
        take(who, code="mug")
    undo_entitlement(actor=TILL, use_id=uses[0].id, reason="broken", now=NOON)
    take(who, code="mug")
    assert entitlements_of(member_id=who.id, now=NOON)[0].left == 0
    assert verify_plans(now=NOON) == []


@pytest.mark.django_db(transaction=True)
def test_two_counters_cannot_pass_a_quota_nor_a_stock() -> None:
    make_club(stocked(quota=2, stock=5))
    members = [make_member(now=NOON - DAY) for _ in range(4)]
    for who in members:
        buy(who, NOON)
    barrier, given = Barrier(12), list[int]()

    def counter(who: Any) -> None:
        try:
            barrier.wait()
            take(who, code="mug")
            given.append(1)
        except (errors.EntitlementUsedUp, errors.EntitlementOutOfStock):
            pass
        finally:
            connection.close()

    threads = [Thread(target=counter, args=(members[n % 4],)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 5
    assert verify_plans(now=NOON) == []


def test_verification_finds_what_was_tampered_with(member: Any) -> None:
    buy(member, NOON)
    MemberGroup.objects.update(until=NOON)
    PlanHolding.objects.update(until=NOON + DAY)
    assert {d.what for d in verify_plans(now=NOON)} == {"end of the holding", "group of the holding"}
