"""Use the embedded server of a home: join the one that runs, or start it. `keeper` keeps it alive."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import shuke
from shuke.kit.postgres.errors import PostgresProblem
from shuke.kit.postgres.keeper import EXIT_BUSY, control_socket
from shuke.kit.postgres.state import State, read_state

START_TIMEOUT_SECONDS = 3600.0
STOP_TIMEOUT_SECONDS = 660.0
PASSWORDS = "secrets"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server, kept alive at least until `release` or the end of this process.

    ``pid`` is the postmaster at the time of joining; ``started`` says whether this call brought it up.
    """

    dsn: str = field(repr=False)
    pid: int
    version: str
    started: bool
    state: State = field(repr=False)
    lease: socket.socket = field(repr=False, compare=False)

    def is_kept(self) -> bool:
        """Whether the keeper still holds the server for us."""
        try:
            return self.lease.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def release(self) -> None:
        """Let go of the server; it stops when nobody else uses it."""
        self.lease.close()


@dataclass(frozen=True, kw_only=True)
class Status:
    """``phase``: stopped, starting, ready or stopping; ``state`` is the last record, even when stopped."""

    phase: str
    leases: int
    keeper_pid: int | None
    state: State | None


_servers: dict[Path, Server] = {}
_keepers: list[subprocess.Popen[bytes]] = []
_joining = threading.Lock()


def ensure_running(
    home: Path,
    *,
    port: int | None = None,
    options: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    timeout: float = START_TIMEOUT_SECONDS,
) -> Server:
    """Join the server of ``home``, starting it first if need be, and keep it for the life of this process.

    :param port: listen on 127.0.0.1 at this port, too. Like ``options``, it counts only for the start.
    :param options: server settings beyond or instead of our own, such as ``{"fsync": "off"}`` for tests.
    :param say: told what happens during a start: a new user, a new database, recovery after a crash.
    :param timeout: seconds; generous, because recovery of a busy shop's server may take minutes.
    :raises PostgresProblem: naming the cause and the way out.
    """
    if not sys.platform.startswith("linux"):
        raise PostgresProblem("The embedded PostgreSQL is kept on Linux only. Set DATABASE_URL to a server.")
    home = home.absolute()
    with _joining:
        known = _servers.get(home)
        if known and known.is_kept():
            return known
        home.mkdir(parents=True, exist_ok=True)
        order = {
            "home": str(home),
            "secrets_dir": str(home / PASSWORDS),
            "port": port,
            "options": dict(options or {}),
        }
        server = _join_or_start(home, order, say, time.monotonic() + timeout)
        _servers[home] = server
        return server


def stop(home: Path, *, timeout: float = STOP_TIMEOUT_SECONDS) -> bool:
    """Shut the server of ``home`` down, whoever uses it, and wait for its end; False when none ran.

    :raises PostgresProblem: when it still runs after ``timeout`` seconds.
    """
    home = home.absolute()
    connection = _connect(home)
    if connection is None:
        return False
    connection.settimeout(timeout)
    try:
        for _ in _ask(connection, "stop"):
            continue
    except TimeoutError:
        raise PostgresProblem(
            f"PostgreSQL did not stop within {timeout:.0f} s; see {home / 'log'}."
        ) from None
    finally:
        connection.close()
    known = _servers.pop(home, None)
    if known:
        known.release()
    _reap()
    return True


def release(home: Path, *, timeout: float = STOP_TIMEOUT_SECONDS) -> None:
    """Let go of the server of ``home``; when nobody else uses it, wait for its orderly end."""
    known = _servers.pop(home.absolute(), None)
    if known is None:
        return
    known.release()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        now = status(home)
        if now.phase == "stopped" or now.leases:
            break
        time.sleep(0.05)
    _reap()


def status(home: Path) -> Status:
    """What the keeper of ``home`` says, without starting anything."""
    home = home.absolute()
    state = read_state(home)
    connection = _connect(home)
    if connection is None:
        return Status(phase="stopped", leases=0, keeper_pid=None, state=state)
    with connection:
        connection.settimeout(3.0)
        try:
            for message in _ask(connection, "status"):
                if "status" in message:
                    return Status(**message["status"], state=state)
        except TimeoutError:
            return Status(phase="starting", leases=0, keeper_pid=None, state=state)
    return Status(phase="stopping", leases=0, keeper_pid=None, state=state)


def _join_or_start(home: Path, order: dict[str, Any], say: Callable[[str], None], deadline: float) -> Server:
    keeper: subprocess.Popen[bytes] | None = None
    complaint: IO[bytes] | None = None
    while time.monotonic() < deadline:
        connection = _connect(home)
        if connection is not None:
            server = _lease(connection, say, deadline)
            if server is not None:
                return server
        if keeper is None or keeper.poll() is not None:
            if keeper is not None and keeper.returncode not in {0, EXIT_BUSY} and complaint is not None:
                complaint.seek(0)
                said = complaint.read().decode(errors="replace").strip()
                raise PostgresProblem(
                    f"The database server could not be started: {said or keeper.returncode}"
                )
            complaint = tempfile.TemporaryFile()  # noqa: SIM115 - read when the keeper dies early
            keeper = _spawn_keeper(order, complaint)
        time.sleep(0.05 if keeper.poll() is None else 0.3)
    raise PostgresProblem(
        f"PostgreSQL is not ready in time; see {home / 'log'} and start again: recovery continues."
    )


def _lease(connection: socket.socket, say: Callable[[str], None], deadline: float) -> Server | None:
    """Wait on one connection; None when its keeper was on the way out."""
    connection.settimeout(max(deadline - time.monotonic(), 0.1))
    try:
        for message in _ask(connection, "lease"):
            if "say" in message:
                say(message["say"])
            elif "failed" in message:
                raise PostgresProblem(message["failed"])
            elif "ready" in message:
                connection.setblocking(False)
                state = State(**message["ready"])
                return Server(
                    dsn=state.dsn,
                    pid=state.pid,
                    version=state.version,
                    started=message["first"],
                    state=state,
                    lease=connection,
                )
    except TimeoutError:
        connection.close()
        return None
    except PostgresProblem:
        connection.close()
        raise
    connection.close()
    return None


def _connect(home: Path) -> socket.socket | None:
    """A connection to the keeper, or None when no keeper listens."""
    if not home.is_dir():
        return None
    path = control_socket(home)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except PermissionError as error:
        connection.close()
        raise PostgresProblem(f"The server in {home} belongs to another user ({error}).") from error
    return connection


def _ask(connection: socket.socket, want: str) -> Iterator[dict[str, Any]]:
    """Send the request and yield the answers until the other side closes."""
    rest = b""
    with suppress(ConnectionError):
        connection.sendall(json.dumps({"want": want}).encode() + b"\n")
        while received := connection.recv(65536):
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _spawn_keeper(order: dict[str, Any], complaint: IO[bytes]) -> subprocess.Popen[bytes]:
    source = str(Path(shuke.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    # The package imports the module for its constants, which runpy remarks on: a complaint is to hold what failed only.
    quiet = ["-W", "ignore::RuntimeWarning:runpy"]
    keeper = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", *quiet, "-m", "shuke.kit.postgres.keeper", json.dumps(order)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaint,
        cwd="/",
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C in a terminal reaches the users of the server, not the server
    )
    _reap()
    _keepers.append(keeper)
    return keeper


def _reap() -> None:
    """Collect keepers that have ended, so that none stays behind as a zombie of a long-lived process."""
    _keepers[:] = [keeper for keeper in _keepers if keeper.poll() is None]
