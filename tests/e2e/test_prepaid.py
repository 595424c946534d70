"""Prepaid money and rewards in a real browser: paid with by keyboard, given back in parts, redeemed; sound in every look."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from shuke.catalog.models import Store
from shuke.checkout.allowances import issue_allowance
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards
from shuke.checkout.models import GiftCard, Order, OrderTender, Refund
from shuke.checkout.stored_value import top_up
from shuke.core.models import Staff
from shuke.core.values import SYSTEM, Role
from shuke.kit import clock
from shuke.members.models import Member
from shuke.rewards.catalogue.models import Redemption
from tests.e2e.browser import Look, Screen
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import staff_named
from tests.e2e.programmes import in_force
from tests.e2e.test_desk import CAKE, KEYS, LAPTOP, PEARS, desk_opened, member_with, phones, shop, type_into
from tests.factories.checkout import sell
from tests.factories.ledger import give
from tests.factories.loyalty import DEMO

__all__ = ["shop"]
LOOKS = [
    LAPTOP,
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 390),
    Look("dark", "zh-hans", 390),
]
MORE = """
stored_value:
  bonuses:
    - id: b500
      name: {zh-Hans: 充五百送五十, zh-Hant: 儲五百送五十, en: 500 gives 50}
      from: 500
      give: 50
      instalments: 5
      every: month
gift_cards: {most: 1000}
offline: {allowance: 100, allowance_points: 500, allowance_hours: 12}
rewards:
  - code: mug
    name: {zh-Hans: 联名马克杯, zh-Hant: 聯名馬克杯, en: Mug}
    kind: goods
    points: 300
    cash: 9.90
    stock: 50
    collect_days: 7
  - {code: tote, name: {zh-Hans: 帆布袋, zh-Hant: 帆布袋, en: Tote bag}, kind: goods, points: 99000, collect_days: 7}
