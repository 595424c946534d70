"""Sales of every kind at the till: to members and strangers, for delivery, asked again, claimed by their receipt."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.operations import commit_order
from shuke.checkout.receipts import attach_order
from shuke.checkout.values import MemberRef, TenderRequest
from tests.factories.checkout import TILL
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
            self.claim(order, who)

    def claim(self, order, who: int) -> None:
        member, at = self.people[who], self.tick()
        told = attach_order(
            actor=TILL,
            receipt=receipt_code(order.id, json.loads(order.body)["number"]),
            member=MemberRef("id", str(member)),
            now=at,
        )
        order.member = member
        self.book.earn(order, member, at)
        assert (told["points_earned"], told["growth_earned"]) == tuple(order.earned.values())

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
