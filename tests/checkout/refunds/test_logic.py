from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shuke.checkout.refunds.logic import (
    Paid,
    Past,
    Plan,
    Purse,
    RefundRefusal,
    Returned,
    Rules,
    Sold,
    SoldLine,
    by_lot,
    is_whole,
    plan_refund,
)
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.ledger.logic import OpenLot
from tests.checkout.refunds.orders import CARD, NOW, Case, random_case, random_request

MANY_ORDERS = 12_000


def figures(plans: list[Plan]) -> dict[str, object]:
    """Everything that a sequence of refunds gave and took, added up."""
    sums: dict[str, object] = {
        "sales": sum(p.part.sales for p in plans),
        "points_minor": sum(p.part.points_minor for p in plans),
        "payable": sum(p.part.payable for p in plans),
        "tax": sum(p.part.tax for p in plans),
        "qualifying": sum(p.part.qualifying for p in plans),
        "spent": sum(p.part.spent for p in plans),
        "deducted": sum(p.deducted for p in plans),
        "money": sum(p.money_back for p in plans),
    }
    moves = {key for p in plans for key in p.movements}
    for key in moves:
        of_key = [p.movements[key] for p in plans if key in p.movements]
        back: dict[UUID, int] = {}
        for move in of_key:
            for lot, units in move.returned.items():
                back[lot] = back.get(lot, 0) + units
        lapsed = sum(sum(m.lapsed.values()) for m in of_key)
        sums[str(key)] = (
            back,
            lapsed,
            sum(m.clawed for m in of_key),
            sum(m.bought for m in of_key),
            sum(m.change for m in of_key),
            sum(m.owed for m in of_key),
            sum(m.settled for m in of_key),
        )
    tenders: dict[int, int] = {}
    for p in plans:
        for tender in p.tenders:
            tenders[tender.paid.seq] = tenders.get(tender.paid.seq, 0) + tender.amount
    sums["tenders"] = tenders
    return sums


def refund_in_steps(case: Case, random: Random) -> list[Plan]:
    """Refund bit by bit until nothing is left; checks of every step that it only gives, never takes away again."""
    backs, book, plans = case.untouched(), case.fresh_book(), []
    while not all(is_whole(line, back) for line, back in zip(case.sold.lines, backs, strict=True)):
        request = ALL_THAT_IS_LEFT if len(plans) > 40 else random_request(random, case.sold, backs)
        plan = case.plan(backs, request, book)
        for part in plan.lines:
            assert (
                min(part.sales, part.points_minor, part.payable, part.tax, part.qualifying, part.spent) >= 0
            )
            assert min(part.earned.values()) >= 0
        book.carry_out(plan)
        backs = plan.after
        plans.append(plan)
    assert plans[-1].is_whole
    assert not any(plan.is_whole for plan in plans[:-1])
    with pytest.raises(RefundRefusal, match="already_refunded"):
        case.plan(backs, ALL_THAT_IS_LEFT, book)
    return plans


def check(seed: int) -> int:
    """The law for one random order: any sequence of partial refunds is one full refund. Returns how many steps it took."""
    random = Random(seed)
    case = random_case(random)
    at_once = case.plan(case.untouched(), ALL_THAT_IS_LEFT, case.fresh_book())
    bought = at_once.part
    assert bought.sales == sum(line.sales for line in case.sold.lines)
    assert bought.points_minor == sum(line.points_minor for line in case.sold.lines)
    assert bought.payable == sum(paid.amount for paid in case.sold.paid)
    assert bought.qualifying == sum(line.qualifying for line in case.sold.lines)
    assert bought.spent == sum(amount for _lot, amount in case.sold.spent)
    assert {t.paid.seq: t.amount for t in at_once.tenders} == {p.seq: p.amount for p in case.sold.paid}
    for tender in at_once.tenders:
        assert tender.lots == dict(tender.paid.lots)
    points = at_once.movement("points")
    if case.rules.return_spent and bought.spent:
        assert points is not None
        assert points.returned == dict(case.sold.spent)
    if case.rules.claw_back:
        for asset in ("points", "growth", "stars"):
            move = at_once.movement(asset)
            assert (move.clawed if move else 0) == sum(line.earned[asset] for line in case.sold.lines)
    steps = refund_in_steps(case, random)
    assert figures(steps) == figures([at_once]), seed
    return len(steps)


def test_any_sequence_of_partial_refunds_is_one_full_refund_over_many_random_orders():
    steps = [check(seed) for seed in range(MANY_ORDERS)]
    assert max(steps) > 10
    assert sum(count > 2 for count in steps) > MANY_ORDERS // 2


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=MANY_ORDERS))
def test_the_law_holds_for_orders_that_were_not_listed(seed):
    check(seed)


