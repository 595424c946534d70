"""Write the audit log, and seal what no open transaction can still add to."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.audit_hash import NO_SEAL, plain_data, row_digest, seal_hash
from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent, AuditSeal
from shuke.core.requests import current_request_id
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.kit.sql import load

REASON_CHARS = 300
SEAL_ROWS = 50_000
_SEAL_LOCK = 0x5EA1_0001

_log = logging.getLogger("shuke.audit")


def record_audit(
    *,
    actor: Actor,
    action: str,
    now: datetime,
    object_type: str = "",
    object_id: UUID | str = "",
    store_id: UUID | None = None,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Write one act into the audit log, in the transaction of the act. One round trip.

    `data` holds ids and figures, never personal data. Raises InvalidInput for a reason beyond 300 characters.
    """
    if len(reason) > REASON_CHARS:
        raise InvalidInput(field="reason", reason=_("Give a reason of at most 300 characters."))
    event = AuditEvent(
        id=uuid7(),
        occurred_at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:80],
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        store_id=store_id,
        reason=reason,
        data=plain_data(data or {}),
        request_id=current_request_id(),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            load("core", "record_audit"),
            [
                event.id, event.occurred_at, event.actor_kind, event.actor_id, event.actor_name, event.action,
                event.object_type, event.object_id, event.store_id, event.reason, json.dumps(event.data),
                event.request_id, row_digest(event),
            ],
        )  # fmt: skip
        event.txid, event.hash = cursor.fetchone()
    event._state.adding = False
    return event


def seal_audit(*, now: datetime, limit: int = SEAL_ROWS) -> AuditSeal | None:
    """Seal the rows that no open transaction can still join: the next link of the chain, or None when there
    are none.

    About `limit` rows at most; a transaction is never split. Only one process seals at a time, others return
    None. The new head is logged (`shuke.audit`): kept outside the database, it proves later that the tail was
    not cut off.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SEAL_LOCK])
        if not cursor.fetchone()[0]:
            return None
        last = AuditSeal.objects.order_by("-number").first()
        after = last.through_txid if last else 0
        cursor.execute(load("core", "seal_range"), {"after": after, "limit": limit})
        through = cursor.fetchone()[0]
        if through is None:
            return None
        cursor.execute(load("core", "seal_rows"), {"after": after, "through": through})
        rows, hashes = cursor.fetchone()
        seal = AuditSeal(
            number=last.number + 1 if last else 1,
            sealed_at=now,
            after_txid=after,
            through_txid=through,
            rows=rows,
            root=hashlib.sha256(hashes).digest(),
            previous=bytes(last.hash) if last else NO_SEAL,
        )
        seal.hash = seal_hash(seal)
        seal.save(force_insert=True)
    _log.info("audit seal %d:%s covers %d rows", seal.number, seal.hash.hex(), seal.rows)
    return seal
