"""The document's sections on money: what is read, what is refused and where, and what a change is told as."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.utils import translation

from shuke.loyalty.diff import diff_documents
from shuke.loyalty.document import digest_of, problems_of, validate
from shuke.loyalty.operations import warnings_of
from shuke.loyalty.programme import compile_programme
from tests.factories.programmes import document

NAME = {"zh-Hans": "名"}


def checked(**changes):
    draft = document(**changes)
    for rule in (*draft["earning"], *draft["multipliers"]):
        rule.setdefault("name", NAME)
    return json.dumps(draft)


def test_sections_that_are_absent_stay_absent_and_the_law_still_counts():
    made = validate(checked())
    assert not {"taxes", "stored_value", "gift_cards", "card_limits", "offline"} & made.keys()
    programme = compile_programme(made)
    assert (programme.taxes, programme.stored_value, programme.gift_cards) == (None, None, None)
    assert (programme.card_limits.registered_most, programme.card_limits.bearer_months_least) == (500_000, 36)
    assert programme.offline.accept_days == 30


def test_defaults_are_spelt_out_and_limits_can_be_lifted():
    made = validate(
        checked(stored_value={}, card_limits={"registered_most": "none", "bearer_most": "500.00"})
    )
    assert made["stored_value"]["spend_order"] == "proportional"
    limits = compile_programme(made).card_limits
    assert (limits.registered_most, limits.bearer_most, limits.no_cash_from) == (None, 50_000, 5_000_000)
    other = compile_programme(validate(checked(currency="JPY", tiers={"levels": [
        {"code": "classic", "name": NAME, "threshold": "0"}]}, earning=[], redemption={"worth": "1"})))  # fmt: skip
    assert other.card_limits.registered_most is None


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"taxes": {}}, "taxes.rates", "missing_key"),
        ({"taxes": {"rates": []}}, "taxes.rates", "too_few"),
        (
            {"taxes": {"default": "x", "rates": [{"code": "a", "name": NAME, "percent": "9"}]}},
            "taxes.default",
            "unknown_reference",
        ),
        ({"taxes": {"rates": [{"code": "a", "name": NAME, "percent": "101"}]}}, "taxes.rates[0].percent", "out_of_range"),
        (
            {"taxes": {"rates": [{"code": c, "name": NAME, "percent": "9", "skus": ["s"]} for c in "ab"]}},
            "taxes.rates[1].skus",
            "duplicate",
        ),
        ({"stored_value": {"spend_order": "random"}}, "stored_value.spend_order", "not_allowed"),
        (
            {"stored_value": {"bonuses": [{"id": "a", "name": NAME, "give": "1.00"}]}},
            "stored_value.bonuses[0].from",
            "missing_key",
        ),
        (
            {"stored_value": {"bonuses": [{"id": "a", "name": NAME, "from": "1.00"}]}},
            "stored_value.bonuses[0].give",
            "missing_key",
        ),
        ({"gift_cards": {"most": "1.005"}}, "gift_cards.most", "bad_amount"),
        ({"card_limits": {"bearer_most": "lots"}}, "card_limits.bearer_most", "bad_amount"),
        ({"offline": {"accept_days": 0}}, "offline.accept_days", "out_of_range"),
        ({"offline": {"days": 3}}, "offline.days", "unknown_key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(changes, path, code):
    assert [(problem.path, problem.code) for problem in problems_of(checked(**changes))][:1] == [(path, code)]


def test_every_change_is_told_in_the_language_of_the_reader():
    rate = {"code": "food", "name": NAME, "percent": "9"}
    old = validate(checked(taxes={"rates": [rate]}))
    new = validate(checked(taxes={"rates": [{**rate, "percent": "13"}]}, gift_cards={}))
    assert digest_of(old) != digest_of(new)
    told = {change.path: change.text for change in diff_documents(old, new)}
    assert told["taxes.rates.food.percent"] == f"Taxes: Rates · “{NAME['zh-Hans']}” · Per cent 9 → 13"
    assert "Earns points: yes" in told["gift_cards"] and told["gift_cards"].startswith("New: Gift cards (")
    with translation.override("zh-hant"):
        words = {change.path: change.text for change in diff_documents(old, new)}
    assert words["taxes.rates.food.percent"].startswith("稅")
    assert diff_documents(new, new) == []


def test_money_with_a_bonus_is_not_given_away_while_it_can_be_paid_back():
    bonus = {"id": "b", "name": NAME, "from": "100.00", "percent": "50"}
    asset = {"name": NAME, "kind": "stored_value", "expiry": {"model": "never"}}

    def problems(bonuses=(bonus,), giving=None, **terms):
        return problems_of(
            checked(
                assets={"stored_value": asset},
                transfers={"stored_value": giving or {}},
                stored_value={"bonuses": list(bonuses), **terms},
            )
        )

    (found,) = problems()
    assert (found.code, found.path) == ("bonus_without_money", "transfers.stored_value")
    assert not problems(returnable=False)
    assert not problems(bonuses=())
    assert not problems(giving={"allowed": False})


def test_the_time_zone_of_the_machine_is_none():
    (found,) = problems_of(checked(time_zone="localtime"))
    assert (found.code, found.path) == ("unknown_time_zone", "time_zone")


@pytest.mark.django_db
def test_a_bonus_that_is_kept_when_the_money_goes_back_must_be_confirmed():
    bonus = {"id": "b", "name": NAME, "from": "100", "give": "20"}
    at = datetime(2026, 11, 22, tzinfo=UTC)
    keys = [
        [each.key for each in warnings_of(validate(checked(stored_value={"bonuses": [bonus], **terms})), at)]
        for terms in (
            {"spent_bonus_on_return": "keep"},
            {"spent_bonus_on_return": "deduct"},
            {"spent_bonus_on_return": "keep", "returnable": False},
            {"spent_bonus_on_return": "keep", "bonuses": []},
        )
    ]
    assert keys == [["bonus_kept_on_return:stored_value.spent_bonus_on_return"], [], [], []]
