"""Move assets by hand: adjustments, holds, transfers between members, activations; and what members owe."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Model, QuerySet
from ninja import Router

from shuke.api.contracts.moves import (
    Activation,
    ActivationIn,
    AdjustmentIn,
    AdjustmentOut,
    Adjustments,
    AdjustmentsQuery,
    CaptureIn,
    Debts,
    DebtsQuery,
    GiftIn,
    GiftOut,
    Gifts,
    HoldIn,
    HoldOut,
    Holds,
    RejectIn,
)
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import BY_NAME, BY_TIME, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.models import Order
from shuke.core.errors import IdempotencyConflict, InvalidInput, NotAllowed, NotFound
from shuke.core.values import Scope
from shuke.ledger import errors, operations
from shuke.ledger.moves import (
    debts_page,
    get_adjustment,
    get_hold,
    list_adjustments,
    list_gifts,
    list_holds,
)
from shuke.loyalty import books
from shuke.loyalty.errors import NoProgramme
from shuke.members.queries import get_candidate

router = Router()


@endpoint(
    router,
    "POST",
    "/members/{member_id}/adjustments",
    scope=Scope.LEDGER_WRITE,
    body=AdjustmentIn,
    answers={201: AdjustmentOut},
    tag="ledger",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        errors.UnknownAsset,
        errors.UnknownHolder,
        errors.AdjustmentNotAllowed,
        errors.AdjustmentBeyondLimit,
        errors.NotEnough,
        errors.BadUnits,
        errors.ReasonMissing,
        IdempotencyConflict,
    ),
)
def adjust(call: Call, member_id: UUID, body: AdjustmentIn) -> tuple[int, dict[str, Any]]:
    """Adjust a balance by hand.

    Up to the programme's limit for API keys. Beyond its four-eyes limit the answer is a request (`requested`) that a
    member of staff approves in the console.
    """
    _covered(call, member_id)
    made = books.request_adjustment(
        actor=call.caller.as_actor(),
        member_id=member_id,
        asset=body.asset,
        amount=body.amount,
        reason=body.reason,
        now=call.now,
    )
    return 201, _out(made, AdjustmentOut)


@endpoint(
    router,
    "GET",
    "/adjustments",
    scope=Scope.LEDGER_READ,
    query=AdjustmentsQuery,
    answers={200: Adjustments},
    tag="ledger",
    refusals=(InvalidInput,),
)
def adjustments(call: Call, query: AdjustmentsQuery) -> tuple[int, dict[str, Any]]:
    """List adjustments, newest request first.

    A key that covers some stores sees those of members who joined there.
    """
    page = list_adjustments(
        status=query.status or "",
        member_id=query.member_id or None,
        store_ids=call.stores,
        cursor=checked_cursor(query.cursor, BY_TIME),
        limit=query.limit,
    )
    rows = [_out(each, AdjustmentOut) for each in page.rows]
    return 200, {"adjustments": rows, "next_cursor": page.next_cursor}


@endpoint(
    router,
    "GET",
    "/adjustments/{adjustment_id}",
    scope=Scope.LEDGER_READ,
    answers={200: AdjustmentOut},
    tag="ledger",
    refusals=(NotFound, errors.AdjustmentUnknown),
)
def adjustment(call: Call, adjustment_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read an adjustment."""
    found = get_adjustment(adjustment_id)
    _covered(call, found.member_id)
    return 200, _out(found, AdjustmentOut)


@endpoint(
    router,
    "POST",
    "/adjustments/{adjustment_id}/withdraw",
    scope=Scope.LEDGER_WRITE,
    body=RejectIn,
    answers={200: AdjustmentOut},
    tag="ledger",
    keyed="once",
    refusals=(
        NotFound,
        NotAllowed,
        errors.AdjustmentUnknown,
        errors.AdjustmentDecided,
        errors.ReasonMissing,
        IdempotencyConflict,
    ),
)
def withdraw_adjustment(call: Call, adjustment_id: UUID, body: RejectIn) -> tuple[int, dict[str, Any]]:
    """Take back a request that this key made and nobody has decided."""
    _covered(call, get_adjustment(adjustment_id).member_id)
    done = operations.reject_adjustment(
        actor=call.caller.as_actor(), adjustment_id=adjustment_id, now=call.now, note=body.note
    )
    return 200, _out(done, AdjustmentOut)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/holds",
    scope=Scope.LEDGER_WRITE,
    body=HoldIn,
    answers={201: HoldOut},
    tag="ledger",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        errors.UnknownAsset,
        errors.UnknownHolder,
        errors.NotEnough,
        errors.BadUnits,
        errors.BadHoldEnd,
        errors.ReasonMissing,
        IdempotencyConflict,
    ),
)
def hold_units(call: Call, member_id: UUID, body: HoldIn) -> tuple[int, dict[str, Any]]:
    """Set units aside.

    Held units are not spent, do not lapse and are not taken back until the hold is captured, released, or over.
    """
    _covered(call, member_id)
    hold = books.place_hold(
        actor=call.caller.as_actor(),
        member_id=member_id,
        asset=body.asset,
        amount=body.amount,
        reason=body.reason,
        now=call.now,
        until=body.until,
        reference=body.reference,
    )
    return 201, _out(hold, HoldOut)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/holds",
    scope=Scope.LEDGER_READ,
    query=PageQuery,
    answers={200: Holds},
    tag="ledger",
    refusals=(NotFound, InvalidInput),
)
def member_holds(call: Call, member_id: UUID, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List a member's holds, newest first."""
    _covered(call, member_id)
    page = list_holds(member_id, cursor=checked_cursor(query.cursor, BY_TIME), limit=query.limit)
    return 200, {"holds": [_out(each, HoldOut) for each in page.rows], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/holds/{hold_id}/capture",
    scope=Scope.LEDGER_WRITE,
    body=CaptureIn,
    answers={200: HoldOut},
    tag="ledger",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        errors.UnknownAsset,
        errors.HoldUnknown,
        errors.HoldEnded,
        errors.HoldTooSmall,
        errors.BadUnits,
        OrderNotFound,
        IdempotencyConflict,
    ),
)
def capture(call: Call, hold_id: UUID, body: CaptureIn) -> tuple[int, dict[str, Any]]:
    """Spend what is held, or part of it.

    With `order_id`, for an order of the same member.
    """
    member_id = get_hold(hold_id).member_id
    _covered(call, member_id)
    if body.order_id is not None:
        _order_covered(call, Order.objects.filter(id=body.order_id, member_id=member_id))
    hold = books.capture_hold(
        actor=call.caller.as_actor(),
        hold_id=hold_id,
        now=call.now,
        amount=body.amount,
        order_id=body.order_id,
    )
    return 200, _out(hold, HoldOut)


