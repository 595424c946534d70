"""How Django reaches the database: the URL that was given, or the embedded server that this home records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from psycopg.conninfo import conninfo_to_dict

from shuke.kit.postgres.state import read_state

CONNECTION_LIFETIME_SECONDS = 600
CONNECT_SECONDS = "10"
"""A host that swallows packets must not hold a request for minutes. The URL may say otherwise."""


class DatabaseChoice(Protocol):
    """What is asked of the environment here."""

    @property
    def home(self) -> Path: ...
    @property
    def database_url(self) -> str | None: ...
    @property
    def test_db(self) -> str | None: ...


def django_database(choice: DatabaseChoice) -> dict[str, Any]:
    """Django's DATABASES entry. With neither a URL nor a server ever started, connecting fails and says so.

    Server-side binding and prepared statements are switched on: Django's default of neither costs nearly
    half of PostgreSQL's CPU on the statements of a sale.
    """
    url = choice.database_url
    if url is None:
        state = read_state(choice.home)
        url = state.dsn if state else f"postgresql://shuke@/shuke?host={choice.home}/postgres-not-started"
    return database_from_url(url, test_name=choice.test_db)


def database_from_url(url: str, *, test_name: str | None = None) -> dict[str, Any]:
    """Translate a PostgreSQL URL (TCP or ``?host=/socket/directory``, any libpq parameter) for Django."""
    parameters = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    database: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parameters.pop("dbname", ""),
        "USER": parameters.pop("user", ""),
        "PASSWORD": parameters.pop("password", ""),
        "HOST": parameters.pop("host", ""),
        "PORT": parameters.pop("port", ""),
        "CONN_MAX_AGE": CONNECTION_LIFETIME_SECONDS,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            **parameters,
            "server_side_binding": True,
            "prepare_threshold": 3,
        },
    }
    if test_name:
        database["TEST"] = {"NAME": f"test_{test_name}"}
    return database
