"""What a programme document may say, and how precisely it is told what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shuke.loyalty.document import CURRENCIES, digest_of, problems_of, validate
from shuke.loyalty.errors import InvalidProgramme
from shuke.loyalty.programme import compile_programme
from tests.factories.loyalty import DEMO, SOURCE, changed


def found(source: str) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in problems_of(source)]


def said(source: str) -> list[str]:
    with translation.override("en"):
        return [str(problem) for problem in problems_of(source)]


def test_defaults_are_spelt_out_and_numbers_are_exact() -> None:
    document = validate(SOURCE)
    assert document["assets"]["points"]["expiry"] == {
        "model": "rolling",
        "months": 12,
        "round_to": "month_end",
        "instant": "end_of_day",
    }
    assert document["assets"]["points"]["pending"] == {"usable": "at_once"}
    assert [asset["kind"] for asset in document["assets"].values()] == ["points", "growth"]
    assert document["earning"][0] == {
        "id": "base", "name": {"zh-Hans": "消费积分", "en": "Base points"}, "asset": "points", "give": 1, "per": "1.00",
        "rounding": "floor", "round_per": "order", "stacking": "stackable", "multiplied": True, "priority": 0,
    }  # fmt: skip
    assert document["tiers"]["levels"][2]["threshold"] == "5000.00"
    assert document["tiers"]["levels"][2]["discount_percent"] == "2"
    assert document["tiers"]["downgrade"] == "one_level"
    assert document["redemption"] == {
        "points": 100, "worth": "1.00", "step": 100, "minimum": 0, "max_percent": "50",
    }  # fmt: skip
    assert document["policies"]["refund_spent_points"] == "return"
    assert json.loads(json.dumps(document)) == document
    assert "float" not in {type(value).__name__ for value in _leaves(document)}


def test_the_compiled_programme_reads_what_was_validated() -> None:
    programme = compile_programme(validate(SOURCE))
    assert [level.threshold for level in programme.tiers.levels] == [0, 200_000, 500_000]
    assert [level.multiplier for level in programme.tiers.levels] == [1000, 1100, 1200]
    assert programme.tiers.levels[2].discount == 2000
    assert programme.redemption is not None
    assert (programme.redemption.worth, programme.redemption.max_percent) == (100, 50_000)
    assert programme.multipliers[0].when.weekdays == frozenset({2})


def test_every_expiry_model_and_condition_compiles() -> None:
    source = SOURCE.replace(
        "points: {name: {zh-Hans: 积分, en: Points}}",
        "points: {name: {zh-Hans: 积分}, expiry: {model: fixed_date, on: 2027-06-30}}\n"
        "  stars: {name: {zh-Hans: 星星}, expiry: {model: end_of_year, years: 0}}",
    ).replace(
        "{weekdays: [wed]}",
        "{weekdays: [sat, sun], tiers: [gold], stores: ['367'], channels: [pos], categories: [FOOD/FRUIT],"
        " dates: {from: 2026-12-01, to: 2026-12-31}, birthday_month: yes}",
    )
    programme = compile_programme(validate(source))
    assert str(programme.expiry["points"].on) == "2027-06-30"
    assert programme.expiry["stars"].model == "end_of_year"
    when = programme.multipliers[0].when
    assert (when.tiers, when.stores, when.birthday) == ({"gold"}, {"367"}, "month")
    assert str(when.last_day) == "2026-12-31"
    assert programme.uses_birthday


def test_growth_tiers_count_whole_units() -> None:
    source = changed("metric: spend", "metric: growth")
    assert validate(source)["tiers"]["levels"][1]["threshold"] == 2000
    assert found(changed("threshold: 2000", "threshold: 2000.50", source)) == [
        ("not_whole", "tiers.levels[1].threshold")
    ]
    without = source.replace("  growth: {name: {zh-Hans: 成长值, en: Growth}, expiry: {model: never}}\n", "")
    assert found(without) == [("unknown_reference", "tiers.metric")]


def test_the_message_of_an_overlap_is_the_one_a_person_needs() -> None:
    assert said(changed("threshold: 5000", "threshold: 2000")) == [
        "tiers.levels[2].threshold: must be greater than 2000.00 (silver)"
    ]


def test_messages_are_translated() -> None:
    (problem,) = problems_of(changed("threshold: 5000", "threshold: 1500"))
    with translation.override("zh-hans"):
        assert problem.message == "必须大于 2000.00（silver）"
    with translation.override("zh-hant"):
        assert problem.message == "必須大於 2000.00（silver）"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("shuke: 1", "shuke: 2", [("unknown_schema", "shuke")]),
        ("shuke: 1\n", "", [("missing_key", "shuke")]),
        ("code: test", "code: Tést", [("bad_code", "code")]),
        ("code: test", "code:", [("missing_value", "code")]),
        ("code: test", "code: null", [("missing_value", "code")]),
        ("name: {zh-Hans: 测试会员, en: Test club}", "name: {en: Test club}", [("missing_key", "name.zh-Hans")]),
        ("name: {zh-Hans: 测试会员, en: Test club}", "name: 测试", [("wrong_type", "name")]),
        ("name: {zh-Hans: 测试会员, en: Test club}", 'name: {zh-Hans: "a\\0b"}', [("bad_characters", "name.zh-Hans")]),
        ("name: {zh-Hans: 测试会员, en: Test club}", f"name: {{zh-Hans: {'长' * 61}}}", [("too_long", "name.zh-Hans")]),
        ("currency: CNY", "currency: CNYY", [("unknown_currency", "currency")]),
        ("currency: CNY", "currency: XYZ", [("unknown_currency", "currency")]),
        ("time_zone: Asia/Shanghai", "time_zone: Asia/Shangai", [("unknown_time_zone", "time_zone")]),
        ("time_zone: Asia/Shanghai", "time_zone: ../../etc/passwd", [("unknown_time_zone", "time_zone")]),
        ("  points: {name", "  score: {name", [("missing_key", "assets.points")]),
        ("{model: never}", "{model: rolling, years: 1}", [("not_for_model", "assets.growth.expiry.years")]),
        ("{model: never}", "{model: fixed_date}", [("missing_key", "assets.growth.expiry.on")]),
        ("{model: never}", "{model: fixed_date, on: 2026-02-30}", [("bad_date", "assets.growth.expiry.on")]),
        ("{model: never}", "{model: rolling, months: 0}", [("out_of_range", "assets.growth.expiry.months")]),
        ("{model: never}", "{model: nevr}", [("not_allowed", "assets.growth.expiry.model")]),
        ("give: 1", "give: 1.5", [("not_whole", "earning[0].give")]),
        ("give: 1", "give: 0", [("out_of_range", "earning[0].give")]),
        ("give: 1", "give: " + "9" * 5000, [("not_whole", "earning[0].give")]),
        ("per: 1.00", "per: 0", [("out_of_range", "earning[0].per")]),
        ("per: 1.00", "per: 1.005", [("bad_amount", "earning[0].per")]),
        ("per: 1.00", "per: -1", [("out_of_range", "earning[0].per")]),
        ("per: 1.00", "per: 1e3", [("bad_amount", "earning[0].per")]),
        ("per: 1.00", "per: .nan", [("bad_amount", "earning[0].per")]),
        ("per: 1.00", "per: [1]", [("wrong_type", "earning[0].per")]),
        ("per: 1.00", "pre: 1.00", [("unknown_key", "earning[0].pre"), ("missing_key", "earning[0].per")]),
        ("factor: 2", "factor: .inf", [("not_decimal", "multipliers[0].factor")]),
        ("factor: 2", "factor: 0.5", [("out_of_range", "multipliers[0].factor")]),
        ("factor: 2", "factor: 1000", [("out_of_range", "multipliers[0].factor")]),
        ("factor: 2", "factor: 1.2345", [("too_precise", "multipliers[0].factor")]),
        ("factor: 2", "factor: ２", [("not_decimal", "multipliers[0].factor")]),
        ("id: wed", "id: base", [("duplicate", "multipliers[0].id")]),
        ("id: wed", "id: tier", [("reserved", "multipliers[0].id")]),
        ("id: wed", "id: We d", [("bad_code", "multipliers[0].id")]),
        ("factor: 2", "asset: growht, factor: 2", [("unknown_reference", "multipliers[0].asset")]),
        ("weekdays: [wed]", "weekdays: [wednesday]", [("not_allowed", "multipliers[0].when.weekdays[0]")]),
        ("weekdays: [wed]", "weekdays: [wed, wed]", [("duplicate", "multipliers[0].when.weekdays[1]")]),
        ("weekdays: [wed]", "weekdays: []", [("too_few", "multipliers[0].when.weekdays")]),
        ("weekdays: [wed]", "weekdays: wed", [("wrong_type", "multipliers[0].when.weekdays")]),
        ("weekdays: [wed]", "tiers: [glod]", [("unknown_reference", "multipliers[0].when.tiers[0]")]),
        ("weekdays: [wed]", "categories: [/FOOD]", [("bad_category", "multipliers[0].when.categories[0]")]),
        ("weekdays: [wed]", "birthday_month: maybe", [("not_boolean", "multipliers[0].when.birthday_month")]),
        ("weekdays: [wed]", "dates: {from: 2026-12-02, to: 2026-12-01}", [("dates_reversed", "multipliers[0].when.dates.to")]),
        ("weekdays: [wed]", "dates: {from: 1026-12-02}", [("out_of_range", "multipliers[0].when.dates.from")]),
        ("when: {weekdays: [wed]}", "when: ~", [("wrong_type", "multipliers[0].when")]),
        ("metric: spend", "metric: visits", [("not_allowed", "tiers.metric")]),
        ("threshold: 0", "threshold: 10", [("threshold_not_zero", "tiers.levels[0].threshold")]),
        ("threshold: 5000", "threshold: 2000.00", [("threshold_order", "tiers.levels[2].threshold")]),
        ("threshold: 5000", "threshold: 100", [("threshold_order", "tiers.levels[2].threshold")]),
        ("code: gold", "code: silver", [("duplicate", "tiers.levels[2].code")]),
        ("discount_percent: 2", "discount_percent: 101", [("out_of_range", "tiers.levels[2].discount_percent")]),
        ("multiplier: 1.2", "multiplier: 0.9", [("out_of_range", "tiers.levels[2].multiplier")]),
        ("max_percent: 50", "max_percent: 0", [("out_of_range", "redemption.max_percent")]),
        ("worth: 1,", "worth: 0.01, step: 150,", [("step_not_exact", "redemption.step")]),
        ("max_percent: 50", "minimum: 150", [("minimum_not_steps", "redemption.minimum")]),
        ("redemption:", "policies: {multiplier_stacking: sum}\nredemption:", [("not_allowed", "policies.multiplier_stacking")]),
        ("redemption:", "polices: {}\nredemption:", [("unknown_key", "polices")]),
    ],
)  # fmt: skip
def test_each_mistake_has_its_code_and_path(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert found(changed(old, new)) == expected


def test_all_problems_are_collected_in_the_order_of_their_lines() -> None:
    source = (
        SOURCE.replace("CNY", "RMB")
        .replace("per: 1.00", "per: x")
        .replace("5000", "50")
        .replace("shuke: 1\n", "")
    )
    problems = problems_of(source)
    assert [problem.path for problem in problems] == [
        "shuke",
        "currency",
        "earning[0].per",
        "tiers.levels[2].threshold",
    ]
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)


def test_near_misses_are_suggested() -> None:
    assert said(changed("redemption:", "redemtion:"))[0].endswith("did you mean “redemption”?")
    assert said(changed("[wed]", "[wednesday]"))[0].endswith("did you mean “wed”?")
    assert said(changed("{weekdays: [wed]}", "{tiers: [glod]}"))[0].endswith(
        "there is no tier “glod”; did you mean “gold”?"
    )
    assert said(changed("Asia/Shanghai", "Asia/Shangai"))[0].endswith("did you mean “Asia/Shanghai”?")


def test_amounts_follow_the_currency() -> None:
    yen = SOURCE.replace("CNY", "JPY")
    assert found(yen.replace("1.00", "1.50")) == [("bad_amount", "earning[0].per")]
    assert validate(yen)["tiers"]["levels"][2]["threshold"] == "5000"
    assert validate(SOURCE.replace("CNY", "KWD"))["earning"][0]["per"] == "1.000"


def test_a_thousand_rules_pass_and_one_more_does_not() -> None:
    def source(count: int) -> str:
        rules = "".join(
            f"  - {{id: r{i}, name: {{zh-Hans: 规则}}, give: 1, per: 10, when: {{stores: ['{i}']}}}}\n"
            for i in range(count)
        )
        return changed("earning:\n", "earning:\n" + rules)

    assert len(validate(source(999))["earning"]) == 1000
    assert found(source(1000)) == [("too_many", "earning")]


def test_problems_are_limited_in_number_and_length() -> None:
    rules = "".join(f"  - {{id: R{i} {'x' * 200}}}\n" for i in range(900))
    problems = problems_of(changed("earning:\n", "earning:\n" + rules))
    assert len(problems) == 200
    assert all(len(str(problem)) < 300 for problem in problems)


def test_json_is_accepted_and_means_the_same() -> None:
    document = validate(SOURCE)
    assert validate(json.dumps(document)) == document
    assert validate(yaml.safe_dump(document, allow_unicode=True)) == document


def test_layout_and_spelling_do_not_change_the_digest_but_meaning_does() -> None:
    digest = digest_of(validate(SOURCE))
    assert (
        digest_of(validate("# a comment\n" + SOURCE.replace("2000", "'2000.00'").replace("1.1", "1.10")))
        == digest
    )
    assert digest_of(validate(SOURCE.replace("2000", "2001"))) != digest


def test_the_demo_programme_is_valid() -> None:
    programme = compile_programme(validate(DEMO))
    assert len(programme.tiers.levels) == 5
    assert {"zh-Hans", "zh-Hant", "en"} == set(programme.name)


def test_an_invalid_programme_says_how_many_problems_there_are() -> None:
    with pytest.raises(InvalidProgramme) as caught:
        validate(SOURCE.replace("CNY", "RMB").replace("give: 1", "give: x"))
    with translation.override("en"):
        assert str(caught.value).startswith("The programme has 2 problems. The first: currency: “RMB”")
    assert (caught.value.code, caught.value.status, caught.value.field) == (
        "invalid_programme",
        422,
        "currency",
    )


def test_the_currency_list_holds_codes_only() -> None:
    assert {"CNY", "HKD", "TWD", "JPY", "KWD", "EUR"} <= CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


# Whatever comes, the answer is a document or a list of problems.

_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.dates()
_tree = st.recursive(
    _leaf,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | st.integers(), inner, max_size=4)
    ),
)
_KEYS = sorted(
    {"shuke", "code", "name", "currency", "time_zone", "assets", "points", "expiry", "model", "earning", "id", "give", "per",
     "when", "dates", "tiers", "levels", "threshold", "metric", "redemption", "policies", "zh-Hans", "weekdays", "factor"}
)  # fmt: skip


def answers(source: str | bytes) -> None:
    try:
        document = validate(source)
    except InvalidProgramme as error:
        assert error.problems
        assert all(str(problem) and problem.line >= 1 for problem in error.problems)
    else:
        compile_programme(json.loads(json.dumps(document)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | st.binary())
def test_arbitrary_text_never_crashes(source: str | bytes) -> None:
    answers(source)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_tree)
def test_arbitrary_yaml_never_crashes(tree: Any) -> None:
    answers(yaml.dump(tree, allow_unicode=True))


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [path, *(place for key in keys for place in _places(node[key], (*path, key)))]


_DEMO_DOCUMENT = validate(DEMO)
_PLACES = [place for place in _places(_DEMO_DOCUMENT) if place]


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_PLACES), _tree | st.dictionaries(st.sampled_from(_KEYS), _tree, max_size=4))
def test_a_document_with_anything_anywhere_never_crashes(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(_DEMO_DOCUMENT))
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    answers(yaml.dump(document, allow_unicode=True))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(DEMO) - 1), st.text(max_size=6), st.integers(0, 8))
def test_a_document_with_a_slip_of_the_pen_never_crashes(at: int, typed: str, erased: int) -> None:
    answers(DEMO[:at] + typed + DEMO[at + erased :])


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in _leaves(value)]
    if isinstance(node, list):
        return [leaf for value in node for leaf in _leaves(value)]
    return [node]


ASSETS = """\
  points: {name: {zh-Hans: 积分}, pending: {usable: after_days, days: 7}, notice_days: [30, 7]}
  growth: {name: {zh-Hans: 成长值}}
  stored_value: {name: {zh-Hans: 储值}}
  bonus: {name: {zh-Hans: 赠送金}, expiry: {model: inactivity, months: 6, round_to: quarter_end}}
  stamps: {kind: punch, name: {zh-Hans: 集点}, expiry: {days: 90, round_to: none}}
  miles: {name: {zh-Hans: 里程}, decimals: 2, expiry: {months: 3, instant: exact},
    pending: {usable: on_event, event: delivered}}
