"""Those in one process who want the same thing take turns, in the order they came, before they bother the database.

Rivals for one row lose work: each prices from what the row was, and all but one find that it has changed. Who waits here has
done nothing yet, so nothing is lost, and nobody starves. It is a courtesy within a process, never the guarantee: that is
the row's lock. So it must not be taken inside a transaction: somebody with the turn may wait for what that one holds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Turns:
    """One queue for each thing that somebody has at this moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[threading.Lock]] = {}

    @contextmanager
    def turn(self, thing: Hashable) -> Iterator[bool]:
        """Have the thing to oneself among the threads of this process. Tells whether somebody else had it just before.

        None is nobody's, so nobody waits for it.
        """
        if thing is None:
            yield False
            return
        waited = self._wait(thing)
        try:
            yield waited
        finally:
            self._pass_on(thing)

    def _wait(self, thing: Hashable) -> bool:
        with self._lock:
            queue = self._queues.get(thing)
            if queue is None:
                self._queues[thing] = deque()
                return False
            gate = threading.Lock()
            gate.acquire()
            queue.append(gate)
        gate.acquire()  # opened by the one before
        return True

    def _pass_on(self, thing: Hashable) -> None:
        with self._lock:
            queue = self._queues[thing]
            if queue:
                queue.popleft().release()
            else:
                del self._queues[thing]
