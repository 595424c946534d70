"""A new release is never run with the scripts that a browser kept of the old one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static

from shuke.kit import assets


def test_the_address_of_what_may_change_changes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.fullmatch(r"/static/app/shell\.js\?v=[0-9a-f]{8}", static("app/shell.js"))
    assert static("app/fonts/inter-zh.woff2") == "/static/app/fonts/inter-zh.woff2"
    assert static("app/nothing.js") == "/static/app/nothing.js"
    script, seen = tmp_path / "a.js", []
    monkeypatch.setattr(finders, "find", lambda name: str(script))
    for text in ("one", "two", "one"):
        script.write_text(text)
        assets._version.cache_clear()
        seen.append(static("a.js"))
    assets._version.cache_clear()
    assert seen[0] == seen[2] != seen[1]
    assert settings.WHITENOISE_MAX_AGE > 0
