"""What every act on prepaid money shares: take the holders' books, post a transfer, check where it happens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from shuke.catalog.models import Store
from shuke.checkout.documents import transfer_document
from shuke.checkout.errors import MemberNotActive, StoreClosed, StoreOutOfScope, UnknownMember, UnknownStore
from shuke.checkout.posting import NewTransfer
from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.ledger.logic import OpenLot, in_order
from shuke.ledger.models import Lot
from shuke.members.models import Member

MAX_REASON = 300
MAX_NUMBER = 80

_json = msgspec.json.Encoder()


def take_books(holders: Iterable[UUID]) -> None:
    """Wait for these books in the order of ids and hold them until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(ledger_take_book(h.id, NULL)) FROM"
            " (SELECT id FROM unnest(%s::uuid[]) AS u(id) ORDER BY id) AS h",
            [list(holders)],
        )


def post_transfer(transfer: NewTransfer, header: dict[str, Any]) -> None:
    """Write one transfer; the caller holds the book of `header["member_id"]`."""
    document = transfer_document(transfer, header)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_post(%s::jsonb)", [_json.encode(document).decode()])


def header_of(
    holder: UUID, actor: Actor, store: Store, version_id: UUID, now: datetime, reason: str = ""
) -> dict[str, Any]:
    """The part of a transfer that says who, where, when and why."""
    return {
        "member_id": holder,
        "occurred_at": now,
        "recorded_at": now,
        "order_id": None,
        "store_id": store.id,
        "programme_version_id": version_id,
        "actor": actor.reference,
        "reason": reason,
    }


def open_lots_of(holder: UUID, asset: str) -> list[OpenLot]:
    """Open lots in the order in which they are consumed."""
    rows = Lot.objects.filter(member_id=holder, asset=asset, remaining__gt=0)
    fields = rows.values_list("id", "remaining", "earned_at", "active_at", "expires_at", "held")
    return in_order(OpenLot(*row) for row in fields)


def open_store(actor: Actor, code: str) -> Store:
    """The store by code, open and within the actor's reach. Raises UnknownStore, StoreOutOfScope, StoreClosed."""
    store = Store.objects.filter(code=code).first() if "\x00" not in code else None
    if store is None:
        raise UnknownStore(field="store", code=code)
    if not actor.may_touch_store(store.id):
        raise StoreOutOfScope(field="store", code=code)
    if not store.is_open:
        raise StoreClosed(field="store", code=code)
    return store


def active_member(member_id: UUID) -> None:
    """Raises UnknownMember or MemberNotActive."""
    status = Member.objects.filter(id=member_id).values_list("status", flat=True).first()
    if status is None:
        raise UnknownMember(field="member")
    if status != "active":
        raise MemberNotActive(field="member")


def one_line(field: str, text: str, most: int, why: Any) -> str:
    """Text of one line that must say something. Raises InvalidInput with `why`."""
    plain = clean_text(field, text, most)
    if not plain:
        raise InvalidInput(field=field, reason=why)
    return plain
