"""What counts towards a member's tier, so that a window's total costs two searches however many orders there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime
from uuid import UUID


class Window:
    """Orders in time order with the running sum of what they count for. Orders are added in time order."""

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._amounts: list[int] = []
        self._running: list[int] = [0]
        self._places: dict[UUID, int] = {}

    def add(self, order_id: UUID, at: datetime, amount: int) -> None:
        """Count an order that happened at `at`, no earlier than those before it."""
        self._places[order_id] = len(self._times)
        self._times.append(at)
        self._amounts.append(amount)
        self._running.append(self._running[-1] + amount)

    def take(self, order_id: UUID, amount: int | None) -> None:
        """Take back what an order counted for: some of it, or (None) all that is left."""
        place = self._places.get(order_id)
        if place is None:
            return
        left = self._amounts[place]
        taken = left if amount is None else min(amount, left)
        self._amounts[place] = left - taken
        for later in range(place + 1, len(self._running)):
            self._running[later] -= taken

    def total(self, start: datetime, end: datetime) -> int:
        """What counts from `start` to `end`, both inclusive."""
        return self._running[bisect_right(self._times, end)] - self._running[bisect_left(self._times, start)]
