"""Points for tests, moved through the database's own function, as a sale moves them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shuke.kit.ids import uuid7
from tests.factories.core import NOW


def post(
    member_id: UUID,
    kind: str,
    entries: list[dict[str, Any]],
    lots: list[dict[str, Any]],
    at: datetime,
    *,
    recorded_at: datetime | None = None,
    **header: Any,
) -> UUID:
    """One transfer with these legs and new lots; takes the member's book first. Returns the transfer's id."""
    transfer = uuid7()
    document = {
        "id": str(transfer),
        "member_id": str(member_id),
        "kind": kind,
        "occurred_at": at.isoformat(),
        "recorded_at": (recorded_at or at).isoformat(),
        "actor": "system:test",
        "entries": [{"seq": seq, **entry} for seq, entry in enumerate(entries, 1)],
        "lots": lots,
        **header,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_take_book(%s, NULL)", [member_id])
        cursor.execute("SELECT ledger_post(%s::jsonb)", [json.dumps(document)])
    return transfer


def give(
    member_id: UUID,
    amount: int,
    *,
    at: datetime = NOW,
    expires_at: datetime | None = None,
    active_at: datetime | None = None,
    asset: str = "points",
    settle: int = 0,
    explain: dict[str, Any] | None = None,
) -> UUID:
    """Earn `amount` units in one lot, of which `settle` pay a debt. Returns the lot's id."""
    lot = uuid7()
    entries: list[dict[str, Any]] = []
    if settle:
        entries.append({"account": "member", "asset": asset, "amount": settle})
    entries += [
        {
            "account": "member",
            "asset": asset,
            "amount": amount - settle,
            "lot_id": str(lot),
            "explain": explain,
        },
        {"account": "issued", "asset": asset, "amount": -amount},
    ]
    opened = {
        "id": str(lot),
        "asset": asset,
        "amount": amount - settle,
        "active_at": (active_at or at).isoformat(),
        "expires_at": expires_at.isoformat() if expires_at else None,
    }
    post(member_id, "earn", entries, [opened], at)
    return lot


def spend(member_id: UUID, lot_id: UUID, amount: int, *, at: datetime = NOW, asset: str = "points") -> UUID:
    """Redeem units of one lot."""
    entries = [
        {"account": "member", "asset": asset, "amount": -amount, "lot_id": str(lot_id)},
        {"account": "redeemed", "asset": asset, "amount": amount},
    ]
    return post(member_id, "redeem", entries, [], at)


def owe(member_id: UUID, amount: int, *, at: datetime = NOW, asset: str = "points") -> UUID:
    """Claw back units that no lot holds any more: a debt."""
    entries = [
        {"account": "member", "asset": asset, "amount": -amount},
        {"account": "issued", "asset": asset, "amount": amount},
    ]
    return post(member_id, "reversal", entries, [], at)
