"""The embedded server survives what kills processes, and dies when it should."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from shuke.kit import postgres
from shuke.kit.postgres import PostgresProblem, binaries, launcher
from shuke.kit.postgres.places import ELSEWHERE_FILE
from shuke.kit.postgres.processes import server_processes
from shuke.kit.postgres.state import read_state

SOURCE = Path(postgres.__file__).parents[3]
SITE_PACKAGES = binaries.installation().parents[1]
QUICK = {"fsync": "off", "shared_buffers": "16MB"}
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has the trouble that this is about")

OWNER = """
import json, sys, time
from pathlib import Path
from shuke.kit import postgres
server = postgres.ensure_running(Path(sys.argv[1]), options=json.loads(sys.argv[2]))
print(json.dumps({"pid": server.pid, "started": server.started, "dsn": server.dsn}), flush=True)
time.sleep(600)
"""


def quiet(_: str) -> None:
    return


def kill_if_alive(pid: int) -> None:
    """A backend may end by itself between being listed and being killed."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def start(home: Path, **options: str) -> postgres.Server:
    return postgres.ensure_running(home, options={**QUICK, **options}, say=quiet)


def owner(home: Path, *, python: str = sys.executable, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Another process that uses the server until it is killed."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{SOURCE}:{SITE_PACKAGES}"}
    return subprocess.Popen(
        [*prefix, python, "-c", OWNER, str(home), json.dumps(QUICK)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd="/",
    )


def first_line(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    answer: dict[str, object] = json.loads(line)
    return answer


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def data_dir(home: Path) -> Path:
    state = read_state(home)
    assert state is not None
    return Path(state.data_dir)


def remove_runtime_directories(home: Path) -> None:
    """Stop the server of a home whose sockets had to lie elsewhere, and remove that place."""
    state = read_state(home)
    postgres.stop(home)
    if state is not None and not Path(state.socket_dir).is_relative_to(home):
        shutil.rmtree(state.socket_dir)
        shutil.rmtree(state.socket_dir.removesuffix("socket") + "control")


class Writers:
    """Threads that insert numbers, and remember those whose commit was acknowledged."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.acknowledged: list[int] = []
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._write, args=(start_at,)) for start_at in (0, 10**6, 2 * 10**6)
        ]

    def __enter__(self) -> Writers:
        with psycopg.connect(self._dsn()) as connection:
            connection.execute("CREATE TABLE paid (number bigint PRIMARY KEY, filler text)")
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _dsn(self) -> str:
        state = read_state(self.home)
        assert state is not None
        return state.dsn

    def _write(self, number: int) -> None:
        while not self.stopping.is_set():
            try:
                with psycopg.connect(self._dsn(), autocommit=True) as connection:
                    while not self.stopping.is_set():
                        number += 1
                        connection.execute("INSERT INTO paid VALUES (%s, repeat('x', 500))", [number])
                        self.acknowledged.append(number)
            except psycopg.Error:
                time.sleep(0.05)

    def missing(self) -> set[int]:
        with psycopg.connect(self._dsn()) as connection:
            found = {row[0] for row in connection.execute("SELECT number FROM paid")}
        return set(self.acknowledged) - found


def test_a_server_is_made_joined_and_stopped(server_home: Path) -> None:
    server = start(server_home)
    assert server.started
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute(
            "SELECT current_user, current_database(), current_setting('server_encoding'), "
            "current_setting('TimeZone'), current_setting('data_checksums'), "
            "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        ).fetchone()
    assert row == ("shuke", "shuke", "UTF8", "UTC", "on", False)
    assert start(server_home) == server
    assert postgres.status(server_home).phase == "ready"
    processes = server_processes(data_dir(server_home))
    assert server.pid in processes
    assert postgres.stop(server_home)
    assert postgres.status(server_home).phase == "stopped"
    assert not any(lives(pid) for pid in processes)
    assert not postgres.stop(server_home)


def test_defaults_are_durable_and_local(server_home: Path) -> None:
    server = postgres.ensure_running(server_home, say=quiet)
    with psycopg.connect(server.dsn) as connection:
        settings = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
    durable = ("fsync", "full_page_writes", "synchronous_commit")
    assert [settings[name] for name in durable] == ["on", "on", "on"]
    assert settings["listen_addresses"] == ""
    assert settings["password_encryption"] == "scram-sha-256"
    rules = (data_dir(server_home) / "pg_hba.conf").read_text().splitlines()
    methods = {rule.split()[-1] for rule in rules if rule.strip() and not rule.startswith("#")}
    assert methods == {"scram-sha-256"}


def test_only_the_right_password_opens_it(server_home: Path) -> None:
    server = start(server_home)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn, password="guess")


def test_loopback_tcp_only_when_asked(server_home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = postgres.ensure_running(server_home, port=port, options=QUICK, say=quiet)
    with psycopg.connect(server.dsn, host="127.0.0.1") as connection:
        row = connection.execute("SELECT inet_server_port()").fetchone()
    assert row == (port,)


def test_directories_are_closed_to_others(server_home: Path) -> None:
    start(server_home)
    state = read_state(server_home)
    assert state is not None
    for path in (state.data_dir, state.socket_dir, server_home / "control", server_home / "secrets"):
        assert Path(path).stat().st_mode & 0o077 == 0, path
    for path in (server_home / "postgres.json", server_home / "secrets" / "postgres_password"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_acknowledged_commits_survive_the_kill_of_every_server_process(server_home: Path) -> None:
    server = postgres.ensure_running(server_home, say=quiet)  # durable, unlike the other tests
    with Writers(server_home) as writers:
        until(lambda: len(writers.acknowledged) > 300)
        for pid in server_processes(data_dir(server_home)):
            kill_if_alive(pid)
        before = len(writers.acknowledged)
        until(lambda: len(writers.acknowledged) > before + 100)  # the keeper brought it back, under its users
    assert writers.missing() == set()
    assert server.is_kept()
    state = read_state(server_home)
    assert state is not None and state.pid != server.pid


def test_acknowledged_commits_survive_the_kill_of_keeper_and_server(server_home: Path) -> None:
    postgres.ensure_running(server_home, say=quiet)
    with Writers(server_home) as writers:
        until(lambda: len(writers.acknowledged) > 300)
        state = read_state(server_home)
        assert state is not None
        victims = [state.keeper_pid, *server_processes(data_dir(server_home))]
        for pid in victims:
            kill_if_alive(pid)
        until(lambda: not any(lives(pid) for pid in victims))
        again = postgres.ensure_running(server_home, say=quiet)
        assert again.started
        before = len(writers.acknowledged)
        until(lambda: len(writers.acknowledged) > before + 100)
    assert writers.missing() == set()


def test_no_orphan_when_the_only_user_is_killed(server_home: Path) -> None:
    user = owner(server_home)
    first_line(user)
    state = read_state(server_home)
    assert state is not None
    everything = [state.keeper_pid, *server_processes(data_dir(server_home))]
    assert len(everything) > 3
    user.kill()
    user.wait()
    until(lambda: not any(lives(pid) for pid in everything))
    log = (server_home / "log" / "postgres.log").read_text()
    assert "received fast shutdown request" in log  # in good order, not by crash


def test_no_orphan_when_the_keeper_is_killed(server_home: Path) -> None:
    start(server_home)
    state = read_state(server_home)
    assert state is not None
    everything = server_processes(data_dir(server_home))
    os.kill(state.keeper_pid, signal.SIGKILL)
    until(lambda: not any(lives(pid) for pid in everything))
    assert "received fast shutdown request" in (server_home / "log" / "postgres.log").read_text()


def test_the_server_stays_while_somebody_uses_it(server_home: Path) -> None:
    user = owner(server_home)
    server = first_line(user)
    mine = start(server_home)
    assert mine.pid == server["pid"] and not mine.started
    user.kill()
    user.wait()
    until(lambda: postgres.status(server_home).leases == 1)
    with psycopg.connect(mine.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    postgres.release(server_home)
    assert postgres.status(server_home).phase == "stopped"


def test_many_starters_at_once_get_one_server(server_home: Path) -> None:
    users = [owner(server_home) for _ in range(5)]
    try:
        answers = [first_line(user) for user in users]
        assert len({answer["pid"] for answer in answers}) == 1
        assert sum(bool(answer["started"]) for answer in answers) == 1
        assert postgres.status(server_home).leases == 5
    finally:
        for user in users:
            user.kill()
            user.wait()


def test_a_stale_pid_file_of_another_process_is_no_hindrance(server_home: Path) -> None:
    start(server_home)
    place = data_dir(server_home)
    postgres.stop(server_home)
    uid = place.stat().st_uid
    stranger = subprocess.Popen(
        ["sleep", "600"], user=uid, cwd="/"
    )  # lives, and has the same user as the server
    try:
        pid_file = place / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{place}\n1700000000\n5432\n/nowhere\n\n  1234 5678\nready   \n")
        os.chown(pid_file, uid, -1)
        with psycopg.connect(start(server_home).dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_killed_in_the_middle_is_begun_again(server_home: Path) -> None:
    draft = server_home / "postgres.draft"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    assert start(server_home).started
    assert not draft.exists()


def test_data_of_another_major_version_are_refused_and_untouched(server_home: Path) -> None:
    start(server_home)
    place = data_dir(server_home)
    postgres.stop(server_home)
    (place / "PG_VERSION").write_text("13\n")
    with pytest.raises(PostgresProblem, match=r"made by PostgreSQL 13, but the programs here are \d+"):
        start(server_home)
    assert (place / "PG_VERSION").read_text() == "13\n"


def test_a_server_that_cannot_start_shows_its_last_words(server_home: Path) -> None:
    with pytest.raises(PostgresProblem, match="no_such_setting"):
        start(server_home, no_such_setting="1")


def test_a_lost_password_is_replaced(server_home: Path) -> None:
    start(server_home)
    postgres.stop(server_home)
    (server_home / "secrets" / "postgres_password").unlink()
    with psycopg.connect(start(server_home).dsn) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("shuke",)


def test_a_home_with_a_long_path_gets_a_short_socket(server_home: Path) -> None:
    home = server_home / ("long-" * 20)
    home.mkdir()
    try:
        server = start(home)
        state = read_state(home)
        assert state is not None
        socket_dir = Path(state.socket_dir)
        assert not socket_dir.is_relative_to(home)
        assert len(str(socket_dir / ".s.PGSQL.5432")) <= 107
        assert socket_dir.stat().st_mode & 0o077 == 0
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        remove_runtime_directories(home)


@pytest.mark.parametrize("name", ["100% 熟客 & more", 'Wein, "rot"'])
def test_a_home_with_odd_characters(server_home: Path, name: str) -> None:
    home = server_home / name
    home.mkdir()
    try:
        with psycopg.connect(start(home).dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        remove_runtime_directories(home)


def test_a_socket_directory_of_someone_else_is_refused(server_home: Path) -> None:
    (server_home / "elsewhere").mkdir()
    (server_home / "socket").symlink_to(server_home / "elsewhere")
    with pytest.raises(PostgresProblem, match="is not a directory"):
        start(server_home)


@needs_root
def test_root_gives_the_server_a_user_of_its_own(server_home: Path) -> None:
    server = start(server_home)
    user = pwd.getpwnam("shuke-pg")
    assert Path(f"/proc/{server.pid}").stat().st_uid == user.pw_uid
    assert data_dir(server_home).stat().st_uid == user.pw_uid
    assert server_home.stat().st_uid == 0
    assert server_home.stat().st_mode & 0o777 == 0o711


@needs_root
def test_root_opens_no_closed_directory_but_moves_the_data(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    home = closed / "home"
    home.mkdir(parents=True)
    closed.chmod(0o700)
    said: list[str] = []
    server = postgres.ensure_running(home, options=QUICK, say=said.append)
    place = data_dir(home)
    try:
        assert closed.stat().st_mode & 0o777 == 0o700
        assert place.is_relative_to("/var/lib/shuke")
        assert (home / ELSEWHERE_FILE).read_text().strip() == str(place.parent)
        assert any(str(place.parent) in text for text in said)
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        postgres.stop(home)
        with psycopg.connect(start(home).dsn) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        postgres.stop(home)
        place.parent.rename(place.parent.with_suffix(".away"))
        with pytest.raises(PostgresProblem, match="but it is missing"):  # never an empty database instead
            start(home)
        place.parent.with_suffix(".away").rename(place.parent)
    finally:
        postgres.stop(home)
        shutil.rmtree(place.parent)


def test_who_comes_too_late_to_be_told_reads_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine so busy that the keeper waited in vain for the one that started it."""
    (tmp_path / ELSEWHERE_FILE).write_text(str(tmp_path / "gone"))
    monkeypatch.setattr(launcher, "_connect", lambda home: None)
    with pytest.raises(PostgresProblem) as told:
        start(tmp_path)
    assert "but it is missing" in str(told.value)
    assert "RuntimeWarning" not in str(told.value)


@pytest.fixture
def home_of_nobody() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shuke-nobody-", ignore_cleanup_errors=True) as name:
        os.chown(name, pwd.getpwnam("nobody").pw_uid, -1)
        yield Path(name)


@needs_root
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that any user may run")
def test_an_ordinary_user_needs_no_other_user(home_of_nobody: Path) -> None:
    home = home_of_nobody
    nobody = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    user = owner(home, python="/usr/bin/python3", prefix=become)
    server = first_line(user)
    state = read_state(home)
    assert state is not None and state.system_user is None
    everything = [state.keeper_pid, *server_processes(data_dir(home))]
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in everything} == {nobody.pw_uid}
    with psycopg.connect(str(server["dsn"])) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("shuke",)
    user.kill()
    user.wait()
    until(lambda: not any(lives(pid) for pid in everything))
    # Root would leave files there that the owner cannot use, so it is told to become that user.
    with pytest.raises(PostgresProblem, match="belongs to the user nobody"):
        start(home)


@needs_root
def test_root_does_not_serve_the_data_of_an_ordinary_user(server_home: Path) -> None:
    start(server_home)
    place = data_dir(server_home)
    postgres.stop(server_home)
    os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(PostgresProblem, match="belongs to the user nobody"):
        start(server_home)


@needs_root
def test_other_users_cannot_reach_it(server_home: Path) -> None:
    start(server_home)
    state = read_state(server_home)
    assert state is not None
    path = f"{state.socket_dir}/.s.PGSQL.5432"
    attempt = (
        "import socket, sys\n"
        "try:\n    socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
        "except PermissionError:\n    sys.exit(7)\n"
    )
    done = subprocess.run(["/usr/bin/python3", "-c", attempt, path], user="nobody", check=False, cwd="/")
    assert done.returncode == 7
