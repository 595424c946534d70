"""What counts towards a member's tier, so that a window's total costs two searches however many orders there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shuke.loyalty.tiers import Metric


class Figures(NamedTuple):
    """What an order counts for, or what of it is taken back."""

    spend: int
    growth: int
    points: int
    orders: int = 1

    def of(self, metric: Metric) -> int:
        """The figure that a track of this metric counts."""
        match metric:
            case "spend":
                return self.spend
            case "growth":
                return self.growth
            case "points":
                return self.points
            case "orders":
                return self.orders
            case "none":
                return 0


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


class Windows:
    """A window for each metric that some track looks at: tracks of one metric count the same orders."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._windows = {metric: Window() for metric in metrics}

    def add(self, order_id: UUID, at: datetime, counted: Figures) -> None:
        """Count an order that happened at `at`, no earlier than those before it."""
        for metric, window in self._windows.items():
            window.add(order_id, at, counted.of(metric))

    def take(self, order_id: UUID, counted: Figures | None) -> None:
        """Take back some of what an order counted for, or (None) all that is left."""
        for metric, window in self._windows.items():
            window.take(order_id, counted.of(metric) if counted else None)

    def total(self, metric: Metric, start: datetime, end: datetime) -> int:
        """What counts from `start` to `end`, both inclusive; nothing where levels are given by hand."""
        window = self._windows.get(metric)
        return window.total(start, end) if window else 0
