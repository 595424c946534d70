"""The hashes of the audit log: what they cover, and why nobody without the keyset can forge them.

A row's hash is SHA-256 over a keyed digest of all its columns and the number of the transaction that wrote
it. A seal's hash is a keyed digest of its own columns, the root over the row hashes of its range, and the
hash of the seal before it. The key lives in the secrets folder, so write access to the database alone does
not make a valid row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

from shuke.core.keyset import keyset
from shuke.core.models import AuditEvent, AuditSeal

FORMAT = 1
NO_SEAL = b"\x00" * 16
"""`previous` of the first seal."""


def plain_data(value: Any) -> Any:
    """`value` as JSON will give it back: ids, instants and decimals as text, sets sorted, keys text.

    Raises TypeError for floats (no figure of ours is one) and for anything else that JSON does not know.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case UUID() | Decimal() | Promise():
            return str(value)
        case datetime():
            return _instant(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain_data(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted(plain_data(item) for item in value)
        case list() | tuple():
            return [plain_data(item) for item in value]
    raise TypeError(f"audit data cannot hold {type(value).__name__}")


def row_digest(event: AuditEvent) -> bytes:
    """The keyed digest of every column but `hash` and `txid`; the database knows the latter only when it
    writes.
    """
    return _digest(
        "core.audit_row",
        [
            FORMAT,
            str(event.id),
            _instant(event.occurred_at),
            event.actor_kind,
            str(event.actor_id or ""),
            event.actor_name,
            event.action,
            event.object_type,
            event.object_id,
            str(event.store_id or ""),
            event.reason,
            event.data,
            event.request_id,
        ],
    )


def row_hash(event: AuditEvent) -> bytes:
    """What `hash` must be. `record_audit.sql` computes the same."""
    return hashlib.sha256(row_digest(event) + str(event.txid).encode()).digest()


def seal_hash(seal: AuditSeal) -> bytes:
    """What the `hash` of a seal must be."""
    return _digest(
        "core.audit_seal",
        [
            FORMAT,
            seal.number,
            _instant(seal.sealed_at),
            seal.after_txid,
            seal.through_txid,
            seal.rows,
            bytes(seal.root).hex(),
            bytes(seal.previous).hex(),
        ],
    )


def _digest(column: str, values: list[Any]) -> bytes:
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return keyset().blind_index(column, text)


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")
