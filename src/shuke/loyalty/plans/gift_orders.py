"""Many gifts sold at once: ordered and paid for, made by a job that goes on where it was interrupted, told, paid back.

The codes are stored nowhere (see `loyalty.plans.gifts`): whoever downloads them has them made again, and is on record.

Codes are worth money, so an order is within reach only of those who cover its store. One without a store is the head
office's: it needs somebody who covers all stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.core.errors import InvalidInput
from shuke.core.operations import record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit import jobs
from shuke.kit.ids import uuid7
from shuke.loyalty.plans.errors import GiftOrderEnded, GiftOrderNotReady, PlanNotOnSale, UnknownGiftOrder
from shuke.loyalty.plans.gifts import MAX_REASON, codes_of, gifts_expire, new_gifts, refund_of, within_reach
from shuke.loyalty.plans.models import GiftOrderState, GiftState, PlanGift, PlanGiftOrder, PlanRefund
from shuke.loyalty.plans.rows import Sale, checked, note, scene_of

MAX_ORDERED = 20_000
BATCH = 1_000
"""Gifts per transaction: what a killed job loses at most, and how often its progress is told."""
TOLD_AT_ONCE = 1_000
MAKE = "loyalty.make_plan_gifts"
CODES_READ = "loyalty.plan_gift_codes_read.v1"


def order_gifts(
    *, actor: Actor, plan: str, sale: Sale, count: int, now: datetime, remark: str = ""
) -> PlanGiftOrder:
    """Sell so many codes for a plan; a job makes them. `remark`: what they are for.

    Who covers a single store sells there; who covers several says at which.
    Raises UnknownPlan, PlanNotOnSale, InvalidInput.
    """
    scene, sale = scene_of(actor, plan, now), checked(sale)
    if not scene.plan.on_sale:
        raise PlanNotOnSale(field="plan", plan=plan)
    if not 1 <= count <= MAX_ORDERED:
        raise InvalidInput(field="count", reason=_("Up to %s codes at a time.") % MAX_ORDERED)
    remark = clean_text("remark", remark, MAX_REASON)
    store = sale.store or _only_store(actor)
    with transaction.atomic():
        order = PlanGiftOrder.objects.create(
            id=uuid7(),
            plan=plan,
            count=count,
            currency=scene.in_force.programme.currency,
            price_minor=scene.plan.price,
            tender=sale.tender,
            reference=sale.reference,
            note=remark,
            store=store,
            occurred_at=now,
            expires_at=gifts_expire(scene),
            programme_version_id=scene.in_force.version_id,
            actor=actor.reference,
        )
        facts = {
            "order_id": str(order.id),
            "count": count,
            "paid_minor": scene.plan.price * count,
            "currency": order.currency,
            "tender": sale.tender,
        }
        note(actor, now, "plan_gifts_ordered", plan=plan, member_id=None, facts=facts, store=store)
        jobs.defer(MAKE, lock=f"{MAKE}:{order.id}", order_id=str(order.id))
    return order


def make_gifts(*, order_id: UUID, now: datetime, limit: int = BATCH) -> int:
    """Make the next gifts of an order, in one transaction. Returns how many; 0 when there is nothing left to make."""
    with transaction.atomic():
        order = PlanGiftOrder.objects.select_for_update().filter(id=order_id).first()
        if order is None or order.state != GiftOrderState.RUNNING:
            return 0
        made = min(limit, order.count - order.made)
        PlanGift.objects.bulk_create(
            new_gifts(
                made,
                order_id=order.id,
                plan=order.plan,
                currency=order.currency,
                price_minor=order.price_minor,
                tender=order.tender,
                reference=order.reference,
                store_id=order.store_id,
                occurred_at=order.occurred_at,
                expires_at=order.expires_at,
                programme_version_id=order.programme_version_id,
                actor=order.actor,
            )
        )
        order.made += made
        if order.made == order.count:
            order.state, order.finished_at = GiftOrderState.DONE, now
        order.save()
    return made


def download_gift_codes(*, actor: Actor, order_id: UUID, now: datetime, reason: str) -> Iterator[str]:
    """The codes of an order that are not redeemed, as they are printed. The look is on record before the first is told.

    Raises InvalidInput without a reason, UnknownGiftOrder, GiftOrderNotReady, GiftOrderEnded.
    """
    return _told(_opened(actor, order_id, now, reason))


def read_gift_codes(
    *, actor: Actor, order_id: UUID, now: datetime, reason: str, limit: int, after: UUID | None = None
) -> list[tuple[UUID, str]]:
    """(gift, code) of up to `limit` gifts that are not redeemed, beginning after one. Each look is on record.

    Raises as `download_gift_codes`.
    """
    gifts = _issued(_opened(actor, order_id, now, reason), after)[: min(limit, MAX_ORDERED)]
    return list(zip((gift.id for gift in gifts), codes_of(gifts), strict=True))


def _opened(actor: Actor, order_id: UUID, now: datetime, reason: str) -> PlanGiftOrder:
    """An order whose codes may be told, and that they were is on record."""
    reason = _checked_reason(reason)
    order = get_gift_order(order_id, actor=actor)
    if order.state == GiftOrderState.RUNNING:
        raise GiftOrderNotReady(made=order.made, count=order.count)
    if order.state == GiftOrderState.VOID:
        raise GiftOrderEnded
    record_audit(
        actor=actor,
        action=CODES_READ,
        now=now,
        object_type="plan_gift_order",
        object_id=order.id,
        reason=reason,
        data={"plan": order.plan, "count": order.count},
    )
    return order


def take_back_gifts(*, actor: Actor, order_id: UUID, sale: Sale, reason: str, now: datetime) -> PlanGiftOrder:
    """Pay back what nobody has redeemed of an order; those codes are void. Plans that began stay.

    Raises InvalidInput, UnknownGiftOrder, GiftOrderNotReady, GiftOrderEnded.
    """
    reason, sale = _checked_reason(reason), checked(sale)
    with transaction.atomic():
        order = PlanGiftOrder.objects.select_for_update().filter(id=order_id).first()
        if order is None or not within_reach(actor, order.store_id):
            raise UnknownGiftOrder
        if order.state == GiftOrderState.RUNNING:
            raise GiftOrderNotReady(made=order.made, count=order.count)
        if order.state == GiftOrderState.VOID:
            raise GiftOrderEnded
        rest = PlanGift.objects.select_for_update().filter(order=order, state=GiftState.ISSUED)
        gifts = list(rest.order_by("id"))
        PlanGift.objects.filter(id__in=[gift.id for gift in gifts]).update(state=GiftState.VOID)
        PlanRefund.objects.bulk_create(refund_of(gift, actor, sale, reason, now) for gift in gifts)
        order.state, order.ended_at, order.taken_back = GiftOrderState.VOID, now, len(gifts)
        order.save()
        facts = {
            "order_id": str(order.id),
            "count": len(gifts),
            "refund_minor": sum(gift.price_minor for gift in gifts),
            "tender": sale.tender,
        }
        note(
            actor,
            now,
            "plan_gifts_taken_back",
            plan=order.plan,
            member_id=None,
            facts=facts,
            store=sale.store,
            reason=reason,
        )
    return order


def get_gift_order(order_id: UUID, *, actor: Actor) -> PlanGiftOrder:
    """One order. Raises UnknownGiftOrder, also for one that is out of the actor's reach."""
    order = PlanGiftOrder.objects.filter(id=order_id).first()
    if order is None or not within_reach(actor, order.store_id):
        raise UnknownGiftOrder
    return order


