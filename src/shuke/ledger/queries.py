"""What others read of the ledger: balances, entries, lots, and the proof that the whole book adds up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.kit.sql import load
from shuke.ledger.logic import OpenLot, in_order
from shuke.ledger.models import Lot

EXPIRING_SOON = timedelta(days=60)
PAGE = 50
MAX_PAGE = 200

_NEWEST = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff", 0)
"""The cursor before the first page."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """`amount` units are gone from `at` on, unless used before."""

    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """One asset of a member. balance + debt = usable + pending + lapsed + held.

    `pending` is not usable yet; `lapsed` has expired and awaits the expiry run; `held` is promised by open holds;
    `expiring` lists what of `usable` lapses within 60 days, soonest first.
    """

    asset: str
    balance: int
    usable: int
    pending: int
    lapsed: int
    debt: int
    expiring: tuple[Expiring, ...]
    held: int = 0


def balances_of(member_id: UUID, now: datetime) -> list[AssetBalance]:
    """Every asset that ever moved for the member, points first. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute(load("ledger", "balances"), {"member": member_id, "now": now})
        rows = cursor.fetchall()
    balances = []
    for (asset, balance, debt), group in groupby(rows, key=lambda row: tuple(row[:3])):
        usable = pending = lapsed = held = 0
        expiring = []
        for expires_at, active, later, promised in (row[3:] for row in group):
            pending += later
            held += promised
            if expires_at is not None and expires_at <= now:
                lapsed += active
                continue
            usable += active
            if active and expires_at is not None and expires_at <= now + EXPIRING_SOON:
                expiring.append(Expiring(expires_at, active))
        balances.append(AssetBalance(asset, balance, usable, pending, lapsed, debt, tuple(expiring), held))
    return balances


def open_lots(member_id: UUID, asset: str = "points") -> list[OpenLot]:
    """The member's lots with something left, in the order in which they are consumed."""
    rows = Lot.objects.filter(member_id=member_id, asset=asset, remaining__gt=0)
    fields = rows.values_list("id", "remaining", "earned_at", "active_at", "expires_at", "held")
    return in_order(OpenLot(*row) for row in fields)


@dataclass(frozen=True, slots=True)
class EntryView:
    """One leg on the member's account with the act it belongs to. `explain` is what the writing room put there."""

    transfer_id: UUID
    seq: int
    kind: str
    asset: str
    amount: int
    occurred_at: datetime
    recorded_at: datetime
    order_id: UUID | None
    refund_id: UUID | None
    store_id: UUID | None
    programme_version_id: UUID | None
    actor: str
    reason: str
    lot_id: UUID | None
    lot_expires_at: datetime | None
    explain: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """`next_cursor` is None on the last page."""

    entries: list[EntryView]
    next_cursor: str | None


def list_entries(
    member_id: UUID, *, asset: str | None = None, cursor: str | None = None, limit: int = PAGE
) -> EntryPage:
    """What moved the member's balance, newest first. Raises InvalidInput for a damaged cursor."""
    limit = max(1, min(limit, MAX_PAGE))
    before, before_id, before_seq = decode_cursor(cursor, datetime, UUID, int) if cursor else _NEWEST
    with connection.cursor() as db:
        db.execute(
            load("ledger", "entries"),
            {
                "member": member_id,
                "asset": asset,
                "before": before,
                "before_id": before_id,
                "before_seq": before_seq,
                "limit": limit + 1,
            },
        )
        rows = db.fetchall()
    entries = entry_views(rows[:limit])
    last = entries[-1] if len(rows) > limit else None
    return EntryPage(entries, encode_cursor([last.occurred_at, last.transfer_id, last.seq]) if last else None)


@dataclass(frozen=True, slots=True)
class ActPage:
    """Acts, each with its entries. `next_cursor` is None on the last page."""

    acts: list[list[EntryView]]
    next_cursor: str | None


def list_acts(
    member_id: UUID, *, asset: str | None = None, cursor: str | None = None, limit: int = PAGE
) -> ActPage:
    """What moved the member's balance, act by act, newest first. Raises InvalidInput for a damaged cursor."""
    limit = max(1, min(limit, MAX_PAGE))
    before, before_id = decode_cursor(cursor, datetime, UUID) if cursor else _NEWEST[:2]
    with connection.cursor() as db:
        db.execute(
            load("ledger", "acts"),
            {
                "member": member_id,
                "asset": asset,
                "before": before,
                "before_id": before_id,
                "limit": limit + 1,
            },
        )
        rows = db.fetchall()
    acts = [list(legs) for _id, legs in groupby(entry_views(rows), key=lambda entry: entry.transfer_id)]
    last = acts[limit - 1][0] if len(acts) > limit else None
    return ActPage(acts[:limit], encode_cursor([last.occurred_at, last.transfer_id]) if last else None)


def entry_views(rows: Iterable[Sequence[Any]]) -> list[EntryView]:
    """Rows of a statement that selects the columns of `EntryView` in their order."""
    return [EntryView(*(*row[:-1], _json(row[-1]))) for row in rows]


def _json(value: Any) -> Any:
    """Django's connection hands jsonb over as text."""
    return json.loads(value) if isinstance(value, str) else value


def horizon() -> int:
    """Transfers of transactions below this number are all there to be read; those from it on may still come."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_txid_horizon()")
        [(number,)] = cursor.fetchall()
    return int(number)


def moved_between(after: int, until: int, zone: ZoneInfo) -> list[tuple[UUID, date]]:
    """Members and local days with transfers of any kind that became readable between two horizons."""
    with connection.cursor() as cursor:
        cursor.execute(load("ledger", "new_transfers"), {"after": after, "until": until, "zone": zone.key})
        found: list[tuple[UUID, date]] = cursor.fetchall()
    return found


def days_of_members(members: Sequence[UUID], zone: ZoneInfo) -> set[date]:
    """The local days of all transfers of some members."""
    if not members:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT (occurred_at AT TIME ZONE %s)::date FROM ledger_transfer WHERE member_id = ANY(%s)",
            [zone.key, list(members)],
        )
        return {day for (day,) in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the book does not add up. `check` is stable; `of` is how many such there are in all."""

    check: str
    subject: str
    expected: str
    found: str
    of: int

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was looked at, the totals per asset as (balance, debt), and the first differences of each kind."""

    transfers: int
    entries: int
    lots: int
    accounts: int
    totals: dict[str, tuple[int, int]]
    differences: tuple[Difference, ...]
    seconds: float

    @property
    def is_clean(self) -> bool:
        return not self.differences


def reconcile(*, most: int = 10) -> Reconciliation:
    """Prove the whole book: every transfer balances, balances and debts are what the entries say, and so are the lots.

    Set-based, from one snapshot, without locks. `most` differences of each kind are reported.
    """
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(load("ledger", "reconcile"), {"most": most})
        transfers, entries, lots, accounts, totals, differences = cursor.fetchone()
    return Reconciliation(
        transfers,
        entries,
        lots,
        accounts,
        {asset: (int(pair[0]), int(pair[1])) for asset, pair in sorted(_json(totals).items())},
        tuple(Difference(*difference) for difference in _json(differences)),
        time.perf_counter() - started,
    )
