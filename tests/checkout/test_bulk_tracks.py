"""The import writes what the till would have written, under several tracks, windows, versions, plans, caps, budgets and
tenders: the same sales in the order of time, on the same members, once each way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction

from shuke.catalog.models import Product
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.errors import TendersShort
from shuke.checkout.logic import CartLine
from shuke.checkout.operations import commit_order
from shuke.checkout.tender_logic import Tender
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest, TenderRequest
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import verify_counters
from shuke.loyalty.models import Counter, TierChange, Use
from shuke.loyalty.plans.dues import end_plans
from shuke.loyalty.plans.errors import PlanHeld
from tests.checkout.books import booked
from tests.factories.checkout import TILL, make_shop, publish
from tests.factories.members import make_member
from tests.factories.plans import BLACK, buy, plan

NAME = {"zh-Hans": "名"}
FIRST = datetime(2024, 2, 29, 3, tzinfo=UTC)
"""Who joined on this day has an anniversary on the 28th in most years."""
STRETCHES = ((60, 250), (900, 1080))
"""Days in which they come; who stays away for a year loses what visits brought."""
SALES = 110
LAUNCH = 600
"""Points that the launch gives in all: it runs out among the sales."""
VISITORS = 4
"""Stamps in a month, one for each order: later orders of the month get none."""


def levels(*given: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [
        {"code": code, "name": NAME, "threshold": threshold, "discount_percent": off, "multiplier": factor}
        for code, threshold, factor, off in given
    ]  # fmt: skip


def rules(**main: Any) -> dict[str, Any]:
    """The main track by spend in a rolling window; beside it one by orders in the member's own years, one by growth."""
    return {
        "tiers": {
            "window_months": 4, "valid_months": 2, "grace_days": 5, "downgrade": "one_level",
            "levels": levels(("classic", "0", "1", "0"), ("silver", "150.00", "1.2", "2"), ("gold", "450.00", "1.5", "5")),
            **main,
        },
        "tracks": [
            {"code": "visits", "name": NAME, "metric": "orders", "window": "anniversary", "valid_months": 3,
             "discount": "add", "multiplier": "add",
             "levels": levels(("guest", "0", "1", "0"), ("regular", "4", "1.1", "1"), ("friend", "9", "1.3", "3"))},
            {"code": "league", "name": NAME, "metric": "growth", "window": "calendar_year", "valid_months": 6,
             "discount": "best", "multiplier": "best",
             "downgrade": "to_qualified", "levels": levels(("bronze", "0", "1", "0"), ("iron", "300", "1", "4"))},
        ],
        "multipliers": [
            {"id": "weekend", "name": NAME, "factor": "2", "when": {"weekdays": ["sat", "sun"]}, "caps": {"month": 30}},
            {"id": "friends", "name": NAME, "factor": "1.5", "when": {"tiers": ["friend"]}},
            {"id": "first", "name": NAME, "factor": "3", "when": {"first_purchase": True}},
        ],
        "assets": {"stamp": {"name": NAME, "expiry": {"model": "never"}}},
        "earning": [
            {"id": "base", "give": 1, "per": "1.00"},
            {"id": "growth", "asset": "growth", "give": 1, "per": "1.00"},
            {"id": "early", "give": 1, "per": "2.00", "budget": "launch", "caps": {"member": 260}},
            {"id": "visitor", "asset": "stamp", "fixed": 1, "budget": "visitors"},
            {"id": "wallet", "give": 2, "per": "1.00", "when": {"tenders": ["wechat", "alipay"]}},
        ],
        "budgets": [
            {"id": "launch", "name": NAME, "limit": LAUNCH},
            {"id": "visitors", "name": NAME, "asset": "stamp", "limit": VISITORS, "period": "month"},
        ],
        "plans": [{**plan(price="30.00"), "duration": {"days": 40}}, BLACK],
    }  # fmt: skip


@dataclass(frozen=True)
class Happening:
    """A sale of (sku, thousandths, minor units, discounts), and whether the member buys a plan just before."""

    number: str
    at: datetime
    who: int
    settled: bool
    lines: list[tuple[str, int, int, tuple[tuple[str, int], ...]]]
    tenders: tuple[tuple[str, int | None], ...]
    buys: bool

    def before(self, members: list[Any]) -> None:
        end_plans(now=self.at)
        if self.buys:
            with suppress(PlanHeld):
                buy(members[self.who], self.at)

    def sell(self, members: list[Any]) -> None:
        commit_order(
            actor=TILL,
            now=self.at,
            sale=SaleRequest(
                store="S1", channel="pos", system="till", number=self.number, settled=self.settled,
                member=MemberRef("id", str(members[self.who].id)),
                lines=tuple(LineRequest(sku, q, list_minor=full, discounts=off) for sku, q, full, off in self.lines),
                tenders=tuple(TenderRequest(kind, amount) for kind, amount in self.tenders),  # type: ignore[arg-type]
            ),
        )  # fmt: skip

    def historic(self, members: list[Any], store: Any, products: dict[str, Product]) -> HistoricOrder:
        lines = [CartLine(products[sku].id, sku, "FOOD", q, full, off) for sku, q, full, off in self.lines]
        return HistoricOrder(
            "till", self.number, members[self.who].id, store.id, "S1", "pos", self.at, lines, self.settled,
            tenders=[Tender(kind, amount) for kind, amount in self.tenders],
        )  # fmt: skip


