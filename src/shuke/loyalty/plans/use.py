"""What a plan has given since its open terms began: whoever gives it up, for money or for a better plan, has had it.

Discounts, points and free deliveries are told by the room above, where sales live; deliveries, entitlements and coupon packs
count by the worth that the programme states for them. Who gave something is written down when it is had: a level that the
member reaches afterwards does not make it their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from shuke.loyalty.plans.models import BenefitGrant, EntitlementUse, PlanTerm
from shuke.loyalty.plans.values import Used
from shuke.loyalty.programme import Programme


class Enjoyed(NamedTuple):
    """What a plan gave on sales: what its discount took off, in minor units; whether it gave what has no worth, such as points;
    how many sales it had delivered free of charge, and what that is counted at, in minor units."""

    discounts: int
    more: bool
    deliveries: int = 0
    shipping: int = 0


SalesOf = Callable[[UUID, str, datetime, datetime], Enjoyed]
"""(member, plan, from, to) → what the plan gave on their sales, refunds of them deducted."""


def bringer(programme: Programme, level: str, plans: Mapping[str, datetime]) -> str:
    """Of the plans held (code → since) the one that brings a level: the one held longest, so that it counts for one only."""
    bringing = [
        (since, code)
        for code, since in plans.items()
        if code in programme.plans and programme.plans[code].tier == level
    ]
    return min(bringing)[1] if bringing else ""


def used_since(
    member_id: UUID, plan: str, terms: Iterable[PlanTerm], now: datetime, enjoyed: SalesOf
) -> Used:
    """What a plan has given since the first of these terms began: the open ones that were paid for."""
    began = min((term.starts_at for term in terms), default=None)
    if began is None or began > now:
        return Used()
    source = f"plan:{plan}"
    # What is taken back now of an earlier term counted there: it is no credit of this one.
    uses = EntitlementUse.objects.filter(
        Q(undoes=None) | Q(undoes__occurred_at__gte=began), member_id=member_id, occurred_at__gte=began
    )
    worth = count = 0
    for sources, minor, amount in uses.values_list("sources", "worth_minor", "amount"):
        givers = sources.split()
        # What a tier gives as well would have been had without the plan; of several plans the first one gave it.
        if givers[:1] == [source] and all(each.startswith("plan:") for each in givers):
            worth += minor * amount
            count += amount
    packs, gifts = 0, 0
    grants = BenefitGrant.objects.filter(
        Q(code__startswith=f"{source}/") | Q(code=source) | Q(through=plan),
        member_id=member_id,
        occurred_at__gte=began,
    )
    for minor in grants.values_list("worth_minor", flat=True):
        packs, gifts = packs + minor, gifts + 1
    sales = enjoyed(member_id, plan, began, now)
    return Used(
        max(sales.discounts, 0),
        max(worth, 0),
        packs,
        sales.shipping,
        more=count > 0 or gifts > 0 or sales.more or sales.deliveries > 0,
    )
