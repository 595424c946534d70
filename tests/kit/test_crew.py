"""A crew of processes: the order of the answers, what breaks, and that nobody is left behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable

import pytest

from shuke.kit import crew
from shuke.kit.crew import WorkFailed, work_through


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parallel test run has threads; these tests have no locks to share with them."""
    monkeypatch.setattr(crew, "_way", lambda: "fork")


def unequal(base: int) -> Callable[[int], tuple[int, int]]:
    """Takes the longer the smaller the number is, so that answers come in another order than questions."""

    def work(number: int) -> tuple[int, int]:
        time.sleep(0.02 * (5 - number % 5))
        return base + number, os.getpid()

    return work


def fragile(_setting: None) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three is too much")
        if number == 5:
            os._exit(9)
        return number

    return work


def test_answers_come_in_the_order_of_the_questions_whoever_was_first() -> None:
    found = list(work_through(range(12), make=unequal, setting=100, processes=2))
    assert [number for number, _pid in found] == [100 + n for n in range(12)]
    assert len({pid for _number, pid in found}) == 2 and os.getpid() not in {pid for _n, pid in found}
    assert multiprocessing.active_children() == []
    alone = list(work_through(range(3), make=unequal, setting=100, processes=1))
    assert alone == [(100, os.getpid()), (101, os.getpid()), (102, os.getpid())]


@pytest.mark.slow
def test_a_process_with_threads_starts_its_crew_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert crew._way() == "spawn"
        found = list(work_through(range(4), make=unequal, setting=0, processes=2))
    finally:
        ended.set()
        thread.join()
    assert [number for number, _pid in found] == [0, 1, 2, 3] and os.getpid() not in {p for _n, p in found}


def test_what_breaks_is_told_and_ends_the_crew() -> None:
    with pytest.raises(WorkFailed, match="three is too much"):
        list(work_through([1, 2, 3], make=fragile, setting=None, processes=2))
    assert multiprocessing.active_children() == []
    with pytest.raises(WorkFailed, match="ended before"):
        list(work_through([5], make=fragile, setting=None, processes=2))
    assert multiprocessing.active_children() == []


def test_who_stops_listening_ends_the_crew_and_little_was_handed_out_ahead() -> None:
    handed: list[int] = []

    def endless():
        number = 0
        while True:
            handed.append(number)
            yield number
            number += 1

    found = work_through(endless(), make=unequal, setting=0, processes=2)
    assert next(found)[0] == 0
    assert len(handed) <= 7
    found.close()
    assert multiprocessing.active_children() == []
