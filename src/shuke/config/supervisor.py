"""Keep a set of programs running: restart the one that dies, stop all in good order, leave no orphan.

Each child leads its own process group, so that what it started goes with it. If this process is killed
outright, the kernel sends the children SIGTERM; workers that they forked notice by `leave_with_parent`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 20.0
PARENT_CHECK_SECONDS = 1.0
SUPERVISED = "SHUKE_SUPERVISED"  # set in the environment of the children
ACCESS_LOG = "log/access.log"  # below the home: the requests, where a terminal shows the rest


@dataclass
class Child:
    """One program to keep running. ``command`` is an argument list; the environment is ours."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_after: float = 0.0

    def start(self) -> None:
        """Start it in its own group; it gets SIGTERM from the kernel should we vanish."""
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            self.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_terminate_with_parent(),
        )
        self.started_at = time.monotonic()

    def lives(self) -> bool:
        """Whether it runs now."""
        return self.process is not None and self.process.poll() is None

    def signal_group(self, number: signal.Signals) -> None:
        """Signal it and everything it started."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


@dataclass
class Supervisor:
    """Runs children until told to stop; ``watch`` is called five times a second for what else must live."""

    children: list[Child]
    say: Callable[[str], None]
    watch: Callable[[], None] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Start all children and keep them running until `ask_to_stop`; then stop them."""
        try:
            for child in self.children:
                child.start()
            while not self.stopping.wait(0.2):
                for child in self.children:
                    self._tend(child)
                self.watch()
        finally:
            self._stop_all()

    def ask_to_stop(self, *_: object) -> None:
        """A signal handler: return from `run` after an orderly stop."""
        self.stopping.set()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.lives():
            if now - child.started_at > HEALTHY_AFTER_SECONDS:
                child.failures = 0
            return
        if child.process is not None:
            child.signal_group(signal.SIGKILL)  # what a dead child left behind would hold its port
            pause = min(FIRST_PAUSE_SECONDS * 2**child.failures, LONGEST_PAUSE_SECONDS)
            self.say(
                f"{child.name} ended ({_how(child.process.returncode)}); starting it again in {pause:.0f} s."
            )
            child.failures += 1
            child.start_after = now + pause
            child.process = None
        elif now >= child.start_after:
            child.start()

    def _stop_all(self) -> None:
        running = [child for child in self.children if child.lives()]
        for child in running:
            assert child.process is not None
            child.process.terminate()  # only the leader: it stops its workers in the right order itself
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        while any(child.lives() for child in running) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in running:
            if child.lives():
                self.say(f"{child.name} did not stop within {STOP_PATIENCE_SECONDS:.0f} s and was killed.")
            child.signal_group(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def leave_with_parent() -> None:
    """Called in a forked or spawned worker: end it (SIGTERM, then hard) once its parent process is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_PATIENCE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="leave-with-parent", daemon=True).start()


def _terminate_with_parent() -> Callable[[], None]:
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
