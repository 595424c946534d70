from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.checkout.logic import Cart, CartLine, MemberFacts, points_limit, price
from shuke.checkout.values import PricingRefusal
from shuke.loyalty.tier_logic import TierState
from tests.factories.programmes import programme

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)  # a Tuesday, noon in Shanghai
JOINED = datetime(2025, 1, 1, tzinfo=UTC)


def member(tier="classic", points=0, qualifying=0, birthday=None):
    return MemberFacts(TierState(tier, JOINED, None), birthday, points, qualifying)


def cart(*amounts, settled=False, points=0, categories=None, given=()):
    lines = tuple(
        CartLine("p", f"sku{i}", (categories or [""] * len(amounts))[i], 1000, amount, given)
        for i, amount in enumerate(amounts)
    )
    return Cart(lines, "S1", "pos", settled, points)


def test_earns_one_point_per_full_unit_and_spreads_it_over_lines():
    priced = price(programme(), cart(150, 149), member(), NOW)
    assert (priced.sales_minor, priced.earned_of("points"), priced.earned_of("growth")) == (299, 2, 2)
    assert [line.points for line in priced.lines] == [1, 1]


def test_tier_discount_is_rounded_once_and_allocated_to_lines():
    priced = price(programme(), cart(333, 333, 333), member("gold"), NOW)
    # 5 % of 9.99 = 0.4995, half up 0.50
    assert priced.discount_minor == 50
    assert [line.discount_minor for line in priced.lines] == [17, 17, 16]
    assert priced.lines[0].detail == [{"kind": "tier", "code": "gold", "percent": 5000, "minor": 17}]


def test_settled_prices_take_no_tier_discount_but_the_tier_multiplier_counts():
    priced = price(programme(), cart(1900, settled=True), member("gold"), NOW)
    assert priced.payable_minor == 1900
    # 19 base points × 1.5 = 28.5, floor
    assert priced.earned_of("points") == 28
    assert priced.earned[0].parts == [
        {"id": "base", "points": 19},
        {"id": "tier", "tier": "gold", "factor": "1.5", "points": 9},
    ]


@pytest.mark.parametrize(("rounding", "expected"), [("floor", 28), ("half_up", 29), ("ceil", 29)])
def test_a_multiplied_19_at_one_and_a_half_rounds_as_the_policy_says(rounding, expected):
    # Setono's earning tests: 1999 minor units, 1 per 100, ×1.5 of 19 = 28.5.
    plan = programme(policies={"multiplier_rounding": rounding})
    assert price(plan, cart(1999, settled=True), member("gold"), NOW).earned_of("points") == expected


def test_two_rules_add_up_each_on_its_own_steps():
    # Setono: 1 per 100 plus 1 per 200 on 1999 → 19 + 9.
    rules = [
        {"id": "a", "asset": "points", "give": 1, "per": "1.00"},
        {"id": "b", "asset": "points", "give": 1, "per": "2.00"},
    ]
    assert price(programme(earning=rules), cart(1999), member(), NOW).earned_of("points") == 28


def test_three_per_hundred_on_4000_gives_120():
    rules = [{"id": "a", "asset": "points", "give": 3, "per": "1.00"}]
    assert price(programme(earning=rules), cart(4000), member(), NOW).earned_of("points") == 120


@pytest.mark.parametrize(
    ("asked", "sale", "rules", "expected"),
    [
        # Setono's redemption tests: 1 point = 1 minor unit.
        (5000, 10_000, {"max_percent": "50"}, 5000),
        (10_000, 10_000, {"max_percent": "50"}, 5000),
        (1050, 10_000, {"step": 100}, 1000),
        (400, 10_000, {"minimum": 500}, 0),
    ],
)
def test_points_as_cash_respects_share_step_and_minimum(asked, sale, rules, expected):
    redemption = {"points": 1, "worth": "0.01", "step": 1, "minimum": 0, "max_percent": "100", **rules}
    priced = price(programme(redemption=redemption), cart(sale, points=asked), member(points=20_000), NOW)
    assert (priced.points_used, priced.points_minor) == (expected, expected)


def test_what_points_pay_does_not_earn_unless_the_policy_says_so():
    base = price(programme(), cart(10_000, points=5000), member(points=5000), NOW)
    assert (base.points_minor, base.payable_minor, base.earned_of("points")) == (5000, 5000, 50)
    generous = programme(policies={"points_paid_earn": True})
    assert price(generous, cart(10_000, points=5000), member(points=5000), NOW).earned_of("points") == 100


def test_more_points_than_the_member_has_is_refused_with_the_figures():
    with pytest.raises(PricingRefusal) as refusal:
        price(programme(), cart(10_000, points=500), member(points=300), NOW)
    assert (refusal.value.code, refusal.value.params) == ("not_enough_points", {"asked": 500, "usable": 300})


def test_points_without_a_member_or_a_redemption_rule_are_refused():
    with pytest.raises(PricingRefusal, match="points_need_member"):
        price(programme(), cart(10_000, points=100), None, NOW)
    with pytest.raises(PricingRefusal, match="points_not_accepted"):
        price(programme(redemption=None), cart(10_000, points=100), member(points=100), NOW)


