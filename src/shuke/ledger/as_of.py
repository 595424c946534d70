"""The book as it stood at any past instant, added up from the append-only entries and from nothing else.

Two times matter. `as_of` is when things happened: a sale of Monday that a till uploads on Friday belongs to Monday.
`known_at` is what the book had heard of by then: the same Monday, as one would have seen it on Wednesday. Running figures
(`Account.balance`, `Lot.remaining`) are never read here, so the two ways of knowing a balance can be held against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from shuke.kit.sql import load
from shuke.ledger.logic import WAITING
from shuke.ledger.queries import EXPIRING_SOON, AssetBalance, EntryView, Expiring, entry_views

LotState = Literal["usable", "pending", "lapsed", "empty"]


@dataclass(frozen=True, slots=True)
class Cut:
    """What counts: what happened until `as_of`, and of that what was on record at `known_at` (None: all of it)."""

    as_of: datetime
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LotAt:
    """A lot at an instant. `active_at` None: it waits for an event. `expires_at` None: never.

    `held` of what remains was promised by holds that were open then.
    """

    id: UUID
    asset: str
    amount: int
    remaining: int
    held: int
    state: LotState
    earned_at: datetime
    active_at: datetime | None
    expires_at: datetime | None
    order_id: UUID | None


@dataclass(frozen=True, slots=True)
class AssetAt:
    """One asset of a member at an instant. balance + debt = Σ lots.remaining; lots in the order of their expiry."""

    asset: str
    balance: int
    debt: int
    lots: tuple[LotAt, ...]

    def in_state(self, state: LotState) -> int:
        """Units in lots of this state that no hold has promised."""
        return sum(lot.remaining - lot.held for lot in self.lots if lot.state == state)

    @property
    def promised(self) -> int:
        """Units that open holds had promised."""
        return sum(lot.held for lot in self.lots)


@dataclass(frozen=True, slots=True)
class Flow:
    """All movements of one kind in one direction: Σ amount over the flows = the balance."""

    kind: str
    amount: int
    entries: int
    first_at: datetime
    last_at: datetime


def assets_at(member_id: UUID, cut: Cut, asset: str | None = None) -> list[AssetAt]:
    """Every asset that had moved by then, points first, with its lots (the empty ones, too). One query."""
    found = []
    for name, group in groupby(_rows("lots_at", member_id, cut, asset), key=lambda row: row[0]):
        lots, owed = [], 0
        for (
            _asset,
            lot_id,
            remaining,
            amount,
            earned,
            active,
            expires,
            order_id,
            pending,
            lapsed,
            held,
        ) in group:
            if lot_id is None:
                owed = -remaining
            else:
                state = _state(remaining, pending=pending, lapsed=lapsed)
                lots.append(
                    LotAt(lot_id, name, amount, remaining, held, state, earned, active, expires, order_id)
                )
        found.append(AssetAt(name, sum(lot.remaining for lot in lots) - owed, owed, tuple(lots)))
    return found


def balances_at(member_id: UUID, cut: Cut) -> list[AssetBalance]:
    """The same figures as `queries.balances_of`, as of then."""
    balances = []
    for at in assets_at(member_id, cut):
        soon: dict[datetime, int] = {}
        for lot in at.lots:
            ends = lot.expires_at
            free = lot.remaining - lot.held
            if lot.state == "usable" and free and ends and ends <= cut.as_of + EXPIRING_SOON:
                soon[ends] = soon.get(ends, 0) + free
        balances.append(
            AssetBalance(
                asset=at.asset,
                balance=at.balance,
                usable=at.in_state("usable"),
                pending=at.in_state("pending"),
                lapsed=at.in_state("lapsed"),
                debt=at.debt,
                expiring=tuple(Expiring(ends, amount) for ends, amount in sorted(soon.items())),
                held=at.promised,
            )
        )
    return balances


def flows_at(member_id: UUID, asset: str, cut: Cut) -> list[Flow]:
    """What made the balance: by kind of act, what came in first."""
    rows = _rows("flows_at", member_id, cut, asset)
    return [Flow(kind, amount, entries, first, last) for kind, _in, amount, entries, first, last in rows]


def moves_at(member_id: UUID, asset: str, cut: Cut, lots: Iterable[UUID]) -> list[EntryView]:
    """Every entry that moved one of these lots, and every one that made or settled a debt, oldest first."""
    return entry_views(_rows("moves_at", member_id, cut, asset, lots=list(lots)))


def entries_of_order(order_id: UUID) -> list[EntryView]:
    """Everything that an order and its refunds moved, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(load("ledger", "entries_of_order"), {"order": order_id})
        return entry_views(cursor.fetchall())


def _state(remaining: int, *, pending: bool, lapsed: bool) -> LotState:
    if remaining == 0:
        return "empty"
    if pending:
        return "pending"
    return "lapsed" if lapsed else "usable"


def _rows(statement: str, member_id: UUID, cut: Cut, asset: str | None, **more: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            load("ledger", statement),
            {
                "member": member_id,
                "asset": asset,
                "as_of": cut.as_of,
                "known_at": cut.known_at,
                "waiting": WAITING,
                **more,
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
