"""What others read of debts, holds, gifts and adjustments: where each stands, why, and who decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.db.models import Q

from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.ledger.errors import AdjustmentUnknown, HoldUnknown
from shuke.ledger.logic import DebtMove, Recovery, match_debts
from shuke.ledger.models import Adjustment, AdjustmentStatus, Entry, Gift, Hold, HoldStatus
from shuke.members.models import Member

PAGE = 50
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Debt:
    """What a member owes of an asset, and why: `kind`, `order_id`, `refund_id` and `reason` name the act that made it."""

    asset: str
    amount: int
    outstanding: int
    at: datetime
    age: timedelta
    kind: str
    transfer_id: UUID
    order_id: UUID | None
    refund_id: UUID | None
    reason: str
    recoveries: tuple[Recovery, ...]


def debts_of(
    member_id: UUID, now: datetime, *, asset: str | None = None, settled: bool = False
) -> list[Debt]:
    """The member's debts, oldest first, with what has paid each; with `settled`, also those that are paid.

    Later units pay the oldest debt first, in the order in which the book took them.
    """
    legs = Entry.objects.filter(member_id=member_id, account="member", lot_id__isnull=True)
    if asset is not None:
        legs = legs.filter(asset=asset)
    rows = list(
        legs.select_related("transfer").order_by("asset", "transfer__recorded_at", "transfer_id", "seq")
    )
    acts = {row.transfer_id: row.transfer for row in rows}
    debts = []
    for code, group in groupby(rows, key=lambda row: row.asset):
        moves = [DebtMove(row.transfer_id, row.transfer.occurred_at, row.amount) for row in group]
        for part in match_debts(moves):
            act = acts[part.made.transfer_id]
            if part.outstanding or settled:
                debts.append(
                    Debt(
                        asset=code,
                        amount=part.amount,
                        outstanding=part.outstanding,
                        at=part.made.at,
                        age=max(now - part.made.at, timedelta()),
                        kind=act.kind,
                        transfer_id=act.id,
                        order_id=act.order_id,
                        refund_id=act.refund_id,
                        reason=act.reason,
                        recoveries=part.recoveries,
                    )
                )
    return debts


def get_hold(hold_id: UUID) -> Hold:
    """Raises HoldUnknown."""
    hold = Hold.objects.filter(id=hold_id).first()
    if hold is None:
        raise HoldUnknown
    return hold


def list_holds(member_id: UUID, *, open_only: bool = False, limit: int = MAX_PAGE) -> list[Hold]:
    """The member's holds, newest first."""
    holds = Hold.objects.filter(member_id=member_id)
    if open_only:
        holds = holds.filter(status=HoldStatus.HELD)
    return list(holds.order_by("-placed_at", "-id")[:limit])


def list_gifts(member_id: UUID, *, limit: int = MAX_PAGE) -> list[Gift]:
    """What the member gave and received, newest first."""
    gifts = Gift.objects.filter(Q(sender_id=member_id) | Q(receiver_id=member_id))
    return list(gifts.order_by("-occurred_at", "-id")[:limit])


def get_adjustment(adjustment_id: UUID) -> Adjustment:
    """Raises AdjustmentUnknown."""
    adjustment = Adjustment.objects.filter(id=adjustment_id).first()
    if adjustment is None:
        raise AdjustmentUnknown
    return adjustment


@dataclass(frozen=True, slots=True)
class AdjustmentPage:
    """`next_cursor` is None on the last page."""

    adjustments: list[Adjustment]
    next_cursor: str | None


def list_adjustments(
    *,
    status: str = "",
    member_id: UUID | None = None,
    store_ids: Collection[UUID] | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> AdjustmentPage:
    """Adjustments, newest request first. `store_ids`: only of members who joined there. Raises InvalidInput (bad cursor)."""
    limit = max(1, min(limit, MAX_PAGE))
    rows = Adjustment.objects.all()
    if status:
        rows = rows.filter(status=status)
    if member_id is not None:
        rows = rows.filter(member_id=member_id)
    if store_ids is not None:
        rows = rows.filter(member_id__in=Member.objects.filter(join_store_id__in=store_ids).values("id"))
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(requested_at__lt=at) | Q(requested_at=at, id__lt=last))
    found = list(rows.order_by("-requested_at", "-id")[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    return AdjustmentPage(page, encode_cursor([page[-1].requested_at, page[-1].id]) if more else None)


def count_requests(now: datetime, *, store_ids: Collection[UUID] | None = None) -> int:
    """How many adjustments wait for a second person."""
    rows = Adjustment.objects.filter(status=AdjustmentStatus.REQUESTED, lapses_at__gt=now)
    if store_ids is not None:
        rows = rows.filter(member_id__in=Member.objects.filter(join_store_id__in=store_ids).values("id"))
    return rows.count()
