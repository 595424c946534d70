from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from shuke.catalog.models import Product
from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.invariants import verify_orders
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order, OrderLine, OrderStatus, Refund, RefundLine, RefundTender
from shuke.checkout.operations import commit_order
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import (
    cancel_order,
    deliver_order,
    exchange_order,
    quote_exchange,
    quote_refund,
    refund_order,
    void_order,
    write_off_debt,
)
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.checkout.values import LineRequest, MemberRef
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import Actor
from shuke.kit.sql import load
from shuke.ledger.models import Account, Entry, Lot
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import Standing
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
BOSS = Actor("staff", TILL.id, "boss")
ONE = RefundRequest(lines=(LineBack(1, quantity=1000),))


@pytest.fixture(autouse=True)
def books_add_up():
    yield
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def account(member, asset="points"):
    row = Account.objects.filter(member_id=member.id, asset=asset).first()
    return (row.balance, row.debt) if row else (0, 0)


def refund(order, request=None, *, now=NOW, actor=TILL):
    more = {"request": request} if request else {}
    return refund_order(actor=actor, order_id=order["id"], reason="returned", now=now, **more)


def test_one_unit_back_takes_back_what_it_earned():
    # Odoo's first case: 1 point per 1.00, 2 × 50 → 100; one unit back → 50
    make_shop()
    member = make_member(now=NOW)
    order = sell(line_requests=(LineRequest("A", 2000, unit_price_minor=5000),), member=member, now=NOW)
    assert account(member) == (100, 0)
    quoted = quote_refund(actor=TILL, order_id=order["id"], now=NOW, request=ONE)
    done = refund(order, ONE)
    assert {key: done[key] for key in quoted} == quoted
    assert (done["payable_minor"], done["points_clawed_back"], done["is_whole"]) == (5000, 50, False)
    assert account(member) == (50, 0)
    kept = Order.objects.get()
    assert (kept.status, kept.refunded_sales_minor, kept.refunded_growth) == ("committed", 5000, 50)
    refund(order)
    assert (Order.objects.get().status, account(member)) == ("refunded", (0, 0))
    assert [r.seq for r in Refund.objects.order_by("seq")] == [1, 2]
    with pytest.raises(errors.AlreadyRefunded):
        refund(order, ONE)


def test_half_of_an_order_returns_half_of_the_spent_points():
    # Odoo's third case: balance 200, 2 × 50 earns 70 and spends 150 → 120; half back → −35 and +75 → 160
    make_shop(
        earning=[{"id": "base", "asset": "points", "give": 70, "per": "100.00"}],
        redemption={"points": 150, "worth": "50.00", "step": 150, "minimum": 0, "max_percent": "100"},
        policies={"points_paid_earn": True},
    )
    member = make_member(now=NOW)
    give(member.id, 200, at=NOW)
    lines = (LineRequest("A", 2000, unit_price_minor=5000),)
    order = sell(line_requests=lines, member=member, points=150, now=NOW)
    assert account(member) == (120, 0)
    done = refund(order, ONE)
    assert (done["points_clawed_back"], done["points_returned"], account(member)) == (35, 75, (160, 0))
    refund(order)
    assert account(member) == (200, 0)


def test_a_clawback_of_spent_points_is_a_debt_and_comes_once():
    # Setono: earn 150, spend 100, claw back 150 → balance 0 and a debt of 100
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 15), member=member, now=NOW)
    sell(("A", 2), member=member, points=100, now=NOW)
    other = account(member)[0] - 50
    done = refund(order)
    assert done["debt_created"] == 100 - other
    assert account(member) == (other - 100, 100 - other)
    with pytest.raises(errors.AlreadyRefunded):
        refund(order)


