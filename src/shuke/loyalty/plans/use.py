"""What a plan has given since its open terms began: whoever gives it up, for money or for a better plan, has had it.

Discounts on sales are told by the room above, where sales live; entitlements and coupon packs count by the worth that the
programme states for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import F, Sum

from shuke.loyalty.plans.models import BenefitGrant, EntitlementUse, PlanTerm
from shuke.loyalty.plans.values import Used

Enjoyed = Callable[[UUID, str, datetime, datetime], int]
"""(member, plan, from, to) → what the plan's discount took off their sales, in minor units, refunds of them deducted."""


def used_since(
    member_id: UUID, plan: str, terms: Iterable[PlanTerm], now: datetime, enjoyed: Enjoyed
) -> Used:
    """What a plan has given since the first of these terms began: the open ones that were paid for."""
    began = min((term.starts_at for term in terms), default=None)
    if began is None or began > now:
        return Used()
    source = f"plan:{plan}"
    uses = EntitlementUse.objects.filter(member_id=member_id, occurred_at__gte=began)
    worth = 0
    for sources, minor in uses.values_list("sources", F("worth_minor") * F("amount")):
        # What a tier gives as well would have been had without the plan.
        worth += minor if sources.split() == [source] else 0
    packs = BenefitGrant.objects.filter(
        member_id=member_id, kind="pack", code__startswith=f"{source}/", occurred_at__gte=began
    ).aggregate(total=Sum("worth_minor"))
    return Used(max(enjoyed(member_id, plan, began, now), 0), max(worth, 0), packs["total"] or 0)
