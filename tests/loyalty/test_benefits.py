from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shuke.loyalty.benefits import (
    Benefit,
    BirthdayGift,
    Discount,
    Held,
    allowances_of,
    birthday_due,
    compile_benefit,
    discounts_of,
    factor_of,
    next_pack_start,
    pack_start,
    period_start,
    ships_free,
)
from shuke.loyalty.document import problems_of, validate
from shuke.loyalty.plans.values import (
    Duration,
    Refund,
    Term,
    Used,
    compile_plans,
    first_term,
    next_term,
    refund_of,
)
from tests.factories.loyalty import SOURCE
from tests.factories.plans import PLUS, plan

SHANGHAI = ZoneInfo("Asia/Shanghai")
GOLD = Held("tier", "gold", Benefit(discount=5000, multiplier=1500))
PLUS_HELD = Held("plan", "plus", Benefit(discount=10_000, multiplier=2000, free_shipping_from=2000))
LITE = Held("plan", "lite", Benefit(discount=2000, multiplier=3000))


def test_the_better_discount_counts_or_both() -> None:
    assert discounts_of([GOLD, PLUS_HELD], "best") == (Discount("plan", "plus", 10_000),)
    assert discounts_of([GOLD, LITE], "best") == (Discount("tier", "gold", 5000),)
    both = (Discount("tier", "gold", 5000), Discount("plan", "plus", 10_000))
    assert discounts_of([GOLD, LITE, PLUS_HELD], "add") == both


def test_multipliers_are_the_better_one_or_added_up() -> None:
    assert factor_of([GOLD, PLUS_HELD], "best").told == {"id": "plan", "plan": "plus", "factor": "2"}
    added = factor_of([GOLD, PLUS_HELD, LITE], "add")
    assert (added.factor, added.tier, added.plan) == (3500, "gold", "lite")
    assert factor_of([Held("tier", "classic", Benefit())], "add").factor == 1000


def test_shipping_is_free_from_the_least_value() -> None:
    assert not ships_free([GOLD, PLUS_HELD], 1999)
    assert ships_free([GOLD, PLUS_HELD], 2000)


# Oracle 14, pretix' membership tests: the last day is the one before the same day of the next month.
@pytest.mark.parametrize(
    ("start", "duration", "last"),
    [
        (date(2021, 2, 1), Duration(months=1), date(2021, 2, 28)),
        (date(2021, 2, 28), Duration(months=1), date(2021, 3, 27)),
        (date(2021, 2, 28), Duration(months=1, days=2), date(2021, 3, 29)),
        (date(2021, 1, 1), Duration(days=1), date(2021, 1, 1)),
    ],
)
def test_a_term_ends_with_the_day_before(start: date, duration: Duration, last: date) -> None:
    began = datetime(start.year, start.month, start.day, 4, 30, tzinfo=UTC)
    ends = first_term(duration, began, SHANGHAI)
    assert (ends.astimezone(SHANGHAI).date() - last).days == 1
    assert ends.astimezone(SHANGHAI).time().isoformat() == "00:00:00"


def test_terms_from_the_31st_come_back_to_it() -> None:
    month, ends = Duration(months=1), datetime(2026, 1, 30, 16, tzinfo=UTC)  # the 31st in Shanghai
    days = []
    for _ in range(4):
        ends = next_term(month, ends, 31, SHANGHAI)
        days.append(ends.astimezone(SHANGHAI).date().isoformat())
    assert days == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_what_is_not_earned_goes_by_whole_days() -> None:
    term = Term(datetime(2026, 1, 1, 4, tzinfo=UTC), datetime(2026, 1, 10, 16, tzinfo=UTC), 1000)  # ten days
    left = [term.unearned(datetime(2026, 1, day, 4, tzinfo=UTC), SHANGHAI) for day in (1, 2, 10, 11)]
    assert left == [900, 800, 0, 0]
    assert term.unearned(datetime(2025, 12, 31, tzinfo=UTC), SHANGHAI) == 1000


@pytest.mark.parametrize(
    ("used", "policy", "back"),
    [
        (Used(), "greater", 500),  # half of the time is left
        (Used(discounts=300), "greater", 500),  # less than the time took
        (Used(discounts=300, entitlements=350), "greater", 350),
        (Used(discounts=300), "added", 200),
        (Used(discounts=900), "added", 0),
        (Used(packs=900), "ignored", 500),
    ],
)
def test_what_was_had_counts_against_what_is_left(used: Used, policy: str, back: int) -> None:
    refund = {"refund": {"policy": "pro_rata", "used": policy}}
    made = compile_plans([plan(**refund)], "CNY")["plus"]
    term = Term(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 10, 16, tzinfo=UTC), 1000)
    sums = refund_of(made, [term], used, datetime(2026, 1, 5, 4, tzinfo=UTC), SHANGHAI)
    assert sums.refund == back
    assert sums.kept + sums.fee + sums.refund == sums.paid == 1000


def test_an_unused_plan_is_paid_back_whole_within_its_days_and_a_fee_later() -> None:
    rules = {"policy": "pro_rata", "full_days": 3, "fee_percent": "10"}
    made = compile_plans([plan(refund=rules)], "CNY")["plus"]
    assert made.refund == Refund("pro_rata", 3, "greater", 10_000)
    term = Term(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 10, 16, tzinfo=UTC), 1000)
    early, late = datetime(2026, 1, 3, 4, tzinfo=UTC), datetime(2026, 1, 4, 4, tzinfo=UTC)
    whole = refund_of(made, [term], Used(), early, SHANGHAI)
    assert (whole.refund, whole.is_full) == (1000, True)
    assert refund_of(made, [term], Used(discounts=1), early, SHANGHAI).refund == 630
    assert refund_of(made, [term], Used(), late, SHANGHAI).refund == 540
    nothing = compile_plans([plan(refund={"policy": "none"})], "CNY")["plus"]
    assert refund_of(nothing, [term], Used(), early, SHANGHAI).refund == 0


