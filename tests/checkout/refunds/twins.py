"""Twins who buy the same with the same in their purses: one returns it bit by bit, the other at once.

All policies, taxes, discounts and tenders take part, through the real database. What the twins hold must be the same before
each purchase and after its return, so the pairs live on from one purchase to the next, with their debts. Where the points
of a purchase are spent or have paid a debt, each step takes others in their place, soonest end first among those that are there
by then: the sums are the same, but not always the lots, and such a pair does not go on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.models import Order, OrderLine, OrderStatus, RefundLine
from shuke.checkout.operations import commit_order
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import LineRequest, SaleRequest, TenderRequest
from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.ledger.models import Account, Lot
from shuke.ledger.operations import expire_lots
from shuke.loyalty.books import capture_hold, place_hold
from tests.factories.checkout import TILL, publish, sale
from tests.factories.ledger import give
from tests.factories.members import make_member

BEGIN = datetime(2026, 3, 10, 4, tzinfo=UTC)
BONUS = [
    {"id": "small", "name": {"zh-Hans": "送"}, "from": "50.00", "give": "13.33"},
    {
        "id": "large",
        "name": {"zh-Hans": "送"},
        "from": "100.00",
        "give": "30.00",
        "instalments": 3,
        "every": "day",
    },
]
VAT = {
    "default": "standard",
    "rates": [
        {"code": "standard", "name": {"zh-Hans": "标准"}, "percent": "13"},
        {"code": "food", "name": {"zh-Hans": "食品"}, "percent": "9", "skus": ["B"]},
    ],
}
RATES = [
    {"points": 100, "worth": "1.00", "step": 1},
    {"points": 150, "worth": "1.00", "step": 3},
    {"points": 150, "worth": "0.70", "step": 15},
]
A_WHOLE_STEP = 30
"""Divides by the step of each of the rates."""
SUMS = ("sales_minor", "points_minor", "tax_minor", "payable_minor", "money_back_minor", "deducted_minor",
        "points_returned", "points_clawed_back", "growth_clawed_back", "points_bought")  # fmt: skip
PURCHASES_OF_A_PAIR = 5


def random_programme(random: Random) -> dict[str, Any]:
    """One of the many: every switch of the policies, of taxes and of tenders, drawn on its own."""
    points: dict[str, Any] = {
        "name": {"zh-Hans": "积分"},
        "expiry": {"model": "rolling", "months": 12, "round_to": "month_end"},
        "pending": random.choice(
            [{"usable": "at_once"}, {"usable": "at_once"}, {"usable": "after_days", "days": 2}]
        ),
    }
    taxes = random.choice(
        [
            None,
            {**VAT, "prices": "inclusive", "tax_earns": random.random() < 0.5},
            {**VAT, "prices": "exclusive", "points_reduce_tax": random.random() < 0.5, "round_per": "line"},
        ]
    )
    return {
        "assets": {"points": points, "stars": {"name": {"zh-Hans": "星"}, "expiry": {"model": "never"}}},
        "earning": [
            {"id": "base", "asset": "points", "give": random.choice([1, 3, 7]), "per": "1.00"},
            {"id": "growth", "asset": "growth", "give": 1, "per": "1.00"},
            {"id": "stars", "asset": "stars", "fixed": 2, "fixed_per": "unit"},
            {"id": "daily", "asset": "points", "fixed": 5, "caps": {"day": 11}},
        ],
        "multipliers": [{"id": "x", "name": {"zh-Hans": "倍"}, "factor": "1.5", "when": {"skus": ["B"]}}],
        "redemption": {"minimum": A_WHOLE_STEP, **random.choice(RATES), "max_percent": random.choice(["50", "100"])},
        "stored_value": {
            "spend_order": random.choice(["principal_first", "bonus_first", "proportional"]),
            "earns": random.random() < 0.7,
            "bonus_max_percent": random.choice(["30", "100"]),
            "bonuses": BONUS,
        },
        "gift_cards": {"earns": random.random() < 0.7},
        "card_limits": {"registered_most": "none", "bearer_most": "none"},
        **({"taxes": taxes} if taxes else {}),
        "policies": {
            "refund_spent_points": random.choice(["return", "return", "keep"]),
            "refund_earned_points": random.choice(["claw_back", "claw_back", "keep"]),
            "refund_shortfall": random.choice(["debt", "cash_value", "write_off"]),
            "points_paid_earn": random.random() < 0.5,
            "spend_own_points": random.random() < 0.2,
        },
    }  # fmt: skip


@dataclass
class Twin:
    member: Any
    card: UUID
    code: str

    @property
    def id(self) -> UUID:
        found: UUID = self.member.id
        return found


def make_twins(now: datetime) -> list[Twin]:
    cards = issue_gift_cards(actor=TILL, face_minor=30_000, count=2, now=now)
    codes = codes_of([card.id for card in cards])
    activate_gift_cards(actor=TILL, codes=codes, store="S1", tender="card", now=now)
    return [Twin(make_member(now=now), card.id, code) for card, code in zip(cards, codes, strict=True)]


def random_cart(random: Random) -> dict[str, Any]:
    """What both will buy: odd quantities, free lines, the till's discounts, points, and how they pay."""
    lines = []
    for _ in range(random.randint(1, 5)):
        full = random.choice([0, 1, 99, 1000, 3333, random.randint(1, 60_000)])
        off = random.choice([0, 0, full, random.randint(0, full)])
        lines.append(
            LineRequest(
                random.choice("AB"),
                random.choice([1000, 3000, 7000, 333]),
                list_minor=full,
                discounts=(("sale", off),) if off else (),
            )
        )
    pays = [
        kind
        for kind, chance in (("stored_value", 0.6), ("gift_card", 0.4), ("card", 0.3))
        if random.random() < chance
    ]
    ceiling = random.choice([None, random.randint(1, 20_000)])
    return {"lines": tuple(lines), "pays": pays, "ceiling": ceiling, "settled": random.random() < 0.5}


