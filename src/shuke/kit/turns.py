"""Those in one process who want the same thing take turns, in the order they came, before they bother the database.

Rivals for one row lose work: each prices from what the row was, and all but one find that it has changed. Who waits here has
done nothing yet, so nothing is lost, and nobody starves. Who has the turn may do the work of those behind along with its own,
and save them the way to the row. It is a courtesy within a process, never the guarantee: that is the row's lock. So a turn must
not be taken inside a transaction: somebody with the turn may wait for what that one holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

MOMENT_SECONDS = 1.0
"""For so long a thing that was contested counts as such."""
MOST_REMEMBERED = 1_000


class Turn(Generic[Q, A]):
    """One who wants the thing: with the thing in hand, or with what another has done for it.

    `is_contested` tells whether others wanted the thing in the last moment, in this process or, as whoever had it found and
    set, in another; `answer` and `error` are what another's work came to.
    """

    __slots__ = ("_gate", "_queue", "answer", "error", "is_contested", "question")

    def __init__(self, question: Q, queue: deque[Turn[Q, A]] | None) -> None:
        self.question = question
        self.is_contested = False
        self.answer: A | None = None
        self.error: BaseException | None = None
        self._queue = queue
        self._gate = threading.Lock()

    @property
    def is_done(self) -> bool:
        """True when another has done the work, or failed at it for both."""
        return self.answer is not None or self.error is not None

    def behind(self, most: int) -> Sequence[Turn[Q, A]]:
        """The first of those whose work is still to be done. Given an answer or an error, they go when this turn ends."""
        # Only whoever has the turn takes from the queue; others append meanwhile, which going by position does not mind.
        queue = self._queue or ()
        waiting = (queue[n] for n in range(len(queue)))
        return list(islice((one for one in waiting if not one.is_done), most))


class Turns(Generic[Q, A]):
    """One queue for each thing that somebody has at this moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[Turn[Q, A]]] = {}
        self._contested: OrderedDict[Hashable, float] = OrderedDict()

    @contextmanager
    def turn(self, thing: Hashable, question: Q) -> Iterator[Turn[Q, A]]:
        """Have the thing to oneself among the threads of this process, or the work done by who had it before.

        None is nobody's, so nobody waits for it.
        """
        if thing is None:
            yield Turn(question, None)
            return
        turn = self._wait(thing, question)
        try:
            yield turn
        finally:
            if not turn.is_done:
                self._pass_on(thing, turn.is_contested)

    def _wait(self, thing: Hashable, question: Q) -> Turn[Q, A]:
        with self._lock:
            queue = self._queues.get(thing)
            if queue is None:
                queue = self._queues[thing] = deque()
                turn = Turn(question, queue)
                turn.is_contested = monotonic() < self._contested.pop(thing, 0.0)
                return turn
            turn = Turn(question, queue)
            turn.is_contested = True
            turn._gate.acquire()
            queue.append(turn)
        turn._gate.acquire()  # opened by the one before
        return turn

    def _pass_on(self, thing: Hashable, is_contested: bool) -> None:
        with self._lock:
            queue = self._queues[thing]
            while queue:
                following = queue.popleft()
                is_done = following.is_done  # once it may go, it is no business of ours
                following._gate.release()
                if not is_done:
                    return
            del self._queues[thing]
            if is_contested:
                self._contested[thing] = monotonic() + MOMENT_SECONDS
                if len(self._contested) > MOST_REMEMBERED:
                    self._contested.popitem(last=False)
