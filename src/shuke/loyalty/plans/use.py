"""What a plan has given since its open terms began: whoever gives it up, for money or for a better plan, has had it.

Discounts on sales are told by the room above, where sales live; entitlements and coupon packs count by the worth that the
programme states for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, Sum

from shuke.loyalty.plans.models import BenefitGrant, EntitlementUse, PlanTerm
from shuke.loyalty.plans.values import Used
from shuke.loyalty.queries import programme_at
from shuke.loyalty.tier_logic import beside_plans
from shuke.loyalty.tier_rows import lowest, states_of
from shuke.loyalty.tiers import MAIN
from shuke.members.queries import joined_days

Enjoyed = Callable[[UUID, str, datetime, datetime], int]
"""(member, plan, from, to) → what the plan's discount took off their sales, in minor units, refunds of them deducted."""


def used_since(
    member_id: UUID, plan: str, terms: Iterable[PlanTerm], now: datetime, enjoyed: Enjoyed
) -> Used:
    """What a plan has given since the first of these terms began: the open ones that were paid for."""
    began = min((term.starts_at for term in terms), default=None)
    if began is None or began > now:
        return Used()
    source, level = f"plan:{plan}", _level_through(member_id, plan, now)
    through = {source, f"tier:{level}"}
    uses = EntitlementUse.objects.filter(member_id=member_id, occurred_at__gte=began)
    worth = 0
    for sources, minor in uses.values_list("sources", F("worth_minor") * F("amount")):
        # What a tier gives as well would have been had without the plan.
        worth += minor if through.issuperset(sources.split()) else 0
    given = Q(code__startswith=f"{source}/")
    if level:
        given |= Q(code__startswith=f"tier:{level}/")
    packs = BenefitGrant.objects.filter(
        given, member_id=member_id, kind="pack", occurred_at__gte=began
    ).aggregate(total=Sum("worth_minor"))
    return Used(max(enjoyed(member_id, plan, began, now), 0), max(worth, 0), packs["total"] or 0)


def _level_through(member_id: UUID, plan: str, now: datetime) -> str:
    """The level that the member is served as through this plan only: what it gives is given by the plan; "" for none."""
    in_force = programme_at(now)
    sold = in_force.programme.plans.get(plan) if in_force else None
    if in_force is None or sold is None or not sold.tier:
        return ""
    tiers, joined = in_force.programme.tiers, joined_days([member_id])
    stored = states_of([member_id], MAIN, joined).get(member_id)
    own = beside_plans(tiers, stored or lowest(tiers, joined[member_id]))
    return sold.tier if tiers.level(own.tier).rank < tiers.level(sold.tier).rank else ""
