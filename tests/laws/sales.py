"""Sales of every kind at the till: to members and strangers, for delivery, asked again, claimed by their receipt."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.models import Order, Refund
from shuke.checkout.operations import commit_order
from shuke.checkout.receipts import attach_order
from shuke.checkout.values import MemberRef, TenderRequest
from shuke.kit.errors import ShukeError
from tests.factories.checkout import TILL
from tests.laws.book import Manner, PaperOrder
from tests.laws.shop import PRICES, Shop, carts, members, some


class Sales(Shop):
    @rule(
        who=members, cart=carts, points=st.sampled_from([0, 0, 100, 300]), pay=st.integers(0, 3), card=some,
        delivery=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def sell(
        self, who: int, cart: list[tuple[str, int]], points: int, pay: int, card: int, delivery: bool
    ) -> None:
        tenders: tuple[TenderRequest, ...] = ()
        holder = None
        if pay & 2 and self.cards:
            holder, code = self.cards[card % len(self.cards)]
            tenders += (TenderRequest("gift_card", None, code=code),)
        if pay & 1:
            tenders += (TenderRequest("stored_value", None),)
        # Points pay at most half of a sale; a cart that is too small for them is sold without.
        if points > sum(PRICES[sku] * units for sku, units in cart) // 2:
            points = 0
        self.commit(self.people[who], cart, points, tenders, holder, delivery=delivery)

    @rule(cart=carts, who=members, claim=st.booleans())
    def sell_to_a_stranger(self, cart: list[tuple[str, int]], who: int, claim: bool) -> None:
        order = self.commit(None, cart)
        assert order is not None
        if claim:
            self.claim(order, who, self.tick())

    @precondition(lambda self: any(order.member is None for order in self.book.orders))
    @rule(choice=some, who=members)
    def claim_later(self, choice: int, who: int) -> None:
        """Also when some of it is back already."""
        strangers = [order for order in self.book.orders if order.member is None]
        order, at = strangers[choice % len(strangers)], self.tick()
        expected: type[ShukeError] | None = None
        if order.status != "committed":
            expected = errors.AlreadyRefunded
        elif at > order.at + timedelta(days=7):
            expected = errors.ReceiptTooOld
        if expected:
            with pytest.raises(expected):
                self.attach(order, who, at)
            return
        self.claim(order, who, at)

    def attach(self, order: PaperOrder, who: int, at: datetime) -> dict[str, Any]:
        number = json.loads(order.body)["number"] if order.body else Order.objects.get(id=order.id).number
        return attach_order(
            actor=TILL,
            receipt=receipt_code(order.id, number),
            member=MemberRef("id", str(self.people[who])),
            now=at,
        )

    def claim(self, order: PaperOrder, who: int, at: datetime) -> None:
        told = self.attach(order, who, at)
        order.member = self.people[who]
        self.book.earn(order, order.member, at)
        assert (told["points_earned"], told["growth_earned"]) == tuple(order.earned.values())
        self.take_back_earlier(order, at)
        assert (told["points_taken_back"], told["growth_taken_back"]) == (
            order.back["points"],
            order.back["growth"],
        )

    def take_back_earlier(self, order: PaperOrder, at: datetime) -> None:
        """Each refund of before the claim takes its share now, one after the other; no money is kept for what is missing."""
        paper, before = self.book.paper, 0
        manner = Manner(paper.return_spent, paper.claw_back, buys_missing=False)
        earlier, order.refunds = order.refunds, []
        for refund in earlier:
            row = Refund.objects.get(id=refund.id)
            part = {"points": row.points_clawed_back, "growth": row.growth_clawed_back}
            after = before + refund.sales
            assert paper.claw_back or not any(part.values()), part
            if len(order.values) == 1 and paper.claw_back:
                assert part == {
                    name: whole * after // order.sales - whole * before // order.sales
                    for name, whole in order.earned.items()
                }
            before = after
            moved = self.book.give_back(
                order, {"sales": 0, "payable": 0, "spent": 0, **part}, manner, at, refund
            )
            assert (row.member_id, row.debt_created) == (order.member, max(moved.debt, 0))
        assert all(order.back[name] <= whole for name, whole in order.earned.items())

    @precondition(lambda self: self.keys)
    @rule(choice=some, other=st.booleans())
    def ask_again(self, choice: int, other: bool) -> None:
        order = self.order(choice)
        key = self.keys.get(order.id)
        if key is None:
            return
        if other:
            with pytest.raises(errors.IdempotencyConflict):
                commit_order(actor=TILL, sale=order.sale, now=self.tick(), key=key, input_hash=b"other")
            return
        with suppress(errors.BadInstant):
            answer = commit_order(actor=TILL, sale=order.sale, now=self.tick(), key=key, input_hash=b"h")
            assert (answer.replayed, answer.body) == (True, order.body)
