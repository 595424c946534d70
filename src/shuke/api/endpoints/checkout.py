"""Quote, commit and read orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.utils.translation import gettext_lazy as _
from ninja import Router

from shuke.api.contracts.checkout import (
    CartIn,
    CommittedOrder,
    Order,
    OrderIn,
    OrderList,
    OrdersQuery,
    Quote,
    QuoteIn,
)
from shuke.api.cursors import BY_TIME, checked_cursor
from shuke.api.endpoint import Call, Reply, endpoint
from shuke.api.stores import covered_store
from shuke.checkout import errors
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import OrderFilters, get_order, list_orders
from shuke.checkout.values import BEST, LineRequest, MemberRef, SaleRequest, TenderRequest
from shuke.core.errors import InvalidInput, TooManyWrongCodes
from shuke.core.values import Scope
from shuke.kit.errors import ShukeError

MOST_FACTS_BYTES = 16 * 1024
SALE_REFUSALS: tuple[type[ShukeError], ...] = (
    errors.UnknownStore,
    errors.StoreClosed,
    errors.StoreOutOfScope,
    errors.UnknownChannel,
    errors.UnknownProduct,
    errors.ProductInactive,
    errors.PriceMissing,
    errors.CurrencyMismatch,
    errors.UnknownMember,
    errors.MemberNotActive,
    errors.EmptyCart,
    errors.BadQuantity,
    errors.AmountOutOfRange,
    errors.NoProgramme,
    errors.BadGiftCardCode,
    errors.UnknownGiftCard,
    TooManyWrongCodes,
    errors.GiftCardNotActive,
    errors.TooManyTenders,
    errors.TooManyCoupons,
    errors.CouponNotUsable,
    *errors.PRICING_REFUSALS.values(),
)

router = Router()
_json = msgspec.json.Encoder()


@endpoint(
    router,
    "POST",
    "/quotes",
    scope=Scope.CHECKOUT_READ,
    body=QuoteIn,
    answers={200: Quote},
    tag="checkout",
    refusals=SALE_REFUSALS,
)
def quote(call: Call, body: QuoteIn) -> tuple[int, dict[str, Any]]:
    """Price a cart.

    Writes nothing. Committing the same cart gives the same figures unless prices, programme, tier or balance change.
    """
    return 200, quote_order(actor=call.caller.as_actor(), sale=_sale(body), now=call.now)


@endpoint(
    router,
    "POST",
    "/orders",
    scope=Scope.CHECKOUT_WRITE,
    body=OrderIn,
    answers={201: CommittedOrder},
    tag="checkout",
    keyed="own",
    refusals=(*SALE_REFUSALS, errors.OrderExists, errors.BadInstant),
)
def commit(call: Call, body: OrderIn) -> Reply:
    """Record a sale.

    Prices the cart, takes and gives points, moves the tier and stores the order in one durable transaction. The answer
    is stored with it: the same Idempotency-Key and body give it again, and sell nothing again.
    """
    answer = commit_order(
        actor=call.caller.as_actor(),
        sale=sale_of(body),
        now=call.now,
        key=call.key,
        input_hash=call.input_hash,
        occurred_at=body.occurred_at,
    )
    return Reply(answer.status, answer.body, answer.replayed)


@endpoint(
    router,
    "GET",
    "/orders",
    scope=Scope.CHECKOUT_READ,
    query=OrdersQuery,
    answers={200: OrderList},
    tag="checkout",
    refusals=(InvalidInput,),
)
def orders(call: Call, query: OrdersQuery) -> tuple[int, dict[str, Any]]:
    """List orders, newest first.

    A key that covers some stores sees the orders of those.
    """
    stores = call.stores
    if not isinstance(query.store, msgspec.UnsetType):
        stores = frozenset({covered_store(call, query.store, "store")})
    page = list_orders(
        OrderFilters(
            member_id=_given(query.member),
            store_ids=stores,
            since=_given(query.since),
            until=_given(query.until),
        ),
        checked_cursor(query.cursor, BY_TIME),
        limit=query.limit,
    )
    return 200, {"orders": page.orders, "next_cursor": page.next_cursor}


@endpoint(
    router,
    "GET",
    "/orders/{order_id}",
    scope=Scope.CHECKOUT_READ,
    answers={200: Order},
    tag="checkout",
    refusals=(errors.OrderNotFound,),
)
def order(call: Call, order_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read an order with its lines and its refunds."""
    return 200, get_order(order_id=order_id, store_ids=call.stores)


def _sale(body: QuoteIn) -> SaleRequest:
    return SaleRequest(
        store=body.store,
        channel=body.channel,
        lines=_lines(body),
        member=_member(body),
        currency=body.currency,
        settled=body.settled,
        points_to_use=body.points_to_use,
        tenders=_tenders(body),
        coupons=_coupons(body),
        all_coupons=body.all_coupons,
    )


def sale_of(body: OrderIn) -> SaleRequest:
    """The sale that a body describes. Raises InvalidInput for facts that are too big."""
    if body.facts is not None and len(_json.encode(body.facts)) > MOST_FACTS_BYTES:
        raise InvalidInput(field="facts", reason=_("Facts may take 16 KiB at most."))
    return SaleRequest(
        store=body.store,
        channel=body.channel,
        lines=_lines(body),
        member=_member(body),
        currency=body.currency,
        settled=body.settled,
        points_to_use=body.points_to_use,
        tenders=_tenders(body),
        coupons=_coupons(body),
        system=body.system,
        number=body.number,
        facts=body.facts,
    )


def _coupons(body: CartIn) -> tuple[str, ...]:
    return (BEST,) if body.coupons == BEST else tuple(body.coupons)


def _lines(body: CartIn) -> tuple[LineRequest, ...]:
    return tuple(
        LineRequest(
            sku=line.sku,
            quantity=thousandths(line.quantity),
            unit_price_minor=line.unit_price_minor,
            list_minor=line.list_minor,
            discounts=tuple((discount.code, discount.minor) for discount in line.discounts),
            tax=line.tax,
        )
        for line in body.lines
    )


def _tenders(body: CartIn) -> tuple[TenderRequest, ...]:
    return tuple(
        TenderRequest(tender.kind, tender.amount_minor, tender.code, tender.reference)
        for tender in body.tenders
    )


def thousandths(quantity: int | str) -> int:
    """The shape has bounded the text already; zero is refused by the checkout, with the line's name."""
    return quantity * 1000 if isinstance(quantity, int) else int(Decimal(quantity) * 1000)


def _member(body: CartIn) -> MemberRef | None:
    given = body.member
    return MemberRef(given.kind, given.value, given.system) if given else None


def _given(value: Any) -> Any:
    return None if isinstance(value, msgspec.UnsetType) else value