"""


@pytest.fixture
def counter(shop: Store) -> Iterator[Store]:
    """The grocer, with prepaid money, gift cards, offline allowances and rewards."""
    in_force(DEMO + MORE)
    yield shop


def cashier(shop: Store, name: str) -> Staff:
    staff = staff_named(name, Role.CASHIER, "李收银")
    Staff.objects.filter(id=staff.id).update(all_stores=False, store_ids=[shop.id])
    return staff


def member(shop: Store) -> Member:
    """Somebody with points and 600.00 of prepaid money; found by the last four digits of `phones`."""
    made = member_with(shop, "林若溪", phones()[0], 0)
    give(made.id, 5000, at=clock.now() - timedelta(days=2))
    top_up(actor=SYSTEM, member_id=made.id, store="S01", amount_minor=60_000, tender="card", now=clock.now())
    return made


def card(*, sold: bool = True) -> str:
    made = issue_gift_cards(actor=SYSTEM, face_minor=5_000, count=1, now=clock.now())
    code = codes_of([made[0].id])[0]
    if sold:
        activate_gift_cards(actor=SYSTEM, codes=[code], store="S01", tender="cash", now=clock.now())
    return code


def check(window: Screen, name: str, *, words: frozenset[str] = frozenset()) -> None:
    window.settle()
    window.shot(name, whole=True)
    pieces = {part for word in words for part in re.findall(r"[A-Za-z]{3,}", word)}
    assert window.problems(words=KEYS | pieces) == [], name


def shown(page: Page, order: Order) -> None:
    page.wait_for_url("**/cashier/receipt/*")
    assert order.number in page.inner_text(".slip")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_sale_is_paid_with_a_gift_card_and_stored_value_and_goes_back_in_parts_by_keyboard(
    screen: OpenScreen, counter: Store, look: Look
) -> None:
    buyer, code = member(counter), card()
    window = screen(look, cashier(counter, f"p{LOOKS.index(look)}"))
    page = window.page
    window.goto("/cashier")
    desk_opened(page)
    type_into(page, "F2", buyer.number)
    page.wait_for_selector(".desk-card")
    type_into(page, "F3", f"2*{CAKE}")
    expect(page.locator(".desk-line")).to_have_count(1)
    type_into(page, "F3", code)  # scanned like a product
    expect(page.locator(".desk-sums")).to_contain_text(code[-4:])
    window.settle()  # the cursor is back where the next key expects it
    # The last digits of the card on the screen and on the slip, and the example in the field for it.
    latin = frozenset({"ABCD", "EFGH", *re.findall(r"[A-Za-z]{3,}", code[-4:])})
    type_into(page, "F7", "1000")
    page.wait_for_selector("#stored-note")  # less is used: that is said, not refused
    check(window, "pay-less", words=latin)
    expect(page.locator("#commit")).to_be_focused()
    type_into(page, "F7", "100")
    page.wait_for_selector("#stored-note", state="detached")
    expect(page.locator("#commit")).to_be_focused()
    page.keyboard.press("F7")
    page.keyboard.press("F7")
    expect(page.locator("#gift")).to_be_focused()
    page.keyboard.type("ABCD-EFGH")
    page.keyboard.press("Enter")
    page.wait_for_selector("#gift-error svg")
    check(window, "pay-card-refused", words=latin)
    page.fill("#gift", "")
    page.keyboard.press("F9")
    expect(page.locator("#commit")).to_be_focused()
    check(window, "pay-ready", words=latin)
    page.keyboard.press("F9")
    page.wait_for_url("**/cashier/receipt/*")
    order = Order.objects.filter(member_id=buyer.id, system="desk").latest("id")
    paid = OrderTender.objects.filter(order_id=order.id).order_by("seq").values_list("kind", "amount_minor")
    # Principal and bonus money pay in proportion, as the programme says.
    assert [kind for kind, _minor in paid] == ["gift_card", "stored_value", "bonus"]
    assert paid[0][1] == 5_000 and paid[1][1] + paid[2][1] == 10_000

    window.goto(f"/cashier/refund/{order.id}")
    page.locator("#part [name=goods1]").focus()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.wait_for_url("**goods1=1**")
    check(window, "part-plan", words=latin)
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.type("顾客退货")
    page.keyboard.press("Enter")
    page.wait_for_selector(".desk-sold .text-ok")
    first = Refund.objects.get(order_id=order.id)
    assert 0 < first.payable_minor < order.payable_minor
    expect(page.locator("#to-desk")).to_be_focused()
    assert page.locator("#refund").count() == 0  # the rest is not worked out unasked
    assert page.evaluate("() => scrollY") == 0
    check(window, "part-done", words=latin)
    page.locator("#rest").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**rest=1**")
    page.wait_for_load_state("load")
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.type("顾客退货")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sure[open]")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".slip footer b")
    given = [each.payable_minor for each in Refund.objects.filter(order_id=order.id)]
    assert len(given) == 2 and sum(given) == order.payable_minor


@pytest.mark.parametrize("look", [LAPTOP, Look("dark", "en", 390)], ids=str)
def test_beyond_the_limit_the_page_asks_for_a_second_person(
    screen: OpenScreen, counter: Store, look: Look
) -> None:
    order = sell((CAKE, 9), store="S01", now=clock.now(), number=secrets.token_hex(6))
    window = screen(look, cashier(counter, f"s{look.width}"))
    page = window.page
    window.goto(f"/cashier/refund/{order['id']}")
    page.wait_for_selector("#approver")
    check(window, "refund-signing")
    boss = staff_named("m1", Role.STORE_MANAGER, "王店长")
    page.fill("#reason", "顾客退货")
    page.fill("#approver", boss.username)
    page.fill("#approver_password", "wrong password")
    page.keyboard.press("Enter")
    page.locator("#sure [data-yes]").click()
    page.wait_for_selector("#approver_error")
    check(window, "refund-signing-refused", words=frozenset({boss.username}))
    page.fill("#approver_password", "correct horse battery")
    page.keyboard.press("Enter")
    page.locator("#sure [data-yes]").click()
    page.wait_for_selector(".slip footer b")
    assert Refund.objects.filter(order_id=order["id"]).count() == 1
    today = sell((PEARS, 1), store="S01", now=clock.now(), number=secrets.token_hex(6))
    window.goto(f"/cashier/refund/{today['id']}/void")
    check(window, "void")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_reward_is_redeemed_and_handed_over(screen: OpenScreen, counter: Store, look: Look) -> None:
    who = member(counter)
    window = screen(look, staff_named("o1", Role.OWNER, "周敏"))
    page = window.page
    window.goto("/rewards")
    check(window, "rewards")
    till = screen(look, cashier(counter, f"r{LOOKS.index(look)}"))
    page = till.page
    till.goto(f"/members/{who.id}/rewards")
    check(till, "member-rewards")
    page.locator("form:has([name=reward][value=mug]) button.btn-primary").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#redeem[open]")  # asks first
    assert not Redemption.objects.filter(member_id=who.id).exists()
    check(till, "member-rewards-sure")
    page.locator("#redeem [name=sure]").click()
    page.wait_for_url("**/redemptions/*")
    made = Redemption.objects.get(member_id=who.id)
    assert (made.reward, made.points, made.cash_minor) == ("mug", 300, 990)
    check(till, "redemption", words=frozenset({"S01"}))
    code = page.locator(".tracking-wider").inner_text().replace(" ", "")
    till.goto("/redemptions")
    check(till, "redemptions")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/redemptions/{made.id}")
    page.locator("[name=act][value=hand_over]").click()
    page.wait_for_selector("#sure-hand-over[open]")  # asks first
    made.refresh_from_db()
    assert made.status != "done"
    page.locator("#sure-hand-over [data-yes]").click()
    page.wait_for_selector("[data-yes]", state="detached")
    page.wait_for_load_state("load")
    made.refresh_from_db()
    assert made.status == "done"


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_of_prepaid_money_are_sound(screen: OpenScreen, counter: Store, look: Look) -> None:
    who, sold, fresh = member(counter), card(), card(sold=False)
    window = screen(look, cashier(counter, f"t{LOOKS.index(look)}"))
    page = window.page
    window.goto(f"/members/{who.id}/stored-value")
    check(window, "stored")
    page.fill("#top_up_amount", "500")
    page.keyboard.press("Enter")
    page.wait_for_selector("#top-up")
    check(window, "stored-quote")
    page.keyboard.press("Enter")
    page.wait_for_selector("#work-out")
    page.locator("details:has(#return-card) > summary").click()
    check(window, "stored-return")
    window.goto("/gift-cards")
    page.keyboard.type(sold)
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status] .desk-amount")
    check(window, "gift-check", words=frozenset({sold[-4:]}))
    window.goto("/gift-cards/sell")
    page.fill("#id_codes", fresh)
    check(window, "gift-sell")
    page.locator("#work-out").click()
    page.wait_for_selector("#sell")
    check(window, "gift-sell-quote", words=frozenset({fresh[-4:]}))
    page.locator("#sell").click()
    page.wait_for_url("**/gift-cards")
    assert GiftCard.objects.filter(last_four=fresh[-4:], status="active").exists()

    issue_allowance(actor=SYSTEM, member_id=who.id, device="POS-7", store="S01", now=clock.now())
    boss = screen(look, staff_named("o1", Role.OWNER, "周敏"))
    last = frozenset(GiftCard.objects.values_list("last_four", flat=True))
    for name, path in (
        ("gift-list", "/gift-cards"),
        ("gift-new", "/gift-cards/new"),
        ("gift-card", f"/gift-cards/{GiftCard.objects.get(last_four=sold[-4:]).id}"),
        ("offline", "/offline"),
        ("member-offline", f"/members/{who.id}/offline"),
    ):
        assert boss.goto(path) == 200
        check(boss, name, words=last | {"POS", "shuke"})