def random_sale(random, member):
    """Settled lines with the till's discounts; odd quantities, free lines and points included."""
    lines = []
    for _ in range(random.randint(1, 5)):
        full = random.choice([0, 1, 99, 1000, 3333, random.randint(1, 200_000)])
        off = random.choice([0, full, random.randint(0, full)])
        lines.append(
            LineRequest(
                random.choice("AB"),
                random.choice([1000, 3000, 7000, 333]),
                list_minor=full,
                discounts=(("sale", off),) if off else (),
            )
        )
    points = random.choice([0, 100, 300])
    return sale(line_requests=tuple(lines), member=member, points=points, settled=random.random() < 0.5)


def random_part(random, order_id):
    """Goods or an amount of something that is still there."""
    lines = list(OrderLine.objects.filter(order_id=order_id).order_by("line_no"))
    back = {line.line_no: [0, 0] for line in lines}
    for row in RefundLine.objects.filter(order_id=order_id):
        back[row.line_no][0] += int(row.quantity * 1000)
        back[row.line_no][1] += row.sales_minor
    asks = []
    for line in lines:
        goods = int(line.quantity * 1000) - back[line.line_no][0]
        value = line.list_minor - line.discount_minor - back[line.line_no][1]
        if goods and random.random() < 0.5:
            asks.append(LineBack(line.line_no, quantity=random.choice([goods, random.randint(1, goods)])))
        elif value and random.random() < 0.5:
            asks.append(LineBack(line.line_no, sales_minor=random.randint(1, value)))
    return RefundRequest(lines=tuple(asks))


