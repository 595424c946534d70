"""The command line is quick, says what is wrong in one sentence, and survives a broken room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shuke.config import cli


def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "shuke.config.cli", *arguments],
        env={**environment, "SHUKE_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_help_imports_no_room_and_touches_nothing(tmp_path: Path) -> None:
    probe = (
        "import sys\nfrom shuke.config import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "rooms = [m for m in sys.modules if m.startswith('shuke.') and m.endswith('commands')]\n"
        "assert not rooms, rooms\nassert 'django.db' not in sys.modules\n"
    )
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "SHUKE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("serve", "doctor", *(name for name in cli.ROOM_COMMANDS if cli._is_installed(name))):
        assert f" {name} " in done.stdout
    assert not home.exists()


def test_a_missing_room_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.ROOM_COMMANDS, "ledger", ("shuke.no_such_room.commands", "Nothing."))
    assert not cli._is_installed("ledger")
    with pytest.raises(SystemExit) as caught:
        cli.main(["ledger"])
    assert caught.value.code == 2


def test_a_room_brings_its_commands(tmp_path: Path) -> None:
    done = run("audit", "--help", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "verify" in done.stdout
    assert not (tmp_path / "home" / "postgres").exists()  # help needs no database


def test_a_bad_variable_is_one_sentence(tmp_path: Path) -> None:
    done = run("serve", home=tmp_path, SHUKE_PORT="eighty")
    assert done.returncode == 1
    assert done.stderr.startswith("shuke: SHUKE_PORT='eighty': is not a whole number")
    assert "Traceback" not in done.stderr


def test_an_unreachable_database_is_named(tmp_path: Path) -> None:
    done = run("migrate", home=tmp_path, DATABASE_URL="postgres://u:geheim@127.0.0.1:1/n")
    assert done.returncode == 1
    assert "The database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr and "geheim" not in done.stderr


def test_init_refuses_before_there_is_a_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for asked, said in (((), "Say what to start from"), (("--template", "tea"), "There is no template")):
        done = run("init", str(tmp_path), *asked, home=home)
        assert done.returncode == 1 and done.stderr.startswith(f"shuke: {said}"), done.stderr
    assert not (home / "postgres").exists()


def test_the_first_command_of_a_new_database_prepares_its_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(cli, "django_ready", lambda **_: None)
    monkeypatch.setattr(cli, "prepare_tables", lambda: prepared.append("prepared"))
    for has_tables, known in ((True, []), (False, ["prepared"])):
        monkeypatch.setattr(cli, "has_tables", lambda has=has_tables: has)
        with pytest.raises(SystemExit):
            cli.main(["staff", "no-such-act"])
        assert prepared == known
    assert "preparing the tables" in capsys.readouterr().err


def test_stop_says_when_nothing_runs(tmp_path: Path) -> None:
    done = run("stop", home=tmp_path)
    assert done.returncode == 0
    assert "Nothing runs" in done.stdout


def test_variables_are_listed(tmp_path: Path) -> None:
    assert "SHUKE_HOME" in run("variables", home=tmp_path).stdout
