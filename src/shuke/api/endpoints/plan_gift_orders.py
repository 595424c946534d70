"""Gift codes of a plan in bulk: ordered and made by a job, watched, read, paid back.

Reading codes wants the scope of unique codes, which a till has no need of: whoever has a code has the plan.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from ninja import Router

from shuke.api.contracts.plan_gift_orders import (
    PlanGiftCodes,
    PlanGiftCodesIn,
    PlanGiftOrderFile,
    PlanGiftOrderIn,
    PlanGiftOrderList,
    PlanGiftOrderOut,
    PlanGiftOrdersQuery,
)
from shuke.api.contracts.plans import TakeBackIn
from shuke.api.cursors import checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.api.endpoints.plans import sale_of
from shuke.catalog.errors import UnknownStore
from shuke.core.errors import InvalidInput
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Scope
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.plans import errors, gift_orders
from shuke.loyalty.plans.models import GiftState, PlanGiftOrder

router = Router()
BY_ID = (UUID,)


@endpoint(
    router,
    "POST",
    "/plan-gift-orders",
    scope=Scope.COUPONS_CODES,
    body=PlanGiftOrderIn,
    answers={201: PlanGiftOrderOut},
    tag="plans",
    keyed="once",
    refusals=(NoProgramme, InvalidInput, UnknownStore, errors.UnknownPlan, errors.PlanNotOnSale),
)
def order_plan_gifts(call: Call, body: PlanGiftOrderIn) -> tuple[int, dict[str, Any]]:
    """Sell gift codes for a plan in bulk.

    A job makes them in the background; ask the order how far it is. They are paid for with the order. A key of one store sells
    there, a key of several must name one; an order without a store is the head office's.
    """
    made = gift_orders.order_gifts(
        actor=call.caller.as_actor(),
        plan=body.plan,
        sale=sale_of(call, body.tender, body.reference, body.store),
        count=body.count,
        remark=body.note,
        now=call.now,
    )
    return 201, _told(made)


@endpoint(
    router,
    "GET",
    "/plan-gift-orders",
    scope=Scope.CHECKOUT_READ,
    query=PlanGiftOrdersQuery,
    answers={200: PlanGiftOrderList},
    tag="plans",
    refusals=(InvalidInput,),
)
def plan_gift_orders(call: Call, query: PlanGiftOrdersQuery) -> tuple[int, dict[str, Any]]:
    """List the orders for gift codes, newest first.

    A key that covers some stores sees what was sold there; what the head office sold only a key for all stores sees.
    """
    cursor = checked_cursor(query.cursor, BY_ID)
    found = gift_orders.list_gift_orders(
        plan="" if isinstance(query.plan, msgspec.UnsetType) else query.plan,
        limit=query.limit + 1,
        before=decode_cursor(cursor, UUID)[0] if cursor else None,
        actor=call.caller.as_actor(),
    )
    page = found[: query.limit]
    more = encode_cursor([page[-1].id]) if len(found) > query.limit else None
    return 200, {"orders": [_told(each) for each in page], "next_cursor": more}


@endpoint(
    router,
    "GET",
    "/plan-gift-orders/{order_id}",
    scope=Scope.CHECKOUT_READ,
    answers={200: PlanGiftOrderFile},
    tag="plans",
    refusals=(errors.UnknownGiftOrder,),
)
def plan_gift_order(call: Call, order_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read an order for gift codes: how many are made, and what became of them."""
    return 200, _file(gift_orders.get_gift_order(order_id, actor=call.caller.as_actor()))


@endpoint(
    router,
    "POST",
    "/plan-gift-orders/{order_id}/codes",
    scope=Scope.COUPONS_CODES,
    body=PlanGiftCodesIn,
    answers={200: PlanGiftCodes},
    tag="plans",
    refusals=(InvalidInput, errors.UnknownGiftOrder, errors.GiftOrderNotReady, errors.GiftOrderEnded),
)
def plan_gift_codes(call: Call, order_id: UUID, body: PlanGiftCodesIn) -> tuple[int, dict[str, Any]]:
    """Read codes of a finished order that nobody has redeemed.

    They are stored nowhere: they are made again from a key outside the database. Each call is in the audit log.
    """
    found = gift_orders.read_gift_codes(
        actor=call.caller.as_actor(),
        order_id=order_id,
        now=call.now,
        reason=body.reason,
        limit=body.limit + 1,
        after=body.after,
    )
    page = found[: body.limit]
    return 200, {
        "codes": [{"id": gift_id, "code": code} for gift_id, code in page],
        "next": page[-1][0] if len(found) > body.limit else None,
    }


@endpoint(
    router,
    "POST",
    "/plan-gift-orders/{order_id}/take-back",
    scope=Scope.COUPONS_CODES,
    body=TakeBackIn,
    answers={200: PlanGiftOrderFile},
    tag="plans",
    keyed="once",
    refusals=(
        InvalidInput,
        UnknownStore,
        errors.UnknownGiftOrder,
        errors.GiftOrderNotReady,
        errors.GiftOrderEnded,
    ),
)
def plan_gifts_taken_back(call: Call, order_id: UUID, body: TakeBackIn) -> tuple[int, dict[str, Any]]:
    """Pay back what nobody has redeemed of an order.

    Those codes are void from now on. Plans that began stay.
    """
    done = gift_orders.take_back_gifts(
        actor=call.caller.as_actor(),
        order_id=order_id,
        sale=sale_of(call, body.tender, body.reference, body.store),
        reason=body.reason,
        now=call.now,
    )
    return 200, _file(done)


def _told(order: PlanGiftOrder) -> dict[str, Any]:
    names = (name for name in PlanGiftOrderOut.__struct_fields__ if name != "store")
    return {
        **{name: getattr(order, name) for name in names},
        "store": order.store.code if order.store else None,
    }


def _file(order: PlanGiftOrder) -> dict[str, Any]:
    states = gift_orders.gifts_by_state(order.id)
    return {
        **_told(order),
        "open": states.get(GiftState.ISSUED, 0),
        "redeemed": states.get(GiftState.REDEEMED, 0),
    }
