"""Members give units to each other. Both books are held; each unit keeps the end and the age that it had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from shuke.core.operations import NewEvent, publish_events, record_audit
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.kit.money import divide
from shuke.ledger.errors import (
    BadUnits,
    NotEnough,
    TransferBeyondDay,
    TransferNotAllowed,
    TransferOutOfRange,
    TransferToSelf,
)
from shuke.ledger.logic import available, consume
from shuke.ledger.models import Gift, Lot
from shuke.ledger.values import TransferPolicy
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


def transfer_points(
    *,
    actor: Actor,
    sender_id: UUID,
    receiver_id: UUID,
    asset: str,
    amount: int,
    reason: str,
    now: datetime,
    policy: TransferPolicy | None,
    day_start: datetime,
    slides: Sequence[tuple[str, datetime]] = (),
) -> Gift:
    """Move `amount` usable units from one member to another; the sender pays the fee on top.

    `policy` of the asset (None: not allowed), `day_start` is local midnight, from which the daily limit counts. The
    receiver's debt is settled first. Raises TransferNotAllowed, TransferToSelf, TransferOutOfRange, TransferBeyondDay,
    NotEnough, BadUnits, UnknownHolder, ReasonMissing. Publishes `ledger.points_given.v1` and `ledger.points_received.v1`.
    """
    reason = checked_reason(reason)
    if policy is None:
        raise TransferNotAllowed(field="asset", asset=asset)
    if sender_id == receiver_id:
        raise TransferToSelf(field="receiver_id")
    if not 0 < amount <= MAX_UNITS:
        raise BadUnits(field="amount", most=MAX_UNITS)
    if not policy.minimum <= amount <= (policy.maximum or MAX_UNITS):
        raise TransferOutOfRange(field="amount", minimum=policy.minimum, maximum=policy.maximum or MAX_UNITS)
    require_active(sender_id, "sender_id")
    require_active(receiver_id, "receiver_id")
    fee = divide(amount * policy.fee, 100_000, "ceil")
    with transaction.atomic():
        take_books([sender_id, receiver_id])
        _check_day(sender_id, asset, amount, policy, day_start)
        lots = free_lots(sender_id, asset)
        usable = available(lots, now)
        if usable < amount + fee:
            raise NotEnough(field="amount", asset=asset, usable=usable, asked=amount + fee)
        # The gift takes what ends soonest; the fee comes out of what is left after it.
        given, paid = _split(consume(lots, amount + fee, now), amount)
        gift = Gift(
            id=uuid7(),
            sender_id=sender_id,
            receiver_id=receiver_id,
            asset=asset,
            amount=amount,
            fee=fee,
            occurred_at=now,
            actor=actor.reference,
            reason=reason,
            out_transfer_id=uuid7(),
            in_transfer_id=uuid7(),
            fee_transfer_id=uuid7() if fee else None,
        )
        cause = Cause(actor, now, reason)
        explain = {"gift": str(gift.id)}
        legs = [Leg("member", asset, -part, lot_id, explain) for lot_id, part in given]
        legs.append(Leg("transferred", asset, amount))
        post(gift.out_transfer_id, "transfer_out", sender_id, cause, legs, slides=slides)
        if gift.fee_transfer_id:
            legs = [Leg("member", asset, -part, lot_id, explain) for lot_id, part in paid]
            legs.append(Leg("adjustments", asset, fee))
            post(gift.fee_transfer_id, "fee", sender_id, cause, legs)
        _receive(gift, given, cause)
        gift.save(force_insert=True)
        _tell(gift, actor, now)
    return gift


def _check_day(sender_id: UUID, asset: str, amount: int, policy: TransferPolicy, day_start: datetime) -> None:
    if policy.per_day is None:
        return
    today = Gift.objects.filter(sender_id=sender_id, asset=asset, occurred_at__gte=day_start)
    given = today.aggregate(total=Sum("amount"))["total"] or 0
    if given + amount > policy.per_day:
        raise TransferBeyondDay(field="amount", per_day=policy.per_day, given=given)


def _split(
    taken: list[tuple[UUID, int]], amount: int
) -> tuple[list[tuple[UUID, int]], list[tuple[UUID, int]]]:
    """(lot, units) pairs cut in two: the first `amount` units, and the rest."""
    first, rest, left = [], [], amount
    for lot_id, part in taken:
        here = min(part, left)
        left -= here
        if here:
            first.append((lot_id, here))
        if part > here:
            rest.append((lot_id, part - here))
    return first, rest


def _receive(gift: Gift, given: list[tuple[UUID, int]], cause: Cause) -> None:
    """Put the units into the receiver's book: a debt first, then one lot for each lot they came from."""
    origins = Lot.objects.in_bulk([lot_id for lot_id, _part in given])
    legs, lots = [], []
    owed = debt_of(gift.receiver_id, gift.asset)
    explain = {"gift": str(gift.id)}
    settled = min(owed, gift.amount)
    if settled:
        legs.append(Leg("member", gift.asset, settled, None, explain))
    for lot_id, units in given:
        kept = max(units - owed, 0)
        owed -= units - kept
        if not kept:
            continue
        origin = origins[lot_id]
        lot = Opened(
            id=uuid7(),
            asset=gift.asset,
            amount=kept,
            earned_at=origin.earned_at,
            active_at=origin.active_at,
            expires_at=origin.expires_at,
            slides=origin.slides,
        )
        lots.append(lot)
        legs.append(Leg("member", gift.asset, kept, lot.id, explain))
    legs.append(Leg("transferred", gift.asset, -gift.amount))
    post(gift.in_transfer_id, "transfer_in", gift.receiver_id, cause, legs, lots)


def _tell(gift: Gift, actor: Actor, now: datetime) -> None:
    facts = {"gift_id": str(gift.id), "asset": gift.asset, "amount": gift.amount, "fee": gift.fee}
    if actor.kind != "system":
        record_audit(
            actor=actor,
            action="ledger.points_given.v1",
            now=now,
            object_type="member",
            object_id=gift.sender_id,
            reason=gift.reason,
            data={**facts, "receiver_id": str(gift.receiver_id)},
        )
    publish_events(
        [
            NewEvent(name=name, member_id=member_id, occurred_at=now, payload=facts)
            for name, member_id in (
                ("ledger.points_given.v1", gift.sender_id),
                ("ledger.points_received.v1", gift.receiver_id),
            )
        ]
    )
