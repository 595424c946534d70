"""Goods back for other goods at the desk: one act, priced as it will be booked, with the rights of a refund."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from shuke.catalog.models import Store
from shuke.checkout.models import Order, OrderTender, Refund
from shuke.checkout.queries import find_exchange
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import TenderRequest
from shuke.core.models import AuditEvent, Staff
from shuke.core.values import Role
from shuke.kit import clock
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from tests.console.test_cashier import Desk
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.core import PASSWORD, make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Any:
    yield make_shop(policies={"cashier_refund_most": "100.00"}, stored_value={"bonuses": []})
    forget_versions()


@pytest.fixture
def desk(shop: Store) -> Desk:
    return Desk(make_staff(Role.CASHIER, all_stores=False, store_ids=[shop.id]))


def begin(desk: Desk, order: dict[str, Any], **part: str) -> Any:
    return desk.client.post(f"/cashier/exchange/{order['id']}", part)


def sums(page: str) -> dict[str, str]:
    """What stands in the column of totals, by its words."""
    found = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    total = re.search(r'role="status"><span>([^<]*)</span><b class="num">([^<]*)</b>', page)
    return {**dict(found), **({total[1]: total[2]} if total else {})}


def confirm(desk: Desk, status: int = 204, **more: str) -> str:
    return desk.post("commit", status, **desk.ticket(), **more)


def test_a_part_comes_back_and_other_goods_go_out_in_one_act(desk: Desk) -> None:
    buyer = make_member(now=clock.now())
    order = sell(("A", 3), member=buyer, now=clock.now())
    assert begin(desk, order, goods1="2").headers["Location"] == "/cashier"
    page = desk.page()
    assert order["number"] in page and buyer.number in page and sums(page)["Money back"] == "¥20.00"
    assert not Refund.objects.exists()
    desk.post("scan", text="2*B")
    shown = sums(desk.page())
    assert (shown["The new goods"], shown["Money back"], shown["To pay out"]) == (
        "¥5.00",
        "-¥20.00",
        "¥15.00",
    )
    desk.post("scan", text="3*A")
    assert sums(desk.page())["Amount due"] == "¥15.00"
    said = confirm(desk, 422, reason="  ")
    assert "Say why" in said and desk.events["desk"]["focus"] == "reason" and not Refund.objects.exists()
    ticket = desk.ticket()
    desk.post("commit", 204, **ticket, reason="another size")
    made = Refund.objects.get()
    new = Order.objects.get(id=made.exchange_order_id)
    assert (made.kind, made.payable_minor, made.reason) == ("exchange", 2_000, "another size")
    assert (new.payable_minor, new.member_id, new.system) == (3_500, buyer.id, "desk")
    assert desk.location == f"/cashier/receipt/{new.id}"
    # The same form again leads to the receipt and books nothing.
    desk.post("commit", 204, **ticket, reason="another size")
    assert desk.location == f"/cashier/receipt/{new.id}" and Refund.objects.count() == 1
    receipt = desk.client.get(f"/cashier/receipt/{new.id}").content.decode()
    assert new.number in receipt and order["number"] in receipt and sums(receipt)["Amount due"] == "¥15.00"
    back = desk.client.get(f"/cashier/refund/{order['id']}").content.decode()
    assert new.number in back and f"/cashier/receipt/{new.id}" in back
    assert find_exchange(new.id)["money_back_minor"] == 2_000 and find_exchange(made.order_id) is None  # type: ignore[index,arg-type]
    assert "desk-exchange" not in desk.page()
    assert reconcile().is_clean


def test_after_a_part_the_rest_is_exchanged_only_when_somebody_says_so(desk: Desk, shop: Store) -> None:
    order = sell(("A", 3), now=clock.now())
    path = f"/cashier/refund/{order['id']}"
    assert "Given back so far" not in desk.client.get(path).content.decode()
    refund_order(
        actor=TILL,
        order_id=order["id"],
        reason="x",
        now=clock.now(),
        request=RefundRequest((LineBack(1, 1_000, None),)),
    )
    # The receipt's F8, and F8 again: nothing was chosen, so nothing goes to the desk.
    page = desk.client.get(path).content.decode()
    told = dict(re.findall(r'<dt>([^<]*)</dt><dd class="num">([^<]*)</dd>', page))
    assert (told["Given back so far"], told["Left of the sale"]) == ("¥10.00", "¥20.00")
    assert 'name="goods1" value=""' in page and 'id="refund"' not in page and 'name="rest"' not in page
    assert begin(desk, order).headers["Location"] == path
    assert (
        "desk-exchange" not in desk.page()
        and "A part was given back" in desk.client.get(path).content.decode()
    )
    assert begin(desk, order, goods1="1").headers["Location"] == "/cashier"
    # Everything that is left, once that was chosen.
    page = desk.client.get(path, {"rest": "1"}).content.decode()
    assert 'name="rest" value="1"' in page.split('id="exchange"')[1]
    assert begin(desk, order, rest="1").headers["Location"] == "/cashier"
    assert sums(desk.page())["Money back"] == "¥20.00"


def test_what_comes_back_pays_at_once(desk: Desk) -> None:
    """Points, principal and the money of the first sale are there for the second."""
    buyer, now = make_member(now=clock.now()), clock.now()
    sell(("A", 20), member=buyer, now=now - timedelta(minutes=2))
    top_up(actor=TILL, member_id=buyer.id, store="S1", amount_minor=3_000, tender="cash", now=now)
    tenders = (TenderRequest("stored_value", 3_000),)
    order = sell(("A", 4), member=buyer, points=200, now=now, tenders=tenders)
    assert Account.objects.get(member_id=buyer.id, asset="stored_value").balance == 0
    begin(desk, order)
    desk.post("scan", text="5*A")
    desk.post("points", points="200")
    desk.post("stored-value", stored="30")
    shown = sums(desk.page())
    assert shown["Back to the stored value"] == "¥30.00" and shown["Stored value"] == "-¥30.00"
    seen = desk.ticket()["seen"]
    confirm(desk, reason="another size")
    new = Order.objects.get(id=Refund.objects.get().exchange_order_id)
    due = new.payable_minor - 3_000
    assert list(OrderTender.objects.filter(order=new).values_list("kind", "amount_minor")) == [
        ("stored_value", 3_000)
    ]
    found = find_exchange(new.id)
    assert new.points_used == 200 and found and str(due - found["money_back_minor"]) == seen
    assert reconcile().is_clean


def test_rights_are_those_of_a_refund(desk: Desk, shop: Store) -> None:
    order = sell(("A", 11), now=clock.now())
    begin(desk, order)
    desk.post("scan", text="A")
    assert 'id="approver"' in desk.page() and "up to ¥100.00 alone" in desk.page()
    assert "has to sign" in confirm(desk, 422, reason="x") and desk.events["desk"]["focus"] == "approver"
    boss = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[shop.id])
    boss.set_password(PASSWORD)
    boss.save()
    wrong = {"reason": "x", "approver": boss.username, "approver_password": "wrong"}
    said = confirm(desk, 422, **wrong)
    assert "Nobody with this name" in said and boss.username in said and "wrong" not in said
    assert not Refund.objects.exists()
    confirm(desk, **{**wrong, "approver_password": PASSWORD})
    signed = AuditEvent.objects.get(action="checkout.refund_approved.v1")
    assert signed.actor_id == boss.id and signed.data == {"asked_by": Refund.objects.get().actor}
    # Who may not refund, or whose store it is not, begins none; who lost the right meanwhile books none.
    elsewhere = sell(("A", 1), store="S2", now=clock.now())
    assert begin(desk, elsewhere).status_code == 404
    assert begin(Desk(make_staff(Role.MARKETER)), order).status_code == 403
    again = sell(("A", 1), now=clock.now())
    begin(desk, again)
    desk.post("scan", text="A")
    Staff.objects.filter(id=desk.staff.id).update(store_ids=[elsewhere_store().id])
    assert 'id="commit" disabled' in desk.page() and order["number"] not in desk.page()
    desk.post("commit", 422, **desk.ticket(), reason="x")
    assert Refund.objects.count() == 1


def elsewhere_store() -> Store:
    return Store.objects.get(code="S2")


def test_what_cannot_come_back_is_said_and_the_sale_goes_on_without_it(desk: Desk) -> None:
    order = sell(("A", 2), now=clock.now())
    # More than was bought: back to the page of the refund, which says so.
    wrong = begin(desk, order, goods1="5")
    assert wrong.headers["Location"] == f"/cashier/refund/{order['id']}?goods1=5"
    assert "desk-exchange" not in desk.page()
    begin(desk, order, goods1="2")
    desk.post("scan", text="A")
    refund_order(actor=TILL, order_id=order["id"], reason="a colleague", now=clock.now())
    page = desk.page()
    assert "already refunded" in page and 'id="commit" disabled' in page
    assert confirm(desk, 422, reason="x") and Refund.objects.count() == 1
    desk.post("exchange/drop", 204)
    assert desk.quantities() == {"A": "1"} and "desk-exchange" not in desk.page()
    confirm(desk)
    assert Order.objects.count() == 2


def test_it_stays_with_the_member_who_bought_and_leaves_other_carts_alone(desk: Desk) -> None:
    now = clock.now()
    buyer, other = make_member(now=now), make_member(now=now)
    order = sell(("A", 2), member=buyer, now=now)
    desk.post("pick", member=str(other.id))
    desk.post("scan", text="B")
    assert begin(desk, order).headers["Location"] == f"/cashier/refund/{order['id']}"
    assert other.number in desk.page() and "desk-exchange" not in desk.page()
    desk.post("clear")
    begin(desk, order)
    desk.post("pick", member=str(other.id))
    assert buyer.number in desk.page() and other.number not in desk.page()
    desk.post("clear", 204)
    assert "desk-exchange" not in desk.page() and not Refund.objects.exists()


def test_a_page_that_shows_something_else_books_nothing(desk: Desk) -> None:
    """Two windows of one desk: the exchange was begun, or left, in the other."""
    order = sell(("A", 2), now=clock.now())
    desk.post("scan", text="A")
    plain = desk.ticket()
    begin(desk, order)
    both = desk.ticket()
    desk.post("commit", 204, **plain)
    assert desk.location == "/cashier"
    desk.post("exchange/drop", 204)
    desk.post("commit", 204, **both, reason="x")
    assert desk.location == "/cashier" and Order.objects.count() == 1 and not Refund.objects.exists()


def test_an_amount_that_changed_meanwhile_is_shown_first(desk: Desk) -> None:
    buyer, now = make_member(now=clock.now()), clock.now()
    order = sell(("A", 2), member=buyer, now=now)
    begin(desk, order, goods1="1")
    desk.post("scan", text="A")
    old = desk.ticket()
    desk.post("scan", text="B")
    assert "The total is now ¥2.50" in desk.post("commit", 422, **old, reason="x")
    assert not Refund.objects.exists()


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "换货"), ("zh-hant", "換貨")])
def test_it_speaks_chinese(desk: Desk, language: str, words: str) -> None:
    order = sell(("A", 2), member=make_member(now=clock.now()), now=clock.now())
    desk.client.cookies["shuke_language"] = language
    begin(desk, order)
    desk.post("scan", text="B")
    page = desk.page()
    assert words in page and not re.search(r">[^<{]*\b(goods|Money|Exchange|pay)\b[^<]*<", page)


def test_the_page_of_an_order_leads_to_refund_and_exchange_for_those_who_may(shop: Store) -> None:
    buyer = make_member(now=clock.now())
    order = sell(("A", 2), member=buyer, now=clock.now())
    there = f"/cashier/refund/{order['id']}"
    for role, is_led in ((Role.STORE_MANAGER, True), (Role.AUDITOR, False)):
        page = Desk(make_staff(role)).client.get(f"/orders/{order['id']}")
        assert page.status_code == 200 and (there in page.content.decode()) == is_led, role
    manager = Desk(make_staff(Role.STORE_MANAGER)).client
    assert there in manager.get(f"/members/{buyer.id}/orders/{order['id']}").content.decode()
    refund_order(actor=TILL, order_id=order["id"], reason="back", now=clock.now())
    assert there not in manager.get(f"/orders/{order['id']}").content.decode()
