"""Every screen of the shell in every look: no accessibility, policy, console, overflow or translation problem, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import Role
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen

LAPTOP = Look("light", "en", 1440)
# Names and words that stay Latin on a Chinese screen.
LATIN = frozenset({"English", "API", "EZ", "Zhang", "Enter", "Gallery", "alice"})


@pytest.fixture
def components(settings: Any) -> None:
    """Mount the gallery and its template."""
    engine = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**engine, "DIRS": [Path(__file__).parent / "templates"]}]
    settings.ROOT_URLCONF = "tests.e2e.gallery"


@pytest.fixture
def owner() -> Staff:
    """Somebody who may do everything."""
    return staff_named("alice", Role.OWNER, "周敏")


def staff_named(username: str, role: Role, name: str) -> Staff:
    """The account of that name, made when first asked for; its password is "correct horse battery"."""
    if found := Staff.objects.filter(username=username).first():
        return found
    staff = Staff(username=username, display_name=name, role=role, all_stores=True, created_at=timezone.now())
    staff.set_password("correct horse battery")
    staff.save()
    return staff


def test_login(screen: OpenScreen, look: Look) -> None:
    window = screen(look)
    assert window.goto("/login") == 200
    window.shot("login")
    assert window.problems(allowed_words=LATIN) == []


def test_gallery(components: None, screen: OpenScreen, look: Look, owner: Staff) -> None:
    window = screen(look, owner)
    assert window.goto("/gallery") == 200
    window.shot("gallery", whole=True)
    assert window.problems(allowed_words=LATIN) == []


def test_overview_before_the_first_sale(screen: OpenScreen, look: Look, owner: Staff) -> None:
    window = screen(look, owner)
    assert window.goto("/overview") == 200
    window.shot("overview")
    assert window.problems(allowed_words=LATIN) == []


@pytest.mark.parametrize(("path", "status"), [("/no-such-page", 404), ("/gallery/broken", 500)])
def test_error_pages(components: None, screen: OpenScreen, look: Look, path: str, status: int) -> None:
    window = screen(look)
    assert window.goto(path) == status
    window.shot(f"error-{status}")
    assert window.problems(allowed_words=LATIN) == []
