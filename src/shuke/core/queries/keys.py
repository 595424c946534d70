"""Who calls the API: the hot look-up of a bearer key, and the list of keys for the console."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import F

from shuke.core.errors import KeyExpired, MissingScope, OutOfStoreScope, Unauthenticated
from shuke.core.models import ApiKey
from shuke.core.values import Actor, Scope
from shuke.kit.sql import load

_KEY_START = "sk_live_"
_MAX_KEY_CHARS = 120

KEY_SECONDS = 1.0
MOST_KEYS = 4096
_read: dict[bytes, tuple[float, tuple[Any, ...]]] = {}
"""Digest of a live key's secret → when its row was read, and the row."""

_marked_lock = threading.Lock()
_marked: dict[UUID, date] = {}


@dataclass(frozen=True, slots=True)
class KeyCaller:
    """An authenticated API key and what it may do."""

    id: UUID
    name: str
    scopes: frozenset[str]
    all_stores: bool
    store_ids: frozenset[UUID]

    def as_actor(self) -> Actor:
        """The key as the actor of an operation."""
        return Actor("key", self.id, self.name, self.all_stores, self.store_ids)

    def require(self, scope: Scope) -> None:
        """Raises MissingScope unless the key has the scope."""
        if scope not in self.scopes:
            raise MissingScope(scope=scope)

    def require_store(self, store_id: UUID | None) -> None:
        """Raises OutOfStoreScope unless the key covers the store (None: the thing belongs to no store)."""
        if not (self.all_stores or store_id is None or store_id in self.store_ids):
            raise OutOfStoreScope


def authenticate_key(*, secret: str, now: datetime) -> KeyCaller:
    """The caller behind a bearer secret, read at most once a second and process, so that a busy till pays no round trip.

    A revocation counts at once in the process that made it and within a second everywhere.
    Raises Unauthenticated for an unknown or revoked key, KeyExpired.
    """
    if not secret.startswith(_KEY_START) or len(secret) > _MAX_KEY_CHARS:
        raise Unauthenticated
    digest = hashlib.sha256(secret.encode()).digest()
    moment = time.monotonic()
    read_at, row = _read.get(digest, (0.0, None))
    if row is None or moment - read_at > KEY_SECONDS:
        row = _row(digest, moment)
    key_id, name, scopes, all_stores, stores, expires_at, last_used_on = row
    if expires_at is not None and expires_at <= now:
        raise KeyExpired
    today = now.date()
    if last_used_on != today and _marked.get(key_id) != today:
        _mark_used(key_id, today)
    return KeyCaller(key_id, name, _scopes(scopes), all_stores, _store_ids(stores))


def _row(digest: bytes, moment: float) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(load("core", "authenticate_key"), [digest])
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        _read.pop(digest, None)
        raise Unauthenticated
    if len(_read) >= MOST_KEYS:
        _read.clear()
    _read[digest] = (moment, row)  # the age counts from before the reading
    return row


def forget_keys() -> None:
    """Read every key afresh at its next call: after a revocation."""
    _read.clear()


def list_api_keys() -> list[ApiKey]:
    """Every key, live ones first, then the newest first; `created_by` is loaded."""
    live_first = F("revoked_at").asc(nulls_first=True)
    return list(ApiKey.objects.select_related("created_by").order_by(live_first, "-created_at"))


@lru_cache(maxsize=1024)
def _scopes(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=1024)
def _store_ids(text: str) -> frozenset[UUID]:
    return frozenset(map(UUID, text.split()))


def _mark_used(key_id: UUID, today: date) -> None:
    """Note the day of use: once a day and process, waiting for nobody, never a reason for a call to fail."""
    with _marked_lock:
        if _marked.get(key_id) == today:
            return
        _marked[key_id] = today
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(load("core", "mark_key_used"), {"id": key_id, "today": today})
    except DatabaseError:
        with _marked_lock:
            _marked.pop(key_id, None)
