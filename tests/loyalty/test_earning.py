"""What rules give: conditions, effects, exclusiveness, caps and budgets, without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shuke.loyalty.conditions import Birthday, MemberTraits, SaleContext, is_birthday
from shuke.loyalty.earning import EPOCH, Earned, Room, Used
from shuke.loyalty.logic import earn
from tests.factories.programmes import programme

SHANGHAI = ZoneInfo("Asia/Shanghai")
TUESDAY = datetime(2026, 3, 10, 12, 30, tzinfo=SHANGHAI)
CONTEXT = SaleContext(TUESDAY, "S1", "pos", "classic", None)


@dataclass(frozen=True)
class Goods:
    sku: str = "A"
    category: str = "FOOD"
    brand: str = ""
    quantity: int = 1000


def at(hour: int, minute: int = 0) -> datetime:
    return TUESDAY.replace(hour=hour, minute=minute)


def rule(id: str = "r", **keys: Any) -> dict[str, Any]:
    effect = {} if "fixed" in keys else {"give": 1, "per": "1.00"}
    return {"id": id, **effect, **keys}


def earned(
    *rules: dict[str, Any],
    amounts: tuple[int, ...] = (1999,),
    lines: list[Goods] | None = None,
    context: SaleContext = CONTEXT,
    room: Room | None = None,
    **changes: Any,
) -> Earned | None:
    plan = programme(earning=list(rules), **changes)
    found = earn(plan, context, amounts, lines or [Goods()] * len(amounts), room or Room())
    assert len(found) <= 1
    return found[0] if found else None


def points(*rules: dict[str, Any], **more: Any) -> int:
    found = earned(*rules, **more)
    return found.total if found else 0


# Numbers known from outside (Setono's earning tests) -------------------------------------------------


def test_one_per_hundred_plus_one_per_two_hundred_of_1999() -> None:
    assert points(rule("a"), rule("b", per="2.00")) == 19 + 9


def test_of_two_exclusive_rules_the_higher_priority_stands_alone() -> None:
    low = rule("low", fixed=50, stacking="exclusive", priority=5)
    high = rule("high", fixed=200, stacking="exclusive", priority=20)
    assert points(low, high) == points(high, low) == 200
    assert points(rule("base"), low, high) == 200


@pytest.mark.parametrize(("rounding", "expected"), [("floor", 28), ("half_up", 29), ("ceil", 29)])
def test_one_and_a_half_times_19_rounds_as_the_policy_says(rounding: str, expected: int) -> None:
    half = {"id": "half", "factor": "1.5"}
    assert points(rule(), multipliers=[half], policies={"multiplier_rounding": rounding}) == expected


def test_three_per_hundred_of_4000_gives_120() -> None:
    assert points(rule(give=3), amounts=(4000,)) == 120


# Effects ---------------------------------------------------------------------------------------------


def test_a_fixed_number_is_given_once_and_spread_over_the_lines_by_amount() -> None:
    found = earned(rule(fixed=10), amounts=(300, 100))
    assert found is not None
    assert (found.total, found.by_line) == (10, [8, 2])
    assert found.parts == [{"id": "r", "points": 10}]


def test_a_number_per_unit_counts_whole_units_of_the_covered_lines() -> None:
    lines = [Goods("A", quantity=2900), Goods("B", quantity=5000)]
    found = earned(rule(fixed=3, fixed_per="unit", when={"skus": ["A"]}), amounts=(100, 100), lines=lines)
    assert found is not None and found.by_line == [6, 0]


def test_gifts_and_what_points_have_paid_bring_no_fixed_number() -> None:
    assert points(rule(fixed=10), amounts=(0, 0)) == 0
    assert points(rule(fixed=3, fixed_per="unit"), amounts=(0, 100)) == 3


def test_a_rule_that_is_not_multiplied_keeps_out_of_the_multipliers() -> None:
    double = {"id": "double", "factor": "2"}
    assert points(rule("a"), rule("b", fixed=10, multiplied=False), multipliers=[double]) == 19 + 10 + 19
    assert points(rule("a"), rule("b", fixed=10, multiplied=True), multipliers=[double]) == 2 * (19 + 10)


def test_an_exclusive_multiplier_stands_alone_even_before_the_tier() -> None:
    gold = structs.replace(CONTEXT, tier="gold")  # ×1.5
    ordinary = {"id": "x3", "factor": "3"}
    alone = {"id": "alone", "factor": "2", "stacking": "exclusive"}
    assert points(rule(), amounts=(1000,), context=gold, multipliers=[ordinary]) == 35
    assert points(rule(), amounts=(1000,), context=gold, multipliers=[ordinary, alone]) == 20


def test_half_up_and_ceil_round_each_rule_once_per_order_or_per_line() -> None:
    assert points(rule(rounding="half_up"), amounts=(150, 150)) == 3
    assert points(rule(rounding="half_up", round_per="line"), amounts=(150, 150)) == 4
    assert points(rule(rounding="ceil"), amounts=(101,)) == 2
    assert points(rule(rounding="floor", round_per="line"), amounts=(150, 150)) == 2


# Conditions ------------------------------------------------------------------------------------------

TRAITS = MemberTraits(
    joined=date(2026, 2, 8),
    tags=frozenset({"vip", "parent"}),
    segments=frozenset({"loyal"}),
    plans=frozenset({"plus"}),
    is_first_purchase=True,
)


@pytest.mark.parametrize(
    ("when", "holds", "fails"),
    [
        ({"stores": ["S1"]}, {}, {"store": "S2"}),
        ({"channels": ["pos"]}, {}, {"channel": "web"}),
        ({"tiers": ["gold"]}, {"tier": "gold"}, {"tier": "silver"}),
        ({"tenders": ["wechat", "alipay"]}, {"tenders": frozenset({"cash", "alipay"})}, {"tenders": frozenset({"cash"})}),
        ({"weekdays": ["tue"]}, {}, {"at": TUESDAY + timedelta(days=1)}),
        ({"month_days": [8, 10]}, {}, {"at": TUESDAY + timedelta(days=1)}),
        ({"dates": {"from": "2026-03-10", "to": "2026-03-10"}}, {}, {"at": TUESDAY + timedelta(days=1)}),
        ({"dates": {"from": "2026-03-11"}}, {"at": TUESDAY + timedelta(days=1)}, {}),
        ({"hours": [{"from": "12:00", "to": "12:31"}]}, {}, {"at": TUESDAY + timedelta(minutes=1)}),
        ({"hours": [{"from": "22:00", "to": "06:00"}]}, {"at": at(5, 59)}, {"at": at(6)}),
        ({"hours": [{"from": "22:00", "to": "06:00"}]}, {"at": at(22)}, {"at": at(21, 59)}),
        ({"hours": [{"from": "22:00", "to": "24:00"}]}, {"at": at(23, 59)}, {"at": at(0)}),
        ({"birthday": "day"}, {"birthday": (3, 10)}, {"birthday": (3, 11)}),
        ({"birthday": "week"}, {"birthday": (3, 15)}, {"birthday": (3, 16)}),
        ({"birthday": "month"}, {"birthday": (3, 31)}, {"birthday": None}),
        ({"tags": ["vip"]}, {"traits": TRAITS}, {}),
        ({"segments": ["loyal", "new"]}, {"traits": TRAITS}, {}),
        ({"plans": ["plus"]}, {"traits": TRAITS}, {"traits": replace(TRAITS, plans=frozenset({"basic"}))}),
        ({"first_purchase": True}, {"traits": TRAITS}, {}),
        ({"first_purchase": False}, {}, {"traits": TRAITS}),
        # From 8 February to 10 March it is 30 days.
        ({"tenure_days": {"to": 30}}, {"traits": TRAITS}, {"traits": replace(TRAITS, joined=date(2026, 2, 7))}),
        ({"tenure_days": {"from": 30}}, {"traits": TRAITS}, {"traits": replace(TRAITS, joined=date(2026, 2, 9))}),
        ({"tenure_days": {"from": 0}}, {"traits": TRAITS}, {}),
    ],
)  # fmt: skip
def test_each_condition_of_the_sale_and_the_member_holds_and_fails(
    when: dict[str, Any], holds: dict[str, Any], fails: dict[str, Any]
) -> None:
    only = rule(when=when, multiplied=False)
    assert points(only, context=structs.replace(CONTEXT, **holds)) == 19
    assert points(only, context=structs.replace(CONTEXT, **fails)) == 0


LINES = [Goods("A", "FOOD/MILK", "bright"), Goods("B", "FOOD", "own"), Goods("C", "TOBACCO", "own")]


@pytest.mark.parametrize(
    ("when", "by_line"),
    [
        ({"categories": ["FOOD"]}, [1, 2, 0]),
        ({"skus": ["B", "C"]}, [0, 2, 4]),
        ({"brands": ["own"]}, [0, 2, 4]),
        ({"categories": ["FOOD"], "brands": ["own"]}, [0, 2, 0]),
        ({"except": {"categories": ["TOBACCO"]}}, [1, 2, 0]),
        ({"except": {"skus": ["A"], "brands": ["own"]}}, None),
        ({"categories": ["FOOD"], "except": {"skus": ["A"]}}, [0, 2, 0]),
        ({"lines_amount": {"from": "3.00", "to": "3.00"}, "categories": ["FOOD"]}, [1, 2, 0]),
        ({"lines_amount": {"from": "3.01"}, "categories": ["FOOD"]}, None),
        ({"order_amount": {"from": "7.00"}, "categories": ["FOOD"]}, [1, 2, 0]),
        ({"order_amount": {"to": "6.99"}}, None),
    ],
)
def test_a_rule_is_about_its_lines_and_looks_at_their_amount(
    when: dict[str, Any], by_line: list[int] | None
) -> None:
    found = earned(rule(when=when), amounts=(100, 200, 400), lines=LINES)
    assert (found.by_line if found else None) == by_line


def test_a_multiplier_looks_at_amounts_and_exceptions_too() -> None:
    double = {"id": "x2", "factor": "2", "when": {"except": {"brands": ["own"]}}}
    found = earned(rule(), amounts=(100, 200, 400), lines=LINES, multipliers=[double])
    assert found is not None and found.by_line == [2, 2, 4]
    large = {"id": "x2", "factor": "2", "when": {"order_amount": {"from": "7.01"}}}
    assert points(rule(), amounts=(100, 200, 400), lines=LINES, multipliers=[large]) == 7


@pytest.mark.parametrize(
    ("birthday", "day", "span", "holds"),
    [
        ((2, 29), "2026-02-28", "day", True),
        ((2, 29), "2028-02-28", "day", False),
        ((2, 29), "2028-02-29", "day", True),
        ((12, 31), "2027-01-03", "week", True),  # Thursday to Sunday of one week
        ((1, 1), "2026-12-28", "week", True),  # Monday of the week of 1 January 2027
        ((1, 4), "2027-01-03", "week", False),
        ((3, 9), "2026-03-15", "week", True),
    ],
)
def test_birthdays_at_the_edges_of_years_and_weeks(
    birthday: tuple[int, int], day: str, span: Birthday, holds: bool
) -> None:
    assert is_birthday(birthday, date.fromisoformat(day), span) is holds


# Caps and budgets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "used", "expected", "cut"),
    [
        ({"order": 10}, Used(), 10, "order"),
        ({"day": 10}, Used(day=4, month=4, ever=4), 6, "day"),
        ({"day": 10, "month": 12}, Used(day=0, month=9, ever=9), 3, "month"),
        ({"member": 100}, Used(ever=95), 5, "member"),
        ({"order": 19, "day": 19, "month": 19, "member": 19}, Used(), 19, None),
        ({"order": 5, "day": 3}, Used(), 3, "day"),
    ],
)
def test_the_tightest_cap_cuts_and_the_part_says_so(
    caps: dict[str, int], used: Used, expected: int, cut: str | None
) -> None:
    found = earned(rule(caps=caps), room=Room(used={"r": used}))
    assert found is not None and found.total == sum(found.by_line) == expected
    limit = {"of": 19, "cut": cut} if cut else {}
    assert found.parts == [{"id": "r", "points": expected, **limit}]
    counts = [(use.rule, use.budget, use.amount) for use in found.uses]
    assert counts == ([("r", None, expected)] if set(caps) != {"order"} else [])


def test_a_rule_at_its_cap_gives_nothing_and_an_exclusive_one_stands_back() -> None:
    full = Room(used={"alone": Used(day=50, month=50, ever=50)})
    alone = rule("alone", fixed=50, stacking="exclusive", caps={"day": 50})
    assert points(alone, rule("base")) == 50
    assert points(alone, rule("base"), room=full) == 19
    double = {"id": "alone", "factor": "2", "stacking": "exclusive", "caps": {"day": 50}}
    gold = structs.replace(CONTEXT, tier="gold")
    assert points(rule("base"), multipliers=[double], context=gold) == 38
    assert points(rule("base"), multipliers=[double], context=gold, room=full) == 28


BUDGET = {"id": "launch", "limit": 1000, "asset": "points"}


@pytest.mark.parametrize(("short", "expected"), [("give_rest", 7), ("give_nothing", 0)])
def test_a_budget_with_too_little_left_gives_the_rest_or_nothing(short: str, expected: int) -> None:
    budgets = [{**BUDGET, "when_short": short}]
    room = Room(left={"launch": 7})
    assert points(rule(budget="launch"), budgets=budgets, room=room) == expected
    assert points(rule(budget="launch"), budgets=budgets, room=Room(left={"launch": 19})) == 19


def test_rules_and_multipliers_share_one_budget_by_priority() -> None:
    double = {"id": "x2", "factor": "2", "budget": "launch"}
    found = earned(
        rule("a", budget="launch"),
        rule("first", fixed=10, multiplied=False, budget="launch", priority=1),
        budgets=[BUDGET],
        multipliers=[double],
        room=Room(left={"launch": 33}),
    )
    assert found is not None
    assert found.parts == [
        {"id": "first", "points": 10},
        {"id": "a", "points": 19},
        {"id": "x2", "factor": "2", "points": 4, "of": 19, "cut": "budget"},
    ]
    assert [(use.rule, use.amount) for use in found.uses] == [("first", 10), ("a", 19), ("x2", 4)]


def test_a_budget_for_all_covers_every_rule_of_its_asset() -> None:
    budgets = [{**BUDGET, "covers": "all"}]
    assert points(rule("a"), rule("b"), budgets=budgets, room=Room(left={"launch": 25})) == 25
    other = [{**BUDGET, "covers": "all", "asset": "growth"}]
    assert points(rule("a"), rule("b"), budgets=other, room=Room(left={"launch": 0})) == 38


def test_a_budget_counts_by_day_month_year_or_for_ever() -> None:
    def period(kind: str) -> date:
        plan = programme(budgets=[{**BUDGET, "period": kind}])
        return plan.budgets["launch"].period_of(date(2026, 3, 10))

    assert [period(kind) for kind in ("day", "month", "year", "total")] == [
        date(2026, 3, 10),
        date(2026, 3, 1),
        date(2026, 1, 1),
        EPOCH,
    ]


def test_what_the_till_must_read_is_known_from_the_rules() -> None:
    assert programme().needs.nothing
    needs = programme(
        earning=[rule("a", when={"brands": ["own"], "tags": ["vip"]}, caps={"day": 1}, budget="launch")],
        multipliers=[{"id": "m", "factor": "2", "when": {"first_purchase": True}, "caps": {"order": 5}}],
        budgets=[BUDGET],
    ).needs
    assert (needs.traits, needs.first_purchase, needs.brands) == (True, True, True)
    assert (needs.counted, needs.ever, [b.id for b in needs.budgets]) == (("a",), False, ["launch"])


# Properties ------------------------------------------------------------------------------------------

caps = st.fixed_dictionaries(
    {}, optional={kind: st.integers(1, 60) for kind in ("order", "day", "month", "member")}
)
whens = st.sampled_from(
    [None, {"categories": ["FOOD"]}, {"except": {"brands": ["own"]}}, {"skus": ["A", "C"]}]
)
common = {
    "stacking": st.sampled_from(["stackable", "stackable", "exclusive"]),
    "priority": st.integers(-3, 3),
    "caps": caps,
    "when": whens,
    "budget": st.sampled_from([None, "small", "large"]),
}
rates = st.fixed_dictionaries(
    {
        **common,
        "give": st.integers(1, 9),
        "per": st.sampled_from(["0.01", "1.00", "7.77"]),
        "rounding": st.sampled_from(["floor", "half_up", "ceil"]),
        "round_per": st.sampled_from(["order", "line"]),
        "multiplied": st.booleans(),
    }
)
fixes = st.fixed_dictionaries(
    {**common, "fixed": st.integers(1, 99), "fixed_per": st.sampled_from(["order", "unit"])}
)
factors = st.fixed_dictionaries({**common, "factor": st.sampled_from(["1", "1.333", "1.5", "4"])})
useds = st.builds(
    lambda day, month, ever: Used(day, day + month, day + month + ever), *[st.integers(0, 40)] * 3
)


def test_units_of_two_assets_and_terms_are_kept_apart() -> None:
    plan = programme(
        earning=[
            rule("a", fixed=5),
            rule("b", fixed=7, expiry={"model": "never"}),
            rule("c", fixed=2, asset="growth"),
        ]
    )
    found = earn(plan, CONTEXT, (100,), [Goods()], Room())
    batches = {
        each.asset: [(b.amount, b.expiry.model if b.expiry else None) for b in each.batches] for each in found
    }
    assert batches == {"points": [(5, None), (7, "never")], "growth": [(2, None)]}


@given(
    rules=st.lists(st.one_of(rates, fixes), min_size=1, max_size=6),
    extra=st.lists(factors, max_size=4),
    amounts=st.lists(st.integers(0, 20_000), min_size=3, max_size=3),
    tier=st.sampled_from(["classic", "silver", "gold"]),
    stacking=st.sampled_from(["add", "best", "multiply"]),
    rounding=st.sampled_from(["floor", "half_up", "ceil"]),
    used=st.lists(useds, min_size=10, max_size=10),
    left=st.tuples(st.integers(0, 50), st.integers(0, 5000)),
)
def test_lines_rules_caps_and_budgets_always_agree(
    rules: list[dict[str, Any]],
    extra: list[dict[str, Any]],
    amounts: list[int],
    tier: str,
    stacking: str,
    rounding: str,
    used: list[Used],
    left: tuple[int, int],
) -> None:
    budgets = [{"id": "small", "limit": 50}, {"id": "large", "limit": 5000, "when_short": "give_nothing"}]
    plan = programme(
        earning=[{"id": f"r{n}", **each} for n, each in enumerate(rules)],
        multipliers=[{"id": f"m{n}", **each} for n, each in enumerate(extra)],
        budgets=budgets,
        policies={"multiplier_stacking": stacking, "multiplier_rounding": rounding},
    )
    ids = [f"r{n}" for n in range(6)] + [f"m{n}" for n in range(4)]
    room = Room(dict(zip(ids, used, strict=True)), {"small": left[0], "large": left[1]})
    lines = [replace(line, quantity=2000) for line in LINES]
    for found in earn(plan, structs.replace(CONTEXT, tier=tier), amounts, lines, room):
        assert found.total == sum(found.by_line) == sum(part["points"] for part in found.parts) > 0
        assert found.total == sum(batch.amount for batch in found.batches)
        assert min(found.by_line) >= 0
        given_by = {part["id"]: part["points"] for part in found.parts}
        for each in (*plan.earning, *plan.multipliers):
            before, got = room.used[each.id], given_by.get(each.id, 0)
            limits = each.terms.caps
            for cap, spent in (
                (limits.order, 0), (limits.day, before.day), (limits.month, before.month), (limits.member, before.ever),
            ):  # fmt: skip
                assert got == 0 or cap is None or spent + got <= cap
        for budget_id, most in room.left.items():
            drawn = sum(use.amount for use in found.uses if use.budget and use.budget.id == budget_id)
            named = {
                e.id
                for e in (*plan.earning, *plan.multipliers)
                if budget_id in {b.id for b in e.terms.budgets}
            }
            assert drawn == sum(given_by.get(id_, 0) for id_ in named) <= most
        alone = [e.id for e in plan.earning if e.terms.exclusive and e.id in given_by]
        if alone:
            assert [id_ for id_ in given_by if id_.startswith("r")] == alone[:1]
