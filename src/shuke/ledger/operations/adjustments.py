"""Units added or taken by hand: within one's limit at once, beyond the four-eyes limit only when a second person agrees."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from shuke.core.errors import NotAllowed
from shuke.core.models import Staff
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor, Permission
from shuke.kit.ids import uuid7
from shuke.ledger.errors import (
    AdjustmentBeyondLimit,
    AdjustmentDecided,
    AdjustmentNotAllowed,
    AdjustmentUnknown,
    BadUnits,
    NotEnough,
    OwnAdjustment,
)
from shuke.ledger.logic import claw_back
from shuke.ledger.models import Adjustment, AdjustmentStatus
from shuke.ledger.values import KEY_ROLE, AdjustmentPolicy, LotTerms
from shuke.ledger.writing import (
    MAX_UNITS,
    Cause,
    Leg,
    Opened,
    checked_reason,
    debt_of,
    free_lots,
    post,
    require_active,
    take_books,
)


def request_adjustment(
    *,
    actor: Actor,
    member_id: UUID,
    asset: str,
    amount: int,
    reason: str,
    now: datetime,
    policy: AdjustmentPolicy | None,
    terms: LotTerms,
) -> Adjustment:
    """Add (`amount` > 0) or take (< 0) units. Posted at once up to the four-eyes limit, else left for a second person.

    `policy` of the asset (None: it is not adjusted by hand); `terms` under which added units come in. Raises
    AdjustmentNotAllowed, AdjustmentBeyondLimit, NotEnough, BadUnits, UnknownHolder, ReasonMissing. Publishes
    `ledger.points_adjusted.v1` or `ledger.adjustment_requested.v1`.
    """
    reason = checked_reason(reason)
    if not 0 < abs(amount) <= MAX_UNITS:
        raise BadUnits(field="amount", most=MAX_UNITS)
    if policy is None:
        raise AdjustmentNotAllowed(field="asset", asset=asset)
    require_active(member_id, "member_id")
    _require_limit(actor, Permission.LEDGER_ADJUST, asset, amount, policy)
    with transaction.atomic():
        adjustment = Adjustment(
            id=uuid7(),
            member_id=member_id,
            asset=asset,
            amount=amount,
            reason=reason,
            status=AdjustmentStatus.REQUESTED,
            requested_by=actor.reference,
            requested_at=now,
            lapses_at=now + timedelta(days=policy.request_days),
        )
        if abs(amount) <= policy.four_eyes_above or actor.kind == "system":
            _post(adjustment, actor, now, policy, terms)
        else:
            _tell("ledger.adjustment_requested.v1", adjustment, actor, now)
        adjustment.save(force_insert=True)
    return adjustment


def approve_adjustment(
    *,
    actor: Actor,
    adjustment_id: UUID,
    now: datetime,
    policy: AdjustmentPolicy | None,
    terms: LotTerms,
    note: str = "",
) -> Adjustment:
    """Agree to what someone else asked for, and post it. Staff only, within the approver's own limit.

    Raises AdjustmentUnknown, AdjustmentDecided, OwnAdjustment, NotAllowed, AdjustmentBeyondLimit, NotEnough.
    """
    with transaction.atomic():
        adjustment = _undecided(adjustment_id, now)
        if actor.kind != "staff":
            raise NotAllowed
        if adjustment.requested_by == actor.reference:
            raise OwnAdjustment
        if policy is None:
            raise AdjustmentNotAllowed(field="asset", asset=adjustment.asset)
        require_active(adjustment.member_id, "member_id")
        _require_limit(actor, Permission.LEDGER_APPROVE, adjustment.asset, adjustment.amount, policy)
        adjustment.decided_by, adjustment.decided_at, adjustment.note = actor.reference, now, note[:300]
        _post(adjustment, actor, now, policy, terms)
        adjustment.save()
    return adjustment


def reject_adjustment(*, actor: Actor, adjustment_id: UUID, now: datetime, note: str) -> Adjustment:
    """Refuse a request; whoever made it may take it back this way. The note says why.

    Raises AdjustmentUnknown, AdjustmentDecided, NotAllowed, ReasonMissing. Publishes `ledger.adjustment_rejected.v1`.
    """
    note = checked_reason(note)
    with transaction.atomic():
        adjustment = _undecided(adjustment_id, now)
        if adjustment.requested_by != actor.reference:
            if actor.kind == "key":
                raise NotAllowed
            _role(actor, Permission.LEDGER_APPROVE)
        adjustment.status = AdjustmentStatus.REJECTED
        adjustment.decided_by, adjustment.decided_at, adjustment.note = actor.reference, now, note
        adjustment.save()
        _tell("ledger.adjustment_rejected.v1", adjustment, actor, now)
    return adjustment


def lapse_adjustments(*, now: datetime) -> int:
    """Mark the requests that nobody decided in time. Returns how many."""
    return Adjustment.objects.filter(status=AdjustmentStatus.REQUESTED, lapses_at__lte=now).update(
        status=AdjustmentStatus.LAPSED, decided_at=now
    )


def _undecided(adjustment_id: UUID, now: datetime) -> Adjustment:
    """The request, held until the transaction ends: of two who decide, the second finds it decided."""
    adjustment = Adjustment.objects.select_for_update().filter(id=adjustment_id).first()
    if adjustment is None:
        raise AdjustmentUnknown
    if adjustment.status != AdjustmentStatus.REQUESTED or adjustment.lapses_at <= now:
        raise AdjustmentDecided
    return adjustment


def _role(actor: Actor, permission: Permission) -> str:
    """The role under which the actor's limits stand, read now. Raises NotAllowed."""
    if actor.kind == "key":
        return KEY_ROLE
    staff = Staff.objects.filter(id=actor.id).first() if actor.kind == "staff" and actor.id else None
    if staff is None or not staff.may(permission):
        raise NotAllowed
    return staff.role


