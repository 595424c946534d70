"""Every form of PostgreSQL URL reaches Django intact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from shuke.kit.postgres.dsn import database_from_url, django_database
from shuke.kit.postgres.state import State, write_state


@dataclass(frozen=True)
class Choice:
    home: Path
    database_url: str | None = None
    test_db: str | None = None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgres://anna:p%40ss%2Fword@db.example:6432/shop",
            {"USER": "anna", "PASSWORD": "p@ss/word", "HOST": "db.example", "PORT": "6432", "NAME": "shop"},
        ),
        (
            "postgresql://shuke:x@/shuke?host=/run/a%20b&port=5432",
            {"USER": "shuke", "HOST": "/run/a b", "PORT": "5432", "NAME": "shuke"},
        ),
        ("postgres://u@[::1]/n", {"HOST": "::1", "PORT": "", "PASSWORD": "", "NAME": "n"}),
    ],
)
def test_parts_of_the_url(url: str, expected: dict[str, str]) -> None:
    database = database_from_url(url)
    assert {key: database[key] for key in expected} == expected


def test_further_parameters_go_to_the_driver() -> None:
    options = database_from_url("postgres://u@h/n?sslmode=verify-full&connect_timeout=5")["OPTIONS"]
    assert options["sslmode"] == "verify-full"
    assert options["connect_timeout"] == "5"
    assert options["server_side_binding"] is True


def test_the_test_database_has_the_name_asked_for(tmp_path: Path) -> None:
    database = django_database(Choice(tmp_path, "postgres://u@h/n", "ledger"))
    assert database["TEST"]["NAME"] == "test_ledger"
    assert "TEST" not in django_database(Choice(tmp_path, "postgres://u@h/n"))


def test_without_a_url_the_recorded_server_is_used(tmp_path: Path) -> None:
    assert django_database(Choice(tmp_path))["HOST"] == f"{tmp_path}/postgres-not-started"
    write_state(
        tmp_path,
        State(
            dsn="postgresql://shuke:pw@/shuke?host=/s&port=5432",
            version="18.6",
            pid=1,
            keeper_pid=1,
            data_dir="/d",
            socket_dir="/s",
            log_file="/l",
            system_user=None,
        ),
    )
    assert django_database(Choice(tmp_path))["HOST"] == "/s"
    assert (tmp_path / "postgres.json").stat().st_mode & 0o777 == 0o600
