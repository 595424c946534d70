"""A shift at the cashier's desk in a real browser, by keyboard only: member, three items, points, tier, receipt, refund."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from shuke.catalog.models import Category, Product, Store
from shuke.catalog.operations import create_product, create_store, ensure_channel
from shuke.checkout.models import Order, Refund
from shuke.core.models import Staff
from shuke.core.values import SYSTEM, Role
from shuke.kit import clock
from shuke.loyalty.queries import programme_at
from shuke.members.models import Member
from shuke.members.operations import register_member
from shuke.members.profile import Profile
from shuke.members.qr import issue_qr
from tests.e2e.browser import Look, Screen
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import staff_named
from tests.e2e.programmes import in_force
from tests.factories.checkout import sell
from tests.factories.core import NOW
from tests.factories.loyalty import DEMO

LAPTOP = Look("light", "zh-hans", 1440)
# Every theme, language and width; the whole product would take minutes and repeat itself.
LOOKS = [
    LAPTOP,
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 1440),
    Look("dark", "zh-hans", 390),
    Look("light", "zh-hant", 390),
    Look("dark", "en", 390),
]
KEYS = frozenset({"Esc"})
MILK, PEARS, CAKE = "6901001", "6901002", "6901003"


@pytest.fixture
def shop() -> Iterator[Store]:
    """A grocer with the demo's programme in force, three products with prices and one without."""
    current = programme_at(clock.now())
    if current is None or current.programme.code != "xianji":
        in_force(DEMO)
    ensure_channel("pos", "门店收银")
    for code, name in (("S01", "朝阳大悦城店"), ("S02", "望京店")):
        if not Store.objects.filter(code=code).exists():
            create_store(actor=SYSTEM, now=NOW, code=code, name=name, region="华北")
    goods = [
        (MILK, "有机纯牛奶 250ml", "DAIRY", 2990), (PEARS, "库尔勒香梨 约 1kg", "PRODUCE", 1680),
        (CAKE, "抹茶巴斯克蛋糕", "PASTRY", 8800), ("6901004", "现称散装坚果", "GROCERY", None),
        ("6901005", "脱脂高钙牛奶 1L 家庭装", "DAIRY", 1890),
    ]  # fmt: skip
    for sku, name, category, price in goods:
        if not Product.objects.filter(sku=sku).exists():
            create_product(actor=SYSTEM, now=NOW, sku=sku, name=name, category=category, price_minor=price)
    assert Category.objects.filter(path="DAIRY").exists()
    yield Store.objects.get(code="S01")


def cashier_of(shop: Store, name: str) -> Staff:
    staff = staff_named(name, Role.CASHIER, "李收银")
    Staff.objects.filter(id=staff.id).update(
        all_stores=False,
        store_ids=list(Store.objects.filter(code__in=("S01", "S02")).values_list("id", flat=True)),
    )
    return staff


def member_with(shop: Store, name: str, phone: str, spent_units: int) -> Member:
    """A member who bought bread for 10.00 × units, so that the next sale lifts them."""
    month = clock.now().month
    member = register_member(
        actor=SYSTEM,
        now=NOW,
        profile=Profile(name=name, phone=phone, birthday=NOW.date().replace(year=1994, month=month, day=17)),
        join_store_id=shop.id,
    )
    if spent_units:
        sell(
            (PEARS, spent_units),
            member=member,
            store="S01",
            number=secrets.token_hex(6),
            now=clock.now() - timedelta(minutes=30),
        )
    return member


def phones() -> tuple[str, str, str]:
    """Two phones with the same last four digits; random, because a test database may be used again."""
    last = f"{secrets.randbelow(10_000):04d}"
    return f"+86138{_four()}{last}", f"+86139{_four()}{last}", last


def _four() -> str:
    return f"{secrets.randbelow(10_000):04d}"


def desk_opened(page: Page) -> None:
    """The desk stands and its keys answer: they come with a deferred script."""
    page.wait_for_selector("#desk")
    page.wait_for_load_state("load")


def type_into(page: Page, key: str, text: str) -> None:
    page.keyboard.press(key)
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def focused(page: Page) -> str:
    return str(page.evaluate("() => document.activeElement.id"))


