"""The programme, catalogue and administration pages in a real browser: sampled looks, and the steps scripts take part in."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Route

from shuke.catalog.models import Product, Store
from shuke.core.models import ApiKey, AuditEvent, Staff
from shuke.core.values import Role
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import staff_named
from tests.factories.catalog import make_product, make_store
from tests.factories.core import make_key
from tests.factories.loyalty import DEMO, publish

LAPTOP = Look("light", "zh-hans", 1440)
PHONE = Look("dark", "zh-hant", 390)
ENGLISH = Look("dark", "en", 1440)
SMALL = Look("light", "en", 390)
# Codes, demo categories and the editor's document are data: they stay as they are in every language.
DATA = frozenset(
    {"PRODUCE", "SEAFOOD", "SALAD", "BAR", "PASTRY", "CNY", "checkout", "read", "write", "members", "catalog"}
    | {"ledger", "personal", "programme", "key", "reports", "coupons", "codes"}
)


@pytest.fixture
def shop(owner: Staff) -> None:
    """A programme of two versions, a store, a product, a key."""
    if not ProgrammeVersion.objects.exists():
        now = timezone.now()
        publish(DEMO, now=now - timedelta(days=9))
    if ProgrammeVersion.objects.count() == 1:
        source = ProgrammeVersion.objects.get().source
        publish(source + "\n# 2\n" if "threshold: 3000" not in source else source.replace("3000", "3500"))
    forget_versions()
    if not Store.objects.filter(code="80001").exists():
        make_store("80001")
    if not Product.objects.filter(sku="80001").exists():
        make_product(sku="80001")
    if not ApiKey.objects.exists():
        make_key()


def pages() -> dict[str, str]:
    """One address for every page."""
    key = ApiKey.objects.filter(revoked_at__isnull=True).first()
    event = AuditEvent.objects.order_by("-id").first()
    assert key is not None
    assert event is not None
    return {
        "programme": "/programme",
        "programme-versions": "/programme/versions",
        "programme-version": "/programme/versions/2",
        "programme-compare": "/programme/compare?old=1&new=2",
        "programme-publish": "/programme/publish",
        "products": "/products",
        "product": f"/products/{Product.objects.get(sku='80001').id}",
        "product-edit": f"/products/{Product.objects.get(sku='80001').id}/edit",
        "stores": "/stores",
        "store": f"/stores/{Store.objects.get(code='80001').id}",
        "store-new": "/stores/new",
        "staff": "/staff",
        "staff-new": "/staff/new",
        "staff-account": f"/staff/{staff_named('cashier', Role.CASHIER, '李收银').id}",
        "account": "/account",
        "api-keys": "/api-keys",
        "api-key": f"/api-keys/{key.id}",
        "api-key-new": "/api-keys/new",
        "audit": "/audit",
        "audit-event": f"/audit/{event.id}",
    }


@pytest.mark.parametrize(("look", "every"), [(LAPTOP, 1), (PHONE, 2), (ENGLISH, 4), (SMALL, 4)], ids=str)
def test_every_page_is_sound(screen: OpenScreen, shop: None, owner: Staff, look: Look, every: int) -> None:
    """One look takes every page, the others every second or fourth one: together they show each kind of page in each way."""
    window = screen(look, owner)
    found: list[str] = []
    for place, (name, path) in enumerate(pages().items()):
        if place % every != look.width % every:
            continue
        window.errors.clear()
        assert window.goto(path) == 200, path
        window.shot(name)
        words = DATA | frozenset(
            word
            for text in window.page.locator("textarea, option, th a").all_inner_texts()
            for word in _words(text)
        )
        found += [f"{name}: {problem}" for problem in window.problems(words=words)]
    assert found == []


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z][A-Za-z']{2,}", text)


def test_the_editor_leads_to_the_line_and_publishes_after_asking(
    screen: OpenScreen, shop: None, owner: Staff
) -> None:
    window = screen(ENGLISH, owner)
    window.goto("/programme/publish")
    page = window.page
    good = page.input_value("textarea[name=source]")
    page.fill("textarea[name=source]", good.replace("metric: spend", "metric: love"))
    page.locator("main form .btn-primary").click()
    page.wait_for_selector("[data-goto]")
    page.locator("[data-goto]").first.click()
    line = page.evaluate(
        "() => { const a = document.querySelector('textarea'); return a.value.slice(a.selectionStart, a.selectionEnd); }"
    )
    assert line.strip() == "metric: love"
    assert page.locator(".editor-lines mark").count() == 1
    window.settle()
    window.shot("programme-problems")
    assert window.problems() == []
    page.fill("textarea[name=source]", good + f"\n# {timezone.now().isoformat()}\n")
    page.locator("main form .btn-primary").click()
    page.wait_for_selector("#sure", state="attached")
    before = ProgrammeVersion.objects.count()
    page.locator("form[data-confirm] .btn-primary").click()
    page.locator("#sure [data-close]").click()
    assert ProgrammeVersion.objects.count() == before
    page.wait_for_selector("div#impact table")
    window.settle()
    window.shot("programme-review")
    assert window.problems() == []


def test_a_new_key_is_copied(screen: OpenScreen, shop: None, owner: Staff) -> None:
    window = screen(SMALL, owner)
    window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    window.goto("/api-keys/new")
    page = window.page
    page.fill("[name=name]", "Tills")
    page.locator("[name=scopes]").first.check()
    page.locator("[name=all_stores]").check()
    assert not page.locator("[name=store_ids]").first.is_visible(), "all stores: nothing to choose"
    page.locator("main form .btn-primary").click()
    page.wait_for_selector("#secret")
    window.settle()
    page.locator("[data-copy]").click()
    page.wait_for_selector(".toast-row")
    assert page.evaluate("() => navigator.clipboard.readText()") == page.inner_text("#secret")
    window.shot("api-key-secret")
    assert window.problems() == []


def test_ending_an_account_asks_first(screen: OpenScreen, shop: None, owner: Staff) -> None:
    account = staff_named(f"leaver{AuditEvent.objects.count()}", Role.CASHIER, "离职员工")
    window = screen(PHONE, owner)
    window.goto(f"/staff/{account.id}")
    page = window.page
    page.locator("form[data-confirm=end-account] .btn-error").click()
    window.shot("staff-end")
    assert window.axe() == []
    page.locator("#end-account [data-close]").click()
    account.refresh_from_db()
    assert account.is_active
    page.locator("form[data-confirm=end-account] .btn-error").click()
    with page.expect_navigation():
        page.locator("#end-account [data-yes]").click()
    account.refresh_from_db()
    assert not account.is_active


def test_the_forms_change_the_draft_and_price_the_sample_as_one_types(
    screen: OpenScreen, shop: None, owner: Staff
) -> None:
    window = screen(ENGLISH, owner)
    window.goto("/programme/editor?section=redemption")
    page = window.page
    page.fill('[name="s:redemption.worth"]', "2.00")
    page.fill('[name="try-points"]', "100")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('#editor table')?.innerText.includes('2.00')")
    assert "worth: 2.00" in page.input_value("textarea[name=source]")
    page.click('button[value="go:tiers"]')
    page.wait_for_selector('[name="s:tiers.levels.0.code"]', state="attached")
    window.settle()
    level = page.locator('details[data-path="tiers.levels.1"]')
    level.locator("summary").first.click()
    page.fill('[name="s:tiers.levels.1.threshold"]', "much")
    count = page.locator('details[data-path^="tiers.levels."].editor-item').count()
    page.locator('button[value="add:tiers.levels"]').click()
    page.wait_for_selector(f'details[data-path="tiers.levels.{count}"][open]')
    assert level.get_attribute("open") is not None
    page.locator(f'button[value="remove:tiers.levels.{count}"]').click()
    page.wait_for_selector(f'details[data-path="tiers.levels.{count}"]', state="detached")
    assert level.get_attribute("open") is not None
    level.locator("summary").first.click()
    page.locator('button[value="find:tiers.levels.1.threshold"]').first.click()
    page.wait_for_function("() => document.activeElement.name === 's:tiers.levels.1.threshold'")
    assert level.get_attribute("open") is not None
    window.settle()
    window.shot("programme-editor")
    assert window.problems() == []


def test_what_is_typed_while_an_answer_is_on_its_way_stays(
    screen: OpenScreen, shop: None, owner: Staff
) -> None:
    window = screen(ENGLISH, owner)
    window.goto("/programme/editor?section=redemption")
    page = window.page
    held: list[Route] = []
    page.route("**/programme/editor", lambda route: held.append(route))
    with page.expect_request("**/programme/editor"):
        page.fill('[name="s:redemption.worth"]', "3.00")
        page.keyboard.press("Tab")
    page.locator('[name="s:redemption.points"]').press_sequentially("77")
    typed = page.input_value('[name="s:redemption.points"]')
    with page.expect_response("**/programme/editor") as answer:
        held[0].continue_()
    answer.value.finished()
    page.unroute("**/programme/editor")
    page.wait_for_timeout(200)
    assert page.input_value('[name="s:redemption.points"]') == typed, "the answer knew nothing of it yet"
    page.keyboard.press("Tab")
    page.wait_for_function(
        "typed => document.querySelector('#editor textarea').value.includes(typed)", arg="77"
    )
    assert page.input_value('[name="s:redemption.worth"]') == "3.00"
    assert page.input_value('[name="s:redemption.points"]') == typed


def test_the_caret_and_the_list_stay_where_they_are_when_the_sample_is_priced_again(
    screen: OpenScreen, shop: None, owner: Staff
) -> None:
    window = screen(ENGLISH, owner)
    window.goto("/programme/editor?section=coupons")
    page = window.page

    def priced_again_by(key: str) -> None:
        with page.expect_response("**/programme/editor") as answer:
            page.keyboard.press(key)
        answer.value.finished()
        page.wait_for_timeout(150)

    page.fill('[name="try-price1"]', "20")
    priced_again_by("Tab")
    # The quantity was entered with Tab and so selected as a whole: what is typed takes its place.
    page.keyboard.type("1")
    page.keyboard.type("2")
    assert page.input_value('[name="try-quantity1"]') == "12"
    page.locator('button[value="add:coupons"]').click()
    page.wait_for_selector('[name="s:coupons.0.code"]', state="attached")
    for code in ("one", "two"):
        place = page.locator('[name$=".code"][name^="s:coupons."]').count() - 1
        page.fill(f'[name="s:coupons.{place}.code"]', code)
        priced_again_by("Tab")
        if code == "one":
            page.locator('button[value="add:coupons"]').click()
            page.wait_for_selector('[name="s:coupons.1.code"]', state="attached")
    box = page.locator('[name="try-coupons"][value="two"]')
    box.focus()
    priced_again_by("Space")
    assert page.evaluate("document.activeElement.value") == "two"
    assert not box.is_checked()


def test_a_known_code_is_chosen_instead_of_typed(screen: OpenScreen, shop: None, owner: Staff) -> None:
    window = screen(LAPTOP, owner)
    window.goto("/programme/editor?section=earning")
    page = window.page
    page.locator(".editor-item summary").first.click()
    page.locator('details[data-path="earning.0.when"] > summary').click()
    chooser = page.locator('[data-adds="l-earning-0-when-stores"]')
    chooser.fill("80001")
    chooser.press("Enter")
    page.wait_for_function("() => document.querySelector('#editor textarea').value.includes('80001')")
    assert page.input_value('[name="l:earning.0.when.stores"]') == "80001"
    assert chooser.input_value() == ""
    chooser.fill("S9")
    chooser.press("Tab")
    assert page.input_value('[name="l:earning.0.when.stores"]') == "80001\nS9", (
        "what is typed is not lost either"
    )
    chooser.scroll_into_view_if_needed()
    window.shot("programme-known-codes")
    assert window.axe() == []


def test_a_changed_draft_is_not_left_without_a_question(screen: OpenScreen, shop: None, owner: Staff) -> None:
    window = screen(ENGLISH, owner)
    window.goto("/programme/editor?section=tiers")
    page = window.page
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.click('button[value="go:redemption"]')
    page.wait_for_selector('[name="s:redemption.worth"]')
    assert asked == [], "nothing has changed yet, and the sections take the draft along"
    page.fill('[name="s:redemption.worth"]', "4.00")
    page.click('button[value="go:tiers"]')
    page.wait_for_selector('[name="s:tiers.levels.0.code"]', state="attached")
    assert asked == []
    page.locator("nav a[href='/products']").first.click(no_wait_after=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"] and page.url.endswith("/programme/editor")
    assert "worth: 4.00" in page.input_value("textarea[name=source]")
