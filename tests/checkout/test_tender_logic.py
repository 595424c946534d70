from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shuke.checkout.logic import Cart, CartLine, MemberFacts, price
from shuke.checkout.tender_logic import Funds, Paid, Tender
from shuke.checkout.values import PricingRefusal
from shuke.loyalty.tier_logic import TierState
from tests.factories.programmes import programme

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
MEMBER = MemberFacts(TierState("classic", datetime(2025, 1, 1, tzinfo=UTC), None), None, 100_000, 0)
CARD, OTHER = UUID(int=1), UUID(int=2)
VAT = {
    "prices": "inclusive",
    "default": "standard",
    "rates": [
        {"code": "standard", "name": {"zh-Hans": "标准"}, "percent": "13"},
        {"code": "food", "name": {"zh-Hans": "食品"}, "percent": "9", "categories": ["FOOD"]},
        {"code": "books", "name": {"zh-Hans": "图书"}, "percent": "0", "skus": ["sku2"]},
    ],
}


def cart(*amounts, tenders=(), points=0, categories=None, given=(), taxes=None):
    lines = tuple(
        CartLine(
            "p",
            f"sku{i}",
            (categories or [""] * len(amounts))[i],
            1000,
            amount,
            given,
            (taxes or [None] * len(amounts))[i],
        )
        for i, amount in enumerate(amounts)
    )
    return Cart(lines, "S1", "pos", True, points, tenders)


def paid(priced):
    return [(each.kind, each.amount_minor) for each in priced.paid]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("principal_first", [("stored_value", 600), ("bonus", 100)]),
        ("bonus_first", [("stored_value", 400), ("bonus", 300)]),
        # 700 of 600 + 300: 466.67 and 233.33, the larger remainder wins the cent
        ("proportional", [("stored_value", 467), ("bonus", 233)]),
    ],
)
def test_stored_value_splits_into_principal_and_bonus_as_the_policy_says(order, expected):
    plan = programme(stored_value={"spend_order": order})
    priced = price(plan, cart(1000, tenders=[Tender("stored_value", 700)]), MEMBER, NOW, Funds(600, 300))
    assert paid(priced) == expected
    assert priced.due_minor == 300


def test_bonus_money_pays_at_most_its_share_of_the_sale():
    plan = programme(stored_value={"spend_order": "bonus_first", "bonus_max_percent": "10"})
    priced = price(plan, cart(1000, tenders=[Tender("stored_value", None)]), MEMBER, NOW, Funds(500, 900))
    assert paid(priced) == [("stored_value", 500), ("bonus", 100)]
    with pytest.raises(PricingRefusal) as refusal:
        price(plan, cart(1000, tenders=[Tender("stored_value", 700)]), MEMBER, NOW, Funds(500, 900))
    assert (refusal.value.code, refusal.value.params) == ("tender_over_limit", {"asked": 700, "most": 600})


def test_the_rest_goes_to_the_ledger_first_and_then_to_the_wallet():
    plan = programme(stored_value={}, gift_cards={})
    tenders = [
        Tender("wechat", None, reference="wx1"),
        Tender("gift_card", None, CARD),
        Tender("cash", 150),
        Tender("stored_value", None),
    ]
    priced = price(plan, cart(1000, tenders=tenders), MEMBER, NOW, Funds(300, 0, {CARD: 200}))
    assert priced.paid == [
        Paid("wechat", 350, None, "wx1"),
        Paid("gift_card", 200, CARD),
        Paid("cash", 150),
        Paid("stored_value", 300),
    ]
    assert priced.due_minor == 500


@pytest.mark.parametrize(
    ("tenders", "code"),
    [
        ([Tender("stored_value", 901)], "not_enough_stored_value"),
        ([Tender("gift_card", 201, CARD)], "not_enough_on_gift_card"),
        ([Tender("gift_card", 1, OTHER)], "not_enough_on_gift_card"),
        ([Tender("gift_card", 1, CARD), Tender("gift_card", 1, CARD)], "tender_twice"),
        ([Tender("stored_value", 1), Tender("stored_value", 1)], "tender_twice"),
        ([Tender("cash", 1001)], "tenders_exceed"),
        ([Tender("stored_value", 500), Tender("cash", 501)], "tenders_exceed"),
        ([Tender("stored_value", 500), Tender("cash", 499)], "tenders_short"),
    ],
)
def test_tenders_that_cannot_be_are_refused_by_name(tenders, code):
    plan = programme(stored_value={}, gift_cards={})
    with pytest.raises(PricingRefusal) as refusal:
        price(plan, cart(1000, tenders=tenders), MEMBER, NOW, Funds(600, 300, {CARD: 200}))
    assert refusal.value.code == code


