from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection

from shuke.checkout.invariants import verify_orders
from shuke.checkout.refunds import refund_order
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)


@pytest.fixture
def shop(transactional_db):
    make_shop()
    member = make_member(now=NOW)
    first = sell(("A", 100), member=member, now=NOW)
    sell(("A", 3), ("B", 2), member=member, points=300, now=NOW)
    sell(("A", 1), now=NOW)
    refund_order(actor=TILL, order_id=first["id"], reason="returned", now=NOW)


def test_sales_and_refunds_leave_orders_lines_and_ledger_in_agreement(shop):
    assert verify_orders() == (3, [])


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE checkout_orderline SET payable_minor = payable_minor + 1 WHERE line_no = 2",
            "payable_minor",
        ),
        ("UPDATE checkout_order SET points_used = 200 WHERE points_used = 300", "points_used in the ledger"),
        (
            "UPDATE checkout_order SET points_earned = points_earned + 1 WHERE points_used = 300",
            "points_earned by line",
        ),
        ("UPDATE checkout_order SET status = 'committed'", "refund row"),
        ("DELETE FROM checkout_orderline WHERE line_no = 2", "list_minor"),
    ],
)
def test_each_kind_of_damage_is_named(shop, statement, what):
    with connection.cursor() as cursor:
        cursor.execute(statement)
    assert what in {difference.what for difference in verify_orders()[1]}
