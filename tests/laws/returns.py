"""What comes back: refunds by part, voids, cancellations before delivery, exchanges, and debts that are forgiven."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.checkout import errors
from shuke.checkout.refunds import (
    cancel_order,
    deliver_order,
    exchange_order,
    quote_cancellation,
    quote_refund,
    refund_order,
    void_order,
    write_off_debt,
)
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.kit.errors import ShukeError
from tests.factories.checkout import TILL, sale
from tests.laws.book import ZONE, Manner, PaperOrder, PaperRefund
from tests.laws.shop import BOSS, PRICES, Shop, some

NEVER_WAS = Manner(return_spent=True, claw_back=True, buys_missing=False)
parts = {
    "choice": some,
    "how": st.sampled_from(["all", "units", "units", "amount"]),
    "line": some,
    "share": st.integers(1, 99),
}


class Returns(Shop):
    @property
    def manner(self) -> Manner:
        paper = self.book.paper
        return Manner(paper.return_spent, paper.claw_back, paper.shortfall == "cash_value")

    @precondition(lambda self: self.book.orders)
    @rule(**parts)
    def refund(self, choice: int, how: str, line: int, share: int) -> None:
        order, at = self.order(choice), self.tick()
        request = self.part_of(order, how, line, share)
        if order.status != "committed" or order.back["sales"] == order.sales:
            with pytest.raises(errors.AlreadyRefunded):
                refund_order(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
            return
        self.give_back(order, quote_refund, refund_order, request, at, self.manner, "refunded")

    @precondition(lambda self: any(order.delivery for order in self.book.orders))
    @rule(**parts)
    def cancel(self, choice: int, how: str, line: int, share: int) -> None:
        waiting = [order for order in self.book.orders if order.delivery]
        order, at = waiting[choice % len(waiting)], self.tick()
        request = self.part_of(order, how, line, share)
        expected: type[ShukeError] | None = None
        if order.status != "committed":
            expected = errors.AlreadyRefunded
        elif order.delivery == "delivered":
            expected = errors.AlreadyDelivered
        if expected:
            with pytest.raises(expected):
                cancel_order(actor=TILL, order_id=order.id, reason="too slow", now=at, request=request)
            return
        self.give_back(order, quote_cancellation, cancel_order, request, at, NEVER_WAS, "cancelled")

    @precondition(lambda self: self.book.orders)
    @rule(choice=some)
    def deliver(self, choice: int) -> None:
        order, at = self.order(choice), self.tick()
        expected: type[ShukeError] | None = None
        if order.status != "committed":
            expected = errors.AlreadyRefunded
        elif not order.delivery:
            expected = errors.NotForDelivery
        elif order.delivery == "delivered":
            expected = errors.AlreadyDelivered
        if expected:
            with pytest.raises(expected):
                deliver_order(actor=TILL, order_id=order.id, now=at)
            return
        deliver_order(actor=TILL, order_id=order.id, now=at)
        order.delivery = "delivered"

    def give_back(
        self,
        order: PaperOrder,
        quote: Any,
        act: Any,
        request: RefundRequest,
        at: datetime,
        manner: Manner,
        ends_as: str,
    ) -> None:
        try:
            quoted = quote(actor=TILL, order_id=order.id, now=at, request=request)
        except ShukeError as refused:
            # The chosen units are back already: the act says the same and changes nothing.
            with pytest.raises(type(refused)):
                act(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
            return
        told = act(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
        assert {name: told[name] for name in quoted} == quoted
        self.came_back(order, told, at, manner, ends_as)

    def part_of(self, order: PaperOrder, how: str, line: int, share: int) -> RefundRequest:
        if how == "units":
            number = line % len(order.quantities)
            units = max(1, order.quantities[number] // 1000 * share // 100)
            return RefundRequest(lines=(LineBack(number + 1, units * 1000),))
        if how == "amount":
            return RefundRequest(sales_minor=max(1, (order.sales - order.back["sales"]) * share // 100))
        return ALL_THAT_IS_LEFT

    def came_back(
        self, order: PaperOrder, told: dict[str, Any], at: datetime, manner: Manner, ends_as: str
    ) -> None:
        """Book what the answer says came back, once it is what the laws allow."""
        part = {
            "sales": told["sales_minor"],
            "payable": told["payable_minor"],
            "spent": told["points_returned"],
            "points": told["points_clawed_back"],
            "growth": told["growth_clawed_back"],
        }
        whole = {
            "sales": order.sales,
            "payable": order.payable,
            "spent": order.points_used,
            "points": order.earned["points"],
            "growth": order.earned["growth"],
        }
        assert all(amount >= 0 for amount in part.values()), part
        silent = ({"spent"} if not manner.return_spent else set()) | (
            {"points", "growth"} if not manner.claw_back else set()
        )
        assert not any(part[name] for name in silent), (part, silent)
        before, after = order.back["sales"], order.back["sales"] + part["sales"]
        if len(order.values) == 1:
            # Of one line everything is a share of its value, rounded down until the last part brings the rest.
            def share(figure: int) -> int:
                return figure * after // order.sales - figure * before // order.sales

            expected = {name: 0 if name in silent else share(figure) for name, figure in whole.items()}
            expected["payable"] = part["sales"] - share(order.points_minor)
            assert part == expected, (part, expected)
        done = {name: order.back[name] + amount for name, amount in part.items()}
        assert all(done[name] <= whole[name] for name in whole), (done, whole)
        if told["is_whole"]:
            assert (done["sales"], done["payable"]) == (whole["sales"], whole["payable"])
            # What one policy left with the member, a later refund in another manner does not look for.
            if all(refund.actor == ends_as for refund in order.refunds):
                assert {n: v for n, v in done.items() if n not in silent} == {
                    n: v for n, v in whole.items() if n not in silent
                }
            order.status = ends_as
        refund = PaperRefund(told["id"], ends_as, 0, sales=part["sales"])
        moved = self.book.give_back(order, part, manner, at, refund)
        if order.member:
            assert (told["debt_created"], told["points_bought"]) == (max(moved.debt, 0), moved.bought)
            # A point is worth a cent: what money pays for of the missing ones is kept of it.
            assert told["deducted_minor"] == moved.bought
            assert told["points_expired"] == part["spent"] - moved.alive

    @precondition(lambda self: any(refund for o in self.book.orders for refund in o.refunds if o.member))
    @rule(choice=some, own=st.sampled_from([False, False, False, True]))
    def forgive(self, choice: int, own: bool) -> None:
        """A second person forgives what a refund of that order left owed, as far as it is owed still."""
        found = [(order, refund) for order in self.book.orders if order.member for refund in order.refunds]
        if not found:
            return
        order, refund = found[choice % len(found)]
        assert order.member is not None
        asked = {
            "actor": TILL if own else BOSS,
            "refund_id": refund.id,
            "reason": "goodwill",
            "now": self.tick(),
        }
        purse = self.book.purse(order.member, "points")
        units = min(refund.owed - refund.forgiven, order.owed, purse.debt)
        expected: type[ShukeError] | None = None
        if self.book.paper.shortfall != "write_off":
            expected = errors.WriteOffNotAllowed
        elif own:
            expected = errors.SecondPersonNeeded
        elif units <= 0:
            expected = errors.NothingOwed
        if expected:
            with pytest.raises(expected):
                write_off_debt(**asked)
            return
        assert write_off_debt(**asked)["points_written_off"] == units
        refund.forgiven += units
        purse.debt -= units

    @precondition(lambda self: self.book.orders)
    @rule(choice=some)
    def void(self, choice: int) -> None:
        order, at = self.order(choice), self.tick()
        expected: type[ShukeError] | None = None
        if order.status != "committed":
            expected = errors.AlreadyRefunded
        elif order.refunds:
            expected = errors.PartlyRefunded
        elif order.at.astimezone(ZONE).date() != at.astimezone(ZONE).date():
            expected = errors.VoidTooLate
        if expected:
            with pytest.raises(expected):
                void_order(actor=TILL, order_id=order.id, reason="typed wrong", now=at)
            return
        told = void_order(actor=TILL, order_id=order.id, reason="typed wrong", now=at)
        self.came_back(order, told, at, NEVER_WAS, "voided")

    @precondition(lambda self: any(o.status == "committed" for o in self.book.orders))
    @rule(choice=some, sku=st.sampled_from("AB"), units=st.integers(1, 20))
    def exchange(self, choice: int, sku: str, units: int) -> None:
        open_orders = [order for order in self.book.orders if order.status == "committed"]
        order, at = open_orders[choice % len(open_orders)], self.tick()
        other = sale((sku, units))
        told = exchange_order(
            actor=TILL, order_id=order.id, request=ALL_THAT_IS_LEFT, sale=other, reason="other size", now=at
        )
        self.came_back(order, told["refund"], at, self.manner, "refunded")
        said = told["order"]
        fresh = PaperOrder(
            UUID(said["id"]), order.member, other, b"", at, [PRICES[sku] * units], [units * 1000], 0, 0
        )
        fresh.paid.append((None, [], fresh.payable))
        if order.member:
            self.book.earn(fresh, order.member, at)
        assert said["points_earned"] == fresh.earned["points"]
        self.book.orders.append(fresh)
