"""The frame at work: keyboard, menus, drawer, dialogs, sign-in, choices that last."""

from __future__ import annotations

from typing import Any

import pytest

from shuke.catalog.models import Store
from shuke.core.models import Staff
from shuke.core.values import Role
from shuke.kit.ids import uuid7
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import PASSWORD, staff_named
from tests.factories.catalog import make_store

LAPTOP = Look("light", "en", 1440)
# Every theme, language and width once, where the full product would only repeat the sign-in page.
SOME_LOOKS = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 390),
    Look("dark", "en", 1440),
    Look("light", "en", 390),
]
some_looks = pytest.mark.parametrize("look", SOME_LOOKS, ids=str)


@some_looks
def test_sign_in_with_wrong_and_right_password(screen: OpenScreen, look: Look) -> None:
    name = f"cashier.{uuid7()}"
    staff_named(name, Role.OWNER, "李收银")
    window = screen(look)
    window.goto("/overview")
    page = window.page
    assert page.url.endswith("/login?next=/overview")
    page.fill("#id_username", name)
    page.fill("#id_password", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    window.settle()
    window.shot("login-wrong")
    assert window.problems() == []
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/overview")


@some_looks
def test_five_wrong_passwords_pause_the_account(screen: OpenScreen, look: Look) -> None:
    name = f"stranger.{uuid7()}"  # a fresh account: the database may be kept from an earlier run
    staff_named(name, Role.CASHIER, "李收银")
    window = screen(look)
    window.goto("/login")
    page = window.page
    for _attempt in range(5):
        page.fill("#id_username", name)
        page.fill("#id_password", "wrong")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    window.settle()
    assert page.locator("h1").count() == 1
    assert "15" in page.locator("main").inner_text()
    window.shot("locked-out")
    assert window.problems() == []


def test_a_role_without_the_permission_sees_why(screen: OpenScreen, look: Look) -> None:
    window = screen(look, staff_named("cashier", Role.CASHIER, "李收银"))
    assert window.goto("/overview") == 403
    window.shot("forbidden")
    assert window.problems() == []


def test_slash_finds_a_member(components: None, screen: OpenScreen, owner: Staff) -> None:
    window = screen(LAPTOP, owner)
    window.goto("/gallery")
    window.page.keyboard.press("/")
    assert window.page.evaluate("() => document.activeElement.name") == "q"
    window.page.keyboard.type("138/")
    assert window.page.input_value("[name=q]") == "138/"


def test_menus_by_keyboard(components: None, screen: OpenScreen, owner: Staff) -> None:
    window = screen(LAPTOP, owner)
    window.goto("/gallery")
    page = window.page
    page.locator("summary[aria-label=Appearance]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".menu-list:visible")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert "Dark" in page.evaluate("() => document.activeElement.textContent")
    page.keyboard.press("Escape")
    assert page.locator(".menu-list:visible").count() == 0
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Appearance"


def test_the_store_menu_loads_when_opened_and_narrows_the_screens(
    components: None,
    screen: OpenScreen,
    owner: Staff,
) -> None:
    for number in range(1, 15):
        if not Store.objects.filter(code=f"E2E{number:03}").exists():
            make_store(f"E2E{number:03}")
    window = screen(LAPTOP, owner)
    window.goto("/gallery")
    page = window.page
    page.locator("summary:has-text('All stores')").click()
    page.wait_for_selector("[data-sift]")
    window.shot("menu-stores")
    assert window.axe() == []
    page.fill("[data-sift]", "e2e014")
    assert page.locator(".menu-row[name=store]:visible").count() == 1
    with page.expect_navigation():
        page.locator(".menu-row[name=store]:visible").click()
    assert page.url.endswith("/gallery")
    assert Store.objects.get(code="E2E014").name in page.locator(".topbar").inner_text()
    assert window.policy_violations() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_drawer_on_a_phone(components: None, screen: OpenScreen, owner: Staff, theme: str) -> None:
    window = screen(Look(theme, "zh-hans", 390), owner)
    window.goto("/gallery")
    page = window.page
    assert not page.locator("#sidebar").is_visible()
    page.locator("[popovertarget=sidebar]").click()
    assert page.locator("#sidebar").is_visible()
    window.page.wait_for_timeout(200)
    window.shot("drawer")
    assert window.axe() == []
    page.mouse.click(380, 700)
    assert not page.locator("#sidebar").is_visible()
    page.locator("summary:has(.ava)").click()
    window.shot("menu-account")
    assert window.axe() == []
    assert window.overflow() == []


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dialogs_and_toasts(
    components: None,
    screen: OpenScreen,
    owner: Staff,
    theme: str,
    width: int,
) -> None:
    window = screen(Look(theme, "zh-hans", width), owner)
    window.goto("/gallery?toasts=1")
    page = window.page
    assert page.locator(".toast-row").count() == 2
    page.locator("[data-dialog=new-dialog]").click()
    window.shot("dialog")
    assert window.axe() == []
    page.keyboard.press("Escape")
    posts: list[Any] = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    page.fill("[name=store_code]", "S001")
    page.locator("form[data-confirm] .btn-primary").click()
    assert page.locator("#sure").is_visible()
    window.shot("confirm")
    assert window.axe() == []
    page.locator("#sure [data-close]").click()
    assert posts == []
    page.locator("form[data-confirm] .btn-primary").click()
    with page.expect_navigation():
        page.locator("#sure [data-yes]").click()
    assert len(posts) == 1


def test_theme_and_language_last(screen: OpenScreen, owner: Staff) -> None:
    window = screen(Look("auto", "en", 1440), owner)
    window.goto("/overview")
    page = window.page
    assert page.get_attribute("html", "data-theme") == "light"
    page.locator("summary[aria-label=Appearance]").click()
    page.locator("[data-theme-set=dark]:visible").click()
    assert page.get_attribute("html", "data-theme") == "dark"
    page.locator("summary[aria-label=Language]").click()
    with page.expect_navigation():
        page.locator("button[value=zh-hant]:visible").click()
    assert page.url.endswith("/overview")
    assert page.get_attribute("html", "lang") == "zh-Hant"
    assert page.get_attribute("html", "data-theme") == "dark"
    assert "營運總覽" in page.inner_text("h1")


@some_looks
def test_chinese_uses_chinese_glyphs(screen: OpenScreen, look: Look) -> None:
    window = screen(look)
    window.goto("/login")
    session = window.page.context.new_cdp_session(window.page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})["nodeId"]
    fonts = [
        font["familyName"] for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    ]
    wanted = {"zh-hans": "SC", "zh-hant": "TC", "en": "Inter"}[look.language]
    assert fonts and all(wanted in font for font in fonts)
