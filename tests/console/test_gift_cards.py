"""Gift cards on the pages: made with codes shown once, sold once, checked, blocked, and whom each page is for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.models import GiftCard
from shuke.checkout.values import TenderRequest
from shuke.core.models import AuditEvent, IdempotentCall
from shuke.core.values import Role
from shuke.kit import clock
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.core import PASSWORD, make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Any:
    yield make_shop(gift_cards={"most": "500.00"})
    forget_versions()


def person(role: Role, *codes: str) -> Client:
    stores = Store.objects.filter(code__in=codes or ("S1",))
    return client_of(make_staff(role, all_stores=False, store_ids=[each.id for each in stores]))


def made(count: int = 1, face: int = 5_000) -> list[str]:
    cards = issue_gift_cards(actor=TILL, face_minor=face, count=count, now=clock.now())
    return codes_of([card.id for card in cards])


def sold(store: str = "S1", **more: Any) -> tuple[str, GiftCard]:
    code = made(**more)[0]
    activate_gift_cards(actor=TILL, codes=[code], store=store, tender="cash", now=clock.now())
    return code, GiftCard.objects.get(last_four=code[-4:])


def test_cards_are_made_once_and_their_codes_kept_nowhere(shop: Store) -> None:
    boss = person(Role.STORE_MANAGER)
    token = re.search(r'name="token" value="(\w+)"', text_of(boss.get("/gift-cards/new")))[1]  # type: ignore[index]
    form = {"face": "88", "count": "3", "token": token}
    first, again = (text_of(boss.post("/gift-cards/new", form)) for _ in range(2))
    codes = codes_of(list(GiftCard.objects.order_by("id").values_list("id", flat=True)))
    assert len(codes) == 3 and all(code in first and code in again for code in codes)
    assert not any(
        code.replace("-", "") in str(bytes(row.body))
        for row in IdempotentCall.objects.all()
        for code in codes
    )
    assert GiftCard.objects.first().face_minor == 8_800  # type: ignore[union-attr]
    for typed, said in (("600", "¥500.00"), ("abc", "Type an amount"), ("-1", "Type an amount")):
        answer = boss.post("/gift-cards/new", {"face": typed, "count": "1", "token": "t"})
        assert answer.status_code == 422 and said in text_of(answer)
    assert boss.post("/gift-cards/new", {"face": "10", "count": "501", "token": "u"}).status_code == 422
    assert GiftCard.objects.count() == 3


def test_cards_are_worked_out_and_sold_once(shop: Store) -> None:
    codes = made(2)
    till, buyer = person(Role.CASHIER), make_member(now=clock.now(), phone="13812345678")
    form = {"codes": "\r\n".join(codes), "tender": "wechat", "buyer": "13812345678", "token": "s1"}
    page = text_of(till.post("/gift-cards/sell", {**form, "act": "quote"}))
    assert "¥100.00" in page and not GiftCard.objects.filter(status="active")
    for _ in range(2):
        assert till.post("/gift-cards/sell", {**form, "act": "do"}).status_code == 302
    cards = list(GiftCard.objects.filter(status="active"))
    assert [(each.buyer_id, each.store.code) for each in cards] == [(buyer.id, "S1")] * 2  # type: ignore[union-attr]
    assert "2 gift cards for ¥100.00" in text_of(till.get("/gift-cards")) and reconcile().is_clean
    again = till.post("/gift-cards/sell", {**form, "act": "quote", "token": "s2"})
    assert again.status_code == 422 and "Line 1: It was sold before" in text_of(again)
    for codes_typed, said in (("", "required"), ("ABCD", "Line 1"), ("\n".join(["x"] * 51), "at a time")):
        answer = till.post("/gift-cards/sell", {**form, "codes": codes_typed, "act": "quote", "token": "s3"})
        assert answer.status_code == 422 and said in text_of(answer)
    unknown = {**form, "codes": made()[0], "buyer": "13900000000", "token": "s4", "act": "do"}
    assert till.post("/gift-cards/sell", unknown).status_code == 422


def test_a_card_is_checked_by_its_code_and_its_history_is_for_those_who_manage(shop: Store) -> None:
    code, card = sold()
    sell(("A", 2), now=clock.now(), tenders=(TenderRequest("gift_card", code=code),))
    till, boss = person(Role.CASHIER), person(Role.STORE_MANAGER)
    page = text_of(till.post("/gift-cards", {"code": code.lower()}))
    assert "¥30.00" in page and "of ¥50.00" in page and code not in page
    assert till.post("/gift-cards", {"code": "nonsense"}).status_code == 422
    assert till.get(f"/gift-cards/{card.id}").status_code == 403
    assert "All cards" not in text_of(till.get("/gift-cards"))
    page = text_of(boss.get(f"/gift-cards/{card.id}"))
    assert "+¥50.00" in page and "-¥20.00" in page and "Topped up" in page
    assert queries_of(boss, f"/gift-cards/{card.id}") <= MOST_QUERIES
    for act, status, words in (("block", "blocked", "card is blocked"), ("unblock", "active", "pays again")):
        boss.post(f"/gift-cards/{card.id}/block", {"act": act, "reason": "lost"})
        assert GiftCard.objects.get(id=card.id).status == status
        page = text_of(boss.get(f"/gift-cards/{card.id}"))
        assert words in page and "¥30.00" in page  # a blocked card pays nothing; its money is still there
        assert "¥30.00" in text_of(boss.get(f"/gift-cards?status={status}"))
    boss.post(f"/gift-cards/{card.id}/block", {"act": "block", "reason": "  "})
    assert GiftCard.objects.get(id=card.id).status == "active"


def test_cards_sold_in_other_stores_are_not_there(shop: Store) -> None:
    _code, card = sold("S2")
    boss = person(Role.STORE_MANAGER)
    assert card.last_four not in text_of(boss.get("/gift-cards"))
    assert boss.get(f"/gift-cards/{card.id}").status_code == 404
    assert boss.post(f"/gift-cards/{card.id}/block", {"reason": "x"}).status_code == 404
    assert card.last_four in text_of(person(Role.STORE_MANAGER, "S1", "S2").get("/gift-cards"))


def test_the_list_pages_and_filters(shop: Store) -> None:
    made(40)
    _code, card = sold()
    boss = client_of()
    first = text_of(boss.get("/gift-cards"))
    following = re.search(r'href="([^"]*cursor=[^"]*)"', first)[1].replace("&amp;", "&")  # type: ignore[index]
    listed = [
        set(re.findall(r'href="/gift-cards/([0-9a-f-]{36})"', page))
        for page in (first, text_of(boss.get(following)))
    ]
    assert [len(each) for each in listed] == [30, 11] and not listed[0] & listed[1]
    assert str(card.id) in text_of(boss.get("/gift-cards?status=active")) and first.count("Not sold yet") > 29
    assert str(card.id) in text_of(boss.get(f"/gift-cards?four={card.last_four.lower()}"))
    for query in ("?cursor=x", "?status=x&four=%00%00%00%00", "?four=%27%3B--"):
        assert boss.get(f"/gift-cards{query}").status_code in (200, 422)
    assert queries_of(boss, "/gift-cards") <= MOST_QUERIES


def test_who_may(shop: Store) -> None:
    paths = ("/gift-cards", "/gift-cards/sell", "/gift-cards/new")
    for role, open_ in ((Role.CASHIER, 2), (Role.STORE_MANAGER, 3), (Role.ANALYST, 0), (Role.MARKETER, 0)):
        answers = [person(role).get(path).status_code for path in paths]
        assert answers == [200] * open_ + [403] * (3 - open_), role
    publish(effective_at=clock.now())
    assert "has no gift cards" in text_of(person(Role.STORE_MANAGER).get("/gift-cards/new"))


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "礼品卡"), ("zh-hant", "禮品卡")])
def test_they_speak_chinese(shop: Store, language: str, words: str) -> None:
    _code, card = sold()
    client = client_of(language=language)
    for path in ("/gift-cards", "/gift-cards/sell", "/gift-cards/new", f"/gift-cards/{card.id}"):
        page = text_of(client.get(path))
        assert words in page, path
        assert not re.search(r">[^<{]*\b(card|cards|Sold|code)\b[^<]*<", page), path


def pay_back(client: Client, card: GiftCard, **more: str) -> Any:
    page = text_of(client.get(f"/gift-cards/{card.id}/return"))
    form = {name: re.search(rf'name="{name}" value="(\w+)"', page)[1] for name in ("token", "seen")}  # type: ignore[index]
    sent = {**form, "tender": "cash", "reason": "customer asked", **more}
    return sent, client.post(f"/gift-cards/{card.id}/return", sent)


def returnable(**policies: Any) -> None:
    publish(effective_at=clock.now(), gift_cards={"most": "500.00", "returnable": True}, policies=policies)


def test_a_card_is_paid_back_once_with_its_reason(shop: Store) -> None:
    returnable()
    code, card = sold()
    sell(("A", 2), now=clock.now(), tenders=(TenderRequest("gift_card", code=code),))
    boss, path = person(Role.STORE_MANAGER), f"/gift-cards/{card.id}"
    assert f"{path}/return" in text_of(boss.get(path))
    assert "Pay out ¥30.00" in text_of(boss.get(f"{path}/return"))
    assert pay_back(boss, card, reason=" ")[1].status_code == 422
    assert "has changed" in text_of(pay_back(boss, card, seen="5000")[1])
    assert GiftCard.objects.get(id=card.id).status == "active"
    sent, answer = pay_back(boss, card)
    again = boss.post(f"{path}/return", sent)
    assert answer.status_code == again.status_code == 302
    assert GiftCard.objects.get(id=card.id).status == "returned" and reconcile().is_clean
    page = text_of(boss.get(path))
    assert "pay out ¥30.00" in page and "Paid back" in page and "-¥30.00" in page
    assert f"{path}/return" not in page and "Paid back" in text_of(boss.get("/gift-cards"))
    assert "Nothing of this card" in text_of(boss.get(f"{path}/return"))
    kept = AuditEvent.objects.get(action="checkout.gift_card_returned.v1")
    assert (kept.reason, kept.data["paid_minor"]) == ("customer asked", 3_000)
    assert queries_of(boss, path) <= MOST_QUERIES and queries_of(boss, f"{path}/return") <= MOST_QUERIES


def test_a_card_is_paid_back_by_those_who_may_refund_and_beyond_the_limit_signed(shop: Store) -> None:
    code, card = sold()
    till, path = person(Role.CASHIER), f"/gift-cards/{card.id}/return"
    assert path not in text_of(till.post("/gift-cards", {"code": code}))  # the programme does not
    returnable(cashier_refund_most="49.99")
    assert path in text_of(till.post("/gift-cards", {"code": code}))
    for role, status in ((Role.MARKETER, 403), (Role.ANALYST, 403)):
        assert person(role).get(path).status_code == status
    assert person(Role.STORE_MANAGER, "S2").get(path).status_code == 404
    assert 'name="approver"' not in text_of(person(Role.STORE_MANAGER).get(path))
    assert pay_back(client_of(), card)[1].status_code == 422  # no store chosen: nobody pays out anywhere
    assert 'name="approver"' in text_of(till.get(path)) and pay_back(till, card)[1].status_code == 422
    boss = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[shop.id])
    boss.set_password(PASSWORD)
    boss.save()
    wrong = {"approver": boss.username, "approver_password": "no"}
    assert "Nobody with this name" in text_of(pay_back(till, card, **wrong)[1])
    assert GiftCard.objects.get(id=card.id).status == "active"
    assert pay_back(till, card, **{**wrong, "approver_password": PASSWORD})[1].status_code == 302
    signed = AuditEvent.objects.get(action="checkout.refund_approved.v1")
    assert (signed.actor_id, signed.object_type, signed.object_id) == (boss.id, "gift_card", str(card.id))
    assert GiftCard.objects.get(id=card.id).status == "returned" and reconcile().is_clean
