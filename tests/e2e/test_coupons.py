"""Coupons in a real browser: the templates with their alarms, codes made while one looks on, the member's coupons."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import SYSTEM
from shuke.loyalty.coupon_books import give_coupons, order_coupon_codes
from shuke.members.models import Member
from shuke.members.queries import find_member
from shuke.rewards.models import CodeJob, Coupon
from shuke.rewards.operations import generate_codes
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.programmes import in_force
from tests.factories.loyalty import SOURCE
from tests.factories.members import make_member
from tests.factories.rewards import use

PHONE = "+8613812349911"
LOOKS = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 390),
    Look("dark", "zh-hans", 390),
]
COUPONS = """\
coupons:
  - code: lunch
    name: {zh-Hans: 午市满减, zh-Hant: 午市滿減, en: Lunch saver}
    type: threshold
    steps: [{spend: 50, amount: 8}, {spend: 100, amount: 20}]
    scope: {day_parts: [{from: "11:00", to: "14:00"}]}
    limits: {stock: 2000, budget: 10000, alarm_percent: 80}
    public_code: LUNCH
  - code: welcome
    name: {zh-Hans: 新人礼券, zh-Hant: 新人禮券, en: Welcome}
    type: amount_off
    amount: 20
    minimum_spend: 99
    transferable: true
    validity: {days_after_issue: 30}
    limits: {stock: 12, alarm_percent: 50}
    auto_issue: {on: registration}
  - code: birthday-cake
    name: {zh-Hans: 生日蛋糕八五折, zh-Hant: 生日蛋糕八五折, en: Birthday cake}
    type: percent_off
    percent: 15
    cap: 30
    validity: {days_after_issue: 7}
    auto_issue: {on: birthday}
  - code: second
    name: {zh-Hans: 第二杯半价, zh-Hant: 第二杯半價, en: Second cup}
    type: nth_item
    nth: 2
    percent: 50
    validity: {from: 2026-01-01, until: 2027-12-31}
    limits: {budget_count: 500}
"""
# Codes of templates, public codes and the name of the section in the document stay Latin.
WORDS = frozenset({"coupons", "LUNCH"})


@pytest.fixture
def member() -> Member:
    """Somebody with coupons in every state, under a programme that has them."""
    in_force(SOURCE + COUPONS)
    now = timezone.now()
    if found := find_member("phone", PHONE):
        return found
    made = make_member("林知秋", PHONE, now=now - timedelta(days=90))

    def give(template: str, count: int, reason: str) -> tuple[tuple, ...]:
        done = give_coupons(
            actor=SYSTEM, template=template, member_ids=[made.id], reason=reason, now=now, count=count
        )
        return done.coupons

    pieces = [*give("welcome", 6, "咖啡洒了"), *give("birthday-cake", 2, "生日")]
    for coupon_id, _member in pieces[:3]:
        use({"t": "welcome", "c": coupon_id, "v": 2000}, member_id=made.id, now=now)
    for _ in range(4):
        use({"t": "lunch", "v": 2000, "s": 2000, "m": 1000000, "a": 80}, member_id=made.id, now=now)
    job = order_coupon_codes(actor=SYSTEM, template="lunch", count=1200, note="地铁传单", now=now)
    while generate_codes(job_id=job.id, now=now):
        pass
    return made


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_are_sound(screen: OpenScreen, member: Member, owner: Staff, look: Look) -> None:
    window = screen(look, owner)
    window.page.wait_for_timeout(1100)  # until the programme of the fixture is in force in every thread
    piece = Coupon.objects.filter(member_id=member.id, state="held", template="welcome").first()
    job = CodeJob.objects.filter(template="lunch").order_by("id").first()
    assert piece is not None
    assert job is not None
    found: list[str] = []
    for name, path in (
        ("coupons", "/coupons"),
        ("coupon", "/coupons/lunch"),
        ("coupon-alarm", "/coupons/welcome"),
        ("coupon-codes", f"/coupons/codes/{job.id}"),
        ("member-coupons", f"/members/{member.id}/coupons?show=all"),
        ("member-coupon", f"/members/{member.id}/coupons/{piece.id}"),
    ):
        window.errors.clear()
        assert window.goto(path) == 200, path
        window.shot(name, whole=True)
        found += [f"{name}: {problem}" for problem in window.problems(words=WORDS)]
    assert found == []


def test_codes_are_ordered_and_made_while_one_looks_on(
    screen: OpenScreen, member: Member, owner: Staff
) -> None:
    window = screen(Look("light", "en", 1440), owner)
    window.page.wait_for_timeout(1100)
    window.goto("/coupons/lunch")
    window.page.fill("#id_count", "300")
    window.page.fill("#id_note", "Flyers at the station")
    window.page.locator("form:has(#id_count) .btn-primary").click()
    window.page.wait_for_selector("#progress")
    job = CodeJob.objects.get(note="Flyers at the station")
    assert "0 of 300 codes" in window.page.inner_text("#progress")
    generate_codes(job_id=job.id, now=timezone.now(), limit=150)
    window.page.wait_for_selector("#progress:has-text('150 of 300')", timeout=8000)
    generate_codes(job_id=job.id, now=timezone.now())
    window.page.wait_for_selector("button:has-text('Download the codes')", timeout=8000)
    window.page.locator("form[action$='/file'] input[name=reason]").fill("to the printer")
    with window.page.expect_download() as download:
        window.page.click("button:has-text('Download the codes')")
    lines = download.value.path().read_text().splitlines()
    assert (lines[0], len(set(lines))) == ("code", 301)
    window.page.locator("form[action$='/void'] input[name=reason]").fill("printed wrong")
    window.page.click("form[action$='/void'] button")
    window.page.click("dialog[open] [data-yes]")
    window.page.wait_for_selector(".toast-row")
    job.refresh_from_db()
    assert (job.status, job.ended_pieces) == ("void", 300)
    assert window.problems() == []


def test_a_coupon_is_handed_out_from_the_member_file(
    screen: OpenScreen, member: Member, owner: Staff
) -> None:
    window = screen(Look("light", "en", 1440), owner)
    window.page.wait_for_timeout(1100)
    window.goto(f"/members/{member.id}")
    window.page.click(f"a[href='/members/{member.id}/coupons']")
    window.page.select_option("#give_template", "birthday-cake")
    window.page.fill("#give_reason", "goodwill after a late order")
    window.page.locator("form:has(#give_reason) .btn-primary").click()
    window.page.wait_for_selector(".toast-row")
    piece = Coupon.objects.filter(member_id=member.id).order_by("-id")[0]
    assert (piece.template, piece.source, piece.state) == ("birthday-cake", "manual", "held")
    window.goto(f"/members/{member.id}/coupons/{piece.id}")
    assert "goodwill after a late order" in window.page.inner_text("main")
    assert window.problems() == []
