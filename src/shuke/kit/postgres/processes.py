"""Which processes really are this server: a process id alone proves nothing, since the kernel reuses them.

Every PostgreSQL process has its data directory as working directory, so that is what is compared (Linux
/proc).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1


def server_processes(data_dir: Path) -> list[int]:
    """Ids of all live PostgreSQL processes at work in ``data_dir``, in ascending order."""
    try:
        wanted = data_dir.stat()
    except FileNotFoundError:
        return []
    return sorted(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _works_in(entry, wanted) and _is_postgres(entry)
    )


def postmaster(data_dir: Path) -> int | None:
    """The id in ``postmaster.pid`` if that process is a PostgreSQL at work in this very directory."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid in server_processes(data_dir) else None


def postmaster_is_ready(data_dir: Path, pid: int) -> bool:
    """Whether the server accepts connections, as it notes itself in the eighth line of ``postmaster.pid``."""
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def settle_previous(data_dir: Path, *, say: Callable[[str], None], patience_seconds: float = 300) -> None:
    """Bring whatever an earlier, killed keeper left in ``data_dir`` to an end, and remove a stale pid file.

    A postmaster is shut down in good order; server processes that lost their postmaster are told to quit,
    then killed. Call it only while holding the lock of the directory.
    """
    pid = postmaster(data_dir)
    if pid is not None:
        say(f"Stopping PostgreSQL process {pid}, left by an earlier run.")
        signal_quietly(pid, signal.SIGINT)
        _wait_until_gone(data_dir, patience_seconds)
    for harder in (signal.SIGQUIT, signal.SIGKILL):
        remaining = server_processes(data_dir)
        if not remaining:
            break
        for process in remaining:
            signal_quietly(process, harder)
        _wait_until_gone(data_dir, 10)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)


def die_with_parent() -> Callable[[], None]:
    """Return a function for the child, run before exec: when the parent dies, however hard, shut down fast.

    The kernel sends SIGINT, which PostgreSQL takes as "fast shutdown". It must run after the change of user,
    which clears the setting, and survives exec because the program is not set-uid.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: the child must not import or lock
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def signal_quietly(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_until_gone(data_dir: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while server_processes(data_dir) and time.monotonic() < deadline:
        time.sleep(0.05)


def _works_in(entry: Path, wanted: os.stat_result) -> bool:
    try:
        found = (entry / "cwd").stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def _is_postgres(entry: Path) -> bool:
    try:
        return (entry / "exe").readlink().name.removesuffix(" (deleted)") == "postgres"
    except OSError:
        return False
