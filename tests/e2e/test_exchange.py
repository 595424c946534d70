"""Goods back for other goods in a real browser, by keyboard only; and a gift card that is paid back. Sound in every look."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import expect

from shuke.catalog.models import Store
from shuke.checkout.models import GiftCard, Order, Refund
from shuke.checkout.values import TenderRequest
from shuke.core.values import Role
from shuke.kit import clock
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import staff_named
from tests.e2e.programmes import in_force
from tests.e2e.test_desk import CAKE, LAPTOP, MILK, PEARS, desk_opened, shop, type_into
from tests.e2e.test_prepaid import LOOKS, MORE, card, cashier, check, counter, member
from tests.factories.checkout import sell
from tests.factories.loyalty import DEMO

__all__ = ["counter", "shop"]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_goods_are_exchanged_by_keyboard(screen: OpenScreen, counter: Store, look: Look) -> None:
    buyer = member(counter)
    tenders = (TenderRequest("stored_value", 5_000), TenderRequest("cash"))
    order = sell(
        (CAKE, 1),
        (PEARS, 2),
        member=buyer,
        points=200,
        store="S01",
        now=clock.now(),
        number=secrets.token_hex(6),
        tenders=tenders,
    )
    window = screen(look, cashier(counter, f"x{LOOKS.index(look)}"))
    page = window.page
    window.goto(f"/cashier/refund/{order['id']}")
    page.wait_for_load_state("load")
    page.locator("#part [name=goods2]").focus()
    page.keyboard.type("9")
    page.keyboard.press("F8")  # typed, not worked out: it goes along all the same
    page.wait_for_url("**goods2=9**")
    page.wait_for_load_state("load")
    assert page.inner_text("#wrong").strip()
    check(window, "exchange-part-refused")
    page.locator("#part [name=goods2]").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("1")
    page.locator("#part [name=goods1]").focus()
    page.keyboard.type("1")
    page.keyboard.press("F8")
    desk_opened(page)
    expect(page.locator("#desk-exchange")).to_contain_text(order["number"])
    expect(page.locator("#scan")).to_be_focused()
    check(window, "exchange-empty", words=frozenset({order["number"]}))
    type_into(page, "F3", MILK)
    expect(page.locator(".desk-line")).to_have_count(1)
    expect(page.locator("#commit")).to_be_enabled()
    check(window, "exchange-out", words=frozenset({order["number"]}))
    type_into(page, "F3", f"2*{CAKE}")
    expect(page.locator(".desk-line")).to_have_count(2)
    window.settle()
    page.keyboard.press("F9")  # first why
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.type("换一个口味")
    page.keyboard.press("F9")
    page.wait_for_url("**/cashier/receipt/*")
    made = Refund.objects.get(order_id=order["id"])
    new = Order.objects.get(id=made.exchange_order_id)
    assert (made.kind, made.reason, new.member_id) == ("exchange", "换一个口味", buyer.id)
    slip = page.inner_text(".slip")
    assert new.number in slip and order["number"] in slip
    check(window, "exchange-receipt", words=frozenset({order["number"]}))
    window.goto(f"/cashier/refund/{order['id']}")
    assert new.number in page.inner_text(".slip")
    check(window, "exchange-old-order", words=frozenset({order["number"]}))


@pytest.mark.parametrize("look", [LAPTOP, Look("dark", "en", 390)], ids=str)
def test_beyond_the_limit_an_exchange_is_signed(screen: OpenScreen, counter: Store, look: Look) -> None:
    order = sell((CAKE, 9), store="S01", now=clock.now(), number=secrets.token_hex(6))
    window = screen(look, cashier(counter, f"y{look.width}"))
    page = window.page
    window.goto(f"/cashier/refund/{order['id']}")
    page.wait_for_load_state("load")
    page.keyboard.press("F8")
    desk_opened(page)
    type_into(page, "F3", f"8*{CAKE}")
    expect(page.locator("#commit")).to_be_enabled()
    window.settle()
    boss = staff_named("m1", Role.STORE_MANAGER, "王店长")
    words = frozenset({order["number"], boss.username})
    for field, typed in (("reason", "换货"), ("approver", boss.username), ("approver_password", "wrong one")):
        page.keyboard.press("F9")  # goes to what is missing
        expect(page.locator(f"#{field}")).to_be_focused()
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_selector("#approver_error")
    expect(page.locator("#approver")).to_be_focused()
    assert page.input_value("#approver_password") == ""
    check(window, "exchange-signing", words=words)
    page.keyboard.press("F9")
    expect(page.locator("#approver_password")).to_be_focused()
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cashier/receipt/*")
    assert Refund.objects.get(order_id=order["id"]).kind == "exchange"
    assert re.search(r"\d", page.inner_text(".slip-total"))


@pytest.mark.parametrize("look", [LAPTOP, Look("dark", "zh-hant", 390), Look("light", "en", 390)], ids=str)
def test_a_gift_card_is_paid_back(screen: OpenScreen, counter: Store, look: Look) -> None:
    in_force((DEMO + MORE).replace("gift_cards: {most: 1000}", "gift_cards: {most: 1000, returnable: true}"))
    code = card()
    window = screen(look, cashier(counter, f"z{look.width}{look.theme[0]}"))
    page = window.page
    window.goto("/gift-cards")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_selector("#to-return")
    check(window, "gift-check-returnable", words=frozenset({code[-4:]}))
    page.locator("#to-return").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#return-card")
    check(window, "gift-return", words=frozenset({code[-4:]}))
    page.locator("#return-card").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".field-error")
    check(window, "gift-return-refused", words=frozenset({code[-4:]}))
    page.locator("#return_reason").focus()
    page.keyboard.type("顾客不想要了")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gift-cards")
    assert GiftCard.objects.get(last_four=code[-4:]).status == "returned"
    check(window, "gift-returned", words=frozenset({code[-4:]}))
