"""`shuke serve`: database, migrations, web server and job worker start, heal and stop together."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from shuke.config.environment import Environment, environment
from shuke.config.runtime import called_as, database_ready, say_on_stderr
from shuke.config.supervisor import ACCESS_LOG, SUPERVISED, Child, Supervisor
from shuke.kit import postgres

DEFAULT_PORT = 8787
PORTS_TRIED = 50
RECORD_FILE = "serving.json"
LOCK_FILE = "serving.lock"
LOCK_ATTEMPTS = 5
STOP_TIMEOUT_SECONDS = 60.0
READY_TIMEOUT_SECONDS = 120.0


class ServeProblem(RuntimeError):
    """Serving cannot begin or end; the message says why and what to do."""


@dataclass(frozen=True)
class Serving:
    """What a running `shuke serve` notes for the other commands."""

    pid: int
    url: str
    children: dict[str, int]


def serve(*, port: int | None = None, say: Callable[[str], None] = say_on_stderr, parting: str = "") -> None:
    """Serve until SIGTERM or SIGINT. `port` wins over SHUKE_PORT; `parting` is said after the address, as the last word.

    :raises ServeProblem: when this home is already served, the port is taken, or the migrations fail.
    """
    env = environment()
    embedded = env.database_url is None
    lock = _take_lock(env.home)
    try:
        _warn_about_reachability(env, say)
        chosen = _choose_port(env, port)
        say(f"Starting from {env.home}: database, tables, web server and jobs.")
        keep_database = _database_keeper(say) if embedded else (lambda: None)
        _migrate()
        (env.home / "static").mkdir(exist_ok=True)  # the static file middleware complains when it is missing
        if sys.stderr.isatty():
            log = env.home / ACCESS_LOG  # begun anew at every start, so that it cannot grow for ever
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
            say(f"Requests are logged in {log}.")
        _supervise(env, chosen, keep_database, say, parting)
    finally:
        with suppress(FileNotFoundError):
            (env.home / RECORD_FILE).unlink()
        os.close(lock)
        if embedded:
            _release_database(env.home)


def stop_serving(home: Path) -> bool:
    """Ask the `shuke serve` of this home to stop and wait until it has; False when none ran.

    :raises ServeProblem: when it does not stop in time.
    """
    serving = current(home)
    if serving is None:
        return False
    os.kill(serving.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not _is_locked(home):
            return True
        time.sleep(0.1)
    raise ServeProblem(f"Process {serving.pid} has not stopped after {STOP_TIMEOUT_SECONDS:.0f} s.")


def current(home: Path) -> Serving | None:
    """The running `shuke serve` of this home. The lock proves that it runs; the record says where."""
    if not _is_locked(home):
        return None
    try:
        return Serving(**json.loads((home / RECORD_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def web_command(env: Environment, port: int) -> list[str]:
    """The command line of the web server."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
        *("--host", env.host, "--port", str(port)),
        *("--workers", str(env.web_workers), "--blocking-threads", str(env.web_threads)),
        *("--blocking-threads-idle-timeout", "600"),  # a thread's end closes its database connection
        *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
        # Its one warning at a start is about threads that wait for the database, which is what they are for.
        *("--log-level", "error"),
        "shuke.config.wsgi:application",
    ]


def worker_command() -> list[str]:
    """The command line of the job worker."""
    return [sys.executable, "-m", "shuke.config.cli", "worker"]


def _supervise(
    env: Environment, port: int, keep_database: Callable[[], None], say: Callable[[str], None], parting: str
) -> None:
    os.environ[SUPERVISED] = "1"
    shown = "127.0.0.1" if env.host in {"0.0.0.0", "::"} else env.host  # noqa: S104 - shown, not bound
    url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    web, worker = Child("The web server", web_command(env, port)), Child("The job worker", worker_command())
    announced = False
    began = time.monotonic()

    def watch() -> None:
        nonlocal announced
        _record(env.home, url, [web, worker])
        keep_database()
        if not announced and _answers(shown, port):
            announced = True
            say(f"Shuke 熟客 is served at {url}  (stop: Ctrl-C or {called_as()} stop)")
            if parting:
                say(parting)
        elif not announced and time.monotonic() - began > READY_TIMEOUT_SECONDS:
            announced = True
            say(f"No answer at {url} yet; what the web server says stands above.")

    supervisor = Supervisor([web, worker], say, watch)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.ask_to_stop)
    supervisor.run()
    say("Stopped.")