@pytest.mark.parametrize(
    "policies",
    [
        {},
        {"refund_shortfall": "cash_value"},
        {"refund_spent_points": "keep"},
        {"refund_earned_points": "keep", "points_paid_earn": True},
    ],
)
def test_steps_through_the_database_leave_what_one_refund_leaves(policies):
    """Twins buy the same; one returns it bit by bit, the other at once: their books end the same."""
    make_shop(policies=policies)
    random = Random(20260310)  # reproducible
    for case in range(15):
        twins = [make_member(now=NOW), make_member(now=NOW)]
        orders = []
        for member in twins:
            give(member.id, 600, at=NOW)
        state = random.getstate()
        for member in twins:
            random.setstate(state)
            request = random_sale(random, member)
            orders.append(json.loads(commit_order(actor=TILL, sale=request, now=NOW).body))
            if case % 3 == 0:  # spend what there is, so that the refund finds too little
                left = account(member)[0]
                if left >= 100:
                    sell(("A", 10 + left // 50), member=member, points=left - left % 100, now=NOW)
        steps = []
        while Order.objects.get(id=orders[0]["id"]).status == OrderStatus.COMMITTED:
            part = random_part(random, orders[0]["id"])
            steps.append(refund(orders[0], part if part.lines and len(steps) < 6 else None))
        whole = refund(orders[1])
        for figure in ("sales_minor", "points_minor", "payable_minor", "money_back_minor", "deducted_minor",
                       "points_returned", "points_clawed_back", "growth_clawed_back", "points_bought"):  # fmt: skip
            assert sum(step[figure] for step in steps) == whole[figure], (case, figure)
        assert account(twins[0]) == account(twins[1])
        assert account(twins[0], "growth") == account(twins[1], "growth")


def test_what_is_missing_is_kept_of_the_money_where_the_programme_says_so():
    make_shop(policies={"refund_shortfall": "cash_value"})
    member = make_member(now=NOW)
    order = sell(("A", 30), member=member, now=NOW)  # 300
    sell(("A", 6), member=member, points=300, now=NOW)
    left = account(member)[0]
    done = refund(order)
    assert (done["points_bought"], done["deducted_minor"]) == (300 - left, 300 - left)
    assert done["money_back_minor"] == 30_000 - done["deducted_minor"]
    assert account(member) == (0, 0)
    assert Entry.objects.get(account="paid_out").amount == -(300 - left)


def test_a_second_person_writes_off_what_a_refund_left_owed():
    make_shop(policies={"refund_shortfall": "write_off"})
    member = make_member(now=NOW)
    order = sell(("A", 30), member=member, now=NOW)
    sell(("A", 6), member=member, points=300, now=NOW)
    done = refund(order)
    owed = account(member)[1]
    assert done["debt_created"] == owed > 0
    with pytest.raises(errors.SecondPersonNeeded):
        write_off_debt(actor=TILL, refund_id=done["id"], reason="goodwill", now=NOW)
    assert (
        write_off_debt(actor=BOSS, refund_id=done["id"], reason="goodwill", now=NOW)["points_written_off"]
        == owed
    )
    assert account(member) == (0, 0)
    with pytest.raises(errors.NothingOwed):
        write_off_debt(actor=BOSS, refund_id=done["id"], reason="goodwill", now=NOW)
    assert AuditEvent.objects.filter(action="checkout.debt_written_off.v1").count() == 1


def test_a_refund_follows_the_programme_that_priced_the_sale_not_a_later_one():
    make_shop(policies={"refund_earned_points": "claw_back"})
    member = make_member(now=NOW)
    order = sell(("A", 10), member=member, now=NOW)
    publish(
        NOW + timedelta(hours=1), policies={"refund_earned_points": "keep", "refund_spent_points": "keep"}
    )
    done = refund_order(actor=TILL, order_id=order["id"], reason="returned", now=NOW + timedelta(hours=2))
    assert (done["points_clawed_back"], done["points_balance_after"]) == (100, 0)


def test_under_another_policy_nothing_is_written_off():
    make_shop()
    member = make_member(now=NOW)
    done = refund(sell(("A", 3), member=member, now=NOW))
    with pytest.raises(errors.WriteOffNotAllowed):
        write_off_debt(actor=BOSS, refund_id=done["id"], reason="goodwill", now=NOW)


def test_the_tier_follows_what_is_left_of_the_order_or_waits_for_the_end_of_its_term():
    for tier_on_refund, after in (("at_once", "classic"), ("period_end", "silver")):
        Order.objects.exists() or make_shop(policies={"tier_on_refund": tier_on_refund})
        if after == "silver":
            publish(policies={"tier_on_refund": tier_on_refund})
        member = make_member(now=NOW)
        order = sell(("A", 100), ("B", 4), member=member, now=NOW)
        assert Standing.objects.get(member=member).tier == "silver"
        refund(order, RefundRequest(lines=(LineBack(2, quantity=4000),)))
        assert Standing.objects.get(member=member).tier == "silver"  # 1,000.00 is still there
        refund(order, ONE)
        assert Standing.objects.get(member=member).tier == after


def test_a_partly_refunded_sale_counts_for_the_next_one_by_what_is_left():
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 60), member=member, now=NOW)
    refund(order, RefundRequest(lines=(LineBack(1, quantity=30_000),)))
    sell(("A", 60), member=member, now=NOW)
    assert not Standing.objects.filter(member=member, tier="silver").exists()
    sell(("A", 10), member=member, now=NOW)
    assert Standing.objects.get(member=member).tier == "silver"


def test_a_void_undoes_everything_on_the_same_day_only():
    make_shop(policies={"refund_spent_points": "keep", "refund_earned_points": "keep"})
    member = make_member(now=NOW)
    give(member.id, 500, at=NOW)
    order = sell(("A", 20), member=member, points=500, now=NOW)
    late = datetime(2026, 3, 10, 16, 1, tzinfo=UTC)  # one minute into the shop's next day
    with pytest.raises(errors.VoidTooLate):
        void_order(actor=TILL, order_id=order["id"], reason="typed twice", now=late)
    done = void_order(actor=TILL, order_id=order["id"], reason="typed twice", now=late - timedelta(minutes=2))
    assert (done["kind"], done["points_returned"], account(member)) == ("void", 500, (500, 0))
    assert Order.objects.get().status == "voided"
    assert OutboxEvent.objects.filter(name="checkout.order_voided.v1").count() == 1
    with pytest.raises(errors.AlreadyRefunded):
        void_order(actor=TILL, order_id=order["id"], reason="typed twice", now=NOW)


