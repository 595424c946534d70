"""Read the facts of the outbox, each once per consumer, in the order of the transactions that wrote them.

A fact becomes readable when no transaction that began before its own is still open: numbers are drawn in one
order and committed in another, and a reader that went by the number alone would pass over the late ones. A
long transaction therefore delays readers; it never makes them miss anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shuke.core.models import OutboxCursor
from shuke.kit.sql import load


@dataclass(frozen=True, slots=True)
class Event:
    """A published fact."""

    id: int
    txid: int
    name: str
    member_id: UUID | None
    occurred_at: datetime
    payload: dict[str, Any]


def read_batch(consumer: str, limit: int) -> list[Event]:
    """The next events of a consumer, oldest first; empty when there are none or another worker is at it.

    Locks the consumer's cursor until the surrounding transaction ends, in which `advance` must follow. Raises
    TransactionManagementError outside `atomic()`. A new consumer begins with the oldest event kept.
    """
    with connection.cursor() as cursor:
        place = _locked_place(consumer)
        if place is None:
            return []
        cursor.execute(load("core", "read_events"), [*place, limit])
        # Django leaves JSON of plain statements as text.
        return [
            Event(event_id, txid, name, member_id, occurred_at, json.loads(payload))
            for event_id, txid, name, member_id, occurred_at, payload in cursor.fetchall()
        ]


def advance(consumer: str, event: Event, *, now: datetime | None = None) -> None:
    """Remember `event` as the last one handled, in the transaction of `read_batch`."""
    OutboxCursor.objects.filter(consumer=consumer).update(txid=event.txid, event_id=event.id, updated_at=now)


def consume(*, consumer: str, limit: int, now: datetime, handle: Callable[[list[Event]], None]) -> int:
    """Hand the next batch to `handle` and move on, in one transaction; returns its size.

    What `handle` writes to this database happens exactly once; what it does elsewhere may be repeated after a
    crash.
    """
    with transaction.atomic():
        events = read_batch(consumer, limit)
        if events:
            handle(events)
            advance(consumer, events[-1], now=now)
    return len(events)


def _locked_place(consumer: str) -> tuple[int, int] | None:
    places = OutboxCursor.objects.select_for_update(skip_locked=True).filter(consumer=consumer)
    place = places.values_list("txid", "event_id").first()
    if place is None and not OutboxCursor.objects.filter(consumer=consumer).exists():
        OutboxCursor.objects.bulk_create([OutboxCursor(consumer=consumer)], ignore_conflicts=True)
        place = places.values_list("txid", "event_id").first()
    return place
