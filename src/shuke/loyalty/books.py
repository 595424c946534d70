"""Moves by hand in a member's book, under the programme in force: it says who may, how much, and on which terms.

The ledger below knows no programme; these are its operations with the policy filled in. One call is one transaction.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shuke.core.values import Actor
from shuke.kit.clock import local_date, start_of_day
from shuke.ledger import operations as ledger
from shuke.ledger.errors import AdjustmentUnknown, HoldUnknown, UnknownAsset
from shuke.ledger.models import Adjustment, Gift, Hold
from shuke.ledger.values import LotTerms
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at


def terms_of(programme: Programme, asset: str, now: datetime) -> LotTerms:
    """The terms on which units of an asset come in at an instant. Raises UnknownAsset."""
    spec = programme.assets.get(asset)
    if spec is None:
        raise UnknownAsset(field="asset", asset=asset)
    return LotTerms(
        active_at=spec.pending.active_at(now, programme.zone),
        expires_at=spec.expiry.lapses_at(now, programme.zone),
        waits_for=spec.pending.waits_for,
        slides=spec.expiry.slides,
    )


def request_adjustment(
    *, actor: Actor, member_id: UUID, asset: str, amount: int, reason: str, now: datetime
) -> Adjustment:
    """As `ledger.operations.request_adjustment`. What is added by hand is usable at once. Raises UnknownAsset, NoProgramme."""
    programme = _programme(now)
    return ledger.request_adjustment(
        actor=actor,
        member_id=member_id,
        asset=asset,
        amount=amount,
        reason=reason,
        now=now,
        policy=programme.adjustments.get(asset),
        terms=_at_once(programme, asset, now),
    )


def approve_adjustment(*, actor: Actor, adjustment_id: UUID, now: datetime, note: str = "") -> Adjustment:
    """As `ledger.operations.approve_adjustment`, under the limits and terms of now."""
    asset = Adjustment.objects.filter(id=adjustment_id).values_list("asset", flat=True).first()
    if asset is None:
        raise AdjustmentUnknown
    programme = _programme(now)
    return ledger.approve_adjustment(
        actor=actor,
        adjustment_id=adjustment_id,
        now=now,
        policy=programme.adjustments.get(asset),
        terms=_at_once(programme, asset, now),
        note=note,
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
) -> Gift:
    """As `ledger.operations.transfer_points`, under the policy of the programme and its local day."""
    programme = _programme(now)
    terms = terms_of(programme, asset, now)
    return ledger.transfer_points(
        actor=actor,
        sender_id=sender_id,
        receiver_id=receiver_id,
        asset=asset,
        amount=amount,
        reason=reason,
        now=now,
        policy=programme.transfers.get(asset),
        day_start=start_of_day(local_date(now, programme.zone), programme.zone),
        slides=_slides(asset, terms),
    )


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
    """As `ledger.operations.place_hold`, for an asset of the programme."""
    terms_of(_programme(now), asset, now)
    return ledger.place_hold(
        actor=actor,
        member_id=member_id,
        asset=asset,
        amount=amount,
        reason=reason,
        now=now,
        until=until,
        reference=reference,
    )


def capture_hold(
    *,
    actor: Actor,
    hold_id: UUID,
    now: datetime,
    amount: int | None = None,
    order_id: UUID | None = None,
) -> Hold:
    """As `ledger.operations.capture_hold`; it counts as spending, which puts off expiry by inactivity."""
    asset = Hold.objects.filter(id=hold_id).values_list("asset", flat=True).first()
    if asset is None:
        raise HoldUnknown
    slides = _slides(asset, terms_of(_programme(now), asset, now))
    return ledger.capture_hold(
        actor=actor, hold_id=hold_id, now=now, amount=amount, order_id=order_id, slides=slides
    )


def announce_expiring(*, now: datetime) -> int:
    """Tell ahead what will lapse, asset by asset. Returns how many members were told; nothing without a programme."""
    in_force = programme_at(now)
    if in_force is None:
        return 0
    return sum(
        ledger.announce_expiring(asset=code, notice_days=asset.notice_days, now=now)
        for code, asset in in_force.programme.assets.items()
    )


def _programme(now: datetime) -> Programme:
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force.programme


def _at_once(programme: Programme, asset: str, now: datetime) -> LotTerms:
    terms = terms_of(programme, asset, now)
    return LotTerms(now, terms.expires_at, None, terms.slides)


def _slides(asset: str, terms: LotTerms) -> list[tuple[str, datetime]]:
    return [(asset, terms.expires_at)] if terms.slides and terms.expires_at else []
