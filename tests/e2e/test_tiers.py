"""The tiers of a member in a real browser: sound in every look, a level set and ended in dialogs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from shuke.core.models import Staff
from shuke.loyalty.models import Standing, TierGrant
from shuke.members.models import Member
from shuke.members.queries import find_member
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.e2e.programmes import in_force
from tests.factories.loyalty import SOURCE
from tests.factories.members import make_member

PHONE = "+8613812349921"
LOOKS = [Look("light", "zh-hans", 1440), Look("dark", "zh-hant", 390), Look("light", "en", 390)]
FRIENDS = """\
tracks:
  - code: friends
    name: {zh-Hans: 老友圈, zh-Hant: 老友圈, en: Friends}
    metric: none
    levels:
      - {code: guest, name: {zh-Hans: 客人, zh-Hant: 客人, en: Guest}}
      - {code: friend, name: {zh-Hans: 老友, zh-Hant: 老友, en: Friend}}
"""


@pytest.fixture
def member() -> Member:
    """Somebody without a level yet, under a programme of two tracks."""
    in_force(SOURCE + FRIENDS)
    if found := find_member("phone", PHONE):
        return found
    with transaction.atomic():
        return make_member("林知夏", PHONE, now=timezone.now() - timedelta(days=90))


def test_a_level_is_set_and_ended_in_dialogs(screen: OpenScreen, member: Member, owner: Staff) -> None:
    window = screen(Look("light", "en", 1440), owner)
    page = window.page
    page.wait_for_timeout(3500)  # until the version of the fixture is in force everywhere
    window.goto(f"/members/{member.id}/tiers")
    page.click('[data-dialog="set-"]')
    page.select_option("dialog[open] select", "gold")
    page.locator("dialog[open] .btn-primary").click()
    page.wait_for_selector("dialog[open] .field-error")  # no reason was given
    assert TierGrant.objects.filter(member=member).count() == 0
    page.fill("dialog[open] input[name=reason]", "kept her level after moving")
    window.settle()
    assert window.problems() == []
    page.locator("dialog[open] .btn-primary").click()
    page.wait_for_selector(".toast-row")
    assert Standing.objects.get(member=member).tier == "gold"
    page.locator("[data-dialog^=end-]").click()
    page.fill("dialog[open] input[name=reason]", "a mistake")
    page.locator("dialog[open] .btn-primary").click()
    page.wait_for_selector("text=a mistake")
    assert Standing.objects.get(member=member).tier == "classic"
    assert window.problems() == []


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_page_is_sound(screen: OpenScreen, member: Member, owner: Staff, look: Look) -> None:
    window = screen(look, owner)
    assert window.goto(f"/members/{member.id}/tiers") == 200
    window.shot("member-tiers", whole=True)
    assert window.problems(words=frozenset({"kept", "her", "level", "after", "moving", "mistake"})) == []
