"""Selling, trying, renewing and upgrading plans. One call is one transaction under the member's book."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from shuke.core.values import SYSTEM, Actor
from shuke.kit.money import allocate
from shuke.loyalty.plans.errors import (
    NotAnUpgrade,
    NoTrial,
    PlanHeld,
    PlanLimitReached,
    PlanNotHeld,
    PlanNotOnSale,
    PlanSoldOut,
    PlanUpgradeChanged,
    RenewalNotOffered,
    RenewalTooEarly,
    TrialUsed,
)
from shuke.loyalty.plans.levels import UPGRADED, end_level
from shuke.loyalty.plans.models import PlanHolding, PlanState, PlanTerm, TermCause
from shuke.loyalty.plans.rows import (
    Sale,
    Scene,
    add_term,
    checked,
    end_holding,
    holders_of,
    holding_of,
    is_held,
    lock_member,
    lock_plan,
    note,
    open_charges,
    require_member,
    scene_of,
)
from shuke.loyalty.plans.use import SalesOf, used_since
from shuke.loyalty.plans.values import Plan, Term, left_of

LEASE = timedelta(minutes=15)
"""How long a charge that was sent is left alone before somebody asks for it again."""


def buy_plan(*, actor: Actor, member_id: UUID, plan: str, sale: Sale, now: datetime) -> PlanTerm:
    """Sell a plan. It begins now, or when the trial ends that the member is in.

    Raises UnknownPlan, PlanNotOnSale, PlanHeld (renew instead), PlanLimitReached, PlanSoldOut, PlanSaleExists.
    """
    scene, sale = scene_of(actor, plan, now), checked(sale)
    with transaction.atomic():
        check_sale(scene, member_id)
        holding = holding_of(member_id, plan)
        if holding is not None and is_held(holding, now) and holding.state != PlanState.TRIAL:
            raise PlanHeld(field="plan", until=holding.until.isoformat())
        holding, term = add_term(
            scene, member_id, holding, TermCause.BOUGHT, paid=scene.plan.price, sale=sale
        )
        tell(scene, "plan_bought", holding, term, sale)
    return term


def start_trial(*, actor: Actor, member_id: UUID, plan: str, now: datetime) -> PlanTerm:
    """Let a member try a plan for nothing, once, if they never had it. Raises NoTrial, TrialUsed, and as `buy_plan`."""
    scene = scene_of(actor, plan, now)
    if scene.plan.trial is None:
        raise NoTrial(field="plan")
    with transaction.atomic():
        check_sale(scene, member_id)
        holding = holding_of(member_id, plan)
        if holding is not None:
            raise TrialUsed(field="member")
        holding, term = add_term(scene, member_id, None, TermCause.TRIAL, paid=0, sale=Sale())
        tell(scene, "plan_trial_started", holding, term, Sale())
    return term


def renew_plan(*, actor: Actor, member_id: UUID, plan: str, sale: Sale, now: datetime) -> PlanTerm:
    """Sell the next term of a plan that is held: it follows the last one without a gap, also out of the grace days.

    Raises UnknownPlan, RenewalNotOffered, RenewalTooEarly, PlanNotHeld, PlanLimitReached, PlanSaleExists.
    """
    scene, sale = scene_of(actor, plan, now), checked(sale)
    renewal = scene.plan.renewal
    if not renewal.manual:
        raise RenewalNotOffered(field="plan")
    with transaction.atomic():
        require_member(member_id)
        lock_member(member_id)
        holding = holding_of(member_id, plan)
        if holding is None or not is_held(holding, now):
            raise PlanNotHeld(field="plan")
        if holding.until - now > timedelta(days=renewal.ahead_days):
            raise RenewalTooEarly(field="plan", days=renewal.ahead_days)
        check_times(scene, holding)
        holding, term = add_term(
            scene, member_id, holding, TermCause.RENEWED, paid=scene.plan.price, sale=sale
        )
        plan_next_charge(scene, holding)
        tell(scene, "plan_renewed", holding, term, sale)
    return term


def quote_upgrade(
    *, member_id: UUID, plan: str, target: str, now: datetime, enjoyed: SalesOf
) -> dict[str, Any]:
    """What an upgrade would cost now. Writes nothing. Raises as `upgrade_plan`."""
    scene = scene_of(SYSTEM, target, now)
    holding, former = _upgradable(scene, member_id, plan)
    credit, rest = _credit(scene, former, _paid_for(open_terms(holding, now)), member_id, enjoyed)
    return {
        "currency": scene.in_force.programme.currency,
        "price_minor": scene.plan.price,
        "credit_minor": credit,
        "to_pay_minor": scene.plan.price - credit,
        "paid_back_minor": rest,
    }


def upgrade_plan(
    *,
    actor: Actor,
    member_id: UUID,
    plan: str,
    target: str,
    sale: Sale,
    now: datetime,
    enjoyed: SalesOf,
    expected_minor: int | None = None,
) -> PlanTerm:
    """Give up a plan for a better one that begins now. What time and use have left of the former pays for it.

    What it has given counts as in a refund, or a plan that is used up would be money again; and terms that were a gift end
    with it and pay nothing. Credit beyond the price is paid back the way the new plan is paid. `expected_minor`: what the
    quote said is to be paid, less what it said is paid back; refused with PlanUpgradeChanged when it is another by now.
    Raises UnknownPlan,
    PlanNotOnSale, PlanNotHeld, NotAnUpgrade, PlanHeld, PlanLimitReached, PlanSoldOut, PlanSaleExists.
    """
    scene, sale = scene_of(actor, target, now), checked(sale)
    with transaction.atomic():
        check_sale(scene, member_id)
        given_up, former = _upgradable(scene, member_id, plan)
        terms = open_terms(given_up, now)
        paid_for = _paid_for(terms)
        credit, rest = _credit(scene, former, paid_for, member_id, enjoyed)
        due = scene.plan.price - credit - rest
        if expected_minor is not None and expected_minor != due:
            raise PlanUpgradeChanged(field="expected_minor", due=due)
        close_terms(scene, paid_for, now, credited=credit, refunded=rest)
        close_terms(scene, [term for term in terms if term.gift_id is not None], now)
        end_holding(given_up, now)
        holding, term = add_term(
            scene,
            member_id,
            holding_of(member_id, target),
            TermCause.UPGRADED,
            paid=scene.plan.price - credit,
            credit=credit,
            sale=sale,
        )
        # After the new one has brought its level, so that nobody falls in between.
        end_level(scene.in_force, given_up, why=UPGRADED, by=actor.reference, now=now)
        facts = {"from": plan, "credit_minor": credit, "paid_back_minor": rest}
        tell(scene, "plan_upgraded", holding, term, sale, facts)
    return term


def _upgradable(scene: Scene, member_id: UUID, plan: str) -> tuple[PlanHolding, Plan]:
    former = scene.in_force.programme.plans.get(plan)
    if former is None or scene.plan.code not in former.upgrade_to:
        raise NotAnUpgrade(field="target", plan=plan, target=scene.plan.code)
    holding = holding_of(member_id, plan)
    if holding is None or not is_held(holding, scene.now):
        raise PlanNotHeld(field="plan")
    other = holding_of(member_id, scene.plan.code)
    if is_held(other, scene.now) and other is not None:
        raise PlanHeld(field="target", until=other.until.isoformat())
    return holding, former


def _paid_for(terms: Iterable[PlanTerm]) -> list[PlanTerm]:
    return [term for term in terms if term.gift_id is None]


def _credit(
    scene: Scene, former: Plan, terms: list[PlanTerm], member_id: UUID, enjoyed: SalesOf
) -> tuple[int, int]:
    """(what pays for the new plan, what is paid back)."""
    used = used_since(member_id, former.code, terms, scene.now, enjoyed)
    left = left_of(former, map(as_term, terms), used, scene.now, scene.in_force.programme.zone)
    credit = min(left, scene.plan.price)
    return credit, left - credit


# Shared with gifts, renewals and refunds ---------------------------------------------------------------


def check_sale(scene: Scene, member_id: UUID) -> None:
    """May this plan be sold to this member now? Takes the book. Raises PlanNotOnSale, PlanLimitReached, PlanSoldOut."""
    if not scene.plan.on_sale:
        raise PlanNotOnSale(field="plan", plan=scene.plan.code)
    require_member(member_id)
    check_places(scene)
    lock_member(member_id)
    check_times(scene, holding_of(member_id, scene.plan.code))


def check_places(scene: Scene) -> None:
    """Raises PlanSoldOut. Holds the plan until the transaction ends where its places are limited."""
    if scene.plan.holders is not None:
        lock_plan(scene.plan.code)
        if holders_of(scene.plan.code, scene.now) >= scene.plan.holders:
            raise PlanSoldOut(field="plan", most=scene.plan.holders)


def check_times(scene: Scene, holding: PlanHolding | None) -> None:
    """Raises PlanLimitReached."""
    most = scene.plan.per_member
    if most is not None and holding is not None and holding.times_bought >= most:
        raise PlanLimitReached(field="plan", most=most)


def open_terms(holding: PlanHolding, now: datetime) -> list[PlanTerm]:
    """The terms that run or are still to come."""
    terms = PlanTerm.objects.filter(holding=holding, closed_at=None, ends_at__gt=now)
    return list(terms.order_by("seq"))


def as_term(term: PlanTerm) -> Term:
    """As the pure rules see it."""
    return Term(term.starts_at, term.ends_at, term.paid_minor + term.credit_minor, term.occurred_at)


def close_terms(
    scene: Scene, terms: list[PlanTerm], now: datetime, *, credited: int = 0, refunded: int = 0
) -> None:
    """End these terms now; what goes elsewhere or back is spread over them by what each has left."""
    left = [as_term(t).unearned(now, scene.in_force.programme.zone) for t in terms]
    if credited + refunded > sum(left):  # a full refund: by what was paid
        left = [t.paid_minor + t.credit_minor for t in terms]
    out = allocate(credited + refunded, left)
    taken = allocate(credited, out) if credited else [0] * len(out)
    for term, whole, part in zip(terms, out, taken, strict=True):
        term.closed_at, term.credited_minor, term.refunded_minor = now, part, whole - part
        term.save()


def plan_next_charge(scene: Scene, holding: PlanHolding) -> None:
    """When the renewal after the last term is to be charged; nothing without a mandate. What became of a charge that was sent
    before is asked first."""
    if open_charges(holding).exists():
        holding.charge_at = holding.charge_at or scene.now + LEASE
    elif holding.mandate_id is not None:
        ahead = timedelta(days=scene.plan.renewal.charge_days_before)
        holding.charge_at = max(holding.until - ahead, scene.now)
    else:
        return
    holding.save()


def tell(
    scene: Scene,
    kind: str,
    holding: PlanHolding,
    term: PlanTerm,
    sale: Sale,
    facts: dict[str, Any] | None = None,
) -> None:
    """Note a term that was added."""
    note(
        scene.actor,
        scene.now,
        kind,
        plan=holding.plan,
        member_id=holding.member_id,
        holding=holding,
        store=sale.store,
        facts={
            "term_id": str(term.id),
            "price_minor": term.price_minor,
            "paid_minor": term.paid_minor,
            "currency": term.currency,
            "starts_at": term.starts_at.isoformat(),
            "ends_at": term.ends_at.isoformat(),
            **({"tender": sale.tender} if sale.tender else {}),
            **(facts or {}),
        },
    )
