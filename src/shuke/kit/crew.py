"""Several processes of this program that work through a list together; what they find comes back in the order of the list.

Each has its own connection to the database. Nobody outlives the work: they end when the list does, when whoever asked
stops listening (Ctrl-C included), and when the process that started them is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar, cast

import django
from django.db import connection, connections

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")

AHEAD = 3
"""Pieces of work per process that may be handed out beyond the oldest that is not done: what the answers take of memory."""
PATIENCE = 5.0
"""Seconds that a process has to leave by itself."""


class WorkFailed(RuntimeError):
    """A process of the crew broke down; the message is its traceback."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work_through(
    items: Iterable[Q], *, make: Callable[[S], Callable[[Q], A]], setting: S, processes: int
) -> Generator[A, None, None]:
    """`make(setting)` of each item, in the order of the items; with one process, in this one.

    `make` is a function of a module; it runs once in each process. Setting, items and answers travel between processes.
    Inside a transaction, whose rows no other process sees, this one works alone. Raises WorkFailed.
    """
    if processes <= 1 or connection.in_atomic_block:
        yield from map(make(setting), items)
        return
    with _crew(make, setting, processes) as pipes:
        yield from _in_order(iter(items), pipes)


def _in_order(items: Iterator[Q], pipes: list[Connection]) -> Iterator[Any]:
    idle, busy, done = list(pipes), dict[Connection, int](), dict[int, Any]()
    handed = told = 0
    is_over = False
    while True:
        while idle and not is_over and handed - told < AHEAD * len(pipes):
            for item in items:
                pipe = idle.pop()
                pipe.send(item)
                busy[pipe], handed = handed, handed + 1
                break
            else:
                is_over = True
        if not busy:
            return
        for ready in wait(list(busy)):
            pipe = cast("Connection", ready)
            done[busy.pop(pipe)] = _answer(pipe)
            idle.append(pipe)
        while told in done:
            yield done.pop(told)
            told += 1


def _answer(pipe: Connection) -> Any:
    try:
        is_good, answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise WorkFailed("A process of the crew ended before its work was done.") from error
    if not is_good:
        raise WorkFailed(answer)
    return answer


def _way() -> str:
    """How a process is made: a copy of this one is there at once, but takes over locks that other threads hold for ever;
    one that starts from nothing needs seconds to import everything."""
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


@contextmanager
def _crew(make: Callable[..., Any], setting: Any, processes: int) -> Iterator[list[Connection]]:
    context: Any = multiprocessing.get_context(_way())
    connection.close()  # a copy must not speak on it
    crew: list[Any] = []
    pipes: list[Connection] = []
    try:
        for _number in range(processes):
            ours, theirs = context.Pipe()
            pipes.append(ours)
            # The ends of the pipes that are ours are closed there, or nobody would notice when we are gone.
            member = context.Process(
                target=_serve, args=(theirs, list(pipes), connection.settings_dict["NAME"]), daemon=True
            )
            member.start()
            theirs.close()
            crew.append(member)
            ours.send((make, setting))
        yield pipes
    except BaseException:
        for member in crew:
            member.terminate()
        raise
    finally:
        for pipe in pipes:
            pipe.close()
        for member in crew:
            member.join(PATIENCE)
            if member.is_alive():
                member.kill()
                member.join()


def _serve(pipe: Connection, others: list[Connection], database: str) -> None:
    """A process of the crew. Ctrl-C is for the one that started it, who then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    django.setup()
    connections.settings["default"]["NAME"] = database  # a test has its own on the same server
    try:
        make, setting = pipe.recv()
        work = None
        while True:
            item = pipe.recv()
            try:
                work = work or make(setting)
                answer = (True, work(item))
            except Exception:
                answer = (False, traceback.format_exc())
            pipe.send(answer)
    except (EOFError, OSError):
        return
    finally:
        connections.close_all()
