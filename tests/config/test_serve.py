"""`shuke serve` as a whole: it answers, heals each part that is killed, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shuke.config import serve as serving
from shuke.config.environment import Environment, read_environment
from shuke.config.serve import ServeProblem, Serving, current
from shuke.kit.postgres.processes import server_processes
from shuke.kit.postgres.state import read_state


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def offspring(pid: int) -> list[int]:
    """Process ids of everything below ``pid``."""
    try:
        direct = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except FileNotFoundError:
        return []
    return direct + [further for child in direct for further in offspring(child)]


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/login")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Shop:
    """A `shuke serve` in a home of its own, with its own embedded database."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.variables = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        self.variables |= {"SHUKE_HOME": str(home), "SHUKE_PORT": str(self.port)}
        self.open()

    def open(self) -> None:
        self.process = self.command("serve")

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "shuke.config.cli", *arguments],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if arguments != ("serve",) else None,
            text=True,
        )

    def serving(self) -> Serving:
        found = current(self.home)
        assert found is not None
        return found


@pytest.fixture
def shop(server_home: Path) -> Iterator[Shop]:
    shop = Shop(server_home)
    try:
        until(lambda: answers(shop.port))
        yield shop
    finally:
        shop.process.terminate()
        shop.process.wait(timeout=60)


def test_a_shop_heals_stops_and_leaves_nothing_behind(shop: Shop) -> None:
    # A second one for the same home is refused, with the place of the first.
    rival = subprocess.run(
        [sys.executable, "-m", "shuke.config.cli", "serve"],
        env=shop.variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert rival.returncode == 1
    assert f"already served at http://127.0.0.1:{shop.port}/" in rival.stderr

    # Every part that is killed comes back.
    for name in ("The web server", "The job worker"):
        victim = shop.serving().children[name]
        os.kill(victim, signal.SIGKILL)
        until(lambda name=name, victim=victim: shop.serving().children.get(name, victim) != victim)
    until(lambda: answers(shop.port))
    state = read_state(shop.home)
    assert state is not None
    data_dir = Path(state.data_dir)
    for pid in [state.keeper_pid, *server_processes(data_dir)]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: (again := read_state(shop.home)) is not None and again.pid != state.pid)
    until(lambda: answers(shop.port))

    # Killed outright, it takes everything along.
    everything = offspring(shop.process.pid)
    assert len(everything) > 6
    shop.process.kill()
    shop.process.wait()
    until(lambda: not any(lives(pid) for pid in everything))
    assert current(shop.home) is None
    assert server_processes(data_dir) == []

    # Opened again, it can be stopped in good order by another command.
    shop.open()
    until(lambda: answers(shop.port))
    everything = offspring(shop.process.pid)
    stopping = shop.command("stop")
    assert stopping.communicate(timeout=300)[0].strip() == "Stopped."
    assert shop.process.wait(timeout=60) == 0
    assert not any(lives(pid) for pid in everything)
    assert "database system is shut down" in (shop.home / "log" / "postgres.log").read_text()
    assert not (shop.home / serving.RECORD_FILE).exists()


def environment_for(tmp_path: Path, **variables: str) -> Environment:
    return read_environment({"SHUKE_HOME": str(tmp_path), **variables})


def test_a_busy_port_is_passed_over_unless_it_was_asked_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeProblem, match=f"SHUKE_PORT={port} on 127.0.0.1 is in use"):
            serving._choose_port(environment_for(tmp_path, SHUKE_PORT=str(port)))
        with pytest.raises(ServeProblem, match=f"Port {port} .* another with --port or SHUKE_PORT"):
            serving._choose_port(environment_for(tmp_path, SHUKE_PORT="9000"), port)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", serving.DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else holds it: just as good
        chosen = serving._choose_port(environment_for(tmp_path))
    assert serving.DEFAULT_PORT < chosen < serving.DEFAULT_PORT + serving.PORTS_TRIED


def test_a_foreign_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServeProblem, match=r"SHUKE_HOST='192\.0\.2\.1' is no address of this machine"):
        serving._choose_port(environment_for(tmp_path, SHUKE_HOST="192.0.2.1", SHUKE_PORT="9000"))


def test_a_stale_record_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / serving.RECORD_FILE).write_text('{"pid": 1, "url": "http://127.0.0.1:1/", "children": {}}')
    assert current(tmp_path) is None
    assert not serving.stop_serving(tmp_path)
