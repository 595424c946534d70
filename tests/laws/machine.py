"""Every public operation of the book in random order, each checked against the paper book, the proofs and the tier replay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.tiers import replay_tiers
from shuke.ledger.models import Lot
from shuke.ledger.operations import announce_active, expire_holds, expire_lots
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import verify_counters
from shuke.loyalty.models import Counter
from shuke.loyalty.tier_reviews import review_tiers
from tests.laws.book import PaperLot
from tests.laws.prepaid import Prepaid
from tests.laws.sales import Sales
from tests.laws.stories import Stories


class Operations(Sales, Prepaid, Stories):
    """All acts together, the passing of time, and what holds after each of them."""

    @rule(days=st.sampled_from([0, 1, 8, 40, 200, 370]), swept=st.booleans())
    def pass_time(self, days: int, swept: bool) -> None:
        self.now += timedelta(days=days)
        at = self.tick()
        if not swept:
            return
        ended = [held for held in self.holds if held[0].expires_at <= at]
        assert expire_holds(now=at) == len(ended)
        for held in ended:
            self.holds.remove(held)
            self.let_go(held[2], 0)
        while expire_lots(now=at):
            pass
        self.book.expire(at)
        self.forget_late_requests(at)
        while announce_active(now=at):
            pass
        assert not Lot.objects.filter(pending=True, active_at__lte=at).exists()
        review_tiers(now=at, qualifying=qualifying_totals)

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "people"):
            return
        assert reconcile().differences == ()
        assert verify_orders()[1] == []
        assert verify_counters() == []
        assert self.found_accounts() == self.kept_accounts()
        assert self.found_lots() == self.kept_lots()
        rows = Order.objects.values_list("id", "status", "refunded_sales_minor")
        kept = {order.id: (order.status, order.back["sales"]) for order in self.book.orders}
        assert {order_id: (status, back) for order_id, status, back in rows} == kept
        drawn = {month: used for month, used in self.book.budget.items() if used}
        assert dict(Counter.objects.filter(used__gt=0).values_list("period", "used")) == drawn
        self.allowances_agree()
        assert replay_tiers().differences == ()

    def found_accounts(self) -> dict[tuple[UUID, str], tuple[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_id, asset, balance, debt FROM ledger_account WHERE (balance, debt) <> (0, 0)"
            )
            return {(holder, asset): (balance, debt) for holder, asset, balance, debt in cursor.fetchall()}

    def kept_accounts(self) -> dict[tuple[UUID, str], tuple[int, int]]:
        kept = {
            key: (sum(lot.left for lot in purse.lots) - purse.debt, purse.debt)
            for key, purse in self.book.purses.items()
        }
        return {key: pair for key, pair in kept.items() if pair != (0, 0)}

    def found_lots(self) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_id, asset, earned_at, expires_at, active_at, remaining, held"
                " FROM ledger_lot WHERE remaining > 0"
            )
            return sorted(cursor.fetchall(), key=repr)

    def kept_lots(self) -> list[tuple[Any, ...]]:
        def row(key: tuple[UUID, str], lot: PaperLot) -> tuple[Any, ...]:
            return (*key, lot.earned, lot.expires, lot.usable_from, lot.left, lot.held)

        lots = [row(key, lot) for key, purse in self.book.purses.items() for lot in purse.lots if lot.left]
        return sorted(lots, key=repr)