def test_a_discount_beyond_the_price_is_refused_by_line():
    with pytest.raises(PricingRefusal) as refusal:
        price(programme(), cart(100, given=(("promo", 101),)), member(), NOW)
    assert (refusal.value.code, refusal.value.field) == ("discount_exceeds_price", "lines/0/discounts")


def test_crossing_a_threshold_moves_the_tier_in_the_same_sale():
    priced = price(programme(), cart(10_000), member(qualifying=90_000), NOW)
    assert priced.move is not None
    assert (priced.move.after.tier, priced.move.cause, priced.move.metric) == ("silver", "qualified", 100_000)
    # Reached on 10 March 2026, kept to the end of March 2027 (Shanghai).
    assert priced.move.after.review_at == datetime(2027, 3, 31, 16, tzinfo=UTC)
    assert price(programme(), cart(9_999), member(qualifying=90_000), NOW).move is None


def multipliers(*items, stacking="add"):
    return programme(multipliers=list(items), policies={"multiplier_stacking": stacking})


DOUBLE_TUESDAY = {"id": "tuesday", "factor": "2", "when": {"weekdays": ["tue"]}}
DAIRY = {"id": "dairy", "factor": "3", "when": {"categories": ["FOOD/DAIRY"]}}


@pytest.mark.parametrize(("stacking", "expected"), [("add", 25), ("best", 20), ("multiply", 30)])
def test_multipliers_stack_as_the_policy_says(stacking, expected):
    plan = multipliers(DOUBLE_TUESDAY, stacking=stacking)
    assert price(plan, cart(1000, settled=True), member("gold"), NOW).earned_of("points") == expected


def test_a_category_multiplier_touches_its_lines_only_and_not_a_namesake():
    plan = multipliers(DAIRY)
    priced = price(plan, cart(1000, 1000, categories=["FOOD/DAIRY/MILK", "FOOD/DAIRYFREE"]), member(), NOW)
    assert [line.points for line in priced.lines] == [30, 10]


def test_conditions_look_at_the_shop_s_own_calendar():
    plan = multipliers(DOUBLE_TUESDAY)
    monday_evening_utc = datetime(2026, 3, 9, 16, 30, tzinfo=UTC)  # already Tuesday in Shanghai
    assert price(plan, cart(1000), member(), monday_evening_utc).earned_of("points") == 20
    tuesday_evening_utc = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)  # already Wednesday
    assert price(plan, cart(1000), member(), tuesday_evening_utc).earned_of("points") == 10


def test_birthday_month_needs_a_known_birthday():
    plan = multipliers({"id": "birthday", "factor": "2", "when": {"birthday_month": True}})
    assert price(plan, cart(1000), member(birthday=(3, 31)), NOW).earned_of("points") == 20
    assert price(plan, cart(1000), member(birthday=(4, 1)), NOW).earned_of("points") == 10
    assert price(plan, cart(1000), member(), NOW).earned_of("points") == 10


amounts = st.lists(st.integers(0, 5_000_000), min_size=1, max_size=12)


@given(
    amounts=amounts,
    points=st.integers(0, 200_000),
    tier=st.sampled_from(["classic", "silver", "gold"]),
    settled=st.booleans(),
    stacking=st.sampled_from(["add", "best", "multiply"]),
    rounding=st.sampled_from(["floor", "half_up", "ceil"]),
)
def test_every_figure_adds_up_over_lines_and_over_rules(amounts, points, tier, settled, stacking, rounding):
    plan = programme(
        multipliers=[DOUBLE_TUESDAY, DAIRY],
        policies={"multiplier_stacking": stacking, "multiplier_rounding": rounding},
    )
    categories = ["FOOD/DAIRY" if i % 3 == 0 else "FOOD" for i in range(len(amounts))]
    facts = member(tier, points=points)
    asked = min(points, points_limit(plan, facts, sum(amounts)))
    priced = price(plan, cart(*amounts, settled=settled, points=asked, categories=categories), facts, NOW)
    for name in ("list_minor", "discount_minor", "points_minor", "payable_minor"):
        assert getattr(priced, name) == sum(getattr(line, name) for line in priced.lines)
    for line in priced.lines:
        assert line.list_minor - line.discount_minor - line.points_minor == line.payable_minor >= 0
        assert line.points >= 0
    for earned in priced.earned:
        assert earned.total == sum(earned.by_line) == sum(part["points"] for part in earned.parts)
    assert priced.earned_of("points") == sum(line.points for line in priced.lines)
    assert priced.points_used % 100 == 0
    assert priced.points_minor == priced.points_used
    assert priced.points_minor * 2 <= priced.sales_minor


@given(amounts=amounts, points=st.integers(0, 10**6))
def test_the_limit_shown_is_a_limit_that_is_accepted(amounts, points):
    plan, facts = programme(), member(points=points)
    limit = points_limit(plan, facts, sum(amounts))
    assert price(plan, cart(*amounts, points=limit), facts, NOW).points_used == limit
