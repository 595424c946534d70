"""The list of versions outlives a test's transaction by up to a second, so each test reads it afresh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation

from shuke.loyalty.queries import forget_versions


@pytest.fixture(autouse=True)
def _fresh_list() -> Iterator[None]:
    forget_versions()
    with translation.override("en"):
        yield
    forget_versions()