def check(window: Screen, name: str, *, whole: bool = True) -> None:
    window.settle()
    window.shot(name, whole=whole)
    assert window.problems(words=KEYS) == [], name


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_shift(screen: OpenScreen, shop: Store, look: Look) -> None:
    first, second, last = phones()
    member = member_with(shop, "林若溪", first, 58)
    member_with(shop, "陈浩然", second, 0)
    window = screen(look, cashier_of(shop, f"d{LOOKS.index(look)}"))
    page = window.page

    assert window.goto("/cashier") == 200
    check(window, "desk-store")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk_opened(page)
    assert focused(page) == "scan"
    check(window, "desk-empty")

    type_into(page, "F2", last)
    page.wait_for_selector("#pick-2")
    assert page.evaluate("() => document.activeElement.id") == "pick-1"
    check(window, "desk-candidates")
    while str(member.id) != page.evaluate("() => document.activeElement.value"):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".desk-card")
    expect(page.locator("#scan")).to_be_focused()
    assert "林若溪" not in page.inner_text("#desk-member")

    page.keyboard.type(CAKE)
    page.keyboard.press("Enter")
    page.keyboard.type(f"3*{PEARS}")  # before the answer to the first is there
    page.keyboard.press("Enter")
    expect(page.locator(".desk-line")).to_have_count(2)
    page.keyboard.type("牛奶")
    page.keyboard.press("ArrowDown")  # into the list, which is searched first
    page.wait_for_selector("#found-2")
    expect(page.locator("#found-1")).to_be_focused()
    check(window, "desk-found")
    page.keyboard.press("Enter")
    expect(page.locator(".desk-line")).to_have_count(3)
    page.keyboard.press("F8")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.locator("#qty-3")).to_have_value("2")
    expect(page.locator("#scan")).to_be_focused()
    check(window, "desk-cart")

    type_into(page, "F4", "99999")
    page.wait_for_selector("#points-error")
    assert page.input_value("#points") == "99999"
    check(window, "desk-points-refused")
    before = page.inner_text(".desk-total b")
    type_into(page, "F4", "200")
    expect(page.locator("#commit")).to_be_focused()
    expect(page.locator(".desk-total b")).not_to_have_text(before)
    check(window, "desk-points")

    type_into(page, "F3", "nonsense-42")
    page.wait_for_selector("#scan-error svg")
    assert page.input_value("#scan") == "nonsense-42"
    assert page.locator(".desk-line").count() == 3
    window.settle()
    window.shot("desk-refused", whole=True)
    assert window.axe() == []

    page.keyboard.press("F9")  # what was typed is not sold, so nothing is
    expect(page.locator("#scan-error")).to_contain_text(re.compile("尚未|Not sold yet"))
    expect(page.locator("#scan")).to_be_focused()
    assert not Order.objects.filter(member_id=member.id, system="desk").exists()
    page.keyboard.press("Escape")
    page.keyboard.press("F2")  # nor while somebody is half named
    page.keyboard.type("1390013")
    page.keyboard.press("F9")
    expect(page.locator("#member-error")).to_contain_text("1390013")
    expect(page.locator("#member")).to_be_focused()
    assert not Order.objects.filter(member_id=member.id, system="desk").exists()
    page.keyboard.press("Escape")
    page.keyboard.press("F9")
    page.wait_for_url("**/cashier/receipt/*")
    order = Order.objects.filter(member_id=member.id).latest("id")
    assert order.points_used == 200
    assert order.number in page.inner_text(".slip")
    assert page.locator(".desk-after .tierchip").count() == 1  # classic → silver
    check(window, "desk-receipt")
    page.emulate_media(media="print")
    window.shot("desk-print")
    assert not page.locator(".page-head").is_visible()
    page.emulate_media(media="screen")
    page.reload()
    page.keyboard.press("Escape")
    page.wait_for_url("**/cashier")
    assert page.locator(".desk-line").count() == 0
    assert Order.objects.filter(member_id=member.id, system="desk").count() == 1

    manager = screen(look, staff_named("m1", Role.STORE_MANAGER, "王店长"))
    page = manager.page
    manager.goto("/cashier/refund")
    check(manager, "refund-search")
    page.keyboard.type(last)
    page.keyboard.press("Enter")
    page.wait_for_selector(".desk-row")
    check(manager, "refund-candidates")
    page.goto(f"{manager.base}/cashier/refund?member={member.id}")
    check(manager, "refund-orders")
    manager.goto("/cashier/refund")
    page.keyboard.type(order.number)
    page.keyboard.press("Enter")
    page.wait_for_selector("#reason")
    expect(page.locator("#part [name=goods1]")).to_be_focused()
    check(manager, "refund-plan")
    page.locator("#reason").focus()
    page.keyboard.type("顾客退货")
    page.keyboard.press("Enter")  # asks first: the whole sale
    page.wait_for_selector("#sure[open]")
    assert not Refund.objects.filter(order_id=order.id).exists()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".slip footer b")
    assert page.locator("#reason").count() == 0
    assert "顾客退货" in page.inner_text(".desk-sold")
    check(manager, "refund-done")


