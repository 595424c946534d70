"""An exchange: goods back and other goods out in one act. Either both happen or neither does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from shuke.checkout.models import Order, OrderStatus, Refund, RefundKind
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.refunds.operations import Manner, find_order, give_back
from shuke.checkout.refunds.values import RefundRequest
from shuke.checkout.values import MemberRef, SaleRequest
from shuke.core.values import Actor

EXCHANGE = Manner(RefundKind.EXCHANGE, OrderStatus.REFUNDED, "checkout.order_exchanged.v1")

_OF_A_REFUND = ("id", "kind", "occurred_at", "tier", "exchange_order_id")
_OF_AN_ORDER = ("id", "system", "number", "status", "occurred_at", "receipt_code")


def exchange_order(
    *,
    actor: Actor,
    order_id: UUID,
    request: RefundRequest,
    sale: SaleRequest,
    reason: str,
    now: datetime,
    seen: int | None = None,
) -> dict[str, Any]:
    """Refund some of an order and sell something else to the same member, in one transaction.

    `balance_minor` is what the customer pays (+) or gets (−) in the end. The new sale belongs to the member who bought;
    one that had no member may name one. Points that come back can be spent at once. Raises what `refund_order` and
    `commit_order` raise; then nothing is written.
    """
    order = find_order(actor, order_id)
    sale = _for_the_buyer(order, sale)
    with transaction.atomic():
        # Looked at first: both halves happen at one instant, never before the sale that is given back.
        at = max(now, order.occurred_at)
        refund = give_back(
            EXCHANGE, actor=actor, order_id=order_id, reason=reason, now=now, request=request, seen=seen
        )
        sold = json.loads(commit_order(actor=actor, sale=sale, now=at).body)
        Refund.objects.filter(id=refund["id"]).update(exchange_order_id=sold["id"])
    due = sold.get("due_minor", sold["payable_minor"])
    return {
        "refund": {**refund, "exchange_order_id": UUID(sold["id"])},
        "order": sold,
        "balance_minor": due - refund["money_back_minor"],
    }


def quote_exchange(
    *, actor: Actor, order_id: UUID, request: RefundRequest, sale: SaleRequest, now: datetime
) -> dict[str, Any]:
    """What `exchange_order` would answer now: the same act, rolled back, so it promises nothing that would be refused."""
    with transaction.atomic():
        answer = exchange_order(
            actor=actor, order_id=order_id, request=request, sale=sale, reason="quote", now=now
        )
        transaction.set_rollback(True)
    # What only a recorded act has: its ids, its number, its instant.
    for half, names in (("refund", _OF_A_REFUND), ("order", _OF_AN_ORDER)):
        for name in names:
            answer[half].pop(name, None)
    return answer


def price_exchange(
    *, actor: Actor, order_id: UUID, request: RefundRequest, sale: SaleRequest, now: datetime
) -> dict[str, Any]:
    """An exchange as a till shows it while the new cart is still being filled.

    `order` is the quote of the new cart after the goods are back: what came back can pay already. Writes nothing. Raises
    what `refund_order` and `quote_order` would.
    """
    order = find_order(actor, order_id)
    sale = _for_the_buyer(order, sale)
    with transaction.atomic():
        at = max(now, order.occurred_at)
        refund = give_back(EXCHANGE, actor=actor, order_id=order_id, reason="quote", now=now, request=request)
        quoted = quote_order(actor=actor, sale=sale, now=at)
        transaction.set_rollback(True)
    return {
        "refund": refund,
        "order": quoted,
        "balance_minor": quoted["due_minor"] - refund["money_back_minor"],
    }


def _for_the_buyer(order: Order, sale: SaleRequest) -> SaleRequest:
    """The new sale belongs to whoever bought the goods that come back."""
    if order.member_id is None:
        return sale
    return replace(sale, member=MemberRef("id", str(order.member_id)))
