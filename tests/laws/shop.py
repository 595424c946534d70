"""Where the machine plays: a shop in a database that is rolled back at the end, its members, and the paper book beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from shuke.checkout import errors
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.repricing import price_again
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import MemberRef, SaleRequest, TenderRequest
from shuke.core.values import Actor, Role
from shuke.kit.errors import ShukeError
from tests.factories.checkout import TILL, make_shop, sale
from tests.factories.core import make_staff
from tests.factories.members import make_member
from tests.laws.book import Book, PaperOrder
from tests.laws.variants import VARIANTS

OPENED = datetime(2026, 1, 5, 2, tzinfo=UTC)
PRICES = {"A": 1000, "B": 250}
BOSS = Actor("staff", TILL.id, "boss")
"""Another person than the till, who may forgive what refunds left owed."""

members = st.integers(0, 2)
some = st.integers(0, 10_000)
"""Chooses among whatever there is by then."""
carts = st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 30)), min_size=1, max_size=3)


class Shop(RuleBasedStateMachine):
    """Three members and their gift cards. The parts that follow it add the acts."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = OPENED
        self.keys: dict[UUID, str] = {}
        self.cards: list[tuple[UUID, str]] = []
        self.blocked: set[UUID] = set()
        self.returned: set[UUID] = set()
        self.begin()

    def begin(self) -> None:
        """What a part remembers besides the book."""

    @initialize(variant=st.integers(0, len(VARIANTS) - 1))
    def open_shop(self, variant: int) -> None:
        document, paper = VARIANTS[variant]
        self.book = Book(paper)
        make_shop(**document)
        self.people = [make_member(now=self.now).id for _ in range(3)]
        self.staff = [make_staff(Role.OWNER).as_actor() for _ in range(2)]
        # Something to spend from the start, or half of all steps would be refused for want of it.
        for member in self.people[:2]:
            self.commit(member, [("A", 29), ("B", 9)])
            self.put_money_on(member, 10_000)
        self.sell_a_gift_card_of(7_777)

    def teardown(self) -> None:
        try:
            if hasattr(self, "people"):
                connection.check_constraints()
                for order in self.book.orders:
                    assert price_again(order.id).is_same is not False, order
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=7)
        return self.now

    def order(self, choice: int) -> PaperOrder:
        return self.book.orders[choice % len(self.book.orders)]

    # A sale, as every part makes it

    def request_of(
        self,
        member: UUID | None,
        cart: list[tuple[str, int]],
        points: int = 0,
        tenders: tuple[TenderRequest, ...] = (),
        **more: Any,
    ) -> SaleRequest:
        made = sale(*cart, points=points, tenders=tenders, **more)
        return replace(made, member=MemberRef("id", str(member))) if member else made

    def commit(
        self,
        member: UUID | None,
        cart: list[tuple[str, int]],
        points: int = 0,
        tenders: tuple[TenderRequest, ...] = (),
        card: UUID | None = None,
        *,
        delivery: bool = False,
    ) -> PaperOrder | None:
        at = self.tick()
        facts = {"delivery": "pending"} if delivery else None
        request = self.request_of(member, cart, points, tenders, facts=facts)
        refusal = self.refusal(member, cart, points, card, at)
        key = f"key-{request.number}"
        if refusal:
            with pytest.raises(refusal):
                quote_order(actor=TILL, sale=request, now=at)
            with pytest.raises(refusal):
                commit_order(actor=TILL, sale=request, now=at, key=key, input_hash=b"h")
            return None
        quoted = quote_order(actor=TILL, sale=request, now=at)
        answer = commit_order(actor=TILL, sale=request, now=at, key=key, input_hash=b"h")
        said = json.loads(answer.body)
        for figure in ("payable_minor", "points_used", "points_earned", "growth_earned", "lines", "tenders"):
            assert said.get(figure) == json.loads(json.dumps(quoted.get(figure), default=str)), figure
        order = self.paper_order(said, answer.body, member, request, cart, points, at)
        order.delivery = "pending" if delivery else ""
        self.keys[order.id] = key
        self.take_payment(order, points, tenders, card, at)
        self.agree(order, said)
        return order

    def paper_order(
        self,
        said: dict[str, Any],
        body: bytes,
        member: UUID | None,
        request: SaleRequest,
        cart: list[tuple[str, int]],
        points: int,
        at: datetime,
    ) -> PaperOrder:
        values = [PRICES[sku] * units for sku, units in cart]
        quantities = [units * 1000 for _sku, units in cart]
        # A hundred points are worth 1.00: as many points as minor units.
        order = PaperOrder(UUID(said["id"]), member, request, body, at, values, quantities, points, points)
        self.book.orders.append(order)
        return order

    def take_payment(
        self,
        order: PaperOrder,
        points: int,
        tenders: tuple[TenderRequest, ...],
        card: UUID | None,
        at: datetime,
    ) -> None:
        """Points and tenders leave their purses, and what the sale earns comes in: before them where they may be spent."""
        member, left = order.member, order.payable
        if member and self.book.paper.spend_own:
            self.book.earn(order, member, at)
        if card:
            left -= self.pay(order, card, "gift_card", left, at)
        if member:
            if points:
                order.spent = self.book.purse(member, "points").spend(points, at)
            if any(tender.kind == "stored_value" for tender in tenders):
                left -= self.pay(order, member, "stored_value", left, at)
                left -= self.pay(order, member, "bonus", left, at)
            if not self.book.paper.spend_own:
                self.book.earn(order, member, at)
        order.paid.append((None, [], left))

    def pay(self, order: PaperOrder, holder: UUID, asset: str, left: int, at: datetime) -> int:
        purse = self.book.purse(holder, asset)
        amount = min(left, purse.usable(at))
        if amount:
            order.paid.append((purse, purse.spend(amount, at), amount))
        return amount

    def agree(self, order: PaperOrder, said: dict[str, Any]) -> None:
        earned = (said["points_earned"], said["growth_earned"])
        assert (said["payable_minor"], *earned) == (order.payable, *order.earned.values())
        left = order.paid[-1][2]
        assert said.get("due_minor", said["payable_minor"]) == left

    def refusal(
        self, member: UUID | None, cart: list[tuple[str, int]], points: int, card: UUID | None, at: datetime
    ) -> type[ShukeError] | None:
        if card in self.blocked | self.returned:
            return errors.GiftCardNotActive
        if member and points > self.book.purse(member, "points").usable(at) + self.own(
            member, cart, points, at
        ):
            return errors.NotEnoughPoints
        return None

    def own(self, member: UUID, cart: list[tuple[str, int]], points: int, at: datetime) -> int:
        """Of what the sale earns, what it could spend itself."""
        if not self.book.paper.spend_own:
            return 0
        sales = sum(PRICES[sku] * units for sku, units in cart)
        return max(0, (sales - points) // 100 - self.book.purse(member, "points").debt)

    # Money in advance, as it is there from the start

    def put_money_on(self, member: UUID, amount: int) -> None:
        at = self.tick()
        told = top_up(actor=TILL, member_id=member, store="S1", amount_minor=amount, tender="wechat", now=at)
        bonus = 2_000 if amount >= 10_000 else 0
        assert told["bonus_minor"] == bonus
        self.book.open(member, "stored_value", amount, at, None)
        if bonus:
            self.book.open(member, "bonus", bonus, at, None)

    def sell_a_gift_card_of(self, face: int) -> None:
        at = self.tick()
        card = issue_gift_cards(actor=TILL, face_minor=face, count=1, now=at)[0]
        code = codes_of([card.id])[0]
        card = activate_gift_cards(actor=TILL, codes=[code], store="S1", tender="cash", now=at)[0]
        self.book.open(card.id, "gift_card", face, at, card.expires_at)
        self.cards.append((card.id, code))
