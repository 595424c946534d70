"""The JSON Schema says what the readers read: everything shipped passes, and what they refuse for its shape does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from typer.testing import CliRunner

from shuke.loyalty import source
from shuke.loyalty.commands import app
from shuke.loyalty.document import problems_of
from shuke.loyalty.schema import json_schema
from tests.factories.loyalty import DEMO, SOURCE

ROOT = Path(__file__).parents[2]
SHAPE = {"unknown_key", "wrong_type", "missing_key", "missing_value", "not_allowed", "not_whole", "not_decimal", "not_boolean",
         "bad_date", "bad_hour", "too_many", "too_few", "unknown_schema", "unknown_currency",
         "not_for_model", "not_for_effect", "key_of_other_type"}  # fmt: skip
"""Problems of shape; all others are of relations between values, or of values in a context."""

RICH = """
shuke: 1
code: rich
name: {zh-Hans: 样样都有}
currency: CNY
time_zone: Asia/Shanghai
assets:
  points: {name: {zh-Hans: 积分}, expiry: {model: fixed_date, on: 2030-12-31}, pending: {usable: after_days, days: 3}}
  bonus: {name: {zh-Hans: 赠送金}}
  stored_value: {name: {zh-Hans: 储值}}
  stamps: {kind: punch, name: {zh-Hans: 印章}, expiry: {model: inactivity, days: 30}}
budgets:
  - {id: pot, name: {zh-Hans: 预算}, limit: 5000, period: month}
earning:
  - {id: base, name: {zh-Hans: 基础}, give: 1, per: 1, budget: pot, caps: {day: 100}}
  - id: visit
    name: {zh-Hans: 到店}
    fixed: 5
    fixed_per: order
    when:
      weekdays: [mon, sun]
      hours: [{from: "07:30", to: 09:00}]
      dates: {from: 2026-01-01}
      order_amount: {from: 20}
      first_purchase: yes
      except: {skus: ["1001"], categories: [FOOD/FRUIT]}
multipliers:
  - {id: double, name: {zh-Hans: 双倍}, factor: 2.5, when: {birthday: week, tenure_days: {to: 30}}}
accruals:
  - {id: hello, name: {zh-Hans: 签到}, kind: check_in, give: 2}
tiers:
  metric: spend
  levels:
    - {code: classic, name: {zh-Hans: 普通}, threshold: 0}
    - {code: gold, name: {zh-Hans: 金卡, en: Gold}, threshold: "1000.00", discount_percent: 5}
redemption: {points: 100, worth: 1.00}
taxes: {rates: [{code: vat, name: {zh-Hans: 增值税}, percent: 13}]}
stored_value: {bonuses: [{id: b, name: {zh-Hans: 送}, from: 100, give: 10, percent: 1}]}
card_limits: {registered_most: none}
coupons:
  - {code: off, name: {zh-Hans: 立减}, type: amount_off, amount: 5, scope: {weekdays: [fri]}}
  - {code: full, name: {zh-Hans: 满减}, type: threshold, minimum_spend: 100, amount: 20, limits: {stock: 100}}
  - {code: steps, name: {zh-Hans: 多级满减}, type: threshold, steps: [{spend: 10, amount: 1}, {spend: 20, amount: 3}]}
  - {code: second, name: {zh-Hans: 第二件半价}, type: nth_item, nth: 2, percent: 50, auto_issue: {on: birthday}}
rewards:
  - {code: mug, name: {zh-Hans: 杯子}, kind: goods, points: 500, collect_days: 30}
adjustments: {points: {limits: {owner: 100}}}
transfers: {points: {allowed: true}}
"""


def shipped() -> list[str]:
    found = [DEMO, SOURCE, RICH]
    for path in sorted(ROOT.glob("scenarios/**/*.yaml")):
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = told.get("programme") if isinstance(told, dict) else None
        if isinstance(given, dict):
            found.append(yaml.safe_dump(given, allow_unicode=True, sort_keys=False))
    return found


def value_of(node: source.Node) -> Any:
    """What an editor sees: YAML 1.2, where only plain numbers and true and false are more than text."""
    if isinstance(node, source.Mapping):
        return {name: value_of(item) for name, item in node.items.items()}
    if isinstance(node, source.Sequence):
        return [value_of(item) for item in node.items]
    if node.is_null:
        return None
    if not node.quoted and node.text in ("true", "false"):
        return node.text == "true"
    if not node.quoted and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", node.text, re.ASCII):
        return float(node.text) if "." in node.text else int(node.text)
    return node.text


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    jsonschema_rs.meta.validate(json_schema())
    return jsonschema_rs.Draft202012Validator(json_schema())


def test_every_document_that_can_be_published_passes(schema: jsonschema_rs.Draft202012Validator) -> None:
    passed = 0
    for text in shipped():
        if problems_of(text):
            continue  # a piece of a scenario, not a whole document
        assert [
            f"{e.instance_path}: {e.message}" for e in schema.iter_errors(value_of(source.read(text)))
        ] == []
        passed += 1
    assert passed >= 3


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    made = deepcopy(value)
    if not path:
        return new
    at = made
    for key in path[:-1]:
        at = at[key]
    if new is None and isinstance(at, dict):
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return made


def test_whatever_is_done_to_a_document_schema_and_readers_agree_on_its_shape(
    schema: jsonschema_rs.Draft202012Validator,
) -> None:
    whole = value_of(source.read(RICH))
    assert problems_of(json.dumps(whole)) == ()
    tried = refused = 0
    for path in places(whole):
        at: Any = whole
        for key in path:
            at = at[key]
        news: list[Any] = ["x!", -1, [], {}, None]
        if isinstance(at, dict):
            news += [{**at, "nonsense": 1}]
        for new in news:
            made = changed(whole, path, new)
            problems = problems_of(json.dumps(made))
            shapes = {problem.code for problem in problems} & SHAPE
            tried += 1
            if shapes:
                refused += 1
                assert not schema.is_valid(made), (path, new, [str(p) for p in problems])
            elif not problems:
                assert schema.is_valid(made), (path, new, [e.message for e in schema.iter_errors(made)])
    assert tried > 800 and refused > 400


def test_the_command_prints_it() -> None:
    assert json.loads(CliRunner().invoke(app, ["schema"]).output) == json_schema()