def test_stored_value_needs_a_member_and_a_programme_that_takes_it():
    tenders = [Tender("stored_value", 1)]
    with pytest.raises(PricingRefusal, match="stored_value_needs_member"):
        price(programme(stored_value={}), cart(1000, tenders=tenders), None, NOW, Funds(600))
    with pytest.raises(PricingRefusal, match="tender_not_accepted"):
        price(programme(), cart(1000, tenders=tenders), MEMBER, NOW, Funds(600))
    with pytest.raises(PricingRefusal, match="tender_not_accepted"):
        price(programme(), cart(1000, tenders=[Tender("gift_card", 1, CARD)]), MEMBER, NOW)


def test_what_is_paid_in_advance_earns_unless_the_policy_says_no():
    tenders = [Tender("stored_value", 400)]
    funds = Funds(300, 100)
    plan = programme(stored_value={})
    assert price(plan, cart(1000, tenders=tenders), MEMBER, NOW, funds).earned_of("points") == 10
    quiet = programme(stored_value={"earns": False})
    priced = price(quiet, cart(1000, tenders=tenders), MEMBER, NOW, funds)
    assert (priced.earned_of("points"), priced.qualifying_minor, priced.payable_minor) == (6, 600, 1000)


def test_prices_that_contain_tax_keep_their_total_and_tell_the_tax_per_rate():
    plan = programme(taxes=VAT)
    priced = price(plan, cart(11_300, 10_900, 5_000, categories=["", "FOOD/FRUIT", ""]), None, NOW)
    assert (priced.payable_minor, priced.tax_minor, priced.tax_added_minor) == (27_200, 2_200, 0)
    assert [(t.code, t.taxable_minor, t.tax_minor) for t in priced.taxes] == [
        ("standard", 10_000, 1_300),
        ("food", 10_000, 900),
        ("books", 5_000, 0),
    ]


def test_prices_without_tax_have_it_added_to_what_is_paid():
    plan = programme(taxes={**VAT, "prices": "exclusive"})
    priced = price(plan, cart(10_000, 10_000, categories=["", "FOOD"]), MEMBER, NOW)
    assert (priced.sales_minor, priced.payable_minor, priced.tax_added_minor) == (20_000, 22_200, 2_200)
    assert [line.payable_minor for line in priced.lines] == [11_300, 10_900]
    assert priced.earned_of("points") == 222
    net = programme(taxes={**VAT, "prices": "exclusive", "tax_earns": False})
    assert price(net, cart(10_000, 10_000, categories=["", "FOOD"]), MEMBER, NOW).earned_of("points") == 200


def test_a_tax_is_rounded_once_per_rate_and_spread_by_largest_remainder():
    plan = programme(taxes={**VAT, "prices": "exclusive"})
    # 13 % of 2 × 0.03 = 0.0078: one cent in all, where rounding each line would give none. The third bears 0 %.
    priced = price(plan, cart(3, 3, 3), None, NOW)
    assert [line.tax.tax_minor for line in priced.lines if line.tax] == [1, 0, 0]
    by_line = programme(taxes={**VAT, "prices": "exclusive", "round_per": "line"})
    assert price(by_line, cart(3, 3, 3), None, NOW).tax_minor == 0


def test_the_till_may_state_the_rate_of_a_line_and_an_unknown_one_is_refused():
    priced = price(programme(taxes=VAT), cart(10_900, taxes=["food"]), None, NOW)
    assert priced.tax_minor == 900
    with pytest.raises(PricingRefusal) as refusal:
        price(programme(taxes=VAT), cart(100, 100, taxes=[None, "luxury"]), None, NOW)
    assert (refusal.value.code, refusal.value.field) == ("unknown_tax_rate", "lines/1/tax")
    with pytest.raises(PricingRefusal, match="unknown_tax_rate"):
        price(programme(), cart(100, taxes=["food"]), None, NOW)


def test_points_lower_the_taxable_amount_unless_the_programme_says_they_are_a_payment():
    lower = price(programme(taxes=VAT), cart(22_600, points=10_000), MEMBER, NOW)
    assert (lower.points_minor, lower.tax_minor) == (10_000, 1_450)
    same = price(
        programme(taxes={**VAT, "points_reduce_tax": False}), cart(22_600, points=10_000), MEMBER, NOW
    )
    assert (same.points_minor, same.tax_minor) == (10_000, 2_600)


