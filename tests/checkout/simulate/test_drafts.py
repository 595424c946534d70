"""The simulator: figures of a draft by hand, the same report every time, gone on with half-way, and asked over the command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from typer.testing import CliRunner

from shuke.catalog.models import Product
from shuke.checkout.errors import NoProgramme
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.simulate import operations
from shuke.checkout.simulate.commands import app
from shuke.checkout.simulate.operations import Progress, ask, simulate
from shuke.core.errors import InvalidInput
from shuke.kit import clock
from shuke.ledger.models import Entry
from shuke.loyalty.plans.models import PlanTerm
from shuke.loyalty.plans.refunds import refund_plan
from tests.factories.checkout import START, TILL, make_shop, sell
from tests.factories.members import make_member
from tests.factories.plans import BLACK, CASH, PLUS, buy, make_club, plan
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SINCE, UNTIL = START, START + timedelta(days=60)


@pytest.fixture
def two() -> tuple[Any, Any]:
    """Anna buys for 100.00, then for 20.00 with 100 points; Ben for 10.00."""
    make_shop()
    anna, ben = make_member(now=START), make_member(now=START)
    sell(("A", 10), member=anna, now=START + timedelta(days=1))
    sell(("A", 2), member=anna, now=START + timedelta(days=2), points=100)
    sell(("A", 1), member=ben, now=START + timedelta(days=3), store="S2")
    return anna, ben


def report(**changes: Any) -> dict[str, Any]:
    return simulate(
        ask(document=document(**changes) if changes else document(), since=SINCE, until=UNTIL, now=UNTIL)
    )


def twice() -> list[dict[str, Any]]:
    return [{"id": "base", "name": {"zh-Hans": "双倍"}, "asset": "points", "give": 2, "per": "1.00"}]


@pytest.mark.usefixtures("two")
def test_a_draft_that_gives_twice_the_points_costs_that_much_more() -> None:
    found = report(earning=twice())
    # 100 + 10 (the part paid with points earns nothing) + 10 points, doubled in the draft; 100 points are 1.00.
    assert found["current"]["points_issued"] == 100 + 19 + 10
    assert found["draft"]["points_issued"] == 2 * (100 + 19 + 10)
    assert found["difference"]["cost"] == {
        "points_issued_minor": 129,
        "discount_minor": 0,
        "total_minor": 129,
    }
    assert found["current"]["liability"] == {"points": 29, "minor": 29}
    assert found["draft"]["liability"] == {"points": 158, "minor": 158}
    assert found["members"]["better"] == 2 and found["members"]["worse"] == 0
    assert found["members"]["gained_minor"] == 129
    assert [w["difference_minor"] for w in found["members"]["winners"]] == [119, 10]
    assert [(s["store"], s["draft"]["points_earned"]) for s in found["stores"]] == [("S1", 238), ("S2", 20)]
    assert [m["month"] for m in found["months"]] == ["2024-01"]


@pytest.mark.usefixtures("two")
def test_a_lower_threshold_moves_members_up_and_its_discount_costs() -> None:
    tiers = document()["tiers"]
    tiers["levels"][1] |= {"threshold": "50.00", "discount_percent": "10"}
    found = report(tiers=tiers)
    # Anna is silver from her first sale on: 10 % of 20.00 at the second.
    assert found["tiers"]["up"] == 1 and found["tiers"]["down"] == 0
    assert {"current": "classic", "draft": "silver", "members": 1} in found["tiers"]["matrix"]
    assert found["difference"]["discount_minor"] == 200
    assert found["draft"]["discounts"] == [{"kind": "tier", "code": "silver", "minor": 200}]


def test_final_prices_stay_final_under_a_draft_although_the_level_had_no_discount_then() -> None:
    make_shop()
    anna = make_member(now=START)
    sell(("A", 10), member=anna, now=START + DAY, settled=True)
    sell(("A", 3), member=anna, now=START + 2 * DAY)
    tiers = document()["tiers"]
    tiers["levels"][0]["discount_percent"] = "10"
    found = report(tiers=tiers)
    assert found["draft"]["discounts"] == [{"kind": "tier", "code": "classic", "minor": 300}]
    Order.objects.update(settled=None)  # sold before this was kept: nothing tells the two apart
    assert report(tiers=tiers)["draft"]["discounts"] == [{"kind": "tier", "code": "classic", "minor": 1300}]


@pytest.mark.usefixtures("two")
def test_points_that_the_draft_does_not_take_are_not_spent() -> None:
    draft = document()
    del draft["redemption"]
    found = simulate(ask(document=draft, since=SINCE, until=UNTIL, now=UNTIL))
    assert found["current"]["points_used"] == 100 and found["draft"]["points_used"] == 0
    assert found["draft"]["payable_minor"] == found["current"]["payable_minor"] + 100


@pytest.mark.usefixtures("two")
def test_margins_are_told_for_what_has_a_cost_price() -> None:
    assert {"code": "no_cost_prices"} in report()["notes"]
    Product.objects.filter(sku="A").update(cost_minor=600)
    found = report(earning=twice())
    # 130.00 sold less 1.00 in points, 13 pieces at 6.00.
    assert found["current"]["margin_minor"] == 13000 - 100 - 13 * 600
    assert found["difference"]["margin_minor"] == 0
    assert not any(note["code"] == "no_cost_prices" for note in found["notes"])


def test_a_time_without_sales_is_told_as_such() -> None:
    make_shop()
    assert report()["notes"] == [{"code": "no_sales"}]


def test_coupons_that_were_used_stay_worth_what_they_were(two: tuple[Any, Any]) -> None:
    line = OrderLine.objects.get(order__member=two[1])
    OrderLine.objects.filter(pk=line.pk).update(
        discount_minor=300, detail=[{"kind": "coupon", "code": "lunch", "minor": 300}]
    )
    found = report(earning=twice())
    assert {"code": "coupons_kept", "orders": 1, "minor": 300} in found["notes"]
    assert found["draft"]["sales_minor"] == 10000 + 2000 + 700
    assert found["difference"]["points_issued"] == 100 + 19 + 7


def test_who_held_a_plan_keeps_it_and_its_benefits_are_those_of_each_programme() -> None:
    make_club()
    anna, ben, carl = (make_member(now=START) for _ in range(3))
    first = buy(anna, START)

    def pays(day: int) -> int:
        return sell(("A", 10), member=anna, now=START + timedelta(days=day, hours=1))["payable_minor"]

    assert pays(0) == 9000
    refund_plan(
        actor=TILL,
        member_id=anna.id,
        plan="plus",
        sale=CASH,
        reason="x",
        enjoyed=enjoyed_on_sales,
        now=START + DAY,
    )
    assert pays(5) == 10000
    buy(anna, START + timedelta(days=10))  # the group now tells of this run only
    assert PlanTerm.objects.get(id=first.id).closed_at == START + DAY
    assert pays(20) == 9000
    sell(("A", 10), member=anna, now=START + timedelta(days=21), settled=True)
    sell(("A", 10), member=ben, now=START + timedelta(days=3))
    buy(carl, START + timedelta(days=1))  # holds one and never buys
    same = simulate(ask(document=document(plans=[PLUS, BLACK]), since=SINCE, until=UNTIL, now=UNTIL))
    assert same["draft"]["discounts"] == [{"kind": "plan", "code": "plus", "minor": 2000}]
    booked = OrderLine.objects.aggregate(n=Sum("discount_minor"))["n"]
    assert same["current"]["discount_minor"] == booked == 2000
    assert same["current"]["points_earned"] == Order.objects.aggregate(n=Sum("points_earned"))["n"]
    assert same["members"]["better"] == same["members"]["worse"] == 0
    assert {"code": "plans_kept", "members": 2} in same["notes"]
    half = plan(benefits={"discount_percent": "5", "multiplier": "1"})
    found = simulate(ask(document=document(plans=[half, BLACK]), since=SINCE, until=UNTIL, now=UNTIL))
    assert found["difference"]["discount_minor"] == -1000
    # 180 + 100 + 180 + 200 + 100 with ×2 on what the plan covered; without it 95 + 100 + 95 + 100 + 100.
    assert (found["current"]["points_issued"], found["draft"]["points_issued"]) == (760, 490)
    assert found["members"]["worse"] == 1 and found["members"]["losers"][0]["difference_minor"] == -1000 - 270
    gone = simulate(ask(document=document(), since=SINCE, until=UNTIL, now=UNTIL))
    assert gone["draft"]["discount_minor"] == 0 and gone["difference"]["discount_minor"] == -2000


def test_a_plan_in_grace_still_gives_its_benefits_in_the_replay() -> None:
    short = {**PLUS, "duration": {"days": 10}}
    make_club(short)
    anna = make_member(now=START)
    ends = buy(anna, START).ends_at
    for at, payable in ((ends + DAY, 9000), (ends + 4 * DAY, 10000)):
        assert sell(("A", 10), member=anna, now=at)["payable_minor"] == payable
    found = simulate(ask(document=document(plans=[short, BLACK]), since=SINCE, until=UNTIL, now=UNTIL))
    assert found["current"]["discount_minor"] == found["draft"]["discount_minor"] == 1000


def test_levels_of_further_tracks_give_what_each_programme_says() -> None:
    def track(percent: str) -> dict[str, Any]:
        steps = [("guest", "0", "0"), ("friend", "2", percent)]
        levels = [
            {"code": code, "name": {"zh-Hans": code}, "threshold": threshold, "discount_percent": off}
            for code, threshold, off in steps
        ]
        return {"code": "friends", "name": {"zh-Hans": "朋友"}, "metric": "orders", "window": "anniversary",
                "discount": "add", "levels": levels}  # fmt: skip

    make_shop(tracks=[track("5")])
    anna = make_member(now=START)
    paid = [sell(("A", 10), member=anna, now=START + n * DAY)["payable_minor"] for n in (1, 2, 3)]
    assert paid == [10000, 10000, 9500]  # the second sale makes her a friend from the next on
    sell(("A", 10), member=anna, now=START + 4 * DAY, settled=True)
    found = report(tracks=[track("10")])
    assert found["current"]["discount_minor"] == 500 and found["draft"]["discount_minor"] == 1000
    assert found["current"]["discounts"] == [{"kind": "tier", "code": "friend", "minor": 500}]
    gone = report(code="other")
    assert gone["draft"]["discount_minor"] == 0 and gone["current"]["discount_minor"] == 500


def test_the_same_question_gives_the_same_bytes_and_can_be_taken_up_half_way(
    monkeypatch: pytest.MonkeyPatch, two: tuple[Any, Any]
) -> None:
    for _ in range(3):
        make_member(now=START)
    monkeypatch.setattr(operations, "MEMBERS_PER_BATCH", 2)
    heard: list[Progress] = []
    question = ask(document=document(earning=twice()), since=SINCE, until=UNTIL, now=UNTIL)
    entries = Entry.objects.count()
    whole = json.dumps(simulate(question, watch=heard.append))
    assert [(p.done, p.total) for p in heard] == [(2, 5), (4, 5), (5, 5)]
    again: list[Progress] = []
    kept = json.loads(json.dumps(heard[0].kept))
    assert json.dumps(simulate(question, watch=again.append, kept=kept)) == whole
    assert [p.done for p in again] == [4, 5]
    assert json.dumps(simulate(question)) == whole
    assert Entry.objects.count() == entries


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(NoProgramme):
        ask(document=document(), since=SINCE, until=UNTIL, now=UNTIL)
    make_shop()
    with pytest.raises(InvalidInput) as error:
        ask(document=document(), since=UNTIL, until=SINCE, now=UNTIL)
    assert error.value.field == "from"
    with pytest.raises(InvalidInput) as error:
        ask(document=document(), since=SINCE, until=UNTIL, now=SINCE)
    assert error.value.field == "to"
    with pytest.raises(InvalidInput) as error:
        ask(document=document(currency="EUR"), since=SINCE, until=UNTIL, now=UNTIL)
    assert error.value.field == "currency"


@pytest.mark.usefixtures("two")
def test_the_command_prints_lines_or_the_whole_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 6, 1, tzinfo=UTC))
    draft = tmp_path / "draft.yaml"
    draft.write_text(json.dumps(document(earning=twice())), encoding="utf-8")
    asked = ["simulate", str(draft), "--from", "2024-01-01", "--to", "2024-03-31", "--quiet"]
    lines = CliRunner().invoke(app, asked).output.splitlines()
    assert lines[1].split() == ["Sales", "replayed", "3", "3", "0"]
    assert lines[6].split() == ["Cost", "1.29", "2.58", "1.29"]
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert found["from"] == "2023-12-31T16:00:00+00:00" and found["to"] == "2024-03-31T16:00:00+00:00"
    assert found["difference"]["cost"]["total_minor"] == 129
    refused = CliRunner().invoke(app, [*asked[:3], "2024-05-01", "--to", "2024-07-01"])
    assert refused.exit_code == 1 and "The period must be over." in refused.output
