"""The book as one would keep it on paper: lots, debts and orders in memory, moved by the laws and by nothing of the code.

It knows no SQL and none of the rooms' functions, so that a mistake in those cannot agree with itself.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


class Short(Exception):
    """There is less than was asked for."""


def year_later(at: datetime) -> datetime:
    """The first instant after the end of the month twelve months on."""
    day = at.astimezone(ZONE)
    last = monthrange(day.year + 1, day.month)[1]
    midnight = datetime(day.year + 1, day.month, last, tzinfo=ZONE) + timedelta(days=1)
    return midnight.astimezone(UTC)


@dataclass(eq=False)
class PaperLot:
    number: int
    """Counts up in the order in which lots were opened."""
    earned: datetime
    expires: datetime | None
    left: int
    held: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held

    def lapsed(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


Parts = list[tuple[PaperLot, int]]


@dataclass
class Purse:
    """One asset of one holder."""

    lots: list[PaperLot] = field(default_factory=list)
    debt: int = 0

    def ordered(self, own: Sequence[PaperLot] = ()) -> list[PaperLot]:
        """The lots of an order first, then soonest end, oldest, without end last."""
        far = datetime.max.replace(tzinfo=UTC)
        return sorted(self.lots, key=lambda lot: (lot not in own, lot.expires or far, lot.earned, lot.number))

    def usable(self, now: datetime) -> int:
        return sum(lot.free for lot in self.lots if not lot.lapsed(now))

    def spend(self, amount: int, now: datetime) -> Parts:
        """Take `amount` from what is usable. Raises Short."""
        if amount > self.usable(now):
            raise Short
        return self.take(amount, (lot for lot in self.ordered() if not lot.lapsed(now)))[0]

    def take(self, amount: int, lots: Iterable[PaperLot]) -> tuple[Parts, int]:
        """What these lots give, one after the other, and what is missing then."""
        parts: Parts = []
        for lot in lots:
            part = min(amount, lot.free)
            if part:
                lot.left -= part
                amount -= part
                parts.append((lot, part))
        return parts, amount


@dataclass
class PaperOrder:
    id: UUID
    member: UUID | None
    sale: Any
    body: bytes
    at: datetime
    values: list[int]
    """Each line's value before points."""
    quantities: list[int]
    points_minor: int
    points_used: int
    earned: int
    spent: Parts = field(default_factory=list)
    paid: list[tuple[Purse | None, Parts, int]] = field(default_factory=list)
    """In the order of payment: whose purse (None: money), its lots, the amount."""
    own: dict[str, list[PaperLot]] = field(default_factory=dict)
    status: str = "committed"
    back: dict[str, int] = field(
        default_factory=lambda: {"sales": 0, "payable": 0, "spent": 0, "points": 0, "growth": 0}
    )

    @property
    def sales(self) -> int:
        return sum(self.values)

    @property
    def payable(self) -> int:
        return self.sales - self.points_minor


class Book:
    """All purses, by holder and asset, and all orders."""

    def __init__(self) -> None:
        self.purses: dict[tuple[UUID, str], Purse] = {}
        self.orders: list[PaperOrder] = []
        self._lots = 0

    def purse(self, holder: UUID, asset: str) -> Purse:
        return self.purses.setdefault((holder, asset), Purse())

    def open(
        self, holder: UUID, asset: str, amount: int, earned: datetime, expires: datetime | None
    ) -> PaperLot | None:
        """Units come in: a debt is settled first, what is left becomes a lot."""
        purse = self.purse(holder, asset)
        settled = min(amount, purse.debt)
        purse.debt -= settled
        if settled == amount:
            return None
        self._lots += 1
        lot = PaperLot(self._lots, earned, expires, amount - settled)
        purse.lots.append(lot)
        return lot

    def earn(self, order: PaperOrder, holder: UUID, at: datetime) -> None:
        for asset, expires in (("points", year_later(at)), ("growth", None)):
            lot = self.open(holder, asset, order.earned, at, expires) if order.earned else None
            order.own[asset] = [lot] if lot else []

    def give_back(self, order: PaperOrder, part: dict[str, int], now: datetime) -> None:
        """`part` of an order comes back; spent units to their own lots, last taken first, earned ones out again."""
        before = dict(order.back)
        for name, amount in part.items():
            order.back[name] += amount
        _refill(order.paid, before["payable"], order.back["payable"], now)
        if order.member is None:
            return
        for asset in ("points", "growth"):
            purse = self.purse(order.member, asset)
            alive = 0
            if asset == "points":
                parts = _between(order.spent, before["spent"], order.back["spent"])
                alive = _restore(parts, now)
            due = part[asset]
            _parts, missing = purse.take(due, purse.ordered(order.own.get(asset, ())))
            purse.debt += missing
            # Units that came back beyond what was due pay debts, from the order's own lots first.
            settled = min(purse.debt, max(0, alive - due))
            purse.take(settled, purse.ordered(order.own.get(asset, ())))
            purse.debt -= settled

    def expire(self, now: datetime) -> None:
        for purse in self.purses.values():
            for lot in purse.lots:
                if lot.lapsed(now):
                    lot.left = lot.held


def _between(parts: Parts, before: int, after: int) -> Parts:
    """Which lots get what between two totals, when the last taken is given back first."""
    found: Parts = []
    for lot, amount in reversed(parts):
        was, now = min(amount, before), min(amount, after)
        before, after = before - was, after - now
        if now > was:
            found.append((lot, now - was))
    return found


def _restore(parts: Parts, now: datetime) -> int:
    """Put units back into their lots; into one that has lapsed they lapse again. Returns what lives."""
    alive = 0
    for lot, amount in parts:
        if not lot.lapsed(now):
            lot.left += amount
            alive += amount
    return alive


def _refill(paid: list[tuple[Purse | None, Parts, int]], before: int, after: int, now: datetime) -> None:
    """Money goes back the way it came, the last tender first."""
    for purse, parts, amount in reversed(paid):
        was, will = min(amount, before), min(amount, after)
        before, after = before - was, after - will
        if purse is not None:
            _restore(_between(parts, was, will), now)