def test_payments_do_not_reduce_tax():
    plan = programme(taxes=VAT, stored_value={})
    tenders = [Tender("stored_value", None)]
    priced = price(plan, cart(11_300, tenders=tenders), MEMBER, NOW, Funds(5_000, 5_000))
    assert (priced.tax_minor, priced.due_minor) == (1_300, 1_300)


def test_a_discount_is_told_per_rate():
    plan = programme(taxes=VAT)
    priced = price(plan, cart(11_300, 10_900, categories=["", "FOOD"], given=(("sale", 113),)), None, NOW)
    assert [(t.code, t.discount_minor) for t in priced.taxes] == [("standard", 113), ("food", 113)]


CURRENCY_DOCUMENTS = [
    programme(
        currency=currency,
        tiers={"levels": [{"code": "classic", "name": {"zh-Hans": "普"}, "threshold": "0"}]},
        earning=[{"id": "base", "asset": "points", "give": 1, "per": per}],
        redemption={"points": 10, "worth": per, "step": 10, "minimum": 0, "max_percent": "50"},
        taxes={**VAT, "prices": prices, "round_per": per_line, "points_reduce_tax": reduce, "tax_earns": reduce},
        stored_value={"spend_order": order, "bonus_max_percent": "30", "earns": reduce},
        gift_cards={"earns": not reduce},
    )
    for currency, per in (("JPY", "1"), ("CNY", "1.00"), ("KWD", "1.000"))
    for prices, per_line, reduce, order in (
        ("inclusive", "rate", True, "proportional"),
        ("exclusive", "rate", True, "bonus_first"),
        ("exclusive", "line", False, "principal_first"),
        ("inclusive", "line", False, "proportional"),
    )
]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(
    plan=st.sampled_from(CURRENCY_DOCUMENTS),
    amounts=st.lists(st.integers(0, 10**7), min_size=1, max_size=8),
    share=st.integers(0, 100),
    points=st.integers(0, 100_000),
    funds=st.builds(Funds, st.integers(0, 10**6), st.integers(0, 10**5), st.just({CARD: 777})),
    inside=st.booleans(),
    wallet=st.booleans(),
    categories=st.lists(st.sampled_from(["", "FOOD", "FOOD/FRUIT", "TOOLS"]), min_size=8, max_size=8),
)
def test_every_cent_is_on_a_line_at_a_rate_and_with_a_tender(
    plan, amounts, share, points, funds, inside, wallet, categories
):
    given_off = tuple((("sale", amount * share // 100),) for amount in amounts)
    lines = tuple(
        CartLine("p", f"sku{i}", categories[i], 1000, amount, given_off[i])
        for i, amount in enumerate(amounts)
    )
    tenders = ([Tender("gift_card", None, CARD), Tender("stored_value", None)] if inside else []) + (
        [Tender("alipay", None)] if wallet else []
    )
    priced = price(plan, Cart(lines, "S1", "pos", True, points, tenders), MEMBER, NOW, funds)
    taxes = [line.tax for line in priced.lines]
    assert priced.payable_minor == priced.sales_minor - priced.points_minor + priced.tax_added_minor
    assert priced.payable_minor == sum(line.payable_minor for line in priced.lines)
    assert priced.tax_minor == sum(tax.tax_minor for tax in taxes if tax)
    assert priced.tax_minor == sum(total.tax_minor for total in priced.taxes)
    assert sum(t.discount_minor for t in priced.taxes) == priced.discount_minor
    assert all(line.payable_minor >= 0 and line.points_minor >= 0 for line in priced.lines)
    assert priced.qualifying_minor >= 0
    inside_minor = sum(each.amount_minor for each in priced.paid if each.is_inside)
    assert inside_minor + priced.due_minor == priced.payable_minor
    assert priced.due_minor >= 0
    if wallet:
        assert sum(each.amount_minor for each in priced.paid) == priced.payable_minor
    by_kind = dict(paid(priced))
    assert by_kind.get("stored_value", 0) <= funds.principal
    assert by_kind.get("bonus", 0) <= min(funds.bonus, priced.payable_minor * 30 // 100)
    assert by_kind.get("gift_card", 0) <= 777
    if plan.taxes.points_reduce and plan.taxes.included:
        for line, tax in zip(priced.lines, taxes, strict=True):
            assert tax is None or tax.taxable_minor + tax.tax_minor == line.payable_minor
