"""The sections about earning: what they mean when nothing is said, and how exactly a mistake is named."""

from __future__ import annotations

import pytest
from django.utils import translation

from shuke.loyalty.diff import diff_documents
from shuke.loyalty.document import digest_of, problems_of, validate
from shuke.loyalty.earning_words import (
    describe_accrual,
    describe_budget,
    describe_conditions,
    describe_earning,
    describe_terms,
)
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.words import explain_earning
from tests.factories.loyalty import SOURCE, changed

RULES = """\
budgets:
  - {id: launch, name: {zh-Hans: 新店预算, en: Launch}, limit: 10000, period: month}
earning:
  - {id: base, name: {zh-Hans: 消费积分, en: Base points}, give: 1, per: 1.00}
  - id: fruit
    name: {zh-Hans: 水果加赠, en: Fruit bonus}
    fixed: 50
    stacking: exclusive
    priority: 20
    caps: {day: 100, member: 1000}
    budget: launch
    when:
      categories: [FOOD/FRUIT]
      except: {brands: [own]}
      order_amount: {from: 100, to: 500.50}
      hours: [{from: "07:30", to: "10:00"}, {from: "22:00", to: "02:00"}]
      month_days: [8, 18]
      tags: [vip]
      tenure_days: {to: 30}
      first_purchase: true
      birthday: week
      tenders: [wechat]
accruals:
  - {id: joined, name: {zh-Hans: 入会礼, en: Welcome}, kind: registration, give: 100}
  - {id: daily, name: {zh-Hans: 签到, en: Check-in}, kind: check_in, give: 5, caps: {month: 100}, when: {weekdays: [mon]}}
"""
WITH_RULES = changed(
    "earning:\n  - {id: base, name: {zh-Hans: 消费积分, en: Base points}, give: 1, per: 1.00}\n", RULES
)


def found(source: str) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in problems_of(source)]


def test_what_is_not_said_is_spelt_out() -> None:
    document = validate(WITH_RULES)
    fruit = document["earning"][1]
    assert (fruit["fixed_per"], fruit["multiplied"], "rounding" in fruit) == ("order", False, False)
    assert document["budgets"][0]["covers"] == "named"
    assert document["budgets"][0]["when_short"] == "give_rest"
    assert document["accruals"][0] == {
        "id": "joined",
        "name": {"zh-Hans": "入会礼", "en": "Welcome"},
        "asset": "points",
        "kind": "registration",
        "give": 100,
        "priority": 0,
    }
    assert fruit["when"]["order_amount"] == {"from": "100.00", "to": "500.50"}


def test_the_compiled_rule_is_what_was_validated() -> None:
    plan = compile_programme(validate(WITH_RULES))
    fruit = plan.earning[0]  # by priority
    assert (fruit.id, fruit.give, fruit.per, fruit.terms.exclusive) == ("fruit", 50, 0, True)
    assert (fruit.terms.caps.day, fruit.terms.caps.month, fruit.terms.caps.member) == (100, None, 1000)
    assert [budget.id for budget in fruit.terms.budgets] == ["launch"]
    when = fruit.when
    assert when.hours == ((450, 600), (1320, 120))
    assert (when.only.categories, when.exclude.brands) == (("FOOD/FRUIT",), {"own"})
    assert when.order_amount is not None
    assert (when.order_amount.low, when.order_amount.high) == (10_000, 50_050)
    assert (when.birthday, when.first_purchase, when.tenders) == ("week", True, {"wechat"})
    assert [(rule.kind, rule.give) for rule in plan.accruals] == [("registration", 100), ("check_in", 5)]
    assert plan.needs.tenders and plan.uses_birthday


