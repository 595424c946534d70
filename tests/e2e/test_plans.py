"""Paid plans in a real browser: the list, the member's plans and entitlements, and handing one out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import SYSTEM
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
"""
WORDS = frozenset({"plus", "kids", "plans"})


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


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_are_sound(screen: OpenScreen, member: Member, owner: Staff, look: Look) -> None:
    window = screen(look, owner)
    window.page.wait_for_timeout(4500)  # until the programme and the plan of the fixture have begun
    found: list[str] = []
    for name, path in (("plans", "/plans"), ("member-plans", f"/members/{member.id}/plans")):
        assert window.goto(path) == 200, path
        for number in range(window.page.locator("main details > summary").count()):
            window.page.locator("main details > summary").nth(number).click()
        window.shot(name, whole=True)
        found += [f"{name}: {problem}" for problem in window.problems(words=WORDS)]
    assert found == []
