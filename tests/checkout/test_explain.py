"""Explanations add up, stop at the instant asked for, and keep to the stores of whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import translation

from shuke.catalog.models import Store
from shuke.checkout import words
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.explain import explain_balance, explain_order, explain_tier
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.core.errors import InvalidInput
from shuke.ledger.as_of import Cut
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.core import NOW
from tests.factories.ledger import post
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def shop() -> Iterator[Store]:
    yield make_shop()
    forget_versions()


@pytest.fixture
def member(shop: Store) -> Member:
    """Silver since ten days: 1,500.00 spent at S1, then an order of three at a discount paid in part with points."""
    made = make_member(now=NOW - 60 * DAY)
    sell(("A", 150), now=NOW - 10 * DAY, member=made)
    sell(("A", 3), ("B", 1), now=NOW - 5 * DAY, member=made, points=1000, number="PAID")
    return made


def paid() -> UUID:
    return Order.objects.get(number="PAID").id


def test_a_balance_is_told_by_flows_and_by_lots(member: Member) -> None:
    told = explain_balance(member_id=member.id, asset="points", cut=Cut(NOW))
    order = Order.objects.get(number="PAID")
    assert told.adds_up
    assert told.at.balance == 1500 - 1000 + order.points_earned
    assert {(flow.kind, flow.amount) for flow in told.flows} == {
        ("earn", 1500 + order.points_earned),
        ("redeem", -1000),
    }
    first = told.lots[0]
    assert (first.lot.amount, first.lot.remaining, first.programme_version) == (1500, 500, 1)
    assert [move.amount for move in first.moves] == [1500, -1000]
    assert first.made_by is not None
    assert first.made_by.explain is not None
    assert sum(rule["points"] for rule in first.made_by.explain["rules"]) == 1500
    before = explain_balance(member_id=member.id, asset="points", cut=Cut(NOW - 6 * DAY))
    assert [story.lot.remaining for story in before.lots] == [1500]


def test_an_order_is_told_by_line_unit_rule_and_lot(member: Member) -> None:
    told = explain_order(order_id=paid(), as_of=NOW)
    assert told.adds_up
    for each in told.lines:
        for figure in ("list_minor", "discount_minor", "points_minor", "payable_minor", "points_earned"):
            assert sum(u.count * getattr(u, figure) for u in each.units) == each.line[figure]
    assert sum(u.count for u in told.lines[0].units) == 3
    points = next(earning for earning in told.earnings if earning.asset == "points")
    assert points.total == told.order["points_earned"] == sum(points.by_line)
    assert points.total == sum(rule["points"] for rule in points.rules)
    assert {rule["id"] for rule in points.rules} == {"base", "tier"}
    used = next(lot for lot in told.lots.values() if lot.amount == 1500)
    assert used.remaining == 500


def test_a_line_that_does_not_fit_is_told(member: Member) -> None:
    OrderLine.objects.filter(order_id=paid(), line_no=1).update(points_earned=F("points_earned") + 1)
    assert not explain_order(order_id=paid(), as_of=NOW).adds_up


def test_part_of_an_order_given_back_counts_from_then_on(member: Member) -> None:
    order = Order.objects.get(number="PAID")
    refund_order(
        actor=TILL,
        order_id=order.id,
        reason="one of three",
        now=NOW - DAY,
        request=RefundRequest(lines=(LineBack(1, quantity=1000),)),
    )
    order.refresh_from_db()
    told = explain_tier(member_id=member.id, as_of=NOW, joined_at=member.joined_at)
    assert told
    assert told.total == 150_000 + order.qualifying_minor - order.refunded_qualifying_minor
    assert 0 < order.refunded_qualifying_minor < order.qualifying_minor
    before = explain_order(order_id=order.id, as_of=NOW - 2 * DAY)
    after = explain_order(order_id=order.id, as_of=NOW)
    assert (before.order["refunded_sales_minor"], len(before.order["refunds"])) == (0, 0)
    assert (after.order["refunded_sales_minor"], len(after.order["refunds"])) == (
        order.refunded_sales_minor,
        1,
    )
    assert before.adds_up
    assert after.adds_up


def test_a_later_refund_is_not_yet_known(member: Member) -> None:
    refund_order(actor=TILL, order_id=paid(), reason="broken", now=NOW - DAY)
    before, after = (
        explain_order(order_id=paid(), as_of=NOW - 2 * DAY),
        explain_order(order_id=paid(), as_of=NOW),
    )
    assert (before.order["status"], before.order["refund"]) == ("committed", None)
    assert after.order["status"] == "refunded"
    assert len(before.entries) < len(after.entries)
    assert {entry.kind for entry in after.entries} == {"earn", "redeem", "reversal"}
    tier_before = explain_tier(member_id=member.id, as_of=NOW - 2 * DAY, joined_at=member.joined_at)
    tier_after = explain_tier(member_id=member.id, as_of=NOW, joined_at=member.joined_at)
    assert tier_before
    assert tier_after
    order = Order.objects.get(number="PAID")
    assert tier_before.total == 150_000 + order.qualifying_minor
    assert tier_after.total == 150_000
    assert {each.counted for each in tier_after.orders if each.order.id == order.id} == {0}


def test_a_tier_is_told_with_the_change_that_brought_it(member: Member) -> None:
    told = explain_tier(member_id=member.id, as_of=NOW, joined_at=member.joined_at)
    assert told
    standing = Standing.objects.get(member_id=member.id)
    assert (told.tier, told.since, told.review_at) == (standing.tier, standing.since, standing.review_at)
    assert (told.cause, told.metric, told.metric_again) == ("qualified", 150_000, 150_000)
    assert told.next_level is not None
    assert told.next_level.code == "gold"
    early = explain_tier(member_id=member.id, as_of=NOW - 11 * DAY, joined_at=member.joined_at)
    assert early
    assert (early.tier, early.cause, early.since, early.total) == ("classic", "joined", member.joined_at, 0)


def test_nothing_is_told_of_the_time_before_the_sale_or_the_programme(member: Member) -> None:
    with pytest.raises(InvalidInput):
        explain_order(order_id=paid(), as_of=NOW - 6 * DAY)
    assert (
        explain_tier(
            member_id=member.id, as_of=datetime.fromisoformat("2020-01-01T00:00Z"), joined_at=member.joined_at
        )
        is None
    )


def test_another_store_s_orders_are_counted_but_not_shown(member: Member) -> None:
    other = frozenset({Store.objects.get(code="S2").id})
    with pytest.raises(OrderNotFound):
        explain_order(order_id=paid(), as_of=NOW, store_ids=other)
    told = explain_tier(member_id=member.id, as_of=NOW, joined_at=member.joined_at, store_ids=other)
    assert told
    assert (told.orders, told.elsewhere, told.elsewhere_total) == ((), 2, told.total)
    balance = explain_balance(member_id=member.id, asset="points", cut=Cut(NOW), store_ids=other)
    assert {(story.order.number, story.order.store) for story in balance.lots if story.order} == {
        (None, None)
    }


@pytest.mark.parametrize("language", ["en", "zh-hans", "zh-hant"])
def test_every_kind_has_a_sentence_also_one_that_nobody_knows(member: Member, language: str) -> None:
    lot = explain_balance(member_id=member.id, asset="points", cut=Cut(NOW)).lots[0].lot.id
    for kind in [*words.KINDS, "cashback"]:
        if kind == "earn":
            continue
        entries = [
            {"account": "member", "asset": "points", "amount": -1, "lot_id": str(lot)},
            {"account": "adjustments", "asset": "points", "amount": 1},
        ]
        post(member.id, kind, entries, [], NOW)
    with translation.override(language):
        told = explain_balance(member_id=member.id, asset="points", cut=Cut(NOW))
        sentences = [words.explain_entry(move) for move in told.lots[0].moves]
        assert all(sentences)
        assert any("cashback" in sentence for sentence in sentences)
        if language != "en":
            assert not [s for s in sentences if s.isascii()]
