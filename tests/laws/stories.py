"""Short stories in which the laws meet: what a random walk of single acts would seldom tell."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from shuke.checkout.values import TenderRequest
from tests.laws.book import PaperOrder
from tests.laws.moves import Moves
from tests.laws.offline import Offline
from tests.laws.returns import Returns, parts
from tests.laws.shop import PRICES, carts, members, some

WITH_STORED_VALUE = (TenderRequest("stored_value", None),)


class Stories(Returns, Moves, Offline):
    @rule(who=members, cart=carts, more=st.integers(0, 3), forgive=st.booleans(), **parts)
    def spend_what_it_brought_and_return_it(
        self,
        who: int,
        cart: list[tuple[str, int]],
        more: int,
        forgive: bool,
        choice: int,
        how: str,
        line: int,
        share: int,
    ) -> None:
        """The points of a sale are gone when it comes back, all of it or in steps: somebody owes them."""
        order = self.commit(self.people[who], cart, delivery=bool(choice % 2))
        if order is None:
            return
        spending = self.spend_all(self.people[who])
        for step in range(more + 1):
            # Now and then of the sale that spent them, whose points come back and pay for what was missing.
            about = spending if spending and (choice >> step) & 2 else order
            act = self.cancel_this if about.delivery == "pending" and share % 2 else self.refund_this
            if about.status == "committed":
                act(about, how if step < more else "all", line + step, share)
        if forgive:
            self.forgive(choice=choice, own=False)

    def refund_this(self, order: PaperOrder, how: str, line: int, share: int) -> None:
        self.refund(choice=self.book.orders.index(order), how=how, line=line, share=share)

    def cancel_this(self, order: PaperOrder, how: str, line: int, share: int) -> None:
        waiting = [each for each in self.book.orders if each.delivery]
        self.cancel(choice=waiting.index(order), how=how, line=line, share=share)

    def spend_all(self, member: UUID, tenders: tuple[TenderRequest, ...] = ()) -> PaperOrder | None:
        """A sale that takes every point the member can spend, in hundreds, for at most half of it."""
        usable = self.book.purse(member, "points").usable(self.now)
        points = usable - usable % 100
        units = max(1, -(-points * 2 // PRICES["A"]))
        return self.commit(member, [("A", units), ("B", 1)], points, tenders)

    @rule(
        who=members, cart=carts, points=st.sampled_from([0, 100, 200]), times=st.integers(1, 2), choice=some
    )
    def trust_and_spend_elsewhere(
        self, who: int, cart: list[tuple[str, int]], points: int, times: int, choice: int
    ) -> None:
        """What a cut-off till was allowed to take is spent at another one meanwhile; then it reports."""
        member = self.people[who]
        self.allow(who=who, device="till-1")
        self.spend_all(member, WITH_STORED_VALUE)
        trusted = self.trusted[-1]
        for _ in range(times):
            now = self.tick()
            # Enough goods for the points to pay at most half.
            self.upload(
                member,
                [*cart, ("A", 1)],
                now,
                now,
                points=points if sum(PRICES[s] * u for s, u in cart) >= 2 * points else 0,
                tenders=WITH_STORED_VALUE if choice % 3 else (),
                trusted=trusted,
            )
        if choice % 2:
            self.refund_this(self.book.orders[-1], "units", 0, choice % 100 or 1)
