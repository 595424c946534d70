"""Give orders back, in part or whole: refunds, voids, cancellations, exchanges; and claim a sale by its receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from ninja import Router

from shuke.api.contracts.refunds import (
    AttachIn,
    AttachOut,
    DeliveryOut,
    ExchangeIn,
    ExchangeOut,
    ExchangeQuote,
    ExchangeQuoteIn,
    PartIn,
    ReasonIn,
    RefundIn,
    RefundOut,
    RefundQuote,
    WriteOffOut,
)
from shuke.api.endpoint import Call, endpoint
from shuke.api.endpoints.checkout import SALE_REFUSALS, sale_of, thousandths
from shuke.checkout import errors, refunds
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.values import MemberRef
from shuke.core.errors import IdempotencyConflict, InvalidInput
from shuke.core.values import Scope
from shuke.kit.errors import ShukeError

REFUND_REFUSALS: tuple[type[ShukeError], ...] = (
    errors.OrderNotFound,
    *errors.REFUND_REFUSALS.values(),
    InvalidInput,
)

router = Router()


@endpoint(
    router,
    "GET",
    "/orders/{order_id}/refund-quote",
    scope=Scope.CHECKOUT_READ,
    answers={200: RefundQuote},
    tag="checkout",
    refusals=(errors.OrderNotFound, errors.AlreadyRefunded),
)
def refund_quote(call: Call, order_id: UUID) -> tuple[int, dict[str, Any]]:
    """See what refunding all that is left would do.

    Money back, points back, points taken back, and what the member would owe. Writes nothing.
    """
    return 200, _hiding(
        lambda: refunds.quote_refund(actor=call.caller.as_actor(), order_id=order_id, now=call.now)
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/refund-quote",
    scope=Scope.CHECKOUT_READ,
    body=PartIn,
    answers={200: RefundQuote},
    tag="checkout",
    refusals=REFUND_REFUSALS,
)
def partial_refund_quote(call: Call, order_id: UUID, body: PartIn) -> tuple[int, dict[str, Any]]:
    """See what refunding a part would do.

    By lines (goods, value or both) or by a value of the whole order. Writes nothing.
    """
    return 200, _hiding(
        lambda: refunds.quote_refund(
            actor=call.caller.as_actor(), order_id=order_id, now=call.now, request=_part(body)
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/refund",
    scope=Scope.CHECKOUT_WRITE,
    body=RefundIn,
    answers={201: RefundOut},
    tag="checkout",
    keyed="once",
    refusals=(*REFUND_REFUSALS, IdempotencyConflict),
)
def refund(call: Call, order_id: UUID, body: RefundIn) -> tuple[int, dict[str, Any]]:
    """Refund an order, or a part of it.

    Money goes back by tender, spent points return to their own lots and earned points are taken back, in one transaction;
    the tier is looked at again. Any sequence of partial refunds adds up to exactly one full refund.
    """
    reason = _reason(body.reason)
    return 201, _hiding(
        lambda: refunds.refund_order(
            actor=call.caller.as_actor(), order_id=order_id, reason=reason, now=call.now, request=_part(body)
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/void",
    scope=Scope.CHECKOUT_WRITE,
    body=ReasonIn,
    answers={201: RefundOut},
    tag="checkout",
    keyed="once",
    refusals=(
        errors.OrderNotFound,
        errors.AlreadyRefunded,
        errors.PartlyRefunded,
        errors.VoidTooLate,
        IdempotencyConflict,
        InvalidInput,
    ),
)
def void(call: Call, order_id: UUID, body: ReasonIn) -> tuple[int, dict[str, Any]]:
    """Void a sale of the same day.

    Undoes it as if it had not been made, whatever the programme says of refunds.
    """
    reason = _reason(body.reason)
    return 201, _hiding(
        lambda: refunds.void_order(
            actor=call.caller.as_actor(), order_id=order_id, reason=reason, now=call.now
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/cancellation-quote",
    scope=Scope.CHECKOUT_READ,
    body=PartIn,
    answers={200: RefundQuote},
    tag="checkout",
    refusals=(*REFUND_REFUSALS, errors.NotForDelivery, errors.AlreadyDelivered),
)
def cancellation_quote(call: Call, order_id: UUID, body: PartIn) -> tuple[int, dict[str, Any]]:
    """See what a cancellation would do.

    Writes nothing.
    """
    return 200, _hiding(
        lambda: refunds.quote_cancellation(
            actor=call.caller.as_actor(), order_id=order_id, now=call.now, request=_part(body)
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/cancellation",
    scope=Scope.CHECKOUT_WRITE,
    body=RefundIn,
    answers={201: RefundOut},
    tag="checkout",
    keyed="once",
    refusals=(*REFUND_REFUSALS, errors.NotForDelivery, errors.AlreadyDelivered, IdempotencyConflict),
)
def cancel(call: Call, order_id: UUID, body: RefundIn) -> tuple[int, dict[str, Any]]:
    """Cancel an order, or a part of it, before its goods are handed over.

    For orders whose facts say `"delivery": "pending"`. What is cancelled leaves nothing behind, whatever the programme
    says of refunds.
    """
    reason = _reason(body.reason)
    return 201, _hiding(
        lambda: refunds.cancel_order(
            actor=call.caller.as_actor(), order_id=order_id, reason=reason, now=call.now, request=_part(body)
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/delivery",
    scope=Scope.CHECKOUT_WRITE,
    answers={201: DeliveryOut},
    tag="checkout",
    keyed="once",
    refusals=(
        errors.OrderNotFound,
        errors.AlreadyRefunded,
        errors.NotForDelivery,
        errors.AlreadyDelivered,
        IdempotencyConflict,
    ),
)
def deliver(call: Call, order_id: UUID) -> tuple[int, dict[str, Any]]:
    """Say that the goods of an order were handed over.

    From then on it is refunded, no longer cancelled.
    """
    return 201, _hiding(
        lambda: refunds.deliver_order(actor=call.caller.as_actor(), order_id=order_id, now=call.now)
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/exchange-quote",
    scope=Scope.CHECKOUT_WRITE,
    body=ExchangeQuoteIn,
    answers={200: ExchangeQuote},
    tag="checkout",
    refusals=(*REFUND_REFUSALS, *SALE_REFUSALS, errors.OrderExists),
)
def exchange_quote(call: Call, order_id: UUID, body: ExchangeQuoteIn) -> tuple[int, dict[str, Any]]:
    """See what an exchange would come to.

    The act itself, rolled back: it promises nothing that would be refused. Keeps nothing.
    """
    return 200, _hiding(
        lambda: refunds.quote_exchange(
            actor=call.caller.as_actor(),
            order_id=order_id,
            request=_part(body),
            sale=sale_of(body.order),
            now=call.now,
        )
    )


@endpoint(
    router,
    "POST",
    "/orders/{order_id}/exchange",
    scope=Scope.CHECKOUT_WRITE,
    body=ExchangeIn,
    answers={201: ExchangeOut},
    tag="checkout",
    keyed="once",
    refusals=(*REFUND_REFUSALS, *SALE_REFUSALS, errors.OrderExists, IdempotencyConflict),
)
def exchange(call: Call, order_id: UUID, body: ExchangeIn) -> tuple[int, dict[str, Any]]:
    """Take goods back and sell others in one act.

    The new sale belongs to the member who bought; points that come back can be spent on it.
    """
    reason = _reason(body.reason)
    return 201, _hiding(
        lambda: refunds.exchange_order(
            actor=call.caller.as_actor(),
            order_id=order_id,
            request=_part(body),
            sale=sale_of(body.order),
            reason=reason,
            now=call.now,
        )
    )


@endpoint(
    router,
    "POST",
    "/refunds/{refund_id}/write-off",
    scope=Scope.LEDGER_WRITE,
    body=ReasonIn,
    answers={201: WriteOffOut},
    tag="checkout",
    keyed="once",
    refusals=(
        errors.UnknownRefund,
        errors.WriteOffNotAllowed,
        errors.SecondPersonNeeded,
        errors.NothingOwed,
        IdempotencyConflict,
        InvalidInput,
    ),
)
def write_off(call: Call, refund_id: UUID, body: ReasonIn) -> tuple[int, dict[str, Any]]:
    """Forgive what a refund left owed.

    Where the programme says so; never by the key that refunded.
    """
    reason = _reason(body.reason)
    try:
        return 201, refunds.write_off_debt(
            actor=call.caller.as_actor(), refund_id=refund_id, reason=reason, now=call.now
        )
    except errors.StoreOutOfScope as error:
        raise errors.UnknownRefund from error


@endpoint(
    router,
    "POST",
    "/receipts/attach",
    scope=Scope.CHECKOUT_WRITE,
    body=AttachIn,
    answers={201: AttachOut},
    tag="checkout",
    keyed="once",
    refusals=(
        errors.UnknownReceipt,
        errors.OrderHasMember,
        errors.AlreadyRefunded,
        errors.ReceiptTooOld,
        errors.UnknownMember,
        errors.MemberNotActive,
        errors.StoreClosed,
        errors.NoProgramme,
        IdempotencyConflict,
    ),
)
def attach(call: Call, body: AttachIn) -> tuple[int, dict[str, Any]]:
    """Give a sale without a member to the one who holds its receipt.

    For as many days as the programme's `attach_days` says. It earns what it would have earned, less the part of what was
    given back before; its prices stay.
    """
    member = MemberRef(body.member.kind, body.member.value, body.member.system)
    try:
        return 201, attach_order(
            actor=call.caller.as_actor(), receipt=body.receipt, member=member, now=call.now
        )
    except errors.StoreOutOfScope as error:
        raise errors.UnknownReceipt(field="receipt") from error


def _part(body: PartIn) -> RefundRequest:
    return RefundRequest(
        lines=tuple(
            LineBack(
                line.line_no,
                None if line.quantity is None else thousandths(line.quantity),
                line.sales_minor,
            )
            for line in body.lines
        ),
        sales_minor=body.sales_minor,
    )


def _reason(raw: str) -> str:
    reason = raw.strip()
    if not reason or not reason.isprintable():
        raise InvalidInput(field="reason", reason=_("A reason is one line of at most 300 characters."))
    return reason


def _hiding(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """An order of a store that the key does not cover is not there for it."""
    try:
        return act()
    except errors.StoreOutOfScope as error:
        raise errors.OrderNotFound from error
