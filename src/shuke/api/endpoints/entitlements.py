"""What tier and plans entitle a member to, had at the counter: listed, handed out, taken back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router

from shuke.api.contracts.plans import EntitlementList, UndoIn, UseIn, UseOut
from shuke.api.endpoint import Call, endpoint
from shuke.api.endpoints.plans import covered_member, store_of
from shuke.catalog.errors import UnknownStore
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.values import Scope
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.plans import errors
from shuke.loyalty.plans.entitlements import entitlements_of, redeem_entitlement, undo_entitlement
from shuke.loyalty.plans.models import EntitlementUse
from shuke.loyalty.words import localized

router = Router()


@endpoint(
    router,
    "GET",
    "/members/{member_id}/entitlements",
    scope=Scope.CHECKOUT_READ,
    answers={200: EntitlementList},
    tag="plans",
    refusals=(NotFound, NoProgramme),
)
def member_entitlements(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """List what a member is entitled to.

    Through the tier and all plans held, with what is left of each in the present period.
    """
    covered_member(call, member_id)
    rows = [
        {
            "code": each.allowance.entitlement.code,
            "name": localized(each.allowance.entitlement.name, call.language),
            "quota": each.allowance.quota,
            "used": each.used,
            "left": each.left,
            "period": each.allowance.entitlement.period,
            "since": each.allowance.since,
            "stores": sorted(each.allowance.entitlement.stores),
            "sources": list(each.allowance.sources),
            "stock_left": each.stock_left,
        }
        for each in entitlements_of(member_id=member_id, now=call.now)
    ]
    return 200, {"entitlements": rows}


@endpoint(
    router,
    "POST",
    "/members/{member_id}/entitlements/{entitlement}/redeem",
    scope=Scope.CHECKOUT_WRITE,
    body=UseIn,
    answers={201: UseOut},
    tag="plans",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        InvalidInput,
        UnknownStore,
        errors.UnknownEntitlement,
        errors.EntitlementNotHere,
        errors.EntitlementUsedUp,
        errors.EntitlementOutOfStock,
    ),
)
def entitlement_redeemed(
    call: Call, member_id: UUID, entitlement: str, body: UseIn
) -> tuple[int, dict[str, Any]]:
    """Hand out one of what the member is entitled to."""
    covered_member(call, member_id)
    store = store_of(call, body.store)
    if store is None:
        raise UnknownStore(field="store", code=body.store)
    use = redeem_entitlement(
        actor=call.caller.as_actor(),
        member_id=member_id,
        entitlement=entitlement,
        store=store,
        now=call.now,
    )
    return 201, _use(use)


@endpoint(
    router,
    "POST",
    "/entitlement-uses/{use_id}/undo",
    scope=Scope.CHECKOUT_WRITE,
    body=UndoIn,
    answers={200: UseOut},
    tag="plans",
    keyed="once",
    refusals=(InvalidInput, errors.UnknownUse, errors.UseUndone),
)
def entitlement_undone(call: Call, use_id: UUID, body: UndoIn) -> tuple[int, dict[str, Any]]:
    """Take a use back: the member may have it again."""
    use = undo_entitlement(actor=call.caller.as_actor(), use_id=use_id, reason=body.reason, now=call.now)
    return 200, _use(use)


def _use(use: EntitlementUse) -> dict[str, Any]:
    return {
        "id": use.id,
        "member_id": use.member_id,
        "entitlement": use.entitlement,
        "store": use.store.code,
        "occurred_at": use.occurred_at,
        "undoes": use.undoes_id,
    }
