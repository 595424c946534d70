"""What must hold over all sales: headers equal lines, and the ledger holds exactly what the orders say."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from shuke.kit.sql import load


@dataclass(frozen=True, slots=True)
class OrderDifference:
    """`what` of this order says one figure, its lines or its ledger entries another."""

    what: str
    order_id: UUID
    said: int
    found: int


def verify_orders(*, most: int = 10) -> tuple[int, list[OrderDifference]]:
    """(orders looked at, the first differences). Set-based, from one snapshot, without locks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM checkout_order")
        orders = int(cursor.fetchone()[0])
        cursor.execute(load("checkout", "verify_orders"), {"most": most})
        return orders, [OrderDifference(*row) for row in cursor.fetchall()]
