"""One database server and one throw-away home for a whole test run.

With DATABASE_URL the run uses that server; without it, an embedded one that lives as long as the run. This
happens while this file is imported, because Django reads its settings right after. Worker processes of a
parallel run inherit both through the environment, and pytest-django gives each its own database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.utils import translation
from hypothesis import HealthCheck, settings

from shuke.kit import postgres
from shuke.kit.crypto import ensure_keyset
from tests.flush import allow_flush_of_history

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_THROW_AWAY_OPTIONS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_home: tempfile.TemporaryDirectory[str] | None = None

if not _IS_WORKER:
    _home = tempfile.TemporaryDirectory(prefix="shuke-test-", ignore_cleanup_errors=True)
    Path(_home.name).chmod(0o711)  # the server's own user must be able to pass through
    os.environ["SHUKE_HOME"] = _home.name
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = postgres.ensure_running(
            Path(_home.name), options=_THROW_AWAY_OPTIONS, say=lambda text: None
        ).dsn
    ensure_keyset(Path(_home.name) / "secrets" / "keyset.json")
os.environ["DJANGO_SETTINGS_MODULE"] = "shuke.config.settings"
# pytest-django looked for settings before this file set them; test modules import models at their top.
django.setup()
allow_flush_of_history()
# How long examples take says how busy the machine is, not whether they are right.
settings.register_profile("shuke", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shuke")


@pytest.fixture(autouse=True)
def _nothing_of_another_test() -> None:
    """Programme versions, API keys and the language are kept in the process; a test must not meet what was rolled back."""
    from shuke.core.queries import forget_keys
    from shuke.loyalty.queries import forget_versions

    forget_versions()
    forget_keys()
    translation.deactivate()  # the language that a page of another test spoke


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """A database that somebody is connected to cannot be dropped."""
    from shuke.kit.connection import close_common_connection

    yield
    close_common_connection()


@pytest.fixture
def server_home() -> Iterator[Path]:
    """A fresh home that a server's own user can enter, which pytest's private directories forbid."""
    with tempfile.TemporaryDirectory(prefix="shuke-home-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o711)
        yield home
        postgres.stop(home)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this run started; a killed run is cleaned up by the server's keeper."""
    if _home is not None:
        postgres.stop(Path(_home.name))
        _home.cleanup()
