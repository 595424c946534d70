"""The level that a plan brings, in the history of tiers: given with each term, ended with the plan, in its transaction.

Who holds a plan is served as its level by the plan itself (`Programme.held`). What stands here tells it to the tier: the
standing, its history with the cause, and the event. `verify_plans` proves that the two say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import connection, transaction

from shuke.core.values import SYSTEM
from shuke.kit.sql import load
from shuke.ledger.writing import take_books
from shuke.loyalty.models import TierGrant
from shuke.loyalty.plans.models import PlanHolding, PlanState
from shuke.loyalty.plans.values import Plan
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_grants import find_grant, write_end, write_grant

BATCH = 500
PROGRAMME, REFUNDED, UPGRADED = "programme", "refunded", "upgraded"
"""Why a level was given or ended before its time; else a level is given for the cause of its term (`TermCause`)."""


def plan_of_grant(grant: TierGrant) -> str:
    """The plan that gave a level; "" for what was given otherwise."""
    return grant.reference.partition(":")[0] if grant.cause == "plan" else ""


def levels_of(plans: Mapping[str, Plan]) -> str:
    """{plan: level} of the plans that bring one, as the statements take it."""
    return msgspec.json.encode({code: plan.tier for code, plan in plans.items() if plan.tier}).decode()


def bring_level(
    in_force: InForce, plan: Plan, holding: PlanHolding, *, cause: str, by: str, now: datetime
) -> None:
    """The level that comes with the term that was just added, until the days of grace after it. The caller holds the book."""
    if plan.tier:
        write_grant(
            in_force,
            in_force.programme.tiers,
            holding.member_id,
            level=plan.tier,
            until=holding.grace_until,
            source="plan",
            reference=f"{plan.code}:{holding.last_seq}",
            by=by,
            reason=cause,
            now=now,
        )


def end_level(in_force: InForce, holding: PlanHolding, *, why: str, by: str, now: datetime) -> None:
    """What a plan gave ends with it before its time. The caller holds the book."""
    for grant in _alive(holding, now):
        write_end(in_force, grant, by=by, reason=why, now=now)


def align_levels(*, now: datetime, limit: int = BATCH) -> int:
    """Let the holders whose plan brings another level by now have it. Returns for how many something changed; call it until
    it returns 0.

    A version that begins may change what a plan brings: prices follow at once, and the tier with the next run of the job.
    """
    in_force = programme_at(now)
    if in_force is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            load("loyalty", "plan_levels"),
            {"levels": levels_of(in_force.programme.plans), "now": now, "most": limit},
        )
        due: list[UUID] = [row[0] for row in cursor.fetchall()]
    changed = 0
    with transaction.atomic():
        members = PlanHolding.objects.filter(id__in=due).values_list("member_id", flat=True)
        take_books(members)
        for holding in PlanHolding.objects.filter(id__in=due).exclude(state=PlanState.ENDED).order_by("id"):
            if holding.grace_until > now:
                changed += _align(in_force, holding, now)
    return changed


def _align(in_force: InForce, holding: PlanHolding, now: datetime) -> bool:
    plan = in_force.programme.plans.get(holding.plan)
    level, alive = plan.tier if plan else "", _alive(holding, now)
    is_missing = bool(level) and not any(g.tier == level and g.until == holding.grace_until for g in alive)
    if is_missing:
        reference = f"{holding.plan}:{holding.last_seq}"
        if find_grant(holding.member_id, "plan", reference) is not None:
            reference += f":v{in_force.number}"
        write_grant(
            in_force,
            in_force.programme.tiers,
            holding.member_id,
            level=level,
            until=holding.grace_until,
            source="plan",
            reference=reference,
            by=SYSTEM.reference,
            reason=PROGRAMME,
            now=now,
        )
    # The new one comes first, so that nobody falls in between.
    over = [grant for grant in alive if grant.tier != level]
    for grant in over:
        write_end(in_force, grant, by=SYSTEM.reference, reason=PROGRAMME, now=now)
    return is_missing or bool(over)


def _alive(holding: PlanHolding, now: datetime) -> list[TierGrant]:
    grants = TierGrant.objects.filter(
        member_id=holding.member_id,
        cause="plan",
        reference__startswith=f"{holding.plan}:",
        ended_at=None,
        until__gt=now,
    )
    return list(grants.order_by("id"))
