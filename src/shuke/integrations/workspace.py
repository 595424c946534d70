"""The private directory of a run: a DuckDB file to sort and join in, and for orders the plan that survives a crash.

The staged rows hold personal data as the input file does, so the directory is 0700 and what is staged goes away as soon
as it is not needed; the plan holds ids and figures only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import duckdb
from django.conf import settings

from shuke.integrations.errors import ImportRunning

STAGE_MEMORY = "200MB"
LANE_MEMORY = "32MB"
PLAN = "plan.duckdb"
READY = "plan.ready"
_LOCK = "lock"


def imports_home() -> Path:
    """Where the directories of runs lie."""
    home = Path(settings.ENV.home) / "imports"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def has_plan(run_id: UUID) -> bool:
    """True when the plan of a run was written to its end and is still there."""
    directory = imports_home() / str(run_id)
    return (directory / READY).exists() and (directory / PLAN).exists()


@contextmanager
def workspace(run_id: UUID) -> Iterator[Path]:
    """The directory of a run, ours alone. Raises ImportRunning when another process works there."""
    _sweep()
    directory = imports_home() / str(run_id)
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ImportRunning from error
        _forget_staged(directory)
        yield directory
    finally:
        os.close(lock)


def remove(directory: Path) -> None:
    """Delete the directory of a run that is over."""
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """DuckDB loads pandas, if it is there, to see whether a parameter is one of its values: seconds for nothing."""
    if "pandas" in sys.modules:
        yield
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # how Python marks a module that cannot be imported
    try:
        yield
    finally:
        del sys.modules["pandas"]


@contextmanager
def staging(directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database file that is deleted afterwards. Bounded memory; the rest spills to the directory."""
    try:
        with (
            _without_pandas(),
            duckdb.connect(
                str(directory / "stage.duckdb"),
                config={
                    "memory_limit": STAGE_MEMORY,
                    "threads": 2,
                    "temp_directory": str(directory / "spill"),
                    "preserve_insertion_order": True,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                },
            ) as connection,
        ):
            connection.execute("SET TimeZone = 'UTC'")
            # A bar of its own would run into ours, and into what programs read.
            connection.execute("SET enable_progress_bar = false")
            yield connection
    finally:
        _forget_staged(directory)


@contextmanager
def open_plan(directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The plan, read-only, so that several processes read it at once."""
    with (
        _without_pandas(),
        duckdb.connect(
            str(directory / PLAN), read_only=True, config={"memory_limit": LANE_MEMORY, "threads": 1}
        ) as connection,
    ):
        connection.execute("SET enable_progress_bar = false")
        yield connection


def _forget_staged(directory: Path) -> None:
    for name in ("stage.duckdb", "stage.duckdb.wal", "rows.csv"):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / "spill", ignore_errors=True)
    if not (directory / READY).exists():
        for name in (PLAN, f"{PLAN}.wal"):
            (directory / name).unlink(missing_ok=True)


def _sweep() -> None:
    """Take away what killed runs staged; a plan stays, its run may go on."""
    for directory in imports_home().iterdir():
        try:
            lock = os.open(directory / _LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _forget_staged(directory)
            if not (directory / READY).exists():
                remove(directory)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
