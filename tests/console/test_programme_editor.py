"""The programme's editor by forms: every section has one, what is sent becomes the same YAML, and nothing else changes."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from shuke.console.editor.fields import Context, Field, Group, Items, section_form
from shuke.console.editor.posted import section_of, without
from shuke.console.editor.tree import rewritten, source_of_tree, tree_of
from shuke.console.views.programme import STARTER
from shuke.console.views.programme_editor import section_keys
from shuke.core.values import Role
from shuke.loyalty.document import validate
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.console.pages import client_of
from tests.factories.core import make_staff
from tests.factories.loyalty import DEMO, publish
from tests.loyalty.test_schema import RICH

PAGE = "/programme/editor"


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
    assert "tiers.levels[1].threshold" in page


def test_what_was_just_added_is_called_new_and_not_complained_of_before_it_is_left(owner: Client) -> None:
    owner.cookies["shuke_language"] = "en"
    page = owner.post(PAGE, {"source": STARTER, "do": "go:earning"}).content.decode()
    page = send(owner, page, "add:earning").content.decode()
    assert "New…" in page and "field-error" not in page and "earning[1]" not in page
    page = send(owner, page, "refresh", **{"s:earning.1.id": "drinks"}).content.decode()
    assert "New…" not in page and "field-error" not in page
    page = send(owner, page, "go:earning").content.decode()
    assert "field-error" in page and "earning[1]" in page


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
    ],
)
def test_a_form_that_no_browser_sends_is_answered_with_the_draft(owner: Client, sent: dict[str, str]) -> None:
    answer = owner.post(PAGE, {"source": DEMO, **sent})
    assert answer.status_code in (200, 422)
