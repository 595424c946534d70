"""The programme's editor by forms: every section has one, what is sent becomes the same YAML, and nothing else changes."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import translation

from shuke.console.editor.fields import Context, Field, Group, Items, section_form, sections
from shuke.console.editor.places import parts_of, said_place, shapes_at
from shuke.console.editor.posted import section_of, without
from shuke.console.editor.tree import rewritten, source_of_tree, tree_of
from shuke.console.editor.words import help_of, section_help
from shuke.console.views.programme import STARTER
from shuke.console.views.programme_editor import section_keys
from shuke.core.values import Role
from shuke.loyalty.document import problems_of, validate
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.console.pages import client_of
from tests.factories.catalog import make_product, make_store
from tests.factories.core import make_staff
from tests.factories.loyalty import DEMO, publish
from tests.loyalty.test_schema import RICH

PAGE = "/programme/editor"
DEEP = ".".join("a" * 3000)


def inputs(part: Any) -> dict[str, list[str]]:
    """What a browser would send of a form that nobody touched."""
    found: dict[str, list[str]] = {}
    if isinstance(part, Group):
        for each in (*part.main, *part.more):
            found |= inputs(each)
        return found
    if isinstance(part, Items):
        if part.keeps:
            found[part.marker] = ["list"]
        for group in part.items:
            found |= {group.marker: [""], **inputs(group)}
        return found
    assert isinstance(part, Field)
    if part.kind == "names":
        return {name: [value] for _language, name, value in part.values}
    if part.options:
        return {part.name: [value for value, _words, chosen in part.options if chosen] or [""]}
    return {part.name: [part.value]}


@pytest.mark.parametrize("source", [DEMO, RICH, STARTER], ids=["demo", "rich", "starter"])
def test_a_form_that_nobody_touched_changes_nothing(source: str) -> None:
    tree = tree_of(source)
    for section in set(section_keys()) - {"basics"} & set(tree):
        part = section_form(section, Context(tree, {}))
        marker = {part.marker: [""]} if isinstance(part, Group) else {}
        assert section_of({**marker, **inputs(part)}, section) == _bare(tree[section]), section


def _bare(value: Any) -> Any:
    """Without values that say nothing, which a form does not send."""
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if each != ""}
    return [_bare(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("source", [DEMO, RICH], ids=["demo", "rich"])
def test_the_yaml_that_the_forms_write_means_the_same(source: str) -> None:
    written = source_of_tree(tree_of(source))
    assert tree_of(written) == tree_of(source)
    assert validate(written) == validate(source)


def test_only_what_changed_is_written_anew() -> None:
    source = "# ours\n" + DEMO
    before = tree_of(source)
    after = {**before, "redemption": {**before["redemption"], "points": "50"}, "budgets": [{"id": "pot"}]}
    written = rewritten(source, before, after)
    assert tree_of(written) == after
    kept = [line for line in source.splitlines() if line not in written.splitlines()]
    assert kept == [
        "redemption:",
        "  points: 100",
        "  worth: 1.00",
        "  step: 100",
        "  minimum: 100",
        "  max_percent: 50",
    ]


def test_a_place_is_taken_out_and_the_others_move_up() -> None:
    assert without({"a": [{"x": "1"}, {"x": "2"}]}, ["a", "0"]) == {"a": [{"x": "2"}]}
    assert without({"a": {"x": "1"}, "b": "2"}, ["a"]) == {"b": "2"}


@pytest.fixture
def owner(db: None) -> Client:
    forget_versions()
    return client_of(make_staff(Role.OWNER))


def fields_of(page: str) -> dict[str, Any]:
    """Every input of the page with its value, as a browser would send it."""
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and not (re.search(r'type="checkbox"', tag) and "checked" not in tag):
            found.setdefault(unescape(name[1]), []).append(unescape(value[1]) if value else "")
    for name, body in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL):
        found[unescape(name)] = [unescape(body)]
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body) or re.search(
            r'<option value="([^"]*)"', body
        )
        found[unescape(name)] = [unescape(chosen[1]) if chosen else ""]
    found.pop("csrfmiddlewaretoken", None)
    return found


def send(client: Client, page: str, do: str, **changes: Any) -> Any:
    return client.post(PAGE, {**fields_of(page), **changes, "do": do})


def test_a_programme_is_built_section_by_section_and_published(owner: Client) -> None:
    page = owner.get(PAGE).content.decode()
    page = send(owner, page, "go:earning").content.decode()
    page = send(owner, page, "add:earning").content.decode()
    new = {
        "s:earning.1.id": "drinks",
        "s:earning.1.name.zh-Hans": "饮品多一颗星",
        "s:earning.1.give": "1",
        "s:earning.1.per": "10",
        "l:earning.1.when.categories": "FOOD/DRINKS\nFOOD/COFFEE",
        "m:earning.1.when.weekdays": ["sat", "sun"],
    }
    page = send(owner, page, "go:tiers", **new).content.decode()
    page = send(
        owner,
        page,
        "refresh",
        **{"s:tiers.levels.1.threshold": "1000", "s:tiers.levels.1.discount_percent": "5"},
    )
    page = page.content.decode()
    draft = tree_of(fields_of(page)["source"][0])
    assert draft["earning"][1]["when"] == {
        "weekdays": ["sat", "sun"],
        "categories": ["FOOD/DRINKS", "FOOD/COFFEE"],
    }
    review = send(owner, page, "check").content.decode()
    assert 'name="step" value="publish"' in review
    owner.post(
        "/programme/publish", {"step": "publish", "source": fields_of(review)["source"][0], "note": "one"}
    )
    version = ProgrammeVersion.objects.get()
    assert version.document["tiers"]["levels"][1]["discount_percent"] == "5"
    assert [rule["id"] for rule in version.document["earning"]] == ["base", "drinks"]


def test_an_untouched_section_keeps_its_text_and_its_comments(owner: Client) -> None:
    source = "# ours\n" + STARTER
    page = owner.post(PAGE, {"source": source, "do": "go:tiers"}).content.decode()
    page = send(owner, page, "go:earning").content.decode()
    assert fields_of(page)["source"][0].strip() == source.strip()


def test_problems_stand_beside_their_field_and_are_counted(owner: Client) -> None:
    page = owner.post(PAGE, {"source": STARTER, "do": "go:tiers"}).content.decode()
    page = send(owner, page, "refresh", **{"s:tiers.levels.1.threshold": "0"}).content.decode()
    beside = page[page.index('name="s:tiers.levels.1.threshold"') :]
    assert "field-error" in beside[:600]
    assert 'value="find:tiers.levels.1.threshold"' in page and "tiers.levels[1]" not in page


def test_what_was_just_added_is_called_new_and_not_complained_of_before_it_is_left(owner: Client) -> None:
    owner.cookies["shuke_language"] = "en"
    page = owner.post(PAGE, {"source": STARTER, "do": "go:earning"}).content.decode()
    page = send(owner, page, "add:earning").content.decode()
    assert "New…" in page and "field-error" not in page and "earning[1]" not in page
    page = send(owner, page, "refresh", **{"s:earning.1.id": "drinks"}).content.decode()
    assert "New…" not in page and "field-error" not in page
    page = send(owner, page, "go:earning").content.decode()
    assert "field-error" in page and 'value="find:earning.1.name"' in page


def test_a_needed_part_that_is_empty_stands_open_and_is_named_as_a_problem(owner: Client) -> None:
    owner.cookies["shuke_language"] = "zh-hans"
    page = owner.post(PAGE, {"source": STARTER, "do": "go:plans"}).content.decode()
    page = send(owner, page, "add:plans").content.decode()
    assert "field-error" not in page
    part = re.search(r'<details[^>]*data-path="plans\.0\.duration"( open)?.*?</summary>', page, re.DOTALL)
    assert part and part[1] and 'class="need"' in part[0]
    typed = {"s:plans.0.code": "tea", "s:plans.0.name.zh-Hans": "茶友卡", "s:plans.0.price": "99"}
    page = send(owner, page, "refresh", **typed).content.decode()
    assert "1 个问题" in page
    beside = page[page.index('data-path="plans.0.duration"') :]
    assert "必填" in beside[: beside.index("form-grid")]
    assert re.search(r'value="go:plans"[^>]*>.*?class="pill"', page)
    cart = page[page.index('aria-live="polite"') :]
    assert "付费会员 · 第 1 项“茶友卡” · 期限" in cart and 'value="find:plans.0.duration"' in cart
    page = send(owner, page, "go:tiers").content.decode()
    page = send(owner, page, "find:plans.0.duration").content.decode()
    assert re.search(r'data-path="plans\.0" open', page)
    assert re.search(r'data-path="plans\.0\.duration" open[^>]*><summary autofocus', page)
    page = send(owner, page, "refresh", **{"s:plans.0.duration.months": "12"}).content.decode()
    assert "field-error" not in page and "<caption" in page


def test_every_part_that_a_document_needs_is_marked_and_open() -> None:
    """Of each section, with one new item in each of its lists and one code in each of its tables."""
    shapes = sections()
    missed = []

    def look(part: Any) -> None:
        if isinstance(part, Items):
            for group in part.items:
                look(group)
            return
        for each in (*part.main, *part.more):
            if isinstance(each, Field):
                continue
            key = each.path.rpartition(".")[2]
            own = shapes_at([shapes[each.path.split(".")[0]]], part.path.split(".")[1:])
            needs = [key in way.get("required", ()) for shape in own for way in parts_of(shape)]
            if all(needs) and not (each.required and (isinstance(each, Items) or each.open)):
                missed.append(each.path)
            look(each)

    for section, shape in shapes.items():
        if shape.get("type") == "array":
            look(section_form(section, Context({section: [{}]}, {})))
        elif shape.get("type") == "object" and "format" not in shape:
            look(section_form(section, Context({section: {}}, {})))
    assert missed == []


def test_the_sample_is_tried_at_a_time_of_day(owner: Client) -> None:
    early = "{id: early, name: {zh-Hans: 早鸟}, factor: 2, when: {hours: [{from: '06:00', to: '10:00'}]}}"
    page = owner.post(
        PAGE, {"source": f"{STARTER}\nmultipliers: [{early}]\n", "do": "go:multipliers"}
    ).content.decode()
    assert re.fullmatch(r"\d\d:\d\d", fields_of(page)["try-time"][0])

    def earned(time: str) -> str:
        answer = send(owner, page, "refresh", **{"try-time": time, "try-weekday": "1"}).content.decode()
        return re.findall(r'font-semibold">(\d+)</td>', answer)[-1]

    # 88.50 spent: 88 points, twice as many in the morning of the shop, whose clock is not UTC.
    assert [earned(time) for time in ("07:30", "10:30", "23:30")] == ["176", "88", "88"]


def test_help_is_of_the_field_at_its_place() -> None:
    tree = tree_of(RICH)
    assert help_of("plans", "when") != section_help("plans") != help_of("coupons", "packs")
    seen: list[str] = []

    def helps(part: Any) -> None:
        if isinstance(part, Field):
            seen.append(part.help)
            return
        for each in part.items if isinstance(part, Items) else (*part.main, *part.more):
            seen.append(each.help)
            helps(each)

    for section in set(section_keys()) - {"basics"}:
        helps(section_form(section, Context(tree, {})))
    assert not {section_help(section) for section in section_keys() if section_help(section)} & set(seen)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("multipliers[1].when.hours[0].from", "倍数积分 · 第 2 项“早餐” · 适用条件 · 时段 1 · 从"),
        ("tiers.levels[0].name.zh-Hans", "等级 · 等级列表 1 · 名称 · 简体"),
        ("assets.growth.expiry", "积分与其他单位 · 成长 · 有效期"),
        ("adjustments.growth.limits", "人工调整 · 成长 · "),
        ("pionts", "pionts"),
        ("plans.tea", "付费会员"),
    ],
)
def test_a_place_is_said_in_the_words_of_the_forms(path: str, words: str) -> None:
    tree = {
        "multipliers": [{}, {"name": {"zh-Hans": "早餐"}, "when": {"hours": [{}]}}],
        "assets": {"growth": {"name": {"zh-Hans": "成长"}}},
    }
    with translation.override("zh-hans"):
        told = said_place(path, tree, sections())
    assert told.startswith(words) if words.endswith(" ") else told == words


def test_side_by_side_shows_only_what_a_form_changed(owner: Client) -> None:
    publish(DEMO)
    page = owner.get(PAGE).content.decode()
    page = send(owner, page, "go:tiers").content.decode()
    review = send(owner, page, "check", **{"s:tiers.levels.1.threshold": "1234"}).content.decode()
    assert review.count("bg-bad-soft") == review.count("bg-ok-soft") == 1 and "1234" in review
    shown = fields_of(review)
    again = owner.post("/programme/publish", {**shown, "step": "publish", "effective_at": "no date"})
    assert again.status_code == 422 and again.content.decode().count("bg-ok-soft") == 1


def test_another_type_of_coupon_brings_its_own_fields(owner: Client) -> None:
    page = owner.post(PAGE, {"source": RICH.strip(), "do": "go:coupons"}).content.decode()
    assert "s:coupons.0.amount" in page
    page = send(owner, page, "refresh", **{"s:coupons.0.type": "percent_off", "s:coupons.0.percent": "10"})
    page = page.content.decode()
    page = send(owner, page, "refresh", **{"s:coupons.0.percent": "10"}).content.decode()
    draft = tree_of(fields_of(page)["source"][0])
    assert draft["coupons"][0]["type"] == "percent_off" and "amount" not in draft["coupons"][0]
    validate(fields_of(page)["source"][0])


def test_the_sample_is_priced_under_the_draft_beside_what_stands(owner: Client) -> None:
    page = owner.post(PAGE, {"source": STARTER, "do": "go:redemption"}).content.decode()
    page = send(owner, page, "refresh", **{"try-points": "1000", "try-tier": "gold"}).content.decode()
    tried = re.sub(r"<[^>]+>|\s+", " ", page[page.index("<caption") :])
    # 2 × 38 + 12.50 = 88.50; 1,000 points are 10.00; gold earns 78, and a fifth more: 15.
    assert "88.50" in tried and "78.50" in tried and " 93 " in tried


@pytest.mark.parametrize(
    "sent",
    [
        {"section": "tiers", "v:tiers.levels.0": "abc"},
        {"section": "tiers", "v:tiers.levels.0": "9" * 5000},
        {"source": "[]"},
        {"source": "just words"},
        {"section": "earning", "s:earning.².give": "1"},
        {"section": "earning", "s:earning." + "9" * 5000 + ".give": "1"},
        {"section": "earning", "s:earning." + DEEP: "1"},
        {"section": "earning", "o:earning." + DEEP: "list"},
        {"section": "earning", "o:earning": "list", "s:earning.x.give": "1"},
        {"section": "tiers", "s:tiers.levels.².code": "x"},
        {"do": "add:earning.²"},
        {"do": "add:" + DEEP},
        {"do": "add:assets." + DEEP, "k:assets." + DEEP: "x"},
        {"do": "remove:earning.²"},
        {"do": "remove:earning." + "9" * 5000 + ".x"},
        {"section": "basics", "s:time_zone": "Asia/Shanghia"},
    ],
)
def test_a_form_that_no_browser_sends_is_answered_with_the_draft(owner: Client, sent: dict[str, str]) -> None:
    body = urlencode({"source": DEMO, **sent})
    answer = owner.post(PAGE, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (200, 422)


def test_the_yaml_view_says_what_it_holds(owner: Client) -> None:
    owner.cookies["shuke_language"] = "en"
    begin, draft, force = "a small document to begin with", "holds your draft", "holds the document in force"

    def told(page: str) -> list[bool]:
        return [words in page for words in (begin, draft, force)]

    page = owner.get(PAGE).content.decode()
    assert told(send(owner, page, "yaml").content.decode()) == [True, False, False]
    publish(DEMO)
    page = owner.get(PAGE).content.decode()
    assert told(send(owner, page, "yaml").content.decode()) == [False, False, True]
    page = send(owner, page, "go:tiers").content.decode()
    changed = send(owner, page, "yaml", **{"s:tiers.levels.1.threshold": "1234"}).content.decode()
    assert told(changed) == [False, True, False]


def test_a_section_that_is_added_can_be_read_as_what_it_is(owner: Client) -> None:
    """A new section has gaps at most: it is a list or a table as its reader expects."""
    for section in section_keys()[1:]:
        tree = {key: each for key, each in tree_of(STARTER).items() if key != section}
        page = owner.post(PAGE, {"source": source_of_tree(tree), "do": f"go:{section}"}).content.decode()
        page = send(owner, page, f"add:{section}").content.decode()
        found = problems_of(fields_of(page)["source"][0])
        assert {each.code for each in found if each.path.startswith(section)} <= {"missing_key"}, section
        assert "field-error" not in page, section


def _fields(part: Any) -> dict[str, Field]:
    """All fields of a form by their name."""
    if isinstance(part, Field):
        return {part.name: part}
    found: dict[str, Field] = {}
    for each in (*part.main, *part.more) if isinstance(part, Group) else part.items:
        found |= _fields(each)
    return found


def _form(section: str, value: Any, language: str = "zh-hans", **others: Any) -> dict[str, Field]:
    with translation.override(language):
        return _fields(section_form(section, Context({section: value, **others}, {})))


def _words(field: Field) -> dict[str, str]:
    return {value: str(words) for value, words, _chosen in field.options}


def test_a_choice_is_called_what_it_means_at_its_place() -> None:
    rules = _form("earning", [{"id": "base", "give": "1", "per": "1"}])
    assert _words(rules["s:earning.0.when.birthday"]) == {"day": "当天", "week": "当周", "month": "当月"}
    assert "税" not in _words(rules["s:earning.0.stacking"])["exclusive"]
    assert _words(rules["s:earning.0.expiry.round_to"])["none"] == "不延长"
    coupons = _form("coupons", [{"code": "c", "type": "percent_off"}])
    often = _words(coupons["s:coupons.0.limits.per_member_per"])
    assert (often["week"], often["all"]) == ("每周", "总计")
    assert "8.5 折" in coupons["s:coupons.0.percent"].help, "85 would take 85 per cent off"
    rewards = _form("rewards", [{"code": "mug", "kind": "goods"}])
    assert rewards["s:rewards.0.limit.per"].label == "周期"
    assert _words(rewards["s:rewards.0.uncollected"])["keep"] == "不退积分"


def test_staff_roles_are_called_by_their_names() -> None:
    with translation.override("zh-hans"):
        form = section_form("tiers", Context({"tiers": {"metric": "spend", "levels": []}}, {}))
        overrides = next(each for each in form.more if getattr(each, "path", "") == "tiers.overrides")
        names = [each.label for each in (*overrides.main, *overrides.more)]
        assert (
            said_place("tiers.overrides.store_manager.days", {}, sections())
            == "等级 · 人工定级 · 店长 · 天数"
        )
    assert "店长" in names and "API 密钥" in names and not {"owner", "api_key"} & set(names)


def test_what_counts_where_nothing_is_given_is_what_the_readers_say() -> None:
    assets = _form("assets", {"points": {}, "growth": {}}, "en")
    assert assets["s:assets.growth.expiry.model"].default == "never"
    assert assets["s:assets.points.expiry.model"].default == "so many months after they came"
    rules = _form("earning", [{"id": "base", "give": "1", "per": "1"}], "en")
    assert rules["s:earning.0.expiry.model"].default == "as for the unit"
    own = _form("earning", [{"id": "base", "give": "1", "per": "1", "expiry": {"months": "3"}}], "en")
    assert own["s:earning.0.expiry.model"].default == "so many months after they came"


def test_a_coupon_without_a_type_asks_only_for_what_all_coupons_have() -> None:
    form = _form("coupons", [{"code": "c"}])
    assert "s:coupons.0.type" in form and "s:coupons.0.minimum_spend" in form
    assert not any(".gift" in name or ".amount" in name for name in form)


def test_plans_and_tiers_of_the_draft_are_chosen_not_typed() -> None:
    plans = [{"code": "plus", "name": {"en": "Plus"}}, {"code": "black", "name": {"en": "Black"}}]
    levels = {"levels": [{"code": "gold", "name": {"en": "Gold"}}]}
    form = _form("plans", plans, "en", tiers=levels)
    assert _words(form["s:plans.0.tier"]) == {"gold": "Gold"}
    assert _words(form["m:plans.0.upgrade_to"]) == {"plus": "Plus", "black": "Black"}
    rules = _form("earning", [{"id": "base", "give": "1", "per": "1"}], "en", plans=plans)
    assert _words(rules["m:earning.0.when.plans"]) == {"plus": "Plus", "black": "Black"}


def test_codes_that_the_shop_knows_are_offered_beside_their_lists(owner: Client) -> None:
    make_store("S7")
    make_product(sku="LATTE", category="DRINKS/COFFEE")
    page = owner.post(PAGE, {"source": DEMO, "do": "go:earning"}).content.decode()
    lists = dict(re.findall(r'<datalist id="known-(\w+)">(.*?)</datalist>', page))
    assert '<option value="S7">门店 S7</option>' in lists["stores"]
    assert '<option value="DRINKS/COFFEE">' in lists["categories"] and 'value="LATTE"' in lists["products"]
    assert 'value="cash"' in lists["tenders"] and "channels" in lists
    assert 'list="known-stores" data-adds="l-earning-0-when-stores"' in page
    offered = set(re.findall(r'list="known-(\w+)"', page))
    assert offered <= set(lists), "every list that a field names is there"


OFFERS = """
coupons:
  - {code: ten, name: {zh-Hans: 立减十元, en: Ten off}, type: amount_off, amount: 10.00, minimum_spend: 60.00}
  - {code: alone, name: {zh-Hans: 单用八折, en: A fifth off alone}, type: percent_off, percent: 20, stacking: {exclusive: true}}
  - {code: bread, name: {zh-Hans: 面包券, en: Bread free}, type: amount_off, amount: 5.00, scope: {skus: [BREAD]}}
  - {code: south, name: {zh-Hans: 南店券, en: The south}, type: amount_off, amount: 1.00, scope: {stores: [S9]}}
  - {code: by-card, name: {zh-Hans: 刷卡券, en: By card}, type: amount_off, amount: 1.00, scope: {tenders: [card]}}
