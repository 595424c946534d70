"""What each type takes off, when a coupon counts and the precise reason when it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shuke.rewards.logic import Applied, apply, prepare
from shuke.rewards.values import (
    Candidate,
    CouponTemplate,
    DayPart,
    Goods,
    Limits,
    Occasion,
    Reason,
    Room,
    Scope,
    Stacking,
    Step,
)
from tests.rewards.carts import AT, Item, candidate, cart

HERE = Occasion(AT, "s1", "pos")


def template(kind: Any, code: str = "t", **terms: Any) -> CouponTemplate:
    return CouponTemplate(code, {"zh-Hans": code}, kind, **terms)


def off(kind: Any, *items: Item, **terms: Any) -> list[int]:
    """What the coupon takes off each line."""
    case = prepare([candidate(template(kind, **terms))], *cart(*items), HERE)
    assert case.refused == {}
    applied = apply(case, case.ready)
    assert [b - left for b, left in zip(case.sold.base, applied.left, strict=True)] == [
        applied.used[0].taken.off.get(i, 0) for i in range(len(items))
    ]
    return [b - left for b, left in zip(case.sold.base, applied.left, strict=True)]


def why_not(coupon: Candidate, *items: Item, occasion: Occasion = HERE) -> Reason:
    return prepare([coupon], *cart(*items), occasion).refused[coupon.id]


# Voucherify's example: 20/45/60/50 with quantities 2/3/3/2, the first three eligible.
VOUCHERIFY = (Item("a", 2000, 2000), Item("b", 4500, 3000), Item("c", 6000, 3000), Item("x", 5000, 2000))
FIRST_THREE = Scope(goods=Goods(skus=frozenset("abc")))


def test_ten_off_by_amount() -> None:
    assert off("amount_off", *VOUCHERIFY, amount=1000, scope=FIRST_THREE) == [160, 360, 480, 0]


def test_ten_off_by_quantity() -> None:
    found = off("amount_off", *VOUCHERIFY, amount=1000, scope=FIRST_THREE, spread="quantity")
    assert found == [250, 375, 375, 0]


def test_ten_off_each_unit() -> None:
    assert sum(off("amount_off", *VOUCHERIFY, amount=1000, scope=FIRST_THREE, each_unit=True)) == 8000


def test_by_quantity_no_line_gives_more_than_it_costs() -> None:
    items = (Item("a", 100, 9000), Item("b", 5000, 1000))
    assert off("amount_off", *items, amount=1000, spread="quantity") == [100, 900]


@pytest.mark.parametrize(
    ("kind", "terms", "items", "expected"),
    [
        ("amount_off", {"amount": 5000}, [Item("a", 300), Item("b", 200)], [300, 200]),
        ("threshold", {"steps": (Step(10000, 1000),)}, [Item("a", 10000)], [1000]),
        ("threshold", {"steps": (Step(10000, 1000), Step(20000, 3000))}, [Item("a", 20000)], [3000]),
        ("threshold", {"steps": (Step(10000, 1000),), "repeat": True}, [Item("a", 35000)], [3000]),
        ("threshold", {"steps": (Step(10000, 1000),), "repeat": True, "cap": 2500}, [Item("a", 35000)], [2500]),
        ("percent_off", {"percent": 15000}, [Item("a", 999), Item("b", 1)], [150, 0]),
        ("percent_off", {"percent": 50000, "cap": 1000}, [Item("a", 3000), Item("b", 1000)], [750, 250]),
        ("fixed_price", {"price": 990}, [Item("a", 3000, 2000), Item("b", 500)], [1020, 0]),
        ("fixed_price", {"price": 990, "times": 1}, [Item("a", 3000, 2000), Item("b", 1500)], [510, 0]),
        ("fixed_price", {"price": 9900, "buy": 2}, [Item("a", 6000, 1000), Item("b", 5000, 1000)], [600, 500]),
        ("fixed_price", {"price": 9900, "buy": 2}, [Item("a", 18000, 3000), Item("b", 5000)], [2504, 696]),
        ("nth_item", {"nth": 2, "percent": 50000}, [Item("a", 1000), Item("b", 600)], [0, 300]),
        ("nth_item", {"nth": 2, "percent": 50000}, [Item("a", 4000, 4000), Item("b", 600)], [1000, 0]),
        ("nth_item", {"nth": 2, "percent": 50000, "times": 1}, [Item("a", 4000, 4000)], [500]),
        ("cheapest_free", {"buy": 3, "times": 1, "percent": 100000}, [Item("a", 900), Item("b", 1600, 2000)], [0, 800]),
        ("cheapest_free", {"buy": 3, "times": 1, "percent": 100000}, [Item("a", 900, 1000), Item("b", 2000, 2000)], [900, 0]),
        ("buy_x_get_y", {"buy": 2, "get": 1, "percent": 100000}, [Item("a", 6000, 6000)], [2000]),
        ("buy_x_get_y", {"buy": 2, "get": 1, "percent": 100000}, [Item("a", 5000, 5000)], [1000]),
        ("buy_x_get_y", {"buy": 1, "get": 2, "percent": 100000}, [Item("a", 2000, 2000)], [1000]),
        ("gift_item", {"get_goods": Goods(skus=frozenset("g"))}, [Item("a", 9000), Item("g", 800)], [0, 800]),
        ("exchange", {"scope": Scope(goods=Goods(skus=frozenset("a")))}, [Item("a", 5600, 2000)], [2800]),
        ("exchange", {"price": 100}, [Item("a", 5600, 2000), Item("b", 9000)], [0, 8900]),
        ("free_shipping", {"get_goods": Goods(skus=frozenset({"ship"}))}, [Item("a", 100), Item("ship", 1200)], [0, 1200]),
    ],
)  # fmt: skip
def test_each_type(kind: str, terms: dict[str, Any], items: list[Item], expected: list[int]) -> None:
    assert off(kind, *items, **terms) == expected


def test_what_is_bought_and_what_is_got_are_different_pieces() -> None:
    scope = Scope(goods=Goods(categories=("drinks",)))
    terms = {"buy": 1, "get": 1, "percent": 100000, "get_goods": Goods(categories=("drinks/tea",))}
    tea = Item("tea", 3000, 3000, "drinks/tea")
    assert off("buy_x_get_y", tea, scope=scope, **terms) == [
        1000
    ]  # three teas: one bought, one got, one left over
    coffee = Item("coffee", 1800, 1000, "drinks/coffee")
    assert off("buy_x_get_y", tea, coffee, scope=scope, **terms) == [2000, 0]


def test_a_weighed_line_is_one_piece() -> None:
    assert off("exchange", Item("a", 2345, 1350)) == [2345]


def test_a_line_of_a_million_pieces_costs_no_more_than_one_of_two() -> None:
    assert off("nth_item", Item("a", 10**9, 10**9), nth=2, percent=100000) == [500_000_000]
    assert off("fixed_price", Item("a", 10**9, 10**9), price=1999, buy=2) == [500_000]


def _two(*coupons: CouponTemplate, items: tuple[Item, ...]) -> Applied:
    case = prepare([candidate(each, f"c{n}") for n, each in enumerate(coupons)], *cart(*items), HERE)
    return apply(case, case.ready)


def test_two_vouchers_take_two_cups_of_one_line() -> None:
    cup = template("exchange", limits=Limits(per_order=2))
    applied = _two(cup, cup, items=(Item("latte", 5600, 2000),))
    assert [each.minor for each in applied.used] == [2800, 2800]


def test_a_closed_piece_bears_its_part_of_what_is_off_the_whole() -> None:
    half = template("nth_item", "half", nth=2, percent=50000)
    ten = template("amount_off", "ten", amount=1500)
    last = template("exchange", "cup")
    # 2 × 1000: the second costs 500; 1500 in all, of which 1500 are taken: nothing is left for the voucher.
    applied = _two(half, ten, replace(last, stacking=Stacking(priority=-1)), items=(Item("a", 2000, 2000),))
    assert [each.minor for each in applied.used] == [500, 1500]
    assert applied.refused == {"c2": Reason("nothing_left")}


def test_priority_says_who_comes_first_and_pieces_come_before_sums() -> None:
    percent = template("percent_off", "p", percent=50000)
    cup = template("exchange", "cup", scope=Scope(goods=Goods(skus=frozenset("a"))))
    items = (Item("a", 1000), Item("b", 1000))
    assert [(u.candidate.id, u.minor) for u in _two(percent, cup, items=items).used] == [
        ("c1", 1000),
        ("c0", 500),
    ]
    first = replace(percent, stacking=Stacking(priority=1))
    assert [(u.candidate.id, u.minor) for u in _two(first, cup, items=items).used] == [
        ("c0", 1000),
        ("c1", 500),
    ]


def test_a_threshold_is_asked_of_the_goods_before_coupons() -> None:
    big = template("amount_off", "big", amount=5000, stacking=Stacking(priority=1))
    step = template("threshold", "step", steps=(Step(10000, 1000),))
    assert [each.minor for each in _two(big, step, items=(Item("a", 10000),)).used] == [5000, 1000]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (Stacking(), Stacking(), True),
        (Stacking(group="g"), Stacking(group="g"), False),
        (Stacking(group="g"), Stacking(group="h"), True),
        (Stacking(exclusive=True), Stacking(), False),
        (Stacking(allows=frozenset()), Stacking(group="g"), False),
        (Stacking(group="g", allows=frozenset({"h"})), Stacking(group="h"), True),
        (Stacking(group="g", allows=frozenset({"h"})), Stacking(group="h", allows=frozenset({"i"})), False),
    ],
)
def test_what_goes_together(one: Stacking, other: Stacking, together: bool) -> None:
    pair = (
        template("amount_off", "a", amount=1, stacking=one),
        template("amount_off", "b", amount=1, stacking=other),
    )
    applied = _two(*pair, items=(Item("a", 1000),))
    assert (applied.refused == {}) is together
    if not together:
        assert applied.refused["c1"] == Reason("not_with", {"coupon": "a"})


def test_one_coupon_of_a_template_unless_it_says_more() -> None:
    one = template("amount_off", amount=100)
    assert _two(one, one, items=(Item("a", 1000),)).refused["c1"].code == "not_with"
    two = replace(one, limits=Limits(per_order=2))
    applied = _two(two, two, two, items=(Item("a", 1000),))
    assert (applied.minor, applied.refused) == (200, {"c2": Reason("too_many", {"most": 2})})


def test_the_money_budget_is_for_all_coupons_of_the_template_together() -> None:
    two = template("amount_off", amount=600, limits=Limits(per_order=2))
    case = prepare(
        [candidate(two, "a", room=Room(minor=1000)), candidate(two, "b", room=Room(minor=1000))],
        *cart(Item("a", 5000)),
        HERE,
    )
    applied = apply(case, case.ready)
    assert (applied.minor, applied.refused["b"]) == (
        600,
        Reason("budget_spent", {"left": 400, "needed": 600}),
    )


@pytest.mark.parametrize(
    ("terms", "room", "occasion", "reason"),
    [
        ({"scope": Scope(stores=frozenset({"s2"}))}, Room(), HERE, Reason("wrong_store", {"stores": ["s2"]})),
        ({"scope": Scope(channels=frozenset({"app"}))}, Room(), HERE, Reason("wrong_channel", {"channels": ["app"]})),
        ({"scope": Scope(weekdays=frozenset({0, 1}))}, Room(), HERE, Reason("wrong_weekday", {"weekdays": [0, 1]})),
        ({"scope": Scope(day_parts=(DayPart(660, 750),))}, Room(), HERE, Reason("wrong_time", {"hours": ["11:00–12:30"]})),
        ({"scope": Scope(tenders=frozenset({"card"}))}, Room(), HERE, Reason("wrong_tender", {"tenders": ["card"]})),
        ({"scope": Scope(goods=Goods(skus=frozenset("z")))}, Room(), HERE, Reason("no_goods")),
        ({"scope": Scope(exclude=Goods(skus=frozenset("a")))}, Room(), HERE, Reason("no_goods")),
        ({"minimum_spend": 5000}, Room(), HERE, Reason("minimum_spend", {"least": 5000, "spend": 2000, "missing": 3000})),
        ({"minimum_quantity": 3}, Room(), HERE, Reason("minimum_quantity", {"least": 3, "missing": 1})),
        ({}, Room(uses=0), HERE, Reason("used_up")),
        ({}, Room(minor=99), HERE, Reason("budget_spent", {"left": 99, "needed": 100})),
        ({"limits": Limits(per_member=1, per_member_per="day")}, Room(member_uses=0), HERE,
         Reason("member_limit", {"most": 1, "period": "day"})),
    ],
)  # fmt: skip
def test_the_precise_reason(terms: dict[str, Any], room: Room, occasion: Occasion, reason: Reason) -> None:
    coupon = candidate(template("amount_off", amount=100, **terms), room=room)
    assert why_not(coupon, Item("a", 2000, 2000), occasion=occasion) == reason


def test_the_precise_reason_of_offers_on_pieces() -> None:
    half = candidate(template("nth_item", nth=2, percent=50000))
    assert why_not(half, Item("a", 1000)) == Reason("too_few_pieces", {"least": 2, "missing": 1})
    gift = candidate(template("gift_item", get_goods=Goods(skus=frozenset({"cup"}))))
    assert why_not(gift, Item("a", 1000)) == Reason("put_in_cart", {"goods": ["cup"]})
    cheap = candidate(template("fixed_price", price=2000))
    assert why_not(cheap, Item("a", 1000)) == Reason("gives_nothing")


def test_a_gift_does_not_count_for_its_own_threshold() -> None:
    gift = candidate(template("gift_item", get_goods=Goods(skus=frozenset({"cup"})), minimum_spend=1500))
    reason = why_not(gift, Item("a", 1000), Item("cup", 800))
    assert reason == Reason("minimum_spend", {"least": 1500, "spend": 1000, "missing": 500})


def test_a_term_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    plain = template("amount_off", amount=1)
    items = (Item("a", 100),)
    early = candidate(plain, start=AT + timedelta(seconds=1))
    assert why_not(early, *items) == Reason("not_yet_valid", {"from": AT + timedelta(seconds=1)})
    assert why_not(candidate(plain, until=AT), *items) == Reason("expired", {"until": AT})
    assert prepare([candidate(plain, start=AT)], *cart(*items), HERE).refused == {}


def test_day_parts_past_midnight() -> None:
    night = candidate(template("amount_off", amount=1, scope=Scope(day_parts=(DayPart(22 * 60, 2 * 60),))))
    for hour, holds in ((21, False), (22, True), (1, True), (2, False)):
        occasion = Occasion(datetime(2026, 11, 22, hour, tzinfo=UTC), "s1", "pos")
        assert (prepare([night], *cart(Item("a", 100)), occasion).refused == {}) is holds
