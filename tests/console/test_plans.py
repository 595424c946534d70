"""Paid plans and entitlements on the pages: what is sold and handed out at the counter, once, and by whom."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.loyalty.plans.gifts import codes_of, gift_plan
from shuke.loyalty.plans.models import EntitlementUse, PlanHolding, PlanRefund, PlanTerm
from shuke.loyalty.plans.queries import verify_plans
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL
from tests.factories.core import make_staff
from tests.factories.members import make_member
from tests.factories.plans import CASH, buy, make_club

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    make_club()
    return make_member(now=now(), phone="13812345678")


def person(role: Role = Role.CASHIER) -> Client:
    store = Store.objects.get(code="S1")
    return client_of(make_staff(role, all_stores=False, store_ids=[store.id]))


def send(client: Client, member: Member, act: str, token: str = "t1", **typed: str):
    typed = {"plan": "plus", "tender": "cash", **typed}
    return client.post(f"/members/{member.id}/plans", {"act": act, "token": token, **typed})


def test_a_form_sells_once_and_the_file_and_the_desk_show_it(member: Member) -> None:
    client = person()
    page = text_of(client.get(f"/members/{member.id}/plans"))
    assert "Try for 7 days" in page
    assert "The member never had a plan" in page
    for _ in range(2):
        assert send(client, member, "buy").status_code == 302
    term = PlanTerm.objects.get()
    assert (term.paid_minor, term.store.code, term.system) == (12000, "S1", "console")
    assert send(client, member, "buy", token="t2").status_code == 422
    page = text_of(client.get(f"/members/{member.id}/plans"))
    for words in ("Plus", "Active", "10% off", "free shipping", "Let it renew itself", "体测"):
        assert words in page
    assert "Plus</span>" in text_of(client.get(f"/members/{member.id}"))
    assert verify_plans() == []


def test_a_trial_a_gift_and_renewing_by_itself(member: Member) -> None:
    client = person()
    send(client, member, "try", "a")
    (code,) = codes_of(gift_plan(actor=TILL, plan="plus", sale=CASH, now=now()))
    assert send(client, member, "code", "b", code="nonsense").status_code == 422
    assert send(client, member, "code", "c", code=code).status_code == 302
    assert [term.cause for term in PlanTerm.objects.order_by("seq")] == ["trial", "gift"]
    send(client, member, "auto_renew", "d")
    assert PlanHolding.objects.get().mandate_id is not None
    assert "Stop renewing" in text_of(client.get(f"/members/{member.id}/plans"))
    send(client, member, "cancel_auto_renew", "e")
    assert PlanHolding.objects.get().mandate_id is None


def test_an_entitlement_is_handed_out_here_and_taken_back_by_whoever_may_refund(member: Member) -> None:
    buy(member, now())
    cashier, manager = person(), person(Role.STORE_MANAGER)
    send(cashier, member, "hand_out", entitlement="check")
    use = EntitlementUse.objects.get()
    assert use.store.code == "S1"
    assert send(manager, member, "undo", "u", use=str(use.id), reason="").status_code == 422
    assert send(manager, member, "undo", "v", use=str(use.id), reason="wrong member").status_code == 302
    assert EntitlementUse.objects.count() == 2
    owner = client_of()
    assert send(owner, member, "hand_out", "w", entitlement="check").status_code == 422  # nobody knows where
    assert send(cashier, member, "hand_out", "x", entitlement="tea").status_code == 422


def test_a_refund_pays_what_the_page_showed(member: Member) -> None:
    buy(member, now())
    client = person(Role.STORE_MANAGER)
    page = text_of(client.get(f"/members/{member.id}/plans"))
    shown = re.search(r'name="expected" value="(\d+)"', page)
    assert shown is not None
    refused = send(client, member, "refund", "a", reason="moved", expected=str(int(shown[1]) + 1))
    assert refused.status_code == 422
    assert send(client, member, "refund", "b", reason="moved", expected=shown[1]).status_code == 302
    assert PlanRefund.objects.get().refund_minor == int(shown[1])


def test_who_may_not_sell_and_what_is_no_act(member: Member) -> None:
    assert client_of(make_staff(Role.ANALYST)).get(f"/members/{member.id}/plans").status_code == 403
    assert send(person(), member, "destroy").status_code == 403
    assert send(person(), member, "buy", token="!").status_code == 403


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Paid plans", "Plus", "Holders", "Not earned yet"]),
        ("zh-hans", ["付费会员", "尊享卡", "持有人数", "未确认收入"]),
        ("zh-hant", ["付費會員", "持有人數", "未確認收入"]),
    ],
)
def test_the_list_of_plans_speaks_each_language(member: Member, language: str, words: list[str]) -> None:
    buy(member, now())
    page = text_of(client_of(language=language).get("/plans"))
    for word in words:
        assert word in page


def test_the_pages_cost_few_queries(member: Member) -> None:
    buy(member, now())
    client = client_of()
    assert queries_of(client, "/plans") <= MOST_QUERIES
    assert queries_of(client, f"/members/{member.id}/plans") <= MOST_QUERIES
