"""Forgiving what a refund left owed: where the programme says so, a second person approves it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from shuke.checkout.documents import transfer_document
from shuke.checkout.errors import NothingOwed, SecondPersonNeeded, UnknownRefund, WriteOffNotAllowed
from shuke.checkout.models import Order, Refund
from shuke.checkout.posting import NewEntry, NewTransfer
from shuke.checkout.refunds.facts import rules_for
from shuke.checkout.refunds.operations import find_order, post
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.ledger.models import Account


def forgivable(order: Order) -> dict[UUID, int]:
    """The refunds of an order that still leave points owed which the programme lets a second person forgive."""
    if order.member_id is None or rules_for(order).shortfall != "write_off":
        return {}
    rows = Refund.objects.filter(order_id=order.id, points_owed__gt=F("debt_written_off"))
    owed = {refund.id: refund.points_owed - refund.debt_written_off for refund in rows}
    if not owed:
        return {}
    debt = _debt(order.member_id)
    return {refund_id: min(units, debt) for refund_id, units in owed.items() if debt}


def _debt(member_id: UUID) -> int:
    found = Account.objects.filter(member_id=member_id, asset="points").values_list("debt", flat=True)
    return found.first() or 0


def write_off_debt(*, actor: Actor, refund_id: UUID, reason: str, now: datetime) -> dict[str, Any]:
    """Forgive what is still owed of the debt that this refund made; one transfer, one audit event.

    Raises UnknownRefund, StoreOutOfScope, WriteOffNotAllowed (the programme's policy is another), SecondPersonNeeded
    (whoever refunded never approves) and NothingOwed.
    """
    refund = Refund.objects.filter(id=refund_id).first()
    if refund is None or refund.member_id is None:
        raise UnknownRefund
    member_id = refund.member_id
    order = find_order(actor, refund.order_id)
    if rules_for(order).shortfall != "write_off":
        raise WriteOffNotAllowed
    if refund.actor == actor.reference:
        raise SecondPersonNeeded
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT ledger_take_book(%s, NULL)", [member_id])
        refund = Refund.objects.select_for_update().get(id=refund_id)
        # Later earnings may have paid some of it already: what is gone cannot be forgiven.
        units = min(refund.points_owed - refund.debt_written_off, _debt(member_id))
        if units <= 0:
            raise NothingOwed
        Refund.objects.filter(id=refund_id).update(debt_written_off=F("debt_written_off") + units)
        entries = (
            NewEntry("member", "points", units, None, {"refund": "written_off"}),
            NewEntry("adjustments", "points", -units, None, None),
        )
        header = {
            "member_id": member_id,
            "occurred_at": now,
            "recorded_at": now,
            "order_id": order.id,
            "refund_id": refund_id,
            "store_id": order.store_id,
            "programme_version_id": order.programme_version_id,
            "actor": actor.reference,
            "reason": reason,
        }
        post(transfer_document(NewTransfer(uuid7(), "adjust", entries, ()), header))
        record_audit(
            actor=actor,
            action="checkout.debt_written_off.v1",
            now=now,
            object_type="order",
            object_id=order.id,
            store_id=order.store_id,
            reason=reason,
            data={"refund_id": str(refund_id), "points": units},
        )
        publish_event(
            name="checkout.debt_written_off.v1",
            member_id=member_id,
            occurred_at=now,
            payload={"order_id": str(order.id), "refund_id": str(refund_id), "points": units},
        )
    return {"refund_id": refund_id, "order_id": order.id, "points_written_off": units}
