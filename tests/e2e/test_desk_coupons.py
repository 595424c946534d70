"""Coupons at the desk by keyboard: the list with its effects, a code that does not count, the best, the sale."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from shuke.catalog.models import Store
from shuke.checkout.models import Order
from shuke.core.values import SYSTEM
from shuke.kit import clock
from shuke.loyalty.queries import programme_at
from shuke.rewards.operations import issue_coupons
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.programmes import in_force
from tests.e2e.test_desk import (
    CAKE,
    PEARS,
    cashier_of,
    check,
    desk_opened,
    member_with,
    phones,
    shop,
    type_into,
)
from tests.factories.loyalty import DEMO

__all__ = ["shop"]
COUPONS = """
coupons:
  - code: e2e-steps
    name: {zh-Hans: 春季满减券, zh-Hant: 春季滿減券, en: Spring}
    type: threshold
    steps: [{spend: 50.00, amount: 5.00}, {spend: 120.00, amount: 15.00}]
    validity: {days_after_issue: 30}
    stacking: {group: main}
  - code: e2e-tenth
    name: {zh-Hans: 全场九折券, zh-Hant: 全館九折券, en: A tenth off}
    type: percent_off
    percent: 10
    cap: 8.00
    stacking: {group: main}
  - code: e2e-cake
    name: {zh-Hans: 蛋糕立减, zh-Hant: 蛋糕立減, en: Cake}
    type: amount_off
    amount: 6.00
    scope: {skus: ["6901003"]}
  - code: e2e-milk
    name: {zh-Hans: 牛奶第二件半价, zh-Hant: 牛奶第二件半價, en: Second milk}
    type: nth_item
    nth: 2
    percent: 50
    scope: {categories: [DAIRY]}
  - code: e2e-night
    name: {zh-Hans: 夜宵券, zh-Hant: 宵夜券, en: Night}
    type: amount_off
    amount: 9.00
    minimum_spend: 999.00
"""


@pytest.mark.parametrize("look", [Look("light", "zh-hans", 1440), Look("dark", "en", 390)], ids=str)
def test_coupons_by_keyboard(screen: OpenScreen, shop: Store, look: Look) -> None:
    in_force(DEMO + COUPONS)
    phone, _other, _last = phones()
    member = member_with(shop, "林若溪", phone, 0)
    current = programme_at(clock.now())
    for template in current.programme.coupons.values():
        issue_coupons(
            actor=SYSTEM, template=template, version_id=current.version_id, zone=current.programme.zone,
            member_ids=[member.id], source="manual", reference="e2e", now=clock.now(),
        )  # fmt: skip
    window = screen(look, cashier_of(shop, f"c{look.width}"))
    page = window.page
    window.goto("/cashier")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    desk_opened(page)
    type_into(page, "F2", phone)
    page.wait_for_selector(".desk-card")
    for text in (CAKE, f"3*{PEARS}"):
        type_into(page, "F3", text)
    expect(page.locator(".desk-line")).to_have_count(2)
    page.wait_for_selector(".desk-coupons")
    check(window, "desk-coupons")

    type_into(page, "F10", "nonsense")
    page.wait_for_selector("#coupon-error")
    assert page.input_value("#coupon") == "nonsense"
    check(window, "desk-coupon-refused")
    before = page.inner_text(".desk-total b")
    page.fill("#coupon", "")
    page.keyboard.press("Enter")  # alone: the best
    page.wait_for_selector('.desk-coupon[data-status="used"]')
    assert page.inner_text(".desk-total b") != before
    expect(page.locator('.desk-coupon[data-status="used"]')).to_have_count(2)
    check(window, "desk-coupons-best")
    page.keyboard.press("F10")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # takes the first one off again
    expect(page.locator('.desk-coupon[data-status="used"]')).to_have_count(1)
    expect(page.locator("#coupon")).to_be_focused()
    window.settle()
    page.keyboard.press("F9")
    page.wait_for_url("**/cashier/receipt/*")
    assert Order.objects.get(member_id=member.id, system="desk").discount_minor > 0
    check(window, "desk-coupons-receipt")
