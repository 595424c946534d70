"""Sixty-four tills sell with one coupon through the API: exactly a hundred, never a cent over, and everything adds up."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Coupon, Use
from shuke.rewards.queries import figures_of
from tests.api.client import Till, new_key
from tests.core.races import race
from tests.factories.checkout import make_shop
from tests.factories.core import make_key
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
TILLS = 64


def coupon(**terms: Any) -> dict[str, Any]:
    names = {"zh-Hans": "券"}
    return {
        "code": "rush",
        "name": names,
        "type": "percent_off",
        "percent": "10",
        "public_code": "RUSH",
        **terms,
    }


@pytest.fixture(autouse=True)
def _sound_afterwards() -> Iterator[None]:
    yield
    assert verify_coupons()[1] == []
    assert verify_orders()[1] == []
    assert reconcile().is_clean
    forget_versions()


def sell(till: Till, units: int, **more: Any) -> str:
    """Sell with the coupon; without it where it is refused, as a cashier would. What became of the coupon."""
    body = {"store": "S1", "channel": "pos", "lines": [{"sku": "A", "quantity": units}], **more}
    answer = till.call("POST", "/orders", {**body, "coupons": ["RUSH"]}, key=new_key())
    if answer.status == 201:
        return "used"
    assert answer.code == "coupon_not_usable", answer
    (fault,) = answer.json["errors"]
    assert fault["pointer"] == "/coupons/0"
    return str(fault["code"])


def test_a_hundred_pieces_and_a_money_budget_in_a_rush() -> None:
    make_shop(coupons=[coupon(limits={"stock": 100, "budget": "1000", "alarm_percent": 80})])
    till = Till(make_key(Scope.CHECKOUT_WRITE)[1])
    told = race([lambda: [sell(till, 1) for _ in range(2)]] * TILLS)
    outcomes = Count(each for outcome in told for each in outcome)  # type: ignore[union-attr]
    assert outcomes == {"used": 100, "used_up": 2 * TILLS - 100}
    figures = figures_of(["rush"])["rush"]
    assert (figures.issued, figures.used, figures.given_minor) == (100, 100, 100 * 100)
    assert Order.objects.count() == 100
    assert Use.objects.aggregate(uses=Sum("uses"), minor=Sum("minor")) == {"uses": 100, "minor": 10_000}


def test_carts_of_all_sizes_never_pass_a_money_budget_by_a_cent() -> None:
    make_shop(coupons=[coupon(limits={"stock": 100, "budget": "200.50"})])
    till = Till(make_key(Scope.CHECKOUT_WRITE)[1])
    told = race([partial(sell, till, 1 + index % 7) for index in range(TILLS)])
    figures = figures_of(["rush"])["rush"]
    assert figures.used == told.count("used")
    assert 20_050 - 700 < figures.given_minor <= 20_050
    assert figures.given_minor == Use.objects.aggregate(minor=Sum("minor"))["minor"]
    given = sum(order.discount_minor for order in Order.objects.all())
    assert given == figures.given_minor


def test_one_piece_at_many_tills_is_used_once() -> None:
    make_shop(coupons=[coupon()])
    till = Till(make_key(Scope.CHECKOUT_WRITE, Scope.COUPONS_WRITE)[1])
    member = make_member(now=now())
    till.post(f"/members/{member.id}/coupons/claim", {"code": "RUSH"})
    piece = Coupon.objects.get()
    who = {"kind": "id", "value": str(member.id)}
    body = {
        "store": "S1",
        "channel": "pos",
        "lines": [{"sku": "A", "quantity": 1}],
        "member": who,
        "coupons": [str(piece.id)],
    }
    answers = race([lambda: till.call("POST", "/orders", body, key=new_key())] * 16)
    assert Count(each.status for each in answers) == {201: 1, 422: 15}  # type: ignore[union-attr]
    piece.refresh_from_db()
    assert (piece.state, piece.value_minor, Order.objects.count()) == ("used", 100, 1)
