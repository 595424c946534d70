"""The impact of a draft on the check page, in each language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shuke.checkout.impact import runs
from shuke.checkout.impact.models import SILENT, ImpactRun
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.kit.ids import uuid7
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.console.pages import client_of, text_of
from tests.factories.checkout import make_shop, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_list() -> Iterator[None]:
    forget_versions()
    yield
    forget_versions()


def draft(threshold: str) -> str:
    levels = document()["tiers"]["levels"]
    levels[1] |= {"name": {"zh-Hans": "银卡", "zh-Hant": "銀卡", "en": "Silver"}, "threshold": threshold}
    return json.dumps(document(tiers={"levels": levels}))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ["升级 1 人，降级 0 人，每月成本增加 ¥1.46", "普通 → 银卡", "按 1 位会员的当前状态计算"]),
        ("zh-hant", ["升級 1 人，降級 0 人，每月成本增加 ¥1.46", "普通 → 銀卡"]),
        ("en", ["1 up, 0 down, costs ¥1.46 a month", "普通 → Silver", "At once", "In time"]),
    ],
)
def test_told_in_each_language(language: str, words: list[str]) -> None:
    make_shop()
    at = now()
    sell(("A", 20), member=make_member(now=at - timedelta(days=40)), now=at - timedelta(days=3))
    client = client_of(make_staff(Role.MARKETER), language=language)
    page = text_of(client.post("/programme/impact", {"source": draft("100.00")}))
    assert [word for word in words if word not in page] == []
    assert ProgrammeVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", "所统计的 3 笔销售中，有 2 笔由收银系统传入最终成交价"),
        ("zh-hant", "所統計的 3 筆銷售中，有 2 筆由收銀系統傳入最終成交價"),
        ("en", "2 of the 3 sales looked at had final prices"),
    ],
)
def test_says_how_many_sales_no_discount_could_change(language: str, words: str) -> None:
    make_shop()
    at = now()
    member = make_member(now=at - timedelta(days=40))
    sell(("A", 20), member=member, now=at - timedelta(days=3))
    for _sale in range(2):
        sell(("A", 20), member=member, now=at - timedelta(days=3), settled=True)
    client = client_of(make_staff(Role.MARKETER), language=language)
    assert words in text_of(client.post("/programme/impact", {"source": draft("100.00")}))


def test_the_check_page_asks_for_it_and_has_what_falls_confirmed() -> None:
    make_shop()
    at = now()
    sell(("A", 110), member=make_member(now=at - timedelta(days=40)), now=at - timedelta(days=3))
    client = client_of(make_staff(Role.OWNER))
    page = text_of(client.post("/programme/publish", {"step": "check", "source": draft("2000.00")}))
    assert 'hx-post="/programme/impact"' in page and 'value="tiers_lost:tiers"' in page
    assert "1 member comes to a lower tier" in page
    assert "0 up, 1 down" in text_of(client.post("/programme/impact", {"source": draft("2000.00")}))


def test_a_draft_that_cannot_be_read_says_so_and_only_who_publishes_may_ask() -> None:
    make_shop()
    client = client_of(make_staff(Role.OWNER))
    assert "The programme has 6 problems" in text_of(client.post("/programme/impact", {"source": "shuke: 1"}))
    local = client_of(make_staff(Role.MARKETER, all_stores=False))
    assert local.post("/programme/impact", {"source": draft("1")}).status_code == 403
    cashier = client_of(make_staff(Role.CASHIER))
    assert cashier.post("/programme/impact", {"source": draft("1")}).status_code == 403


def test_a_large_book_is_followed_and_its_warnings_come_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_shop()
    at = now()
    sell(("A", 110), member=make_member(now=at - timedelta(days=40)), now=at - timedelta(days=3))
    monkeypatch.setattr(runs, "MANY", 0)
    client = client_of(make_staff(Role.OWNER))
    page = text_of(client.post("/programme/publish", {"step": "check", "source": draft("2000.00")}))
    assert "All members are being looked at." in page and "tiers_lost" not in page
    panel = text_of(client.post("/programme/impact", {"source": draft("2000.00"), "against": "1"}))
    row = ImpactRun.objects.get()
    place = f"/programme/impact/{row.id}"
    assert f'hx-get="{place}"' in panel
    given = {"step": "publish", "source": draft("2000.00")}
    refused = client.post("/programme/publish", given)
    assert refused.status_code == 422 and "Wait until that is done." in text_of(refused)
    # Its worker was killed: the panel says so and asks again.
    ImpactRun.objects.filter(id=row.id).update(status="running", seen_at=now() - SILENT)
    lost = text_of(client.get(place))
    assert "was interrupted" in lost and 'id="look-again"' in lost and "hx-trigger" not in lost
    panel = text_of(client.post("/programme/impact", {"source": draft("2000.00"), "against": "1"}))
    row = ImpactRun.objects.latest("asked_at")
    assert f'hx-get="/programme/impact/{row.id}"' in panel and place != f"/programme/impact/{row.id}"
    place = f"/programme/impact/{row.id}"
    runs.run_impact(impact_id=row.id, clock=now)
    done = text_of(client.get(place))
    assert "0 up, 1 down" in done and 'hx-swap-oob="true"' in done and 'value="tiers_lost:tiers"' in done
    assert "hx-trigger" not in done
    page = text_of(client.post("/programme/publish", {"step": "check", "source": draft("2000.00")}))
    assert 'value="tiers_lost:tiers"' in page and "hx-swap-oob" not in page
    assert client.post("/programme/publish", {**given, "accept": "tiers_lost:tiers"}).status_code == 302
    assert ProgrammeVersion.objects.count() == 2
    assert client.get(f"/programme/impact/{uuid7()}").status_code == 404
