"""Every track moves in a replay: what stands, simulated, ends where the book ended, on three tracks and with given levels."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from shuke.checkout.simulate import operations
from shuke.checkout.simulate.operations import Progress, ask, simulate
from shuke.checkout.tiers import replay_tiers
from shuke.core.values import SYSTEM
from shuke.kit import crew
from shuke.loyalty.models import TierChange, TierGrant
from shuke.loyalty.tier_grants import end_grant, grant_tier
from shuke.members.models import Member
from tests.checkout.simulate.lives import BEGIN, END, NAME, RULES, booked_names, live
from tests.checkout.simulate.lives import booked as book_of_lives
from tests.factories.checkout import START, make_shop, sell
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
FRIENDS = {
    "code": "friends", "name": NAME, "metric": "orders", "window": "rolling", "window_months": 1, "valid_months": 1,
    "downgrade": "to_qualified", "discount": "add",
    "levels": [
        {"code": "guest", "name": NAME, "threshold": "0"},
        {"code": "friend", "name": NAME, "threshold": "2", "discount_percent": "3"},
        {"code": "family", "name": NAME, "threshold": "5", "discount_percent": "6"},
    ],
}  # fmt: skip
LEAGUE = {
    "code": "league", "name": NAME, "metric": "points", "window": "anniversary", "valid_months": 1,
    "levels": [
        {"code": "bronze", "name": NAME, "threshold": "0"},
        {"code": "iron", "name": NAME, "threshold": "150"},
    ],
}  # fmt: skip
GUESTS = {
    "code": "press", "name": NAME, "metric": "none", "discount": "best",
    "levels": [{"code": "nobody", "name": NAME}, {"code": "press_card", "name": NAME, "discount_percent": "20"}],
}  # fmt: skip
TRACKS = [FRIENDS, LEAGUE, GUESTS]
HELLO = {**RULES["accruals"][0], "when": {"tiers": ["friend", "family"]}}
THREE: dict[str, Any] = {"tracks": TRACKS, "accruals": [HELLO, {**HELLO, "id": "all", "give": 1, "when": {}}]}
"""A check-in brings five points to friends, and one to everybody."""


def question(**changes: Any):
    return ask(document=document(**{**RULES, **THREE, **changes}), since=BEGIN, until=END, now=END)


def give(
    member: Member, track: str, level: str, at: datetime, until: datetime | None, source: Any = "override"
):
    return grant_tier(
        actor=SYSTEM, member_id=member.id, track=track, level=level, until=until, source=source,
        reference=f"{track}{at}", now=at,
    )  # fmt: skip


def given_before(at: datetime) -> None:
    """Above what is earned, on a track that is set by hand, and beneath what comes to be earned."""
    people = list(Member.objects.order_by("id"))
    give(people[0], "", "gold", at, BEGIN + 20 * DAY)
    give(people[1], "press", "press_card", at, None)
    give(people[2], "friends", "family", at, None, "plan")


def given_in_the_period(at: datetime) -> None:
    people = list(Member.objects.order_by("id"))
    give(people[3], "press", "press_card", at, at + 40 * DAY, "bought")
    give(people[0], "friends", "friend", at, at + 15 * DAY)
    former = TierGrant.objects.get(member=people[2])
    end_grant(actor=SYSTEM, grant_id=former.id, now=at)


def booked(track: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Who stood on which level at the end of the period, and the moves in it."""
    changes = TierChange.objects.filter(track=track, occurred_at__lt=END).order_by("occurred_at", "id")
    stands: dict[Any, str] = {}
    moves: Counter[tuple[str, str]] = Counter()
    for each in changes:
        stands[each.member_id] = each.to_tier
        if each.occurred_at >= BEGIN and each.from_tier != each.to_tier:
            moves[each.from_tier, each.to_tier] += 1
    return Counter(stands.values()), moves


def test_what_stands_replayed_ends_where_the_book_ended_on_every_track() -> None:
    live(**THREE, days=222, acts={-40: given_before, 30: given_in_the_period})
    assert replay_tiers().differences == ()
    found = simulate(question())
    for told in (found["tiers"] | {"track": ""}, *found["tracks"]):
        stands, moves = booked(told["track"])
        lowest = told["current"][0]["code"]
        stands[lowest] = found["members"]["counted"] - sum(n for code, n in stands.items() if code != lowest)
        for side in ("current", "draft"):
            assert Counter({e["code"]: e["members"] for e in told[side] if e["members"]}) == +stands
            assert Counter({(m["from"], m["to"]): m["times"] for m in told["moves"][side]}) == moves
        assert sum(moves.values()) >= 2 and told["up"] == told["down"] == 0
    assert found["difference"]["cost"]["total_minor"] == 0
    real = book_of_lives()
    assert {name: found["current"][name] for name in booked_names()} == {
        name: real[name] for name in booked_names()
    }
    assert real["points_accrued"] > 6
    assert {"code": "grants_kept", "members": 4} in found["notes"]
    assert [each["track"] for each in found["tracks"]] == ["friends", "league", "press"]


def test_a_draft_moves_each_track_by_its_own_rules() -> None:
    make_shop(tracks=[FRIENDS])
    anna, ben = make_member(now=START), make_member(now=START)
    for day in (1, 2, 3):
        sell(("A", 10), member=anna, now=START + day * DAY)
    sell(("B", 1), member=ben, now=START + DAY)
    steps = [dict(level) for level in FRIENDS["levels"]]
    steps[1]["threshold"], steps[2]["threshold"] = "1", "3"
    asked = ask(
        document=document(tracks=[{**FRIENDS, "levels": steps}, LEAGUE]),
        since=START,
        until=START + 20 * DAY,
        now=START + 20 * DAY,
    )
    found = simulate(asked)
    friends, league = found["tracks"]
    # Anna was a friend from her second sale on: 3 % of the third. Under the draft from her first: 3 % of two sales.
    assert (found["current"]["discount_minor"], found["draft"]["discount_minor"]) == (300, 600)
    assert friends["matrix"] == [
        {"current": "friend", "draft": "family", "members": 1},
        {"current": "guest", "draft": "friend", "members": 1},
    ]
    assert (friends["up"], friends["down"]) == (2, 0)
    assert friends["moves"]["draft"] == [
        {"from": "friend", "to": "family", "times": 1},
        {"from": "guest", "to": "friend", "times": 2},
    ]
    assert league["current"] == [] and (league["up"], league["down"]) == (0, 0)
    assert league["matrix"] == [
        {"current": "", "draft": "bronze", "members": 1},
        {"current": "", "draft": "iron", "members": 1},
    ]


@pytest.mark.django_db(transaction=True)
def test_tracks_are_the_same_for_any_number_of_processes_and_after_an_interruption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live(members=3, days=150, **THREE)
    monkeypatch.setattr(operations, "SALES_PER_BATCH", 1)
    monkeypatch.setattr(operations, "SALES_PER_PROCESS", 10)
    monkeypatch.setattr(crew, "_way", lambda: "fork")
    heard: list[Progress] = []
    asked = question(tracks=[{**FRIENDS, "window_months": 2}, GUESTS])
    whole = json.dumps(simulate(asked, watch=heard.append))
    assert json.dumps(simulate(asked, processes=2)) == whole
    assert json.dumps(simulate(asked, kept=heard[0].kept)) == whole
    assert any(each["moves"]["draft"] for each in json.loads(whole)["tracks"])