def test_the_older_way_to_say_birthday_month_means_the_same() -> None:
    old = changed("{weekdays: [wed]}", "{birthday_month: true}")
    assert digest_of(validate(old)) == digest_of(validate(changed("{weekdays: [wed]}", "{birthday: month}")))
    without = changed("{weekdays: [wed]}", "{birthday_month: false}")
    assert "when" not in validate(without)["multipliers"][0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("fixed: 50", "fixed: 50\n    give: 1", [("not_for_effect", "earning[1].give")]),
        ("give: 1, per: 1.00}", "give: 1, per: 1.00, fixed_per: unit}", [("not_for_effect", "earning[0].fixed_per")]),
        ("fixed: 50", "fixed: 0", [("out_of_range", "earning[1].fixed")]),
        ("fixed: 50", "fixed: 0.5", [("not_whole", "earning[1].fixed")]),
        ("stacking: exclusive", "stacking: alone", [("not_allowed", "earning[1].stacking")]),
        ("{day: 100, member: 1000}", "{week: 100}", [("unknown_key", "earning[1].caps.week")]),
        ("{day: 100, member: 1000}", "{day: -1}", [("out_of_range", "earning[1].caps.day")]),
        ("{day: 100, member: 1000}", "100", [("wrong_type", "earning[1].caps")]),
        ("budget: launch", "budget: lunch",
         [("budget_unused", "budgets[0].id"), ("unknown_reference", "earning[1].budget")]),
        ("    budget: launch\n", "", [("budget_unused", "budgets[0].id")]),
        ("limit: 10000,", "limit: 10000, asset: growth,", [("budget_of_other_asset", "earning[1].budget")]),
        ("limit: 10000,", "limit: 0,", [("out_of_range", "budgets[0].limit")]),
        ("id: launch", "id: base", [("duplicate", "earning[0].id"), ("unknown_reference", "earning[1].budget"),
                                    ("budget_unused", "budgets[0].id")]),
        ('"10:00"}', '"23:00"}', [("hours_overlap", "earning[1].when.hours[1]")]),
        ('to: "02:00"', 'to: "07:31"', [("hours_overlap", "earning[1].when.hours[1]")]),
        ('"10:00"}', '"25:00"}', [("bad_hour", "earning[1].when.hours[0].to")]),
        ('"10:00"}', '"7:30"}', [("bad_hour", "earning[1].when.hours[0].to")]),
        ("to: 500.50", "to: 99.99", [("range_reversed", "earning[1].when.order_amount.to")]),
        ("to: 500.50", "to: 500.505", [("bad_amount", "earning[1].when.order_amount.to")]),
        ("tenure_days: {to: 30}", "tenure_days: {}", [("missing_value", "earning[1].when.tenure_days")]),
        ("tenure_days: {to: 30}", "tenure_days: {from: 31, to: 30}",
         [("range_reversed", "earning[1].when.tenure_days.to")]),
        ("[8, 18]", "[8, 32]", [("out_of_range", "earning[1].when.month_days[1]")]),
        ("[8, 18]", "[8, 8]", [("duplicate", "earning[1].when.month_days[1]")]),
        ("birthday: week", "birthday: year", [("not_allowed", "earning[1].when.birthday")]),
        ("birthday: week", "birthday: week\n      birthday_month: true",
         [("either_or", "earning[1].when.birthday_month")]),
        ("first_purchase: true", "first_purchase: maybe", [("not_boolean", "earning[1].when.first_purchase")]),
        ("except: {brands: [own]}", "except: {tags: [own]}", [("unknown_key", "earning[1].when.except.tags")]),
        ("kind: registration", "kind: joining", [("not_allowed", "accruals[0].kind")]),
        ("{weekdays: [mon]}", "{stores: [S1]}", [("unknown_key", "accruals[1].when.stores")]),
        ("caps: {month: 100}", "caps: {order: 100}", [("unknown_key", "accruals[1].caps.order")]),
        ("kind: registration, give: 100", "kind: registration, give: 100, factor: 2",
         [("unknown_key", "accruals[0].factor")]),
        ("  - id: fruit", "  - {id: other, name: {zh-Hans: 其他}, fixed: 1, stacking: exclusive, priority: 20}\n  - id: fruit",
         [("priority_taken", "earning[2].priority")]),
        ("metric: spend", "metric: growth", []),
        ("kind: registration, give: 100", "kind: registration, give: 100, asset: growth", []),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_is(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(found(changed(old, new, WITH_RULES))) == sorted(expected)


def test_growth_that_tiers_need_comes_from_purchases_only() -> None:
    source = changed(
        "kind: registration, give: 100", "kind: registration, give: 100, asset: growth", WITH_RULES
    )
    by_growth = changed("metric: spend", "metric: growth", source)
    assert found(by_growth) == [("growth_from_purchases", "accruals[0].asset")]


def test_ten_thousand_rules_are_refused_in_one_sentence() -> None:
    many = "".join(f"  - {{id: r{n}}}\n" for n in range(10_000))
    source = changed("multipliers:", f"{many}multipliers:")
    problems = problems_of(source)
    with translation.override("en"):
        assert [str(problem) for problem in problems] == [
            "earning: has 10001 items; at most 1000 are allowed"
        ]


def test_rules_in_words_in_three_languages() -> None:
    document = validate(WITH_RULES)
    fruit, (joined, daily) = document["earning"][1], document["accruals"]
    expected = {
        "en": (
            "50 Points for the order; for members tagged vip; member for at most 30 days; paid by wechat; "
            "on the first purchase; orders of 100.00 CNY to 500.50 CNY; on FOOD/FRUIT; but not on the brands own; "
            "on the days 8, 18 of the month; at 07:30–10:00, 22:00–02:00; in the week of the member's birthday",
            "alone, instead of others; priority 20; not multiplied; at most 100 per day, at most 1,000 per member; "
            "from the budget Launch",
            "5 Points for a check-in; every Monday",
            "10,000 Points per month for the rules that name it; when less is left, the rest is given",
        ),
        "zh-hans": (
            "每单 50 积分；限标签 vip；入会不超过 30 天；限支付方式 wechat；首次消费；"
            "订单金额 100.00 CNY 至 500.50 CNY；限品类 FOOD/FRUIT；不含 品牌 own；"
            "每月 8、18 日；时段 07:30–10:00、22:00–02:00；会员生日当周",
            "排他，不与其他规则叠加；优先级 20；不参与倍率；每天最多 100、每人最多 1,000；占用预算“新店预算”",
            "签到得 5 积分；每逢周一",
            "每月 10,000 积分，用于指定它的规则；余额不足时发放剩余部分",
        ),
        "zh-hant": (
            "每單 50 积分；限標籤 vip；入會不超過 30 天；限付款方式 wechat；首次消費；"
            "訂單金額 100.00 CNY 至 500.50 CNY；限品類 FOOD/FRUIT；不含 品牌 own；"
            "每月 8、18 日；時段 07:30–10:00、22:00–02:00；會員生日當週",
            "排他，不與其他規則疊加；優先級 20；不參與倍率；每天最多 100、每人最多 1,000；佔用預算「新店预算」",
            "簽到得 5 积分；每逢週一",
            "每月 10,000 积分，用於指定它的規則；餘額不足時發放剩餘部分",
        ),
    }
    for language, (rule, terms, accrual, budget) in expected.items():
        with translation.override(language):
            assert describe_earning(fruit, document) == rule
            assert describe_terms(fruit, document) == terms
            assert describe_accrual(daily, document) == accrual
            assert describe_budget(document["budgets"][0], document) == budget
            assert describe_terms(joined, document) == ""
    assert describe_conditions({"birthday_month": True}, document) == "in the member's birthday month"


def test_an_entry_says_what_limited_it() -> None:
    document = validate(WITH_RULES)
    explain = {
        "rules": [{"id": "base", "points": 19}, {"id": "fruit", "points": 7, "of": 50, "cut": "budget"}]
    }
    assert explain_earning(explain, document) == (
        "19 from Base points, 7 from Fruit bonus (instead of 50: what the budget still held): 26 Points in all"
    )
    with translation.override("zh-hans"):
        assert explain_earning(explain, document) == (
            "消费积分 19、水果加赠 7（原为 50，受限于预算余额），共 26 积分"
        )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("fixed: 50", "fixed: 60", ("changed", "earning[1].fixed", "“Fruit bonus” gives 50 → 60")),
        ("fixed: 50", "give: 1\n    per: 10",
         ("changed", "earning[1]", "“Fruit bonus” gives 50 Points for the order → 1 Points for every 10.00 CNY")),
        ("priority: 20", "priority: 21", ("changed", "earning[1].priority", "“Fruit bonus” priority 20 → 21")),
        ("{day: 100, member: 1000}", "{day: 50}",
         ("changed", "earning[1].caps",
          "“Fruit bonus” limit at most 100 per day, at most 1,000 per member → at most 50 per day")),
        ("    caps: {day: 100, member: 1000}\n", "",
         ("changed", "earning[1].caps",
          "“Fruit bonus” limit at most 100 per day, at most 1,000 per member → no limit")),
        ("limit: 10000", "limit: 9000", ("changed", "budgets[0].limit", "“Launch” limit 10,000 → 9,000")),
        ("kind: check_in", "kind: review",
         ("changed", "accruals[1].kind", "“Check-in” is given for a check-in → for a review")),
        ("  - {id: joined, name: {zh-Hans: 入会礼, en: Welcome}, kind: registration, give: 100}\n", "",
         ("removed", "accruals[0]", "Accrual ended: Welcome (100 Points for joining)")),
    ],
)  # fmt: skip
def test_a_difference_in_earning_is_told(old: str, new: str, expected: tuple[str, str, str]) -> None:
    before, after = validate(WITH_RULES), validate(changed(old, new, WITH_RULES))
    told = [(change.kind, change.path, change.text) for change in diff_documents(before, after)]
    assert (expected in told) and len(
        told
    ) <= 2  # a rule by amount is multiplied again, which is told as well


def test_a_document_of_an_earlier_release_differs_only_in_what_was_added() -> None:
    earlier = validate(SOURCE)
    for rule in (*earlier["earning"], *earlier["multipliers"]):
        for key in ("stacking", "priority", "multiplied"):
            rule.pop(key, None)
    assert diff_documents(earlier, validate(SOURCE)) == []
    kinds = [change.kind for change in diff_documents(earlier, validate(WITH_RULES))]
    assert kinds == ["added"] * 4
