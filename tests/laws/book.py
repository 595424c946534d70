"""The book as one would keep it on paper: lots, debts and orders in memory, moved by the laws and by nothing of the code.

It knows no SQL and none of the rooms' functions, so that a mistake in those cannot agree with itself.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.laws.variants import Paper

ZONE = ZoneInfo("Asia/Shanghai")
SOME_DAY = datetime(9999, 12, 31, tzinfo=UTC)
"""What waits for an event is usable then."""


class Short(Exception):
    """There is less than was asked for."""


def day_of(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def year_later(at: datetime) -> datetime:
    """The first instant after the end of the month twelve months on."""
    day = day_of(at)
    return midnight(date(day.year + 1, day.month, monthrange(day.year + 1, day.month)[1]) + timedelta(days=1))


@dataclass(eq=False)
class PaperLot:
    number: int
    """Counts up in the order in which lots were opened."""
    earned: datetime
    expires: datetime | None
    left: int
    usable_from: datetime
    held: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held

    def lapsed(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now

    def usable(self, now: datetime) -> bool:
        return self.usable_from <= now and not self.lapsed(now)


Parts = list[tuple[PaperLot, int]]


@dataclass
class Purse:
    """One asset of one holder."""

    lots: list[PaperLot] = field(default_factory=list)
    debt: int = 0

    def ordered(self, own: Sequence[PaperLot] = ()) -> list[PaperLot]:
        """The lots of an order first, then soonest end, oldest, without end last."""
        return sorted(
            self.lots, key=lambda lot: (lot not in own, lot.expires or SOME_DAY, lot.earned, lot.number)
        )

    def usable(self, now: datetime) -> int:
        return sum(lot.free for lot in self.lots if lot.usable(now))

    def spend(self, amount: int, now: datetime) -> Parts:
        """Take `amount` from what is usable. Raises Short."""
        if amount > self.usable(now):
            raise Short
        return self.take(amount, (lot for lot in self.ordered() if lot.usable(now)))[0]

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
class PaperRefund:
    """What one refund left owed by its order's own doing (or settled of it again), and what was forgiven of that."""

    id: UUID
    actor: str
    owed: int
    forgiven: int = 0
    sales: int = 0
    """The value that came back."""


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
    earned: dict[str, int] = field(default_factory=lambda: {"points": 0, "growth": 0})
    day_bonus: int = 0
    opening: int = 0
    """Of the points earned: what a member's daily cap counts, and what came out of the budget."""
    spent: Parts = field(default_factory=list)
    paid: list[tuple[Purse | None, Parts, int]] = field(default_factory=list)
    """In the order of payment: whose purse (None: money), its lots, the amount."""
    own: dict[str, list[PaperLot]] = field(default_factory=dict)
    status: str = "committed"
    delivery: str = ""
    """"", "pending" or "delivered"."""
    back: dict[str, int] = field(
        default_factory=lambda: {"sales": 0, "payable": 0, "spent": 0, "points": 0, "growth": 0}
    )
    refunds: list[PaperRefund] = field(default_factory=list)
    bought: int = 0
    """Missing points that money has paid for."""
    settled: int = 0
    """Debt of other causes that points of this order have settled on their way back."""

    @property
    def sales(self) -> int:
        return sum(self.values)

    @property
    def payable(self) -> int:
        return self.sales - self.points_minor

    @property
    def owed(self) -> int:
        return sum(refund.owed - refund.forgiven for refund in self.refunds)


@dataclass(frozen=True)
class Manner:
    """How an order comes back: which way its points go."""

    return_spent: bool
    claw_back: bool
    buys_missing: bool


@dataclass
class Moved:
    """What a refund did to the buyer's points."""

    owed: int = 0
    debt: int = 0
    bought: int = 0
    alive: int = 0


