"""A shop that really lived for some months at the till: sales, points spent, refunds of every kind, voids, check-ins, gifts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from django.db.models import Sum

from shuke.checkout.errors import AlreadyRefunded
from shuke.checkout.models import Order, Refund
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.manners import void_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.ledger.models import Account, Entry, Lot
from shuke.ledger.operations.expiry import expire_lots
from shuke.loyalty.accruals import accrue
from shuke.loyalty.models import Standing, TierChange
from shuke.loyalty.tier_reviews import review_tiers
from tests.factories.checkout import START, TILL, make_shop, sell
from tests.factories.members import make_member

DAY = timedelta(days=1)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2025, 5, 1, tzinfo=UTC)
NAME = {"zh-Hans": "规则"}
RULES: dict[str, Any] = {
    "multipliers": [
        {"id": "weekend", "name": NAME, "factor": "2", "when": {"weekdays": ["sat", "sun"]}},
        {"id": "second", "name": NAME, "factor": "1.5", "when": {"stores": ["S2"]}, "caps": {"month": 40}},
    ],
    "accruals": [{"id": "hello", "name": NAME, "kind": "check_in", "give": 5, "caps": {"member": 25}}],
    "assets": {
        "points": {"name": {"zh-Hans": "积分"}, "expiry": {"model": "rolling", "months": 1, "round_to": "month_end"}},
    },
    "tiers": {
        "window_months": 2,
        "valid_months": 1,
        "grace_days": 3,
        "levels": [
            {"code": "classic", "name": NAME, "threshold": "0"},
            {"code": "silver", "name": NAME, "threshold": "200.00", "multiplier": "1.2", "discount_percent": "2"},
            {"code": "gold", "name": NAME, "threshold": "400.00", "multiplier": "1.5", "discount_percent": "5"},
        ],
    },
}  # fmt: skip
BUDGET = [{"id": "shared", "name": NAME, "limit": 150, "period": "month", "covers": "all"}]


def live(
    *,
    seed: int = 3,
    members: int = 5,
    days: int = 235,
    acts: Mapping[int, Callable[[datetime], None]] | None = None,
    **changes: Any,
) -> None:
    """Months before the period, the period, and some of the time after it. Jobs run as they do in life.

    `acts`: what else is done, by days since the period began.
    """
    dice = Random(seed)
    make_shop(**{**RULES, **changes})
    people = [make_member(now=START) for _ in range(members)]
    acts = acts or {}
    due = sorted(acts)
    at = BEGIN - timedelta(days=100)
    stop = at + timedelta(days=days)
    while at < stop:
        at += timedelta(hours=dice.randint(2, 60), minutes=dice.randint(0, 59))
        while due and BEGIN + due[0] * DAY <= at:
            now = BEGIN + due.pop(0) * DAY
            _jobs(now)
            acts[(now - BEGIN).days](now)
        _jobs(at)
        member = dice.choice(people)
        what = dice.random()
        if what < 0.08:
            accrue(actor=TILL, member_id=member.id, kind="check_in", now=at)
        elif what < 0.25 and Order.objects.filter(member=member).exists():
            _give_back(dice, member, at)
        else:
            _buy(dice, member, at)
    _jobs(at)


def _jobs(now: datetime) -> None:
    while expire_lots(now=now):
        pass
    while review_tiers(now=now, qualifying=qualifying_totals):
        pass


def _buy(dice: Random, member: Any, at: datetime) -> None:
    usable = Account.objects.filter(member=member, asset="points").values_list("balance", flat=True).first()
    points = (usable or 0) // 100 * 100 if dice.random() < 0.3 else 0
    pending = [
        lot
        for lot in Lot.objects.filter(member=member, asset="points", remaining__gt=0)
        if lot.active_at > at
    ]
    lines = dice.sample(["A", "B"], dice.randint(1, 2))
    sold = sell(
        *((sku, dice.randint(1, 9)) for sku in lines),
        member=member,
        now=at,
        points=0 if pending else max(points, 0),
        store=dice.choice(["S1", "S2"]),
        settled=dice.random() < 0.1,
    )
    if dice.random() < 0.06:
        void_order(actor=TILL, order_id=sold["id"], reason="mistake", now=at)


def _give_back(dice: Random, member: Any, at: datetime) -> None:
    order = dice.choice(list(Order.objects.filter(member=member).order_by("-occurred_at")[:3]))
    line = order.lines.order_by("line_no").first()
    requests = [
        RefundRequest(),
        RefundRequest(lines=(LineBack(line.line_no, quantity=1000),)),
        RefundRequest(lines=(LineBack(line.line_no, sales_minor=123),)),
    ]
    try:
        refund_order(actor=TILL, order_id=order.id, reason="returned", now=at, request=dice.choice(requests))
    except Exception as error:  # what is not there to refund is refused, as in life
        if not isinstance(error, AlreadyRefunded) and "refund" not in getattr(error, "code", ""):
            raise


def booked(begin: datetime = BEGIN, end: datetime = END) -> dict[str, Any]:
    """What the books say of the period, told with the report's words."""
    orders = Order.objects.filter(occurred_at__gte=begin, occurred_at__lt=end)
    refunds = Refund.objects.filter(
        occurred_at__gte=begin, occurred_at__lt=end, order__occurred_at__gte=begin
    )
    sums = orders.aggregate(
        *(
            Sum(name)
            for name in ("sales_minor", "points_earned", "points_used", "points_minor", "payable_minor")
        )
    )
    back = refunds.aggregate(Sum("sales_minor"), Sum("points_clawed_back"), Sum("points_returned"))
    entries = Entry.objects.filter(
        account="member", asset="points", transfer__occurred_at__gte=begin, transfer__occurred_at__lt=end
    )
    until = Entry.objects.filter(account="member", asset="points", transfer__occurred_at__lt=end)
    moves = TierChange.objects.filter(occurred_at__gte=begin, occurred_at__lt=end)
    return {
        "orders": orders.count(),
        **{name: sums[f"{name}__sum"] or 0 for name in ("sales_minor", "points_earned", "points_used", "points_minor",
                                                        "payable_minor")},
        "refunded_sales_minor": back["sales_minor__sum"] or 0,
        "points_taken_back": back["points_clawed_back__sum"] or 0,
        "points_returned": back["points_returned__sum"] or 0,
        "points_accrued": entries.filter(transfer__kind="accrue").aggregate(n=Sum("amount"))["n"] or 0,
        "points_expired": -(entries.filter(transfer__kind="expire").aggregate(n=Sum("amount"))["n"] or 0),
        "points_open": until.filter(lot_id__isnull=False).aggregate(n=Sum("amount"))["n"] or 0,
        "debt": -(until.filter(lot_id__isnull=True).aggregate(n=Sum("amount"))["n"] or 0),
        "tier_moves": sorted(
            (m.from_tier, m.to_tier) for m in moves if m.from_tier != m.to_tier
        ),
        "tiers": sorted(_tiers_at(end)),
    }  # fmt: skip


def _tiers_at(end: datetime) -> list[str]:
    found = []
    for member_id in Standing.objects.values_list("member_id", flat=True):
        last = (
            TierChange.objects.filter(member_id=member_id, occurred_at__lt=end)
            .order_by("occurred_at", "id")
            .last()
        )
        found.append(last.to_tier if last else "classic")
    return found


def simulated(side: dict[str, Any], tiers: dict[str, Any], which: str) -> dict[str, Any]:
    """The same figures out of a report."""
    told = booked_names()
    return {
        **{name: side[name] for name in told},
        "tier_moves": sorted((m["from"], m["to"]) for m in tiers["moves"][which] for _ in range(m["times"])),
    }


def booked_names() -> list[str]:
    return [
        "orders", "sales_minor", "points_earned", "points_used", "points_minor", "payable_minor",
        "refunded_sales_minor", "points_taken_back", "points_returned", "points_accrued", "points_expired",
        "points_open", "debt",
    ]  # fmt: skip
