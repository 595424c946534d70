"""Differences in human words."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from shuke.core.values import Role
from shuke.loyalty.assets import RESERVED
from shuke.loyalty.diff import Change, diff_documents
from shuke.loyalty.document import validate
from shuke.loyalty.key_words import choice_word, label_of
from shuke.loyalty.schema import json_schema
from tests.factories.loyalty import DEMO, SOURCE, changed


def between(old: str, new: str) -> list[tuple[str, str, str]]:
    return [
        (change.kind, change.path, change.text) for change in diff_documents(validate(old), validate(new))
    ]


def test_the_same_document_has_no_difference_whatever_its_layout() -> None:
    assert diff_documents(validate(SOURCE), validate("# v2\n" + SOURCE.replace("5000", "5000.00"))) == []
    assert between(DEMO, DEMO) == []


def test_a_threshold() -> None:
    assert diff_documents(validate(SOURCE), validate(changed("threshold: 5000", "threshold: 6000"))) == [
        Change("changed", "tiers.levels[2].threshold", "Gold threshold 5,000.00 → 6,000.00")
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Gold threshold 5,000.00 → 6,000.00"),
        ("zh-hans", "金卡门槛：5,000.00 → 6,000.00"),
        ("zh-hant", "金卡門檻：5,000.00 → 6,000.00"),
    ],
)
def test_three_languages(language: str, text: str) -> None:
    with translation.override(language):
        assert between(SOURCE, changed("threshold: 5000", "threshold: 6000")) == [
            ("changed", "tiers.levels[2].threshold", text)
        ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Test club", "Our club", ("changed", "name", "Programme name Test club → Our club")),
        ("测试会员", "会员", ("changed", "name", "Programme name 测试会员, Test club → 会员, Test club")),
        ("Asia/Shanghai", "Asia/Hong_Kong", ("changed", "time_zone", "Time zone Asia/Shanghai → Asia/Hong_Kong")),
        ("{model: never}", "{months: 24}",
         ("changed", "assets.growth.expiry",
          "Growth expire never → 24 months after they were earned, at the end of the month")),
        ("  growth: {name", "  stars: {name: {zh-Hans: 星}}\n  growth: {name",
         ("added", "assets.stars", "New asset: 星 (expires: 12 months after they were earned, at the end of the month)")),
        ("give: 1, per: 1.00", "give: 2, per: 1.00", ("changed", "earning[0].give", "“Base points” gives 1 → 2")),
        ("per: 1.00}", "per: 1.00, rounding: half_up}",
         ("changed", "earning[0].rounding", "“Base points” rounding rounded down → rounded half up")),
        ("multipliers:",
         "  - {id: cafe, name: {zh-Hans: 咖啡, en: Café}, give: 5, per: 30, when: {channels: [app]}}\nmultipliers:",
         ("added", "earning[1]", "New rule: Café (5 Points for every 30.00 CNY; through app)")),
        ("  - {id: wed, name: {zh-Hans: 会员日, en: Member day}, factor: 2, when: {weekdays: [wed]}}\n", "  []\n",
         ("removed", "multipliers[0]", "Multiplier ended: Member day (Points ×2; every Wednesday)")),
        ("factor: 2", "factor: 3", ("changed", "multipliers[0].factor", "“Member day” factor ×2 → ×3")),
        ("[wed]", "[wed, sat]",
         ("changed", "multipliers[0].when", "“Member day” applies every Wednesday → every Wednesday, Saturday")),
        ("{weekdays: [wed]}", "{tiers: [gold]}",
         ("changed", "multipliers[0].when", "“Member day” applies every Wednesday → for Gold")),
        ("metric: spend", "metric: spend\n  downgrade: never",
         ("changed", "tiers.downgrade", "Tiers downgrade one level at the end of the term → never")),
        ("discount_percent: 2", "discount_percent: 3.5",
         ("changed", "tiers.levels[2].discount_percent", "Gold discount 2% → 3.5%")),
        ("redemption:", "    - {code: top, name: {zh-Hans: 黑卡, en: Black}, threshold: 9000}\nredemption:",
         ("added", "tiers.levels[3]", "New tier: Black (threshold 9,000.00)")),
        ("worth: 1,", "worth: 2,", ("changed", "redemption.worth", "Points as cash rate 100 = 1.00 CNY → 100 = 2.00 CNY")),
        ("max_percent: 50", "max_percent: 30",
         ("changed", "redemption.max_percent", "Points as cash largest share of an order 50% → 30%")),
        ("redemption: {points: 100, worth: 1, max_percent: 50}\n", "",
         ("removed", "redemption", "Ended: Points as cash (100 = 1.00 CNY)")),
        ("redemption:", "policies: {tier_on_refund: period_end}\nredemption:",
         ("changed", "policies.tier_on_refund", "Policy: tier after a refund: at once → at the end of the term")),
    ],
)  # fmt: skip
def test_each_kind_of_difference(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert between(SOURCE, changed(old, new)) == [expected]


def test_a_removed_tier_is_named_and_the_reverse_is_an_addition() -> None:
    longer = changed(
        "redemption:", "    - {code: top, name: {zh-Hans: 黑卡, en: Black}, threshold: 9000}\nredemption:"
    )
    assert between(longer, SOURCE) == [("removed", "tiers.levels[3]", "Tier ended: Black")]


def test_every_field_of_the_schema_is_seen() -> None:
    """Nothing may change unseen: each leaf of the document, altered alone, is reported."""
    document = validate(DEMO)
    for path in _leaves(document):
        if path[-1] in ("shuke", "model", "instant", "usable"):
            continue  # the schema's own number; and an expiry or a waiting time is shown as a whole
        other = validate(DEMO)
        node = other
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = _other(node[path[-1]], path)
        assert diff_documents(document, other), path


def _other(value: object, path: tuple[object, ...]) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    swaps = {
        "floor": "ceil", "order": "line", "spend": "growth", "one_level": "never", "return": "keep", "claw_back": "keep",
        "stackable": "exclusive", "month": "day",
        "at_once": "period_end", "add": "best", "best": "add", "month_end": "none", "wed": "thu", "sat": "mon", "sun": "tue",
        "points": "custom", "growth": "custom", "refuse": "debt", "debt": "cash_value", "restore": "void",
        "rolling": "calendar_year", "upgrade": "reassess",
    }  # fmt: skip
    text = str(value)
    if text in swaps:
        return swaps[text]
    return str(float(text) + 1) if text.replace(".", "").isdigit() else text + "x"


def _leaves(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in _leaves(value, (*path, key))]
    if isinstance(node, list):
        return [leaf for key, value in enumerate(node) for leaf in _leaves(value, (*path, key))]
    return [path]


OFFER = """
rewards:
  - {code: cup, name: {zh-Hans: 马克杯, zh-Hant: 馬克杯, en: Mug}, kind: goods, points: 50}
