"""What several threads ask for at the same moment is done by one of them for all, without anybody waiting for company.

Who finds nobody at work works at once, alone. Who comes meanwhile waits; when the work is done, the first of those who
wait takes all of them. So nothing is slower when little is asked, and the busier it gets, the more is done at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Q = TypeVar("Q")
A = TypeVar("A")


class _Place(Generic[Q, A]):
    """One who waits: the gate opens with an answer, or with the lead."""

    __slots__ = ("answer", "error", "gate", "is_done", "question")

    def __init__(self, question: Q) -> None:
        self.question = question
        self.answer: A | None = None
        self.error: BaseException | None = None
        self.is_done = False
        self.gate = threading.Lock()
        self.gate.acquire()


class Together(Generic[Q, A]):
    """Calls `work` with up to `most` questions; it answers each in its place."""

    def __init__(self, work: Callable[[Sequence[Q]], Sequence[A]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Place[Q, A]] = []
        self._is_led = False

    def ask(self, question: Q) -> A:
        """The answer. Raises what `work` failed with."""
        place: _Place[Q, A] = _Place(question)
        with self._lock:
            self._waiting.append(place)
            follows, self._is_led = self._is_led, True
        if follows:
            place.gate.acquire()
        if not place.is_done:
            self._lead(place)
        if place.error is not None:
            raise place.error
        return cast("A", place.answer)

    def _lead(self, own: _Place[Q, A]) -> None:
        with self._lock:
            taken = self._waiting[: self._most]  # the leader stands first: it waited longest
            del self._waiting[: self._most]
        try:
            for place, answer in zip(taken, self._work([place.question for place in taken]), strict=True):
                place.answer = answer
        except BaseException as error:
            for place in taken:
                place.error = error
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._is_led = heir is not None
        if heir is not None:
            heir.gate.release()
        for place in taken:
            place.is_done = True
            if place is not own:
                place.gate.release()
