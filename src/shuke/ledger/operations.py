"""Expiry: the one writer of the ledger that no sale triggers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from shuke.core.operations import NewEvent, publish_events
from shuke.core.values import SYSTEM
from shuke.kit.ids import uuid7
from shuke.kit.sql import load

EXPIRY_BATCH = 1000
MAX_LEGS = 30_000
"""Entries of one transfer are numbered by a smallint; lots beyond this go into another transfer."""


@dataclass(slots=True)
class _Expiry:
    """What lapses for one member, in one asset, at one instant."""

    member_id: UUID
    asset: str
    at: datetime
    id: UUID = field(default_factory=uuid7)
    lots: list[tuple[UUID, int]] = field(default_factory=list)

    @property
    def amount(self) -> int:
        return sum(amount for _lot, amount in self.lots)


def expire_lots(*, now: datetime, limit: int = EXPIRY_BATCH) -> int:
    """Expire one batch of lapsed lots: about `limit`, and all lapsed lots of the members they belong to.

    One transaction: for each member, asset and instant an "expire" transfer dated at the instant of expiry, the lots at
    zero, the balance down, the book's revision up, and the event `ledger.points_expired.v1`. Exactly once, whoever else
    runs and whenever it is killed. Returns how many lots it expired: 0 when nothing is left that is not in other hands.
    """
    with transaction.atomic():
        members = _take_books(now, limit)
        expiries = _due(members, now)
        if not expiries:
            return 0
        _write(expiries, now)
        publish_events(
            [
                NewEvent(
                    name="ledger.points_expired.v1",
                    member_id=expiry.member_id,
                    occurred_at=expiry.at,
                    payload={
                        "transfer_id": str(expiry.id),
                        "asset": expiry.asset,
                        "amount": expiry.amount,
                        "lots": len(expiry.lots),
                    },
                )
                for expiry in expiries
            ]
        )
    return sum(len(expiry.lots) for expiry in expiries)


def _take_books(now: datetime, limit: int) -> list[UUID]:
    with connection.cursor() as cursor:
        # A member whose lots came in without a book gets one, or their points would never lapse.
        cursor.execute(
            "INSERT INTO ledger_book (member_id, revision) SELECT DISTINCT l.member_id, 0 FROM ledger_lot l"
            " WHERE l.remaining > l.held AND l.expires_at <= %s"
            " AND NOT EXISTS (SELECT 1 FROM ledger_book b WHERE b.member_id = l.member_id)"
            " ORDER BY l.member_id ON CONFLICT DO NOTHING",
            [now],
        )
        cursor.execute(load("ledger", "take_due_books"), {"now": now, "limit": limit})
        return sorted(row[0] for row in cursor.fetchall())


def _due(members: list[UUID], now: datetime) -> list[_Expiry]:
    """What lapses, read after the books are held: a rival may have spent or expired it until then."""
    if not members:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT member_id, asset, expires_at, id, remaining - held FROM ledger_lot"
            " WHERE member_id = ANY(%s) AND remaining > held AND expires_at <= %s"
            " ORDER BY member_id, asset, expires_at, earned_at, id",
            [members, now],
        )
        rows = cursor.fetchall()
    expiries: list[_Expiry] = []
    for member_id, asset, at, lot_id, remaining in rows:
        last = expiries[-1] if expiries else None
        if (
            last is None
            or (last.member_id, last.asset, last.at) != (member_id, asset, at)
            or len(last.lots) >= MAX_LEGS
        ):
            last = _Expiry(member_id, asset, at)
            expiries.append(last)
        last.lots.append((lot_id, remaining))
    return expiries


def _write(expiries: list[_Expiry], now: datetime) -> None:
    legs = [(e, seq, lot, amount) for e in expiries for seq, (lot, amount) in enumerate(e.lots, 1)]
    with connection.cursor() as cursor:
        cursor.execute(
            load("ledger", "expire_lots"),
            {
                "now": now,
                "actor": SYSTEM.reference,
                "transfer_ids": [e.id for e in expiries],
                "member_ids": [e.member_id for e in expiries],
                "assets": [e.asset for e in expiries],
                "amounts": [e.amount for e in expiries],
                "instants": [e.at for e in expiries],
                "last_seqs": [len(e.lots) + 1 for e in expiries],
                "leg_transfers": [e.id for e, *_ in legs],
                "leg_seqs": [seq for _, seq, *_ in legs],
                "leg_members": [e.member_id for e, *_ in legs],
                "leg_assets": [e.asset for e, *_ in legs],
                "lot_ids": [lot for *_, lot, _ in legs],
                "leg_amounts": [amount for *_, amount in legs],
            },
        )
