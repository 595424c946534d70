"""What falls due by the clock: plans that end, and reminders ahead of it. Each once.

Jobs go in batches and may be repeated or killed at any point: what says that something was done is
written in the transaction that does it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from shuke.core.operations import publish_event
from shuke.core.values import SYSTEM
from shuke.loyalty.plans.models import PlanHolding, PlanState
from shuke.loyalty.plans.rows import end_holding, lock_member, note
from shuke.loyalty.queries import programme_at

BATCH = 500


def end_plans(*, now: datetime, limit: int = BATCH) -> int:
    """Put plans whose last term has ended into grace, and end those whose grace is over. Returns how many changed.

    Nobody has benefits for longer where this job is late: they end by the clock. It tells that they have.
    """
    due = list(
        PlanHolding.objects.exclude(state=PlanState.ENDED)
        .filter(until__lte=now)
        .exclude(state=PlanState.GRACE, grace_until__gt=now)
        .order_by("until")
        .values_list("id", "member_id")[:limit]
    )
    for holding_id, member_id in due:
        with transaction.atomic():
            lock_member(member_id)
            holding = PlanHolding.objects.select_for_update().get(id=holding_id)
            if holding.state == PlanState.ENDED or holding.until > now:
                continue  # renewed, or ended, meanwhile
            facts = {"ended_at": holding.until.isoformat(), "grace_until": holding.grace_until.isoformat()}
            if holding.grace_until > now:
                if holding.state != PlanState.GRACE:
                    holding.state = PlanState.GRACE
                    holding.save()
                    _note(holding, "plan_in_grace", now, facts)
                continue
            until, grace_until = holding.until, holding.grace_until
            end_holding(holding, now)
            holding.until, holding.grace_until = until, grace_until
            holding.save()
            _note(holding, "plan_ended", now, facts)
    return len(due)


def _note(holding: PlanHolding, kind: str, now: datetime, facts: dict[str, str]) -> None:
    note(SYSTEM, now, kind, plan=holding.plan, member_id=holding.member_id, holding=holding, facts=facts)


def remind_holders(*, now: datetime, limit: int = BATCH) -> int:
    """Tell ahead of the end, on the days that each plan names; each end and each number of days once. Returns how many.

    Who comes late to a reminder (a short plan, a job that was down) gets only the nearest one.
    """
    in_force = programme_at(now)
    told = 0
    for plan in in_force.programme.plans.values() if in_force else ():
        days = sorted(plan.renewal.reminder_days)
        for index, ahead in enumerate(days):
            nearer = timedelta(days=days[index - 1]) if index else timedelta()
            ending = PlanHolding.objects.filter(
                Q(reminded_days=None) | Q(reminded_days__gt=ahead),
                plan=plan.code,
                state__in=(PlanState.ACTIVE, PlanState.TRIAL),
                until__gt=now + nearer,
                until__lte=now + timedelta(days=ahead),
            )
            told += sum(_remind(holding, ahead, now) for holding in ending.order_by("until")[:limit])
    return told


def _remind(holding: PlanHolding, ahead: int, now: datetime) -> bool:
    with transaction.atomic():
        ours = PlanHolding.objects.filter(
            Q(reminded_days=None) | Q(reminded_days__gt=ahead), id=holding.id, until=holding.until
        ).update(reminded_days=ahead)
        if ours:
            publish_event(
                name="loyalty.plan_ending.v1",
                member_id=holding.member_id,
                occurred_at=now,
                payload={
                    "plan": holding.plan,
                    "ends_at": holding.until.isoformat(),
                    "days": ahead,
                    "renews_itself": holding.mandate_id is not None,
                    "is_trial": holding.state == PlanState.TRIAL,
                },
            )
    return bool(ours)