@endpoint(
    router,
    "POST",
    "/holds/{hold_id}/release",
    scope=Scope.LEDGER_WRITE,
    answers={200: HoldOut},
    tag="ledger",
    keyed="once",
    refusals=(NotFound, errors.HoldUnknown, errors.HoldEnded, IdempotencyConflict),
)
def release(call: Call, hold_id: UUID) -> tuple[int, dict[str, Any]]:
    """Let go of what is held."""
    _covered(call, get_hold(hold_id).member_id)
    hold = operations.release_hold(actor=call.caller.as_actor(), hold_id=hold_id, now=call.now)
    return 200, _out(hold, HoldOut)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/transfers",
    scope=Scope.LEDGER_WRITE,
    body=GiftIn,
    answers={201: GiftOut},
    tag="ledger",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        errors.UnknownAsset,
        errors.UnknownHolder,
        errors.TransferNotAllowed,
        errors.TransferToSelf,
        errors.TransferOutOfRange,
        errors.TransferBeyondDay,
        errors.NotEnough,
        errors.BadUnits,
        errors.ReasonMissing,
        IdempotencyConflict,
    ),
)
def transfer(call: Call, member_id: UUID, body: GiftIn) -> tuple[int, dict[str, Any]]:
    """Transfer units to another member.

    Within the programme's policy; each unit keeps its expiry, the receiver's debt is paid first.
    """
    _covered(call, member_id)
    _covered(call, body.receiver_id)
    gift = books.transfer_points(
        actor=call.caller.as_actor(),
        sender_id=member_id,
        receiver_id=body.receiver_id,
        asset=body.asset,
        amount=body.amount,
        reason=body.reason,
        now=call.now,
    )
    return 201, _out(gift, GiftOut)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/transfers",
    scope=Scope.LEDGER_READ,
    query=PageQuery,
    answers={200: Gifts},
    tag="ledger",
    refusals=(NotFound, InvalidInput),
)
def member_transfers(call: Call, member_id: UUID, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List what a member gave to and received from others, newest first."""
    _covered(call, member_id)
    page = list_gifts(member_id, cursor=checked_cursor(query.cursor, BY_TIME), limit=query.limit)
    return 200, {"transfers": [_out(each, GiftOut) for each in page.rows], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/debts",
    scope=Scope.LEDGER_READ,
    query=DebtsQuery,
    answers={200: Debts},
    tag="ledger",
    refusals=(NotFound, InvalidInput),
)
def member_debts(call: Call, member_id: UUID, query: DebtsQuery) -> tuple[int, dict[str, Any]]:
    """List what a member owes, why, since when, and what has paid it."""
    _covered(call, member_id)
    page = debts_page(
        member_id,
        call.now,
        settled=bool(query.include),
        cursor=checked_cursor(query.cursor, BY_NAME),
        limit=query.limit,
    )
    rows = [
        {
            **{name: getattr(debt, name) for name in type(debt).__slots__ if name != "age"},
            "age_days": debt.age.days,
        }
        for debt in page.rows
    ]
    return 200, {"debts": rows, "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/activations",
    scope=Scope.LEDGER_WRITE,
    body=ActivationIn,
    answers={200: Activation},
    tag="ledger",
    keyed="once",
    refusals=(NotFound, OrderNotFound, InvalidInput, IdempotencyConflict),
)
def activate(call: Call, body: ActivationIn) -> tuple[int, dict[str, Any]]:
    """Report an event that makes waiting units usable.

    For example that an order was delivered. Reported again it changes nothing.
    """
    if body.member_id is not None:
        _covered(call, body.member_id)
    if body.order_id is not None:
        _order_covered(call, Order.objects.filter(id=body.order_id))
    lots = operations.activate_lots(
        actor=call.caller.as_actor(),
        event=body.event,
        now=call.now,
        member_id=body.member_id,
        order_id=body.order_id,
    )
    return 200, {"lots": lots}


def _covered(call: Call, member_id: UUID) -> None:
    """Raises NotFound for a stranger, and for one who joined at a store that the key does not cover."""
    if not call.covers(get_candidate(member_id).join_store_id):
        raise NotFound


def _order_covered(call: Call, found: QuerySet[Order]) -> None:
    """Raises OrderNotFound for none, and for one of a store that the key does not cover."""
    store = found.values_list("store_id", flat=True).first()
    if store is None or not call.covers(store):
        raise OrderNotFound


def _out(row: Model, shape: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.__struct_fields__}
