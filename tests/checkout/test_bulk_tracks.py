"""The import writes what the till would have written, under several tracks, windows, versions, plans and caps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from shuke.catalog.models import Product
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.logic import CartLine
from shuke.checkout.operations import commit_order
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import TierChange
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
        "plans": [{**plan(price="30.00"), "duration": {"days": 40}}, BLACK],
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [5, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 12))])
def test_bulk_and_till_agree_on_two_further_tracks_plans_and_a_new_version(seed: int) -> None:
    dice = Random(seed)
    shop = make_shop(**rules())
    publish(FIRST + timedelta(days=400), **rules(window_months=6, downgrade="to_qualified"))
    joined = [FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=40, hours=13)]
    till = [make_member(now=at) for at in joined]
    bulk = [make_member(now=at) for at in joined]
    products = {p.sku: p for p in Product.objects.all()}
    times = sorted(FIRST + timedelta(days=dice.uniform(*dice.choice(STRETCHES))) for _ in range(SALES))
    historic: list[HistoricOrder] = []
    for number, at in enumerate(times):
        who = dice.randrange(len(till))
        end_plans(now=at)
        if dice.random() < 0.08:
            for member in (till[who], bulk[who]):
                try:
                    buy(member, at)
                except PlanHeld:
                    continue
        settled = dice.random() < 0.3
        lines = [
            (sku, units * 1000, units * products[sku].price_minor, off)
            for sku, units in (
                (sku, dice.randint(1, 6)) for sku in dice.sample(["A", "B"], dice.randint(1, 2))
            )
            for off in [(("old-coupon", dice.randint(1, 200)),) if dice.random() < 0.3 else ()]
        ]
        commit_order(
            actor=TILL,
            now=at,
            sale=SaleRequest(
                store="S1", channel="pos", system="till", number=str(number), settled=settled,
                member=MemberRef("id", str(till[who].id)),
                lines=tuple(LineRequest(sku, q, list_minor=full, discounts=off) for sku, q, full, off in lines),
            ),
        )  # fmt: skip
        historic.append(
            HistoricOrder(
                "bulk", str(number), bulk[who].id, shop.id, "S1", "pos", at,
                [CartLine(products[sku].id, sku, "FOOD", q, full, off) for sku, q, full, off in lines],
                settled=settled,
            )
        )  # fmt: skip
    historic.sort(key=lambda order: (order.member_id, order.occurred_at))
    for start in range(0, len(historic), 37):
        commit_batch(reference="system:import", orders=historic[start : start + 37], now=times[-1])

    for one, other in zip(till, bulk, strict=True):
        assert booked(one) == booked(other)
    moves = TierChange.objects.filter(member__in=till)
    assert {("", "lapsed"), ("visits", "qualified"), ("visits", "lapsed"), ("league", "qualified")} <= set(
        moves.values_list("track", "cause")
    )
    assert reconcile().is_clean
    assert replay_tiers().differences == ()