@pytest.mark.parametrize("look", [LAPTOP, Look("dark", "en", 390), Look("light", "zh-hant", 390)], ids=str)
def test_new_member_missing_price_and_help(screen: OpenScreen, shop: Store, look: Look) -> None:
    window = screen(look, cashier_of(shop, f"e{look.width}{look.language[-1]}"))
    page = window.page
    window.goto("/cashier")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk_opened(page)
    page.keyboard.press("F1")
    page.wait_for_selector("#desk-keys[open]")
    check(window, "desk-help", whole=False)
    page.keyboard.press("Escape")
    page.keyboard.press("F3")
    page.keyboard.type("?")  # the cursor stands in an empty field, as it does between two sales
    page.wait_for_selector("#desk-keys[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("F3")
    page.keyboard.type("a?")
    expect(page.locator("#scan")).to_have_value("a?")
    page.locator("#scan").fill("")
    page.keyboard.press("F6")
    page.wait_for_selector("#new-name")
    expect(page.locator("#new-name")).to_be_focused()
    page.keyboard.type("王小明")
    page.keyboard.press("Tab")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.wait_for_selector("#new-phone_error")
    check(window, "desk-register-refused")
    page.fill("#new-phone", phones()[0])
    page.keyboard.press("Enter")
    page.wait_for_selector(".desk-card")
    type_into(page, "F3", "6901004")
    page.wait_for_selector("#price-1")
    expect(page.locator("#price-1")).to_be_focused()
    check(window, "desk-price-missing")
    page.keyboard.type("23.80")
    page.keyboard.press("Enter")
    expect(page.locator(".desk-total b")).to_contain_text("23.80")
    page.locator("#desk-lines form[data-confirm] button").click()
    page.wait_for_selector("#desk-clear-sure[open]")
    window.shot("desk-clear")
    page.locator("#desk-clear-sure [data-yes]").click()
    expect(page.locator(".desk-line")).to_have_count(0)
    assert window.problems(words=KEYS) == []


def test_fast_scans_and_a_double_click_lose_and_repeat_nothing(screen: OpenScreen, shop: Store) -> None:
    member = member_with(shop, "欧阳雨桐", phones()[0], 0)
    window = screen(LAPTOP, cashier_of(shop, "f3"))
    page = window.page
    window.goto("/cashier")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk_opened(page)
    for _ in range(12):
        page.keyboard.type(MILK)
        page.keyboard.press("Enter")
    page.keyboard.type(issue_qr(member.id, clock.now())[0])
    page.keyboard.press("Enter")
    expect(page.locator(".desk-card")).to_be_visible()
    expect(page.locator("#qty-1")).to_have_value("12")
    page.locator("#qty-1").fill("5")
    page.locator("#commit").click()  # leaving the field changes the total: the click only leads to the button
    expect(page.locator("#commit")).to_be_focused()
    expect(page.locator(".desk-total b")).to_have_text(re.compile(r"149\.50"))
    assert not Order.objects.filter(member_id=member.id).exists()
    page.locator("#commit").dblclick(no_wait_after=True)
    page.wait_for_url("**/cashier/receipt/*")
    page.go_back()
    desk_opened(page)
    assert page.locator(".desk-line").count() == 0
    assert Order.objects.filter(member_id=member.id).count() == 1
    assert window.errors == []


def test_an_ended_session_leads_to_sign_in_and_the_cart_waits(screen: OpenScreen, shop: Store) -> None:
    from tests.e2e.people import PASSWORD

    staff = cashier_of(shop, "f4")
    window = screen(LAPTOP, staff)
    page = window.page
    window.goto("/cashier")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk_opened(page)
    type_into(page, "F3", MILK)
    expect(page.locator(".desk-line")).to_have_count(1)
    page.context.clear_cookies(name="sessionid")
    type_into(page, "F3", MILK)
    page.wait_for_url("**/login**")
    page.fill("#id_username", staff.username)
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#store")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".desk-line")).to_have_count(1)
