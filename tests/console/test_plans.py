"""Paid plans and entitlements on the pages: what is sold and handed out at the counter, once, and by whom."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from shuke.catalog.models import Store
from shuke.console.views.plans import HISTORY
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.loyalty.plans.entitlements import redeem_entitlement
from shuke.loyalty.plans.gift_orders import make_gifts, order_gifts
from shuke.loyalty.plans.gifts import codes_of, gift_plan
from shuke.loyalty.plans.models import EntitlementUse, PlanGiftOrder, PlanHolding, PlanRefund, PlanTerm
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL, publish
from tests.factories.core import PASSWORD, make_staff
from tests.factories.members import make_member
from tests.factories.plans import BLACK, CASH, PLUS, buy, make_club, plan

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
    assert verify_plans(now=now()) == []


def test_a_trial_a_gift_and_renewing_by_itself(member: Member) -> None:
    client = person()
    send(client, member, "try", "a")
    (code,) = codes_of(gift_plan(actor=TILL, plan="plus", sale=CASH, now=now()))
    assert send(client, member, "code", "b", code="nonsense").status_code == 422
    asked = send(client, member, "code", "b2", code=code)
    assert asked.status_code == 200 and PlanTerm.objects.count() == 1
    dialog = text_of(asked).split('id="gift"')[1]
    assert "data-open" in dialog and "Plus · 12 months" in dialog and 'name="sure" value="yes"' in dialog
    assert send(client, member, "code", "c", code=code, sure="yes").status_code == 302
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


def test_a_use_is_taken_back_in_the_file_of_its_member(member: Member) -> None:
    buy(member, now())
    other = make_member(now=now())
    store = Store.objects.get(code="S1")
    use = redeem_entitlement(actor=TILL, member_id=member.id, entitlement="check", store=store, now=now())
    manager = person(Role.STORE_MANAGER)
    assert send(manager, other, "undo", "a", use=str(use.id), reason="wrong").status_code == 422
    assert EntitlementUse.objects.count() == 1
    assert send(manager, member, "undo", "b", use=str(use.id), reason="wrong").status_code == 302


def test_a_refund_pays_what_the_page_showed(member: Member) -> None:
    buy(member, now())
    client = person(Role.STORE_MANAGER)
    page = text_of(client.get(f"/members/{member.id}/plans"))
    shown = re.search(r'name="expected" value="(\d+)"', page[page.index("End now and pay back") :])
    assert shown is not None
    refused = send(client, member, "refund", "a", reason="moved", expected=str(int(shown[1]) + 1))
    assert refused.status_code == 422
    assert send(client, member, "refund", "b", reason="moved", expected=shown[1]).status_code == 302
    assert PlanRefund.objects.get().refund_minor == int(shown[1])


def test_what_is_beyond_a_cashier_is_signed_by_a_second_person_on_the_spot(member: Member) -> None:
    make_club(plan(PLUS, price="900.00", upgrade_to=["black"]))
    forget_versions()
    buy(member, now())
    client, here = person(), Store.objects.get(code="S1")
    boss = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[here.id])
    boss.set_password(PASSWORD)
    boss.save()
    page = text_of(client.get(f"/members/{member.id}/plans"))
    assert "A second person approves it" in page and "Nothing of it was used" in page
    typed = {"reason": "rung up by mistake", "expected": "90000"}
    for number, (name, password) in enumerate(
        (("", ""), (boss.username, "wrong"), (make_staff(Role.CASHIER).username, PASSWORD))
    ):
        refused = send(
            client, member, "refund", f"r{number}", **typed, approver=name, approver_password=password
        )
        assert refused.status_code == 422 and PlanRefund.objects.count() == 0
        assert "<details open" in re.sub(r'<details class="[^"]*"', "<details", text_of(refused))
    signed = {**typed, "approver": boss.username, "approver_password": PASSWORD}
    for _ in range(2):
        assert send(client, member, "refund", "s", **signed).status_code == 302
    assert PlanRefund.objects.get().refund_minor == 90000
    approved = AuditEvent.objects.get(action="checkout.refund_approved.v1")
    assert (approved.actor_id, approved.object_id) == (boss.id, str(member.id))
    assert text_of(client_of(boss).get(f"/members/{member.id}/plans")).count("A second person") == 0


def test_a_plan_that_would_bring_nothing_is_not_sold_and_an_upgrade_that_takes_says_so(db: object) -> None:
    small = {**PLUS, "code": "small", "benefits": {"discount_percent": "5"}, "upgrade_to": ["plus"]}
    make_club(small, plan(PLUS, tier="gold", upgrade_to=["small"]))
    who = make_member(now=now())
    client = person(Role.STORE_MANAGER)
    before = text_of(client.get(f"/members/{who.id}/plans")).split("Sell a plan")[1]
    assert before.count('value="buy"') == 3 and "Brings nothing beyond" not in before
    buy(who, now())
    page = text_of(client.get(f"/members/{who.id}/plans"))
    offers = page.split("Sell a plan")[1]
    assert offers.count('value="buy"') == 1 and "Brings nothing beyond Plus" in offers
    upgrade = page.split("Upgrade to")[1]
    assert "The level 金卡 ends with it." in upgrade
    assert "The discount of 10% off ends; the new one is 5% off." in upgrade


def test_every_act_that_costs_or_gives_is_asked_about_first(member: Member) -> None:
    client = person(Role.STORE_MANAGER)
    acts = ["buy", "try", "hand_out", "refund", "upgrade"]
    page = text_of(client.get(f"/members/{member.id}/plans"))
    buy(member, now())
    page += text_of(client.get(f"/members/{member.id}/plans"))
    for act in acts:
        form = page[: page.index(f'name="act" value="{act}"')].rpartition("<form")[2]
        asked = re.search(r'data-confirm="([\w-]+)"', form)
        assert asked is not None, act
        dialog = page.split(f'<dialog class="dlg" id="{asked[1]}"')[1].split("</dialog>")[0]
        assert re.search(r"<dt>Member</dt><dd>[^<]+</dd>", dialog), act


def test_an_upgrade_costs_what_the_page_showed_and_the_history_is_paged(member: Member) -> None:
    buy(member, now())
    client = person()
    page = text_of(client.get(f"/members/{member.id}/plans"))
    assert "Upgrade to Black for" in page and "Credit for the days that are left" in page
    shown = re.search(r'name="expected" value="(-?\d+)"', page)
    assert shown is not None and 36500 - 12000 <= int(shown[1]) < 36500 - 11900
    typed = {"target": "black", "plan": "plus"}
    refused = send(client, member, "upgrade", "a", **typed, expected=str(int(shown[1]) - 1))
    assert refused.status_code == 422 and "costs something else by now" in text_of(refused)
    for _ in range(2):
        assert send(client, member, "upgrade", "b", **typed, expected=shown[1]).status_code == 302
    term = PlanTerm.objects.get(plan="black")
    assert (term.cause, term.paid_minor, term.store.code) == ("upgraded", int(shown[1]), "S1")
    buy(member, now(), "plus")
    for number in range(HISTORY):
        send(client, member, ("auto_renew", "cancel_auto_renew")[number % 2], f"h{number}")
    first = text_of(client.get(f"/members/{member.id}/plans"))
    further = re.search(r"\?cursor=[^\"]+", first)
    assert further is not None and "Upgraded" not in first.split("History")[-1]
    assert (
        "Upgraded"
        in text_of(client.get(f"/members/{member.id}/plans{unescape(further[0])}")).split("History")[-1]
    )


def test_gift_codes_are_sold_in_bulk_watched_downloaded_redeemed_and_paid_back(member: Member) -> None:
    manager, cashier = person(Role.STORE_MANAGER), person()
    form = {"count": "3", "tender": "transfer", "reference": "B-1", "remark": "Acme", "token": "t"}
    assert cashier.get("/plans/plus").status_code == 403
    assert client_of(make_staff(Role.MARKETER)).post("/plans/plus", form).status_code == 403
    assert manager.post("/plans/plus", {**form, "count": "0"}).status_code == 422
    assert 'name="count" value=' not in text_of(manager.get("/plans/plus"))
    # First what it comes to; another count or price asks again.
    for seen in ({}, {"seen": "12000"}):
        asked = text_of(manager.post("/plans/plus", {**form, **seen}))
        assert "3 × ¥120.00" in asked and 'name="seen" value="36000"' in asked
    assert not PlanGiftOrder.objects.exists()
    form["seen"] = "36000"
    sent = [manager.post("/plans/plus", form) for _ in range(2)]
    order = PlanGiftOrder.objects.get()
    assert [answer["Location"] for answer in sent] == [f"/plans/gifts/{order.id}"] * 2
    assert (order.note, order.store.code, order.reference) == ("Acme", "S1", "B-1")
    assert "hx-get" in text_of(manager.get(f"/plans/gifts/{order.id}"))
    assert manager.get(f"/plans/gifts/{order.id}/progress").get("HX-Refresh") is None
    while make_gifts(order_id=order.id, now=now()):
        pass
    assert manager.get(f"/plans/gifts/{order.id}/progress")["HX-Refresh"] == "true"
    page = text_of(manager.get(f"/plans/gifts/{order.id}"))
    assert "3 codes, ¥360.00" in page and "hx-get" not in page.split('id="progress"')[1][:80]
    told = manager.post(f"/plans/gifts/{order.id}/file", {"reason": "for Acme"})
    codes = b"".join(told.streaming_content).decode().split()[1:]
    assert (
        len(codes) == 3 and AuditEvent.objects.filter(action="loyalty.plan_gift_codes_read.v1").count() == 1
    )
    assert manager.post(f"/plans/gifts/{order.id}/file", {}).status_code == 302
    assert cashier.post(f"/plans/gifts/{order.id}/file", {"reason": "x"}).status_code == 403
    assert send(cashier, member, "code", "c", code=codes[1], sure="yes").status_code == 302
    back = {"tender": "transfer", "reason": "too many", "token": "b"}
    assert manager.post(f"/plans/gifts/{order.id}/take-back", {**back, "reason": ""}).status_code == 422
    for _ in range(2):
        assert manager.post(f"/plans/gifts/{order.id}/take-back", back).status_code == 302
    assert PlanRefund.objects.count() == 2
    page = text_of(manager.get(f"/plans/gifts/{order.id}"))
    assert "Redeemed" in page and "Void" in page and "Download the gift codes" not in page
    page = text_of(manager.get("/plans/plus"))
    assert "Acme" in page and "¥240.00 paid back" in page
    assert manager.get(f"/plans/gifts/{member.id}").status_code == 404
    assert manager.get("/plans/nothing").status_code == 404
    assert verify_plans(now=now()) == []


@pytest.mark.parametrize(
    ("language", "word"), [("zh-hans", "批量售出"), ("zh-hant", "禮品碼"), ("en", "Sell codes")]
)
def test_the_page_of_a_plan_speaks_each_language(member: Member, language: str, word: str) -> None:
    assert word in text_of(client_of(language=language).get("/plans/plus"))


def test_a_cashier_pays_a_plan_back_within_the_limit_of_all_refunds(db: None) -> None:
    make_club(policies={"cashier_refund_most": "100.00"})
    member = make_member(now=now())
    buy(member, now())
    refused = send(person(), member, "refund", "a", reason="moved")
    assert refused.status_code == 422 and "somebody who may approve it" in text_of(refused)
    assert not PlanRefund.objects.exists()
    manager = person(Role.STORE_MANAGER)
    assert send(manager, member, "refund", "b", reason="moved").status_code == 302
    buy(member, now())
    publish(now(), policies={"cashier_refund_most": "200.00"}, plans=[PLUS, BLACK])
    assert send(person(), member, "refund", "c", reason="moved").status_code == 302


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
    assert queries_of(client, "/plans/plus") <= MOST_QUERIES
    assert queries_of(client, f"/members/{member.id}/plans") <= MOST_QUERIES


@pytest.mark.parametrize("sold_at", ["S2", None])
def test_gift_codes_sold_at_another_store_or_by_the_head_office_are_not_there(
    db: object, sold_at: str | None
) -> None:
    make_club()
    there = Store.objects.get(code=sold_at) if sold_at else None
    placed = order_gifts(
        actor=TILL, plan="plus", sale=Sale("transfer", "INV-77", there), count=3, remark="ACME", now=now()
    )
    make_gifts(order_id=placed.id, now=now())
    client, address = person(Role.STORE_MANAGER), reverse("console:plan_gifts", args=[placed.id])
    typed = {"reason": "x", "tender": "cash", "token": "t1"}
    assert client.get(address).status_code == 404
    assert client.get(reverse("console:plan_gifts_progress", args=[placed.id])).status_code == 404
    assert client.post(reverse("console:plan_gifts_file", args=[placed.id]), typed).status_code == 404
    assert client.post(reverse("console:plan_gifts_take_back", args=[placed.id]), typed).status_code == 404
    assert "ACME" not in text_of(client.get(reverse("console:plan", args=["plus"])))
    assert not AuditEvent.objects.filter(action="loyalty.plan_gift_codes_read.v1").exists()
    assert not PlanRefund.objects.exists()
    owner = client_of(make_staff(Role.OWNER))
    assert "ACME" in text_of(owner.get(reverse("console:plan", args=["plus"])))
    assert owner.get(address).status_code == 200


def test_who_covers_several_stores_chooses_one_before_gift_codes_are_sold(db: object) -> None:
    make_club()
    mine = [Store.objects.get(code=code) for code in ("S1", "S2")]
    client = client_of(
        make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[store.id for store in mine])
    )
    typed = {"count": "3", "tender": "transfer", "reference": "", "remark": "ACME", "token": "t1"}
    refused = client.post(reverse("console:plan", args=["plus"]), {**typed, "seen": str(3 * 12_000)})
    assert refused.status_code == 422
    assert "Choose at which of your stores" in text_of(refused)
    assert not PlanGiftOrder.objects.exists()
