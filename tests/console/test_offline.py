"""Offline allowances on the pages: the exposure report, signing one for a device, and whom they are for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shuke.catalog.models import Store
from shuke.checkout.allowances import issue_allowance
from shuke.checkout.models import Allowance
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import TenderRequest
from shuke.core.values import Role
from shuke.kit import clock
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Any:
    yield make_shop(
        stored_value={"spend_order": "principal_first"},
        offline={"allowance": "30.00", "allowance_points": 200, "allowance_hours": 8},
    )
    forget_versions()


@pytest.fixture
def member(shop: Store) -> Member:
    made = make_member(now=clock.now(), phone="13812345678")
    top_up(actor=TILL, member_id=made.id, store="S1", amount_minor=5_000, tender="cash", now=clock.now())
    return made


def test_an_allowance_is_signed_for_a_device_and_shown_once(shop: Store, member: Member) -> None:
    till = client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[shop.id]))
    path = f"/members/{member.id}/offline"
    assert "up to 200 pts and ¥30.00 for 8 hours" in text_of(till.get(path))
    page = text_of(till.post(path, {"device": "till 7"}))
    token = re.search(r'<textarea[^>]*id="token"[^>]*>([^<]+)<', page)
    made = Allowance.objects.get()
    assert token and (made.device, made.money_minor, made.store.code) == ("till 7", 3_000, "S1")
    assert token[1] not in text_of(till.get(path)) and "till 7" in text_of(till.get(path))
    for typed in ("", "  ", "x" * 81, "a\x00b"):
        assert till.post(path, {"device": typed}).status_code == 422
    assert Allowance.objects.count() == 1
    assert path in text_of(client_of().get(f"/members/{member.id}"))


def test_the_report_shows_what_is_not_there_any_more_and_keeps_to_ones_stores(
    shop: Store, member: Member
) -> None:
    for store in ("S1", "S2"):
        issue_allowance(actor=TILL, member_id=member.id, device=store, store=store, now=clock.now())

    sell(("A", 5), member=member, now=clock.now(), tenders=(TenderRequest("stored_value"),))
    page = text_of(client_of().get("/offline"))
    assert page.count("¥50.00") >= 2 and member.number in page
    mine = text_of(
        client_of(make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[shop.id])).get("/offline")
    )
    assert ">S1<" in mine and ">S2<" not in mine
    analyst = text_of(client_of(make_staff(Role.ANALYST)).get("/offline"))
    assert member.number not in analyst and "¥50.00" in analyst


def test_the_report_pages_and_costs_little(shop: Store, member: Member) -> None:
    for number in range(33):
        issue_allowance(actor=TILL, member_id=member.id, device=f"d{number}", store="S1", now=clock.now())
    client = client_of()
    first = text_of(client.get("/offline"))
    following = re.search(r'href="([^"]*cursor=[^"]*)"', first)[1]  # type: ignore[index]
    second = text_of(client.get(following))
    devices = [set(re.findall(r"<td>(d\d+)<", page)) for page in (first, second)]
    assert [len(each) for each in devices] == [30, 3] and not devices[0] & devices[1]
    assert client.get("/offline?cursor=x").status_code == 422
    assert queries_of(client, "/offline") <= MOST_QUERIES


def test_who_may_and_a_programme_without_it(shop: Store, member: Member) -> None:
    for role, status in ((Role.CASHIER, 403), (Role.MARKETER, 403), (Role.STORE_MANAGER, 200)):
        assert client_of(make_staff(role)).get("/offline").status_code == status
    foreign = make_member(now=clock.now(), join_store_id=Store.objects.get(code="S2").id)
    till = client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[shop.id]))
    assert till.post(f"/members/{foreign.id}/offline", {"device": "x"}).status_code == 404
    publish(effective_at=clock.now())
    assert "gives no offline allowances" in text_of(client_of().get("/offline"))
    assert till.post(f"/members/{member.id}/offline", {"device": "x"}).status_code == 422


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "离线"), ("zh-hant", "離線")])
def test_they_speak_chinese(shop: Store, member: Member, language: str, words: str) -> None:
    client = client_of(language=language)
    for path in ("/offline", f"/members/{member.id}/offline"):
        page = text_of(client.get(path))
        assert words in page and not re.search(r">[^<{]*\b(device|allowance|Points)\b[^<]*<", page), path
