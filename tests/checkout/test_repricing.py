from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import translation

from shuke.checkout.answers import receipt_code
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.receipts import attach_order
from shuke.checkout.repricing import Difference, Repriced, price_again
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import MemberRef, TenderRequest
from shuke.checkout.words import explain_repriced
from shuke.core.values import SYSTEM
from shuke.members.operations import register_member
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.members import make_member, make_profile

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
VAT = {
    "default": "standard",
    "prices": "exclusive",
    "rates": [{"code": "standard", "name": {"zh-Hans": "标准"}, "percent": "13"}],
}


def test_a_sale_with_everything_is_the_same_again_whatever_was_published_since() -> None:
    make_shop(stored_value={}, taxes=VAT)
    member = make_member(now=NOW - timedelta(days=60))
    sell(
        ("A", 150), member=member, now=NOW - timedelta(days=9)
    )  # silver from here on: a discount, a multiplier
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=3_000, tender="card", now=NOW)
    tenders = (TenderRequest("stored_value", None), TenderRequest("wechat", None, reference="wx"))
    order = sell(("A", 7), ("B", 3), member=member, points=1_000, tenders=tenders, now=NOW)
    assert order["discount_minor"] and order["points_minor"] and order["tax_minor"]
    publish(
        effective_at=NOW + timedelta(days=1),
        earning=[{"id": "base", "asset": "points", "give": 9, "per": "1.00"}],
    )
    assert price_again(UUID(order["id"])) == Repriced()
    assert price_again(UUID(order["id"])).is_same


def test_a_birthday_is_taken_from_the_member_s_file() -> None:
    birthday = [{"id": "bd", "name": {"zh-Hans": "生日"}, "factor": "2", "when": {"birthday": "month"}}]
    make_shop(multipliers=birthday)
    profile = replace(make_profile(), birthday=date(1990, 3, 1))
    member = register_member(actor=SYSTEM, now=NOW, profile=profile)
    order = sell(("A", 7), member=member, now=NOW)
    assert order["points_earned"] == 140
    assert price_again(UUID(order["id"])).is_same


def test_a_sale_claimed_by_its_receipt_is_the_same_again() -> None:
    make_shop()
    order, member = sell(("A", 7), now=NOW), make_member(now=NOW)
    attach_order(
        actor=TILL,
        receipt=receipt_code(UUID(order["id"]), order["number"]),
        member=MemberRef("id", str(member.id)),
        now=NOW + timedelta(days=1),
    )
    assert Order.objects.get().points_earned == 70
    assert price_again(UUID(order["id"])).is_same


def test_a_sale_claimed_by_a_holder_of_a_discount_was_sold_without_it() -> None:
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 400), member=member, now=NOW - timedelta(days=1))  # gold: 5 %
    order = sell(("A", 7), now=NOW)
    attach_order(
        actor=TILL,
        receipt=receipt_code(UUID(order["id"]), order["number"]),
        member=MemberRef("id", str(member.id)),
        now=NOW,
    )
    claimed = Order.objects.get(id=order["id"])
    assert (claimed.tier, claimed.discount_minor, claimed.settled) == ("gold", 0, True)
    assert price_again(claimed.id).is_same


def test_a_figure_that_was_tampered_with_is_named() -> None:
    make_shop()
    order = UUID(sell(("A", 7), ("B", 2), member=make_member(now=NOW), now=NOW)["id"])
    OrderLine.objects.filter(order_id=order, line_no=2).update(points_earned=F("points_earned") + 1)
    Order.objects.filter(id=order).update(points_earned=F("points_earned") + 1)
    told = price_again(order)
    assert told.is_same is False
    assert told.differences == (
        Difference(0, "points_earned", 76, 75),
        Difference(2, "points_earned", 6, 5),
    )


def test_what_hung_on_the_moment_is_not_told() -> None:
    make_shop(earning=[{"id": "base", "asset": "points", "give": 1, "per": "1.00", "caps": {"day": 20}}])
    order = sell(("A", 7), member=make_member(now=NOW), now=NOW)
    assert price_again(UUID(order["id"])) == Repriced(untold="facts")
    stranger = sell(("A", 7), now=NOW)
    assert price_again(UUID(stranger["id"])).is_same
    OrderLine.objects.filter(order_id=stranger["id"]).update(
        detail=[{"kind": "coupon", "code": "X", "minor": 0}]
    )
    assert price_again(UUID(stranger["id"])).untold == "discounts"
    Order.objects.filter(id=stranger["id"]).update(programme_version_id=None)
    assert price_again(UUID(stranger["id"])).is_same is None


@pytest.mark.parametrize("language", ["en", "zh-hans", "zh-hant"])
def test_every_outcome_has_its_sentence(language: str) -> None:
    outcomes = (
        Repriced(),
        Repriced(refused="tenders_short"),
        Repriced((Difference(2, "points_earned", 6, 5),)),
        *(Repriced(untold=untold) for untold in ("version", "facts", "discounts")),
    )
    with translation.override(language):
        told = [explain_repriced(each) for each in outcomes]
    assert len(set(told)) == len(outcomes)
    assert all(("riced" in sentence) == (language == "en") for sentence in told)
