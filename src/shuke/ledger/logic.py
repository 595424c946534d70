"""The ledger's rules without a database: which lots pay first, when a lot lapses, how a debt is settled.

Source of the order: soonest expiry first, then oldest, no expiry last (the law the docs state in prose).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

WAITING = datetime(9999, 12, 31, tzinfo=UTC)
"""`active_at` of a lot that waits for an event: a last instant that both Python and PostgreSQL can hold."""


@dataclass(frozen=True, slots=True)
class OpenLot:
    """A lot with something left. Usable from `active_at` (inclusive) until `expires_at` (exclusive; None: never).

    `held` of what remains is promised to someone: neither spent nor expired nor taken back until the hold ends.
    """

    id: UUID
    remaining: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime | None
    held: int = 0

    @property
    def free(self) -> int:
        """What of the rest no hold has taken."""
        return self.remaining - self.held

    def is_usable(self, now: datetime) -> bool:
        return self.active_at <= now and (self.expires_at is None or now < self.expires_at)


def in_order(lots: Iterable[OpenLot]) -> list[OpenLot]:
    """Lots in the order in which they are consumed."""
    return sorted(
        lots,
        key=lambda lot: (lot.expires_at is None, lot.expires_at or lot.earned_at, lot.earned_at, lot.id),
    )


def available(lots: Iterable[OpenLot], now: datetime) -> int:
    """What can be spent at this instant."""
    return sum(lot.free for lot in lots if lot.is_usable(now))


def consume(lots: Iterable[OpenLot], amount: int, now: datetime) -> list[tuple[UUID, int]]:
    """(lot, taken) pairs that pay `amount` from usable lots, soonest expiry first. Raises ValueError when short."""
    taken: list[tuple[UUID, int]] = []
    left = amount
    for lot in in_order(lots):
        if left == 0:
            break
        if lot.is_usable(now):
            part = min(left, lot.free)
            if part:
                taken.append((lot.id, part))
                left -= part
    if left:
        raise ValueError("the usable lots hold less than the amount")
    return taken


def claw_back(lots: Sequence[OpenLot], own: UUID | None, amount: int) -> tuple[list[tuple[UUID, int]], int]:
    """Take back earned points: from the lot they came in (`own`) first, then the others in order; the rest is debt.

    Returns ((lot, taken) pairs, debt). Lots that have lapsed but are not yet swept still pay: taking them back harms no one.
    """
    first = [lot for lot in lots if lot.id == own]
    others = [lot for lot in in_order(lots) if lot.id != own]
    taken: list[tuple[UUID, int]] = []
    left = amount
    for lot in (*first, *others):
        if left == 0:
            break
        part = min(left, lot.free)
        if part:
            taken.append((lot.id, part))
            left -= part
    return taken, left


@dataclass(frozen=True, slots=True)
class DebtMove:
    """A leg that made (negative) or settled (positive) debt, in the order in which the book took them."""

    transfer_id: UUID
    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """Part of a debt that later units paid."""

    transfer_id: UUID
    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class OwedPart:
    """One debt with what has paid it so far, oldest first."""

    made: DebtMove
    recoveries: tuple[Recovery, ...]

    @property
    def amount(self) -> int:
        return -self.made.amount

    @property
    def outstanding(self) -> int:
        return self.amount - sum(part.amount for part in self.recoveries)


def match_debts(moves: Iterable[DebtMove]) -> list[OwedPart]:
    """Which later units paid which debt: the oldest debt is paid first.

    A settlement may stand before the debt in a book whose till was behind (offline sales); it pays what comes then.
    """
    made: list[DebtMove] = []
    settled: list[DebtMove] = []
    for move in moves:
        (made if move.amount < 0 else settled).append(move)
    paid: list[list[Recovery]] = [[] for _ in made]
    left = [-move.amount for move in made]
    first = 0
    for move in settled:
        rest = move.amount
        while rest and first < len(made):
            part = min(rest, left[first])
            if part:
                paid[first].append(Recovery(move.transfer_id, move.at, part))
                left[first] -= part
                rest -= part
            if not left[first]:
                first += 1
    return [OwedPart(move, tuple(parts)) for move, parts in zip(made, paid, strict=True)]
