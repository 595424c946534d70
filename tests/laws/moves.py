"""What moves without a sale: gifts, adjustments with and without a second person, holds, accruals, and points that wait."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.ledger import errors as refusals
from shuke.ledger.models import Adjustment, Hold
from shuke.ledger.operations import activate_lots, lapse_adjustments, reject_adjustment, release_hold
from shuke.loyalty.accruals import accrue
from shuke.loyalty.books import (
    approve_adjustment,
    capture_hold,
    place_hold,
    request_adjustment,
    transfer_points,
)
from tests.laws.book import SOME_DAY, Parts, Purse, Short, day_of, year_later
from tests.laws.shop import Shop, members, some

FOUR_EYES = 250


class Moves(Shop):
    def begin(self) -> None:
        super().begin()
        self.holds: list[tuple[Hold, Purse, Parts]] = []
        self.requests: list[tuple[Adjustment, int]] = []
        """Undecided ones, and who asked."""
        self.rewarded: dict[tuple[UUID, str, str], int] = {}

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
            self.book.open(receiver, "points", part, lot.earned, lot.expires, usable_from=lot.usable_from)
        if fee:
            purse.spend(fee, at)

    # Adjustments

    @rule(who=members, amount=st.integers(-400, 400).filter(bool), staff=st.integers(0, 1))
    def adjust(self, who: int, amount: int, staff: int) -> None:
        member, at = self.people[who], self.tick()
        made = request_adjustment(
            actor=self.staff[staff],
            member_id=member,
            asset="points",
            amount=amount,
            reason="counted again",
            now=at,
        )
        if abs(amount) > FOUR_EYES:
            assert made.status == "requested"
            self.requests.append((made, staff))
        else:
            self.move_by_hand(member, amount, at)

    def move_by_hand(self, member: UUID, amount: int, at: datetime) -> None:
        if amount > 0:
            self.book.open(member, "points", amount, at, year_later(at), usable_from=at)
            return
        purse = self.book.purse(member, "points")
        alive = [lot for lot in purse.ordered() if not lot.lapsed(at)]
        # What can be spent goes first, what still waits after it.
        alive.sort(key=lambda lot: not lot.usable(at))
        _parts, missing = purse.take(-amount, alive)
        purse.debt += missing

    @precondition(lambda self: self.requests)
    @rule(choice=some, staff=st.integers(0, 1), agree=st.sampled_from([True, True, False]))
    def decide(self, choice: int, staff: int, agree: bool) -> None:
        """Someone agrees to a request or refuses it: never one's own, never late, never twice."""
        request, asker = self.requests[choice % len(self.requests)]
        at = self.tick()
        expected: type[ShukeError] | None = None
        if request.lapses_at <= at:
            expected = refusals.AdjustmentDecided
        elif agree and staff == asker:
            expected = refusals.OwnAdjustment

        def act() -> None:
            asked = {"actor": self.staff[staff], "adjustment_id": request.id, "now": at, "note": "looked"}
            (approve_adjustment if agree else reject_adjustment)(**asked)

        if expected is None:
            act()
            self.requests.remove((request, asker))
            if agree:
                self.move_by_hand(request.member_id, request.amount, at)
            expected = refusals.AdjustmentDecided
        with pytest.raises(expected):
            act()

    def forget_late_requests(self, at: datetime) -> None:
        late = [each for each in self.requests if each[0].lapses_at <= at]
        assert lapse_adjustments(now=at) == len(late)
        self.requests = [each for each in self.requests if each not in late]

    # Holds

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
        hold, _purse, parts = self.holds.pop(choice % len(self.holds))
        at, amount = self.tick(), hold.amount * captured // 100
        if hold.expires_at <= at and amount:
            with pytest.raises(refusals.HoldEnded):
                capture_hold(actor=SYSTEM, hold_id=hold.id, now=at, amount=amount)
            amount = 0
        if amount:
            capture_hold(actor=SYSTEM, hold_id=hold.id, now=at, amount=amount)
        else:
            release_hold(actor=SYSTEM, hold_id=hold.id, now=at)
        self.let_go(parts, amount)

    def let_go(self, parts: Parts, captured: int) -> None:
        for lot, part in parts:
            lot.held -= part
            taken = min(captured, part)
            lot.left -= taken
            captured -= taken

    # Rewards for something else than buying

    @rule(who=members, kind=st.sampled_from(["registration", "check_in", "survey"]), number=st.integers(1, 3))
    def reward(self, who: int, kind: str, number: int) -> None:
        """Once for each act, whoever reports it; a check-in also only as often as its cap lets it."""
        member, at = self.people[who], self.tick()
        reference = f"survey {number}" if kind == "survey" else ""
        act = (
            member,
            kind,
            {"survey": reference, "check_in": str(day_of(at)), "registration": ""}[kind],
        )
        told = accrue(actor=SYSTEM, member_id=member, kind=kind, reference=reference, now=at)
        if act in self.rewarded:
            assert (told.is_new, told.units()) == (False, self.rewarded[act])
            return
        given = {"registration": 30, "survey": 7, "check_in": 4}[kind]
        if kind == "check_in":
            month = (member, day_of(at).replace(day=1))
            given = min(given, 10 - self.book.by_month.get(month, 0))
            self.book.by_month[month] = self.book.by_month.get(month, 0) + given
        assert (told.is_new, told.units()) == (True, given)
        self.rewarded[act] = given
        if given:
            self.book.open(member, "points", given, at, year_later(at), usable_from=self.book.usable_from(at))

    # Points that wait for an event

    @rule(who=members, choice=some, by_order=st.booleans())
    def report_the_event(self, who: int, choice: int, by_order: bool) -> None:
        """What waits for it, of a member or of one order, is usable from now on; what has lapsed meanwhile stays lapsed."""
        at = self.tick()
        if by_order:
            order = self.order(choice)
            lots = [
                lot
                for lot in order.own.get("points", ())
                if lot.usable_from == SOME_DAY and not lot.lapsed(at)
            ]
            found = activate_lots(actor=SYSTEM, event="delivered", order_id=order.id, now=at)
        else:
            purse = self.book.purse(self.people[who], "points")
            lots = [lot for lot in purse.lots if lot.usable_from == SOME_DAY and not lot.lapsed(at)]
            found = activate_lots(actor=SYSTEM, event="delivered", member_id=self.people[who], now=at)
        assert found == len(lots)
        for lot in lots:
            lot.usable_from = max(at, lot.earned)