def list_gift_orders(
    *, actor: Actor, limit: int, plan: str = "", before: UUID | None = None
) -> list[PlanGiftOrder]:
    """The orders for codes of a plan, or of all, within the actor's reach, newest first."""
    rows = PlanGiftOrder.objects.select_related("store").order_by("-id")
    rows = rows.filter(plan=plan) if plan else rows
    if not actor.all_stores:
        rows = rows.filter(store_id__in=actor.store_ids)
    return list(rows.filter(id__lt=before)[:limit] if before else rows[:limit])


def gifts_by_state(order_id: UUID) -> dict[str, int]:
    """How many gifts of an order are in each state."""
    rows = PlanGift.objects.filter(order_id=order_id).order_by().values_list("state").annotate(n=Count("id"))
    return {str(state): int(count) for state, count in rows}


def _told(order: PlanGiftOrder) -> Iterator[str]:
    last: UUID | None = None
    while True:
        gifts = list(_issued(order, last)[:TOLD_AT_ONCE])
        if not gifts:
            return
        yield from codes_of(gifts)
        last = gifts[-1].id


def _issued(order: PlanGiftOrder, after: UUID | None) -> QuerySet[PlanGift]:
    rows = PlanGift.objects.filter(order=order, state=GiftState.ISSUED).order_by("id")
    return rows.filter(id__gt=after) if after else rows


def _only_store(actor: Actor) -> Store | None:
    """Where an order belongs that names no store. Raises InvalidInput when that could be one of several."""
    if actor.all_stores:
        return None
    if len(actor.store_ids) != 1:
        raise InvalidInput(field="store", reason=_("Choose at which of your stores these codes are sold."))
    return Store.objects.get(id__in=actor.store_ids)


def _checked_reason(reason: str) -> str:
    cleaned = clean_text("reason", reason, MAX_REASON)
    if not cleaned:
        raise InvalidInput(field="reason", reason=_("Say why: it stays on record."))
    return cleaned