def some_sales(dice: Random, products: dict[str, Product], members: int) -> list[Happening]:
    times = sorted(FIRST + timedelta(days=dice.uniform(*dice.choice(STRETCHES))) for _ in range(SALES))
    ways: list[tuple[tuple[str, int | None], ...]] = [
        (), (), (("cash", None),), (("wechat", None),), (("cash", 10), ("alipay", None)), (("card", 0), ("cash", None))
    ]  # fmt: skip
    sales = []
    for number, at in enumerate(times):
        lines = [
            (sku, units * 1000, units * products[sku].price_minor, off)
            for sku, units in (
                (sku, dice.randint(1, 6)) for sku in dice.sample(["A", "B"], dice.randint(1, 2))
            )
            for off in [(("old-coupon", dice.randint(1, 200)),) if dice.random() < 0.3 else ()]
        ]
        sales.append(
            Happening(
                str(number),
                at,
                dice.randrange(members),
                dice.random() < 0.3,
                lines,
                dice.choice(ways),
                dice.random() < 0.08,
            )
        )
    return sales


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def left_behind(members: list[Any]) -> tuple[list[Any], list[Any]]:
    drawn = Counter.objects.filter(used__gt=0).order_by("budget", "period")
    return [booked(member) for member in members], list(drawn.values_list("budget", "period", "used"))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [5, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 12))])
def test_bulk_and_till_agree_on_tracks_plans_a_new_version_budgets_and_tenders(seed: int) -> None:
    dice = Random(seed)
    shop = make_shop(**rules())
    publish(FIRST + timedelta(days=400), **rules(window_months=6, downgrade="to_qualified"))
    joined = [FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=40, hours=13)]
    members = [make_member(now=at) for at in joined]
    products = {p.sku: p for p in Product.objects.all()}
    sales = some_sales(dice, products, len(members))

    with taken_back():
        for each in sales:
            each.before(members)
            each.sell(members)
        till = left_behind(members)

    for each in sales:
        each.before(members)
    historic = [each.historic(members, shop, products) for each in sales]
    for start in range(0, len(historic), 37):
        commit_batch(reference="system:import", orders=historic[start : start + 37], now=sales[-1].at)
    assert left_behind(members) == till
    assert verify_counters() == []

    moves = TierChange.objects.filter(member__in=members)
    assert {("", "lapsed"), ("visits", "qualified"), ("visits", "lapsed"), ("league", "qualified")} <= set(
        moves.values_list("track", "cause")
    )
    last = Use.objects.filter(budget="launch").order_by("-occurred_at").first()
    assert last is not None
    assert (Counter.objects.get(budget="launch").used, last.occurred_at < sales[-20].at) == (LAUNCH, True)
    assert VISITORS in Counter.objects.filter(budget="visitors").values_list("used", flat=True)
    assert reconcile().is_clean
    assert replay_tiers().differences == ()


@pytest.mark.django_db
def test_what_the_till_would_refuse_is_left_out_and_the_sales_around_it_stay_as_they_were() -> None:
    shop = make_shop(**rules())
    members = [make_member(now=FIRST)]
    products = {p.sku: p for p in Product.objects.all()}
    ways: list[tuple[tuple[str, int | None], ...]] = [
        (("wechat", 1000),),
        (("wechat", 999),),
        (("wechat", 1000),),
    ]
    sales = [
        Happening(str(n), FIRST + timedelta(days=n), 0, True, [("A", 1000, 1000, ())], way, False)
        for n, way in enumerate(ways)
    ]
    with taken_back():
        sales[0].sell(members)
        with pytest.raises(TendersShort):
            sales[1].sell(members)
        sales[2].sell(members)
        till = left_behind(members)
    historic = [each.historic(members, shop, products) for each in sales]
    result = commit_batch(reference="system:import", orders=historic, now=sales[-1].at)
    assert [(place, refusal.code) for place, refusal in result.refused] == [(1, "tenders_short")]
    assert (result.orders, result.sales_minor) == (2, 2000)
    assert left_behind(members) == till
