"""Secrets are private from their first moment, and rivals agree on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shuke.kit.secret_files import create_private_file, ensure_secret

ASK = "import sys; from pathlib import Path; from shuke.kit.secret_files import ensure_secret; "
ASK += "print(ensure_secret(Path(sys.argv[1])))"


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    secret = ensure_secret(path)
    assert len(secret) >= 60
    assert ensure_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_processes_starting_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, str(tmp_path / "secrets" / "key")]
    rivals = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    answers = {rival.communicate()[0].strip() for rival in rivals}
    assert len(answers) == 1 and answers != {""}


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert create_private_file(path, "first")
    assert not create_private_file(path, "second")
    assert path.read_text() == "first"


def test_a_directory_that_others_could_enter_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    ensure_secret(folder / "key")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        ensure_secret(tmp_path / "key")
