"""What every act on plans shares: the holding under the member's book, one more term, history, event and audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.ledger.writing import take_books
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.groups import join_group, leave_group
from shuke.loyalty.plans.errors import PlanSaleExists, UnknownPlan
from shuke.loyalty.plans.levels import bring_level
from shuke.loyalty.plans.models import (
    ChargeState,
    PlanCharge,
    PlanEvent,
    PlanHolding,
    PlanState,
    PlanTerm,
    TermCause,
)
from shuke.loyalty.plans.values import Plan, first_term, next_term
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.members.models import MemberStatus
from shuke.members.queries import get_member

TENDERS = frozenset({"cash", "card", "wechat", "alipay", "transfer", "other"})
"""Plans are paid for with money from outside; what pays a renewal is its mandate."""
MANDATE = "mandate"
MAX_REFERENCE = 80


@dataclass(frozen=True, slots=True)
class Sale:
    """How a plan is paid for and where. (system, number) exists once."""

    tender: str = ""
    reference: str = ""
    store: Store | None = None
    system: str = "api"
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Who acts when, under which programme, on which plan."""

    actor: Actor
    now: datetime
    in_force: InForce
    plan: Plan


def scene_of(actor: Actor, code: str, now: datetime, *, holder: UUID | None = None) -> Scene:
    """`holder`: what they hold can be given up under the terms it was sold with, also where no version has it any more.

    Raises NoProgramme, UnknownPlan.
    """
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    plan = in_force.programme.plans.get(code) or (plan_as_sold(holder, code) if holder else None)
    if plan is None:
        raise UnknownPlan(field="plan", plan=code)
    return Scene(actor, now, in_force, plan)


def plan_as_sold(member_id: UUID, code: str) -> Plan | None:
    """A plan as it was when it was last sold to a member; None when it never was."""
    term = PlanTerm.objects.filter(member_id=member_id, plan=code).order_by("-seq").first()
    return version_by_id(term.programme_version_id).programme.plans.get(code) if term else None


def checked(sale: Sale) -> Sale:
    """The sale with a known tender and clean text. Raises InvalidInput."""
    if sale.tender not in TENDERS:
        raise InvalidInput(field="tender", reason=_("There is no such tender."))
    return Sale(
        sale.tender,
        clean_text("reference", sale.reference, MAX_REFERENCE),
        sale.store,
        sale.system,
        clean_text("number", sale.number, MAX_REFERENCE) if sale.number else None,
    )


def lock_member(member_id: UUID) -> None:
    """Take the member's book: two acts on their plans come one after the other, and a sale in flight is priced again."""
    take_books([member_id])


def require_member(member_id: UUID) -> None:
    """Raises NotFound for a stranger, InvalidInput for a membership that is not active."""
    if get_member(member_id).status != MemberStatus.ACTIVE:
        raise InvalidInput(field="member", reason=_("This membership is not active."))


def holding_of(member_id: UUID, plan: str) -> PlanHolding | None:
    return PlanHolding.objects.filter(member_id=member_id, plan=plan).first()


def is_held(holding: PlanHolding | None, now: datetime) -> bool:
    """True while it gives benefits, grace included."""
    return holding is not None and holding.state != PlanState.ENDED and holding.grace_until > now


