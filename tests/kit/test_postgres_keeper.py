"""What the keeper says while a start takes long, and what it does when told nonsense."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shuke.kit import postgres
from shuke.kit.postgres.keeper import PROGRESS_EVERY_SECONDS, Busy, Caller, Keeper, control_socket, take_lock
from shuke.kit.postgres.places import Places


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[tuple[Keeper, socket.socket]]:
    """A keeper whose server does not get ready (it only sleeps), and one who waits for it."""
    log = tmp_path / "postgres.log"
    log.write_text("LOG:  redo in progress, elapsed time: 20.00 s, current LSN: 0/5000028\n")
    places = Places(data_dir=tmp_path, socket_dir=tmp_path, log_file=log, bin_dir=tmp_path, user=None)
    ours, theirs = socket.socketpair()
    server = subprocess.Popen(["sleep", "600"])
    keeper = Keeper(
        home=tmp_path,
        secrets_dir=tmp_path,
        port=None,
        options={},
        listener=theirs,
        places=places,
        server=server,
    )
    keeper.callers.append(Caller(theirs, want="lease"))
    try:
        yield keeper, ours
    finally:
        server.kill()
        server.wait()
        ours.close()
        theirs.close()


def test_a_long_recovery_is_reported_and_waited_for(starting: tuple[Keeper, socket.socket]) -> None:
    keeper, waiting = starting
    keeper.watch_server()
    assert keeper.said == []
    keeper.phase_began -= 1200
    keeper.last_progress = time.monotonic() - PROGRESS_EVERY_SECONDS - 1
    keeper.watch_server()
    heard = json.loads(waiting.recv(4096))["say"]
    assert "1200 s so far" in heard and "redo in progress" in heard
    assert keeper.phase == "starting"
    keeper.watch_server()
    assert len(keeper.said) == 1  # said again only after a while


def test_one_keeper_per_directory(tmp_path: Path) -> None:
    handle = take_lock(tmp_path)
    with pytest.raises(Busy):
        take_lock(tmp_path)
    os.close(handle)
    os.close(take_lock(tmp_path))


def test_nonsense_does_not_disturb_the_keeper(server_home: Path) -> None:
    server = postgres.ensure_running(server_home, options={"fsync": "off"}, say=lambda text: None)
    for nonsense in (b"\n", b"null\n", b'{"want": 7}\n', b"\xff\xfe\n", b"x" * 100_000):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(control_socket(server_home)))
            caller.sendall(nonsense)
    assert postgres.status(server_home).phase == "ready"
    assert server.is_kept()