def test_an_order_of_which_something_is_back_cannot_be_voided():
    make_shop()
    order = sell(("A", 2), now=NOW)
    refund(order, ONE)
    with pytest.raises(errors.PartlyRefunded):
        void_order(actor=TILL, order_id=order["id"], reason="typed twice", now=NOW)


def test_an_order_is_cancelled_until_its_goods_are_handed_over():
    make_shop(policies={"refund_spent_points": "keep", "refund_earned_points": "keep"})
    member = make_member(now=NOW)
    order = sell(("A", 2), member=member, now=NOW, facts={"delivery": "pending"})
    later = NOW + timedelta(days=3)
    done = cancel_order(actor=TILL, order_id=order["id"], reason="too slow", now=later, request=ONE)
    assert (done["kind"], done["points_clawed_back"], account(member)) == ("cancellation", 10, (10, 0))
    deliver_order(actor=TILL, order_id=order["id"], now=later)
    with pytest.raises(errors.AlreadyDelivered):
        cancel_order(actor=TILL, order_id=order["id"], reason="too slow", now=later)
    with pytest.raises(errors.AlreadyDelivered):
        deliver_order(actor=TILL, order_id=order["id"], now=later)
    assert refund(order)["points_clawed_back"] == 0  # what is refunded keeps to the programme
    at_the_till = sell(("A", 1), now=NOW)
    with pytest.raises(errors.NotForDelivery):
        cancel_order(actor=TILL, order_id=at_the_till["id"], reason="too slow", now=NOW)


def test_an_exchange_gives_back_and_sells_in_one_act_and_its_quote_writes_nothing():
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 2), member=member, now=NOW)
    new = sale(("B", 10))
    given = {"actor": TILL, "order_id": order["id"], "request": ONE, "sale": new, "now": NOW}
    quoted = quote_exchange(**given)
    assert (Order.objects.count(), Refund.objects.count(), account(member)) == (1, 0, (20, 0))
    done = exchange_order(**given, reason="wrong size")
    assert (quoted["balance_minor"], done["balance_minor"]) == (1500, 1500)
    made = Order.objects.get(id=done["order"]["id"])
    assert made.member_id == member.id
    assert Refund.objects.get().exchange_order_id == made.id
    assert account(member) == (10 + 25, 0)


def test_an_exchange_whose_sale_is_refused_gives_nothing_back():
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 2), member=member, now=NOW)
    given = {"actor": TILL, "order_id": order["id"], "request": ONE, "reason": "wrong size", "now": NOW}
    with pytest.raises(errors.UnknownProduct):
        exchange_order(**given, sale=sale(("NOPE", 1)))
    with pytest.raises(errors.OrderExists):
        exchange_order(**given, sale=sale(("B", 1), number=order["number"]))
    assert (Refund.objects.count(), RefundTender.objects.count(), account(member)) == (0, 0, (20, 0))


def test_a_receipt_gives_its_sale_to_a_member_once_and_within_its_days():
    make_shop()
    member, rival = make_member(now=NOW), make_member(now=NOW)
    order = sell(("A", 100), now=NOW)
    code = receipt_code(Order.objects.get().id, order["number"])
    late = NOW + timedelta(days=7, seconds=1)
    ref = MemberRef("id", str(member.id))
    with pytest.raises(errors.ReceiptTooOld):
        attach_order(actor=TILL, receipt=code, member=ref, now=late)
    with pytest.raises(errors.UnknownReceipt):
        attach_order(actor=TILL, receipt=code[:-1] + ("A" if code[-1] != "A" else "B"), member=ref, now=NOW)
    done = attach_order(
        actor=TILL, receipt=f" {code.lower()} ".replace("t", "T"), member=ref, now=NOW + timedelta(days=7)
    )
    assert (done["points_earned"], done["tier"]) == (1000, {"from": "classic", "to": "silver"})
    assert (account(member), Standing.objects.get(member=member).tier) == ((1000, 0), "silver")
    assert Lot.objects.get(member=member, asset="points").order_id == Order.objects.get().id
    with pytest.raises(errors.OrderHasMember):
        attach_order(actor=TILL, receipt=code, member=MemberRef("id", str(rival.id)), now=NOW)
    assert refund(order)["points_clawed_back"] == 1000
    assert account(member) == (0, 0)


