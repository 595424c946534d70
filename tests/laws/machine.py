"""Every public operation of the book in random order, each checked against the paper book, the proofs and the tier replay."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import exchange_order, quote_refund, refund_order, void_order
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.checkout.stored_value import return_stored_value, top_up
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.values import MemberRef, SaleRequest, TenderRequest
from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.ledger import errors as refusals
from shuke.ledger.models import Hold
from shuke.ledger.operations import expire_holds, expire_lots, release_hold
from shuke.ledger.queries import reconcile
from shuke.loyalty.books import capture_hold, place_hold, request_adjustment, transfer_points
from shuke.loyalty.operations import review_tiers
from tests.factories.checkout import TILL, make_shop, sale
from tests.factories.members import make_member
from tests.laws.book import ZONE, Book, PaperLot, PaperOrder, Parts, Purse, Short, year_later

PRICES = {"A": 1000, "B": 250}
BONUS = {"id": "hundred", "name": {"zh-Hans": "充百送二十"}, "from": "100.00", "give": "20.00"}
PROGRAMME: dict[str, Any] = {
    "assets": {"stored_value": {"name": {"zh-Hans": "储值"}, "expiry": {"model": "never"}}},
    "stored_value": {"spend_order": "principal_first", "bonuses": [BONUS]},
    "gift_cards": {},
    "card_limits": {"registered_most": "none"},
    "adjustments": {"points": {"limits": {"owner": 100_000}, "below_zero": "debt"}},
    "transfers": {"points": {"fee_percent": "2.5"}},
    "tiers": {
        # Levels without discount or multiplier: the paper book prices by hand.
        "levels": [
            {"code": "classic", "name": {"zh-Hans": "普通"}, "threshold": "0"},
            {"code": "silver", "name": {"zh-Hans": "银卡"}, "threshold": "300.00"},
            {"code": "gold", "name": {"zh-Hans": "金卡"}, "threshold": "900.00"},
        ],
    },
}
members = st.integers(0, 2)
some = st.integers(0, 10_000)
"""Chooses among whatever there is by then."""
carts = st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 30)), min_size=1, max_size=3)


class Operations(RuleBasedStateMachine):
    """Three members and their gift cards in a database that is rolled back at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = datetime(2026, 1, 5, 2, tzinfo=UTC)
        self.book = Book()
        self.cards: list[tuple[UUID, str]] = []
        self.holds: list[tuple[Hold, Purse, Parts]] = []
        self.keys: dict[UUID, str] = {}

    @initialize()
    def open_shop(self) -> None:
        make_shop(**PROGRAMME)
        self.people = [make_member(now=self.now).id for _ in range(3)]
        # Something to spend from the start, or half of all steps would be refused for want of it.
        for member in self.people[:2]:
            self.commit(member, [("A", 29), ("B", 9)], 0, (), None)
            self.put_money_on(member, 10_000)
        self.sell_a_gift_card_of(7_777)

    def teardown(self) -> None:
        try:
            if hasattr(self, "people"):
                connection.check_constraints()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=7)
        return self.now

    def order(self, choice: int) -> PaperOrder:
        return self.book.orders[choice % len(self.book.orders)]

    # Sales

    @rule(who=members, cart=carts, points=st.sampled_from([0, 0, 100, 300]), pay=st.integers(0, 3), card=some)
    def sell(self, who: int, cart: list[tuple[str, int]], points: int, pay: int, card: int) -> None:
        tenders: tuple[TenderRequest, ...] = ()
        holder = None
        if pay & 2 and self.cards:
            holder, code = self.cards[card % len(self.cards)]
            tenders += (TenderRequest("gift_card", None, code=code),)
        if pay & 1:
            tenders += (TenderRequest("stored_value", None),)
        self.commit(self.people[who], cart, points, tenders, holder)

    @rule(cart=carts, who=members, claim=st.booleans())
    def sell_to_a_stranger(self, cart: list[tuple[str, int]], who: int, claim: bool) -> None:
        order = self.commit(None, cart, 0, (), None)
        assert order is not None
        if not claim:
            return
        member, at = self.people[who], self.tick()
        number = json.loads(order.body)["number"]
        told = attach_order(
            actor=TILL,
            receipt=receipt_code(order.id, number),
            member=MemberRef("id", str(member)),
            now=at,
        )
        order.member, order.earned = member, order.payable // 100
        assert (told["points_earned"], told["growth_earned"]) == (order.earned, order.earned)
        self.book.earn(order, member, at)

    def commit(
        self,
        member: UUID | None,
        cart: list[tuple[str, int]],
        points: int,
        tenders: tuple[TenderRequest, ...],
        card: UUID | None,
    ) -> PaperOrder | None:
        at = self.tick()
        request = sale(*cart, points=points, tenders=tenders)
        if member:
            request = SaleRequest(
                **{
                    **{name: getattr(request, name) for name in request.__dataclass_fields__},
                    "member": MemberRef("id", str(member)),
                }
            )
        values = [PRICES[sku] * units for sku, units in cart]
        refusal = self.refusal(member, points, sum(values), at)
        key = f"key-{request.number}"
        if refusal:
            with pytest.raises(refusal):
                commit_order(actor=TILL, sale=request, now=at, key=key, input_hash=b"h")
            return None
        quoted = quote_order(actor=TILL, sale=request, now=at)
        answer = commit_order(actor=TILL, sale=request, now=at, key=key, input_hash=b"h")
        said = json.loads(answer.body)
        for figure in ("payable_minor", "points_used", "points_earned", "growth_earned", "lines", "tenders"):
            assert said.get(figure) == json.loads(json.dumps(quoted.get(figure), default=str)), figure
        order = PaperOrder(
            UUID(said["id"]), member, request, answer.body, at, values, [u * 1000 for _s, u in cart], points,
            points, 0,
        )  # fmt: skip
        self.keys[order.id] = key
        self.book.orders.append(order)
        left = order.payable
        if card:
            left -= self.pay(order, card, "gift_card", left, at)
        if member:
            if points:
                order.spent = self.book.purse(member, "points").spend(points, at)
            if any(tender.kind == "stored_value" for tender in tenders):
                left -= self.pay(order, member, "stored_value", left, at)
                left -= self.pay(order, member, "bonus", left, at)
            order.earned = order.payable // 100
            self.book.earn(order, member, at)
        order.paid.append((None, [], left))
        assert (said["payable_minor"], said["points_earned"]) == (order.payable, order.earned)
        assert said.get("due_minor", said["payable_minor"]) == left
        return order

    def refusal(self, member: UUID | None, points: int, sales: int, at: datetime) -> type[ShukeError] | None:
        if not points:
            return None
        if points > sales // 2:
            return errors.PointsNotAccepted
        if member and points > self.book.purse(member, "points").usable(at):
            return errors.NotEnoughPoints
        return None

    def pay(self, order: PaperOrder, holder: UUID, asset: str, left: int, at: datetime) -> int:
        purse = self.book.purse(holder, asset)
        amount = min(left, purse.usable(at))
        if amount:
            order.paid.append((purse, purse.spend(amount, at), amount))
        return amount

    @precondition(lambda self: self.keys)
    @rule(choice=some, other=st.booleans())
    def ask_again(self, choice: int, other: bool) -> None:
        order = self.order(choice)
        key = self.keys.get(order.id)
        if key is None:
            return
        if other:
            with pytest.raises(errors.TwistedKey):
                commit_order(actor=TILL, sale=order.sale, now=self.tick(), key=key, input_hash=b"other")
            return
        with suppress(errors.BadInstant):
            answer = commit_order(actor=TILL, sale=order.sale, now=self.tick(), key=key, input_hash=b"h")
            assert (answer.replayed, answer.body) == (True, order.body)

    # Refunds

    @precondition(lambda self: self.book.orders)
    @rule(
        choice=some,
        how=st.sampled_from(["all", "units", "units", "amount"]),
        line=some,
        share=st.integers(1, 99),
    )
    def refund(self, choice: int, how: str, line: int, share: int) -> None:
        order, at = self.order(choice), self.tick()
        request = self.part_of(order, how, line, share)
        if order.status != "committed" or order.back["sales"] == order.sales:
            with pytest.raises(errors.AlreadyRefunded):
                refund_order(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
            return
        try:
            quoted = quote_refund(actor=TILL, order_id=order.id, now=at, request=request)
        except ShukeError as refused:
            # The chosen units are back already: the refund says the same and changes nothing.
            with pytest.raises(type(refused)):
                refund_order(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
            return
        told = refund_order(actor=TILL, order_id=order.id, reason="returned", now=at, request=request)
        assert {name: told[name] for name in quoted} == quoted
        self.came_back(order, told, at, "refunded")

    def part_of(self, order: PaperOrder, how: str, line: int, share: int) -> RefundRequest:
        if how == "units":
            number = line % len(order.quantities)
            units = max(1, order.quantities[number] // 1000 * share // 100)
            return RefundRequest(lines=(LineBack(number + 1, units * 1000),))
        if how == "amount":
            return RefundRequest(sales_minor=max(1, (order.sales - order.back["sales"]) * share // 100))
        return ALL_THAT_IS_LEFT

    def came_back(self, order: PaperOrder, told: dict[str, Any], at: datetime, ends_as: str) -> None:
        """Book what the answer says came back, once it is what the laws allow."""
        part = {
            "sales": told["sales_minor"],
            "payable": told["payable_minor"],
            "spent": told["points_returned"],
            "points": told["points_clawed_back"],
            "growth": told["growth_clawed_back"],
        }
        assert all(amount >= 0 for amount in part.values()), part
        done = {name: order.back[name] + amount for name, amount in part.items()}
        whole = {
            "sales": order.sales,
            "payable": order.payable,
            "spent": order.points_used,
            "points": order.earned,
            "growth": order.earned,
        }
        if len(order.values) == 1:
            share = done["sales"]
            points_minor = order.points_minor * share // order.sales
            expected = {name: figure * share // order.sales for name, figure in whole.items()}
            assert done == {**expected, "payable": share - points_minor}
        if told["is_whole"]:
            assert done == whole
            order.status = ends_as
        assert all(done[name] <= whole[name] for name in whole), (done, whole)
        debt = self.book.purse(order.member, "points").debt if order.member else 0
        self.book.give_back(order, part, at)
        if order.member:
            risen = self.book.purse(order.member, "points").debt - debt
            assert told["debt_created"] == max(risen, 0)

    @precondition(lambda self: self.book.orders)
    @rule(choice=some)
    def void(self, choice: int) -> None:
        order, at = self.order(choice), self.tick()
        expected: type[ShukeError] | None = None
        if order.status != "committed":
            expected = errors.AlreadyRefunded
        elif any(order.back.values()):
            expected = errors.PartlyRefunded
        elif order.at.astimezone(ZONE).date() != at.astimezone(ZONE).date():
            expected = errors.VoidTooLate
        if expected:
            with pytest.raises(expected):
                void_order(actor=TILL, order_id=order.id, reason="typed wrong", now=at)
            return
        told = void_order(actor=TILL, order_id=order.id, reason="typed wrong", now=at)
        self.came_back(order, told, at, "voided")

    @precondition(lambda self: any(o.status == "committed" for o in self.book.orders))
    @rule(choice=some, sku=st.sampled_from("AB"), units=st.integers(1, 20))
    def exchange(self, choice: int, sku: str, units: int) -> None:
        open_orders = [order for order in self.book.orders if order.status == "committed"]
        order, at = open_orders[choice % len(open_orders)], self.tick()
        other = sale((sku, units))
        told = exchange_order(
            actor=TILL, order_id=order.id, request=ALL_THAT_IS_LEFT, sale=other, reason="other size", now=at
        )
        self.came_back(order, told["refund"], at, "refunded")
        said = told["order"]
        fresh = PaperOrder(
            UUID(said["id"]), order.member, other, b"", at, [PRICES[sku] * units], [units * 1000], 0, 0, 0
        )
        fresh.paid.append((None, [], fresh.payable))
        if order.member:
            fresh.earned = fresh.payable // 100
            self.book.earn(fresh, order.member, at)
        assert said["points_earned"] == fresh.earned
        self.book.orders.append(fresh)

    # Money in advance

    @rule(who=members, amount=st.sampled_from([3_000, 9_999, 10_000, 25_000]))
    def top_up(self, who: int, amount: int) -> None:
        self.put_money_on(self.people[who], amount)

    def put_money_on(self, member: UUID, amount: int) -> None:
        at = self.tick()
        told = top_up(actor=TILL, member_id=member, store="S1", amount_minor=amount, tender="wechat", now=at)
        bonus = 2_000 if amount >= 10_000 else 0
        assert told["bonus_minor"] == bonus
        self.book.open(member, "stored_value", amount, at, None)
        if bonus:
            self.book.open(member, "bonus", bonus, at, None)

    @rule(who=members)
    def return_the_card(self, who: int) -> None:
        member, at = self.people[who], self.tick()
        found = {}
        for asset in ("stored_value", "bonus"):
            purse = self.book.purse(member, asset)
            found[asset] = sum(part for _lot, part in purse.take(10**12, purse.ordered())[0])
        asked = {
            "actor": TILL,
            "member_id": member,
            "store": "S1",
            "tender": "cash",
            "reason": "moves",
            "now": at,
        }
        if not any(found.values()):
            with pytest.raises(errors.NothingToReturn):
                return_stored_value(**asked)
            return
        told = return_stored_value(**asked)
        assert (told["principal_minor"], told["forfeited_minor"]) == (found["stored_value"], found["bonus"])
        assert told["paid_minor"] + told["deducted_minor"] == told["principal_minor"]

    @rule(face=st.sampled_from([2_000, 7_777]))
    def sell_a_gift_card(self, face: int) -> None:
        self.sell_a_gift_card_of(face)

    def sell_a_gift_card_of(self, face: int) -> None:
        at = self.tick()
        card = issue_gift_cards(actor=TILL, face_minor=face, count=1, now=at)[0]
        code = codes_of([card.id])[0]
        card = activate_gift_cards(actor=TILL, codes=[code], store="S1", tender="cash", now=at)[0]
        self.book.open(card.id, "gift_card", face, at, card.expires_at)
        self.cards.append((card.id, code))

    # Moves by hand

    @rule(who=members, to=members, amount=st.integers(1, 400))
    def give_points(self, who: int, to: int, amount: int) -> None:
        sender, receiver, at = self.people[who], self.people[to], self.tick()
        purse, fee = self.book.purse(sender, "points"), -(-amount * 25 // 1000)
        asked = {"actor": SYSTEM, "sender_id": sender, "receiver_id": receiver, "asset": "points",
                 "amount": amount, "reason": "a gift", "now": at}  # fmt: skip
        if sender == receiver:
            with pytest.raises(refusals.TransferToSelf):
                transfer_points(**asked)
            return
        if amount + fee > purse.usable(at):
            with pytest.raises(refusals.NotEnough):
                transfer_points(**asked)
            return
        assert transfer_points(**asked).fee == fee
        for lot, part in purse.spend(amount, at):
            self.book.open(receiver, "points", part, lot.earned, lot.expires)
        if fee:
            purse.spend(fee, at)

    @rule(who=members, amount=st.integers(-400, 400).filter(bool))
    def adjust(self, who: int, amount: int) -> None:
        member, at = self.people[who], self.tick()
        request_adjustment(
            actor=SYSTEM, member_id=member, asset="points", amount=amount, reason="counted again", now=at
        )
        if amount > 0:
            self.book.open(member, "points", amount, at, year_later(at))
            return
        purse = self.book.purse(member, "points")
        _parts, missing = purse.take(-amount, (lot for lot in purse.ordered() if not lot.lapsed(at)))
        purse.debt += missing

    @rule(who=members, asset=st.sampled_from(["points", "stored_value"]), amount=st.integers(1, 500))
    def hold(self, who: int, asset: str, amount: int) -> None:
        member, at = self.people[who], self.tick()
        purse = self.book.purse(member, asset)
        asked = {
            "actor": SYSTEM,
            "member_id": member,
            "asset": asset,
            "amount": amount,
            "reason": "booked",
            "now": at,
        }
        try:
            parts = purse.spend(amount, at)
        except Short:
            with pytest.raises(refusals.NotEnough):
                place_hold(**asked)
            return
        for lot, part in parts:
            lot.left += part
            lot.held += part
        self.holds.append((place_hold(**asked), purse, parts))

    @precondition(lambda self: self.holds)
    @rule(choice=some, captured=st.integers(0, 100))
    def end_a_hold(self, choice: int, captured: int) -> None:
        hold, purse, parts = self.holds.pop(choice % len(self.holds))
        at, amount = self.tick(), hold.amount * captured // 100
        if hold.expires_at <= at and amount:
            with pytest.raises(refusals.HoldEnded):
                capture_hold(actor=SYSTEM, hold_id=hold.id, now=at, amount=amount)
            amount = 0
        if amount:
            capture_hold(actor=SYSTEM, hold_id=hold.id, now=at, amount=amount)
        else:
            release_hold(actor=SYSTEM, hold_id=hold.id, now=at)
        self.let_go(purse, parts, amount)

    def let_go(self, purse: Purse, parts: Parts, captured: int) -> None:
        for lot, part in parts:
            lot.held -= part
            taken = min(captured, part)
            lot.left -= taken
            captured -= taken

    # Time

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
            self.let_go(held[1], held[2], 0)
        while expire_lots(now=at):
            pass
        self.book.expire(at)
        review_tiers(now=at, qualifying=qualifying_totals)

    # What holds after each of them

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "people"):
            return
        assert reconcile().differences == ()
        assert verify_orders()[1] == []
        assert self.found_accounts() == self.kept_accounts()
        assert self.found_lots() == self.kept_lots()
        rows = Order.objects.values_list("id", "status", "refunded_sales_minor")
        kept = {order.id: (order.status, order.back["sales"]) for order in self.book.orders}
        assert {order_id: (status, back) for order_id, status, back in rows} == kept
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
                "SELECT member_id, asset, earned_at, expires_at, remaining, held FROM ledger_lot WHERE remaining > 0"
            )
            return sorted(cursor.fetchall(), key=repr)

    def kept_lots(self) -> list[tuple[Any, ...]]:
        def row(key: tuple[UUID, str], lot: PaperLot) -> tuple[Any, ...]:
            return (*key, lot.earned, lot.expires, lot.left, lot.held)

        lots = [row(key, lot) for key, purse in self.book.purses.items() for lot in purse.lots if lot.left]
        return sorted(lots, key=repr)
