"""What others read of debts, holds, gifts and adjustments: where each stands, why, and who decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.ledger.errors import AdjustmentUnknown, HoldUnknown
from shuke.ledger.logic import DebtMove, Recovery, match_debts
from shuke.ledger.models import Adjustment, Entry, Gift, Hold, HoldStatus
from shuke.members.models import Member

PAGE = 50
MAX_PAGE = 200

T = TypeVar("T")
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next_cursor` is None on the last page."""

    rows: list[T]
    next_cursor: str | None


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


def debts_page(
    member_id: UUID, now: datetime, *, settled: bool = False, cursor: str | None = None, limit: int = PAGE
) -> Page[Debt]:
    """A page of `debts_of`. A debt that is paid while somebody reads does not move the others. Raises InvalidInput
    (bad cursor)."""
    limit = max(1, min(limit, MAX_PAGE))
    debts = debts_of(member_id, now, settled=True)
    start = 0
    if cursor:
        last = decode_cursor(cursor, str, UUID)
        start = next(
            (place for place, each in enumerate(debts, 1) if (each.asset, each.transfer_id) == last), 0
        )
    found = [each for each in debts[start:] if each.outstanding or settled]
    rows, more = found[:limit], len(found) > limit
    return Page(rows, encode_cursor([rows[-1].asset, rows[-1].transfer_id]) if more else None)


def list_holds(
    member_id: UUID, *, open_only: bool = False, cursor: str | None = None, limit: int = PAGE
) -> Page[Hold]:
    """The member's holds, newest first. Raises InvalidInput (bad cursor)."""
    holds = Hold.objects.filter(member_id=member_id)
    if open_only:
        holds = holds.filter(status=HoldStatus.HELD)
    return _newest(holds, "placed_at", cursor, limit)


def list_gifts(member_id: UUID, *, cursor: str | None = None, limit: int = PAGE) -> Page[Gift]:
    """What the member gave and received, newest first. Raises InvalidInput (bad cursor)."""
    gifts = Gift.objects.filter(Q(sender_id=member_id) | Q(receiver_id=member_id))
    return _newest(gifts, "occurred_at", cursor, limit)


def get_adjustment(adjustment_id: UUID) -> Adjustment:
    """Raises AdjustmentUnknown."""
    adjustment = Adjustment.objects.filter(id=adjustment_id).first()
    if adjustment is None:
        raise AdjustmentUnknown
    return adjustment


def list_adjustments(
    *,
    status: str = "",
    member_id: UUID | None = None,
    store_ids: Collection[UUID] | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[Adjustment]:
    """Adjustments, newest request first. `store_ids`: only of members who joined there. Raises InvalidInput (bad cursor)."""
    rows = Adjustment.objects.all()
    if status:
        rows = rows.filter(status=status)
    if member_id is not None:
        rows = rows.filter(member_id=member_id)
    if store_ids is not None:
        rows = rows.filter(member_id__in=Member.objects.filter(join_store_id__in=store_ids).values("id"))
    return _newest(rows, "requested_at", cursor, limit)


def _newest(rows: QuerySet[M], moment: str, cursor: str | None, limit: int) -> Page[M]:
    """A page of rows, the latest `moment` first."""
    limit = max(1, min(limit, MAX_PAGE))
    if cursor:
        at, last = decode_cursor(cursor, datetime, UUID)
        rows = rows.filter(Q(**{f"{moment}__lt": at}) | Q(**{moment: at, "id__lt": last}))
    found = list(rows.order_by(f"-{moment}", "-id")[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    return Page(page, encode_cursor([getattr(page[-1], moment), page[-1].pk]) if more else None)
