"""The full refund: money back, spent points back to their own lots, earned points clawed back, tier looked at again.

Quote and refund run one plan; the refund holds the member's book while it reads, plans and writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from shuke.checkout.errors import AlreadyRefunded, OrderNotFound, StoreOutOfScope
from shuke.checkout.models import Order, OrderStatus, Refund
from shuke.checkout.operations import move_document, transfer_document
from shuke.checkout.posting import NewEntry, NewTransfer
from shuke.checkout.queries import qualifying_totals
from shuke.core.operations import publish_event, record_audit
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.ledger.logic import OpenLot, claw_back
from shuke.ledger.models import Account, Entry, Lot
from shuke.loyalty.logic import TierState, after_refund
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import programme_at, version_by_id

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What a refund of this order would do now. Points in units, money in minor units."""

    order_id: UUID
    payable_minor: int
    points_returned: int
    points_expired: int
    points_clawed_back: int
    growth_clawed_back: int
    debt_created: int
    reversal: NewTransfer | None
    expiry: NewTransfer | None
    balance_after: int

    def figures(self) -> dict[str, Any]:
        """The plan as the till shows it."""
        return {
            "order_id": self.order_id,
            "payable_minor": self.payable_minor,
            "points_returned": self.points_returned,
            "points_expired": self.points_expired,
            "points_clawed_back": self.points_clawed_back,
            "growth_clawed_back": self.growth_clawed_back,
            "debt_created": self.debt_created,
            "points_balance_after": self.balance_after,
        }


def quote_refund(*, actor: Actor, order_id: UUID, now: datetime) -> dict[str, Any]:
    """What refunding the whole order would give back and take back now. Writes nothing."""
    order = _order(actor, order_id)
    now = max(now, order.occurred_at)
    return {**_plan(order, now).figures(), "currency": order.currency}


def refund_order(*, actor: Actor, order_id: UUID, reason: str, now: datetime) -> dict[str, Any]:
    """Refund the whole order in one transaction. Raises OrderNotFound, AlreadyRefunded, StoreOutOfScope.

    A sale of a till whose clock runs ahead is refunded at the instant that the till stated, never before it.
    """
    recorded_at = now
    with transaction.atomic():
        order = _order(actor, order_id)
        if order.member_id:
            _take_book(order.member_id)
        # Under the book (or, without a member, the row lock) nobody else refunds this order.
        order = Order.objects.select_for_update().get(id=order_id)
        now = max(now, order.occurred_at)
        plan = _plan(order, now)
        refund = Refund.objects.create(
            id=uuid7(),
            order=order,
            member_id=order.member_id,
            occurred_at=now,
            recorded_at=recorded_at,
            payable_minor=plan.payable_minor,
            points_returned=plan.points_returned,
            points_expired=plan.points_expired,
            points_clawed_back=plan.points_clawed_back,
            growth_clawed_back=plan.growth_clawed_back,
            debt_created=plan.debt_created,
            reason=reason,
            actor=actor.reference,
        )
        Order.objects.filter(id=order_id).update(status=OrderStatus.REFUNDED)
        header = {
            "member_id": order.member_id,
            "occurred_at": now,
            "recorded_at": recorded_at,
            "order_id": order.id,
            "refund_id": refund.id,
            "store_id": order.store_id,
            "programme_version_id": order.programme_version_id,
            "actor": actor.reference,
            "reason": reason,
        }
        for transfer in (plan.reversal, plan.expiry):
            if transfer:
                _post(transfer_document(transfer, header))
        tier = _review_tier(order, now)
        record_audit(
            actor=actor,
            action="checkout.order_refunded.v1",
            now=recorded_at,
            object_type="order",
            object_id=order.id,
            store_id=order.store_id,
            reason=reason,
            data={"refund_id": str(refund.id), "payable_minor": plan.payable_minor},
        )
        publish_event(
            name="checkout.order_refunded.v1",
            member_id=order.member_id,
            occurred_at=now,
            payload={
                "order_id": str(order.id),
                "refund_id": str(refund.id),
                "payable_minor": plan.payable_minor,
                "points_returned": plan.points_returned,
                "points_clawed_back": plan.points_clawed_back,
            },
        )
    return {"id": refund.id, "currency": order.currency, "occurred_at": now, "tier": tier, **plan.figures()}


def _order(actor: Actor, order_id: UUID) -> Order:
    order = Order.objects.select_related("store").filter(id=order_id).first()
    if order is None:
        raise OrderNotFound
    if not actor.may_touch_store(order.store_id):
        raise StoreOutOfScope(code=order.store.code)
    return order


