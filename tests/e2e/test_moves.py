"""The inbox of adjustments and the page that moves points by hand, in a real browser: sound in every look, and used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from shuke.core.models import Staff
from shuke.core.values import Role
from shuke.ledger.models import Adjustment
from shuke.ledger.queries import balances_of
from shuke.loyalty import books
from shuke.members.models import Member
from shuke.members.queries import find_member
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.people import staff_named
from tests.e2e.programmes import in_force
from tests.factories.ledger import give, owe
from tests.factories.loyalty import SOURCE
from tests.factories.members import make_member

PHONE = "+8613812347788"
LOOKS = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 1440),
    Look("light", "en", 390),
    Look("dark", "zh-hans", 390),
]
MORE = (
    "adjustments: {points: {limits: {owner: 1000, store_manager: 1000}, four_eyes_above: 100}}\n"
    "transfers: {points: {per_day: 500}}\n"
)


@pytest.fixture
def member() -> Member:
    """Somebody with points, a debt, a hold and two requests; the programme of this test is put in force again."""
    in_force(SOURCE + MORE)
    now = timezone.now()
    if found := find_member("phone", PHONE):
        return found
    with transaction.atomic():
        made = make_member("林知秋", PHONE, now=now - timedelta(days=90))
        give(made.id, 5000, at=now - timedelta(days=80), expires_at=now + timedelta(days=200))
        owe(made.id, 30, at=now - timedelta(days=12), asset="growth")
    return made


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_are_sound(screen: OpenScreen, member: Member, owner: Staff, look: Look) -> None:
    now = timezone.now() + timedelta(seconds=5)  # a version begins a moment after it was published
    manager = staff_named("manager", Role.STORE_MANAGER, "王店长").as_actor()
    if not Adjustment.objects.filter(member_id=member.id).exists():
        for amount in (300, -150):
            books.request_adjustment(
                actor=manager, member_id=member.id, asset="points", amount=amount, reason="咖啡洒了", now=now
            )
        books.place_hold(
            actor=manager, member_id=member.id, asset="points", amount=200, reason="订座", now=now
        )
    window = screen(look, owner)
    found: list[str] = []
    for name, path in (
        ("adjustments", "/adjustments?show=all"),
        ("member-moves", f"/members/{member.id}/moves"),
    ):
        window.errors.clear()
        assert window.goto(path) == 200, path
        window.shot(name, whole=True)
        found += [f"{name}: {problem}" for problem in window.problems(words=frozenset({"Emma"}))]
    assert found == []


def test_a_request_is_made_and_another_approves_it(screen: OpenScreen, member: Member, owner: Staff) -> None:
    look = Look("light", "en", 1440)
    window = screen(look, staff_named("manager", Role.STORE_MANAGER, "王店长"))
    window.page.wait_for_timeout(3500)  # until the version of the fixture is in force everywhere
    window.goto(f"/members/{member.id}/moves")
    window.page.fill("#adjust_amount", "250")
    window.page.fill("#adjust_reason", "goodwill after a late order")
    window.page.locator("form:has(#adjust_amount) .btn-primary").click()
    window.page.wait_for_selector(".toast-row")
    request = Adjustment.objects.get(amount=250, member_id=member.id)
    assert request.status == "requested"
    before = next(each.balance for each in balances_of(member.id, timezone.now()) if each.asset == "points")

    other = screen(look, owner)
    other.goto("/adjustments")
    row = other.page.locator("tr", has_text="goodwill after a late order")
    row.locator("input[name=note]").fill("checked")
    row.locator("button[value=approve]").click()
    other.page.wait_for_selector("dialog[open]")
    request.refresh_from_db()
    assert request.status == "requested"  # nothing is booked before the dialog says yes
    other.page.locator("dialog[open] [data-yes]").click()
    other.page.wait_for_selector(".toast-row")
    request.refresh_from_db()
    assert (request.status, request.note) == ("posted", "checked")
    after = next(each.balance for each in balances_of(member.id, timezone.now()) if each.asset == "points")
    assert after == before + 250
    assert window.problems() == [] and other.problems() == []
