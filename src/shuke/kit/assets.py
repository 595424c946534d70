"""Addresses of scripts, styles and drawings that change with what is in them.

Browsers keep static files for an hour. After an upgrade a page of the new release must not run with a script of the old one.
Fonts keep their plain address: the style sheet names them by it, and what a page fetches ahead must be the same file.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage

CHANGING = frozenset({".js", ".css", ".svg"})


class Assets(StaticFilesStorage):
    """Adds `?v=` and a digest of the file."""

    def url(self, name: str | None) -> str:
        address = super().url(name)
        version = _version(name) if name and Path(name).suffix in CHANGING else ""
        return f"{address}?v={version}" if version else address


@cache
def _version(name: str) -> str:
    """The first digits of the file's digest; "" when there is no such file."""
    found = finders.find(name)
    return sha256(Path(found).read_bytes()).hexdigest()[:8] if isinstance(found, str) else ""
