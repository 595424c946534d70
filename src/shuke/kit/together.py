"""What several threads ask for at the same moment is done by one of them for all, without anybody waiting for company.

Who finds nobody at work works at once, alone. Who comes meanwhile waits; when the work is done, the first of those who
wait takes all of them. So nothing is slower when little is asked, and the busier it gets, the more is done at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class _Place(Generic[Q, A]):
    """One who waits: the gate opens with an answer, or with the lead."""

    __slots__ = ("answer", "gate", "question")

    def __init__(self, question: Q) -> None:
        self.question = question
        self.answer: A | BaseException | None = None
        self.gate = threading.Lock()
        self.gate.acquire()


class Together(Generic[Q, A]):
    """Calls `work` with up to `most` questions; it answers each in its place, with an exception where one is refused."""

    def __init__(self, work: Callable[[Sequence[Q]], Sequence[A | BaseException]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Place[Q, A]] = []
        self._is_led = False

    def ask(self, question: Q) -> A:
        """The answer. Raises the exception that stands in its place, or the one that `work` failed with."""
        place: _Place[Q, A] = _Place(question)
        with self._lock:
            self._waiting.append(place)
            follows, self._is_led = self._is_led, True
        if follows:
            place.gate.acquire()
        if place.answer is None:
            self._lead(place)
        if isinstance(place.answer, BaseException):
            raise place.answer
        assert place.answer is not None
        return place.answer

    def _lead(self, own: _Place[Q, A]) -> None:
        with self._lock:
            taken = self._waiting[: self._most]  # the leader stands first: it waited longest
            del self._waiting[: self._most]
        answers: Sequence[A | BaseException]
        try:
            answers = self._work([place.question for place in taken])
        except BaseException as error:
            answers = [error] * len(taken)
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._is_led = heir is not None
        if heir is not None:
            heir.gate.release()
        for place, answer in zip(taken, answers, strict=True):
            place.answer = answer
            if place is not own:
                place.gate.release()
