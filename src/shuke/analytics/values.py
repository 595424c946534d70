"""What the reports answer with. Money in minor units, points in units, days in local time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shuke.analytics.logic import Cell, Metric, Period

Stores = Sequence[UUID] | None
"""The stores that count; None for all, which also counts what belongs to no store."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the figures are. `as_of` is None before the first refresh."""

    as_of: datetime | None
    today: date | None
    frequency_starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of a period; every series has one value for each of `steps`."""

    period: Period
    steps: tuple[Period, ...]
    member_sales: Metric
    active_members: Metric
    new_members: Metric
    points_in: Metric
    points_out: Metric
    points_outstanding: Metric


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """A store over a period. `basket_minor` is the average member order before refunds; None without orders."""

    store_id: UUID
    code: str
    name: str
    region: str
    sales_minor: int
    previous_sales_minor: int
    orders: int
    members: int
    basket_minor: int | None
    points_in: int
    points_out: int


@dataclass(frozen=True, slots=True)
class StorePage:
    """A page of the comparison; `total` counts all stores that sold in the period or the one before."""

    rows: list[StoreFigures]
    total: int


@dataclass(frozen=True, slots=True)
class TierCount:
    """A tier of the programme in force; `names` by language as the programme writes them; `rank` 0 is the lowest."""

    code: str
    rank: int
    names: Mapping[str, str]
    members: int


@dataclass(frozen=True, slots=True)
class RfmGrid:
    """Members by recency class (rows) and frequency class (columns); `lapsed` bought only before, `never` not yet."""

    counts: tuple[tuple[int, ...], ...]
    frequency_starts: tuple[int, ...]
    lapsed: int
    never: int


@dataclass(frozen=True, slots=True)
class MemberIdPage:
    """Members of a cell, the most recent buyers first."""

    ids: list[UUID]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Insights:
    """A member's habits over the 365 days to today. Amounts are minor units by `payable + paid with points`.

    `months` are (first of month, orders) of the last twelve months, oldest first, months without orders included.
    `hours` has one count of orders per local hour of the day; empty without orders.
    """

    first_order_at: datetime | None
    last_order_at: datetime | None
    orders_year: int
    spend_year_minor: int
    cell: Cell | None
    frequency_starts: tuple[int, ...]
    categories: list[tuple[str, int]]
    brands: list[tuple[str, int]]
    stores: list[tuple[UUID, str, int]]
    hours: list[int]
    months: list[tuple[date, int]]


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What a refresh did: events read, local days and members brought up to date, and whether it was everything."""

    events: int
    days: int
    members: int
    full: bool
