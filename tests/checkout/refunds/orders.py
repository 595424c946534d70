"""Random sold orders and random sequences of refunds for the pure planner, with a book that the plans are carried out on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from shuke.checkout.refunds.logic import (
    Movement,
    Paid,
    Past,
    Plan,
    Purse,
    Returned,
    Rules,
    Sold,
    SoldLine,
    plan_refund,
)
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.kit.money import allocate
from shuke.ledger.logic import OpenLot

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
CARD = UUID(int=900)
"""The bearer gift card that may pay."""

Key = tuple[UUID | None, str]


@dataclass
class Book:
    """Purses that plans are carried out on, the way the ledger would, refusing what the ledger would refuse."""

    purses: dict[Key, Purse]
    past: Past = field(default_factory=Past)

    def carry_out(self, plan: Plan) -> None:
        for key, move in plan.movements.items():
            self.purses[key] = _moved(self.purses.get(key, Purse()), move)
            if key == (None, "points"):
                self.past = Past(
                    self.past.owed + move.owed,
                    self.past.bought + move.bought,
                    self.past.settled + move.settled,
                )


def _moved(purse: Purse, move: Movement) -> Purse:
    remaining = {lot.id: lot.remaining for lot in purse.lots}
    for lot, units in move.returned.items():
        remaining[lot] += units - move.lapsed.get(lot, 0)
    for lot, units in (*move.taken, *move.settling):
        assert units > 0
        remaining[lot] -= units
    moved = Purse(
        tuple(replace(lot, remaining=remaining[lot.id]) for lot in purse.lots),
        purse.balance + move.change,
        purse.debt + move.debt_change,
    )
    assert all(units >= 0 for units in remaining.values()), remaining
    assert moved.debt >= 0
    assert moved.balance == sum(remaining.values()) - moved.debt
    return moved


@dataclass
class Case:
    sold: Sold
    rules: Rules
    book: Book

    def plan(self, backs: tuple[Returned, ...], request: RefundRequest, book: Book) -> Plan:
        return plan_refund(self.sold, backs, request, self.rules, book.purses, book.past, NOW)

    def untouched(self) -> tuple[Returned, ...]:
        return tuple(Returned() for _line in self.sold.lines)

    def fresh_book(self) -> Book:
        return Book(dict(self.book.purses), self.book.past)


def random_case(random: Random) -> Case:
    """An order with discounts already off its lines, points, bonus, principal, a gift card, money and taxes on top."""
    lines = []
    for number in range(1, random.randint(1, 6) + 1):
        sales = random.choice([0, 1, 2, 3, 7, 99, 100, 999, 1001, random.randint(1, 10**6), 10**12 + 7])
        points_minor = random.choice([0, 0, sales, random.randint(0, sales)])
        quantity = random.choice([1000, 2000, 3000, 7000, 333, random.randint(1, 20_000)])
        lines.append((number, quantity, sales, points_minor))
    spent_total = random.choice([0, random.randint(0, 5000)]) if any(line[3] for line in lines) else 0
    spent = allocate(spent_total, [line[3] for line in lines])
    sold_lines = tuple(
        SoldLine(
            line_no=number,
            quantity=quantity,
            sales=sales,
            points_minor=points_minor,
            qualifying=random.choice([sales, sales - points_minor]),
            spent=share,
            earned={
                "points": random.randint(0, 3000),
                "growth": random.randint(0, 50),
                "stars": random.randint(0, 3),
            },
            tax=tax,
            tax_added=random.choice([0, tax]),
        )
        for (number, quantity, sales, points_minor), share in zip(lines, spent, strict=True)
        for tax in [random.choice([0, sales * 13 // 100])]
    )
    payable = sum(line.sales - line.points_minor + line.tax_added for line in sold_lines)
    purses: dict[Key, Purse] = {}
    next_lot = iter(range(1, 10_000))
    paid = _tenders(random, payable, purses, next_lot)
    spent_lots = _split(random, spent_total, next_lot)
    own = tuple(UUID(int=next(next_lot)) for _ in range(random.randint(1, 2)))
    owes = random.random() < 0.2
    # Spent lots are empty or hold what else was in them; some have lapsed meanwhile.
    lots = [
        OpenLot(lot, 0 if owes else random.choice([0, random.randint(0, 500)]), NOW, NOW, _expiry(random))
        for lot in (*(lot for lot, _ in spent_lots), *own)
    ]
    debt = random.randint(1, 4000) if owes else 0
    purses[(None, "points")] = Purse(tuple(lots), sum(lot.remaining for lot in lots) - debt, debt)
    for asset in ("growth", "stars"):
        units = random.randint(0, 60)
        lot = OpenLot(UUID(int=next(next_lot)), units, NOW, NOW, None)
        purses[(None, asset)] = Purse((lot,), units, 0)
    rules = Rules(
        return_spent=random.random() < 0.8,
        claw_back=random.random() < 0.8,
        shortfall=random.choice(["debt", "cash_value", "write_off"]),
        points=random.choice([0, 1, 100, 150]),
        worth=random.choice([1, 100, 7]),
    )
    sold = Sold(sold_lines, paid, tuple(spent_lots), {"points": own})
    return Case(sold, rules, Book(purses))


def _expiry(random: Random) -> datetime | None:
    return random.choice([None, NOW + timedelta(days=30), NOW + timedelta(days=60), NOW - timedelta(days=1)])


def _split(random: Random, total: int, next_lot: Iterator[int]) -> list[tuple[UUID, int]]:
    if total == 0:
        return []
    parts = allocate(total, [random.randint(1, 9) for _ in range(random.randint(1, 4))])
    return [(UUID(int=next(next_lot)), part) for part in parts if part]


def _tenders(
    random: Random, payable: int, purses: dict[Key, Purse], next_lot: Iterator[int]
) -> tuple[Paid, ...]:
    """Bonus money, principal and a gift card take what they can, money pays the rest."""
    paid: list[Paid] = []
    left = payable
    for kind, holder in (("bonus", None), ("stored_value", None), ("gift_card", CARD)):
        if left == 0 or random.random() < 0.5:
            continue
        amount = random.choice([left, random.randint(1, left)])
        lots = _split(random, amount, next_lot)
        purses[(holder, kind)] = Purse(
            tuple(OpenLot(lot, 0, NOW, NOW, _expiry(random)) for lot, _ in lots), 0, 0
        )
        paid.append(Paid(len(paid) + 1, kind, amount, kind, holder, tuple(lots)))
        left -= amount
    if left:
        card = random.randint(0, left)
        if card:
            paid.append(Paid(len(paid) + 1, "card", card))
        if left - card:
            paid.append(Paid(0, "money", left - card))
    return tuple(paid)


def random_request(random: Random, sold: Sold, backs: tuple[Returned, ...]) -> RefundRequest:
    """Something that is still there to refund: goods or an amount of some lines, an amount of the whole, or all of it."""
    way = random.random()
    left = sum(line.sales - back.sales for line, back in zip(sold.lines, backs, strict=True))
    if way < 0.05:
        return ALL_THAT_IS_LEFT
    if way < 0.3 and left:
        return RefundRequest(sales_minor=random.choice([1, left, random.randint(1, left)]))
    asks = []
    for line, back in zip(sold.lines, backs, strict=True):
        if random.random() < 0.5:
            continue
        goods, value = line.quantity - back.quantity, line.sales - back.sales
        quantity = random.choice([1, goods, random.randint(1, goods)]) if goods else None
        amount = random.choice([1, value, random.randint(1, value)]) if value else None
        if quantity is not None and amount is not None:
            quantity, amount = random.choice(
                [(quantity, None), (quantity, None), (None, amount), (quantity, amount)]
            )
        if quantity is not None or amount is not None:
            asks.append(LineBack(line.line_no, quantity, amount))
    return RefundRequest(lines=tuple(asks)) if asks else ALL_THAT_IS_LEFT
