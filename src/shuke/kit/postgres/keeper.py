"""The keeper: one small process per home that starts the server, restarts it, and never lets it outlive its
users.

Each process that needs the database holds a connection to the keeper's control socket, its lease. The
kernel closes the connection when that process ends, however it ends; when the last lease is gone the keeper
shuts the server down in good order and leaves. Should the keeper itself be killed, the kernel tells the
server to shut down. A lock held for the keeper's life makes it the only one.

Protocol, one JSON object per line. Asked: ``{"want": "lease" | "status" | "stop"}``. Answered: any number of
``{"say": text}``, then ``{"ready": state, "first": bool}``, ``{"status": …}`` or ``{"failed": text}``. A
keeper on its way out answers nothing and closes the connection at its end, so the asker starts over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shuke.kit.postgres import cluster
from shuke.kit.postgres.binaries import server_version
from shuke.kit.postgres.errors import PostgresProblem
from shuke.kit.postgres.places import Places, arrange_places, short_directory
from shuke.kit.postgres.processes import (
    die_with_parent,
    postmaster_is_ready,
    settle_previous,
    signal_quietly,
)
from shuke.kit.postgres.state import State, write_state

CONTROL_SOCKET = "keeper"
LOCK_FILE = "postgres.lock"
EXIT_BUSY = 75
EXIT_FAILED = 1
FIRST_LEASE_WITHIN_SECONDS = 30.0
FAILURE_SHOWN_SECONDS = 5.0
PROGRESS_EVERY_SECONDS = 10.0
SHUTDOWN_PATIENCE_SECONDS = 600.0
STARTS_BEFORE_GIVING_UP = 3
LONGEST_PAUSE_SECONDS = 30.0
LARGEST_LOG_BYTES = 64 * 1024 * 1024


class Busy(Exception):
    """Another keeper holds the lock."""


@dataclass
class Caller:
    """One connection: what it wants, and whether it still waits for the server to be ready."""

    connection: socket.socket
    received: bytes = b""
    want: str | None = None
    waiting: bool = True


@dataclass
class Keeper:
    """Everything one keeper knows. ``phase`` is starting, ready or stopping."""

    home: Path
    secrets_dir: Path
    port: int | None
    options: Mapping[str, str]
    listener: socket.socket
    phase: str = "starting"
    said: list[str] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    places: Places | None = None
    server: subprocess.Popen[bytes] | None = None
    state: State | None = None
    failed_starts: int = 0
    leases_given: int = 0
    asked_to_stop: bool = False
    phase_began: float = field(default_factory=time.monotonic)
    last_progress: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Tell everyone who waits, now or later."""
        self.said.append(text)
        for caller in self.callers:
            if caller.want == "lease" and caller.waiting:
                _send(caller, {"say": text})

    def prepare(self, locks: list[int]) -> None:
        """Arrange the places, take the data directory's own lock, clear what a killed run left."""
        self.places = arrange_places(self.home, say=self.say)
        base = self.places.data_dir.parent
        if base != self.home:
            try:
                locks.append(take_lock(base))
            except Busy as error:
                raise PostgresProblem(
                    f"The database in {base} is in use by another home: of two copies of one SHUKE_HOME, "
                    "only one can run."
                ) from error
        settle_previous(self.places.data_dir, say=self.say)
        cluster.ensure_cluster(self.places, secrets_dir=self.secrets_dir, options=self.options, say=self.say)

    def start_server(self) -> None:
        """Start the postmaster; `watch_server` notices when it is ready."""
        assert self.places is not None
        self._enter("starting")
        command = cluster.server_arguments(self.places, port=self.port, options=self.options)
        with _open_log(self.places.log_file) as log:
            self.server = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # this process has one thread
                **cluster.child_options(self.places.user),
            )

    def run(self) -> None:
        """Serve until the last lease is gone or someone asks to stop; then shut down."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while self.phase != "stopping" or self._server_lives():
                for key, _ in selector.select(timeout=0.5 if self.phase == "ready" else 0.05):
                    if key.fileobj is self.listener:
                        self._accept(selector)
                    else:
                        self._hear(key.data, selector)
                self.watch_server()
                if self.phase != "stopping" and self._is_time_to_leave():
                    self._begin_shutdown()

    def watch_server(self) -> None:
        """Notice readiness, slow recovery, a dead server, and a shutdown that takes too long."""
        assert self.server is not None and self.places is not None
        now = time.monotonic()
        if self.phase == "stopping":
            if self._server_lives() and now - self.phase_began > SHUTDOWN_PATIENCE_SECONDS:
                signal_quietly(
                    self.server.pid, signal.SIGQUIT
                )  # what is committed stays; recovery at next start
        elif not self._server_lives():
            self._restart()
        elif self.phase == "starting" and postmaster_is_ready(self.places.data_dir, self.server.pid):
            self._become_ready()
        elif self.phase == "starting" and now - self.last_progress > PROGRESS_EVERY_SECONDS:
            self.last_progress = now
            self.say(
                f"PostgreSQL is starting, {now - self.phase_began:.0f} s so far; after a crash it first "
                f"replays its log. It says: {_last_lines(self.places.log_file, 1)}"
            )

    def tell_failure(self, text: str) -> None:
        """Answer everyone who asks within a few seconds, above all the process that started this keeper."""
        deadline = time.monotonic() + FAILURE_SHOWN_SECONDS
        told = False
        self.listener.settimeout(0.1)
        for caller in self.callers:
            told |= caller.waiting and _send(caller, {"failed": text})
        while not told and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                told = _send(Caller(self.listener.accept()[0]), {"failed": text})

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self.phase_began = self.last_progress = time.monotonic()

    def _server_lives(self) -> bool:
        return self.server is not None and self.server.poll() is None

    def _become_ready(self) -> None:
        assert self.server is not None and self.places is not None
        self._enter("ready")
        self.failed_starts = 0
        self.state = State(
            dsn=cluster.dsn(self.places, secrets_dir=self.secrets_dir, port=self.port or 5432),
            version=server_version(self.places.bin_dir),
            pid=self.server.pid,
            keeper_pid=os.getpid(),
            data_dir=str(self.places.data_dir),
            socket_dir=str(self.places.socket_dir),
            log_file=str(self.places.log_file),
            system_user=self.places.user.name if self.places.user else None,
        )
        write_state(self.home, self.state)
        for caller in self.callers:
            self._answer_lease(caller)

    def _restart(self) -> None:
        """The server died under its users: bring it back. One that never came up is given up."""
        assert self.places is not None
        self.failed_starts += 1 if self.phase == "starting" else 0
        if self.failed_starts >= STARTS_BEFORE_GIVING_UP and self.state is None:
            raise PostgresProblem(
                f"PostgreSQL does not start. Its log {self.places.log_file} ends with:\n"
                f"{_last_lines(self.places.log_file, 12)}"
            )
        pause = min(self.failed_starts**2 * 0.5, LONGEST_PAUSE_SECONDS)
        self.say(
            f"PostgreSQL ended unexpectedly; starting it again{f' in {pause:.0f} s' if pause >= 1 else ''}."
        )
        time.sleep(pause)
        settle_previous(self.places.data_dir, say=self.say)
        self.start_server()

    def _is_time_to_leave(self) -> bool:
        if self.asked_to_stop:
            return True
        if any(caller.want in {None, "lease"} for caller in self.callers):
            return False
        return self.leases_given > 0 or time.monotonic() - self.phase_began > FIRST_LEASE_WITHIN_SECONDS

    def _begin_shutdown(self) -> None:
        assert self.server is not None
        self._enter("stopping")
        signal_quietly(self.server.pid, signal.SIGINT)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(1.0)
        caller = Caller(connection)
        self.callers.append(caller)
        selector.register(connection, selectors.EVENT_READ, caller)

    def _hear(self, caller: Caller, selector: selectors.BaseSelector) -> None:
        try:
            received = caller.connection.recv(4096)
        except OSError:
            received = b""
        if not received:
            selector.unregister(caller.connection)
            caller.connection.close()
            self.callers.remove(caller)
            return
        caller.received += received
        if caller.want is None and b"\n" in caller.received:
            self._take_request(caller)

    def _take_request(self, caller: Caller) -> None:
        try:
            caller.want = str(json.loads(caller.received.split(b"\n", 1)[0])["want"])
        except (ValueError, KeyError, TypeError):
            caller.want = "nothing"
        if caller.want == "stop":
            self.asked_to_stop = True
        elif caller.want == "status":
            leases = sum(1 for other in self.callers if other.want == "lease")
            _send(caller, {"status": {"phase": self.phase, "leases": leases, "keeper_pid": os.getpid()}})
        elif caller.want == "lease" and self.phase != "stopping":
            for text in self.said:
                _send(caller, {"say": text})
            if self.phase == "ready":
                self._answer_lease(caller)

    def _answer_lease(self, caller: Caller) -> None:
        if caller.want == "lease" and caller.waiting and self.state is not None:
            caller.waiting = False
            first = self.leases_given == 0
            self.leases_given += _send(caller, {"ready": asdict(self.state), "first": first})
            self.said.clear()  # told once; later callers did not wait for it


def take_lock(directory: Path) -> int:
    """Hold the directory for the life of this process (the descriptor is never closed).

    :raises Busy: when another keeper holds it.
    """
    handle = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise Busy from error
    return handle


def control_socket(home: Path) -> Path:
    """The path of a home's control socket, in a directory only its owner may enter."""
    return short_directory(home, "control", None) / CONTROL_SOCKET


def main() -> int:
    """Run one keeper; its order comes as JSON in the first argument."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    home = Path(order["home"])
    locks: list[int] = []
    try:
        locks.append(take_lock(home))
        path = control_socket(home)
    except Busy:
        return EXIT_BUSY
    except (PostgresProblem, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(128)
    keeper = Keeper(
        home=home,
        secrets_dir=Path(order["secrets_dir"]),
        port=order["port"],
        options=order["options"],
        listener=listener,
    )

    def stop(*_: object) -> None:
        keeper.asked_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        keeper.prepare(locks)
        keeper.start_server()
        keeper.run()
    except (PostgresProblem, OSError) as error:
        print(error, file=sys.stderr)  # for a launcher that comes too late to be told
        keeper.tell_failure(str(error))
        return EXIT_FAILED
    finally:
        path.unlink(missing_ok=True)
    return 0


def _send(caller: Caller, message: Mapping[str, Any]) -> bool:
    try:
        caller.connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return False
    return True


def _open_log(path: Path) -> Any:
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _last_lines(path: Path, count: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-count:])


if __name__ == "__main__":
    sys.exit(main())
