"""Money in advance: top-ups, cards given back, gift cards sold, blocked and let go."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.checkout import errors
from shuke.checkout.gift_card_returns import return_gift_card
from shuke.checkout.gift_cards import block_gift_card
from shuke.checkout.stored_value import return_stored_value
from shuke.kit.errors import ShukeError
from tests.factories.checkout import TILL
from tests.laws.shop import Shop, members, some


class Prepaid(Shop):
    @rule(who=members, amount=st.sampled_from([3_000, 9_999, 10_000, 25_000]))
    def top_up(self, who: int, amount: int) -> None:
        self.put_money_on(self.people[who], amount)

    @rule(who=members)
    def return_the_card(self, who: int) -> None:
        member, at = self.people[who], self.tick()
        found = {}
        purses = {asset: self.book.purse(member, asset) for asset in ("stored_value", "bonus")}
        for asset, purse in purses.items():
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
        # What is owed comes first out of what is kept: the member's own money, then the bonus.
        kept = told["deducted_minor"]
        owed = sum(purse.debt for purse in purses.values())
        assert kept >= min(owed, found["stored_value"])
        for purse in purses.values():
            settled = min(purse.debt, kept)
            purse.debt -= settled
            kept -= settled

    @rule(face=st.sampled_from([2_000, 7_777]))
    def sell_a_gift_card(self, face: int) -> None:
        self.sell_a_gift_card_of(face)

    @precondition(lambda self: self.cards)
    @rule(choice=some)
    def return_a_gift_card(self, choice: int) -> None:
        """It pays out what is on it, and no sale any more; what a refund brings back onto it later can be paid out again."""
        card, code = self.cards[choice % len(self.cards)]
        at, purse = self.tick(), self.book.purse(card, "gift_card")
        asked = {
            "actor": TILL,
            "code": code,
            "store": "S1",
            "tender": "cash",
            "reason": "unwanted",
            "now": at,
        }
        expected: type[ShukeError] | None = None
        if card in self.blocked:
            expected = errors.GiftCardNotActive
        elif not purse.usable(at):
            expected = errors.NothingToReturn
        if expected:
            with pytest.raises(expected):
                return_gift_card(**asked)
            return
        told = return_gift_card(**asked)
        assert told["paid_minor"] == sum(part for _lot, part in purse.spend(purse.usable(at), at))
        self.returned.add(card)

    @precondition(lambda self: self.cards)
    @rule(choice=some, blocked=st.booleans())
    def block_a_gift_card(self, choice: int, blocked: bool) -> None:
        """Its money stays where it is; a sale with it is refused until it is let go."""
        card, code = self.cards[choice % len(self.cards)]
        told = block_gift_card(actor=TILL, code=code, reason="lost", now=self.tick(), blocked=blocked)
        if card in self.returned:
            assert told["status"] == "returned"
            return
        assert told["status"] == ("blocked" if blocked else "active")
        (self.blocked.add if blocked else self.blocked.discard)(card)
