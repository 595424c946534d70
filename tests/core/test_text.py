"""Typed text: cleaned, bounded, folded for searching."""

from __future__ import annotations

import pytest

from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text, fold


def test_trimmed_composed_and_without_direction_marks() -> None:
    assert clean_text("name", "  Zoe\u0308 ", 10) == "Zo\u00eb"
    assert clean_text("name", "李\u202e娜\u200f", 10) == "李娜"
    assert clean_text("note", "一\n二", 10, lines=True) == "一\n二"


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1bb", "李\ud800"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        clean_text("profile/name", text, 10)
    assert refusal.value.field == "profile/name"


def test_limit_counts_characters() -> None:
    assert clean_text("name", "李" * 10, 10) == "李" * 10
    for text in ("李" * 11, "x" * 10_000_000):
        with pytest.raises(InvalidInput, match="10"):
            clean_text("name", text, 10)


def test_fold_finds_what_looks_alike() -> None:
    assert fold("ＡＢＣ") == fold("abc") == "abc"
    assert fold("Zoë") == fold("ZOE") == "zoe"
    assert fold("李娜") == "李娜" and fold("Straße") == "strasse"