def _database_keeper(say: Callable[[str], None]) -> Callable[[], None]:
    """Start the embedded server; the returned function starts it again should its keeper have been killed."""
    home = environment().home
    server = database_ready(say=say)
    assert server is not None

    def keep() -> None:
        nonlocal server
        assert server is not None
        if not server.is_kept():
            say("The database's keeper is gone; starting the database again.")
            server = postgres.ensure_running(home, port=environment().postgres_port, say=say)

    return keep


def _release_database(home: Path) -> None:
    """Let go of it, and wait for its orderly end if nobody else uses it, so that "stopped" means stopped."""
    with suppress(postgres.PostgresProblem):
        postgres.release(home)


def _migrate() -> None:
    """In a process of its own: this one stays small, and free of Django."""
    command = [sys.executable, "-m", "shuke.config.cli", "migrate", "--quiet"]
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - our own command
        raise ServeProblem("The migrations failed; what they say stands above. Nothing is served.")


def _choose_port(env: Environment, asked: int | None = None) -> int:
    wanted = env.port if asked is None else asked
    if wanted is not None:
        if not _is_free(env.host, wanted):
            said = f"SHUKE_PORT={wanted}" if asked is None else f"Port {wanted}"
            raise ServeProblem(
                f"{said} on {env.host} is in use. Stop what uses it, choose another with --port or SHUKE_PORT, or leave both "
                "out for the next free one."
            )
        return wanted
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        if _is_free(env.host, port):
            return port
    raise ServeProblem(f"No free port from {DEFAULT_PORT} on. Choose one with --port or SHUKE_PORT.")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise ServeProblem(f"Port {port} is reserved: {error}. Choose one above 1023.") from error
        except socket.gaierror as error:
            raise ServeProblem(f"SHUKE_HOST={host!r} is no address of this machine ({error}).") from error
        except OSError as error:
            if error.errno == 99:  # EADDRNOTAVAIL
                raise ServeProblem(f"SHUKE_HOST={host!r} is no address of this machine ({error}).") from error
            return False
        return True


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=0.5)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _warn_about_reachability(env: Environment, say: Callable[[str], None]) -> None:
    if env.host in {"0.0.0.0", "::"} and "SHUKE_ALLOWED_HOSTS" not in os.environ:  # noqa: S104
        say(
            f"SHUKE_HOST={env.host} listens to the network, but requests for names other than "
            f"{', '.join(env.allowed_hosts)} are refused. Set SHUKE_ALLOWED_HOSTS to the names in use."
        )


def _record(home: Path, url: str, children: list[Child]) -> None:
    pids = {child.name: child.process.pid for child in children if child.process is not None}
    content = json.dumps(asdict(Serving(pid=os.getpid(), url=url, children=pids)))
    path = home / RECORD_FILE
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)


def _take_lock(home: Path) -> int:
    handle = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(LOCK_ATTEMPTS):  # another command that only looks holds it for an instant
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        time.sleep(0.1)
    os.close(handle)
    serving = current(home)
    where = f" at {serving.url} by process {serving.pid}" if serving else ""
    raise ServeProblem(
        f"{home} is already served{where}. Use it, stop it ({called_as()} stop), or choose another SHUKE_HOME."
    )


def _is_locked(home: Path) -> bool:
    """Whether a `shuke serve` lives: it holds the lock until it ends, however it ends."""
    try:
        handle = os.open(home / LOCK_FILE, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
