"""Paid plans in a real browser: the list, the member's plans and entitlements, and handing one out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import SYSTEM
from shuke.loyalty.plans.gift_orders import download_gift_codes, make_gifts, order_gifts
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code
from shuke.loyalty.plans.models import PlanEvent, PlanGiftOrder, PlanTerm
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan
from shuke.members.models import Member
from shuke.members.queries import find_member
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.programmes import in_force
from tests.factories.loyalty import SOURCE
from tests.factories.members import make_member

PHONE = "+8613812349955"
LOOKS = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 390),
    Look("dark", "zh-hans", 390),
]
PLANS = """\
plans:
  - code: plus
    name: {zh-Hans: 尊享卡, zh-Hant: 尊享卡, en: Plus}
    price: 199
    duration: {months: 12}
    trial: {days: 7}
    grace_days: 3
    tier: gold
    benefits:
      discount_percent: 5
      multiplier: 2
      free_shipping: true
      priority_service: true
      entitlements:
        - {code: check, name: {zh-Hans: 免费体测, zh-Hant: 免費體測, en: Body check}, quota: 2, period: year, worth: 60}
        - {code: mug, name: {zh-Hans: 马克杯, zh-Hant: 馬克杯, en: Mug}, quota: 1, period: term, stock: 200}
    renewal: {auto: true}
  - code: kids
    name: {zh-Hans: 亲子卡, zh-Hant: 親子卡, en: Kids}
    price: 88
    duration: {months: 3}
    trial: {days: 14}
    benefits: {discount_percent: 8}
    upgrade_to: [plus]
"""
WORDS = frozenset({"plus", "kids", "plans", "receipts", "Esc"})


@pytest.fixture
def member() -> Member:
    """Somebody who holds a plan."""
    in_force(SOURCE + PLANS)
    now = timezone.now()
    if found := find_member("phone", PHONE):
        return found
    made = make_member("周以宁", PHONE, now=now - timedelta(days=90))
    buy_plan(
        actor=SYSTEM, member_id=made.id, plan="plus", sale=Sale("wechat"), now=now + timedelta(seconds=4)
    )
    return made


@pytest.fixture
def order(member: Member) -> PlanGiftOrder:
    """Gift codes sold in bulk, some of which are redeemed."""
    if found := PlanGiftOrder.objects.filter(plan="plus").first():
        return found
    now = timezone.now() + timedelta(seconds=4)
    note, sale = "华信软件 员工福利", Sale("transfer", "20261120-77")
    made = order_gifts(actor=SYSTEM, plan="plus", sale=sale, count=120, remark=note, now=now)
    while make_gifts(order_id=made.id, now=now):
        pass
    order_gifts(actor=SYSTEM, plan="plus", sale=Sale("transfer"), count=5000, remark="年会礼品", now=now)
    codes = list(download_gift_codes(actor=SYSTEM, order_id=made.id, now=now, reason="test"))
    for number, code in enumerate(codes[:3]):
        friend = make_member("客人", f"+8613812349{number:03d}", now=now - timedelta(days=9))
        redeem_plan_code(actor=SYSTEM, member_id=friend.id, code=code, now=now)
    return made


@pytest.fixture
def climber(member: Member) -> Member:
    """Somebody whose plan can be given up for a better one."""
    if found := find_member("phone", "+8613812349988"):
        return found
    now = timezone.now()
    made = make_member("沈嘉禾", "+8613812349988", now=now - timedelta(days=90))
    buy_plan(actor=SYSTEM, member_id=made.id, plan="kids", sale=Sale("cash"), now=now + timedelta(seconds=4))
    return made


def receipt_of(member: Member) -> UUID:
    """The slip of what the member bought."""
    return PlanEvent.objects.get(member=member, kind="plan_bought").id


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_are_sound(
    screen: OpenScreen, member: Member, order: PlanGiftOrder, climber: Member, owner: Staff, look: Look
) -> None:
    window = screen(look, owner)
    window.page.wait_for_timeout(4500)  # until the programme and the plan of the fixture have begun
    found: list[str] = []
    for name, path in (
        ("plans", "/plans"),
        ("plan", "/plans/plus"),
        ("plan-gifts", f"/plans/gifts/{order.id}"),
        ("member-plans", f"/members/{member.id}/plans"),
        ("member-plan-level", f"/members/{member.id}/tiers"),
        ("plan-receipt", f"/plans/receipts/{receipt_of(climber)}"),
        ("member-upgrade", f"/members/{climber.id}/plans"),
    ):
        assert window.goto(path) == 200, path
        for number in range(window.page.locator("main details > summary").count()):
            window.page.locator("main details > summary").nth(number).click()
        window.shot(name, whole=True)
        found += [f"{name}: {problem}" for problem in window.problems(words=WORDS)]
    window.page.locator('button[value="upgrade"]').click()  # asks first
    window.page.locator("dialog[open] [data-yes]").wait_for()
    window.shot("member-upgrade-sure")
    found += [f"sure: {problem}" for problem in window.problems(words=WORDS)]
    assert found == []


def test_a_sale_is_asked_about_and_a_gift_code_says_what_it_is_by_keyboard(
    screen: OpenScreen, member: Member, order: PlanGiftOrder, owner: Staff
) -> None:
    now = timezone.now()
    buyer = make_member("许知行", now=now - timedelta(days=9))
    (code,) = codes_of(
        gift_plan(actor=SYSTEM, plan="kids", sale=Sale("cash"), now=now + timedelta(seconds=4))
    )
    window = screen(Look("light", "zh-hans", 1440), owner)
    page = window.page
    page.wait_for_timeout(4500)
    assert window.goto(f"/members/{buyer.id}/plans") == 200
    page.locator('button[value="buy"]').first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    window.shot("plan-sell-sure")
    page.keyboard.press("Escape")
    assert not PlanTerm.objects.filter(member=buyer).exists()
    page.locator("#plan-code").fill(code)
    page.keyboard.press("Enter")
    dialog.wait_for()
    assert "亲子卡" in dialog.inner_text()
    window.shot("plan-gift-sure")
    assert window.problems(words=WORDS | {code}) == []
    assert not PlanTerm.objects.filter(member=buyer).exists()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.querySelector('dialog[open]')")
    window.settle()
    (term,) = PlanTerm.objects.filter(member=buyer)
    assert (term.plan, term.cause) == ("kids", "gift")
    # What is sold ends at its slip, and Esc leads back to where it was sold.
    page.locator('button[value="buy"]').first.focus()
    page.keyboard.press("Enter")
    dialog.locator('input[name="reference"]').fill("POS 8842")
    page.keyboard.press("Enter")
    page.wait_for_url("**/plans/receipts/*")
    window.settle()
    slip = page.locator(".slip").inner_text()
    assert "199.00" in slip and "POS 8842" in slip and window.problems(words=WORDS) == []
    page.evaluate("window.print = () => { window.printed = true }")
    page.keyboard.press("F7")
    assert page.evaluate("window.printed") is True
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/members/{buyer.id}/plans")
