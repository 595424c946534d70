"""Explanations over HTTP: as of an instant, in the caller's language, inside the key's stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from shuke.catalog.models import Store
from shuke.core.values import Scope
from shuke.members.models import Member
from tests.api.client import Till
from tests.factories.checkout import sell
from tests.factories.core import make_key
from tests.factories.members import make_member

DAY = timedelta(days=1)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
def member(till: Till) -> Member:
    now = timezone.now()
    made = make_member(now=now - 30 * DAY)
    sell(("A", 150), now=now - 10 * DAY, member=made)
    sell(("A", 3), now=now - 5 * DAY, member=made, points=1000)
    return made


def test_balances_as_of_an_instant(till: Till, member: Member) -> None:
    now = timezone.now()
    today = till.get(f"/members/{member.id}/balances").json["balances"]
    assert till.get(f"/members/{member.id}/balances", as_of=_text(now)).json["balances"] == today
    before = till.get(f"/members/{member.id}/balances", as_of=_text(now - 6 * DAY)).json["balances"]
    assert {row["asset"]: row["balance"] for row in before}["points"] == 1500
    assert till.get(f"/members/{member.id}/balances", as_of=_text(now - 20 * DAY)).json["balances"] == []
    future = till.get(f"/members/{member.id}/balances", as_of=_text(now + DAY))
    assert (future.status, future.code) == (422, "invalid_input")
    unheard = till.get(f"/members/{member.id}/balances", known_at=_text(now - 20 * DAY)).json
    assert unheard["balances"] == []


def test_a_balance_a_tier_and_an_order_are_explained(till: Till, member: Member) -> None:
    told = till.get(f"/members/{member.id}/balances/points/explanation").json
    assert told["adds_up"]
    assert told["balance"] == sum(flow["amount"] for flow in told["flows"])
    assert told["balance"] == sum(lot["remaining"] for lot in told["lots"]) - told["debt"]
    assert told["lots"][0]["moves"][0]["explanation"]
    order = told["lots"][0]["order"]["id"]
    tier = till.get(f"/members/{member.id}/tier/explanation").json
    assert (tier["tier"]["code"], tier["cause"], tier["order"]["id"]) == ("silver", "qualified", order)
    assert tier["total"] == sum(each["counted"] for each in tier["orders"])
    price = till.get(f"/orders/{order}/explanation").json
    assert price["earnings"][0]["explanation"]
    assert sum(u["count"] for u in price["lines"][0]["units"]) == 150
    chinese = Till(till.secret, "zh-TW").get(f"/members/{member.id}/tier/explanation").json
    assert chinese["explanation"] == "消費達標升等"


def test_what_does_not_exist_or_lies_elsewhere_is_not_found(till: Till, member: Member) -> None:
    assert till.get(f"/members/{member.id}/balances/moonstones/explanation").status == 404
    assert till.get(f"/members/{member.id}/balances/growth/explanation").status == 200
    other = Store.objects.get(code="S2")
    Member.objects.filter(id=member.id).update(join_store_id=Store.objects.get(code="S1").id)
    narrow = Till(make_key(*Scope, store_ids=[other.id])[1])
    order = till.get(f"/members/{member.id}/tier/explanation").json["order"]["id"]
    for path in (
        f"/members/{member.id}/balances",
        f"/members/{member.id}/balances/points/explanation",
        f"/members/{member.id}/tier/explanation",
        f"/orders/{order}/explanation",
    ):
        assert narrow.get(path).status == 404, path
    blind = Till(make_key(Scope.CATALOG_READ)[1])
    assert blind.get(f"/members/{member.id}/balances/points/explanation").status == 403
    assert till.get(f"/orders/{order}/explanation", as_of="2020-01-01T00:00:00Z").status == 422


def test_the_liability_of_a_day_that_is_none_is_told(till: Till) -> None:
    told = till.get("/reports/liability", as_of="0001-01-01T00:00:00+14:00")
    assert (told.status, told.json["as_of"]) == (200, "1970-01-01T00:00:00Z")


def test_the_liability_tells_what_came_and_what_went(till: Till, member: Member) -> None:
    assets = till.get("/reports/liability", since="2020-01-01T00:00:00Z").json["assets"]
    for asset in assets:
        held = sum(group["units"] for group in asset["groups"]) - asset["debt"]
        assert held == asset["units"] == asset["opening"] + asset["came"] - asset["went"]
    [points] = [asset for asset in assets if asset["asset"] == "points"]
    assert points["came"] > 0
