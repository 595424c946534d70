"""The impact of a draft: figures by hand, the same as what publishing then does, and a caution that says the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shuke.checkout.impact import operations
from shuke.checkout.impact.commands import app
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.checkout.models import Order
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.simulate.operations import Progress
from shuke.core.errors import InvalidInput
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import SYSTEM
from shuke.kit import clock
from shuke.loyalty.document import validate
from shuke.loyalty.errors import NoProgramme, Unconfirmed
from shuke.loyalty.models import MemberGroup, ProgrammeVersion, Standing, TierChange, TrackStanding
from shuke.loyalty.operations import publish_programme, warnings_of
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.tier_grants import grant_tier
from shuke.loyalty.tier_reviews import reassess_members
from shuke.members.models import Member, MemberStatus
from tests.factories.checkout import make_shop, publish, sell
from tests.factories.loyalty import stand
from tests.factories.members import make_member
from tests.factories.plans import BLACK
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = {"zh-Hans": "名"}


def levels(**changes: dict[str, Any]) -> dict[str, Any]:
    """The tiers of the plain document; `silver={"threshold": "400.00"}` changes a level."""
    tiers = document()["tiers"]
    for level in tiers["levels"]:
        level.update(changes.pop(level["code"], {}))
    if "window" in changes:
        tiers["window_months"] = None
    return {**tiers, **changes}


def impact(days: int = 30, **changes: Any) -> dict[str, Any]:
    return assess_impact(ask_impact(document=document(**changes), now=NOW, days=days))


def given(member: Member, track: str, level: str) -> None:
    """A level beside what is earned, without an end."""
    grant_tier(
        actor=SYSTEM,
        member_id=member.id,
        track=track,
        level=level,
        until=None,
        source="plan",
        reference="r",
        now=NOW - DAY,
    )


def main(report: dict[str, Any], view: str) -> tuple[int, int, int]:
    told = report["tracks"][0][view]
    return told["up"], told["down"], told["unchanged"]


@pytest.fixture
def two() -> tuple[Member, Member]:
    """Anna bought for 1,000.00 and is silver, Ben for 400.00; both 20 days ago. Cora bought nothing."""
    make_shop()
    anna, ben, _cora = (make_member(name, now=NOW - 400 * DAY) for name in ("Anna", "Ben", "Cora"))
    sell(("A", 100), member=anna, now=NOW - 20 * DAY)
    sell(("A", 40), member=ben, now=NOW - 20 * DAY)
    return anna, ben


@pytest.mark.usefixtures("two")
def test_a_lower_threshold_lifts_by_the_next_purchase_and_its_benefits_cost() -> None:
    report = impact(tiers=levels(silver={"threshold": "400.00", "discount_percent": "5"}))
    assert (report["members"], report["buyers"], report["sales_minor"]) == (3, 2, 140000)
    assert (report["sales"], report["final_sales"]) == (2, 0) and "final_prices" not in report["notes"]
    assert (main(report, "at_once"), main(report, "in_time")) == ((0, 0, 3), (1, 0, 2))
    assert report["tracks"][0]["in_time"]["moves"] == [
        {"from": "classic", "to": "silver", "members": 1, "direction": "up"}
    ]
    assert report["tracks"][0]["in_time"]["levels"] == [
        {"code": "classic", "before": 2, "after": 1},
        {"code": "silver", "before": 1, "after": 2},
        {"code": "gold", "before": 0, "after": 0},
    ]
    # Anna: 5 % instead of 2 % of 1,000.00. Ben, by and by: 5 % of 400.00 and 0.2 × 400 points, a cent each.
    assert report["cost"]["at_once"]["total_minor"] == 3000
    assert report["cost"]["in_time"] == {
        "discount_minor": 3000 + 2000,
        "points": 80,
        "points_minor": 80,
        "total_minor": 5080,
        "by": {"up": 2080, "down": 0, "unchanged": 3000},
    }


@pytest.mark.usefixtures("two")
def test_a_month_is_thirty_days_of_what_was_bought_and_older_sales_cost_nothing() -> None:
    draft = levels(silver={"discount_percent": "5"})
    assert impact(days=60, tiers=draft)["cost"]["in_time"]["total_minor"] == 1500
    nothing = impact(days=10, tiers=draft)
    assert (nothing["buyers"], nothing["cost"]["in_time"]["total_minor"]) == (0, 0)


def test_sales_under_a_discount_count_before_it_and_final_prices_do_not_count(
    two: tuple[Member, Member],
) -> None:
    anna, _ben = two
    sell(("A", 10), member=anna, now=NOW - 5 * DAY)  # 2 % off: 98.00, 98 × 1.2 points
    sell(("A", 10), member=anna, now=NOW - 5 * DAY, settled=True)  # 100.00 whatever the tier
    found = impact(days=10, tiers=levels(silver={"discount_percent": "10", "multiplier": "2"}))
    assert found["sales_minor"] == 9800 + 10000
    assert (found["sales"], found["final_sales"], found["notes"][0]) == (2, 1, "final_prices")
    # 8 % more of 100.00; points before the multiplier: floor(117/1.2) + 100, times 0.8 more; three months in 30 days.
    assert found["cost"]["in_time"]["discount_minor"] == 3 * 800
    assert found["cost"]["in_time"]["points"] == round((117 * 10 // 12 + 100) * 3 * 1.0) - round(
        (117 * 10 // 12 + 100) * 3 * 0.2
    )


def test_final_prices_of_a_level_without_a_discount_do_not_count_either(two: tuple[Member, Member]) -> None:
    _anna, ben = two
    sell(("A", 10), member=ben, now=NOW - 5 * DAY, settled=True)
    sell(("A", 3), member=ben, now=NOW - 5 * DAY)
    found = impact(days=10, tiers=levels(classic={"discount_percent": "10"}))
    assert (found["sales_minor"], found["cost"]["in_time"]["discount_minor"]) == (13000, 3 * 300)


@pytest.mark.usefixtures("two")
def test_points_without_worth_cost_nothing_and_the_report_says_so() -> None:
    draft = document(tiers=levels(silver={"multiplier": "3"}))
    del draft["redemption"]
    found = assess_impact(ask_impact(document=draft, now=NOW, days=30))
    assert "points_without_worth" in found["notes"]
    assert found["cost"]["in_time"]["points"] == 2000 - 200
    assert found["cost"]["in_time"]["points_minor"] == -200


@pytest.mark.parametrize("on_change", ["keep", "upgrade", "reassess"])
def test_at_once_is_what_the_new_version_then_does(on_change: str) -> None:
    further = {
        "code": "friends",
        "name": NAME,
        "metric": "orders",
        "window": "anniversary",
        "on_change": on_change,
    }
    steps = [
        {"code": "guest", "name": NAME, "threshold": 0},
        {"code": "friend", "name": NAME, "threshold": 2},
    ]
    make_shop(tracks=[{**further, "levels": steps}])
    members = [make_member(now=NOW - (300 + n) * DAY) for n in range(9)]
    for n, member in enumerate(members):
        for day in range(1 + n % 3):
            sell(("A", 50 * (n + 1)), member=member, now=NOW - (10 + day) * DAY)
    # One whose review is due is left to it; one holds a granted level; one fell back earlier and stands above her sales.
    Standing.objects.filter(member=members[8]).update(review_at=NOW - DAY)
    given(members[2], "", "gold")
    stand(make_member(now=NOW - 90 * DAY).id, "gold", since=NOW - 80 * DAY, review_at=NOW + 90 * DAY)
    draft = document(
        tiers=levels(silver={"threshold": "700.00"}, gold={"threshold": "2000.00"}, on_change=on_change),
        tracks=[{**further, "levels": [steps[0], {**steps[1], "threshold": 3}]}],
    )
    report = assess_impact(ask_impact(document=draft, now=NOW))
    changes, orders = TierChange.objects.count(), Order.objects.count()
    assert changes and orders
    tables = {"": Standing, "friends": TrackStanding}
    lowest = {"": "classic", "friends": "guest"}
    before = {track: _levels(table, lowest[track]) for track, table in tables.items()}
    publish(effective_at=NOW, tiers=draft["tiers"], tracks=draft["tracks"])
    while reassess_members(now=NOW, qualifying=qualifying_totals):
        pass
    for told in report["tracks"]:
        after = _levels(tables[told["track"]], lowest[told["track"]])
        moved = {(old, after[m]): 0 for m, old in before[told["track"]].items() if old != after[m]}
        for m, old in before[told["track"]].items():
            if old != after[m]:
                moved[old, after[m]] += 1
        assert {(e["from"], e["to"]): e["members"] for e in told["at_once"]["moves"]} == moved, told["track"]
    moves = [e for told in report["tracks"] for e in told["at_once"]["moves"]]
    assert {e["direction"] for e in moves} == {"keep": set(), "upgrade": {"up"}, "reassess": {"up", "down"}}[
        on_change
    ]


def _levels(table: Any, lowest: str) -> dict[Any, str]:
    stored = dict(table.objects.values_list("member_id", "tier"))
    return {m: stored.get(m, lowest) for m in Member.objects.values_list("id", flat=True)}


def test_who_is_on_the_way_down_already_is_not_laid_at_the_drafts_door() -> None:
    make_shop()
    stand(make_member(now=NOW - 500 * DAY).id, "gold", since=NOW - 300 * DAY, review_at=NOW + 60 * DAY)
    raised = levels(gold={"threshold": "4000.00"})
    assert main(impact(tiers=raised), "in_time") == (0, 0, 1)
    # Under the draft the next review takes two levels instead of one.
    assert main(impact(tiers={**raised, "downgrade": "to_qualified"}), "in_time") == (0, 1, 0)
    assert main(impact(tiers={**raised, "downgrade": "never"}), "in_time") == (1, 0, 0)


def test_early_in_a_calendar_year_the_twelve_months_before_are_looked_at() -> None:
    tiers = levels(window="calendar_year", grace_days=31)
    make_shop(tiers=tiers)
    member = make_member(now=NOW - 500 * DAY)
    sell(("A", 150), member=member, now=NOW - 100 * DAY)  # December
    assert Standing.objects.get(member=member).tier == "silver"
    assert main(impact(tiers={**tiers, "grace_days": 10}), "in_time") == (0, 0, 1)
    assert main(impact(tiers=levels(window="calendar_year", silver={"threshold": "1600.00"})), "in_time") == (
        0,
        1,
        0,
    )


def test_levels_and_tracks_that_come_and_go() -> None:
    friends = {
        "code": "friends",
        "name": NAME,
        "metric": "none",
        "levels": [
            {"code": "guest", "name": NAME, "threshold": 0},
            {"code": "friend", "name": NAME, "threshold": 0},
        ],
    }
    for level in friends["levels"]:
        del level["threshold"]  # type: ignore[attr-defined]
    make_shop(tracks=[friends])
    anna, ben = make_member(now=NOW - 90 * DAY), make_member(now=NOW - 90 * DAY)
    sell(("A", 150), member=anna, now=NOW - 10 * DAY)
    given(ben, "friends", "friend")
    tiers = document()["tiers"]
    bronze = {"code": "bronze", "name": NAME, "threshold": "1.00"}
    between = {**tiers, "levels": [tiers["levels"][0], bronze, *tiers["levels"][1:]]}
    found = impact(tiers=between, tracks=[friends])
    assert main(found, "in_time") == (0, 0, 2), "a level put in between moves nobody who stands above it"
    without = {**tiers, "levels": [tiers["levels"][0], tiers["levels"][2]]}
    found = impact(tiers=without)
    assert main(found, "at_once") == (0, 1, 1), "a level that is gone leaves its members on what they reach"
    assert found["tracks"][1]["at_once"] == {
        "up": 0,
        "down": 1,
        "unchanged": 1,
        "moves": [
            {"from": "guest", "to": "", "members": 1, "direction": "unchanged"},
            {"from": "friend", "to": "", "members": 1, "direction": "down"},
        ],
        "levels": [
            {"code": "", "before": 0, "after": 2},
            {"code": "guest", "before": 1, "after": 0},
            {"code": "friend", "before": 1, "after": 0},
        ],
    }


def test_a_plan_that_gives_more_than_the_level_leaves_the_level_nothing_to_cost(
    two: tuple[Member, Member],
) -> None:
    publish(effective_at=NOW - 30 * DAY, plans=[BLACK])
    MemberGroup.objects.create(member=two[0], kind="plan", code="black", since=NOW - DAY)
    found = impact(plans=[BLACK], tiers=levels(silver={"discount_percent": "15", "multiplier": "2"}))
    assert found["cost"]["in_time"]["total_minor"] == 0
    MemberGroup.objects.update(until=NOW)
    assert (
        impact(plans=[BLACK], tiers=levels(silver={"discount_percent": "15"}))["cost"]["in_time"][
            "total_minor"
        ]
        == 13000
    )


def test_closed_memberships_are_not_counted(two: tuple[Member, Member]) -> None:
    Member.objects.filter(id=two[0].id).update(status=MemberStatus.CLOSED)
    assert impact()["members"] == 2


def test_nothing_is_written_and_the_same_question_gives_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, two: tuple[Member, Member]
) -> None:
    monkeypatch.setattr(operations, "MEMBERS_PER_BATCH", 2)
    question = ask_impact(document=document(tiers=levels(silver={"threshold": "1"})), now=NOW)
    rows = [model.objects.count() for model in (TierChange, OutboxEvent, AuditEvent, ProgrammeVersion)]
    heard: list[Progress] = []
    whole = json.dumps(assess_impact(question, watch=heard.append))
    assert [(p.done, p.total) for p in heard] == [(2, 3), (3, 3)]
    monkeypatch.setattr(operations, "MEMBERS_PER_BATCH", 5000)
    assert json.dumps(assess_impact(question)) == whole
    assert rows == [
        model.objects.count() for model in (TierChange, OutboxEvent, AuditEvent, ProgrammeVersion)
    ]


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(NoProgramme):
        ask_impact(document=document(), now=NOW)
    make_shop()
    for field, given in (("days", {"days": 0}), ("days", {"days": 367}), ("currency", {"currency": "EUR"})):
        with pytest.raises(InvalidInput) as refused:
            ask_impact(document=document(currency=given.pop("currency", "CNY")), now=NOW, **given)  # type: ignore[arg-type]
        assert refused.value.field == field


# The caution -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("on_change", ["keep", "reassess"])
def test_a_draft_that_takes_tiers_is_confirmed_by_what_the_preview_says(on_change: str) -> None:
    source = json.dumps(document(tiers=levels(silver={"threshold": "2000.00"}, on_change=on_change)))
    report = assess_impact(ask_impact(document=validate(source), now=NOW))
    found = {each.key: each.params["members"] for each in warnings_of(validate(source), NOW)}
    assert found == {
        **({"tiers_taken:tiers": report["tracks"][0]["at_once"]["down"]} if on_change == "reassess" else {}),
        "tiers_lost:tiers": report["tracks"][0]["in_time"]["down"],
    }
    assert set(found.values()) == {1}
    with pytest.raises(Unconfirmed):
        publish_programme(actor=SYSTEM, now=NOW, source=source)
    assert ProgrammeVersion.objects.count() == 1
    publish_programme(actor=SYSTEM, now=NOW, source=source, accepted=list(found))
    forget_versions()
    assert ProgrammeVersion.objects.count() == 2


@pytest.mark.usefixtures("two")
def test_what_takes_from_nobody_needs_no_confirming(django_assert_max_num_queries: Any) -> None:
    for changes in (
        {"tiers": levels(silver={"threshold": "400.00"})},
        {"tiers": levels(gold={"threshold": "9000.00"})},
        {"earning": [{"id": "base", "name": NAME, "give": 2, "per": "1.00"}]},
    ):
        assert warnings_of(validate(json.dumps(document(**changes))), NOW) == ()
    with django_assert_max_num_queries(1):
        # Where levels are reached alike nobody is looked at.
        warnings_of(validate(json.dumps(document(tiers=levels(silver={"discount_percent": "1"})))), NOW)


@pytest.mark.usefixtures("two")
def test_a_track_is_named_by_its_place_and_one_that_goes_by_the_list() -> None:
    track = {
        "code": "friends",
        "name": NAME,
        "metric": "orders",
        "levels": [
            {"code": "guest", "name": NAME, "threshold": 0},
            {"code": "friend", "name": NAME, "threshold": 1},
        ],
    }
    publish(effective_at=NOW - 30 * DAY, tracks=[track])
    steps = track["levels"]
    assert isinstance(steps, list)
    harder = {**track, "levels": [steps[0], {**steps[1], "threshold": 5}]}
    for tracks, key in (([harder], "tiers_lost:tracks[0]"), ([], "tiers_lost:tracks")):
        TrackStanding.objects.all().delete()
        for member in Member.objects.all():
            TrackStanding.objects.create(member=member, track="friends", tier="friend", since=NOW - DAY)
        found = {
            each.key: each.params["members"]
            for each in warnings_of(validate(json.dumps(document(tracks=tracks))), NOW)
        }
        assert found[key] == 2


# The command -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two")
def test_the_command_says_it_in_a_line_and_the_rest_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    draft = tmp_path / "draft.yaml"
    draft.write_text(
        json.dumps(document(tiers=levels(silver={"threshold": "400.00"}, gold={"threshold": "1000.00"}))),
        encoding="utf-8",
    )
    asked = ["impact", str(draft), "--days", "30", "--quiet"]
    lines = CliRunner().invoke(app, asked).output.splitlines()
    # Anna: 3 % more and 0.3 × 1,000 points more; Ben 2 % of 400.00 and 80 points.
    assert lines[0] == "2 up, 0 down, costs 41.80 CNY a month."
    assert lines[1].startswith(
        "3 members against version 1; cost by what 2 of them bought in the last 30 days."
    )
    assert "tiers, by the next purchase and review: 2 up, 0 down, 1 unchanged" in lines
    assert "  silver → gold: 1 up" in lines
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert found["cost"]["in_time"]["total_minor"] == 4180
    refused = CliRunner().invoke(app, [*asked, "--against", "9"])
    assert refused.exit_code == 1 and "9" not in refused.stdout
