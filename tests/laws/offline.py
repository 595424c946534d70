"""Tills that were cut off: sales uploaded late and twice, and what they were allowed to spend on trust."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shuke.checkout.allowances import issue_allowance
from shuke.checkout.models import Allowance
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.values import TenderRequest
from tests.factories.checkout import TILL
from tests.laws.book import PaperOrder
from tests.laws.shop import OPENED, PRICES, Shop, carts, members, some

MOST_POINTS, MOST_MONEY = 200, 3_000
HOURS = timedelta(hours=24)


@dataclass
class Trusted:
    """An allowance as it was signed, and how much of it is used. `is_open` until the device asks for another."""

    id: UUID
    token: str
    member: UUID
    device: str
    points: int
    money: int
    since: datetime
    is_open: bool = True
    points_used: int = 0
    money_used: int = 0


class Offline(Shop):
    def begin(self) -> None:
        super().begin()
        self.trusted: list[Trusted] = []
        self.uploaded: list[tuple[PaperOrder, OfflineSale]] = []

    @rule(who=members, device=st.sampled_from(["till-1", "till-2"]))
    def allow(self, who: int, device: str) -> None:
        """At most what the programme says, and never more than is there and not promised to other devices."""
        member, at = self.people[who], self.tick()
        told = issue_allowance(actor=TILL, member_id=member, device=device, store="S1", now=at)
        for each in self.trusted:
            if (each.member, each.device) == (member, device):
                each.is_open = False
        others = [
            each
            for each in self.trusted
            if each.member == member and each.is_open and each.since + HOURS > at
        ]
        points = self.book.purse(member, "points").usable(at)
        points -= sum(each.points - each.points_used for each in others)
        money = sum(self.book.purse(member, asset).usable(at) for asset in ("stored_value", "bonus"))
        money -= sum(each.money - each.money_used for each in others)
        assert told["points"] == min(MOST_POINTS, max(points, 0))
        assert told["money_minor"] == min(MOST_MONEY, max(money, 0))
        self.trusted.append(
            Trusted(told["id"], told["token"], member, device, told["points"], told["money_minor"], at)
        )

    @rule(who=members, cart=carts, minutes=st.integers(0, 400), again=st.booleans())
    def upload_a_sale(self, who: int, cart: list[tuple[str, int]], minutes: int, again: bool) -> None:
        """A sale of a while ago; uploaded again it is known, and nothing changes."""
        now = self.tick()
        at = max(now - timedelta(minutes=minutes), OPENED)
        self.upload(self.people[who], cart, at, now, again=again)

    @precondition(lambda self: any(each.since + HOURS > self.now for each in self.trusted))
    @rule(choice=some, cart=carts, points=st.sampled_from([0, 100, 200]), pays=st.booleans())
    def upload_a_sale_on_trust(
        self, choice: int, cart: list[tuple[str, int]], points: int, pays: bool
    ) -> None:
        now = self.tick()
        alive = [each for each in self.trusted if each.since + HOURS > now]
        if not alive:
            return
        each = alive[choice % len(alive)]
        if points > sum(PRICES[sku] * units for sku, units in cart) // 2:
            points = 0
        tenders = (TenderRequest("stored_value", None),) if pays else ()
        self.upload(each.member, cart, now, now, points=points, tenders=tenders, trusted=each)

    def upload(
        self,
        member: UUID,
        cart: list[tuple[str, int]],
        at: datetime,
        now: datetime,
        *,
        points: int = 0,
        tenders: tuple[TenderRequest, ...] = (),
        trusted: Trusted | None = None,
        again: bool = False,
    ) -> None:
        request = self.request_of(member, cart, points, tenders, allowance=trusted.token if trusted else "")
        row = OfflineSale(request, at)
        (result,) = commit_offline_sales(actor=TILL, rows=[row], now=now)
        purse = self.book.purse(member, "points")
        left = trusted.points - trusted.points_used if trusted else 0
        own = (
            0 if trusted and self.book.paper.spend_own and not points else self.own(member, cart, points, at)
        )
        if points > max(purse.usable(at), left) + own:
            assert result.error is not None and result.error.code == "not_enough_points"
            return
        assert result.answer is not None, result.error
        said = json.loads(result.answer.body)
        order = self.paper_order(said, result.answer.body, member, request, cart, points, at)
        if trusted:
            self.pay_on_trust(order, trusted, points, pays=bool(tenders))
        else:
            self.take_payment(order, points, tenders, None, at)
        self.agree(order, said)
        if again:
            (known,) = commit_offline_sales(actor=TILL, rows=[row], now=self.tick())
            assert (known.status, known.order_id) == ("known", order.id)

    def pay_on_trust(self, order: PaperOrder, trusted: Trusted, points: int, *, pays: bool) -> None:
        """What is no longer there is advanced: a lot that the sale spends at once, against a debt."""
        member, at = order.member, order.at
        assert member is not None
        points_left = trusted.points - trusted.points_used
        money_left = trusted.money - trusted.money_used
        if points:
            self.advance(member, "points", points - self.book.purse(member, "points").usable(at), at)
            trusted.points_used += min(points, points_left)
        left = order.payable
        if pays:
            principal = self.book.purse(member, "stored_value").usable(at)
            bonus = self.book.purse(member, "bonus").usable(at)
            reach = max(principal, money_left - bonus)
            self.advance(member, "stored_value", min(left, reach) - principal, at)
            trusted.money_used += min(left, reach + bonus, money_left)
        if points:
            order.spent = self.book.purse(member, "points").spend(points, at)
        if pays:
            left -= self.pay(order, member, "stored_value", left, at)
            left -= self.pay(order, member, "bonus", left, at)
        self.book.earn(order, member, at)
        order.paid.append((None, [], left))

    def advance(self, member: UUID, asset: str, missing: int, at: datetime) -> None:
        if missing > 0:
            self.book.open(member, asset, missing, at, None, settles=False)
            self.book.purse(member, asset).debt += missing

    def allowances_agree(self) -> None:
        rows = Allowance.objects.values_list("id", "points_used", "money_used_minor", "closed_at")
        assert {row[0]: (row[1], row[2], row[3] is None) for row in rows} == {
            each.id: (each.points_used, each.money_used, each.is_open) for each in self.trusted
        }
