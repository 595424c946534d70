"""The same request twice has one effect and one answer.

A caller sends a key with every write. The answer is stored in the transaction of the write, so either both
exist or neither does. Refusals are not stored: after the cause is mended, the same key may succeed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import IdempotencyConflict, IdempotencyKeyMissing, InvalidInput
from shuke.core.models import IdempotentCall
from shuke.kit.sql import load

MAX_KEY_CHARS = 120
ANSWERS_KEPT = timedelta(days=7)
_PURGE_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of a write. `replayed` is True when the work was done by an earlier call."""

    status: int
    body: bytes
    replayed: bool
    input_hash: bytes


def input_hash(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: method, path and the bytes of the body."""
    return hashlib.sha256(f"{method.upper()} {path}\n".encode() + body).digest()


def checked_key(key: str | None) -> str:
    """A usable key. Raises IdempotencyKeyMissing, or InvalidInput for one that is too long or not printable
    ASCII.
    """
    if not key:
        raise IdempotencyKeyMissing(field="Idempotency-Key")
    if len(key) > MAX_KEY_CHARS or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            field="Idempotency-Key",
            reason=_("An Idempotency-Key has at most 120 printable ASCII characters."),
        )
    return key


def find_answer(caller_id: UUID, key: str, input_hash: bytes | None = None) -> StoredAnswer | None:
    """The stored answer, or None. One round trip, no lock.

    With `input_hash` given, raises IdempotencyConflict when the stored one differs.
    """
    with connection.cursor() as cursor:
        cursor.execute(load("core", "find_answer"), [caller_id, key])
        row = cursor.fetchone()
    return None if row is None else _answer(row, input_hash)


def run_once(
    *, caller_id: UUID, key: str, input_hash: bytes, now: datetime, work: Callable[[], tuple[int, bytes]]
) -> StoredAnswer:
    """Do `work` (which returns status and body) and store its answer, or return the stored answer of an
    earlier call.

    One transaction around both. Of concurrent twins one works; the others wait for it and return its answer,
    or work themselves when it failed. Raises IdempotencyConflict, and whatever `work` raises; nothing is kept
    then.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM core_lock_answer(%s, %s)", [caller_id, key])
        row = cursor.fetchone()
        if row is not None:
            return _answer(row, input_hash)
        status, body = work()
        cursor.execute(load("core", "store_answer"), [caller_id, key, input_hash, status, body, now])
        return StoredAnswer(status, body, False, input_hash)


def purge_answers(older_than: datetime) -> int:
    """Forget the answers stored before an instant, in small transactions. Returns how many."""
    total = 0
    while True:
        keys = list(
            IdempotentCall.objects.filter(created_at__lt=older_than).values_list("caller_id", "key")[
                :_PURGE_BATCH
            ]
        )
        with connection.cursor() as cursor:
            cursor.execute(
                load("core", "purge_answers"),
                [[caller for caller, _key in keys], [key for _caller, key in keys]],
            )
        total += len(keys)
        if len(keys) < _PURGE_BATCH:
            return total


def _answer(row: tuple[int, bytes, bytes], expected: bytes | None) -> StoredAnswer:
    status, body, stored = row
    stored = bytes(stored)
    if expected is not None and stored != expected:
        raise IdempotencyConflict(field="Idempotency-Key")
    return StoredAnswer(status, bytes(body), True, stored)
