"""Holds: units set aside so that nobody spends them meanwhile, then captured or let go.

A hold moves nothing: the balance stays, `held` of the lots says what is promised. What was usable when it was held can be
captured even if it has lapsed meanwhile; let go after that, it lapses with the next expiry run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from shuke.core.operations import publish_event, record_audit
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.ledger.errors import BadHoldEnd, BadUnits, HoldEnded, HoldTooSmall, HoldUnknown, NotEnough
from shuke.ledger.logic import available, consume
from shuke.ledger.models import Hold, HoldLot, HoldStatus, Lot
from shuke.ledger.writing import (
    MAX_UNITS,
    Cause,
    Leg,
    checked_reason,
    free_lots,
    post,
    require_active,
    take_books,
)

HOLD_DAYS = 7
"""How long a hold lasts when nobody says."""
LONGEST_HOLD_DAYS = 366
HOLD_BATCH = 1000


def place_hold(
    *,
    actor: Actor,
    member_id: UUID,
    asset: str,
    amount: int,
    reason: str,
    now: datetime,
    until: datetime | None = None,
    reference: str = "",
) -> Hold:
    """Set usable units aside until `until` (a week when not given), soonest expiry first.

    Raises NotEnough, BadUnits, BadHoldEnd, UnknownHolder, ReasonMissing. Publishes `ledger.points_held.v1`.
    """
    reason = checked_reason(reason)
    until = until or now + timedelta(days=HOLD_DAYS)
    if not 0 < amount <= MAX_UNITS:
        raise BadUnits(field="amount", most=MAX_UNITS)
    if not now < until <= now + timedelta(days=LONGEST_HOLD_DAYS):
        raise BadHoldEnd(field="until", days=LONGEST_HOLD_DAYS)
    require_active(member_id, "member_id")
    with transaction.atomic():
        take_books([member_id])
        lots = free_lots(member_id, asset)
        usable = available(lots, now)
        if usable < amount:
            raise NotEnough(field="amount", asset=asset, usable=usable, asked=amount)
        hold = Hold.objects.create(
            id=uuid7(),
            member_id=member_id,
            asset=asset,
            amount=amount,
            reason=reason,
            reference=reference[:80],
            placed_at=now,
            placed_by=actor.reference,
            expires_at=until,
        )
        for lot_id, part in consume(lots, amount, now):
            HoldLot.objects.create(hold=hold, lot_id=lot_id, amount=part)
            Lot.objects.filter(id=lot_id).update(held=F("held") + part)
        _tell("ledger.points_held.v1", hold, actor, now, amount)
    return hold


def capture_hold(
    *,
    actor: Actor,
    hold_id: UUID,
    now: datetime,
    amount: int | None = None,
    order_id: UUID | None = None,
    slides: Sequence[tuple[str, datetime]] = (),
) -> Hold:
    """Spend what was held, or `amount` of it, soonest expiry first; the rest is free again. A "redeem" transfer.

    Raises HoldUnknown, HoldEnded (also when its time is over), HoldTooSmall, BadUnits. Publishes `ledger.hold_captured.v1`.
    """
    with transaction.atomic():
        hold = _locked(hold_id)
        if hold.status != HoldStatus.HELD or hold.expires_at <= now:
            raise HoldEnded
        wanted = hold.amount if amount is None else amount
        if wanted <= 0:
            raise BadUnits(field="amount", most=hold.amount)
        if wanted > hold.amount:
            raise HoldTooSmall(field="amount", held=hold.amount, asked=wanted)
        parts = _let_go(hold)
        legs, left = [], wanted
        for lot_id, part in parts:
            taken = min(part, left)
            left -= taken
            if taken:
                legs.append(Leg("member", hold.asset, -taken, lot_id, {"hold": str(hold.id)}))
        legs.append(Leg("redeemed", hold.asset, wanted))
        cause = Cause(actor, now, hold.reason, order_id)
        hold.transfer_id = post(uuid7(), "redeem", hold.member_id, cause, legs, slides=slides)
        hold.captured = wanted
        _end(hold, HoldStatus.CAPTURED, actor, now)
        _tell("ledger.hold_captured.v1", hold, actor, now, wanted)
    return hold


def release_hold(*, actor: Actor, hold_id: UUID, now: datetime) -> Hold:
    """Let go of what was held. Raises HoldUnknown, HoldEnded. Publishes `ledger.hold_released.v1`."""
    with transaction.atomic():
        hold = _locked(hold_id)
        if hold.status != HoldStatus.HELD:
            raise HoldEnded
        _let_go(hold)
        _end(hold, HoldStatus.RELEASED, actor, now)
        _tell("ledger.hold_released.v1", hold, actor, now, hold.amount)
    return hold


def expire_holds(*, now: datetime, limit: int = HOLD_BATCH) -> int:
    """Let go of holds whose time is over, each in its own transaction. Returns how many; exactly once each."""
    due = Hold.objects.filter(status=HoldStatus.HELD, expires_at__lte=now).order_by("expires_at", "id")
    ended = 0
    for hold_id in list(due.values_list("id", flat=True)[:limit]):
        with transaction.atomic():
            hold = _locked(hold_id)
            if hold.status == HoldStatus.HELD:
                _let_go(hold)
                _end(hold, HoldStatus.EXPIRED, SYSTEM, now)
                _tell("ledger.hold_released.v1", hold, SYSTEM, now, hold.amount)
                ended += 1
    return ended


def _locked(hold_id: UUID) -> Hold:
    """The hold, read under its member's book: whoever ends it does so alone."""
    member_id = Hold.objects.filter(id=hold_id).values_list("member_id", flat=True).first()
    if member_id is None:
        raise HoldUnknown
    take_books([member_id])
    return Hold.objects.get(id=hold_id)


def _let_go(hold: Hold) -> list[tuple[UUID, int]]:
    """Take the hold off its lots. Returns its (lot, amount) pairs, soonest expiry first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_lot SET held = held - h.amount FROM ledger_holdlot h"
            " WHERE h.hold_id = %s AND ledger_lot.id = h.lot_id",
            [hold.id],
        )
    rows = HoldLot.objects.filter(hold=hold).order_by(
        F("lot__expires_at").asc(nulls_last=True), "lot__earned_at", "lot_id"
    )
    return list(rows.values_list("lot_id", "amount"))


def _end(hold: Hold, status: HoldStatus, actor: Actor, now: datetime) -> None:
    hold.status, hold.ended_at, hold.ended_by = status, now, actor.reference
    hold.save(update_fields=["status", "ended_at", "ended_by", "captured", "transfer_id"])


def _tell(name: str, hold: Hold, actor: Actor, now: datetime, amount: int) -> None:
    facts = {"hold_id": str(hold.id), "asset": hold.asset, "amount": amount}
    if actor.kind != "system":
        record_audit(
            actor=actor,
            action=name,
            now=now,
            object_type="member",
            object_id=hold.member_id,
            reason=hold.reason,
            data=facts,
        )
    publish_event(name=name, member_id=hold.member_id, occurred_at=now, payload=facts)
