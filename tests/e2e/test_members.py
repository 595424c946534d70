"""The members list and the member file in a real browser: no problem in any look, filters and parts that work, pictures."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from shuke.analytics.operations import refresh
from shuke.catalog.models import Store
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds import refund_order
from shuke.core.models import AuditEvent, Staff
from shuke.core.values import SYSTEM
from shuke.loyalty.tier_reviews import review_tiers
from shuke.members.models import Member
from shuke.members.operations import add_identifier
from shuke.members.queries import find_member
from tests.e2e.browser import Look, Screen
from tests.e2e.conftest import OpenScreen
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.members import make_member

WORDS = frozenset({"Product", "FOOD", "POS", "pos", "vip", "shen", "example", "com"})
# Every theme, language and width at least twice, the phone and the dark theme in Chinese, where text is densest.
SAMPLE = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 390),
    Look("dark", "zh-hans", 390),
    Look("light", "zh-hant", 390),
    Look("dark", "en", 1440),
]
PHONE = "+8613812346621"


@pytest.fixture
def member() -> Member:
    """Somebody with a tier, orders, a refund and a spent point, among a few others; made once for the whole run."""
    if found := find_member("phone", PHONE):
        return found
    # All or nothing: somebody half made would be found by every later test.
    with transaction.atomic():
        return _make_member(timezone.now())


def _make_member(now: datetime) -> Member:
    # Whatever other tests have put in force lately, this one begins before the oldest sale below.
    make_shop()
    # The overview, drawn after this in the same database, names the stores: names in English would read as untranslated.
    for code, name in (("S1", "三里屯店"), ("S2", "国贸店")):
        Store.objects.filter(code=code).update(name=name)
    made = make_member(
        "沈知夏", PHONE, email="shen@example.com", tags=["vip", "高价值"], now=now - timedelta(days=300)
    )
    for name in ("陈浩然", "Emma Zhang", "欧阳雨桐", "赵明轩"):
        make_member(name, now=now - timedelta(days=20))
    add_identifier(actor=SYSTEM, now=now, member_id=made.id, kind="card", value="CARD-9911-2233")
    for days in (200, 150, 90, 60, 45, 30, 20, 12, 6):
        sell(("A", 15), ("B", 3), now=now - timedelta(days=days, hours=3), member=made)
    sell(("A", 9), now=now - timedelta(days=3), member=made, points=200)
    back = sell(("B", 4), now=now - timedelta(days=2), member=made)
    refund_order(actor=TILL, order_id=UUID(back["id"]), reason="商品变质", now=now - timedelta(days=1))
    review_tiers(now=now, limit=100, qualifying=qualifying_totals)
    refresh(now=now, full=True)
    return made


@pytest.fixture(params=SAMPLE, ids=str)
def some_look(request: pytest.FixtureRequest) -> Look:
    chosen: Look = request.param
    return chosen


def problems(window: Screen) -> list[str]:
    return window.problems(words=WORDS)


def test_list_and_file(screen: OpenScreen, some_look: Look, owner: Staff, member: Member) -> None:
    window = screen(some_look, owner)
    assert window.goto("/members") == 200
    window.shot("members")
    assert problems(window) == []
    assert window.goto(f"/members/{member.id}") == 200
    window.page.locator("#orders summary").first.click()
    window.page.locator("#orders .tbl").wait_for()
    window.page.locator("summary[hx-target='#member-code']").click()
    window.page.locator("#member-code svg").wait_for()
    window.settle()
    window.shot("member", whole=True)
    assert problems(window) == []


@pytest.mark.parametrize("look", [Look("light", "zh-hant", 390), Look("dark", "en", 1440)], ids=str)
def test_forms(screen: OpenScreen, look: Look, owner: Staff, member: Member) -> None:
    window = screen(look, owner)
    for name, path in (("member-new", "/members/new"), ("member-edit", f"/members/{member.id}/edit")):
        assert window.goto(path) == 200
        window.shot(name, whole=True)
        assert problems(window) == []
    window.goto("/members/new")
    window.page.fill("#id_phone", "12")
    window.page.locator("main form button").click()
    window.settle()
    assert window.page.locator("#id_phone_error").is_visible()
    window.shot("member-new-refused", whole=True)
    assert problems(window) == []
    assert window.goto("/members?q=nobody") == 200
    window.shot("members-empty")
    assert problems(window) == []


def test_filtering_keeps_the_address_and_the_page(screen: OpenScreen, owner: Staff, member: Member) -> None:
    window = screen(Look("light", "en", 1440), owner)
    window.goto("/members")
    window.page.evaluate("() => { window.__same = true; }")
    window.page.fill("#members-q", "6621")
    window.page.press("#members-q", "Enter")
    window.page.wait_for_url("**q=6621**")
    window.settle()
    assert window.page.locator("#members tbody tr").count() == 1
    window.page.select_option("#members select[name=status]", "closed")
    window.page.wait_for_url("**status=closed**")
    window.settle()
    assert window.page.locator("#members .state").is_visible()
    assert window.page.evaluate("() => window.__same") is True, "htmx swapped, nothing was loaded anew"
    window.page.go_back()
    window.page.locator("#members tbody tr").first.wait_for()
    window.page.press("body", "/")
    window.page.keyboard.type("沈知夏")
    window.page.keyboard.press("Enter")
    window.settle()
    assert window.page.locator("#members tbody tr").count() == 1
    assert problems(window) == []


def test_unmasking_in_the_page(screen: OpenScreen, owner: Staff, member: Member) -> None:
    window = screen(Look("light", "zh-hans", 1440), owner)
    window.goto(f"/members/{member.id}")
    window.page.locator("form[action$='/unmask']").locator("xpath=..").locator("summary").click()
    window.page.fill("#id_reason", "会员来电核对")
    window.page.locator("form[action$='/unmask'] button").click()
    window.settle()
    assert window.page.get_by_text("沈知夏").first.is_visible()
    window.shot("member-clear")
    assert problems(window) == []
    assert AuditEvent.objects.filter(object_id=str(member.id), reason="会员来电核对").count() == 1
    window.goto(f"/members/{member.id}")
    assert window.page.get_by_text("沈知夏").count() == 0
    window.page.locator("#ledger .pager a").first.click()
    window.page.locator("#ledger a[rel=next], #ledger .pager a").first.wait_for()
    window.settle()
    assert problems(window) == []
