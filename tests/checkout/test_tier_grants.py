"""Levels that are given beside those that are earned, on several tracks; the log leads to what stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds import refund_order
from shuke.checkout.refunds.values import RefundRequest
from shuke.checkout.tiers import replay_tiers
from shuke.core.errors import InvalidInput, NotAllowed
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM, Actor, Role
from shuke.loyalty.errors import BeyondOverrideLimit, GrantNotByHand, GrantOver, UnknownGrant
from shuke.loyalty.models import Standing, TierChange, TierGrant, TrackStanding
from shuke.loyalty.redemptions import redeem_reward
from shuke.loyalty.tier_grants import end_grant, end_override, grant_tier, override_tier
from shuke.loyalty.tier_history import held_tiers, list_tier_changes
from shuke.loyalty.tier_reviews import announce_downgrades, reassess_members, review_tiers
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
NAME = {"zh-Hans": "名"}
DAY = timedelta(days=1)


def levels(*given: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    return [{"code": code, "name": NAME, "threshold": threshold, **more} for code, threshold in given]


MAIN = {"metric": "spend", "levels": levels(("classic", "0"), ("silver", "100"), ("gold", "300"))}
FRIENDS = {
    "code": "friends",
    "name": NAME,
    "metric": "orders",
    "window": "calendar_year",
    "discount": "add",
    "levels": [*levels(("guest", "0")), *levels(("friend", "2"), discount_percent="5")],
}


def held(member: Any, track: str = "") -> str:
    if track:
        return TrackStanding.objects.get(member=member, track=track).tier
    return Standing.objects.get(member=member).tier


def changes(member: Any) -> list[tuple[str, str, str, str]]:
    found = TierChange.objects.filter(member=member).order_by("id")
    return [(c.track, c.from_tier, c.to_tier, c.cause) for c in found]


def give(member: Any, level: str, until: datetime | None, *, reference: str = "r", **more: Any) -> TierGrant:
    given = {"track": "", "source": "plan", "now": NOW, **more}
    return grant_tier(
        actor=SYSTEM, member_id=member.id, level=level, until=until, reference=reference, **given
    )


def test_a_given_level_stands_above_what_is_earned_and_ends_by_itself() -> None:
    make_shop(tiers=MAIN)
    member = make_member(now=NOW - DAY)
    give(member, "gold", NOW + 30 * DAY)
    sell(("A", 15), member=member, now=NOW + DAY)
    assert held(member) == "gold"
    review_tiers(now=NOW + 31 * DAY, qualifying=qualifying_totals)
    assert held(member) == "silver"
    assert changes(member) == [
        ("", "classic", "gold", "plan"),
        ("", "gold", "gold", "qualified"),
        ("", "gold", "silver", "lapsed"),
    ]
    assert replay_tiers().differences == ()


def test_the_same_is_given_once_and_ended_once() -> None:
    make_shop(tiers=MAIN)
    member = make_member(now=NOW - DAY)
    first, again = give(member, "gold", None), give(member, "gold", None)
    assert first.id == again.id and TierGrant.objects.count() == 1
    for _ in range(2):
        end_grant(actor=SYSTEM, grant_id=first.id, reason="plan ended", now=NOW + DAY)
    assert held(member) == "classic"
    assert [cause for *_rest, cause in changes(member)] == ["plan", "ended"]
    assert replay_tiers().differences == ()


def test_of_two_given_levels_the_higher_one_counts_and_the_other_remains() -> None:
    make_shop(tiers=MAIN)
    member = make_member(now=NOW - DAY)
    give(member, "silver", NOW + 60 * DAY, reference="one")
    gold = give(member, "gold", NOW + 30 * DAY, reference="two", source="bought")
    assert held(member) == "gold"
    review_tiers(now=NOW + 30 * DAY, qualifying=qualifying_totals)
    assert held(member) == "silver"
    with pytest.raises(GrantOver):
        end_grant(actor=SYSTEM, grant_id=gold.id, now=NOW + 40 * DAY)
    assert replay_tiers().differences == ()


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("track", {"track": "none"}),
        ("level", {"level": "diamond"}),
        ("until", {"until": NOW}),
        ("until", {"until": datetime.max.replace(tzinfo=UTC)}),
        ("reference", {"reference": ""}),
    ],
)
def test_what_cannot_be_given_is_named(field: str, given: dict[str, Any]) -> None:
    make_shop(tiers=MAIN)
    member = make_member(now=NOW - DAY)
    with pytest.raises(InvalidInput) as refused:
        give(member, **{"level": "gold", "until": None, **given})
    assert refused.value.field == field
    assert not TierGrant.objects.exists() and not TierChange.objects.exists()


def test_a_role_sets_what_its_limit_allows_and_the_audit_says_why() -> None:
    make_shop(tiers={**MAIN, "overrides": {"store_manager": {"days": 31, "up_to": "silver"}}})
    member = make_member(now=NOW - DAY)
    manager = make_staff(Role.STORE_MANAGER)
    actor = Actor("staff", manager.id, "manager")
    given: dict[str, Any] = {
        "actor": actor,
        "member_id": member.id,
        "track": "",
        "reason": "sorry",
        "now": NOW,
    }
    for level, until, field in (
        ("gold", NOW + DAY, "level"),
        ("silver", NOW + 32 * DAY, "until"),
        ("silver", None, "until"),
    ):
        with pytest.raises(BeyondOverrideLimit) as refused:
            override_tier(level=level, until=until, **given)
        assert refused.value.field == field
    cashier = Actor("staff", make_staff(Role.CASHIER).id, "cashier")
    with pytest.raises(NotAllowed):
        override_tier(level="silver", until=NOW + DAY, **{**given, "actor": cashier})
    override_tier(level="silver", until=NOW + DAY, **given)
    assert held(member) == "silver"
    audit = AuditEvent.objects.get(action="loyalty.tier_overridden.v1")
    assert (audit.object_id, audit.reason) == (str(member.id), "sorry")
    assert replay_tiers().differences == ()


def test_a_level_set_by_hand_is_ended_by_who_may_set_it_and_told_both_times() -> None:
    make_shop(tiers={**MAIN, "overrides": {"store_manager": {"up_to": "silver"}, "owner": {}}})
    member = make_member(now=NOW - DAY)
    owner = Actor("staff", make_staff(Role.OWNER).id, "owner")
    manager = Actor("staff", make_staff(Role.STORE_MANAGER).id, "manager")
    agent = Actor("staff", make_staff(Role.SERVICE_AGENT).id, "agent")
    gold = override_tier(
        actor=owner, member_id=member.id, track="", level="gold", until=None, reason="guest", now=NOW
    )
    silver = override_tier(
        actor=manager, member_id=member.id, track="", level="silver", until=None, reason="sorry", now=NOW
    )
    ending: dict[str, Any] = {"reason": "over", "now": NOW + DAY}
    for actor, refusal in ((agent, NotAllowed), (manager, BeyondOverrideLimit)):
        with pytest.raises(refusal):
            end_override(actor=actor, grant_id=gold.id, **ending)
    with pytest.raises(InvalidInput):
        end_override(actor=owner, grant_id=gold.id, reason="  ", now=NOW + DAY)
    assert held(member) == "gold"
    for _ in range(2):
        end_override(actor=owner, grant_id=gold.id, **ending)
    assert held(member) == "silver"
    end_override(actor=manager, grant_id=silver.id, **ending)
    assert held(member) == "classic"
    told = [
        (each.name, each.payload["tier"])
        for each in OutboxEvent.objects.filter(name__startswith="loyalty.tier_overrid").order_by("id")
    ]
    assert told == [
        ("loyalty.tier_overridden.v1", "gold"),
        ("loyalty.tier_overridden.v1", "silver"),
        ("loyalty.tier_override_ended.v1", "gold"),
        ("loyalty.tier_override_ended.v1", "silver"),
    ]
    assert AuditEvent.objects.filter(action="loyalty.tier_override_ended.v1").count() == 2
    assert replay_tiers().differences == ()


def test_what_a_plan_gave_is_not_ended_by_hand() -> None:
    make_shop(tiers=MAIN)
    member = make_member(now=NOW - DAY)
    owner = Actor("staff", make_staff(Role.OWNER).id, "owner")
    with pytest.raises(GrantNotByHand):
        end_override(actor=owner, grant_id=give(member, "gold", None).id, reason="over", now=NOW)
    with pytest.raises(UnknownGrant):
        end_override(actor=owner, grant_id=UUID(int=1), reason="over", now=NOW)
    assert held(member) == "gold"


def test_the_history_is_told_by_track_in_pages_with_who_gave_what() -> None:
    make_shop(tiers=MAIN, tracks=[FRIENDS])
    member = make_member(now=NOW - DAY)
    assert [(each.state.tier, each.grants) for each in held_tiers(member.id, NOW)] == [
        ("classic", ()),
        ("guest", ()),
    ]
    owner = Actor("staff", make_staff(Role.OWNER).id, "owner")
    made = override_tier(
        actor=owner,
        member_id=member.id,
        track="friends",
        level="friend",
        until=NOW + 9 * DAY,
        reason="guest",
        now=NOW,
    )
    sell(("A", 15), member=member, now=NOW + DAY)
    sell(("A", 25), member=member, now=NOW + 2 * DAY)
    main, friends = held_tiers(member.id, NOW + 3 * DAY)
    assert (main.state.tier, friends.state.tier, friends.state.earned.tier) == ("gold", "friend", "friend")
    assert [each.id for each in friends.grants] == [made.id] and main.grants == ()
    assert held_tiers(member.id, NOW + 9 * DAY)[1].grants == ()
    whole = list_tier_changes(member.id)
    assert [(s.change.track, s.change.to_tier, s.change.cause, s.version) for s in whole.steps] == [
        ("friends", "friend", "qualified", 1),
        ("", "gold", "qualified", 1),
        ("", "silver", "qualified", 1),
        ("friends", "friend", "override", 1),
    ] and whole.next_cursor is None
    assert whole.steps[-1].grant == made and whole.steps[0].grant is None
    seen, cursor = list[UUID](), None
    while True:
        page = list_tier_changes(member.id, cursor=cursor, limit=1)
        seen += [each.change.id for each in page.steps]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [each.change.id for each in whole.steps]
    assert [s.change.to_tier for s in list_tier_changes(member.id, track="").steps] == ["gold", "silver"]


def test_a_further_track_counts_orders_and_adds_its_discount() -> None:
    make_shop(tiers=MAIN, tracks=[FRIENDS])
    member = make_member(now=NOW - DAY)
    for n in range(2):
        assert sell(("A", 1), member=member, now=NOW + n * DAY)["discount_minor"] == 0
    assert held(member, "friends") == "friend"
    third = sell(("A", 1), member=member, now=NOW + 2 * DAY)
    assert third["discount_minor"] == 50
    refund_order(
        actor=TILL, order_id=third["id"], reason="returned", now=NOW + 3 * DAY, request=RefundRequest()
    )
    assert held(member, "friends") == "friend"
    # One year after the year in which it was reached, nothing was bought: the level is lost at its end.
    review_tiers(now=datetime(2028, 1, 1, 4, tzinfo=UTC), qualifying=qualifying_totals)
    assert held(member, "friends") == "guest"
    assert replay_tiers().differences == ()


def test_a_new_version_lifts_whoever_reaches_more_once() -> None:
    make_shop(tiers=MAIN)
    member, other = make_member(now=NOW - DAY), make_member(now=NOW - DAY)
    sell(("A", 15), member=member, now=NOW)
    sell(("A", 1), member=other, now=NOW)
    easier = levels(("classic", "0"), ("silver", "50"), ("gold", "120"))
    publish(NOW + DAY, tiers={**MAIN, "on_change": "upgrade", "levels": easier})
    for _ in range(5):
        reassess_members(now=NOW + 2 * DAY, qualifying=qualifying_totals, limit=1)
    assert changes(member)[-1] == ("", "silver", "gold", "programme")
    assert not Standing.objects.filter(member=other).exists()
    assert replay_tiers().differences == ()


def test_who_will_fall_is_told_ahead_once_with_what_is_missing() -> None:
    make_shop(tiers={**MAIN, "warn_days": [30]})
    member = make_member(now=NOW - DAY)
    sell(("A", 15), member=member, now=NOW)
    due = Standing.objects.get(member=member).review_at
    assert due is not None
    for _ in range(3):
        announce_downgrades(now=due - 20 * DAY, qualifying=qualifying_totals)
    told = OutboxEvent.objects.get(name="loyalty.tier_at_risk.v1")
    assert told.payload["tier"] == "silver" and told.payload["falls_to"] == "classic"
    assert told.payload["missing"] == 10_000 and told.payload["days"] == 30


def test_a_level_bought_for_points_holds_for_its_months_and_no_longer() -> None:
    vip = {"code": "vip", "name": NAME, "kind": "tier", "tier": "gold", "months": 2, "points": 5}
    make_shop(tiers=MAIN, rewards=[vip])
    member = make_member(now=NOW - DAY)
    sell(("A", 1), member=member, now=NOW)
    redemption = redeem_reward(actor=SYSTEM, member_id=member.id, reward="vip", now=NOW)
    bought = TierGrant.objects.get()
    assert (bought.tier, bought.cause, bought.reference, bought.points) == (
        "gold",
        "bought",
        str(redemption.id),
        5,
    )
    assert held(member) == "gold"
    review_tiers(now=datetime(2026, 5, 10, 15, tzinfo=UTC), qualifying=qualifying_totals)
    assert held(member) == "gold"
    review_tiers(now=datetime(2026, 5, 10, 16, tzinfo=UTC), qualifying=qualifying_totals)
    assert held(member) == "classic"
    assert replay_tiers().differences == ()


def test_a_refund_takes_back_the_level_of_a_further_track() -> None:
    make_shop(tiers=MAIN, tracks=[FRIENDS])
    member = make_member(now=NOW - DAY)
    orders = [sell(("A", 1), member=member, now=NOW + n * DAY) for n in range(2)]
    assert held(member, "friends") == "friend"
    refund_order(
        actor=TILL, order_id=orders[1]["id"], reason="returned", now=NOW + 3 * DAY, request=RefundRequest()
    )
    assert held(member, "friends") == "guest"
    assert replay_tiers().differences == ()