plans:
  - code: plus
    name: {zh-Hans: 畅享, en: Plus}
    price: 99.00
    duration: {months: 12}
    benefits: {discount_percent: 10, free_shipping: true, free_shipping_from: 50.00}
rewards:
  - {code: cup, name: {zh-Hans: 马克杯, en: Cup}, kind: goods, points: 500, tier_prices: [{tier: gold, points: 300, cash: 5}]}
  - {code: best, name: {zh-Hans: 金卡专享, en: For gold}, kind: goods, points: 900, tiers: [gold]}
"""


def told(page: str) -> str:
    """What the sample cart says, as a reader sees it."""
    panel = page[page.index('<div class="mt-3 border-t') : page.index("</form>", page.index('id="draft"'))]
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(panel)).split())


def test_the_sample_uses_the_coupons_that_are_ticked_and_says_why_others_do_not_count(owner: Client) -> None:
    make_store(code="S9")
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:coupons"}).content.decode()
    # All are ticked: 88.50 less 20 % alone is more than ten off.
    assert fields_of(page)["try-coupons"] == ["ten", "alone", "bread", "south", "by-card"]
    text = told(page)
    assert "A fifth off alone -¥17.70" in text and "70.80" in text
    assert (
        "Ten off It cannot be used together with “A fifth off alone”" in text
        and "S9" in text
        and "Bread free None of the goods" in text
    )
    page = send(owner, page, "refresh", **{"try-coupons": ["ten", "south"]}).content.decode()
    text = told(page)
    assert "Ten off -¥10.00" in text and "78.50" in text and "A fifth off alone" not in text
    assert fields_of(page)["try-coupons"] == ["ten", "south"], "what was not ticked stays so"
    changed = {"try-coupons": ["ten", "south", "by-card"], "try-store": "S9", "try-tender": "card"}
    page = send(owner, page, "refresh", **changed).content.decode()
    assert "The south -¥1.00" in told(page) and "By card -¥1.00" in told(page) and "76.50" in told(page)


def test_a_coupon_that_is_new_in_the_draft_is_tried_at_once(owner: Client) -> None:
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:coupons"}).content.decode()
    page = send(owner, page, "refresh", **{"try-coupons": ["ten"]}).content.decode()
    new = "  - {code: more, name: {zh-Hans: 再减}, type: amount_off, amount: 2.00}\nplans:"
    source = fields_of(page)["source"][0].replace("plans:", new)
    page = owner.post(
        PAGE, {**fields_of(page), "section": "", "source": source, "do": "refresh"}
    ).content.decode()
    assert fields_of(page)["try-coupons"] == ["ten", "more"]
    assert "再减 -¥2.00" in told(page) and "Ten off -¥10.00" in told(page)


def test_the_sample_is_bought_by_the_holder_of_a_plan_and_of_goods_in_the_catalogue(owner: Client) -> None:
    make_product("面包", sku="BREAD", price_minor=2000)
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:plans"}).content.decode()
    changed = {
        "try-plan": "plus",
        "try-coupons": ["bread"],
        "try-goods1": "BREAD",
        "try-price1": "",
        "try-price2": "",
    }
    text = told(send(owner, page, "refresh", **changed).content.decode())
    # Two loaves at their own price, a tenth off, then the bread coupon; 31.00 ships free only from 50.00.
    assert "40.00" in text and "Plus -¥4.00" in text and "Bread free -¥5.00" in text and "31.00" in text
    assert "Free delivery" not in text
    dearer = told(send(owner, page, "refresh", **{**changed, "try-price1": "38"}).content.decode())
    assert "Free delivery yes" in dearer


def test_goods_for_holders_only_are_refused_to_the_sample_by_name(owner: Client) -> None:
    make_product("面包", sku="BREAD", price_minor=2000)
    offers = OFFERS.replace("discount_percent: 10,", "exclusive: [{skus: [BREAD]}],")
    page = owner.post(PAGE, {"source": STARTER + offers, "do": "go:plans"}).content.decode()
    page = send(owner, page, "refresh", **{"try-goods1": "BREAD"}).content.decode()
    assert "BREAD is only for: Plus." in told(page)
    assert "¥" in told(send(owner, page, "refresh", **{"try-plan": "plus"}).content.decode())


def test_what_rewards_cost_is_told_for_the_tier_of_the_sample(owner: Client) -> None:
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:rewards"}).content.decode()
    assert "Cup 500 " in told(page) and "For gold not for this tier" in told(page)
    text = told(send(owner, page, "refresh", **{"try-tier": "gold"}).content.decode())
    assert "Cup 300 + ¥5.00" in text and "For gold 900" in text


@pytest.mark.parametrize(
    "sent",
    [
        {"try-tier": "gone", "try-plan": "gone", "try-coupons": ["gone", "ten"]},
        {"try-goods1": "\x00", "try-price1": "1"},
        {"try-price1": "NaN"},
        {"try-price1": "9" * 20},
        {"try-quantity1": "-1"},
        {"try-store": "nowhere"},
        {"try-tender": "stored_value"},
        {"try-drawn": "x" * 5000},
    ],
)
def test_a_sample_that_makes_no_sense_breaks_nothing(owner: Client, sent: dict[str, Any]) -> None:
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:coupons"}).content.decode()
    assert send(owner, page, "refresh", **sent).status_code == 200


def test_what_the_draft_takes_away_is_still_shown_as_it_stands(owner: Client) -> None:
    make_product("面包", sku="BREAD")
    make_store(code="S9")
    publish(STARTER + OFFERS)
    page = owner.post(PAGE, {"source": STARTER + OFFERS, "do": "go:plans"}).content.decode()
    chosen = {"try-plan": "plus", "try-coupons": ["ten"]}
    page = send(owner, page, "refresh", **chosen).content.decode()
    assert "Plus -¥8.85 -¥8.85 Ten off -¥10.00 -¥10.00 To pay ¥69.65 ¥69.65" in told(page)
    bare = owner.post(
        PAGE, {**fields_of(page), "section": "", "source": STARTER, "do": "refresh"}
    ).content.decode()
    assert "Plus – -¥8.85 Ten off – -¥10.00 To pay ¥88.50 ¥69.65" in told(bare)
    assert "Plus (only in force)" in bare and "Ten off (only in force)" in bare
    goldie = STARTER.replace("code: gold,", "code: goldie,")
    fields = {**fields_of(page), "section": "", "source": goldie, "do": "refresh", "try-tier": "goldie"}
    assert "What is in force has no such tier" in told(owner.post(PAGE, fields).content.decode())


def test_what_is_odd_about_the_goods_of_the_sample_is_said(owner: Client) -> None:
    make_product("散装", sku="LOOSE", price_minor=None)
    make_product("旧款", sku="OLD", price_minor=100, is_active=False)
    page = owner.post(PAGE, {"source": STARTER, "do": "go:earning"}).content.decode()
    goods = {
        "try-goods1": "LOOSE",
        "try-price1": "",
        "try-goods2": "OLD",
        "try-goods3": "ELSE",
        "try-price3": "2",
    }
    text = told(send(owner, page, "refresh", **goods).content.decode())
    assert "LOOSE has no price" in text and "OLD is no longer sold" in text and "category “ELSE” yet" in text
    for price in ("-5", "+3", "abc", "1e5", "9" * 17):
        wrong = send(owner, page, "refresh", **{"try-price1": price}).content.decode()
        assert "id_try-price1_error" in wrong and "Write prices as a number such as 12.90." in wrong
    wrong = send(owner, page, "refresh", **{"try-quantity1": "0"}).content.decode()
    assert 'id="id_try-quantity1_error"' in wrong


def test_tax_on_top_is_a_row_of_the_sample(owner: Client) -> None:
    taxed = (
        STARTER
        + "taxes: {prices: exclusive, default: vat, rates: [{code: vat, name: {zh-Hans: 税}, percent: 13}]}\n"
    )
    page = owner.post(PAGE, {"source": taxed, "do": "go:taxes"}).content.decode()
    text = told(
        send(
            owner, page, "refresh", **{"try-price1": "10", "try-quantity1": "1", "try-price2": ""}
        ).content.decode()
    )
    assert "Goods ¥10.00 Tax on top ¥1.30 To pay ¥11.30" in text


@pytest.mark.parametrize("name", ["[Silver, Argent]", "{a: b}", "7", "2020-01-01", "true"])
@pytest.mark.parametrize("section", ["coupons", "plans", "tiers"])
def test_a_name_that_is_no_text_is_a_problem_and_not_a_failure(
    owner: Client, section: str, name: str
) -> None:
    source = STARTER + OFFERS
    word = {"coupons": "en: Ten off", "plans": "en: Plus", "tiers": "en: Gold"}[section]
    source = source.replace(word, f"en: {name}")
    assert owner.post(PAGE, {"source": source, "do": f"go:{section}"}).status_code == 200
