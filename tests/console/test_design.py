"""The committed assets are what their inputs give, small, complete and free of what the policy forbids."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

import shuke.console
from shuke.console import navigation

CONSOLE = Path(shuke.console.__file__).parent
STATIC = CONSOLE / "static"
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))


def test_the_stylesheet_is_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, str(CONSOLE / "design" / "build.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_assets_stay_small() -> None:
    assert (STATIC / "app/fonts/inter-zh.woff2").stat().st_size < 35_000
    assert len(gzip.compress((STATIC / "app/app.css").read_bytes())) < 24_000
    assert len(gzip.compress((STATIC / "app/icons.svg").read_bytes())) < 12_000
    assert len(gzip.compress((STATIC / "vendor/echarts.shuke.min.js").read_bytes())) < 215_000


def test_every_icon_that_is_named_exists() -> None:
    sprite = (STATIC / "app/icons.svg").read_text("utf-8")
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = {
        name
        for file in TEMPLATES
        for name in re.findall(r'(?:c-icon name|\sicon)="([a-z0-9-]+)"', file.read_text("utf-8"))
    }
    named |= {item.icon for _label, items in navigation.GROUPS for item in items}
    assert named - known == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(CONSOLE / "templates")))
def test_templates_hold_nothing_the_policy_refuses(template: Path) -> None:
    text = template.read_text("utf-8")
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=", text)
    assert not re.search(r"hx-on|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("script", ["zh_Hans", "zh_Hant"])
def test_the_catalogues_are_complete_and_compiled(script: str) -> None:
    folder = CONSOLE / "locale" / script / "LC_MESSAGES"
    text = (folder / "django.po").read_text("utf-8")
    assert "fuzzy" not in text
    assert not re.search(r'msgstr(\[0\])? ""\n(?!")', text.split("\n\n", 1)[1])
    assert (folder / "django.mo").exists()
