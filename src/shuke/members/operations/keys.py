"""Renew the wrapping of members' data keys after the keyset was rotated. Profiles themselves are not touched."""

from __future__ import annotations

from django.db import connection, transaction

from shuke.core.keyset import keyset
from shuke.kit.sql import load

BATCH = 2000


def rewrap_keys(*, limit: int = BATCH) -> int:
    """Wrap up to `limit` data keys anew under the primary key of the keyset. Returns how many; 0 means all are done.

    Each call is one transaction; being stopped between two loses nothing. Raises Undecipherable when a key of the
    keyset is missing.
    """
    keys = keyset()
    primary = keys.primary.encode()
    prefix = bytes([len(primary)]) + primary
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(load("members", "stale_keys"), {"prefix": prefix, "size": len(prefix), "limit": limit})
        rows = cursor.fetchall()
        ids = [member_id for member_id, _wrapped in rows]
        renewed = [
            keys.wrap(keys.unwrap(wrapped, member_id.bytes), member_id.bytes) for member_id, wrapped in rows
        ]
        if rows:
            cursor.execute(load("members", "renew_keys"), {"ids": ids, "wrapped": renewed})
    return len(rows)
