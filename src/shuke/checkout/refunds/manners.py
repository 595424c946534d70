"""Sales that were never completed: voided at the till the same day, or cancelled before the goods were handed over.

Both leave nothing behind: spent points and coupons return and earned points are taken back whatever the policies say of a
refund.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from shuke.checkout.errors import (
    AlreadyDelivered,
    AlreadyRefunded,
    NotForDelivery,
    PartlyRefunded,
    VoidTooLate,
)
from shuke.checkout.models import Delivery, Order, OrderStatus, RefundKind
from shuke.checkout.refunds.facts import OrderState, rules_for
from shuke.checkout.refunds.logic import Rules
from shuke.checkout.refunds.operations import Manner, find_order, give_back, quote
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, RefundRequest
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.clock import local_date
from shuke.loyalty.queries import programme_at

DELIVERY_PENDING = "pending"
"""The fact `delivery` of an order whose goods are still to be handed over."""


def _never_was(order: Order) -> Rules:
    if order.member_id is None or order.programme_version_id is None:
        return replace(rules_for(order), restore_coupons=True)
    return replace(
        rules_for(order), return_spent=True, claw_back=True, shortfall="debt", restore_coupons=True
    )


def _same_day(state: OrderState, now: datetime) -> None:
    if state.next_seq > 1:
        raise PartlyRefunded
    in_force = programme_at(now)
    zone = in_force.programme.zone if in_force else now.tzinfo
    sold = state.order.occurred_at
    if in_force is None or local_date(sold, in_force.programme.zone) != local_date(
        now, in_force.programme.zone
    ):
        raise VoidTooLate(day=sold.astimezone(zone).date().isoformat())


def _not_delivered(state: OrderState, _now: datetime) -> None:
    if (state.order.facts or {}).get("delivery") != DELIVERY_PENDING:
        raise NotForDelivery
    if Delivery.objects.filter(order_id=state.order.id).exists():
        raise AlreadyDelivered


VOID = Manner(
    RefundKind.VOID, OrderStatus.VOIDED, "checkout.order_voided.v1", _never_was, _same_day, always_review=True
)
CANCELLATION = Manner(
    RefundKind.CANCELLATION,
    OrderStatus.CANCELLED,
    "checkout.order_cancelled.v1",
    _never_was,
    _not_delivered,
    always_review=True,
)


def quote_void(*, actor: Actor, order_id: UUID, now: datetime) -> dict[str, Any]:
    """What a void would give back and take back now. Writes nothing. Raises what `void_order` would."""
    return quote(VOID, actor=actor, order_id=order_id, now=now, request=ALL_THAT_IS_LEFT)


def void_order(*, actor: Actor, order_id: UUID, reason: str, now: datetime) -> dict[str, Any]:
    """Undo a sale of the same local day as if it had not been made.

    Raises OrderNotFound, StoreOutOfScope, AlreadyRefunded, PartlyRefunded, VoidTooLate.
    """
    return give_back(VOID, actor=actor, order_id=order_id, reason=reason, now=now, request=ALL_THAT_IS_LEFT)


def quote_cancellation(
    *, actor: Actor, order_id: UUID, now: datetime, request: RefundRequest = ALL_THAT_IS_LEFT
) -> dict[str, Any]:
    """What a cancellation would give back and take back now. Writes nothing."""
    return quote(CANCELLATION, actor=actor, order_id=order_id, now=now, request=request)


def cancel_order(
    *, actor: Actor, order_id: UUID, reason: str, now: datetime, request: RefundRequest = ALL_THAT_IS_LEFT
) -> dict[str, Any]:
    """Cancel an order, or some of it, before its goods are handed over.

    Raises OrderNotFound, StoreOutOfScope, AlreadyRefunded, NotForDelivery, AlreadyDelivered and REFUND_REFUSALS.
    """
    return give_back(CANCELLATION, actor=actor, order_id=order_id, reason=reason, now=now, request=request)


def deliver_order(*, actor: Actor, order_id: UUID, now: datetime) -> dict[str, Any]:
    """Say that the goods of an order were handed over: from now on it can be refunded, no longer cancelled.

    Publishes `checkout.order_delivered.v1`. Raises OrderNotFound, StoreOutOfScope, NotForDelivery, AlreadyDelivered and
    AlreadyRefunded.
    """
    find_order(actor, order_id)
    with transaction.atomic():
        # The row is what a cancellation locks too: one of the two comes first.
        order = Order.objects.select_for_update().get(id=order_id)
        if order.status != OrderStatus.COMMITTED:
            raise AlreadyRefunded
        if (order.facts or {}).get("delivery") != DELIVERY_PENDING:
            raise NotForDelivery
        _delivery, made = Delivery.objects.get_or_create(
            order_id=order_id, defaults={"delivered_at": now, "actor": actor.reference}
        )
        if not made:
            raise AlreadyDelivered
        record_audit(
            actor=actor,
            action="checkout.order_delivered.v1",
            now=now,
            object_type="order",
            object_id=order.id,
            store_id=order.store_id,
        )
        publish_event(
            name="checkout.order_delivered.v1",
            member_id=order.member_id,
            occurred_at=now,
            payload={"order_id": str(order.id)},
        )
    return {"order_id": order_id, "delivered_at": now}
