"""Rules and entries in words."""

from __future__ import annotations

import pytest
from django.utils import translation

from shuke.loyalty.document import validate
from shuke.loyalty.earning_words import describe_conditions, describe_earning
from shuke.loyalty.words import describe_expiry, explain_earning, localized, rule_name
from tests.factories.loyalty import SOURCE

DOCUMENT = validate(SOURCE)
EXPLAIN = {
    "rules": [
        {"id": "base", "points": 1019},
        {"id": "tier", "tier": "gold", "factor": "1.2", "points": 203},
        {"id": "wed", "factor": "2", "points": 1019},
    ],
    "lines": [2241],
}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            "1,019 from Base points, 203 more for Gold (×1.2), 1,019 more for Member day (×2): 2,241 Points in all",
        ),
        ("zh-hans", "消费积分 1,019、金卡（×1.2）另加 203、会员日（×2）另加 1,019，共 2,241 积分"),
        ("zh-hant", "消费积分 1,019、金卡（×1.2）另加 203、会员日（×2）另加 1,019，共 2,241 积分"),
    ],
)
def test_an_entry_explains_itself_in_three_languages(language: str, text: str) -> None:
    with translation.override(language):
        assert explain_earning(EXPLAIN, DOCUMENT) == text


def test_an_entry_of_a_forgotten_rule_still_explains_itself() -> None:
    explain = {
        "rules": [{"id": "gone", "points": 3}, {"id": "tier", "tier": "ruby", "factor": "3", "points": 6}]
    }
    assert explain_earning(explain, DOCUMENT) == "3 from gone, 6 more for ruby (×3): 9 Points in all"
    assert explain_earning({"points_minor": 100}, DOCUMENT) == ""


def test_names_fall_back_to_simplified_chinese() -> None:
    assert localized({"zh-Hans": "金卡", "en": "Gold"}) == "Gold"
    assert localized({"zh-Hans": "金卡", "en": "Gold"}, "zh-hant") == "金卡"
    assert localized({"zh-Hans": "金卡"}, "en") == "金卡"
    assert localized({"zh-Hans": "金卡", "zh-Hant": "金咭"}, "zh-hant") == "金咭"
    assert rule_name(DOCUMENT, "wed") == "Member day"


@pytest.mark.parametrize(
    ("expiry", "text"),
    [
        ({"model": "rolling", "months": 6, "round_to": "none"}, "6 months after they were earned"),
        ({"model": "fixed_date", "on": "2027-06-30"}, "after 2027-06-30"),
        ({"model": "end_of_year", "years": 0}, "at the end of the year in which they were earned"),
        ({"model": "end_of_year", "years": 2}, "at the end of the year, 2 years after they were earned"),
        ({"model": "never"}, "never"),
    ],
)
def test_expiry_in_words(expiry: dict[str, object], text: str) -> None:
    assert describe_expiry(expiry) == text


def test_conditions_in_words() -> None:
    when = {
        "tiers": ["gold", "silver"],
        "stores": [str(number) for number in range(12)],
        "dates": {"from": "2026-12-01", "to": "2026-12-31"},
        "birthday_month": True,
    }
    assert describe_conditions(when, DOCUMENT) == (
        "for Gold, Silver; in stores 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more; "
        "from 2026-12-01 to 2026-12-31; in the member's birthday month"
    )
    assert describe_conditions({"dates": {"from": "2026-12-01"}}, DOCUMENT) == "from 2026-12-01 on"
    assert describe_conditions({"dates": {"to": "2026-12-31"}}, DOCUMENT) == "until 2026-12-31"
    assert describe_conditions(None, DOCUMENT) == "always"


def test_a_rule_in_words() -> None:
    assert describe_earning(DOCUMENT["earning"][0], DOCUMENT) == "1 Points for every 1.00 CNY"
    with translation.override("zh-hans"):
        assert describe_earning(DOCUMENT["earning"][0], DOCUMENT) == "每满 1.00 CNY 得 1 积分"
