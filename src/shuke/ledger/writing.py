"""How an operation of this room writes: take the books in the order of ids, read the lots, post balanced transfers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from shuke.core.values import Actor
from shuke.ledger.errors import ReasonMissing, UnknownHolder
from shuke.ledger.logic import OpenLot
from shuke.ledger.models import Account, Lot
from shuke.members.models import Member, MemberStatus

MAX_UNITS = 10**15
"""Largest single movement of an asset by hand."""

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry. A member leg without a lot makes (negative) or settles (positive) debt."""

    account: str
    asset: str
    amount: int
    lot_id: UUID | None = None
    explain: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A lot that a transfer opens."""

    id: UUID
    asset: str
    amount: int
    earned_at: datetime
    active_at: datetime
    expires_at: datetime | None
    waits_for: str | None = None
    slides: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """What the rows of an act say about it, whichever book they stand in."""

    actor: Actor
    now: datetime
    reason: str = ""
    order_id: UUID | None = None
    programme_version_id: UUID | None = None
    store_id: UUID | None = None


def checked_reason(reason: str) -> str:
    """A reason that will stand in the book. Raises ReasonMissing when there is none, or it is too long or not one line."""
    reason = reason.strip()
    if not reason or len(reason) > 300 or not reason.isprintable():
        raise ReasonMissing(field="reason")
    return reason


def take_books(member_ids: Iterable[UUID]) -> None:
    """Wait for the books and hold them until the transaction ends; in the order of ids, so that no two wait in a circle."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE ledger_take_book(m.id, NULL)) FROM"
            " (SELECT DISTINCT id FROM unnest(%s::uuid[]) AS u(id) ORDER BY id) AS m",
            [list(member_ids)],
        )


def require_active(member_id: UUID, field: str) -> None:
    """Raises UnknownHolder for a stranger and for one whose membership is frozen or closed."""
    if not Member.objects.filter(id=member_id, status=MemberStatus.ACTIVE).exists():
        raise UnknownHolder(field=field)


def free_lots(member_id: UUID, asset: str) -> list[OpenLot]:
    """The open lots, with what holds have taken of them. Meant to be read under the book."""
    rows = Lot.objects.filter(member_id=member_id, asset=asset, remaining__gt=0)
    return [
        OpenLot(*row)
        for row in rows.values_list("id", "remaining", "earned_at", "active_at", "expires_at", "held")
    ]


def debt_of(member_id: UUID, asset: str) -> int:
    """What is owed. Meant to be read under the book."""
    found = Account.objects.filter(member_id=member_id, asset=asset).values_list("debt", flat=True).first()
    return found or 0


def post(
    transfer_id: UUID,
    kind: str,
    member_id: UUID,
    cause: Cause,
    legs: Iterable[Leg],
    lots: Iterable[Opened] = (),
    slides: Iterable[tuple[str, datetime]] = (),
) -> UUID:
    """Write one transfer into a book that the caller holds. Returns its id.

    `slides` are (asset, instant): open lots that lapse by inactivity end no sooner than that.
    """
    put_off = [{"asset": asset, "until": until} for asset, until in slides]
    document = {
        "id": transfer_id,
        "kind": kind,
        "member_id": member_id,
        "occurred_at": cause.now,
        "recorded_at": cause.now,
        "order_id": cause.order_id,
        "store_id": cause.store_id,
        "programme_version_id": cause.programme_version_id,
        "actor": cause.actor.reference,
        "reason": cause.reason,
        "entries": [{"seq": seq, **asdict(leg)} for seq, leg in enumerate(legs, 1)],
        "lots": [asdict(lot) for lot in lots],
        **({"slides": put_off} if put_off else {}),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_post(%s::jsonb)", [_json.encode(document).decode()])
    return transfer_id