def _require_limit(
    actor: Actor, permission: Permission, asset: str, amount: int, policy: AdjustmentPolicy
) -> None:
    if actor.kind == "system":
        return
    limit = policy.limits.get(_role(actor, permission))
    if limit is None:
        raise AdjustmentNotAllowed(field="asset", asset=asset)
    if abs(amount) > limit:
        raise AdjustmentBeyondLimit(field="amount", limit=limit)


def _post(
    adjustment: Adjustment, actor: Actor, now: datetime, policy: AdjustmentPolicy, terms: LotTerms
) -> None:
    """Move the units under the member's book, and say so."""
    take_books([adjustment.member_id])
    asset, amount = adjustment.asset, adjustment.amount
    explain = {
        "adjustment": str(adjustment.id),
        "requested_by": adjustment.requested_by,
        "approved_by": adjustment.decided_by or None,
    }
    if amount > 0:
        legs, lots = _added(adjustment, terms, explain, now)
    else:
        legs, lots = _taken(adjustment, policy, explain, now), []
    legs.append(Leg("adjustments", asset, -amount))
    cause = Cause(actor, now, adjustment.reason)
    adjustment.transfer_id = post(uuid7(), "adjust", adjustment.member_id, cause, legs, lots)
    adjustment.status = AdjustmentStatus.POSTED
    _tell("ledger.points_adjusted.v1", adjustment, actor, now)


def _added(
    adjustment: Adjustment, terms: LotTerms, explain: dict[str, str | None], now: datetime
) -> tuple[list[Leg], list[Opened]]:
    """A debt is settled first; the rest is one lot."""
    asset, amount = adjustment.asset, adjustment.amount
    settled = min(amount, debt_of(adjustment.member_id, asset))
    legs = [Leg("member", asset, settled, None, explain)] if settled else []
    if settled == amount:
        return legs, []
    lot = Opened(
        id=uuid7(),
        asset=asset,
        amount=amount - settled,
        earned_at=now,
        active_at=terms.active_at,
        expires_at=terms.expires_at,
        waits_for=terms.waits_for,
        slides=terms.slides,
    )
    return [*legs, Leg("member", asset, lot.amount, lot.id, explain)], [lot]


def _taken(
    adjustment: Adjustment, policy: AdjustmentPolicy, explain: dict[str, str | None], now: datetime
) -> list[Leg]:
    """Usable units first, then waiting ones; what is still missing is owed, or the whole is refused."""
    asset, wanted = adjustment.asset, -adjustment.amount
    alive = [
        lot
        for lot in free_lots(adjustment.member_id, asset)
        if lot.expires_at is None or now < lot.expires_at
    ]
    usable = [lot for lot in alive if lot.is_usable(now)]
    taken, missing = claw_back(usable, None, wanted)
    more, owed = claw_back([lot for lot in alive if not lot.is_usable(now)], None, missing)
    if owed and not policy.may_owe:
        raise NotEnough(field="amount", asset=asset, usable=wanted - owed, asked=wanted)
    legs = [Leg("member", asset, -part, lot_id, explain) for lot_id, part in (*taken, *more)]
    return [*legs, Leg("member", asset, -owed, None, explain)] if owed else legs


def _tell(name: str, adjustment: Adjustment, actor: Actor, now: datetime) -> None:
    facts = {
        "adjustment_id": str(adjustment.id),
        "asset": adjustment.asset,
        "amount": adjustment.amount,
        "requested_by": adjustment.requested_by,
        "decided_by": adjustment.decided_by or None,
    }
    record_audit(
        actor=actor,
        action=name,
        now=now,
        object_type="member",
        object_id=adjustment.member_id,
        reason=adjustment.reason,
        data=facts,
    )
    publish_event(name=name, member_id=adjustment.member_id, occurred_at=now, payload=facts)
