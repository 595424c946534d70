"""No keyset is ever made beside members that another one encrypted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from django.db import connection

from shuke.config.environment import Environment, environment
from shuke.config.runtime import KeysetProblem, RuntimeProblem, _check_database, _ensure_keyset, called_as
from shuke.core.models import KeysetMark
from shuke.kit.crypto import Keyset
from tests.factories.members import make_member


@pytest.fixture
def here(tmp_path: Path) -> Environment:
    """This run's database seen from a home without a keyset."""
    settings = connection.settings_dict
    url = f"postgres://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}"
    url += f"?host={settings['HOST']}&port={settings['PORT']}"
    return dataclasses.replace(
        environment(), database_url=url, keyset_path=tmp_path / "secrets" / "keyset.json"
    )


@pytest.mark.django_db(transaction=True)
def test_a_first_start_makes_the_keyset(here: Environment) -> None:
    _check_database(here)
    _ensure_keyset(here)
    assert here.keyset_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db(transaction=True)
def test_members_without_their_keyset_stop_the_start(here: Environment) -> None:
    make_member()
    with pytest.raises(RuntimeProblem, match=r"keyset\.json is missing, but the database holds members"):
        _ensure_keyset(here)
    assert not here.keyset_path.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", [Keyset.generate().dumps(), "{}", "not a keyset", ""])
def test_a_keyset_that_does_not_fit_the_members_stops_the_start(here: Environment, text: str) -> None:
    here.keyset_path.parent.mkdir()
    here.keyset_path.write_text(environment().keyset_path.read_text(encoding="utf-8"), encoding="utf-8")
    make_member()
    _ensure_keyset(here)
    here.keyset_path.write_text(text, encoding="utf-8")
    with pytest.raises(RuntimeProblem, match=r"keyset\.json does not fit this database"):
        _ensure_keyset(here)
    assert here.keyset_path.read_text(encoding="utf-8") == text


@pytest.mark.django_db(transaction=True)
def test_an_altered_index_key_stops_the_start(here: Environment) -> None:
    """The keys still open every member, but nobody would be found by phone any more."""
    right = environment().keyset_path.read_text(encoding="utf-8")
    here.keyset_path.parent.mkdir()
    here.keyset_path.write_text(right, encoding="utf-8")
    _ensure_keyset(here)
    make_member()
    altered = json.loads(right)
    altered["index_key"] = json.loads(Keyset.generate().dumps())["index_key"]
    here.keyset_path.write_text(json.dumps(altered), encoding="utf-8")
    with pytest.raises(KeysetProblem, match="its index_key is another one"):
        _ensure_keyset(here)
    rotated = Keyset.loads(right).rotated()
    here.keyset_path.write_text(rotated.dumps(), encoding="utf-8")
    _ensure_keyset(here)


@pytest.mark.django_db(transaction=True)
def test_before_anything_is_indexed_another_keyset_may_come(here: Environment) -> None:
    _ensure_keyset(here)
    here.keyset_path.write_text(Keyset.generate().dumps(), encoding="utf-8")
    _ensure_keyset(here)
    first = here.keyset_path.read_text(encoding="utf-8")
    assert bytes(KeysetMark.objects.get().mark) == Keyset.loads(first).index_mark()


@pytest.mark.django_db(transaction=True)
def test_a_database_of_an_earlier_release_learns_its_mark(here: Environment) -> None:
    here.keyset_path.parent.mkdir()
    here.keyset_path.write_text(environment().keyset_path.read_text(encoding="utf-8"), encoding="utf-8")
    make_member()
    KeysetMark.objects.all().delete()
    _ensure_keyset(here)
    _ensure_keyset(here)
    assert KeysetMark.objects.count() == 1


def test_an_unreachable_server_is_named_with_the_way_out(here: Environment) -> None:
    with pytest.raises(RuntimeProblem, match="cannot be reached"):
        _check_database(dataclasses.replace(here, database_url="postgres://u:geheim@127.0.0.1:1/n"))


def test_what_is_printed_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "venv" / "bin" / "shuke"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["venv/bin/shuke", "init"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert called_as() == "venv/bin/shuke"
    monkeypatch.setattr("sys.argv", [str(program), "init"])
    assert called_as() == "venv/bin/shuke"
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("sys.argv", [str(program), "init"])
    assert called_as() == "shuke"
    monkeypatch.setattr("sys.argv", ["/some/pytest"])
    assert called_as() == "shuke"
