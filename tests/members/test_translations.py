"""Every sentence that the member file and the catalogue can say exists in both scripts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import gettext

import shuke
from shuke.members.errors import QrUsed
from shuke.members.operations.register import taken

ROOMS = [Path(shuke.__file__).parent / room for room in ("catalog", "members")]


def sentences() -> list[str]:
    """The arguments of every `_("…")` in the rooms."""
    found = []
    for room in ROOMS:
        for path in sorted(room.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                    found.append(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize("language", ["zh-hans", "zh-hant"])
def test_every_sentence_is_translated(language: str) -> None:
    assert len(sentences()) > 60
    with translation.override(language):
        assert [text for text in sentences() if gettext(text) == text] == []


def test_refusals_speak_the_reader_s_language() -> None:
    with translation.override("zh-hans"):
        assert str(taken("phone")) == "该手机号已属于一位会员。"
        assert str(QrUsed()) == "会员码已使用过，请会员刷新后再出示。"
    with translation.override("zh-hant"):
        assert str(taken("card")) == "此會員卡已屬於一位會員。"
    with translation.override("en"):
        assert str(taken("email")) == "This e-mail address already belongs to a member."
