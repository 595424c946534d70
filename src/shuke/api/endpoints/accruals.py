"""Report what a member did other than buying."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router

from shuke.api.contracts.accruals import AccrualIn, AccrualOut
from shuke.api.endpoint import Call, endpoint
from shuke.core.errors import IdempotencyConflict, InvalidInput, NotFound
from shuke.core.values import Scope
from shuke.loyalty.accruals import accrue
from shuke.loyalty.errors import AccrualNotOffered, AlreadyBrought, NoProgramme

router = Router()


@endpoint(
    router,
    "POST",
    "/members/{member_id}/accruals",
    scope=Scope.CHECKOUT_WRITE,
    body=AccrualIn,
    answers={201: AccrualOut},
    tag="members",
    keyed="once",
    refusals=(NotFound, InvalidInput, NoProgramme, AccrualNotOffered, AlreadyBrought, IdempotencyConflict),
)
def accrual(call: Call, member_id: UUID, body: AccrualIn) -> tuple[int, dict[str, Any]]:
    """Reward what a member did.

    Joining, a completed profile, a check-in, a survey, a friend or a review, once for each reference: reported again, it
    is answered with what it brought the first time.
    """
    accrued = accrue(
        actor=call.caller.as_actor(),
        member_id=member_id,
        kind=body.kind,
        reference=body.reference,
        now=call.now,
    )
    return 201, {
        "id": accrued.id,
        "kind": accrued.kind,
        "reference": accrued.reference,
        "occurred_at": accrued.occurred_at,
        "is_new": accrued.is_new,
        "given": accrued.given,
    }
