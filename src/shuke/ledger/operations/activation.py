"""Units that had to wait become usable: by an event that someone reports, or because their instant has come.

Time alone decides whether a lot can be spent, so a late run misprices nothing; the run only tells the world, once per lot.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.operations import record_audit
from shuke.core.values import Actor
from shuke.kit.sql import load
from shuke.ledger.logic import WAITING
from shuke.ledger.models import Lot
from shuke.ledger.writing import take_books

ACTIVATION_BATCH = 5000


def activate_lots(
    *, actor: Actor, event: str, now: datetime, member_id: UUID | None = None, order_id: UUID | None = None
) -> int:
    """Report an event: what waits for it, of a member or an order, is usable from now on. Returns how many lots.

    Reported again it finds nothing, and returns 0. What has lapsed while it waited stays lapsed. Publishes
    `ledger.points_activated.v1`. Raises InvalidInput when neither a member nor an order is named.
    """
    if member_id is None and order_id is None:
        raise InvalidInput(field="member_id", reason=_("Name the member or the order."))
    waiting = Lot.objects.filter(pending=True, waits_for=event, active_at=WAITING)
    if member_id is not None:
        waiting = waiting.filter(member_id=member_id)
    if order_id is not None:
        waiting = waiting.filter(order_id=order_id)
    with transaction.atomic():
        members = list(waiting.values_list("member_id", flat=True).distinct())
        if not members:
            return 0
        take_books(members)
        with connection.cursor() as cursor:
            cursor.execute(
                load("ledger", "activate_by_event"),
                {"members": members, "order": order_id, "event": event, "waiting": WAITING, "now": now},
            )
            activated: int = cursor.fetchone()[0]
        if activated and actor.kind != "system":
            record_audit(
                actor=actor,
                action="ledger.points_activated.v1",
                now=now,
                object_type="order" if order_id else "member",
                object_id=order_id or members[0],
                data={"event": event, "lots": activated},
            )
    return activated


def announce_active(*, now: datetime, limit: int = ACTIVATION_BATCH) -> int:
    """Announce one batch of lots whose instant has come. Returns how many: 0 when none is left that is not in other hands.

    Publishes `ledger.points_activated.v1` per member and asset, in the transaction that ends the waiting: exactly once,
    whoever else runs and whenever it is killed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(load("ledger", "announce_active"), {"now": now, "limit": limit})
        announced: int = cursor.fetchone()[0]
    return announced