def order(*lines: SoldLine, spent=(), paid=None, own=()) -> Sold:
    payable = sum(line.sales - line.points_minor + line.tax_added for line in lines)
    return Sold(lines, paid or (Paid(0, "money", payable),), tuple(spent), {"points": tuple(own)})


def line(number=1, quantity=2000, sales=10_000, points_minor=0, spent=0, points=0) -> SoldLine:
    return SoldLine(number, quantity, sales, points_minor, sales, spent, {"points": points})


def lot(number: int, remaining: int) -> OpenLot:
    return OpenLot(UUID(int=number), remaining, NOW, NOW, None)


def plan(sold, request=ALL_THAT_IS_LEFT, *, rules=None, purse=None, past=None, backs=None):
    backs = backs or tuple(Returned() for _ in sold.lines)
    purses = {(None, "points"): purse or Purse()}
    return plan_refund(sold, backs, request, rules or Rules(), purses, past or Past(), NOW)


ONE_UNIT = RefundRequest(lines=(LineBack(1, quantity=1000),))


def test_one_of_two_units_takes_back_half_of_what_they_earned():
    # Odoo: 1 point per 1.00, 2 × 50 bought, one unit back → −50
    sold = order(line(points=100), own=[UUID(int=1)])
    done = plan(sold, ONE_UNIT, purse=Purse((lot(1, 100),), 100))
    assert (done.part.payable, done.movement("points").clawed, done.movement("points").change) == (
        5000,
        50,
        -50,
    )


def test_half_of_an_order_gives_half_of_the_spent_points_back():
    # Odoo: 2 × 50 earned 70 and spent 150; half refunded → −35 and +75
    sold = order(line(points=70, points_minor=5000, spent=150), spent=[(UUID(int=2), 150)], own=[UUID(int=1)])
    done = plan(sold, ONE_UNIT, purse=Purse((lot(1, 70), lot(2, 50)), 120))
    move = done.movement("points")
    assert (move.clawed, sum(move.returned.values()), 120 + move.change) == (35, 75, 160)
    assert (done.part.payable, done.part.points_minor) == (2500, 2500)


def test_what_does_not_divide_is_rounded_down_until_the_last_part_brings_the_rest():
    sold = order(line(quantity=3000, sales=1000, points=10, points_minor=100, spent=100))
    first = plan(sold, ONE_UNIT)
    second = plan(sold, ONE_UNIT, backs=first.after)
    third = plan(sold, ONE_UNIT, backs=second.after)
    parts = [
        (p.part.sales, p.part.points_minor, p.part.spent, p.part.earned["points"])
        for p in (first, second, third)
    ]
    assert parts == [(333, 33, 33, 3), (333, 33, 33, 3), (334, 34, 34, 4)]
    assert third.is_whole


def test_goods_are_worth_the_same_whether_they_come_back_at_once_or_one_by_one():
    sold = order(line(quantity=4000, sales=6))
    one = plan(sold, ONE_UNIT)
    two = plan(sold, ONE_UNIT, backs=one.after)
    both = plan(sold, RefundRequest(lines=(LineBack(1, quantity=2000),)))
    assert one.part.sales + two.part.sales == both.part.sales == 3


def test_after_an_amount_the_goods_are_worth_their_share_of_what_is_left():
    sold = order(line(sales=10_000))
    first = plan(sold, RefundRequest(lines=(LineBack(1, sales_minor=1000),)))
    second = plan(sold, ONE_UNIT, backs=first.after)
    third = plan(sold, ONE_UNIT, backs=second.after)
    assert [p.part.sales for p in (first, second, third)] == [1000, 4500, 4500]
    assert third.is_whole


def test_the_last_paid_tender_and_the_last_taken_lot_come_back_first():
    lots = ((UUID(int=1), 300), (UUID(int=2), 200))
    tenders = (Paid(1, "stored_value", 500, "stored_value", None, lots), Paid(2, "cash", 100))
    sold = order(line(quantity=6000, sales=600), paid=tenders)
    done = plan(sold, RefundRequest(sales_minor=250))
    assert [(t.paid.kind, t.amount, t.lots) for t in done.tenders] == [
        ("stored_value", 150, {UUID(int=2): 150}),
        ("cash", 100, {}),
    ]
    assert by_lot(lots, 150, 500) == {UUID(int=1): 300, UUID(int=2): 50}


