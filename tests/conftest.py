"""A database server for each process of a test run, and one throw-away home for all of them.

With DATABASE_URL the run uses that server, where pytest-django gives each worker process its own database; without
it, embedded ones that live as long as the run. Each worker has its own then: a server's transactions are numbered in
one sequence, and a neighbour's transaction that ends at the wrong moment holds a reader back for one read, which is
right in life and a nuisance in a test. This happens while this file is imported, because Django reads its settings
right after.
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

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_OWN_SERVERS = "PYTEST_OWN_SERVERS"  # said by the first process to its workers
# Autovacuum's ANALYZE is a transaction in our own database, at any moment.
_THROW_AWAY_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}
_home: tempfile.TemporaryDirectory[str] | None = None
_server_home: Path | None = None


def _start_server(home: Path) -> None:
    global _server_home
    _server_home = home
    os.environ["DATABASE_URL"] = postgres.ensure_running(
        home, options=_THROW_AWAY_OPTIONS, say=lambda text: None
    ).dsn


if not _WORKER:
    _home = tempfile.TemporaryDirectory(prefix="shuke-test-", ignore_cleanup_errors=True)
    Path(_home.name).chmod(0o711)  # the server's own user must be able to pass through
    os.environ["SHUKE_HOME"] = _home.name
    os.environ.pop(_OWN_SERVERS, None)
    if not os.environ.get("DATABASE_URL"):
        os.environ[_OWN_SERVERS] = "1"
        _start_server(Path(_home.name))
    ensure_keyset(Path(_home.name) / "secrets" / "keyset.json")
elif (
    _WORKER != "gw0" and _OWN_SERVERS in os.environ
):  # the first worker has the server of the process that started it
    _worker_home = Path(os.environ["SHUKE_HOME"]) / _WORKER
    _worker_home.mkdir(mode=0o711)
    _start_server(_worker_home)
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
    if _server_home is not None:
        postgres.stop(_server_home)
    if _home is not None:
        _home.cleanup()


@pytest.fixture(autouse=True)
def nobody_has_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong codes of one test do not keep the next one waiting."""
    from shuke.core import rate

    monkeypatch.setattr(rate, "_wrong_codes", rate.RateLimiter(rate.WRONG_CODES_PER_MINUTE))
    monkeypatch.setattr(rate, "_wrong_codes_of_key", rate.RateLimiter(rate.WRONG_CODES_PER_KEY))