def request_for(twin: Twin, cart: dict[str, Any], points: int) -> SaleRequest:
    tenders: list[TenderRequest] = []
    for kind in cart["pays"]:
        if kind == "card":
            tenders.append(TenderRequest("card", None, reference="terminal 7"))
            continue
        most = cart["ceiling"]
        code = twin.code if kind == "gift_card" else ""
        tenders.append(TenderRequest(kind, most, code=code, at_most=most is not None))
    return sale(
        line_requests=cart["lines"],
        member=twin.member,
        points=points,
        settled=cart["settled"],
        tenders=tuple(tenders),
    )


def random_part(random: Random, order_id: str) -> RefundRequest:
    """Goods or an amount of something that is still there, or an amount of the whole."""
    lines = list(OrderLine.objects.filter(order_id=order_id).order_by("line_no"))
    back = {line.line_no: [0, 0] for line in lines}
    for row in RefundLine.objects.filter(order_id=order_id):
        back[row.line_no][0] += int(row.quantity * 1000)
        back[row.line_no][1] += row.sales_minor
    left = sum(line.list_minor - line.discount_minor for line in lines) - sum(b[1] for b in back.values())
    if left and random.random() < 0.25:
        return RefundRequest(sales_minor=random.choice([1, left, random.randint(1, left)]))
    asks = []
    for line in lines:
        goods = int(line.quantity * 1000) - back[line.line_no][0]
        value = line.list_minor - line.discount_minor - back[line.line_no][1]
        if goods and random.random() < 0.5:
            asks.append(LineBack(line.line_no, quantity=random.choice([goods, random.randint(1, goods)])))
        elif value and random.random() < 0.4:
            asks.append(LineBack(line.line_no, sales_minor=random.randint(1, value)))
    return RefundRequest(lines=tuple(asks)) if asks else ALL_THAT_IS_LEFT


def holdings(twin: Twin) -> dict[str, Any]:
    """All that a twin and their card hold: balances, debts, and what is left in each lot."""
    found: dict[str, Any] = {}
    for name, holder in (("member", twin.id), ("card", twin.card)):
        rows = Account.objects.filter(member_id=holder).exclude(balance=0, debt=0)
        found[name] = sorted(rows.values_list("asset", "balance", "debt"))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT asset, earned_at, active_at, expires_at, amount, remaining FROM ledger_lot"
                " WHERE member_id = %s AND remaining > 0",
                [holder],
            )
            found[f"lots of the {name}"] = sorted(cursor.fetchall(), key=repr)
    return found


def fill(random: Random, twins: list[Twin], now: datetime) -> None:
    """Points of two ages and money with its bonus, the same for both."""
    soon, late = random.randint(0, 600), random.randint(0, 600)
    days, money = random.choice([1, 40]), random.choice([0, 3_000, 6_000, 12_000])
    for twin in twins:
        if soon:
            give_settling(twin, soon, now, now + timedelta(days=days))
        if late:
            give_settling(twin, late, now, now + timedelta(days=400))
        if money:
            top_up(actor=TILL, member_id=twin.id, store="S1", amount_minor=money, tender="card", now=now)


def give_settling(twin: Twin, amount: int, now: datetime, expires: datetime) -> None:
    """Points that pay a debt first, as everything that comes in does; debts beyond them leave nothing to give."""
    debt = (
        Account.objects.filter(member_id=twin.id, asset="points").values_list("debt", flat=True).first() or 0
    )
    if debt < amount:
        give(twin.id, amount, at=now, expires_at=expires, settle=debt)


