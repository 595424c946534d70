"""The price of what stands at the desk: a sale, or an exchange of goods that come back for those in the cart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shuke.checkout.operations import quote_order
from shuke.checkout.refunds import price_exchange, quote_refund
from shuke.checkout.values import SaleRequest
from shuke.console.views.cashier.cart import Cart, Swap
from shuke.core.models import Staff
from shuke.kit.errors import ShukeError

BACK = "back"
"""The field of a refusal that is about what comes back, not about the cart."""


def quote_cart(staff: Staff, cart: Cart, sale: SaleRequest, now: datetime) -> dict[str, Any]:
    """The quote of this sale. `balance_minor`: what the customer pays in the end, negative what they get.

    In an exchange `refund` is what comes back. Raises what the quote of a sale and of a refund raise; the latter at BACK.
    """
    actor = staff.as_actor()
    if cart.swap is None:
        body = quote_order(actor=actor, sale=sale, now=now)
        return {**body, "balance_minor": body["due_minor"]}
    plan_back(staff, cart.swap, now)
    order_id, part = cart.swap.order_id, cart.swap.part
    both = price_exchange(actor=actor, order_id=order_id, request=part, sale=sale, now=now)
    return {**both["order"], "balance_minor": both["balance_minor"], "refund": both["refund"]}


def plan_back(staff: Staff, swap: Swap, now: datetime) -> dict[str, Any]:
    """What comes back, by itself. Raises the refusals of a refund, at BACK."""
    try:
        return quote_refund(actor=staff.as_actor(), order_id=swap.order_id, now=now, request=swap.part)
    except ShukeError as refusal:
        refusal.field = BACK
        raise
