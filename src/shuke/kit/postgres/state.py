"""What a home remembers about its server, so that other processes reach it: ``SHUKE_HOME/postgres.json``."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

STATE_FILE = "postgres.json"


@dataclass(frozen=True, kw_only=True)
class State:
    """Written whenever a server became ready. It may be stale: only its keeper's answer proves a live one."""

    dsn: str = field(repr=False)
    version: str
    pid: int
    keeper_pid: int
    data_dir: str
    socket_dir: str
    log_file: str
    system_user: str | None


def read_state(home: Path) -> State | None:
    """The recorded state, or None when no server was ever started here (or the record is unreadable)."""
    try:
        return State(**json.loads((home / STATE_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def write_state(home: Path, state: State) -> None:
    """Replace the record in one step; it holds a password, so mode 0600."""
    handle, draft = tempfile.mkstemp(prefix=f".{STATE_FILE}.", dir=home)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(state), file, indent=1)
    Path(draft).replace(home / STATE_FILE)