def play(random: Random, purchases: int) -> dict[str, int]:
    """So many purchases by twins, each returned in both ways. Returns how often what happened."""
    now, twins = BEGIN, list[Twin]()
    seen = dict.fromkeys(
        ("orders", "steps", "points", "stored_value", "gift_card", "tax", "bought", "debt", "lapsed"), 0
    )
    for number in range(purchases):
        now += timedelta(minutes=7)
        if not twins or number % PURCHASES_OF_A_PAIR == 0:
            publish(effective_at=now, **random_programme(random))
            twins = make_twins(now)
        fill(random, twins, now)
        orders = buy_the_same(random, twins, now)
        if orders is None:
            continue
        if random.random() < 0.5:
            spend_what_is_left(random, twins, now)
        if random.random() < 0.3:
            # Some of what was spent lapses before it comes back; what came before the run is swept, or not yet.
            now += timedelta(days=random.choice([2, 60]))
            while random.random() < 0.7 and expire_lots(now=now):
                pass
        path_matters = not is_untouched(orders[0])
        steps, whole = return_in_both_ways(random, orders, now)
        compare(number, steps, whole)
        one, other = map(holdings, twins)
        for figure in one.keys() - ({"lots of the member"} if path_matters else set()):
            assert one[figure] == other[figure], (number, figure)
        if one != other:
            twins = []
        count(seen, steps, whole, orders[0])
    return seen


def buy_the_same(random: Random, twins: list[Twin], now: datetime) -> list[dict[str, Any]] | None:
    cart = random_cart(random)
    points = A_WHOLE_STEP * random.choice([0, random.randint(1, 13), random.randint(1, 30)])
    orders = []
    for twin in twins:
        try:
            answer = commit_order(actor=TILL, sale=request_for(twin, cart, points), now=now)
        except ShukeError:
            # The one is refused exactly as the other is.
            assert not orders
            continue
        assert len(orders) == twins.index(twin)
        orders.append(json.loads(answer.body))
    if not orders:
        return None
    figures = [{k: o[k] for k in ("payable_minor", "points_used", "points_earned", "lines")} for o in orders]
    assert figures[0] == figures[1]
    return orders


def spend_what_is_left(random: Random, twins: list[Twin], now: datetime) -> None:
    """So that the return finds too little."""
    part = random.choice([1, 1, 2])
    for twin in twins:
        lots = Lot.objects.filter(member_id=twin.id, asset="points", active_at__lte=now).exclude(
            expires_at__lte=now
        )
        usable = lots.aggregate(units=Sum("remaining"))["units"] or 0
        if usable // part:
            held = place_hold(
                actor=SYSTEM,
                member_id=twin.id,
                asset="points",
                amount=usable // part,
                reason="a trip",
                now=now,
            )
            capture_hold(actor=SYSTEM, hold_id=held.id, now=now)


def is_untouched(order: dict[str, Any]) -> bool:
    """Whether all that the order earned still lies in the lots it came in, so that no other lot has to stand in."""
    lots = Lot.objects.filter(order_id=order["id"], asset="points")
    return (lots.aggregate(units=Sum("remaining"))["units"] or 0) == order["points_earned"]


def return_in_both_ways(
    random: Random, orders: list[dict[str, Any]], now: datetime
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    first, second = orders

    def back(order: dict[str, Any], request: RefundRequest) -> dict[str, Any]:
        return refund_order(actor=TILL, order_id=order["id"], reason="returned", now=now, request=request)

    while Order.objects.get(id=first["id"]).status == OrderStatus.COMMITTED:
        steps.append(back(first, random_part(random, first["id"]) if len(steps) < 6 else ALL_THAT_IS_LEFT))
    return steps, back(second, ALL_THAT_IS_LEFT)


def compare(number: int, steps: list[dict[str, Any]], whole: dict[str, Any]) -> None:
    for figure in SUMS:
        assert sum(step[figure] for step in steps) == whole[figure], (number, figure)
    tenders: dict[int, int] = {}
    for step in steps:
        for tender in step["tenders"]:
            tenders[tender["seq"]] = tenders.get(tender["seq"], 0) + tender["amount_minor"]
    assert tenders == {tender["seq"]: tender["amount_minor"] for tender in whole["tenders"]}, number


def count(
    seen: dict[str, int], steps: list[dict[str, Any]], whole: dict[str, Any], order: dict[str, Any]
) -> None:
    seen["orders"] += 1
    seen["steps"] += len(steps)
    kinds = {tender["kind"] for tender in order.get("tenders", ())}
    seen["points"] += order["points_used"] > 0
    seen["stored_value"] += bool(kinds & {"stored_value", "bonus"})
    seen["gift_card"] += "gift_card" in kinds
    seen["tax"] += whole["tax_minor"] > 0
    seen["bought"] += whole["points_bought"] > 0
    seen["debt"] += whole["debt_created"] > 0
    seen["lapsed"] += whole["points_expired"] > 0