def _take_book(member_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_take_book(%s, NULL)", [member_id])


def _post(document: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_post(%s::jsonb)", [_json.encode(document).decode()])


def _plan(order: Order, now: datetime) -> RefundPlan:
    """Decide every leg of the refund from the order's own entries, under the policies of the version that priced it."""
    if order.status == OrderStatus.REFUNDED:
        raise AlreadyRefunded
    if order.member_id is None or order.programme_version_id is None:
        return RefundPlan(order.id, order.payable_minor, 0, 0, 0, 0, 0, None, None, 0)
    policies = version_by_id(order.programme_version_id).programme.policies
    own = list(
        Entry.objects.filter(
            transfer__order_id=order.id, transfer__kind__in=("earn", "redeem"), account="member"
        )
        .order_by("transfer_id", "seq")
        .values_list("asset", "amount", "lot_id")
    )
    entries: list[NewEntry] = []
    lapsed: list[NewEntry] = []
    returned = clawed = growth = debt = 0
    given_back: dict[UUID, int] = {}
    if policies.return_spent_points:
        for asset, amount, lot_id in own:
            if amount < 0 and lot_id is not None:
                returned -= amount
                given_back[lot_id] = -amount
                entries.append(NewEntry("member", asset, -amount, lot_id, {"refund": "returned"}))
        if returned:
            entries.append(NewEntry("redeemed", "points", -returned, None, None))
            lapsed = _expired_again(given_back, now)
    if policies.claw_back_earned:
        for asset in sorted({asset for asset, amount, _ in own if amount > 0}):
            earned = sum(amount for a, amount, _ in own if a == asset and amount > 0)
            lot = next((lot_id for a, amount, lot_id in own if a == asset and amount > 0 and lot_id), None)
            taken, owed = claw_back(_lots(order.member_id, asset, given_back, lapsed), lot, earned)
            entries += [
                NewEntry("member", asset, -part, lot_id, {"refund": "clawed_back"}) for lot_id, part in taken
            ]
            if owed:
                entries.append(NewEntry("member", asset, -owed, None, {"refund": "debt"}))
            entries.append(NewEntry("issued", asset, earned, None, None))
            if asset == "points":
                clawed, debt = earned, owed
            elif asset == "growth":
                growth = earned
    expired = -sum(e.amount for e in lapsed if e.account == "member")
    account = (
        Account.objects.filter(member_id=order.member_id, asset="points")
        .values_list("balance", "debt")
        .first()
    )
    balance, owed_before = account or (0, 0)
    if owed_before:
        entries += _debt_settled(_lots(order.member_id, "points", given_back, lapsed), entries, owed_before)
    return RefundPlan(
        order_id=order.id,
        payable_minor=order.payable_minor,
        points_returned=returned,
        points_expired=expired,
        points_clawed_back=clawed,
        growth_clawed_back=growth,
        debt_created=debt,
        reversal=NewTransfer(uuid7(), "reversal", tuple(entries), ()) if entries else None,
        expiry=NewTransfer(uuid7(), "expire", tuple(lapsed), ()) if lapsed else None,
        balance_after=balance + returned - expired - clawed,
    )


def _debt_settled(lots: list[OpenLot], entries: list[NewEntry], owed: int) -> list[NewEntry]:
    """Points that came back pay an older debt first: nobody spends points while owing them."""
    gone = {entry.lot_id: -entry.amount for entry in entries if entry.lot_id and entry.amount < 0}
    left = [replace(lot, remaining=lot.remaining - gone.get(lot.id, 0)) for lot in lots]
    taken, unpaid = claw_back(left, None, owed)
    if not taken:
        return []
    explain = {"refund": "debt_settled"}
    return [
        *(NewEntry("member", "points", -part, lot_id, explain) for lot_id, part in taken),
        NewEntry("member", "points", owed - unpaid, None, explain),
    ]


def _expired_again(given_back: dict[UUID, int], now: datetime) -> list[NewEntry]:
    """Points that return to a lot which has lapsed meanwhile lapse again at once."""
    gone = list(
        Lot.objects.filter(id__in=given_back, expires_at__lte=now).order_by("id").values_list("id", "asset")
    )
    entries = [NewEntry("member", asset, -given_back[lot_id], lot_id, None) for lot_id, asset in gone]
    if entries:
        entries.append(
            NewEntry("expired", "points", sum(given_back[lot_id] for lot_id, _ in gone), None, None)
        )
    return entries


def _lots(member_id: UUID, asset: str, given_back: dict[UUID, int], lapsed: list[NewEntry]) -> list[OpenLot]:
    """The member's lots as they stand once the returned points are back (and those that lapsed again are gone)."""
    gone = {entry.lot_id for entry in lapsed}
    rows = Lot.objects.filter(member_id=member_id, asset=asset).filter(
        id__in=[
            *given_back,
            *Lot.objects.filter(member_id=member_id, asset=asset, remaining__gt=0).values_list(
                "id", flat=True
            ),
        ]
    )
    return [
        OpenLot(
            row.id,
            row.remaining + (0 if row.id in gone else given_back.get(row.id, 0)),
            row.earned_at,
            row.active_at,
            row.expires_at,
            row.held,
        )
        for row in rows
    ]


def _review_tier(order: Order, now: datetime) -> dict[str, str] | None:
    """Look at the tier again without the refunded order; returns the change, or None."""
    in_force = programme_at(now)
    if order.member_id is None or in_force is None or not in_force.programme.policies.tier_on_refund_at_once:
        return None
    standing = Standing.objects.filter(member_id=order.member_id).first()
    if standing is None:
        return None
    state = TierState(standing.tier, standing.since, standing.review_at)
    member_id = order.member_id
    move = after_refund(
        in_force.programme,
        state,
        total=qualifying_totals([member_id], {member_id: now})[member_id],
        total_then=qualifying_totals([member_id], {member_id: state.since})[member_id],
        now=now,
    )
    if move is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT loyalty_move_tier(%s, %s::jsonb, %s)",
            [member_id, _json.encode(move_document(move, in_force.version_id)).decode(), order.id],
        )
    return {"from": move.before, "to": move.after.tier}
