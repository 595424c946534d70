"""Children are restarted, stopped with all they started, and never outlive a killed supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shuke.config import supervisor as module
from shuke.config.supervisor import Child, Supervisor


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run_beside(supervisor: Supervisor, then: Callable[[], None]) -> None:
    """Run the supervisor here (its children die with this thread) and the story in another thread."""
    failures: list[BaseException] = []

    def story() -> None:
        try:
            then()
        except BaseException as error:
            failures.append(error)
        finally:
            supervisor.ask_to_stop()

    teller = threading.Thread(target=story)
    teller.start()
    supervisor.run()
    teller.join()
    if failures:
        raise failures[0]


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def test_a_dead_child_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.05)
    child, said = Child("The sleeper", ["sleep", "600"]), list[str]()

    def story() -> None:
        until(child.lives)
        first = pid_of(child)
        os.kill(first, signal.SIGKILL)
        until(lambda: child.process is not None and child.process.pid != first and child.lives())

    run_beside(Supervisor([child], said.append), story)
    assert said == ["The sleeper ended (signal SIGKILL); starting it again in 0 s."]
    assert not child.lives()


def test_a_child_that_keeps_failing_is_given_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.04)
    child, said = Child("The failure", ["sh", "-c", "exit 3"]), list[str]()
    pauses: list[float] = []

    def watch() -> None:
        if child.process is None:
            pauses.append(round(child.start_after - time.monotonic(), 3))

    run_beside(Supervisor([child], said.append, watch), lambda: until(lambda: len(said) >= 4))
    assert all("exit code 3" in text for text in said)
    assert child.failures >= 4
    assert max(pauses) <= 0.04


def test_stopping_takes_what_the_children_started(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    child = Child("The shell", ["sh", "-c", f"sleep 600 & echo $! > {note}; wait"])
    run_beside(Supervisor([child], print), lambda: until(lambda: note.exists() and note.read_text().strip()))
    until(lambda: not lives(int(note.read_text())))


def test_a_child_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_PATIENCE_SECONDS", 0.3)
    note = tmp_path / "ready"
    stubborn = (
        f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(note)!r}, 'w'); time.sleep(600)"
    )
    child, said = Child("The stubborn one", [sys.executable, "-c", stubborn]), list[str]()
    run_beside(Supervisor([child], said.append), lambda: until(note.exists))
    assert not child.lives()
    assert any("was killed" in text for text in said)


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    program = f"""
import os, subprocess, sys
from shuke.config.supervisor import Child, Supervisor
worker = "import time; from shuke.config.supervisor import leave_with_parent; leave_with_parent(); time.sleep(600)"
leader = (
    "import subprocess, sys, time, os; "
    f"grandchild = subprocess.Popen([sys.executable, '-c', {{worker!r}}]); "
    "open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{grandchild.pid}}\\\\n'); time.sleep(600)"
)
Supervisor([Child("The leader", [sys.executable, "-c", leader])], print).run()
"""
    boss = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: note.exists() and note.read_text().endswith("\n"))
    leader, grandchild = map(int, note.read_text().split())
    time.sleep(1)  # let the grandchild begin to watch
    boss.kill()
    boss.wait()
    until(lambda: not lives(leader))
    until(lambda: not lives(grandchild))