def add_term(
    scene: Scene,
    member_id: UUID,
    holding: PlanHolding | None,
    cause: TermCause,
    *,
    paid: int,
    sale: Sale,
    credit: int = 0,
    gift_id: UUID | None = None,
) -> tuple[PlanHolding, PlanTerm]:
    """One more term: after the last one while the plan is held, else a new run from now. The caller holds the book.

    Raises PlanSaleExists.
    """
    plan, now, zone = scene.plan, scene.now, scene.in_force.programme.zone
    is_trial = cause == TermCause.TRIAL
    duration = plan.trial if is_trial and plan.trial else plan.duration
    if holding is None:
        holding = PlanHolding(
            id=uuid7(),
            member_id=member_id,
            plan=plan.code,
            last_seq=0,
            state=PlanState.ENDED,
        )
    if is_held(holding, now):
        starts = holding.until
        ends = next_term(duration, starts, holding.anchor_day, zone)
        # A trial ends on any day: the paid terms after it count from there.
        if holding.state == PlanState.TRIAL:
            holding.anchor_day = local_date(starts, zone).day
            ends = next_term(duration, starts, holding.anchor_day, zone)
    else:
        starts, ends = now, first_term(duration, now, zone)
        holding.since, holding.anchor_day = now, local_date(now, zone).day
        holding.mandate = None
    holding.last_seq += 1
    holding.reminded_days = None
    holding.until = ends
    holding.grace_until = ends + timedelta(days=plan.grace_days)
    holding.state = PlanState.TRIAL if is_trial else PlanState.ACTIVE
    holding.had_trial = holding.had_trial or is_trial
    holding.times_bought += not is_trial
    if holding.packs_at is None and plan.benefit.packs:
        holding.packs_at = now
    holding.save()
    term_id = uuid7()
    number = sale.number or str(term_id)
    try:
        term = PlanTerm.objects.create(
            id=term_id,
            holding=holding,
            member_id=member_id,
            plan=plan.code,
            seq=holding.last_seq,
            cause=cause,
            starts_at=starts,
            ends_at=ends,
            occurred_at=now,
            currency=scene.in_force.programme.currency,
            price_minor=0 if is_trial else plan.price,
            paid_minor=paid,
            credit_minor=credit,
            tender=sale.tender,
            reference=sale.reference,
            system=sale.system,
            number=number,
            store=sale.store,
            gift_id=gift_id,
            programme_version_id=scene.in_force.version_id,
            actor=scene.actor.reference,
        )
    except IntegrityError as error:
        if "loyalty_term_once" in str(error):
            raise PlanSaleExists(field="number", system=sale.system, number=number) from error
        raise
    join_group(
        kind="plan", code=plan.code, member_ids=[member_id], since=holding.since, until=holding.grace_until
    )
    bring_level(scene.in_force, plan, holding, cause=cause.value, by=scene.actor.reference, now=now)
    return holding, term


def open_charges(holding: PlanHolding) -> QuerySet[PlanCharge]:
    """Charges that were sent and not answered: the money may be on its way, so they are asked for whatever becomes of the
    plan meanwhile."""
    states = (ChargeState.PENDING, ChargeState.UNKNOWN)
    return PlanCharge.objects.filter(holding_id=holding.id, state__in=states)


def end_holding(holding: PlanHolding, now: datetime) -> None:
    """It gives nothing from now on. The caller holds the book."""
    holding.state = PlanState.ENDED
    holding.until = min(holding.until, now)
    holding.grace_until = min(holding.grace_until, now)
    holding.mandate, holding.packs_at = None, None
    holding.charge_at = holding.charge_at if open_charges(holding).exists() else None
    holding.save()
    leave_group(kind="plan", code=holding.plan, member_ids=[holding.member_id], now=now)


def note(
    actor: Actor,
    now: datetime,
    kind: str,
    *,
    plan: str,
    member_id: UUID | None,
    holding: PlanHolding | None = None,
    facts: Mapping[str, Any] | None = None,
    store: Store | None = None,
    reason: str = "",
) -> None:
    """History, outbox and, where a person or a till decided, the audit log. `kind`: `plan_bought` and the like."""
    data = {"plan": plan, **(facts or {}), **({"store": store.code} if store else {})}
    PlanEvent.objects.create(
        id=uuid7(),
        holding=holding,
        member_id=member_id,
        plan=plan,
        kind=kind,
        occurred_at=now,
        data=data,
        actor=actor.reference,
    )
    name = f"loyalty.{kind}.v1"
    if actor.kind != "system":
        record_audit(
            actor=actor,
            action=name,
            now=now,
            object_type="member" if member_id else "plan",
            object_id=member_id or plan,
            store_id=store.id if store else None,
            reason=reason,
            data=data,
        )
    publish_event(name=name, member_id=member_id, occurred_at=now, payload=data)


def holders_of(plan: str, now: datetime) -> int:
    """How many hold a plan now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM loyalty_planholding WHERE plan = %s AND state <> 'ended' AND grace_until > %s",
            [plan, now],
        )
        return int(cursor.fetchone()[0])


def lock_plan(plan: str) -> None:
    """Sales of a plan with a limited number of places come one after the other. Taken before any book."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('loyalty.plan'), hashtext(%s))", [plan])
