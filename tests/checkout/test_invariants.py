from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection

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
        ("UPDATE checkout_order SET store_id = gen_random_uuid()", "a store that exists"),
        ("UPDATE checkout_order SET channel_id = 'none'", "a channel that exists"),
        ("UPDATE checkout_orderline SET product_id = gen_random_uuid()", "a product that exists"),
    ],
)
def test_each_kind_of_damage_is_named(shop, statement, what):
    with connection.cursor() as cursor:
        cursor.execute(statement)
    assert what in {difference.what for difference in verify_orders()[1]}


@pytest.mark.parametrize("table", ["catalog_store", "catalog_channel", "catalog_product"])
def test_what_a_sale_names_cannot_be_deleted_and_what_none_names_can(shop, table):
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError):
            cursor.execute(f"DELETE FROM {table}")
        sold = {
            "catalog_store": "id IN (SELECT store_id FROM checkout_order)",
            "catalog_channel": "code IN (SELECT channel_id FROM checkout_order)",
            "catalog_product": "id IN (SELECT product_id FROM checkout_orderline)",
        }[table]
        cursor.execute(f"DELETE FROM {table} WHERE NOT {sold}")
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone()[0] == (2 if table == "catalog_product" else 1)