plans:
  - {code: plus, name: {zh-Hans: 尊享卡, zh-Hant: 尊享卡, en: Plus}, price: 99.00, duration: {months: 3}}
"""


def test_an_offer_that_comes_or_goes_is_told_as_a_whole_and_one_that_stays_by_its_keys() -> None:
    more = SOURCE + OFFER
    assert between(SOURCE, more) == [
        ("added", "rewards.cup", "Rewards: Mug"),
        ("added", "plans.plus", "Plans: Plus"),
    ]
    assert between(more, SOURCE) == [
        ("removed", "rewards.cup", "Rewards: Mug"),
        ("removed", "plans.plus", "Plans: Plus"),
    ]
    assert between(more, more.replace("price: 99.00", "price: 89.00")) == [
        ("changed", "plans.plus.price", "Plans: “Plus” · Price 99.00 → 89.00")
    ]
    with translation.override("zh-hans"):
        assert between(SOURCE, more)[1][2] == "付费会员：尊享卡"


MONEY = """
stored_value:
  bonuses: [{id: b500, name: {zh-Hans: 充五百送五十, en: 500 gives 50}, from: 500, give: 50}]
card_limits: {registered_most: 3000, bearer_most: none}
coupons:
  - {code: five, name: {zh-Hans: 减五元, en: Five off}, type: amount_off, amount: 5, scope: {categories: [FOOD, TEA]}}
plans:
  - code: plus
    name: {zh-Hans: 尊享卡, zh-Hant: 尊享卡, en: Plus}
    price: 99.00
    duration: {months: 3}
    tier: gold
    benefits:
      packs: [{code: monthly, coupons: [{template: five, count: 2}]}]
      entitlements: [{code: tea, name: {zh-Hans: 一杯茶, en: A cup of tea}, quota: 2, period: quarter}]
    refund: {policy: none}
