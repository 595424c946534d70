"""Tills that were cut off: what a member may spend meanwhile, and the sales they upload afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
from ninja import Router

from shuke.api.contracts.prepaid import (
    AllowanceIn,
    AllowanceOut,
    BatchIn,
    BatchOut,
    Exposure,
    OfflineOrderIn,
    PublicKey,
)
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import BY_NUMBER, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.api.endpoints.checkout import SALE_REFUSALS, sale_of
from shuke.checkout import errors
from shuke.checkout.allowances import exposure, issue_allowance
from shuke.checkout.offline import OfflineSale, RowResult, commit_offline_sales
from shuke.checkout.trust import public_key
from shuke.core.errors import InvalidInput
from shuke.core.values import Scope

router = Router()


@endpoint(
    router,
    "POST",
    "/orders/batch",
    scope=Scope.CHECKOUT_WRITE,
    body=BatchIn,
    answers={200: BatchOut},
    tag="offline",
    refusals=(*SALE_REFUSALS, errors.BadInstant, errors.AllowanceInvalid, errors.AllowanceForeign),
)
def upload_orders(call: Call, body: BatchIn) -> tuple[int, dict[str, Any]]:
    """Upload sales made offline.

    In any order, again, and late: each row is committed, known already, or refused with its reason, and never half done.
    Rows need no Idempotency-Key: (system, number) is the key of each. The refusals named here are those of single rows.
    """
    results = commit_offline_sales(
        actor=call.caller.as_actor(), rows=[_row(order) for order in body.orders], now=call.now
    )
    counts = Counter(result.status for result in results)
    return 200, {
        **{status: counts[status] for status in ("committed", "known", "refused")},
        "results": [
            _told(index, order, result)
            for index, (order, result) in enumerate(zip(body.orders, results, strict=True))
        ],
    }


def _row(order: OfflineOrderIn) -> OfflineSale:
    return OfflineSale(replace(sale_of(order), allowance=order.allowance), order.occurred_at)


def _told(index: int, order: OfflineOrderIn, result: RowResult) -> dict[str, Any]:
    error = result.error
    return {
        "index": index,
        "system": order.system,
        "number": order.number,
        "status": result.status,
        "order_id": result.order_id,
        "order": msgspec.Raw(result.answer.body) if result.answer else None,
        "problem": {"code": error.code, "status": error.status, "detail": str(error), "field": error.field}
        if error
        else None,
    }


@endpoint(
    router,
    "POST",
    "/offline/allowances",
    scope=Scope.CHECKOUT_WRITE,
    body=AllowanceIn,
    answers={201: AllowanceOut},
    tag="offline",
    keyed="once",
    refusals=(
        errors.NoProgramme,
        errors.OfflineNotAllowed,
        errors.UnknownMember,
        errors.MemberNotActive,
        errors.UnknownStore,
        errors.StoreClosed,
        errors.StoreOutOfScope,
        InvalidInput,
    ),
)
def allow_offline(call: Call, body: AllowanceIn) -> tuple[int, dict[str, Any]]:
    """Allow a member to spend offline.

    Signed for one member and device, at most what the programme allows and what is there. Nothing is reserved: what is
    spent twice becomes a debt. An older allowance of the same device ends.
    """
    return 201, issue_allowance(
        actor=call.caller.as_actor(),
        member_id=body.member,
        device=body.device,
        store=body.store,
        now=call.now,
    )


@endpoint(
    router,
    "GET",
    "/offline/key",
    scope=Scope.CHECKOUT_READ,
    answers={200: PublicKey},
    tag="offline",
)
def allowance_key(call: Call) -> tuple[int, dict[str, Any]]:
    """Read the key that devices verify allowances with."""
    return 200, {"algorithm": "Ed25519", "key": public_key()}


@endpoint(
    router,
    "GET",
    "/offline/exposure",
    scope=Scope.LEDGER_READ,
    query=PageQuery,
    answers={200: Exposure},
    tag="offline",
    refusals=(InvalidInput,),
)
def offline_exposure(call: Call, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """See what could be spent offline without being there.

    Every open allowance of the stores that the key covers, the most exposed first; the sums are over all pages.
    """
    cursor = checked_cursor(query.cursor, BY_NUMBER)
    return 200, exposure(now=call.now, store_ids=call.stores, cursor=cursor, limit=query.limit)
