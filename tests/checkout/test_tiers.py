from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from typer.testing import CliRunner

from shuke.catalog.models import Product
from shuke.checkout.bulk import HistoricOrder, commit_batch
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import RefundRequest
from shuke.checkout.tier_commands import app
from shuke.checkout.tiers import replay_tiers
from shuke.loyalty.models import Standing, TierChange
from shuke.loyalty.tier_reviews import review_tiers
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db
FIRST = datetime(2024, 2, 1, 4, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)


def lived_years(metric: str = "spend") -> None:
    """Some hundred imported sales over two years under two versions, refunds, sales at the till, and a review of all."""
    dice = random.Random(11)
    tiers = {"metric": metric, "levels": document()["tiers"]["levels"]}
    for level, threshold in zip(tiers["levels"], ("0", "1000", "3000"), strict=True):
        level["threshold"] = threshold
    store = make_shop(tiers=tiers)
    publish(FIRST + timedelta(days=300), tiers={**tiers, "window_months": 6, "downgrade": "to_qualified"})
    product = Product.objects.get(sku="A")
    members = [make_member(now=FIRST) for _ in range(12)]
    days = sorted(dice.uniform(0, 700) for _ in range(400))
    orders = [
        HistoricOrder(
            "old", f"O{n}", dice.choice(members).id, store.id, "S1", "pos", FIRST + timedelta(days=day),
            [CartLine(str(product.id), "A", "FOOD", 1000, dice.choice([4_000, 30_000, 120_000]))],
        )
        for n, day in enumerate(days)
    ]  # fmt: skip
    for start in range(0, len(orders), 100):
        commit_batch(reference="system:test", orders=orders[start : start + 100], now=NOW)
    for order in list(Order.objects.order_by("id")[300:400:4]):
        request = dice.choice([RefundRequest(), RefundRequest(sales_minor=1_000)])
        refund_order(actor=TILL, order_id=order.id, reason="returned", now=NOW, request=request)
    for member in members[:6]:
        sell(("A", dice.choice([1, 90])), member=member, now=NOW)
    lifted = sell(("A", 150), member=make_member(now=NOW), now=NOW)
    refund_order(actor=TILL, order_id=lifted["id"], reason="returned", now=NOW)
    review_tiers(now=NOW + timedelta(days=100), qualifying=qualifying_totals)


@pytest.mark.parametrize("metric", ["spend", "growth"])
def test_the_log_leads_to_the_live_tiers_change_by_change(metric: str) -> None:
    lived_years(metric)
    found = replay_tiers()
    assert found.differences == ()
    assert (found.members, found.sales) == (13, 407)
    assert found.changes == TierChange.objects.count() > 40
    assert {"qualified", "lapsed", "renewed", "refund"} <= set(
        TierChange.objects.values_list("cause", flat=True)
    )


def test_what_was_not_decided_by_the_log_is_named_one_difference_a_member() -> None:
    lived_years()
    wrong = Standing.objects.exclude(tier="gold").order_by("member_id").first()
    assert wrong is not None
    Standing.objects.filter(member_id=wrong.member_id).update(tier="gold")
    (difference,) = replay_tiers().differences
    assert (difference.member_id, difference.what) == (wrong.member_id, "standing")
    assert "gold" in difference.live and f"'{wrong.tier}'" in difference.replayed
    Standing.objects.filter(member_id=wrong.member_id).update(tier=wrong.tier)
    with connection.cursor() as cursor:
        # A sale that the tiers never heard of.
        cursor.execute(
            "UPDATE checkout_order SET qualifying_minor = qualifying_minor + 700000 WHERE number = 'O250'"
        )
    (difference,) = replay_tiers().differences
    assert difference.member_id == Order.objects.get(number="O250").member_id
    assert difference.what.startswith("change ")


def test_the_command_says_equal_or_names_the_member_and_fails() -> None:
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 150), member=member, now=NOW)
    told = CliRunner().invoke(app, ["replay"])
    assert (told.exit_code, told.stdout) == (
        0,
        "replayed 1 sales of 1 members, 1 tier changes: equal\n",
    )
    Standing.objects.update(tier="gold")
    told = CliRunner().invoke(app, ["replay"])
    assert told.exit_code == 1
    assert f"member {member.id}: standing is 'gold'" in told.output
