"""Two things that a shop owner must never confuse have one word each: the programme is 会员方案, the paid plan 付费会员."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = {
    "zh_Hans": ("会员方案", "付费会员", re.compile("计划|套餐")),
    "zh_Hant": ("會員方案", "付費會員", re.compile("計[畫劃]|套餐")),
}


def messages(language: str) -> Iterator[tuple[str, str, str]]:
    """(room, English, translation) of every message of all rooms."""
    for path in sorted((ROOT / "src/shuke").rglob(f"{language}/LC_MESSAGES/django.po")):
        text = path.read_text("utf-8")
        for entry in re.finditer(
            r'^msgid (?P<id>.*?)^msgstr(?:\[0\])? (?P<said>".*?)(?=\n\n|\nmsg|\Z)', text, re.M | re.S
        ):
            yield path.parts[-5], spoken(entry["id"]), spoken(entry["said"])


def spoken(quoted: str) -> str:
    """The lines of a catalogue's string as one."""
    return "".join(ast.literal_eval(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', quoted))


@pytest.mark.parametrize("language", WORDS)
def test_the_programme_and_the_paid_plan_have_one_word_each(language: str) -> None:
    programme, paid_plan, mistaken = WORDS[language]
    found, wrong = list(messages(language)), []
    assert len(found) > 2_000
    for room, english, said in found:
        in_short = "方案" in said and programme not in said
        no_plan = re.search(r"\bpaid plan", english, re.I) and paid_plan not in said
        if in_short or no_plan or mistaken.search(said) or f"{paid_plan}方案" in said:
            wrong.append((room, english, said))
    assert wrong == []