@pytest.mark.parametrize(
    ("request_", "error", "field"),
    [
        (RefundRequest(lines=(LineBack(3, quantity=1),)), errors.UnknownOrderLine, "lines/0/line_no"),
        (
            RefundRequest(lines=(LineBack(1, quantity=2001),)),
            errors.RefundExceedsQuantity,
            "lines/0/quantity",
        ),
        (
            RefundRequest(lines=(LineBack(1, sales_minor=2001),)),
            errors.RefundExceedsLine,
            "lines/0/sales_minor",
        ),
        (RefundRequest(sales_minor=2251), errors.RefundExceedsOrder, "sales_minor"),
    ],
)
def test_more_than_was_bought_is_refused_and_changes_nothing(request_, error, field):
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 2), ("B", 1), member=member, now=NOW)
    with pytest.raises(error) as refusal:
        refund(order, request_)
    assert refusal.value.field == field
    assert str(refusal.value)
    assert (Refund.objects.count(), account(member)) == (0, (22, 0))


def test_the_refund_of_a_sale_of_before_partial_refunds_is_complete():
    """The data migration's statement gives an old refund of a whole order its figures, lines and tender."""
    make_shop()
    member = make_member(now=NOW)
    give(member.id, 500, at=NOW)
    order = sell(("A", 7), ("B", 3), ("A", 1), member=member, points=300, now=NOW)
    refund(order)
    tables = ("checkout_refundline", "checkout_refundtender")
    with connection.cursor() as cursor, transaction.atomic():
        lines = list(RefundLine.objects.order_by("line_no").values())
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute(
            "UPDATE checkout_refund SET sales_minor = 0, points_minor = 0, qualifying_minor = 0, points_owed = 0"
        )
        cursor.execute(
            "UPDATE checkout_order SET refunded_sales_minor = 0, refunded_qualifying_minor = 0, refunded_growth = 0"
        )
        cursor.execute(load("checkout", "refund_history").replace("%", "%%"))
    assert list(RefundLine.objects.order_by("line_no").values()) == lines


@pytest.mark.parametrize("request_", [ALL_THAT_IS_LEFT, ONE, RefundRequest(sales_minor=400)])
def test_a_line_of_no_goods_and_no_value_hinders_no_refund(request_: RefundRequest) -> None:
    """Histories of other tills hold such lines: what was scanned and taken off again."""
    store = make_shop()
    one, two, three = (make_member(now=NOW) for _ in range(3))
    product = Product.objects.get(sku="A")
    lines = [CartLine(product.id, "A", "FOOD", quantity, minor) for quantity, minor in ((1000, 1000), (0, 0))]

    def imported(number: str, member: Any) -> UUID:
        sold = HistoricOrder("bulk", number, member, store.id, "S1", "pos", NOW, lines)
        commit_batch(reference="system:import", orders=[sold], now=NOW)
        return Order.objects.get(number=number).id

    order = imported("1", one.id)
    assert quote_refund(actor=TILL, order_id=order, request=request_, now=NOW)["sales_minor"] > 0
    refund({"id": order}, request_)
    if request_.sales_minor:
        refund({"id": order})
    assert Order.objects.get(id=order).status == OrderStatus.REFUNDED
    assert account(one) == (0, 0)
    void_order(actor=BOSS, order_id=imported("2", two.id), reason="x", now=NOW)
    assert account(two) == (0, 0)
    claimed = imported("3", None)
    refund({"id": claimed}, RefundRequest(sales_minor=300))
    attach_order(
        actor=TILL, receipt=receipt_code(claimed, "3"), member=MemberRef("id", str(three.id)), now=NOW
    )
    assert account(three) == (7, 0)