"""


def with_assets(text: str) -> str:
    head, rest = SOURCE.split("assets:\n")
    return head + "assets:\n" + text + "earning:\n" + rest.split("earning:\n")[1]


def test_assets_have_kinds_waiting_times_and_ends() -> None:
    programme = compile_programme(validate(with_assets(ASSETS)))
    kinds = {code: asset.kind for code, asset in programme.assets.items()}
    assert kinds == {
        "points": "points", "growth": "growth", "stored_value": "stored_value", "bonus": "bonus", "stamps": "punch",
        "miles": "custom",
    }  # fmt: skip
    assets = programme.assets
    assert {code: asset.decimals for code, asset in assets.items()} == {
        "points": 0, "growth": 0, "stored_value": 2, "bonus": 2, "stamps": 0, "miles": 2,
    }  # fmt: skip
    assert (assets["points"].pending.usable, assets["points"].pending.days) == ("after_days", 7)
    assert assets["points"].notice_days == (30, 7)
    assert (assets["growth"].expiry.model, assets["stored_value"].expiry.model) == ("never", "never")
    assert (assets["bonus"].expiry.slides, assets["bonus"].expiry.round_to) == (True, "quarter_end")
    assert (assets["stamps"].expiry.days, assets["stamps"].expiry.round_to) == (90, "none")
    assert (assets["miles"].expiry.exact, assets["miles"].pending.waits_for) == (True, "delivered")


def test_the_return_window_is_a_policy() -> None:
    source = with_assets(ASSETS.replace("{usable: after_days, days: 7}", "{usable: after_return_window}"))
    assert compile_programme(validate(source)).assets["points"].pending.days == 7
    longer = source + "policies: {return_window_days: 30}\n"
    assert compile_programme(validate(longer)).assets["points"].pending.days == 30


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("growth: {name", "growth: {kind: custom, name", [("not_allowed", "assets.growth.kind")]),
        ("kind: punch", "kind: bonus", [("not_allowed", "assets.stamps.kind")]),
        ("stored_value: {name", "stored_value: {decimals: 3, name", [("unknown_key", "assets.stored_value.decimals")]),
        ("after_days, days: 7", "after_days", [("missing_key", "assets.points.pending.days")]),
        ("after_days, days: 7", "at_once, days: 7", [("not_for_model", "assets.points.pending.days")]),
        ("after_days, days: 7", "on_event, event: Vip!", [("bad_code", "assets.points.pending.event")]),
        ("{days: 90,", "{days: 90, months: 3,", [("either_or", "assets.stamps.expiry.days")]),
        ("instant: exact", "instant: exact, round_to: year_end", [("not_with_exact", "assets.miles.expiry.round_to")]),
        ("[30, 7]", "[30, 30]", [("duplicate", "assets.points.notice_days[1]")]),
    ],
)  # fmt: skip
def test_what_an_asset_may_not_say(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert found(changed(old, new, with_assets(ASSETS))) == expected


def test_moves_by_hand_have_limits_per_asset() -> None:
    source = SOURCE + (
        "adjustments: {points: {limits: {service_agent: 100, api_key: 50}, four_eyes_above: 20, below_zero: debt}}\n"
        "transfers: {points: {minimum: 10, per_day: 500, fee_percent: 2.5}, growth: {allowed: no}}\n"
    )
    programme = compile_programme(validate(source))
    adjust = programme.adjustments["points"]
    assert (dict(adjust.limits), adjust.four_eyes_above) == ({"service_agent": 100, "api_key": 50}, 20)
    assert (adjust.may_owe, adjust.request_days) == (True, 14)
    assert set(programme.transfers) == {"points"}
    give = programme.transfers["points"]
    assert (give.minimum, give.maximum, give.per_day, give.fee) == (10, None, 500, 2500)
    assert found(source.replace("minimum: 10", "minimum: 10, maximum: 9")) == [
        ("maximum_below_minimum", "transfers.points.maximum")
    ]
    assert found(source.replace("growth: {allowed", "stars: {allowed")) == [
        ("unknown_reference", "transfers.stars")
    ]
    plain = compile_programme(validate(SOURCE))
    assert plain.adjustments["points"].limits["store_manager"] == 10_000
    assert not plain.transfers
