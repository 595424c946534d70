"""Simulations in the console: asked for from the check page, followed, told in each language; and cautions confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from shuke.catalog.models import Product
from shuke.checkout.simulate.models import Simulation
from shuke.checkout.simulate.runs import run_simulation
from shuke.console.simulation_words import _classes, _tables
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.loyalty import cautions
from shuke.loyalty.cautions import Caution, register_check
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.console.pages import client_of, text_of
from tests.factories.checkout import START, make_shop, sell
from tests.factories.core import make_staff
from tests.factories.loyalty import SOURCE, publish
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db

FIRST, LAST = (START + timedelta(days=1)).date(), datetime(2024, 2, 1, tzinfo=UTC).date()


@pytest.fixture(autouse=True)
def _fresh_list() -> Iterator[None]:
    forget_versions()
    yield
    forget_versions()


def asked(**changes: str) -> dict[str, str]:
    source = ProgrammeVersion.objects.get().source.replace('"give": 1', '"give": 2')
    return {"source": source, "first": str(FIRST), "last": str(LAST), "note": "双倍积分", **changes}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "zh-hans",
            [
                "双倍积分",
                "完成",
                "朋友的期末分布",
                "积分与折扣成本",
                "谁受益，谁受损",
                "在 1 位会员中，1 位得到更多",
            ],
        ),
        ("zh-hant", ["完成", "朋友的期末分布", "積分與折扣成本", "誰受益，誰受損"]),
        (
            "en",
            [
                "Done",
                "朋友 at the end",
                "Cost of points and discounts",
                "Of 1 members 1 would have got more",
                "Margin where cost is known",
            ],
        ),
    ],
)
def test_asked_for_followed_and_told(language: str, words: list[str]) -> None:
    name = {"zh-Hans": "朋友"}
    levels = [
        {"code": "guest", "name": name, "threshold": "0"},
        {"code": "friend", "name": name, "threshold": "1"},
    ]
    make_shop(tracks=[{"code": "friends", "name": name, "metric": "orders", "levels": levels}])
    Product.objects.filter(sku="A").update(cost_minor=400)
    sell(("A", 5), member=make_member(now=START), now=START + timedelta(days=3))
    client = client_of(make_staff(Role.OWNER), language=language)
    answer = client.post("/programme/simulations/new", asked())
    row = Simulation.objects.get()
    assert answer["Location"] == f"/programme/simulations/{row.id}"
    running = text_of(client.get(answer["Location"], headers={"HX-Request": "true"}))
    assert 'id="state"' in running and 'id="sim-pill" hx-swap-oob="true"' in running
    run_simulation(simulation_id=row.id, clock=now)
    assert client.get(answer["Location"], headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    page = text_of(client.get(answer["Location"]))
    assert [word for word in words if word not in page] == []
    listed = text_of(client.get("/programme/simulations"))
    assert "双倍积分" in listed and f'datetime="{LAST}"' in listed  # the last day, not the one after it
    assert client.get(answer["Location"] + "?as=json").json()["difference"]["points_issued"] == 50


def test_a_marketer_sees_no_margin_and_a_cashier_nothing() -> None:
    make_shop()
    Product.objects.filter(sku="A").update(cost_minor=400)
    sell(("A", 5), member=make_member(now=START), now=START + timedelta(days=3))
    client = client_of(make_staff(Role.MARKETER))
    place = client.post("/programme/simulations/new", asked())["Location"]
    run_simulation(simulation_id=Simulation.objects.get().id, clock=now)
    assert "Margin" not in text_of(client.get(place))
    file = text_of(client.get(f"{place}?as=json"))
    assert '"payable_minor"' in file and "margin" not in file and "cost_prices" not in file
    assert '"margin_minor"' in text_of(client_of(make_staff(Role.OWNER)).get(f"{place}?as=json"))
    assert client_of(make_staff(Role.CASHIER)).get(place).status_code == 403


def test_a_simulation_is_not_for_people_who_have_some_stores_only() -> None:
    store = make_shop()
    client = client_of(make_staff(Role.OWNER))
    place = client.post("/programme/simulations/new", asked())["Location"]
    some = client_of(make_staff(Role.OWNER, all_stores=False, store_ids=[store.id]))
    assert some.get("/programme/simulations").status_code == 403
    assert some.get(place).status_code == some.get(f"{place}?as=json").status_code == 403
    assert some.post(f"{place}/cancel").status_code == 403
    assert some.post("/programme/simulations/new", asked()).status_code == 403
    assert Simulation.objects.get().status == "waiting"


def test_a_question_that_cannot_be_answered_is_told_beside_its_field_and_a_run_can_be_cancelled() -> None:
    make_shop()
    client = client_of(make_staff(Role.OWNER))
    answer = client.post("/programme/simulations/new", asked(last="2199-01-01"))
    assert answer.status_code == 422 and "The period must be over." in text_of(answer)
    place = client.post("/programme/simulations/new", asked())["Location"]
    client.post(f"{place}/cancel")
    assert Simulation.objects.get().status == "cancelled"
    assert "It was cancelled" in text_of(client.get(place))


def test_what_a_draft_warns_of_is_confirmed_before_it_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(SOURCE)
    monkeypatch.setattr(cautions, "_checks", {})
    register_check("test", lambda draft: [Caution("takes_points", "tiers.levels[1]", "Members lose points.")])
    client = client_of(make_staff(Role.OWNER))
    given = {"step": "publish", "source": SOURCE.replace("per: 1.00", "per: 2.00"), "note": "dearer"}
    refused = client.post("/programme/publish", given)
    assert refused.status_code == 422 and "Members lose points." in text_of(refused)
    assert "Tiers · Levels 2" in text_of(refused) and "tiers.levels[1] " not in text_of(refused)
    assert "tiers.levels[1]: " not in text_of(refused)
    assert ProgrammeVersion.objects.count() == 1
    client.post("/programme/publish", {**given, "accept": "takes_points:tiers.levels[1]"})
    assert ProgrammeVersion.objects.count() == 2


def test_a_scheduled_version_is_taken_back_and_a_former_one_returned_to() -> None:
    publish(SOURCE)
    later = publish(SOURCE.replace("per: 1.00", "per: 2.00"), effective_at=now() + timedelta(days=3))
    client = client_of(make_staff(Role.OWNER))
    assert "Take it back" in text_of(client.get(f"/programme/versions/{later.number}"))
    client.post(f"/programme/versions/{later.number}/cancel")
    page = text_of(client.get(f"/programme/versions/{later.number}"))
    assert "Take it back" not in page and "Return to this version" in page


def test_stores_are_told_by_name_the_largest_differences_first_and_twenty_at_once() -> None:
    def store(code: str, draft: int) -> dict[str, object]:
        return {"store": code, "current": {"cost_minor": 100}, "draft": {"cost_minor": draft}}

    report = {
        "currency": "CNY",
        "stores": [store(f"S{n}", 100 + n) for n in range(25)],
        **{side: {"by_rule": {}, "discounts": []} for side in ("current", "draft")},
        "members": {"classes": [{"from_minor": 1, "members": 2}, {"from_minor": -500, "members": 1}]},
    }
    with override("en"):
        [table] = _tables(report, ({}, {}), {"S24": "River Street"})
        classes = _classes(report)
    assert [row[0] for row in table.rows[:2]] == ["River Street", "S23"] and len(table.rows) == 20
    assert [row[0] for row in table.more] == ["S4", "S3", "S2", "S1", "S0"]
    assert table.rest == "and 5 stores more"
    with override("zh-hans"):
        assert _tables(report, ({}, {}), {})[0].rest == "另有 5 家门店"
    assert classes is not None and list(classes.labels) == ["+ under ¥5.00", "− from ¥5.00"]
