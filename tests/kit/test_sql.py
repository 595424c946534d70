"""Statements in files: loaded once, and all of them parse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection

import shuke
from shuke.kit.sql import load

CORE = sorted((Path(shuke.__file__).parent / "core" / "sql").glob("*.sql"))


def test_load_reads_the_file_once() -> None:
    assert load("core", "find_answer").startswith("SELECT status")
    assert load("core", "find_answer") is load("core", "find_answer")


def test_unknown_statement() -> None:
    with pytest.raises(FileNotFoundError):
        load("core", "no_such_statement")


@pytest.mark.django_db
@pytest.mark.parametrize("path", CORE, ids=[path.stem for path in CORE])
def test_every_statement_of_the_core_is_valid_sql(path: Path) -> None:
    names: dict[str, int] = {}
    counter = iter(range(1, 100))
    text = re.sub(
        r"%\((\w+)\)s|%s",
        lambda hit: f"${names.setdefault(hit.group(1), len(names) + 1) if hit.group(1) else next(counter)}",
        path.read_text(encoding="utf-8"),
    )
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE checked AS {text}")
        cursor.execute("DEALLOCATE checked")
