"""The level that a plan brings, in the history of tiers: given with the plan, ended with it, and the two agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from shuke.catalog.models import Product, Store
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.explain import explain_tier
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.simulate.operations import ask, simulate
from shuke.checkout.simulate.reading import Reader, Wanted
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.words import tier_step
from shuke.core.models import OutboxEvent
from shuke.loyalty.models import Standing
from shuke.loyalty.plans.dues import end_plans
from shuke.loyalty.plans.entitlements import redeem_entitlement
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code
from shuke.loyalty.plans.giving import give_tier_packs
from shuke.loyalty.plans.levels import align_levels
from shuke.loyalty.plans.models import PlanHolding
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.selling import renew_plan, start_trial, upgrade_plan
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.tier_history import held_tiers, list_tier_changes
from shuke.loyalty.tier_reviews import review_tiers
from tests.factories.checkout import TILL, publish, sale, sell
from tests.factories.members import make_member
from tests.factories.plans import BLACK, CASH, PLUS, buy, make_club, plan
from tests.factories.programmes import BASE, document

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""
DAY = timedelta(days=1)
SILVER = plan(tier="silver", benefits={"discount_percent": "0", "multiplier": "1"})
GOLD = plan(BLACK, tier="gold", benefits={"discount_percent": "0", "multiplier": "1"})


@pytest.fixture
def member(db: Any) -> Any:
    make_club(SILVER)
    publish(plans=[SILVER, GOLD])
    forget_versions()
    return make_member(now=NOON - DAY)


def story(who: Any) -> list[tuple[str, str, str]]:
    """(from, to, why) in words, oldest first."""
    steps = list_tier_changes(who.id).steps[::-1]
    with override("en"):
        return [(s.change.from_tier, s.change.to_tier, tier_step(s.change.cause, s.grant)) for s in steps]


def news() -> list[tuple[str, str]]:
    told = OutboxEvent.objects.filter(name="loyalty.tier_changed.v1").order_by("id")
    return [(event.payload["from"], event.payload["to"]) for event in told]


def proved(now: datetime) -> bool:
    return replay_tiers().differences == () and verify_plans(now=now) == []


def tier_at(who: Any, at: datetime) -> tuple[str, str]:
    told = explain_tier(member_id=who.id, as_of=at, joined_at=NOON - DAY)
    assert told is not None
    with override("en"):
        return told.tier, tier_step(told.cause, told.grant)


def test_a_sale_brings_the_level_a_renewal_keeps_it_and_the_end_takes_it(member: Any) -> None:
    first = buy(member, NOON)
    (track,) = held_tiers(member.id, NOON)
    assert (track.state.tier, track.state.earned.tier) == ("silver", "classic")
    assert [(g.reference, g.until) for g in track.grants] == [("plus:1", first.ends_at + 3 * DAY)]
    late = first.ends_at - DAY
    second = renew_plan(actor=TILL, member_id=member.id, plan="plus", sale=CASH, now=late)
    over = second.ends_at + 3 * DAY
    review_tiers(now=first.ends_at + 4 * DAY, qualifying=qualifying_totals)
    assert Standing.objects.get().tier == "silver"
    end_plans(now=over)
    review_tiers(now=over, qualifying=qualifying_totals)
    assert story(member) == [
        ("classic", "silver", "With the plan Plus, bought"),
        ("silver", "silver", "With the plan Plus, renewed"),
        ("silver", "silver", "The term of the plan Plus ended"),
        ("silver", "classic", "The term of the plan Plus ended"),
    ]
    assert news() == [("classic", "silver"), ("silver", "classic")]
    assert tier_at(member, NOON - timedelta(hours=1))[0] == "classic"
    assert tier_at(member, NOON) == ("silver", "With the plan Plus, bought")
    assert tier_at(member, over - timedelta(seconds=1))[0] == "silver"
    assert tier_at(member, over) == ("classic", "The term of the plan Plus ended")
    assert proved(over)


def test_a_refund_ends_the_level_and_what_it_took_off_counts_as_used(member: Any) -> None:
    buy(member, NOON)
    answer = sell(("A", 100), now=NOON, member=member)  # silver: 2 %
    assert answer["payable_minor"] == 98000
    assert Order.objects.get().tier == "classic"  # what is held without the plan
    quote = quote_plan_refund(member_id=member.id, plan="plus", now=NOON, enjoyed=enjoyed_on_sales)
    assert quote["used_discounts_minor"] == 2000
    refund_plan(
        actor=TILL,
        member_id=member.id,
        plan="plus",
        sale=CASH,
        reason="x",
        now=NOON,
        enjoyed=enjoyed_on_sales,
    )
    assert story(member)[-1] == ("silver", "classic", "The plan Plus was paid back")
    assert news() == [("classic", "silver"), ("silver", "classic")]
    assert proved(NOON)


@pytest.mark.parametrize(("spent", "used"), [(0, 2000 + 700), (400, 0)])
def test_what_the_level_gives_is_given_by_the_plan_unless_the_member_has_reached_it(
    db: Any, spent: int, used: int
) -> None:
    tea = {"code": "tea", "name": {"zh-Hans": "茶"}, "quota": 1, "period": "month", "worth": "20.00"}
    packs = [
        {"code": "kit", "period": "month", "worth": "7.00", "coupons": [{"template": "ten", "count": 1}]}
    ]
    low, _silver, gold = BASE["tiers"]["levels"]
    rich = {**gold, "benefits": {"entitlements": [tea], "packs": packs}}
    ten = {"code": "ten", "name": {"zh-Hans": "十元"}, "type": "amount_off", "amount": "10"}
    bare = plan(PLUS, tier="gold", benefits={"discount_percent": "0", "multiplier": "1"})
    shop = make_club(bare, tiers={"levels": [low, rich]}, coupons=[ten])
    who = make_member(now=NOON - DAY)
    if spent:
        sell(("A", spent), now=NOON - timedelta(hours=1), member=who)
    buy(who, NOON)
    redeem_entitlement(actor=TILL, member_id=who.id, entitlement="tea", store=shop, now=NOON)
    give_tier_packs(now=NOON)
    quote = quote_plan_refund(member_id=who.id, plan="plus", now=NOON, enjoyed=enjoyed_on_sales)
    assert quote["used_entitlements_minor"] + quote["used_packs_minor"] == used
    assert quote["is_full"] == (used == 0)


def test_what_is_earned_beneath_remains_when_the_plan_ends(member: Any) -> None:
    buy(member, NOON)
    sell(("A", 400), now=NOON + DAY, member=member)  # 3920.00 qualifies for gold
    refund_plan(
        actor=TILL,
        member_id=member.id,
        plan="plus",
        sale=CASH,
        reason="x",
        now=NOON + 2 * DAY,
        enjoyed=enjoyed_on_sales,
    )
    assert [step[:2] for step in story(member)] == [
        ("classic", "silver"),
        ("silver", "gold"),
        ("gold", "gold"),
    ]
    assert proved(NOON + 2 * DAY)


def test_an_upgrade_goes_from_level_to_level_without_falling_in_between(member: Any) -> None:
    start_trial(actor=TILL, member_id=member.id, plan="plus", now=NOON)
    buy(member, NOON)
    upgrade_plan(
        actor=TILL,
        member_id=member.id,
        plan="plus",
        target="black",
        sale=CASH,
        now=NOON + DAY,
        enjoyed=enjoyed_on_sales,
    )
    assert story(member) == [
        ("classic", "silver", "With the plan Plus, tried"),
        ("silver", "silver", "With the plan Plus, bought"),
        ("silver", "gold", "With the plan Black, upgraded to"),
        ("gold", "gold", "The plan Plus was given up for a better one"),
        ("gold", "gold", "The plan Plus was given up for a better one"),
    ]
    assert news() == [("classic", "silver"), ("silver", "gold")]
    assert proved(NOON + DAY)


def test_a_gift_that_is_redeemed_brings_the_level(member: Any) -> None:
    (code,) = codes_of(gift_plan(actor=TILL, plan="plus", sale=CASH, now=NOON))
    redeem_plan_code(actor=TILL, member_id=member.id, code=code, now=NOON + DAY)
    assert story(member) == [("classic", "silver", "With the plan Plus, redeemed as a gift")]
    assert proved(NOON + DAY)


def test_a_version_that_brings_another_level_is_followed_once(member: Any) -> None:
    buy(member, NOON)
    begin = NOON + 10 * DAY
    publish(begin, plans=[plan(SILVER, tier="gold"), GOLD])
    forget_versions()
    assert sell(("A", 10), now=begin, member=member)["payable_minor"] == 9500  # at once
    assert (align_levels(now=begin), align_levels(now=begin)) == (1, 0)
    publish(begin + DAY, plans=[{**PLUS, "benefits": {}}, GOLD])
    forget_versions()
    assert (align_levels(now=begin + DAY), align_levels(now=begin + DAY)) == (1, 0)
    assert story(member) == [
        ("classic", "silver", "With the plan Plus, bought"),
        ("silver", "gold", "With the plan Plus, as a new version has it"),
        ("gold", "gold", "A new version changed what the plan Plus brings"),
        ("gold", "classic", "A new version changed what the plan Plus brings"),
    ]
    assert news() == [("classic", "silver"), ("silver", "gold"), ("gold", "classic")]
    assert proved(begin + 2 * DAY)


def test_a_holder_from_before_the_history_told_plans_gets_the_level_there(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shuke.loyalty.plans.rows.bring_level", lambda *given, **named: None)
    buy(member, NOON)
    assert {each.what for each in verify_plans(now=NOON + DAY)} == {"plan with a level"}
    assert align_levels(now=NOON + DAY) == 1
    assert Standing.objects.get().tier == "silver"
    assert proved(NOON + DAY)


def test_a_level_without_its_plan_is_found(member: Any) -> None:
    buy(member, NOON)
    PlanHolding.objects.update(grace_until=NOON + DAY)
    assert {"level of the plan", "plan with a level"} <= {each.what for each in verify_plans(now=NOON)}


@pytest.mark.parametrize("way", ["import", "offline"])
def test_a_sale_from_before_the_plan_that_arrives_late_gives_nobody_its_level_earlier(
    member: Any, way: str
) -> None:
    buy(member, NOON, "black")
    at, now = NOON - timedelta(hours=20), NOON + DAY
    store, product = Store.objects.get(code="S1"), Product.objects.get(sku="A")
    if way == "import":
        line = CartLine(str(product.id), "A", "FOOD", 1000, 200_000)
        order = HistoricOrder("old", "1", member.id, store.id, "S1", "pos", at, [line])
        commit_batch(reference="system:test", orders=[order], now=now)
    else:
        (got,) = commit_offline_sales(
            actor=TILL, rows=[OfflineSale(sale(("A", 200), member=member), at)], now=now
        )
        assert got.status == "committed"
    (track,) = held_tiers(member.id, now)
    assert (track.state.tier, track.state.earned.tier) == ("gold", "silver")
    hours = (at - timedelta(hours=1), at + timedelta(hours=1), NOON)
    assert [tier_at(member, when)[0] for when in hours] == ["classic", "silver", "gold"]
    assert proved(now)
    # A simulation begins with what was earned, too.
    programme = compile_programme(document(plans=[SILVER, GOLD]))
    wanted = Wanted(NOON + 5 * DAY, NOON + 30 * DAY, (programme, programme))
    start = Reader(wanted).starts([member.id])[member.id]
    assert (start.standings[""].tier, start.standings[""].earned.tier) == ("gold", "silver")


def test_an_upgrade_is_one_rise_in_a_simulation_too(member: Any) -> None:
    buy(member, NOON + 2 * DAY)
    upgrade_plan(
        actor=TILL, member_id=member.id, plan="plus", target="black", sale=CASH, now=NOON + 5 * DAY,
        enjoyed=enjoyed_on_sales,
    )  # fmt: skip
    since = NOON - timedelta(hours=12)
    asked = ask(
        document=document(plans=[SILVER, GOLD]), since=since, until=since + 20 * DAY, now=since + 30 * DAY
    )
    moves = simulate(asked)["tiers"]["moves"]["current"]
    assert {(each["from"], each["to"]) for each in moves} == {("classic", "silver"), ("silver", "gold")}
