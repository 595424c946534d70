"""The pages that explain and the accountant's pages: right figures, guarded doors, stores kept apart, a bounded cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from shuke.catalog.models import Store
from shuke.checkout.models import Order
from shuke.checkout.refunds import refund_order
from shuke.core.values import Role
from shuke.ledger.operations import expire_lots
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.core import make_staff
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def shop() -> Iterator[Store]:
    yield make_shop()
    forget_versions()


@pytest.fixture
def member(shop: Store) -> Member:
    """Silver since ten days; 1,000 points of S1 used at S2 five days ago; an order of S1 refunded yesterday."""
    now = timezone.now()
    made = make_member(now=now - 60 * DAY, join_store_id=shop.id)
    sell(("A", 150), now=now - 10 * DAY, member=made, number="FIRST")
    sell(("A", 30), now=now - 5 * DAY, member=made, points=1000, store="S2", number="PAID")
    back = sell(("B", 4), now=now - 2 * DAY, member=made)
    refund_order(actor=TILL, order_id=UUID(back["id"]), reason="broken", now=now - DAY)
    return made


def minute(days: float) -> str:
    return timezone.localtime(timezone.now() - days * DAY).strftime("%Y-%m-%dT%H:%M")


def paths(member: Member) -> list[str]:
    order = Order.objects.get(number="PAID")
    return [
        f"/members/{member.id}/balances/points",
        f"/members/{member.id}/tier",
        f"/orders/{order.id}",
        "/finance/liability",
        "/finance/liability/figures",
        "/finance/settlement",
    ]


@pytest.mark.parametrize("language", ["en", "zh-hans", "zh-hant"])
def test_every_page_opens_in_every_language_at_a_bounded_cost(member: Member, language: str) -> None:
    client = client_of(language=language)
    for path in paths(member):
        assert queries_of(client, path) <= MOST_QUERIES, path


def test_the_cost_does_not_grow_with_the_history(member: Member) -> None:
    client = client_of()

    def costs() -> dict[str, int]:
        """Of two looks the cheaper: what a process keeps for some seconds may just have run out."""
        return {path: min(queries_of(client, path), queries_of(client, path)) for path in paths(member)}

    before = costs()
    for day in range(1, 12):
        sell(("A", 2), ("B", 3), now=timezone.now() - day * DAY / 12, member=member, store="S1")
    assert costs() == before


def test_a_balance_is_shown_as_of_then_and_now(member: Member) -> None:
    client = client_of()
    path = f"/members/{member.id}/balances/points"
    now = text_of(client.get(path))
    assert "adds up" in now
    assert "does not add up" not in now
    assert "-1,000" in now
    then = text_of(client.get(path, {"as_of": minute(6)}))
    assert "-1,000" not in then
    assert "1,500" in then
    assert "as it stood at" in then
    nothing = text_of(client.get(path, {"as_of": minute(20)}))
    assert "Nothing had moved yet" in nothing
    for odd in ("tomorrow", "2999-01-01T00:00", "0001-01-01T00:00"):
        assert "so the page shows now" in text_of(client.get(path, {"as_of": odd})), odd
    assert client.get(f"/members/{member.id}/balances/moonstones").status_code == 404
    assert client.get(f"/members/{member.id}/balances/growth").status_code == 200


def test_a_tier_and_an_order_say_where_they_come_from(member: Member) -> None:
    client = client_of()
    tier = text_of(client.get(f"/members/{member.id}/tier"))
    assert "Reached by spending" in tier
    assert "the orders give the same again" in tier
    assert "Order FIRST" in tier
    assert "Where everybody begins" in text_of(
        client.get(f"/members/{member.id}/tier", {"as_of": minute(20)})
    )
    order = Order.objects.get(number="PAID")
    text = text_of(client.get(f"/orders/{order.id}"))
    assert re.search(r"\d+ units, each", text)
    assert "Used as cash in an order, worth ¥10.00 together." in text
    early = text_of(client.get(f"/orders/{order.id}", {"as_of": minute(8)}))
    assert "made after this instant" in early
    file = text_of(client.get(f"/members/{member.id}"))
    assert f"/members/{member.id}/balances/points" in file
    assert f"/members/{member.id}/tier" in file


def test_doors_are_guarded_by_role_and_store(member: Member) -> None:
    cashier, analyst = client_of(make_staff(Role.CASHIER)), client_of(make_staff(Role.ANALYST))
    for path in paths(member)[:3]:
        assert cashier.get(path).status_code == 200
        assert analyst.get(path).status_code == 403
    for path in [*paths(member)[3:], "/finance/liability.csv", "/finance/settlement.csv"]:
        assert cashier.get(path).status_code == 403
        assert analyst.get(path).status_code == 200
    other = Store.objects.create(code="S9", name="Ninth", created_at=timezone.now())
    stranger = client_of(make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[other.id]))
    for path in paths(member)[:3]:
        assert stranger.get(path).status_code == 404, path
    for path in ("/finance/liability", "/finance/liability/figures", "/finance/liability.csv"):
        assert stranger.get(path).status_code == 403
    assert "Nothing was used in this period" in text_of(stranger.get("/finance/settlement"))
    near = client_of(
        make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[Store.objects.get(code="S1").id])
    )
    tier = text_of(near.get(f"/members/{member.id}/tier"))
    assert "1 order of another store" in tier
    assert "PAID" not in tier
    assert near.get(f"/orders/{Order.objects.get(number='PAID').id}").status_code == 404


def test_the_liability_page_equals_the_ledger(member: Member) -> None:
    now = timezone.now()
    give(member.id, 400, at=now - 300 * DAY, expires_at=now - 3 * DAY)
    expire_lots(now=now)
    client = client_of()
    assert 'hx-trigger="load"' in text_of(client.get("/finance/liability"))
    text = text_of(client.get("/finance/liability/figures"))
    assert "to the unit" in text
    assert "differ" not in text
    assert "71.4%" in text  # 1,000 used against 400 lapsed
    answer = client.get("/finance/liability.csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    assert "Deferred revenue" in text_of(answer)


def test_the_settlement_page_says_who_owes_whom(member: Member) -> None:
    since = timezone.localdate() - 30 * DAY
    text = text_of(client_of().get("/finance/settlement", {"from": since.isoformat()}))
    assert "+¥10.00" in text
    assert "-¥10.00" in text
    odd = text_of(client_of().get("/finance/settlement", {"from": "2001-01-01"}))
    assert "a year at most" in odd
    csv = text_of(client_of().get("/finance/settlement.csv", {"from": since.isoformat()}))
    assert "S1,First,S2,Second" in csv


def test_stored_value_is_shown_as_money(member: Member) -> None:
    give(member.id, 12_345, asset="stored_value")
    text = text_of(client_of().get(f"/members/{member.id}/balances/stored_value"))
    assert "¥123.45" in text
    assert "12,345" not in text
    assert "¥123.45" in text_of(client_of().get("/finance/liability/figures"))
