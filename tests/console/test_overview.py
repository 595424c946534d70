"""The overview page: what it shows to whom, what its address means, and what it costs."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shuke.analytics.operations import refresh
from shuke.catalog.models import Store
from shuke.console.scope import SESSION_KEY
from shuke.core.values import Role
from shuke.kit import clock
from shuke.loyalty.queries import forget_versions
from tests.factories.analytics import CHAIN_NOW, Chain, make_chain
from tests.factories.checkout import make_shop, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_the_chains_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_versions()
    monkeypatch.setattr(clock, "now", lambda: CHAIN_NOW)


@pytest.fixture
def chain() -> Chain:
    made = make_chain(sales=60)
    for code, store in made.stores.items():
        Store.objects.filter(id=store.id).update(region="华东" if code in ("S1", "S2") else "华南")
    refresh(now=CHAIN_NOW, full=True)
    return made


def visitor(role: Role = Role.OWNER, *, stores: list[UUID] | None = None, language: str = "en") -> Client:
    client = Client()
    staff = make_staff(role, all_stores=stores is None, store_ids=stores or [])
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    return client


def page(client: Client, query: str = "", **headers: str) -> HttpResponse:
    answer: Any = client.get(f"/overview{query}", headers=headers)
    assert answer.status_code == 200
    return answer  # type: ignore[no-any-return]


def tiles(answer: Any) -> dict[str, str]:
    return {tile["label"]: tile["value"] for tile in answer.context["tiles"]}


def test_the_page_shows_the_figures_of_the_last_thirty_days(chain: Chain) -> None:
    answer = page(visitor())
    html = answer.content.decode()
    assert answer.context["choice"].period.days == 30
    assert set(tiles(answer)) == {
        "Member sales",
        "Active members",
        "New members",
        "Points in",
        "Points out",
        "Points outstanding",
    }
    assert all(value in html for value in tiles(answer).values())
    assert "Data as of" in html
    assert "22 Nov 2026, 00:30" in html
    assert "echarts" in html
    assert 'aria-sort="descending"' in html


@pytest.mark.parametrize("role", [Role.CASHIER, Role.SERVICE_AGENT])
def test_other_roles_are_refused(role: Role) -> None:
    answer: Any = visitor(role).get("/overview")
    assert answer.status_code == 403


def test_before_the_first_sale_the_page_shows_the_way_to_start() -> None:
    html = page(visitor()).content.decode()
    assert "No sales yet" in html
    assert "echarts" not in html
    assert "segmented" not in html
    steps = html.split("No sales yet")[1].split("</main>")[0]
    assert re.findall(r'href="(/[a-z]+)"', steps) == [
        "/stores",
        "/products",
        "/programme",
        "/members",
        "/cashier",
    ]


def test_it_costs_at_most_twenty_five_queries(chain: Chain) -> None:
    for client in (visitor(), visitor(Role.STORE_MANAGER, stores=chain.ids("S1", "S3"))):
        for query in ("", "?days=365&region=华南&sort=members", "?from=2026-01-01&to=2026-11-01&store=S1"):
            with CaptureQueriesContext(connection) as captured:
                page(client, query)
            assert len(captured) <= 25, [each["sql"][:90] for each in captured]


def test_the_cost_does_not_grow_with_the_rows_shown(chain: Chain) -> None:
    client = visitor()
    page(client)
    counts = []
    for query in ("?store=S1", ""):
        with CaptureQueriesContext(connection) as captured:
            page(client, query)
        # The list of programme versions is read again whenever it is a second old.
        counts.append(len([each for each in captured if "loyalty_programmeversion" not in each["sql"]]))
    assert counts[0] == counts[1]


def test_ranges_and_dates(chain: Chain) -> None:
    client = visitor()
    for days in (7, 30, 90, 365):
        assert page(client, f"?days={days}").context["choice"].period.days == days
    period = page(client, "?from=2026-03-01&to=2026-02-01").context["choice"].period
    assert (period.first, period.last) == (date(2026, 2, 1), date(2026, 3, 1))
    future = page(client, "?from=2026-11-01&to=2027-01-01").context["choice"].period
    assert future.last == date(2026, 11, 22)


@pytest.mark.parametrize(
    "query",
    [
        "?from=yesterday&to=today",
        "?from=2026-01-01",
        "?from=2019-01-01&to=2026-01-01",
        "?from=2027-01-01&to=2027-02-01",
    ],
)
def test_dates_that_cannot_be_used_are_said(chain: Chain, query: str) -> None:
    answer = page(visitor(), query)
    assert answer.context["choice"].period.days == 30
    assert len(answer.context["choice"].problems) == 1
    assert 'data-kind="warn"' in answer.content.decode()


@pytest.mark.parametrize(
    "query", ["?days=12", "?days=abc", "?sort=code;", "?page=-4", "?page=99999999", "?page=x", "?store="]
)
def test_nonsense_in_the_address_is_ignored(chain: Chain, query: str) -> None:
    assert page(visitor(), query).context["choice"].period.days == 30


def test_stores_and_regions_narrow_the_figures(chain: Chain) -> None:
    client = visitor()
    whole = page(client, "?days=365").context["figures"]
    parts = [page(client, f"?days=365&{part}").context["figures"] for part in ("region=华东", "region=华南")]
    assert sum(part.member_sales.value for part in parts) == whole.member_sales.value
    assert parts[0].member_sales.value != whole.member_sales.value
    one = page(client, "?days=365&store=S1&store=S2")
    assert one.context["figures"].member_sales == parts[0].member_sales
    assert {row["store"].code for row in one.context["rows"]} <= {"S1", "S2"}


def test_a_person_sees_only_the_stores_they_cover(chain: Chain) -> None:
    manager = visitor(Role.STORE_MANAGER, stores=chain.ids("S1", "S3"))
    answer = page(manager, "?days=365")
    assert {row["store"].code for row in answer.context["rows"]} == {"S1", "S3"}
    owner = page(visitor(), "?days=365&store=S1&store=S3")
    assert tiles(answer) == tiles(owner)
    assert [store.code for store, _on in answer.context["filter_stores"]] == ["S1", "S3"]
    foreign = page(manager, "?days=365&store=S2")
    assert tiles(foreign) == tiles(answer)
    assert foreign.context["choice"].problems
    mixed = page(manager, "?days=365&store=S1&store=S2")
    assert mixed.context["choice"].store_ids == chain.ids("S1")
    region = page(manager, "?days=365&region=华东")
    assert region.context["choice"].store_ids == chain.ids("S1")


def test_someone_without_stores_sees_nothing(chain: Chain) -> None:
    answer = page(visitor(Role.STORE_MANAGER, stores=[]))
    assert "No sales yet" in answer.content.decode()


def test_the_store_of_the_top_bar_narrows_the_page(chain: Chain) -> None:
    client = visitor()
    session = client.session
    session[SESSION_KEY] = str(chain.stores["S1"].id)
    session.save()
    answer = page(client, "?days=365&store=S2")
    assert answer.context["choice"].store_ids == chain.ids("S1")
    assert answer.context["filter_stores"] == []


def test_htmx_gets_the_changing_part_only(chain: Chain) -> None:
    client = visitor()
    part = page(client, "?days=7", **{"HX-Request": "true", "HX-Target": "overview"})
    html = part.content.decode()
    assert html.lstrip().startswith('<div id="overview"')
    assert "<html" not in html
    assert "HX-Target" in part["Vary"]
    assert "<html" in page(client, "?days=7").content.decode()


def test_every_link_of_the_page_keeps_the_choice(chain: Chain) -> None:
    html = page(visitor(), "?days=90&store=S1&sort=orders").content.decode()
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]*)"', html)]
    assert links
    assert all("store=S1" in link or "store" not in link for link in links)
    assert any(link.startswith("?days=7&") and "store=S1" in link for link in links)
    assert any("sort=-orders" in link and "days=90" in link for link in links)


def test_the_grid_leads_to_the_members_for_those_who_may_see_them(
    chain: Chain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shuke.console.navigation._address", lambda item: f"/{item.route}")
    owner = page(visitor(), "?store=S1").content.decode()
    assert re.search(r'href="/members\?rfm=\d-\d&amp;store=S1"', owner)
    assert "/members?rfm" not in page(visitor(Role.ANALYST)).content.decode()


def test_stores_come_in_pages() -> None:
    make_shop()
    member = make_member(now=CHAIN_NOW - timedelta(days=9))
    for number in range(3, 16):
        Store.objects.create(code=f"S{number:02}", name=f"Store {number}", created_at=CHAIN_NOW)
        sell(("A", number), now=CHAIN_NOW - timedelta(days=1), member=member, store=f"S{number:02}")
    refresh(now=CHAIN_NOW, full=True)
    client = visitor()
    first, second = page(client), page(client, "?page=2")
    assert [row["store"].code for row in first.context["rows"]] == [f"S{n:02}" for n in range(15, 9, -1)]
    assert [row["store"].code for row in second.context["rows"]] == ["S09", "S08", "S07", "S06", "S05", "S04"]
    assert "page=2" in first.context["next_page"]
    assert page(client, "?page=3").context["next_page"] == ""
    assert "1–6 / 13" in first.content.decode()


def test_old_figures_are_called_old(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "worker" not in page(visitor()).content.decode()
    monkeypatch.setattr(clock, "now", lambda: CHAIN_NOW + timedelta(hours=2))
    assert "Check that the worker runs" in page(visitor()).content.decode()


def test_it_speaks_chinese(chain: Chain) -> None:
    simplified = page(visitor(language="zh-hans")).content.decode()
    assert "会员销售额" in simplified
    assert "门店对比" in simplified
    traditional = page(visitor(language="zh-hant")).content.decode()
    assert "會員銷售額" in traditional
    assert "門市對比" in traditional


def test_a_day_under_way_is_left_out_of_the_line(chain: Chain) -> None:
    sell(("A", 3), now=datetime(2026, 11, 21, 16, 10, tzinfo=UTC), member=chain.members[0])
    refresh(now=CHAIN_NOW, full=True)
    answer = page(visitor(), "?days=7")
    sales = answer.context["trend"].series[0]
    assert sales.values[-1] is None
    assert None not in sales.values[:-1]
    assert answer.context["sales_today"] > 0
    past = page(visitor(), "?from=2026-11-01&to=2026-11-10")
    assert None not in past.context["trend"].series[0].values
    assert past.context["sales_today"] is None


def test_nothing_is_compared_with_a_time_before_the_first_sale(chain: Chain) -> None:
    year = page(visitor(), "?days=365")
    assert {tile["delta"] for tile in year.context["tiles"]} == {""}
    assert "compared with" not in year.content.decode()
    quarter = page(visitor(), "?days=90")
    assert any(tile["delta"] for tile in quarter.context["tiles"])
    assert "compared with" in quarter.content.decode()