def test_a_gift_card_gets_its_money_back_and_the_buyer_is_not_touched():
    tenders = (Paid(1, "gift_card", 500, "gift_card", CARD, ((UUID(int=5), 500),)),)
    done = plan(order(line(sales=500), paid=tenders))
    assert list(done.movements) == [(CARD, "gift_card")]
    assert done.money_back == 0


@pytest.mark.parametrize(
    ("shortfall", "owed", "bought", "deducted"),
    [("debt", 60, 0, 0), ("cash_value", 0, 60, 60), ("write_off", 60, 0, 0)],
)
def test_what_is_missing_is_owed_or_paid_in_money_as_the_policy_says(shortfall, owed, bought, deducted):
    sold = order(line(points=100), own=[UUID(int=1)])
    rules = Rules(shortfall=shortfall, points=100, worth=100)
    done = plan(sold, rules=rules, purse=Purse((lot(1, 40),), 40))
    move = done.movement("points")
    assert (move.taken, move.owed, move.bought) == (((UUID(int=1), 40),), owed, bought)
    assert (done.deducted, done.money_back) == (deducted, 10_000 - deducted)


def test_missing_points_are_paid_in_whole_cents_rounded_down_over_all_refunds_together():
    # Three points are worth a cent: 5 missing cost 1, 5 more make 10, which cost 3, so 2 more.
    sold = order(line(1, 1000, 1000, points=5), line(2, 1000, 1000, points=5))
    rules = Rules(shortfall="cash_value", points=3, worth=1)
    first = plan(sold, RefundRequest(lines=(LineBack(1, quantity=1000),)), rules=rules)
    assert (first.movement("points").bought, first.deducted) == (5, 1)
    second = plan(sold, rules=rules, past=Past(bought=5), backs=first.after)
    assert (second.movement("points").bought, second.deducted) == (5, 2)


def test_missing_points_cost_no_more_than_the_money_that_goes_back():
    sold = order(line(sales=30, points=100))
    done = plan(sold, rules=Rules(shortfall="cash_value", points=1, worth=1))
    assert (done.movement("points").bought, done.movement("points").owed, done.money_back) == (30, 70, 0)


def test_points_that_come_back_cover_what_this_order_left_missing_before_any_other_debt():
    sold = order(
        line(1, 1000, 1000, points=100),
        line(2, 1000, 1000, points_minor=500, spent=300),
        spent=[(UUID(int=3), 300)],
    )
    rules = Rules(shortfall="cash_value", points=100, worth=100)
    first = plan(
        sold, RefundRequest(lines=(LineBack(1, quantity=1000),)), rules=rules, purse=Purse((), -50, 50)
    )
    assert (first.movement("points").bought, first.deducted) == (100, 100)
    purse = Purse((lot(3, 0),), -50, 50)
    second = plan(sold, rules=rules, purse=purse, past=Past(bought=100), backs=first.after)
    move = second.movement("points")
    assert (move.bought, second.deducted, move.settled) == (-100, -100, 50)
    assert purse.balance + move.change == 150


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (RefundRequest(lines=(LineBack(9, quantity=1),)), "unknown_line", "lines/0/line_no"),
        (
            RefundRequest(lines=(LineBack(1, quantity=1), LineBack(1, quantity=1))),
            "line_twice",
            "lines/1/line_no",
        ),
        (RefundRequest(lines=(LineBack(1),)), "nothing_to_refund", "lines/0"),
        (RefundRequest(lines=(LineBack(1, quantity=0),)), "refund_exceeds_quantity", "lines/0/quantity"),
        (RefundRequest(lines=(LineBack(1, quantity=2001),)), "refund_exceeds_quantity", "lines/0/quantity"),
        (RefundRequest(lines=(LineBack(1, sales_minor=0),)), "refund_exceeds_line", "lines/0/sales_minor"),
        (
            RefundRequest(lines=(LineBack(1, sales_minor=10_001),)),
            "refund_exceeds_line",
            "lines/0/sales_minor",
        ),
        (RefundRequest(sales_minor=0), "refund_exceeds_order", "sales_minor"),
        (RefundRequest(sales_minor=10_001), "refund_exceeds_order", "sales_minor"),
        (RefundRequest(lines=(LineBack(1, quantity=1),), sales_minor=1), "refund_ambiguous", "sales_minor"),
    ],
)
def test_what_is_not_there_to_refund_is_refused_by_name(request_, code, field):
    with pytest.raises(RefundRefusal) as refusal:
        plan(order(line()), request_)
    assert (refusal.value.code, refusal.value.field) == (code, field)
