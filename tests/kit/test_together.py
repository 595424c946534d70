from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from shuke.kit.together import Together
from tests.core.races import race


class Desk:
    """Doubles numbers, knows nothing of 13 and breaks on 99. The first piece of work ends only when `company` others wait."""

    def __init__(self, company: int, most: int = 8) -> None:
        self.together: Together[int, int | None] = Together(self.work, most=most)
        self.company = company
        self.begun = threading.Event()
        self.taken: list[list[int]] = []

    def work(self, questions: Sequence[int]) -> list[int | None]:
        self.taken.append(list(questions))
        if len(self.taken) == 1:
            self.begun.set()
            deadline = time.monotonic() + 20
            while len(self.together._waiting) < self.company:
                assert time.monotonic() < deadline, "nobody comes"
                time.sleep(0.001)
        if 99 in questions:
            raise RuntimeError("broken")
        return [None if q == 13 else 2 * q for q in questions]

    def ask_while_busy(self, *questions: int) -> list[int | BaseException | None]:
        def later(question: int) -> int | None:
            self.begun.wait(20)
            return self.together.ask(question)

        return race([lambda: self.together.ask(1), *(lambda q=q: later(q) for q in questions)])[1:]


def test_who_comes_alone_is_served_alone_and_at_once():
    desk = Desk(0)
    assert [desk.together.ask(n) for n in (1, 2, 3)] == [2, 4, 6]
    assert desk.taken == [[1], [2], [3]]


def test_who_waits_is_served_together_and_each_gets_the_own_answer():
    desk = Desk(4)
    assert desk.ask_while_busy(5, 13, 6, 7) == [10, None, 12, 14]
    assert [sorted(taken) for taken in desk.taken] == [[1], [5, 6, 7, 13]]


def test_no_more_than_the_most_are_taken_at_a_time_and_nobody_is_left():
    desk = Desk(5, most=2)
    assert desk.ask_while_busy(2, 3, 4, 5, 6) == [4, 6, 8, 10, 12]
    assert [len(taken) for taken in desk.taken] == [1, 2, 2, 1]


def test_work_that_fails_fails_those_it_was_for_and_nobody_after():
    desk = Desk(2)
    assert all(isinstance(answer, RuntimeError) for answer in desk.ask_while_busy(99, 4))
    with pytest.raises(RuntimeError):
        desk.together.ask(99)
    assert desk.together.ask(21) == 42
