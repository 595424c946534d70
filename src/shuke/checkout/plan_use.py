"""What a paid plan gave on a member's sales, for whoever gives it up: so far as nothing else would have given it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from shuke.checkout.models import Order, OrderLine, OrderStatus, RefundLine
from shuke.checkout.receipts import CLAIMED
from shuke.core.models import AuditEvent
from shuke.kit.clock import local_date
from shuke.kit.sql import load
from shuke.loyalty.benefits import HolderKind, reserved_for, ships_free
from shuke.loyalty.plans.queries import held_before
from shuke.loyalty.plans.rows import plan_as_sold
from shuke.loyalty.plans.use import Enjoyed
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at, version_by_id


def enjoyed_on_sales(member_id: UUID, plan: str, begin: datetime, end: datetime) -> Enjoyed:
    """What a paid plan took off the member's sales in a span, in minor units, less what they brought back; the sales that it
    had delivered free of charge; and whether it gave what has no worth: points that it multiplied and that they still have,
    or goods that only its holders may buy.

    A plan that has its holders served as a level gives what that level gives beyond the member's own. Where another
    plan that is held longer brings the same, that one gave it. What a plan brought is read in the programme of each sale.
    """
    in_force = programme_at(end)
    plans = in_force.programme.plans if in_force else {}
    sold = plans.get(plan) or plan_as_sold(member_id, plan)
    level = sold.tier if sold else ""
    levels = in_force.programme.tiers.levels if in_force else ()
    held = _Longer(member_id, plan, begin)
    others = held.spans({code for code, each in plans.items() if each.tier == level}) if level else []
    with connection.cursor() as cursor:
        cursor.execute(
            load("checkout", "plan_use"),
            {
                "member": member_id,
                "plan": plan,
                "begin": begin,
                "end": end,
                "level": level,
                "own": json.dumps({each.code: each.benefit.discount for each in levels} if level else {}),
                "others_begin": [first for first, _last in others],
                "others_end": [last for _first, last in others],
            },
        )
        discounts, points, sent, versions = cursor.fetchone()
    deliveries, shipping = _delivered_free(member_id, plan, begin, end, held) if sent else (0, 0)
    reserving = [each for each in versions or () if _reserves(version_by_id(each).programme, plan)]
    more = points or (bool(reserving) and _bought_reserved(member_id, plan, begin, end, held, reserving))
    return Enjoyed(discounts, more, deliveries, shipping)


class _Longer:
    """When the member had other plans that they had before this one: what those bring as well, they gave."""

    def __init__(self, member_id: UUID, plan: str, begin: datetime) -> None:
        self._member_id, self._plan, self._begin = member_id, plan, begin
        self._spans: dict[str, list[tuple[datetime, datetime]]] = {}

    def spans(self, codes: Iterable[str]) -> list[tuple[datetime, datetime]]:
        found = []
        for code in sorted(set(codes) - {self._plan}):
            if code not in self._spans:
                self._spans[code] = held_before(self._member_id, self._plan, {code}, self._begin)
            found += self._spans[code]
        return found

    def at(self, codes: Iterable[str], instant: datetime) -> list[str]:
        """Which of these plans."""
        return [code for code in codes if any(a <= instant < b for a, b in self.spans([code]))]


def _delivered_free(
    member_id: UUID, plan: str, begin: datetime, end: datetime, held: _Longer
) -> tuple[int, int]:
    """(how many sales that name their delivery nothing but this plan freed from shipping, what they are counted at)."""
    sent = Order.objects.filter(member_id=member_id, occurred_at__range=(begin, end))
    sent = sent.filter(facts__has_key="delivery", programme_version__isnull=False)
    found = list(sent.exclude(status__in=(OrderStatus.VOIDED, OrderStatus.CANCELLED)))
    # Who shows the receipt afterwards was nobody's holder when the delivery was charged.
    claims = AuditEvent.objects.filter(
        object_type="order", object_id__in=[str(each.id) for each in found], action=CLAIMED
    )
    claimed = set(claims.values_list("object_id", flat=True)) if found else set()
    deliveries = worth = 0
    for order in found:
        programme, sales, tier = _programme_of(order), order.sales_minor, order.tier
        if str(order.id) in claimed or plan not in programme.plans:
            continue
        freed = [
            each.benefit
            for each in reversed(programme.held(tier, [plan]))  # its own benefits before those of its level
            if ships_free([each], sales)
        ]
        # What a level of a further track brought them then is not known: it is not held against them.
        further = [track.held(each.code) for track in programme.tracks.values() for each in track.levels]
        others = held.at(programme.plans, order.occurred_at)
        if freed and not ships_free([*programme.held(tier, others), *further], sales):
            deliveries, worth = deliveries + 1, worth + freed[0].free_shipping_worth
    return deliveries, worth


def _bought_reserved(
    member_id: UUID, plan: str, begin: datetime, end: datetime, held: _Longer, reserving: list[UUID]
) -> bool:
    """Whether the member bought goods, and still has them, that nothing but this plan let them have: under the versions of
    the programme that reserve some for it."""
    rows = (
        OrderLine.objects.filter(member_id=member_id, order__occurred_at__range=(begin, end))
        .filter(order__status=OrderStatus.COMMITTED, order__programme_version_id__in=reserving)
        .exclude(order__settled=True)  # where the till had fixed the prices nobody asked who may buy
    )
    back = _quantities_back(member_id, begin)
    for row in rows.select_related("order", "product"):
        if back.get((row.order_id, row.line_no), 0) >= row.quantity:
            continue
        at, programme = row.order.occurred_at, _programme_of(row.order)
        line = _Goods(row.product.sku, row.product.category_id or "", row.product.brand)
        holders = set(reserved_for(programme.reserved, line, local_date(at, programme.zone), ()))
        main = {level.code for level in programme.tiers.levels}
        # What a level of a further track let them have then is not known: it is not held against them.
        if not holders & _holders(programme, plan) or any(
            kind == "tier" and code not in main for kind, code in holders
        ):
            continue
        rivals = [code for code in programme.plans if _holders(programme, code) & holders]
        if ("tier", row.order.tier) not in holders and not held.at(rivals, at):
            return True
    return False


def _holders(programme: Programme, plan: str) -> set[tuple[HolderKind, str]]:
    """As what a plan's holders are served."""
    found = programme.plans.get(plan)
    return {("plan", plan), ("tier", found.tier)} if found else set()


def _reserves(programme: Programme, plan: str) -> bool:
    mine = _holders(programme, plan)
    return any(each.holder in mine for each in programme.reserved)


def _programme_of(order: Order) -> Programme:
    assert order.programme_version_id is not None
    return version_by_id(order.programme_version_id).programme


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
