"""Every screen of the shell in every look: no problem of access, policy, console, overflow or translation; a picture."""

from __future__ import annotations

import pytest

from shuke.core.models import Staff
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen


def test_login(screen: OpenScreen, look: Look) -> None:
    window = screen(look)
    assert window.goto("/login") == 200
    window.shot("login")
    assert window.problems() == []


def test_gallery(components: None, screen: OpenScreen, look: Look, owner: Staff) -> None:
    window = screen(look, owner)
    assert window.goto("/gallery") == 200
    window.shot("gallery", whole=True)
    assert window.problems() == []


def test_overview_before_the_first_sale(screen: OpenScreen, look: Look, owner: Staff) -> None:
    window = screen(look, owner)
    assert window.goto("/overview") == 200
    window.shot("overview")
    assert window.problems() == []


@pytest.mark.parametrize(("path", "status"), [("/no-such-page", 404), ("/gallery/broken", 500)])
def test_error_pages(components: None, screen: OpenScreen, look: Look, path: str, status: int) -> None:
    window = screen(look)
    assert window.goto(path) == status
    window.shot(f"error-{status}")
    assert window.problems() == []
