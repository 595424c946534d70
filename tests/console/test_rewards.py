"""The reward catalogue on the pages: the shelf, redeeming for a member, the counter's code, and who may do what."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from shuke.kit.clock import local_date, now
from shuke.ledger.models import Account
from shuke.members.models import Member
from shuke.rewards.catalogue.invariants import verify_catalogue
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.catalogue.operations import code_of
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.checkout import make_shop
from tests.factories.core import PASSWORD, make_staff
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
MUG = {
    "code": "mug", "name": {"zh-Hans": "马克杯", "zh-Hant": "馬克杯", "en": "Mug"}, "kind": "goods",
    "points": 300, "cash": "9.90", "stock": 5, "collect_days": 7,
}  # fmt: skip


@pytest.fixture
def member() -> Member:
    make_shop(rewards=[MUG])
    made = make_member(now=now(), phone="13812345678")
    give(made.id, 1000, at=now())
    return made


def cashier() -> Client:
    store = Store.objects.get(code="S1")
    return client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[store.id]))


def redeem(client: Client, member: Member, token: str = "t1", **typed: str):
    sent = {
        "token": token,
        "reward": "mug",
        "quantity": "1",
        "points": "300",
        "cash": "990",
        "tender": "cash",
        "sure": "yes",
    }
    return client.post(f"/members/{member.id}/rewards", {**sent, **typed})


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Rewards", "Mug", "Picked up", "Everybody"]),
        ("zh-hans", ["积分商城", "马克杯", "到店领取", "消耗积分"]),
        ("zh-hant", ["積分商城", "馬克杯", "到店領取", "消耗積分"]),
    ],
)
def test_the_shelf_in_each_language(member: Member, language: str, words: list[str]) -> None:
    page = text_of(client_of(language=language).get("/rewards"))
    for word in words:
        assert word in page, word


def test_levels_stand_in_their_order() -> None:
    make_shop(rewards=[{**MUG, "tiers": ["gold", "silver"]}])
    page = text_of(client_of().get("/rewards"))
    assert page.index("银卡") < page.index("金卡")


def test_a_cashier_redeems_once_and_the_counter_hands_over_by_code(member: Member) -> None:
    client = cashier()
    client.post("/cashier/member", {"text": "13812345678"})  # found by a whole identifier: the file opens
    first, again = redeem(client, member), redeem(client, member)
    assert (first.status_code, again["Location"]) == (302, first["Location"])
    made = Redemption.objects.get()
    assert (made.pick_up_store.code, Account.objects.get(asset="points").balance) == ("S1", 700)
    page = text_of(client.get(first["Location"]))
    code = code_of(made)
    assert f"{code[:4]} {code[4:]}" in page
    last = local_date(made.placed_at, ZoneInfo("Asia/Shanghai")) + timedelta(days=7)
    assert f'datetime="{last.isoformat()}"' in page, "the last day on which it can be collected"
    assert "Exchanged for Mug." in text_of(client_of().get(f"/members/{member.id}"))
    found = client.post("/redemptions", {"code": code.lower()})
    assert found["Location"] == f"/redemptions/{made.id}"
    assert client.post(f"/redemptions/{made.id}/act", {"act": "hand_over"}).status_code == 302
    made.refresh_from_db()
    assert made.status == "done"
    page = text_of(client.get(f"/redemptions/{made.id}"))
    assert code[:4] + " " + code[4:] not in page  # of no more use
    assert verify_catalogue() == []


def test_it_is_told_what_it_costs_before_it_is_booked(member: Member) -> None:
    asked = redeem(client_of(), member, quantity="2", pick_up_store="S1", sure="")
    page = text_of(asked)
    dialog = page[page.index('id="redeem"') :]
    assert asked.status_code == 200 and not Redemption.objects.exists()
    for words in ("Redeem this reward?", "Mug", "600", "400 can be used afterwards", "19.80", "S1"):
        assert words in dialog, words
    for wrong, said in (
        ({"quantity": "0"}, "Choose from 1 to"),
        ({"quantity": "4"}, "Only 1,000 of"),
        ({"reward": "gone"}, "no such reward"),
    ):
        refused = redeem(client_of(), member, **{"sure": "", **wrong})
        assert refused.status_code == 422 and 'id="redeem"' not in text_of(refused)
        assert said in text_of(refused).replace("1000", "1,000"), said


def test_the_stores_of_a_pick_up_are_offered_by_name(member: Member) -> None:
    make_store("S8", is_open=False)
    page = text_of(client_of().get(f"/members/{member.id}/rewards"))
    offered = page[page.index('<datalist id="places">') :].partition("</datalist>")[0]
    store = Store.objects.get(code="S1")
    assert f'<option value="S1">{store.name}</option>' in offered and "S8" not in offered
    assert 'name="pick_up_store" list="places"' in page


def test_who_had_as_many_as_allowed_is_told_so() -> None:
    make_shop(rewards=[{**MUG, "limit": {"member": 2, "per": "year"}}])
    made = make_member(now=now(), phone="13812345678")
    give(made.id, 5000, at=now())
    client = client_of()
    page = text_of(client.get(f"/members/{made.id}/rewards"))
    assert "Had as many as allowed" not in page
    assert redeem(client, made, quantity="2", pick_up_store="S1").status_code == 302
    page = text_of(client.get(f"/members/{made.id}/rewards"))
    assert "Had as many as allowed" in page and 'value="mug"' not in page
    refused = redeem(client, made, token="t2", pick_up_store="S1")
    assert refused.status_code == 422 and Redemption.objects.count() == 1


def test_a_wrong_code_and_a_changed_price_are_told(member: Member) -> None:
    client = client_of()
    answer = client.post("/redemptions", {"code": "AAAA"})
    assert (answer.status_code, "eight letters and digits" in text_of(answer)) == (422, True)
    refused = redeem(client, member, points="1", pick_up_store="S1")
    assert (refused.status_code, "The price is now" in text_of(refused)) == (422, True)
    refused = redeem(client, member, token="t2", quantity="999", pick_up_store="S1")
    assert refused.status_code == 422
    assert not Redemption.objects.exists()


def test_cancelling_needs_a_reason_and_gives_points_back(member: Member) -> None:
    client = client_of()
    redeem(client, member, pick_up_store="S1")
    made = Redemption.objects.get()
    client.post(f"/redemptions/{made.id}/act", {"act": "cancel", "reason": " "})
    made.refresh_from_db()
    assert made.status == "placed"
    client.post(f"/redemptions/{made.id}/act", {"act": "cancel", "reason": "changed her mind"})
    assert Account.objects.get(asset="points").balance == 1000
    assert "changed her mind" in text_of(client.get(f"/redemptions/{made.id}"))


def test_money_beyond_a_cashiers_limit_is_paid_out_with_a_second_signature() -> None:
    make_shop(rewards=[MUG], policies={"cashier_refund_most": "5.00"})
    member = make_member(now=now())
    boss = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[Store.objects.get(code="S1").id])
    boss.set_password(PASSWORD)
    boss.save()
    give(member.id, 1000, at=now())
    till = cashier()
    redeem(till, member, pick_up_store="S1")
    made = Redemption.objects.get()
    act, sent = f"/redemptions/{made.id}/act", {"act": "cancel", "reason": "changed her mind"}
    assert 'name="approver"' in text_of(till.get(f"/redemptions/{made.id}"))
    assert 'name="approver"' not in text_of(client_of().get(f"/redemptions/{made.id}"))
    for signed in ({}, {"approver": boss.username, "approver_password": "no"}):
        till.post(act, {**sent, **signed})
        made.refresh_from_db()
        assert (made.status, Account.objects.get(asset="points").balance) == ("placed", 700)
    till.post(act, {**sent, "approver": boss.username, "approver_password": PASSWORD})
    made.refresh_from_db()
    assert (made.status, Account.objects.get(asset="points").balance) == ("cancelled", 1000)
    approved = AuditEvent.objects.get(action="checkout.refund_approved.v1")
    assert (approved.actor_id, approved.object_id) == (boss.id, str(member.id))


def test_people_of_other_stores_and_roles_stay_out(member: Member) -> None:
    redeem(client_of(), member, pick_up_store="S1")
    made = Redemption.objects.get()
    other = Store.objects.get(code="S2")
    elsewhere = client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[other.id]))
    assert elsewhere.get(f"/redemptions/{made.id}").status_code == 404
    assert elsewhere.post(f"/redemptions/{made.id}/act", {"act": "hand_over"}).status_code == 404
    assert str(made.id) not in text_of(elsewhere.get("/redemptions"))
    analyst = client_of(make_staff(Role.ANALYST))
    assert analyst.get("/redemptions").status_code == 403
    assert analyst.get("/rewards").status_code == 200
    assert client_of(make_staff(Role.CASHIER)).get("/rewards").status_code == 403


def test_no_page_asks_too_many_questions(member: Member) -> None:
    client = client_of()
    for each in range(12):
        give(member.id, 300, at=now())
        redeem(client, member, token=f"n{each}", pick_up_store="S1")
    made = Redemption.objects.first()
    assert made is not None
    for path in (
        "/rewards",
        "/redemptions?show=all",
        f"/redemptions/{made.id}",
        f"/members/{member.id}/rewards",
    ):
        assert queries_of(client, path) <= MOST_QUERIES, path


def test_each_question_has_its_own_token(member: Member) -> None:
    client = client_of()
    pages = [text_of(redeem(client, member, pick_up_store="S1", sure="")) for _ in range(2)]
    tokens = [re.findall(r'name="token" value="([0-9a-fs]+)"', page) for page in pages]
    assert len(tokens[0]) == len(tokens[1]) == 1 and tokens[0] != tokens[1]


def test_a_member_who_had_enough_still_sees_what_is_in_stock() -> None:
    few = {**MUG, "code": "few", "name": {"zh-Hans": "限", "en": "Few"}, "limit": {"member": 1}}
    del few["cash"]
    endless = {**few, "code": "endless", "name": {"zh-Hans": "无", "en": "Endless"}}
    del endless["stock"]
    make_shop(rewards=[few, endless])
    made = make_member(now=now(), phone="13812345678")
    give(made.id, 1000, at=now())
    client = cashier()
    rows = text_of(client.get(f"/members/{made.id}/rewards")).split("<tr>")
    assert "1 more for this member" in rows[2] and re.search(
        r'<td class="end num max-sm:hidden">5</td>', rows[2]
    )
    assert "1 more for this member" in rows[3] and re.search(
        r'<td class="end num max-sm:hidden">–</td>', rows[3]
    )
    assert 'max="1"' in rows[2]  # no more pieces than the member may have
    assert redeem(client, made, reward="few", cash="0", tender="").status_code == 302
    row = text_of(client.get(f"/members/{made.id}/rewards")).split("<tr>")[2]
    assert "0 more for this member" in row and re.search(r'<td class="end num max-sm:hidden">4</td>', row)
