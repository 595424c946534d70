"""Every programme to start from is valid, complete in three languages, and has a story and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shuke.loyalty.document import problems_of, validate
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.starters import FOLDER, Starter, starters

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {"zh-Hans", "zh-Hant", "en"}


def named(value: Any) -> list[Any]:
    """Every `name` of a document, however deep."""
    if isinstance(value, dict):
        own = [value["name"]] if isinstance(value.get("name"), dict) else []
        return own + [name for each in value.values() for name in named(each)]
    if isinstance(value, list):
        return [name for each in value for name in named(each)]
    return []


@pytest.mark.parametrize("starter", starters().values(), ids=lambda starter: starter.code)
def test_it_can_be_published_and_read_in_every_language(starter: Starter) -> None:
    assert [str(problem) for problem in problems_of(starter.programme)] == []
    document = validate(starter.programme)
    assert compile_programme(document).code == document["code"] == starter.code
    assert set(starter.name) == set(starter.about) == LANGUAGES
    assert all(set(name) == LANGUAGES for name in named(document))
    assert all({code.lower() for code in LANGUAGES} == set(each["labels"]) for each in starter.attributes)


@pytest.mark.parametrize("starter", starters().values(), ids=lambda starter: starter.code)
def test_it_has_a_story_that_is_played_and_a_page(starter: Starter) -> None:
    assert f"programme: ../{starter.code}.yaml" in starter.story
    played = ROOT / "scenarios" / "starters" / f"{starter.code}.yaml"
    assert played.resolve() == (FOLDER / "stories" / f"{starter.code}.yaml").resolve()
    page = (ROOT / "docs" / "templates" / f"{starter.code}.md").read_text(encoding="utf-8")
    assert starter.name["zh-Hans"][:2] in page


def test_nothing_lies_about_that_is_not_offered() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*starters(), "index"}
    assert {path.stem for path in (FOLDER / "stories").glob("*.yaml")} == {*starters()}
