"""The tiers of a member in the console: cards and history by track, a level set until a day and ended, once per form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from shuke.core.values import SYSTEM, Role
from shuke.kit.clock import now
from shuke.loyalty.models import Standing, TierGrant
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.tier_grants import grant_tier
from shuke.members.models import Member, MemberStatus
from tests.console.pages import client_of, text_of
from tests.factories.checkout import make_shop, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member
from tests.factories.plans import buy, make_club, plan

pytestmark = pytest.mark.django_db

FRIENDS = {
    "code": "friends",
    "name": {"zh-Hans": "老友圈", "zh-Hant": "老友圈", "en": "Friends"},
    "metric": "none",
    "levels": [
        {"code": "guest", "name": {"zh-Hans": "客人", "en": "Guest"}},
        {"code": "friend", "name": {"zh-Hans": "老友", "en": "Friend"}},
    ],
}


@pytest.fixture(autouse=True)
def _fresh_list() -> Iterator[None]:
    forget_versions()
    yield
    forget_versions()


@pytest.fixture
def member() -> Member:
    """Silver by a purchase, under a programme whose managers may set silver for 31 days."""
    overrides = {"store_manager": {"up_to": "silver", "days": 31}, "owner": {}}
    make_shop(tiers={"overrides": overrides}, tracks=[{**FRIENDS, "overrides": {"owner": {}}}])
    made = make_member(now=now() - timedelta(days=40))
    sell(("A", 120), member=made, now=now() - timedelta(days=9))
    return made


def path(member: Member) -> str:
    return f"/members/{member.id}/tiers"


def asked(page: str, dialog: str, **given: Any) -> dict[str, Any]:
    """What a dialog sends: its hidden fields, and what is typed."""
    form = page[page.index(f'id="{dialog}"') :]
    form = form[: form.index("</form>")]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {**hidden, **given}


def test_set_until_a_day_told_with_who_and_why_and_ended(member: Member) -> None:
    olga = make_staff(Role.OWNER)
    client = client_of(olga)
    page = text_of(client.get(path(member)))
    last = timezone.localdate() + timedelta(days=20)
    sent = asked(page, "set-", level="gold", last_day=str(last), reason="moved house")
    for _ in range(2):
        assert client.post(path(member), sent).status_code == 302
    grant = TierGrant.objects.get()
    assert (grant.tier, grant.track, grant.reason) == ("gold", "", "moved house")
    assert grant.until == datetime.combine(last + timedelta(days=1), time(), ZoneInfo("Asia/Shanghai"))
    assert Standing.objects.get(member=member).tier == "gold"
    page = text_of(client.get(path(member)))
    for words in (
        "Set by hand",
        "moved house",
        olga.display_name,
        "Earned by purchases",
        "Reached by spending",
    ):
        assert words in page, words
    sent = asked(page, f"end-{grant.id}", reason="mistake")
    assert client.post(path(member), sent).status_code == 302
    assert Standing.objects.get(member=member).tier == "silver"
    assert "mistake" in text_of(client.get(path(member)))


def test_a_further_track_has_its_own_card_and_the_file_shows_its_level(member: Member) -> None:
    client = client_of(make_staff(Role.OWNER))
    page = text_of(client.get(path(member)))
    assert "Friends" in page and "Guest" in page
    client.post(path(member), asked(page, "set-friends", level="friend", last_day="", reason="neighbour"))
    assert TierGrant.objects.get().track == "friends"
    found = text_of(client.get(f"/members/{member.id}"))
    assert "Friend" in found and f"/members/{member.id}/tiers" in found


def test_what_a_role_may_not_is_not_offered_or_said_in_the_dialog(member: Member) -> None:
    client = client_of(make_staff(Role.STORE_MANAGER))
    page = text_of(client.get(path(member)))
    assert 'id="set-friends"' not in page and 'value="gold"' not in page
    late = str(timezone.localdate() + timedelta(days=40))
    refused = client.post(path(member), asked(page, "set-", level="silver", last_day=late, reason="x"))
    assert refused.status_code == 422
    assert re.findall(r'<dialog [^>]*id="([^"]*)"[^>]* data-open ', text_of(refused)) == ["set-"]
    assert " data-open" not in page and "{%" not in page
    assert (
        client.post(path(member), {"part": "set", "track": "friends", "level": "friend"}).status_code == 403
    )
    missing = client.post(path(member), asked(page, "set-", level="silver", last_day="", reason=""))
    assert missing.status_code == 422
    cashier = client_of(make_staff(Role.CASHIER))
    assert 'id="set-' not in text_of(cashier.get(path(member)))
    assert (
        cashier.post(path(member), asked(page, "set-", level="silver", last_day=late, reason="x")).status_code
        == 403
    )
    assert TierGrant.objects.count() == 0


def test_what_a_plan_gave_is_shown_and_not_ended_here(member: Member) -> None:
    given = grant_tier(
        actor=SYSTEM,
        member_id=member.id,
        track="",
        level="gold",
        until=None,
        source="plan",
        reference="p",
        now=now(),
    )
    client = client_of(make_staff(Role.OWNER))
    page = text_of(client.get(path(member)))
    assert "Given by a plan" in page and f"end-{given.id}" not in page
    sent = asked(page, "set-", part="end", grant=str(given.id), reason="x")
    assert client.post(path(member), sent).status_code == 422
    assert client.post(path(member), {**sent, "grant": "nonsense"}).status_code == 422
    assert TierGrant.objects.filter(ended_at=None).count() == 1


def test_a_frozen_member_and_a_damaged_page_link(member: Member) -> None:
    Member.objects.filter(id=member.id).update(status=MemberStatus.FROZEN)
    client = client_of(make_staff(Role.OWNER))
    page = client.get(path(member) + "?at=nonsense")
    assert page.status_code == 200 and 'id="set-' not in text_of(page)


@pytest.mark.parametrize(
    ("language", "words"), [("zh-hans", ["等级与历史", "老友圈", "消费达标"]), ("zh-hant", ["等級與歷史"])]
)
def test_told_in_chinese(member: Member, language: str, words: list[str]) -> None:
    page = text_of(client_of(make_staff(Role.OWNER), language=language).get(path(member)))
    assert [word for word in words if word not in page] == []


def test_a_level_that_a_plan_brings_is_told_with_the_plan_on_both_pages(db: Any) -> None:
    make_club(plan(tier="silver"))
    forget_versions()
    who = make_member(now=now() - timedelta(days=9))
    buy(who, now() - timedelta(days=2))
    client = client_of(make_staff(Role.OWNER))
    page = text_of(client.get(path(who)))
    # Among what was given, and in the history; nobody ends it by hand.
    assert page.count("With the plan Plus, bought") == 2
    assert "bought</" not in page.replace("Plus, bought", "") and "End it" not in page
    file = text_of(client.get(f"/members/{who.id}"))
    assert "With the plan Plus, bought" in file
