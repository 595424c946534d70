"""What one home remembers about its server, so that other processes find it: ``SHUKE_HOME/postgres.json`` (0600)."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

STATE_FILE = "postgres.json"


@dataclass(frozen=True, kw_only=True)
class State:
    """Written whenever a server has become ready. It may be stale: only a live process proves a live server."""

    dsn: str = field(repr=False)
    data_dir: str
    socket_dir: str
    port: int
    version: str
    postmaster_pid: int
    postmaster_started: int
    watchdog_pid: int
    watchdog_started: int
    system_user: str | None


def read_state(home: Path) -> State | None:
    """The recorded state, or None when no server was ever started here (or the record is unreadable)."""
    try:
        return State(**json.loads((home / STATE_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def write_state(home: Path, state: State) -> None:
    """Replace the record in one step; it holds a password, so mode 0600."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{STATE_FILE}.", dir=home)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(state), file, indent=1)
    Path(temporary).replace(home / STATE_FILE)