"""


@pytest.mark.parametrize(
    ("was", "is_now", "english", "simplified"),
    [
        ("give: 50", "give: 60", "Stored value: Bonuses · “500 gives 50” · Units given 50.00 → 60.00",
         "储值：充值赠送 · “充五百送五十” · 给予数量：50.00 → 60.00"),
        ("bearer_most: none", "bearer_most: 800", "Legal card limits: At most on a gift card no limit → 800.00",
         "预付卡法定限额：单张不记名卡上限：不限 → 800.00"),
        ("[FOOD, TEA]", "[FOOD]", "Coupons: “Five off” · Where it counts · Categories FOOD, TEA → FOOD",
         "优惠券：“减五元” · 适用范围 · 品类：FOOD、TEA → FOOD"),
        ("count: 2", "count: 3", "Plans: “Plus” · Benefits · Coupon packs · monthly · Coupons · Five off · Pieces 2 → 3",
         "付费会员：“尊享卡” · 权益 · 券包 · monthly · 优惠券 · 减五元 · 张数：2 → 3"),
        ("period: quarter", "period: year",
         "Plans: “Plus” · Benefits · Entitlements · “A cup of tea” · Period per quarter → per year",
         "付费会员：“尊享卡” · 权益 · 权益次数 · “一杯茶” · 周期：每季度 → 每年"),
        ("policy: none", "policy: pro_rata",
         "Plans: “Plus” · When it is paid back · Paid back nothing → by the time that is left",
         "付费会员：“尊享卡” · 退款 · 退款方式：不退 → 按剩余时间"),
        ("tier: gold", "tier: silver", "Plans: “Plus” · Tier Gold → Silver", "付费会员：“尊享卡” · 等级：金卡 → 银卡"),
    ],
)  # fmt: skip
def test_a_changed_offer_is_told_in_human_words(was: str, is_now: str, english: str, simplified: str) -> None:
    old, new = SOURCE + MONEY, (SOURCE + MONEY).replace(was, is_now)
    assert [text for _kind, _path, text in between(old, new)] == [english]
    with translation.override("zh-hans"):
        assert [text for _kind, _path, text in between(old, new)] == [simplified]


def test_a_treat_is_told_in_one_order_and_no_word_twice() -> None:
    treat = "birthday: {coupons: [{template: five}], points: 1000, days_before: 3}"
    old, new = SOURCE + MONEY, (SOURCE + MONEY).replace("      packs:", f"      {treat}\n      packs:")
    assert [text for _kind, _path, text in between(old, new)] == [
        "Plans: “Plus” · Benefits · Birthday – → Five off ×1, Points: 1,000, 3 days ahead"
    ]
    with translation.override("zh-hans"):
        told = "付费会员：“尊享卡” · 权益 · 生日：– → 减五元 ×1、积分：1,000、提前 3 天"
        assert [text for _kind, _path, text in between(old, new)] == [told]
        before, after = validate(old), validate(new)
        stored = json.loads(json.dumps(after, sort_keys=True))
        assert [each.text for each in diff_documents(before, stored)] == [told]
        back = [each.text for each in diff_documents(stored, before)]
        assert back == ["付费会员：“尊享卡” · 权益 · 生日：减五元 ×1、积分：1,000、提前 3 天 → –"]
    fewer = (SOURCE + MONEY).replace(
        "template: five, count: 2}", "template: five, count: 2}, {template: six}"
    )
    six = (
        "plans:\n",
        "  - {code: six, name: {zh-Hans: 减六元, en: Six off}, type: amount_off, amount: 6}\nplans:\n",
    )
    old, new = ((each).replace(*six) for each in (old, fewer))
    assert [text for _kind, _path, text in between(old, new)] == [
        "Plans: “Plus” · Benefits · Coupon packs · monthly · Coupons – → Six off ×1"
    ]


def test_goods_in_another_order_are_no_change() -> None:
    assert between(SOURCE + MONEY, (SOURCE + MONEY).replace("[FOOD, TEA]", "[TEA, FOOD]")) == []


def test_every_key_and_choice_of_the_document_has_a_word() -> None:
    keys, choices = _vocabulary(json_schema())
    assert len(keys) > 150 and len(choices) > 80
    with translation.override("zh-hans"):  # in English some words are spelt as they are written
        assert {key for key in keys if label_of(key) == key} == set()
        assert {(key, value) for key, value in choices if choice_word(key, value) == value} == set()


def _vocabulary(schema: object, key: str = "") -> tuple[set[str], set[tuple[str, str]]]:
    """The keys of a schema, and its choices with the key that they belong to."""
    keys: set[str] = set()
    choices: set[tuple[str, str]] = set()
    if isinstance(schema, dict):
        if key not in ("currency", "shuke"):
            choices |= {(key, value) for value in schema.get("enum", ()) if isinstance(value, str)}
        for name, each in schema.items():
            inner = each if name in ("properties", "$defs") and isinstance(each, dict) else {}
            if name == "properties":
                keys |= inner.keys() - {"zh-Hans", "zh-Hant", "en", *Role.values, "api_key", *RESERVED}
            found = [_vocabulary(item, at) for at, item in inner.items()] or [_vocabulary(each, key)]
            for more_keys, more_choices in found:
                keys |= more_keys
                choices |= more_choices
    elif isinstance(schema, list):
        for each in schema:
            more_keys, more_choices = _vocabulary(each, key)
            keys |= more_keys
            choices |= more_choices
    return keys, choices
