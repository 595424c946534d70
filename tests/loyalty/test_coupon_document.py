"""The section `coupons`: what is read, what is refused and where, what must be confirmed, and what a change is told as."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation

from shuke.catalog.models import Category, Product
from shuke.loyalty.diff import diff_documents
from shuke.loyalty.document import digest_of, problems_of, validate
from shuke.loyalty.operations import warnings_of
from shuke.loyalty.programme import Programme, compile_programme
from shuke.rewards.values import DayPart, Goods, Limits, Stacking, Step, Validity
from tests.factories.catalog import make_product
from tests.factories.programmes import document

NAME = {"zh-Hans": "券"}


def coupon(code: str = "c", kind: str = "amount_off", **terms: Any) -> dict[str, Any]:
    if kind == "amount_off":
        terms = {"amount": "10", **terms}
    return {"code": code, "name": NAME, "type": kind, **terms}


def checked(*coupons: dict[str, Any]) -> str:
    draft = document(coupons=list(coupons))
    for rule in (*draft["earning"], *draft["multipliers"]):
        rule.setdefault("name", NAME)
    return json.dumps(draft)


def compiled(*coupons: dict[str, Any]) -> Programme:
    return compile_programme(validate(checked(*coupons)))


def test_a_document_without_coupons_has_none() -> None:
    made = validate(checked())
    del made["coupons"]
    assert compile_programme(made).coupons == {}


def test_everything_a_template_can_say() -> None:
    made = compiled(
        coupon(
            "lunch",
            "percent_off",
            percent="12.5",
            cap="30",
            minimum_spend="50",
            minimum_quantity=2,
            scope={
                "skus": ["a"],
                "categories": ["FOOD"],
                "brands": ["B"],
                "exclude_skus": ["x"],
                "stores": ["s1"],
                "channels": ["pos"],
                "day_parts": [{"from": "11:00", "to": "14:00"}],
                "weekdays": ["mon", "sun"],
                "tenders": ["wechat"],
            },
            validity={
                "from": "2026-12-01",
                "until": "2026-12-31",
                "days_after_issue": 7,
                "starts_after_days": 1,
            },
            limits={
                "stock": 100,
                "per_member": 2,
                "per_member_per": "day",
                "per_order": 2,
                "budget_count": 50,
                "budget": "500",
                "alarm_percent": 80,
            },
            stacking={"group": "meals", "with": "none", "priority": 3},
            transferable=True,
            public_code="lunch-20",
            auto_issue={"on": "birthday"},
        )
    ).coupons["lunch"]
    assert (made.type, made.percent, made.cap, made.minimum_spend, made.minimum_quantity) == (
        "percent_off",
        12_500,
        3000,
        5000,
        2,
    )
    assert made.scope.goods == Goods(frozenset("a"), ("FOOD",), frozenset("B"))
    assert made.scope.exclude == Goods(frozenset("x"))
    assert made.scope.day_parts == (DayPart(660, 840),)
    assert made.scope.weekdays == {0, 6}
    assert made.limits == Limits(100, 2, "day", 2, 50, 50_000, 80)
    assert made.stacking == Stacking("meals", allows=frozenset(), priority=3)
    assert (made.validity.days_after_issue, made.validity.starts_after_days) == (7, 1)
    assert (made.transferable, made.public_code, made.auto_issue) == (True, "LUNCH-20", ("birthday",))


def test_what_is_left_out_takes_its_default_and_is_spelt_out() -> None:
    made = validate(checked(coupon()))["coupons"][0]
    assert made == {
        "code": "c", "name": NAME, "type": "amount_off", "amount": "10.00", "per": "order", "spread": "amount",
        "transferable": False,
    }  # fmt: skip
    template = compiled(coupon()).coupons["c"]
    assert (template.amount, template.validity, template.stacking) == (1000, Validity(), Stacking())


@pytest.mark.parametrize(
    ("kind", "terms", "expected"),
    [
        ("threshold", {"minimum_spend": "100", "amount": "10"}, {"steps": (Step(10000, 1000),), "minimum_spend": 10000}),
        ("threshold", {"steps": [{"spend": "100", "amount": "10"}, {"spend": "200", "amount": "30"}]},
         {"steps": (Step(10000, 1000), Step(20000, 3000))}),
        ("fixed_price", {"price": "9.9", "buy": 2}, {"price": 990, "buy": 2}),
        ("nth_item", {"nth": 2, "percent": "50"}, {"nth": 2, "percent": 50000}),
        ("buy_x_get_y", {"buy": 2, "get_goods": {"skus": ["g"]}}, {"buy": 2, "get": 1, "percent": 100_000,
                                                                    "get_goods": Goods(frozenset("g"))}),
        ("cheapest_free", {}, {"buy": 2, "times": 1, "percent": 100_000}),
        ("gift_item", {"gift": {"skus": ["g"]}}, {"get_goods": Goods(frozenset("g")), "get": 1}),
        ("free_shipping", {"shipping": {"skus": ["ship"]}}, {"get_goods": Goods(frozenset({"ship"}))}),
        ("exchange", {"scope": {"skus": ["a"]}}, {"price": 0, "get": 1}),
    ],
)  # fmt: skip
def test_each_type(kind: str, terms: dict[str, Any], expected: dict[str, Any]) -> None:
    made = compiled(coupon("c", kind, **terms)).coupons["c"]
    assert {key: getattr(made, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("coupons", "path", "code"),
    [
        ([coupon("c", "percent_off")], "coupons[0].percent", "missing_key"),
        ([coupon("c", "percent_of", percent="5")], "coupons[0].type", "not_allowed"),
        ([coupon("c", "percent_off", percent="101")], "coupons[0].percent", "out_of_range"),
        ([coupon("c", nth=2)], "coupons[0].nth", "key_of_other_type"),
        ([coupon("c", amout="5")], "coupons[0].amout", "unknown_key"),
        ([coupon("c", "threshold", amount="10")], "coupons[0].minimum_spend", "missing_key"),
        ([coupon("c", "threshold", minimum_spend="5", amount="10")], "coupons[0].amount", "more_off_than_spent"),
        ([coupon("c", "threshold", steps=[{"spend": "9", "amount": "1"}], amount="1")], "coupons[0].amount", "either_or"),
        ([coupon("c", "threshold", steps=[{"spend": "9", "amount": "1"}, {"spend": "9", "amount": "2"}])],
         "coupons[0].steps[1].spend", "steps_order"),
        ([coupon("c"), coupon("c")], "coupons[1].code", "duplicate"),
        ([coupon("a", public_code="XX1"), coupon("b", public_code="xx1")], "coupons[1].public_code", "duplicate"),
        ([coupon("a", public_code="a b")], "coupons[0].public_code", "bad_public_code"),
        ([coupon("a", public_code="best")], "coupons[0].public_code", "bad_public_code"),
        ([coupon("c", scope={"skus": ["a"], "exclude_skus": ["a"]})], "coupons[0].scope.exclude_skus",
         "included_and_excluded"),
        ([coupon("c", scope={"day_parts": [{"from": "9:00", "to": "10:00"}]})], "coupons[0].scope.day_parts[0].from",
         "bad_hour"),
        ([coupon("c", validity={"from": "2026-12-31", "until": "2026-12-01"})], "coupons[0].validity.until",
         "dates_reversed"),
        ([coupon("c", limits={"per_member_per": "day"})], "coupons[0].limits.per_member", "missing_key"),
        ([coupon("c", limits={"alarm_percent": 80})], "coupons[0].limits.alarm_percent", "alarm_without_limit"),
        ([coupon("c", auto_issue={"on": "xmas"})], "coupons[0].auto_issue.on", "not_allowed"),
        ([coupon("c", stacking={"exclusive": True, "with": ["g"]})], "coupons[0].stacking.with", "exclusive_with_others"),
        ([coupon("c", stacking={"group": "g", "with": ["g"]})], "coupons[0].stacking.with[0]", "group_with_itself"),
        ([coupon("c", stacking={"with": ["g"]})], "coupons[0].stacking.with[0]", "unknown_reference"),
        ([coupon("a", stacking={"group": "a", "with": ["b"]}), coupon("b", stacking={"group": "b", "with": "none"})],
         "coupons[0].stacking.with[0]", "contradictory_exclusion"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_where(coupons: list[dict[str, Any]], path: str, code: str) -> None:
    assert [(p.path, p.code) for p in problems_of(checked(*coupons))] == [(path, code)]


def test_groups_that_name_each_other_in_a_circle() -> None:
    names = {"a": "b", "b": "c", "c": "a"}
    found = problems_of(
        checked(*(coupon(own, stacking={"group": own, "with": [other]}) for own, other in names.items()))
    )
    assert [(p.path, p.code) for p in found] == [
        (f"coupons[{n}].stacking.with[0]", "circular_exclusion") for n in range(3)
    ]


def test_ten_thousand_templates_are_refused_with_one_clear_word() -> None:
    (problem,) = problems_of(checked(*(coupon(f"c{n}") for n in range(2000))))
    assert (problem.path, problem.code) == ("coupons", "too_many")
    assert "2000" in problem.message and "1000" in problem.message
    (problem,) = problems_of(checked(*(coupon(f"c{n}") for n in range(10_000))))
    assert problem.code in ("too_large", "too_many_values")


def test_what_changes_is_told() -> None:
    old, new = validate(checked(coupon())), validate(checked(coupon("c", amount="12"), coupon("d")))
    with translation.override("en"):
        told = [str(change.text) for change in diff_documents(old, new)]
    assert any("10.00" in text and "12.00" in text for text in told)
    assert digest_of(old) != digest_of(new)


@pytest.mark.django_db
def test_goods_that_nobody_sells_must_be_confirmed() -> None:
    Category.objects.get_or_create(path="FOOD", defaults={"name": "FOOD", "depth": 1})
    make_product(sku="here")
    make_product(sku="gone")
    Product.objects.filter(sku="gone").update(is_active=False)
    scope = {"skus": ["here", "gone", "never"], "categories": ["FOOD", "DRINK"]}
    made = validate(checked(coupon("c", scope=scope), coupon("g", "gift_item", gift={"skus": ["never"]})))
    found = warnings_of(made, datetime(2026, 11, 22, tzinfo=UTC))
    assert [each.key for each in found] == [
        "unknown_product:coupons[0].scope.skus[1]",
        "unknown_product:coupons[0].scope.skus[2]",
        "unknown_category:coupons[0].scope.categories[1]",
        "unknown_product:coupons[1].gift.skus[0]",
    ]
    assert "“gone”" in found[0].message
