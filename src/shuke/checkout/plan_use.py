"""What a paid plan gave on a member's sales, for whoever gives it up: so far as nothing else would have given it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from shuke.checkout.models import OrderLine, OrderStatus, RefundLine
from shuke.kit.clock import local_date
from shuke.kit.sql import load
from shuke.loyalty.benefits import NO_BENEFIT, Benefit, reserved_for
from shuke.loyalty.plans.queries import held_before
from shuke.loyalty.plans.rows import plan_as_sold
from shuke.loyalty.plans.use import Enjoyed
from shuke.loyalty.plans.values import Plan
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at


def enjoyed_on_sales(member_id: UUID, plan: str, begin: datetime, end: datetime) -> Enjoyed:
    """What a paid plan took off the member's sales in a span, in minor units, less what they brought back; the sales that it
    had delivered free of charge; and whether it gave what has no worth: points that it multiplied and that they still have,
    or goods that only its holders may buy.

    A plan that has its holders served as a level gives what that level gives beyond the member's own. Where another
    plan that is held longer brings the same, that one gave it.
    """
    in_force = programme_at(end)
    plans = in_force.programme.plans if in_force else {}
    sold = plans.get(plan) or plan_as_sold(member_id, plan)
    level = sold.tier if sold else ""
    levels = in_force.programme.tiers.levels if in_force else ()
    benefits = {each.code: each.benefit for each in levels}

    def freeing(each: Plan) -> list[Benefit]:
        """What of a plan frees sales from shipping, its own benefits before those of its level."""
        found = (each.benefit, benefits.get(each.tier, NO_BENEFIT))
        return [benefit for benefit in found if benefit.free_shipping_from is not None]

    def least_of(each: Plan) -> int | None:
        return min((benefit.free_shipping_from or 0 for benefit in freeing(each)), default=None)

    def held_longer(does: Callable[[Plan], bool]) -> list[tuple[datetime, datetime]]:
        """When the member had another plan that brings the same, which then gave it."""
        rivals = {code for code, each in plans.items() if code != plan and does(each)}
        return held_before(member_id, plan, rivals, begin) if rivals else []

    least = least_of(sold) if sold else None
    frees = (
        held_longer(lambda each: (from_ := least_of(each)) is not None and from_ <= least)
        if least is not None
        else []
    )
    others = held_longer(lambda each: each.tier == level) if level else []
    with connection.cursor() as cursor:
        cursor.execute(
            load("checkout", "plan_use"),
            {
                "member": member_id,
                "plan": plan,
                "begin": begin,
                "end": end,
                "level": level,
                "own": json.dumps({code: each.discount for code, each in benefits.items()} if level else {}),
                "others_begin": [first for first, _last in others],
                "others_end": [last for _first, last in others],
                "least": least,
                "own_frees": json.dumps({code: each.free_shipping_from for code, each in benefits.items()}),
                "frees_begin": [first for first, _last in frees],
                "frees_end": [last for _first, last in frees],
            },
        )
        discounts, points, deliveries = cursor.fetchone()
    worth = freeing(sold)[0].free_shipping_worth if sold and deliveries else 0
    more = points or (
        sold is not None
        and in_force is not None
        and _bought_reserved(member_id, sold, in_force.programme, begin, end)
    )
    return Enjoyed(discounts, more, deliveries, deliveries * worth)


def _bought_reserved(
    member_id: UUID, plan: Plan, programme: Programme, begin: datetime, end: datetime
) -> bool:
    """Whether the member bought goods, and still has them, that nothing but this plan let them have."""
    mine = {("plan", plan.code), ("tier", plan.tier)}
    if not any(each.holder in mine for each in programme.reserved):
        return False
    main = {level.code for level in programme.tiers.levels}
    rows = (
        OrderLine.objects.filter(member_id=member_id, order__occurred_at__range=(begin, end))
        .filter(order__status=OrderStatus.COMMITTED)
        .exclude(order__settled=True)  # where the till had fixed the prices nobody asked who may buy
        .select_related("order", "product")
    )
    back = _quantities_back(member_id, begin)
    for row in rows:
        if back.get((row.order_id, row.line_no), 0) >= row.quantity:
            continue
        at = row.order.occurred_at
        line = _Goods(row.product.sku, row.product.category_id or "", row.product.brand)
        holders = set(reserved_for(programme.reserved, line, local_date(at, programme.zone), ()))
        # What a level of a further track let them have then is not known: it is not held against them.
        if not holders & mine or any(kind == "tier" and code not in main for kind, code in holders):
            continue
        rivals = {
            code
            for code, each in programme.plans.items()
            if code != plan.code and {("plan", code), ("tier", each.tier)} & holders
        }
        others = held_before(member_id, plan.code, rivals, begin) if rivals else []
        if ("tier", row.order.tier) not in holders and not any(first <= at < last for first, last in others):
            return True
    return False


def _quantities_back(member_id: UUID, since: datetime) -> dict[tuple[UUID, int], Decimal]:
    """(order, line) → how much of it was brought back since."""
    rows = RefundLine.objects.filter(member_id=member_id, refund__occurred_at__gte=since)
    found: dict[tuple[UUID, int], Decimal] = {}
    for order_id, line_no, quantity in rows.values_list("order_id", "line_no", "quantity"):
        found[order_id, line_no] = found.get((order_id, line_no), Decimal(0)) + quantity
    return found


class _Goods(NamedTuple):
    """What reservations look at in a line."""

    sku: str
    category: str
    brand: str
    quantity: int = 0
