"""The search against brute force over every subset, on carts small enough for it; and its manners on large ones."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shuke.rewards.logic import Case, apply, prepare
from shuke.rewards.optimiser import best_combination
from shuke.rewards.values import (
    Candidate,
    CouponTemplate,
    Goods,
    Limits,
    Occasion,
    Room,
    Scope,
    Stacking,
    Step,
)
from tests.rewards.carts import AT, Item, candidate, cart

AMOUNTS = st.integers(1, 3000)
PERCENTS = st.integers(1, 100).map(lambda n: n * 1000)
SKUS = ("a", "b", "c", "d")
GOODS = st.one_of(
    st.just(Goods()),
    st.sets(st.sampled_from(SKUS), min_size=1, max_size=3).map(lambda skus: Goods(skus=frozenset(skus))),
)


@st.composite
def templates(draw: Any, code: str) -> CouponTemplate:
    kind = draw(
        st.sampled_from(
            [
                "amount_off",
                "threshold",
                "percent_off",
                "fixed_price",
                "nth_item",
                "buy_x_get_y",
                "cheapest_free",
                "gift_item",
                "free_shipping",
                "exchange",
            ]
        )
    )
    own = draw(GOODS)
    get_goods = Goods()
    if kind in ("gift_item", "free_shipping"):
        get_goods = Goods(skus=frozenset({draw(st.sampled_from(SKUS))}))
    elif kind == "buy_x_get_y":
        get_goods = draw(GOODS)
    return CouponTemplate(
        code=code,
        name={"zh-Hans": code},
        type=kind,
        scope=Scope(goods=own),
        amount=draw(AMOUNTS),
        each_unit=kind == "amount_off" and draw(st.booleans()),
        percent=draw(PERCENTS),
        cap=draw(st.none() | AMOUNTS),
        price=draw(st.integers(0, 1000)),
        nth=draw(st.integers(2, 3)),
        buy=draw(st.integers(1, 3)),
        get=draw(st.integers(1, 2)),
        get_goods=get_goods,
        times=draw(st.none() | st.integers(1, 2)),
        steps=(Step(draw(st.integers(1, 3000)), draw(AMOUNTS)),),
        repeat=draw(st.booleans()),
        spread=draw(st.sampled_from(["amount", "quantity"])),
        minimum_spend=draw(st.sampled_from([0, 0, 1500])),
        limits=Limits(per_order=draw(st.integers(1, 2))),
        stacking=Stacking(
            group=draw(st.sampled_from(["", "x", "y"])),
            exclusive=draw(st.integers(0, 9)) == 0,
            allows=draw(st.sampled_from([None, None, None, frozenset({"x"}), frozenset({"", "y"})])),
            priority=draw(st.integers(0, 2)),
        ),
    )


@st.composite
def cases(draw: Any, most: int = 6) -> Case:
    items = draw(
        st.lists(
            st.tuples(st.sampled_from(SKUS), st.integers(0, 2000), st.sampled_from([1000, 2000, 3000, 1350])),
            min_size=1,
            max_size=5,
        )
    )
    kinds = [draw(templates(f"t{n}")) for n in range(draw(st.integers(1, 5)))]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=most))
    room = draw(st.sampled_from([Room(), Room(), Room(minor=2500), Room(uses=1)]))
    return prepare(
        [candidate(each, f"c{n}", room=room) for n, each in enumerate(chosen)],
        *cart(*(Item(sku, minor, quantity) for sku, minor, quantity in items)),
        Occasion(AT, "s1", "pos"),
    )


def brute_force(case: Case) -> tuple[int, int, int]:
    """(money, ships free, minus the number) of the best subset of all, every one of them tried."""
    found = (0, 0, 0)
    for size in range(1, len(case.ready) + 1):
        for chosen in combinations(case.ready, size):
            applied = apply(case, chosen)
            if not applied.refused:
                found = max(found, (applied.minor, int(applied.ships_free), -size))
    return found


@settings(max_examples=700, deadline=None)
@given(cases())
def test_the_best_combination_is_the_best_of_all_subsets(case: Case) -> None:
    best = best_combination(case)
    applied = apply(case, best.coupons)
    assert best.is_proven
    assert applied.refused == {}
    assert (applied.minor, int(applied.ships_free), -len(best.coupons)) == brute_force(case)
    assert (best.minor, best.ships_free) == (applied.minor, applied.ships_free)
    assert all(0 <= left <= base for left, base in zip(applied.left, case.sold.base, strict=True))
    assert sum(case.sold.base) - sum(applied.left) == applied.minor


@settings(max_examples=300, deadline=None)
@given(cases())
def test_no_coupon_gives_more_than_its_ceiling_in_any_company(case: Case) -> None:
    for size in range(1, min(len(case.ready), 4) + 1):
        for chosen in combinations(case.ready, size):
            ceilings = {each.candidate.id: each.most for each in chosen}
            for used in apply(case, chosen).used:
                assert used.minor <= ceilings[used.candidate.id]


def _stackable(count: int) -> list[Candidate]:
    return [
        candidate(
            CouponTemplate(f"p{n:02d}", {"zh-Hans": "x"}, "percent_off", percent=(n % 9 + 1) * 1000),
            f"c{n:02d}",
        )
        for n in range(count)
    ]


def test_the_order_in_which_coupons_come_in_does_not_matter() -> None:
    lines = cart(*(Item(f"s{n}", 999 + n) for n in range(30)))
    coupons = _stackable(20)
    one = best_combination(prepare(coupons, *lines, Occasion(AT, "s1", "pos")))
    other = best_combination(prepare(coupons[::-1], *lines, Occasion(AT, "s1", "pos")))
    assert [each.candidate.id for each in one.coupons] == [each.candidate.id for each in other.coupons]
    assert (
        len(one.coupons) == 20
    )  # all go together: nothing is left out although not every subset can be tried


def test_of_equal_coupons_the_one_that_ends_sooner_is_used() -> None:
    template = CouponTemplate("five", {"zh-Hans": "x"}, "amount_off", amount=500)
    late = candidate(template, "a", until=datetime(2027, 3, 1, tzinfo=UTC))
    soon = candidate(template, "b", until=datetime(2027, 1, 1, tzinfo=UTC))
    best = best_combination(prepare([late, soon], *cart(Item("s", 1000)), Occasion(AT, "s1", "pos")))
    assert [each.candidate.id for each in best.coupons] == ["b"]


def test_what_the_others_make_up_for_is_kept_for_another_day() -> None:
    all_off = CouponTemplate("free", {"zh-Hans": "x"}, "amount_off", amount=5000)
    some = CouponTemplate("some", {"zh-Hans": "x"}, "amount_off", amount=500, stacking=Stacking(priority=5))
    case = prepare(
        [candidate(all_off, "a"), candidate(some, "b")], *cart(Item("s", 1000)), Occasion(AT, "s1", "pos")
    )
    assert [each.candidate.id for each in best_combination(case).coupons] == ["a"]


def test_no_version_is_lost_on_the_way() -> None:
    """The chosen coupons are the candidates themselves, with the version whose terms count."""
    version = UUID(int=7)
    template = CouponTemplate("five", {"zh-Hans": "x"}, "amount_off", amount=500)
    case = prepare([Candidate("a", template, version)], *cart(Item("s", 1000)), Occasion(AT, "s1", "pos"))
    assert best_combination(case).coupons[0].candidate.version_id == version
