"""The section `rewards`: what it means, and every way to write it wrongly named at its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from shuke.loyalty.document import problems_of, validate
from shuke.loyalty.programme import compile_programme
from tests.factories.loyalty import SOURCE

NAME = {"zh-Hans": "礼品"}
TEN = {"code": "ten", "name": NAME, "type": "amount_off", "amount": "10.00"}
ASSETS = {
    "stored_value": {"name": {"zh-Hans": "储值"}},
    "bonus": {"name": {"zh-Hans": "赠送金"}},
}


def document() -> dict[str, Any]:
    return yaml.load(SOURCE, yaml.BaseLoader)  # type: ignore[no-any-return]


def reward(**changes: Any) -> dict[str, Any]:
    given = {"code": "mug", "name": NAME, "kind": "goods", "points": 300, **changes}
    return {key: value for key, value in given.items() if value is not None}


def written(*rewards: Any, **more: Any) -> str:
    plain = document()
    return json.dumps({**plain, "coupons": [TEN], "rewards": list(rewards), **more})


def problems(*rewards: Any, **more: Any) -> list[tuple[str, str]]:
    return [(each.path, each.code) for each in problems_of(written(*rewards, **more))]


def test_defaults_are_spelt_out() -> None:
    read = validate(written(reward(), reward(code="ten-off", kind="coupon", coupon="ten", points=100)))
    goods, coupon = compile_programme(read).rewards.values()
    assert (goods.fulfilment, goods.stock, goods.member_limit, goods.collect_days) == (
        "pick_up",
        None,
        None,
        0,
    )
    assert (coupon.fulfilment, coupon.coupon, coupon.price.points) == ("at_once", "ten", 100)


def test_a_document_without_rewards_has_none() -> None:
    read = validate(json.dumps(document()))
    assert "rewards" not in read and compile_programme(read).rewards == {}


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        (reward(points=None), "rewards[0].points", "missing_key"),
        (reward(points=0), "rewards[0].points", "reward_is_free"),
        (reward(points=-1), "rewards[0].points", "out_of_range"),
        (reward(kind="gift"), "rewards[0].kind", "not_allowed"),
        (reward(kind="coupon"), "rewards[0].coupon", "missing_key"),
        (reward(kind="coupon", coupon="twenty"), "rewards[0].coupon", "unknown_reference"),
        (reward(coupon="ten"), "rewards[0].coupon", "key_of_other_kind"),
        (reward(kind="bonus", bonus="5.00"), "rewards[0].kind", "unknown_reference"),
        (reward(kind="coupon", coupon="ten", fulfilment="delivery"), "rewards[0].fulfilment", "fulfilment_of_kind"),
        (reward(fulfilment="delivery", collect_days=7), "rewards[0].collect_days", "key_of_other_kind"),
        (reward(dates={"from": "2026-02-01", "to": "2026-01-01"}), "rewards[0].dates.to", "range_order"),
        (reward(tiers=["nobody"]), "rewards[0].tiers[0]", "unknown_reference"),
        (reward(stock="many"), "rewards[0].stock", "not_whole"),
        (reward(colour="red"), "rewards[0].colour", "unknown_key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_where_it_stands(given: dict[str, Any], path: str, code: str) -> None:
    assert (path, code) in problems(given)


def test_a_code_is_given_once() -> None:
    assert problems(reward(), reward()) == [("rewards[1].code", "duplicate")]


def test_bonus_money_needs_its_asset() -> None:
    assert problems(reward(kind="bonus", bonus="5.00"), assets={**document()["assets"], **ASSETS}) == []
