"""A browser for the whole run, and windows on a live server in any look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from tests.e2e.browser import CHROMIUM, FLAGS, LOOKS, Look, Screen, open_screen

# Playwright keeps an event loop in this thread; Django would refuse to touch the database from it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

if TYPE_CHECKING:  # pytest reads this file before Django knows its apps
    from shuke.core.models import Staff

OpenScreen = Callable[..., Screen]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives a real Chromium. They run last: what they commit stays in the test database."""
    here = Path(__file__).parent
    driven = [item for item in items if here in item.path.parents]
    for item in driven:
        item.add_marker(pytest.mark.e2e)
        # Without it, a run of these tests alone would use the real database.
        item.add_marker(pytest.mark.django_db)
    items[:] = [item for item in items if item not in driven] + driven


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium; each screen gets its own context."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Address of a real server on the test database.

    Not pytest-django's live_server: that empties every table after each test, and each look would load its data anew.
    """
    with django_db_blocker.unblock():
        name = str(connection.settings_dict["NAME"])
        assert name.startswith("test_"), f"the browser tests would write to {name}"
        server = LiveServer("localhost")
        yield server.url
        server.stop()


@pytest.fixture
def _django_db_helper(django_db_setup: None) -> None:
    """No transaction around a test: the server's threads must see what it commits."""


@pytest.fixture(autouse=True)
def _database(site: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(params=LOOKS, ids=str)
def look(request: pytest.FixtureRequest) -> Look:
    """Every combination of theme, language and width."""
    chosen: Look = request.param
    return chosen


@pytest.fixture
def screen(browser: Browser, site: str) -> Iterator[OpenScreen]:
    """`screen(look, staff)`: a window, signed in as that person when one is given."""
    opened: list[Screen] = []

    def make(look: Look, staff: Staff | None = None) -> Screen:
        window = open_screen(browser, site, look, session=_session_of(staff) if staff else "")
        opened.append(window)
        return window

    yield make
    for window in opened:
        window.page.context.close()


def _session_of(staff: Staff) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    store = SessionStore()
    store[SESSION_KEY] = str(staff.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    store.save()
    assert store.session_key is not None
    return store.session_key


@pytest.fixture
def owner() -> Staff:
    """Somebody who may do everything."""
    from shuke.core.values import Role
    from tests.e2e.people import staff_named

    return staff_named("alice", Role.OWNER, "周敏")


@pytest.fixture
def components(settings: Any) -> None:
    """Mount the gallery and its template."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]
    settings.ROOT_URLCONF = "tests.e2e.gallery"
