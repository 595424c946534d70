"""Paying a plan back: quoted first, to the cent and with its reasons, then done.

What the plan has given counts against what is left: discounts on sales (told by the room above, where sales live), free
deliveries, entitlements and coupon packs by the worth that the programme states for them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.plans.errors import NothingPaid, PlanNotHeld, PlanRefundChanged
from shuke.loyalty.plans.levels import REFUNDED, end_level
from shuke.loyalty.plans.models import PlanHolding, PlanRefund, PlanTerm
from shuke.loyalty.plans.rows import (
    Sale,
    Scene,
    checked,
    end_holding,
    holding_of,
    is_held,
    lock_member,
    note,
    scene_of,
)
from shuke.loyalty.plans.selling import as_term, close_terms, open_terms
from shuke.loyalty.plans.use import SalesOf, used_since
from shuke.loyalty.plans.values import RefundSum, refund_of

MAX_REASON = 300


def quote_plan_refund(*, member_id: UUID, plan: str, now: datetime, enjoyed: SalesOf) -> dict[str, Any]:
    """What the member would get back now, and why. Writes nothing. Raises UnknownPlan, PlanNotHeld."""
    scene = scene_of(SYSTEM, plan, now, holder=member_id)
    _holding, terms, sums = _plan(scene, member_id, enjoyed)
    return {**told(sums, scene.in_force.programme.currency), "terms": len(terms)}


def refund_plan(
    *,
    actor: Actor,
    member_id: UUID,
    plan: str,
    sale: Sale,
    reason: str,
    now: datetime,
    enjoyed: SalesOf,
    expected_minor: int | None = None,
) -> PlanRefund:
    """End a plan now and pay back what is due. Terms that were given as a gift end with it and pay nothing.

    `expected_minor`: what the quote said; refused with PlanRefundChanged when it is another by now. Raises PlanNotHeld,
    NothingPaid when no term was paid for.
    """
    scene, sale = scene_of(actor, plan, now, holder=member_id), checked(sale)
    reason = clean_text("reason", reason, MAX_REASON)
    if not reason:
        raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the refund."))
    with transaction.atomic():
        lock_member(member_id)
        holding, terms, sums = _plan(scene, member_id, enjoyed)
        if not sums.paid:
            raise NothingPaid(field="plan")
        if expected_minor is not None and expected_minor != sums.refund:
            raise PlanRefundChanged(field="expected_minor", refund=sums.refund)
        close_terms(scene, [t for t in terms if t.gift_id is None], now, refunded=sums.refund)
        for term in terms:
            if term.gift_id is not None:
                term.closed_at = now
                term.save()
        # What was taken back whole was never bought: a mistake does not use up the purchases of a member.
        holding.times_bought -= sums.whole_terms
        end_holding(holding, now)
        end_level(scene.in_force, holding, why=REFUNDED, by=actor.reference, now=now)
        refund = PlanRefund.objects.create(
            id=uuid7(),
            holding=holding,
            occurred_at=now,
            currency=scene.in_force.programme.currency,
            refund_minor=sums.refund,
            sums=told(sums, scene.in_force.programme.currency),
            tender=sale.tender,
            reference=sale.reference,
            reason=reason,
            store=sale.store,
            actor=actor.reference,
        )
        note(
            actor,
            now,
            "plan_refunded",
            plan=plan,
            member_id=member_id,
            holding=holding,
            facts={"refund_id": str(refund.id), **refund.sums, "tender": sale.tender},
            store=sale.store,
            reason=reason,
        )
    return refund


def told(sums: RefundSum, currency: str) -> dict[str, Any]:
    """The sums as they are answered and kept."""
    return {
        "currency": currency,
        "paid_minor": sums.paid,
        "unearned_minor": sums.unearned,
        "used_discounts_minor": sums.used.discounts,
        "used_entitlements_minor": sums.used.entitlements,
        "used_packs_minor": sums.used.packs,
        "used_shipping_minor": sums.used.shipping,
        "kept_minor": sums.kept,
        "fee_minor": sums.fee,
        "refund_minor": sums.refund,
        "is_full": sums.is_full,
    }


def _plan(scene: Scene, member_id: UUID, enjoyed: SalesOf) -> tuple[PlanHolding, list[PlanTerm], RefundSum]:
    now = scene.now
    holding = holding_of(member_id, scene.plan.code)
    if holding is None or not is_held(holding, now):
        raise PlanNotHeld(field="plan")
    terms = open_terms(holding, now)
    paid = [term for term in terms if term.gift_id is None]
    used = used_since(member_id, scene.plan.code, paid, now, enjoyed)
    return (
        holding,
        terms,
        refund_of(scene.plan, map(as_term, paid), used, now, scene.in_force.programme.zone),
    )
