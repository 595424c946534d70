"""Put facts into the outbox, and forget those that every consumer has read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from shuke.core.audit_hash import plain_data
from shuke.kit.sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A past-tense fact about to be published. The payload holds ids and figures, never personal data."""

    name: str
    member_id: UUID | None
    occurred_at: datetime
    payload: Mapping[str, Any]


def publish_event(
    *, name: str, member_id: UUID | None, occurred_at: datetime, payload: Mapping[str, Any]
) -> None:
    """Record one fact (`room.past_tense.v1`) in the transaction that made it true."""
    publish_events([NewEvent(name=name, member_id=member_id, occurred_at=occurred_at, payload=payload)])


def publish_events(events: Sequence[NewEvent]) -> None:
    """Record several facts of one transaction with one statement; consumers see them in this order."""
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            load("core", "publish_events"),
            [
                [event.name for event in events],
                [event.member_id for event in events],
                [event.occurred_at for event in events],
                [Jsonb(plain_data(event.payload)) for event in events],
            ],
        )


def purge_events(*, older_than: datetime) -> int:
    """Delete the events before an instant that every known consumer has read. Returns how many.

    Without any consumer nothing is deleted: the first one that comes shall find them all.
    """
    with connection.cursor() as cursor:
        cursor.execute(load("core", "purge_events"), [older_than])
        deleted: int = cursor.rowcount
    return deleted
