"""A small chain with a year of sales, refunds and expiries, made through the real tills so that every base row is real."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from shuke.catalog.models import Store
from shuke.checkout.refunds import refund_order
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import balances_of
from shuke.members.models import Member
from tests.factories.checkout import START, TILL, make_shop, sell
from tests.factories.members import make_member

# 00:30 on 22 November in Shanghai; still the 21st in UTC.
CHAIN_NOW = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)


@dataclass
class Chain:
    """What was made."""

    stores: dict[str, Store]
    members: list[Member]
    orders: list[dict[str, Any]] = field(default_factory=list)

    def ids(self, *codes: str) -> list[UUID]:
        """Store ids by code."""
        return [self.stores[code].id for code in codes]


def make_chain(*, sales: int = 120, seed: int = 7) -> Chain:
    """Five stores (S5 sells nothing), 14 members (two bought nothing, some joined nowhere), sales over 400 days.

    One sale in eight has no member, one in ten is refunded days later, points are spent, and lots have expired.
    """
    random = Random(seed)
    make_shop(assets={"points": {"name": {"zh-Hans": "积分"}, "expiry": {"model": "rolling", "months": 3}}})
    for number in (3, 4, 5):
        Store.objects.create(code=f"S{number}", name=f"Store {number}", region="华南", created_at=START)
    stores = {store.code: store for store in Store.objects.all()}
    begin = CHAIN_NOW - timedelta(days=400)
    members = [
        make_member(
            now=begin + timedelta(days=13 * n, hours=n),
            join_store_id=stores[f"S{n % 4 + 1}"].id if n % 3 else None,
        )
        for n in range(14)
    ]
    chain = Chain(stores, members)
    times = sorted(begin + timedelta(seconds=random.randrange(400 * 86400)) for _ in range(sales))
    refunds: list[tuple[datetime, str]] = []
    for at in times:
        for due, order_id in [each for each in refunds if each[0] <= at]:
            refund_order(actor=TILL, order_id=UUID(order_id), reason="test", now=due)
            refunds.remove((due, order_id))
        expire_lots(now=at)
        joined = [m for m in members[:12] if m.joined_at < at]
        member = random.choice(joined) if joined and random.random() > 0.125 else None
        answer = buy(
            chain, at, member, random.choice(["S1", "S1", "S2", "S3", "S4"]), random.randrange(1, 90), random
        )
        if random.random() < 0.1:
            refunds.append((at + timedelta(days=random.randrange(1, 40)), answer["id"]))
    return chain


def buy(
    chain: Chain, at: datetime, member: Member | None, store: str, units: int, random: Random | None = None
) -> dict[str, Any]:
    """One sale; members with enough points spend some now and then."""
    points = 0
    if member and random and random.random() < 0.3:
        held = next((each.usable for each in balances_of(member.id, at) if each.asset == "points"), 0)
        points = min(held, units * 5) // 100 * 100
    answer = sell(("A", units), ("B", 1), now=at, member=member, store=store, points=points)
    chain.orders.append(answer)
    return answer
