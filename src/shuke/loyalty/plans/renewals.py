"""Plans that renew themselves: leave given and withdrawn, charges sent, answers taken in, failures tried again.

A charge is written down before it is sent and settled when an answer comes, in two transactions with the provider's call
between them. Whoever dies in the middle leaves a charge that is asked for again under the same reference; whatever is
repeated, a term is added once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.values import SYSTEM, Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.plans.errors import AutoRenewNotOffered, PlanNotHeld, UnknownCharge, UnknownPlan
from shuke.loyalty.plans.models import ChargeState, PlanCharge, PlanHolding, PlanMandate, TermCause
from shuke.loyalty.plans.payments import Answer, Outcome, provider_names, provider_of
from shuke.loyalty.plans.rows import (
    MANDATE,
    Sale,
    Scene,
    add_term,
    holding_of,
    is_held,
    lock_member,
    note,
    open_charges,
    scene_of,
)
from shuke.loyalty.plans.selling import LEASE, plan_next_charge, tell

BATCH = 100
ASK_AGAIN = timedelta(hours=1)
"""After an answer that did not come."""
SETTLED = frozenset({ChargeState.APPROVED, ChargeState.GIVEN_UP})


def start_auto_renew(
    *, actor: Actor, member_id: UUID, plan: str, now: datetime, provider: str = "local", token: str = ""
) -> PlanHolding:
    """Renew a plan by itself from now on, charged to a mandate: `token` as the provider gave it, or a new one.

    Raises UnknownPlan, AutoRenewNotOffered, PlanNotHeld.
    """
    scene = scene_of(actor, plan, now)
    if not scene.plan.renewal.auto:
        raise AutoRenewNotOffered(field="plan")
    if provider not in provider_names():
        raise InvalidInput(field="provider", reason=_("There is no such payment provider."))
    found = token or provider_of(provider).open_mandate(now)
    with transaction.atomic():
        lock_member(member_id)
        holding = holding_of(member_id, plan)
        if holding is None or not is_held(holding, now):
            raise PlanNotHeld(field="plan")
        mandate, _made = PlanMandate.objects.get_or_create(
            token=found,
            defaults={"id": uuid7(), "member_id": member_id, "provider": provider, "created_at": now},
        )
        if mandate.member_id != member_id or mandate.revoked_at is not None:
            raise AutoRenewNotOffered(field="token")
        holding.mandate = mandate
        plan_next_charge(scene, holding)
        facts = {"charge_at": holding.charge_at.isoformat() if holding.charge_at else None}
        note(
            actor,
            now,
            "plan_auto_renew_started",
            plan=plan,
            member_id=member_id,
            holding=holding,
            facts=facts,
        )
    return holding


def cancel_auto_renew(*, actor: Actor, member_id: UUID, plan: str, now: datetime) -> PlanHolding:
    """Let the plan end with its last term. What is paid stays. Doing it twice changes nothing. Raises PlanNotHeld."""
    with transaction.atomic():
        lock_member(member_id)
        holding = holding_of(member_id, plan)
        if holding is None or not is_held(holding, now):
            raise PlanNotHeld(field="plan")
        mandate = holding.mandate
        if mandate is None:
            return holding
        holding.mandate = None
        holding.charge_at = holding.charge_at if open_charges(holding).exists() else None
        holding.save()
        mandate.revoked_at = now
        mandate.save()
        note(actor, now, "plan_auto_renew_cancelled", plan=plan, member_id=member_id, holding=holding)
    # The leave is withdrawn here whatever the provider says; it is told afterwards, outside the transaction.
    provider_of(mandate.provider).close_mandate(mandate.token, now)
    return holding


def charge_due(*, now: datetime, limit: int = BATCH) -> int:
    """Charge the renewals that are due, one after the other. Returns how many; the caller repeats until none is left."""
    due = list(
        PlanHolding.objects.filter(charge_at__lte=now)
        .order_by("charge_at")
        .values_list("id", flat=True)[:limit]
    )
    for holding_id in due:
        charge = _prepare(holding_id, now)
        if charge is not None:
            send_charge(charge, now=now)
    return len(due)


def send_charge(charge: PlanCharge, *, now: datetime) -> PlanCharge:
    """Ask the provider and take the answer in. A charge that was sent before is looked up first."""
    provider = provider_of(charge.mandate.provider)
    answer = provider.look_up(charge.reference) if charge.attempts > 1 else None
    if answer is None and _is_over(charge, charge.holding, now):
        answer = Answer("declined", "not_charged")
    if answer is None:
        answer = provider.charge(
            charge.mandate.token, charge.reference, charge.amount_minor, charge.currency, now
        )
    return settle_charge(charge_id=charge.id, answer=answer, reference=charge.reference, now=now)


def confirm_charge(*, reference: str, outcome: Outcome, reason: str = "", now: datetime) -> PlanCharge:
    """What a provider reports by itself, possibly late and more than once. Raises UnknownCharge."""
    charge = PlanCharge.objects.filter(reference=reference).first()
    if charge is None:
        raise UnknownCharge(field="reference")
    return settle_charge(charge_id=charge.id, answer=Answer(outcome, reason), reference=reference, now=now)


def _prepare(holding_id: UUID, now: datetime) -> PlanCharge | None:
    """Write the charge down, and see that it is asked for again should we die before the answer."""
    with transaction.atomic():
        holding = PlanHolding.objects.filter(id=holding_id).first()
        if holding is None:
            return None
        lock_member(holding.member_id)
        holding = PlanHolding.objects.select_for_update().get(id=holding_id)
        if holding.charge_at is None or holding.charge_at > now:
            return None  # a rival was first
        sent = open_charges(holding).select_related("holding", "mandate").order_by("term_seq").first()
        if sent is not None and _is_over(sent, holding, now):
            sent.attempts += 1
            sent.save()
            holding.charge_at = now + LEASE
            holding.save()
            return sent
        if holding.mandate is None:
            holding.charge_at = None
            holding.save()
            return None
        try:
            scene = scene_of(SYSTEM, holding.plan, now)
        except UnknownPlan:
            _give_up(holding, None, "plan_gone", now)
            return None
        if not scene.plan.renewal.auto or not is_held(holding, now):
            _give_up(holding, None, "ended" if not is_held(holding, now) else "not_offered", now)
            return None
        seq = holding.last_seq + 1
        charge = PlanCharge.objects.filter(holding=holding, term_seq=seq).first()
        if charge is None:
            charge = PlanCharge(
                id=uuid7(),
                holding=holding,
                term_seq=seq,
                created_at=now,
                reference=_reference(holding, seq, 0),
            )
        if charge.state == ChargeState.DECLINED:
            charge.reference = _reference(holding, seq, charge.failures)
            charge.attempts = 0
        if charge.attempts == 0:
            # A charge that may have been made keeps its mandate and amount: it is the same charge, asked for again.
            charge.mandate = holding.mandate
            charge.amount_minor, charge.currency = scene.plan.price, scene.in_force.programme.currency
        charge.state = ChargeState.PENDING
        charge.attempts += 1
        charge.save()
        holding.charge_at = now + LEASE
        holding.save()
    return charge


def _is_over(charge: PlanCharge, holding: PlanHolding, now: datetime) -> bool:
    """True for a charge that is wanted no more: its term was sold otherwise, the leave was withdrawn, or the plan has ended.

    If the money came nevertheless it buys a term; if not, it is not asked for again."""
    return holding.mandate_id is None or charge.term_seq != holding.last_seq + 1 or not is_held(holding, now)


def _reference(holding: PlanHolding, seq: int, failures: int) -> str:
    return f"plan-{holding.id.hex}-{seq}-{failures}"


def settle_charge(*, charge_id: UUID, answer: Answer, reference: str, now: datetime) -> PlanCharge:
    """Take an answer in: the next term, another try, or the end of renewing. The same answer again changes nothing."""
    with transaction.atomic():
        charge = PlanCharge.objects.select_related("holding", "mandate").get(id=charge_id)
        lock_member(charge.holding.member_id)
        charge = PlanCharge.objects.select_for_update().get(id=charge_id)
        if charge.state in SETTLED or charge.reference != reference:
            return charge
        holding = PlanHolding.objects.get(id=charge.holding_id)
        if answer.outcome == "approved":
            _approved(charge, holding, now)
        elif answer.outcome == "declined" and charge.state != ChargeState.DECLINED:
            _declined(charge, holding, answer.reason, now)
        elif answer.outcome == "unknown":
            charge.state = ChargeState.UNKNOWN
            charge.save()
            if holding.charge_at is not None:
                holding.charge_at = now + ASK_AGAIN
                holding.save()
    return charge


def _approved(charge: PlanCharge, holding: PlanHolding, now: datetime) -> None:
    charge.state, charge.settled_at = ChargeState.APPROVED, now
    charge.save()
    scene = scene_of(SYSTEM, holding.plan, now)
    sale = Sale(MANDATE, charge.reference, system="plan_charge", number=charge.reference)
    mandate = holding.mandate
    holding, term = add_term(
        scene, holding.member_id, holding, TermCause.AUTO_RENEWED, paid=charge.amount_minor, sale=sale
    )
    # Money that came after all, when the plan had ended meanwhile, begins a new run; leave once withdrawn stays withdrawn.
    holding.mandate = mandate
    holding.charge_at = None
    plan_next_charge(scene, holding)
    holding.save()
    tell(scene, "plan_renewed", holding, term, sale, {"auto": True})


def _declined(charge: PlanCharge, holding: PlanHolding, reason: str, now: datetime) -> None:
    scene = scene_of(SYSTEM, holding.plan, now)
    if _is_over(charge, holding, now):
        charge.state, charge.reason, charge.settled_at = ChargeState.GIVEN_UP, reason[:80], now
        charge.save()
        holding.charge_at = None
        plan_next_charge(scene, holding)
        holding.save()
        return
    charge.failures += 1
    charge.state, charge.reason = ChargeState.DECLINED, reason[:80]
    waits = scene.plan.renewal.retry_days
    if charge.failures > len(waits):
        charge.save()
        _give_up(holding, charge, reason or "declined", now)
        return
    charge.save()
    if holding.mandate_id is not None:
        holding.charge_at = now + timedelta(days=waits[charge.failures - 1])
        holding.save()
    _failed(scene, holding, charge, now, holding.charge_at)


def _failed(
    scene: Scene, holding: PlanHolding, charge: PlanCharge, now: datetime, again: datetime | None
) -> None:
    note(
        SYSTEM,
        now,
        "plan_charge_failed",
        plan=holding.plan,
        member_id=holding.member_id,
        holding=holding,
        facts={
            "reason": charge.reason,
            "failures": charge.failures,
            "amount_minor": charge.amount_minor,
            "again_at": again.isoformat() if again else None,
            "ends_at": holding.until.isoformat(),
        },
    )


def _give_up(holding: PlanHolding, charge: PlanCharge | None, reason: str, now: datetime) -> None:
    """The plan ends with its last term."""
    if charge is not None:
        charge.state, charge.settled_at = ChargeState.GIVEN_UP, now
        charge.save()
    holding.mandate, holding.charge_at = None, None
    holding.save()
    note(
        SYSTEM,
        now,
        "plan_renewal_given_up",
        plan=holding.plan,
        member_id=holding.member_id,
        holding=holding,
        facts={"reason": reason, "ends_at": holding.until.isoformat()},
    )
