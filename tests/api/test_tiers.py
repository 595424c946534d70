"""Tiers over the API: what is held and how it came to that; levels set by hand, once per key, within the key's limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shuke.catalog.models import Store
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Scope
from shuke.kit.clock import now
from shuke.loyalty.models import TierGrant
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.tier_grants import grant_tier
from shuke.members.models import Member
from tests.api.client import Till, new_key
from tests.factories.checkout import START, publish, sell
from tests.factories.core import make_key
from tests.factories.members import make_member
from tests.factories.plans import BLACK, buy, plan
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def member(till: Till) -> Member:
    """A member under a programme whose keys may set silver for 30 days."""
    publish(START + DAY, tiers={"overrides": {"api_key": {"up_to": "silver", "days": 30}}})
    forget_versions()
    return make_member(now=now() - 40 * DAY)


def grant(**changes: Any) -> dict[str, Any]:
    return {"level": "silver", "until": (now() + 9 * DAY).isoformat(), "reason": "moved house", **changes}


def test_a_level_is_set_read_and_ended(till: Till, member: Member) -> None:
    path, key, asked = f"/members/{member.id}/tier-grants", new_key(), grant()
    made = till.call("POST", path, asked, key=key)
    assert (made.status, made.json["tier"], made.json["cause"]) == (201, "silver", "override")
    assert made.json["reason"] == "moved house" and made.json["granted_by"].startswith("key:")
    assert till.call("POST", path, asked, key=key).json == made.json
    assert TierGrant.objects.count() == 1
    (main,) = till.get(f"/members/{member.id}/tiers").json["tracks"]
    assert (main["track"], main["tier"], main["earned"]["tier"]) == ("", "silver", "classic")
    assert [each["id"] for each in main["grants"]] == [made.json["id"]]
    assert main["ends_at"] == made.json["until"]

    end = f"/tier-grants/{made.json['id']}/end"
    ended = till.post(end, {"reason": "mistake"})
    assert (ended.status, ended.json["end_reason"]) == (200, "mistake")
    (main,) = till.get(f"/members/{member.id}/tiers").json["tracks"]
    assert (main["tier"], main["grants"]) == ("classic", [])
    first = till.get(f"/members/{member.id}/tier-changes", limit=1).json
    rest = till.get(f"/members/{member.id}/tier-changes", limit=1, cursor=first["next_cursor"]).json
    told = [
        (c["from_tier"], c["to_tier"], c["cause"], c["programme_version"])
        for c in first["changes"] + rest["changes"]
    ]
    assert told == [("silver", "classic", "ended", 2), ("classic", "silver", "override", 2)]
    assert rest["changes"][0]["grant"]["reason"] == "moved house" and rest["next_cursor"] is None
    names = ["loyalty.tier_overridden.v1", "loyalty.tier_override_ended.v1"]
    assert [AuditEvent.objects.filter(action=name).count() for name in names] == [1, 1]
    assert [OutboxEvent.objects.filter(name=name).count() for name in names] == [1, 1]


def test_limits_and_mistakes_are_named(till: Till, member: Member) -> None:
    path = f"/members/{member.id}/tier-grants"
    for changes, status, code, pointer in (
        ({"level": "gold"}, 403, "beyond_override_limit", "/level"),
        ({"until": (now() + 40 * DAY).isoformat()}, 403, "beyond_override_limit", "/until"),
        ({"until": None}, 403, "beyond_override_limit", "/until"),
        ({"level": "diamond"}, 422, "invalid_input", "/level"),
        ({"track": "none"}, 422, "invalid_input", "/track"),
        ({"until": (now() - DAY).isoformat()}, 422, "invalid_input", "/until"),
        ({"reason": "  "}, 422, "invalid_input", "/reason"),
    ):
        refused = till.post(path, grant(**changes))
        assert (refused.status, refused.code) == (status, code), changes
        assert refused.json["errors"][0]["pointer"] == pointer
    assert till.call("POST", path, grant(), key=None).status == 400
    assert till.post(f"/tier-grants/{uuid4()}/end", {"reason": "x"}).code == "unknown_tier_grant"
    given = grant_tier(
        actor=SYSTEM,
        member_id=member.id,
        track="",
        level="silver",
        until=None,
        source="plan",
        reference="p",
        now=now(),
    )
    assert till.post(f"/tier-grants/{given.id}/end", {"reason": "x"}).code == "tier_grant_not_by_hand"
    assert TierGrant.objects.filter(cause="override").count() == 0


def test_a_key_without_a_limit_scope_or_store_sets_nothing(till: Till, member: Member) -> None:
    path = f"/members/{member.id}/tier-grants"
    assert Till(make_key(Scope.MEMBERS_READ)[1]).post(path, grant()).status == 403
    elsewhere = Store.objects.get(code="S2")
    Member.objects.filter(id=member.id).update(join_store=Store.objects.get(code="S1"))
    far = Till(make_key(Scope.MEMBERS_READ, Scope.MEMBERS_WRITE, store_ids=[elsewhere.id])[1])
    assert far.post(path, grant()).status == 404
    assert far.get(f"/members/{member.id}/tier-changes").status == 404
    publish(START + 2 * DAY, tiers=document()["tiers"])
    forget_versions()
    assert till.post(path, grant()).code == "not_allowed"
    assert TierGrant.objects.count() == 0


def test_the_history_can_be_of_one_track(till: Till, member: Member) -> None:
    sell(("A", 150), member=member, now=now() - DAY)
    path = f"/members/{member.id}/tier-changes"
    (change,) = till.get(path, track="main").json["changes"]
    assert (change["to_tier"], change["metric"], change["cause"]) == ("silver", 150000, "qualified")
    assert change["order_id"] and change["grant"] is None and change["explanation"]
    assert till.get(path, track="friends").json["changes"] == []
    assert till.get(path, cursor="nonsense").status == 422


def test_a_level_that_a_plan_brings_is_told_with_the_plan(till: Till) -> None:
    publish(START + DAY, plans=[plan(tier="silver"), BLACK])
    forget_versions()
    who = make_member(now=now() - 40 * DAY)
    buy(who, now() - 2 * DAY)
    (main,) = till.get(f"/members/{who.id}/tiers").json["tracks"]
    (given,) = main["grants"]
    assert (main["tier"], main["earned"]["tier"], given["cause"]) == ("silver", "classic", "plan")
    assert (given["plan"], given["reference"], given["reason"]) == ("plus", "plus:1", "bought")
    (change,) = till.get(f"/members/{who.id}/tier-changes").json["changes"]
    assert (change["explanation"], change["grant"]) == ("With the plan Plus, bought", given)
    path = f"/members/{who.id}/tier/explanation"
    assert till.get(path).json["explanation"] == "With the plan Plus, bought"
    before = till.get(path, as_of=(now() - 3 * DAY).isoformat()).json
    assert (before["tier"]["code"], before["cause"]) == ("classic", "joined")
    assert till.post(f"/tier-grants/{given['id']}/end", {"reason": "no"}).code == "tier_grant_not_by_hand"
