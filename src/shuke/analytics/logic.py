"""Periods, classes and shares as pure functions: no ORM, no clock, no I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

YEAR_DAYS = 365
DAILY_UP_TO = 92
WEEK = 7
DAY = timedelta(days=1)

RECENCY_LIMITS = (7, 30, 60, 90, YEAR_DAYS)
"""Most days since the last order of each recency class, ascending; class 0 came this week."""
FREQUENCY_STARTS = (1, 2, 3, 5, 9)
"""Fewest orders a year of each frequency class while there is too little to tell quintiles."""
_DIGITS = frozenset("123456789")
_ROUND = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
    15,
    20,
    25,
    30,
    40,
    50,
    60,
    80,
    100,
    120,
    150,
    200,
    250,
    300,
    400,
    500,
    600,
    800,
    1000,
)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, both ends included. Raises ValueError when it ends before it begins."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("a period ends on or after the day it begins")

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    @property
    def previous(self) -> Period:
        """The period of the same length right before."""
        return Period(self.first - timedelta(days=self.days), self.first - DAY)

    @classmethod
    def last_days(cls, days: int, today: date) -> Period:
        """The last `days` days, today included."""
        return cls(today - timedelta(days=days - 1), today)

    @property
    def steps(self) -> tuple[Period, ...]:
        """The points of a trend: days up to a quarter, else weeks counted back from the last day.

        Up to three days left over at the beginning join the first week, so that no point looks like a collapse.
        """
        if self.days <= DAILY_UP_TO:
            return tuple(
                Period(day, day) for day in (self.first + timedelta(days=i) for i in range(self.days))
            )
        weeks, rest = divmod(self.days, WEEK)
        starts = [self.last - timedelta(days=WEEK * n - 1) for n in range(weeks, 0, -1)]
        if rest > WEEK // 2:
            starts.insert(0, self.first)
        else:
            starts[0] = self.first
        ends = [start - DAY for start in starts[1:]] + [self.last]
        return tuple(Period(start, end) for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a period, of the period before, and at each step of its trend."""

    value: int
    previous: int
    series: tuple[int, ...]

    @property
    def change(self) -> Decimal | None:
        """Growth against the period before as a ratio; None when there was nothing before."""
        return Decimal(self.value - self.previous) / self.previous if self.previous > 0 else None


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the grid of recency and frequency classes, both from 0."""

    recency: int
    frequency: int

    @property
    def code(self) -> str:
        """The cell in an address: "2-5" is the second recency class and the fifth frequency class."""
        return f"{self.recency + 1}-{self.frequency + 1}"

    @classmethod
    def parse(cls, code: str) -> Cell | None:
        """The cell of a code; None for any other text. Whether the grid has it is for the query to say."""
        recency, dash, frequency = code.partition("-")
        if dash and recency in _DIGITS and frequency in _DIGITS:
            return cls(int(recency) - 1, int(frequency) - 1)
        return None


def recency_class(days_since: int) -> int | None:
    """The class of so many days since the last order; None beyond a year. A day in the future counts as today."""
    if days_since >= YEAR_DAYS:
        return None
    return bisect_left(RECENCY_LIMITS, days_since)


def recency_days(recency: int, today: date) -> tuple[date, date]:
    """First and last local day on which a member of the class last bought; the newest class has no end."""
    oldest = RECENCY_LIMITS[recency] if recency < len(RECENCY_LIMITS) - 1 else YEAR_DAYS - 1
    newest = date.max if recency == 0 else today - timedelta(days=RECENCY_LIMITS[recency - 1] + 1)
    return today - timedelta(days=oldest), newest


def frequency_class(orders: int, starts: Sequence[int]) -> int | None:
    """The class of so many orders a year; None without any."""
    place = bisect_right(starts, orders) - 1
    return place if place >= 0 else None


def frequency_orders(frequency: int, starts: Sequence[int]) -> tuple[int, int]:
    """Fewest and most orders of the class; the highest has no limit."""
    most = starts[frequency + 1] - 1 if frequency + 1 < len(starts) else 2**31 - 1
    return starts[frequency], most


def frequency_starts(members_by_orders: Mapping[int, int]) -> tuple[int, ...]:
    """Classes of about a fifth of the members each, with round limits, from how many members have how many orders.

    A shop whose members come rarely gets FREQUENCY_STARTS: quintiles of 1, 1, 2, 2, 3 would separate nobody.
    """
    total = sum(n for orders, n in members_by_orders.items() if orders > 0)
    starts, seen, fifth = [1], 0, 1
    for orders in sorted(members_by_orders):
        if orders <= 0:
            continue
        seen += members_by_orders[orders]
        while fifth < len(FREQUENCY_STARTS) and seen * len(FREQUENCY_STARTS) > fifth * total:
            starts.append(_rounded(orders))
            fifth += 1
    distinct = all(a < b for a, b in pairwise(starts))
    if len(starts) < len(FREQUENCY_STARTS) or not distinct or starts[-1] <= FREQUENCY_STARTS[-1]:
        return FREQUENCY_STARTS
    return tuple(starts)


def _rounded(orders: int) -> int:
    return min(_ROUND, key=lambda candidate: (abs(candidate - orders), candidate))