def test_periods_and_packs() -> None:
    day = date(2026, 11, 22)  # a Sunday
    starts = [
        period_start(p, day, date(2026, 5, 5)) for p in ("day", "week", "month", "quarter", "year", "term")
    ]
    assert [d.isoformat() for d in starts] == [
        "2026-11-22",
        "2026-11-16",
        "2026-11-01",
        "2026-10-01",
        "2026-01-01",
        "2026-05-05",
    ]
    anchor = date(2026, 1, 31)
    assert pack_start("month", anchor, date(2026, 2, 27)) == anchor
    assert pack_start("month", anchor, date(2026, 2, 28)) == date(2026, 2, 28)
    assert next_pack_start("month", anchor, date(2026, 2, 28)) == date(2026, 3, 31)
    assert pack_start("quarter", anchor, date(2026, 4, 29)) == anchor


def test_a_birthday_gift_is_due_ahead_and_caught_up() -> None:
    gift = BirthdayGift(100, (), 7)
    assert birthday_due((1, 3), gift, date(2026, 12, 26), 3) is None
    assert birthday_due((1, 3), gift, date(2026, 12, 27), 3) == 2027
    assert birthday_due((1, 3), gift, date(2026, 12, 30), 3) == 2027
    assert birthday_due((1, 3), gift, date(2026, 12, 31), 3) is None
    assert birthday_due((2, 29), BirthdayGift(1, (), 0), date(2026, 2, 28), 0) == 2026


def test_quotas_are_the_larger_or_added_up() -> None:
    def gives(quota: int) -> Benefit:
        one = {"code": "check", "name": {"zh-Hans": "体测"}, "quota": quota, "stores": [f"S{quota}"]}
        return compile_benefit({"entitlements": [one]}, "CNY")

    held = [Held("tier", "gold", gives(1)), Held("plan", "plus", gives(2))]
    (best,) = allowances_of(held, {}, date(2026, 11, 22), "best")
    assert (best.quota, best.since, best.entitlement.stores) == (2, date(2026, 1, 1), frozenset({"S1", "S2"}))
    assert allowances_of(held, {}, date(2026, 11, 22), "add")[0].quota == 3


# Documents ------------------------------------------------------------------------------------------------


def source(plans: str) -> str:
    return SOURCE + plans


def test_a_plan_is_read_with_every_default_spelt_out() -> None:
    text = "plans:\n  - {code: plus, name: {zh-Hans: 尊享}, price: 99, duration: {months: 12}}\n"
    (found,) = validate(source(text))["plans"]
    assert found["price"] == "99.00"
    assert found["refund"]["policy"] == "pro_rata"
    assert found["renewal"]["reminder_days"] == [7, 1]
    assert "plans" not in validate(SOURCE)


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ("{code: a, name: {zh-Hans: 甲}, duration: {months: 1}}", "plans[0].price", "missing_key"),
        ("{code: a, name: {zh-Hans: 甲}, price: 0, duration: {months: 1}}", "plans[0].price", "out_of_range"),
        ("{code: a, name: {zh-Hans: 甲}, price: 1, duration: {}}", "plans[0].duration", "missing_key"),
        (
            "{code: a, name: {zh-Hans: 甲}, price: 1, duration: {days: 1}, upgrade_to: [b]}",
            "plans[0].upgrade_to[0]",
            "unknown_reference",
        ),
        (
            "{code: a, name: {zh-Hans: 甲}, price: 1, duration: {days: 1}, tier: goldd}",
            "plans[0].tier",
            "unknown_reference",
        ),
        (
            "{code: a, name: {zh-Hans: 甲}, price: 1, duration: {days: 1}, benefits: {exclusive: [{until: 2026-01-01}]}}",
            "plans[0].benefits.exclusive[0]",
            "missing_key",
        ),
        (
            "{code: a, name: {zh-Hans: 甲}, price: 1, duration: {days: 1},"
            " benefits: {packs: [{code: m, coupons: [{template: nope}]}]}}",
            "plans[0].benefits.packs[0].coupons[0].template",
            "unknown_reference",
        ),
        (
            "{code: a, name: {zh-Hans: 甲}, price: 1, duration: {days: 1}, benefits: {free_shipping_from: 5}}",
            "plans[0].benefits.free_shipping_from",
            "needs_other_key",
        ),
    ],
)
def test_what_is_wrong_with_a_plan_is_told_with_its_place(body: str, path: str, code: str) -> None:
    found = problems_of(source(f"plans:\n  - {body}\n"))
    assert [(p.path, p.code) for p in found] == [(path, code)]


def test_an_entitlement_means_the_same_wherever_it_is_given() -> None:
    one = "{{code: {code}, name: {{zh-Hans: 甲}}, price: 1, duration: {{days: 1}}, benefits: {{entitlements:"
    text = "plans:\n"
    for code, period in (("a", "year"), ("b", "month")):
        text += f"  - {one.format(code=code)} [{{code: check, name: {{zh-Hans: 体测}}, quota: 1, period: {period}}}]}}}}\n"
    assert [(p.path, p.code) for p in problems_of(source(text))] == [
        ("plans[1].benefits.entitlements[0]", "differs")
    ]


def test_a_tier_level_carries_benefits_beside_its_discount() -> None:
    text = SOURCE.replace("discount_percent: 2}", "discount_percent: 2, benefits: {priority_service: true}}")
    level = validate(text)["tiers"]["levels"][2]
    assert level["benefits"]["priority_service"] is True
    assert PLUS["benefits"]["discount_percent"] == "10"