class Book:
    """All purses, by holder and asset, all orders, and what caps and budgets have given."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.purses: dict[tuple[UUID, str], Purse] = {}
        self.orders: list[PaperOrder] = []
        self.by_day: dict[tuple[UUID, date], int] = {}
        self.by_month: dict[tuple[UUID, date], int] = {}
        """Check-ins of a member, by calendar month."""
        self.budget: dict[date, int] = {}
        self._lots = 0

    def purse(self, holder: UUID, asset: str) -> Purse:
        return self.purses.setdefault((holder, asset), Purse())

    def usable_from(self, at: datetime) -> datetime:
        """When points that come in at an instant can be spent."""
        waits = self.paper.waits
        if waits is None:
            return at
        return SOME_DAY if isinstance(waits, str) else midnight(day_of(at) + timedelta(days=waits + 1))

    def open(
        self,
        holder: UUID,
        asset: str,
        amount: int,
        earned: datetime,
        expires: datetime | None,
        *,
        usable_from: datetime | None = None,
        settles: bool = True,
    ) -> PaperLot | None:
        """Units come in: a debt is settled first, what is left becomes a lot."""
        purse = self.purse(holder, asset)
        settled = min(amount, purse.debt) if settles else 0
        purse.debt -= settled
        if settled == amount:
            return None
        self._lots += 1
        lot = PaperLot(self._lots, earned, expires, amount - settled, usable_from or earned)
        purse.lots.append(lot)
        return lot

    # What a sale gives

    def price_earning(self, order: PaperOrder, holder: UUID, points_minor: int) -> tuple[int, int]:
        """(what the daily bonus, what the budget gives) to a sale of that member, on its day."""
        day, thanks, opening = day_of(order.at), 0, 0
        if self.paper.bonus_a_day:
            each, most = self.paper.bonus_a_day
            thanks = min(each, most - self.by_day.get((holder, day), 0))
        if self.paper.opening:
            each, most = self.paper.opening
            left = most - self.budget.get(day.replace(day=1), 0)
            opening = each if left >= each else 0 if self.paper.opening_whole else left
        return thanks, opening

    def earn(self, order: PaperOrder, holder: UUID, at: datetime) -> None:
        """The order earns: at `at`, by the caps and budgets of the day it was made on."""
        qualifying = order.sales if self.paper.paid_earn else order.payable
        order.day_bonus, order.opening = self.price_earning(order, holder, order.points_minor)
        day = day_of(order.at)
        self.by_day[holder, day] = self.by_day.get((holder, day), 0) + order.day_bonus
        month = day.replace(day=1)
        self.budget[month] = self.budget.get(month, 0) + order.opening
        order.earned = {
            "points": qualifying // 100 + order.day_bonus + order.opening,
            "growth": qualifying // 100,
        }
        for asset, expires, usable in (
            ("points", year_later(at), self.usable_from(at)),
            ("growth", None, at),
        ):
            amount = order.earned[asset]
            lot = self.open(holder, asset, amount, at, expires, usable_from=usable) if amount else None
            order.own[asset] = [lot] if lot else []

    # What comes back

    def give_back(
        self, order: PaperOrder, part: dict[str, int], manner: Manner, now: datetime, refund: PaperRefund
    ) -> Moved:
        """`part` of an order comes back; spent units to their own lots, last taken first, earned ones out again."""
        before = dict(order.back)
        for name, amount in part.items():
            order.back[name] += amount
        money = _refill(order.paid, before["payable"], order.back["payable"], now)
        moved = Moved()
        order.refunds.append(refund)
        if order.member is None:
            return moved
        for asset in ("points", "growth"):
            purse = self.purse(order.member, asset)
            own = order.own.get(asset, ())
            debt = purse.debt
            _parts = _between(order.spent, before["spent"], order.back["spent"]) if asset == "points" else []
            alive = _restore(_parts, now)
            due = part[asset]
            _taken, missing = purse.take(due, purse.ordered(own))
            if asset == "growth":
                purse.debt += missing
                continue
            moved.alive = alive
            # Debts of other causes that this order's points had settled are owed again before anything new is.
            again = min(missing, order.settled)
            missing -= again
            # What came back beyond what was due covers what this order left missing before, then older debts.
            spare = max(0, alive - due)
            owed_before = min(order.owed, debt)
            gap_before = order.bought + owed_before
            covered = min(gap_before, spare)
            gap = gap_before - covered + missing
            bought = min(gap, money) if manner.buys_missing else 0
            settles = min(debt - owed_before, spare - covered) if gap == 0 else 0
            purse.take(covered + settles, purse.ordered(own))
            refund.owed = (gap - bought) - owed_before
            moved.owed, moved.bought = refund.owed, bought - order.bought
            moved.debt = refund.owed + again - settles
            purse.debt += moved.debt
            order.bought = bought
            order.settled += settles - again
        self._give_room_back(order, before["points"])
        return moved

    def _give_room_back(self, order: PaperOrder, before: int) -> None:
        """Caps and budgets get back their share of what was taken back, in step."""
        whole = order.earned["points"]
        if not whole:
            return
        day = day_of(order.at)

        def share(given: int) -> int:
            return given * order.back["points"] // whole - given * before // whole

        assert order.member is not None
        if order.day_bonus:
            self.by_day[order.member, day] -= share(order.day_bonus)
        if order.opening:
            self.budget[day.replace(day=1)] -= share(order.opening)

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


def _refill(paid: list[tuple[Purse | None, Parts, int]], before: int, after: int, now: datetime) -> int:
    """Money goes back the way it came, the last tender first; in a purse that owes, it pays the debt. Returns how much
    money outside the house has gone back by now."""
    money, alive = 0, list[tuple[Purse, int]]()
    for purse, parts, amount in reversed(paid):
        was, will = min(amount, before), min(amount, after)
        before, after = before - was, after - will
        if purse is None:
            money += will
        else:
            alive.append((purse, _restore(_between(parts, was, will), now)))
    for purse, units in alive:
        settled = min(purse.debt, units)
        purse.take(settled, purse.ordered())
        purse.debt -= settled
    return money
