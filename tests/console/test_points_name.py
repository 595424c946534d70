"""A programme that renames its points: whoever serves or is served reads that name, in each language, and no other word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import translation

from shuke.catalog.models import Store
from shuke.checkout.errors import NotEnoughPoints, PointsNeedMember
from shuke.checkout.models import Order, Refund
from shuke.console.book_words import points_counted, points_word, shelf_name
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.ledger.errors import NotEnough, TransferNotAllowed
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from shuke.rewards.catalogue.errors import PriceChanged
from shuke.rewards.catalogue.models import Redemption
from tests.console.pages import client_of, queries_of
from tests.factories.checkout import make_shop, publish, sell
from tests.factories.core import make_staff
from tests.factories.ledger import give, owe
from tests.factories.members import make_member
from tests.factories.plans import BLACK

pytestmark = pytest.mark.django_db

STARS = {"zh-Hans": "星星", "zh-Hant": "繁星", "en": "Stars"}
LANGUAGES = {"zh-hans": "星星", "zh-hant": "繁星", "en": "Stars"}
ORDINARY = re.compile(r"积分|積分|\bpoints?\b|\bpts?\b|[0-9] 分", re.IGNORECASE)
SPOKEN = ("aria-label", "title", "placeholder")
"""Attributes that a person sees or hears; others (name="points") are for programs."""


def programme(points: dict[str, str]) -> dict[str, Any]:
    """A programme whose points bear this name, with everything that speaks of them."""
    return {
        "assets": {"points": {"name": points}},
        "earning": [
            {"id": "base", "name": {"zh-Hans": "消费"}, "give": 1, "per": "1.00"},
            {"id": "growth", "name": {"zh-Hans": "成长"}, "asset": "growth", "give": 1, "per": "1.00"},
        ],
        "rewards": [
            {"code": "mug", "name": {"zh-Hans": "杯"}, "kind": "goods", "points": 300},
            {"code": "car", "name": {"zh-Hans": "车"}, "kind": "goods", "points": 9000},
        ],
        "offline": {"allowance": "30.00", "allowance_points": 200, "allowance_hours": 8},
        "plans": [BLACK],
    }


class _Reader(HTMLParser):
    """What a person reads on a page, without the sidebar and the head, which name the parts of the product."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._inside.append(tag)
        self.words += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside and data.strip():
            self.words.append(data.strip())


def read(answer: HttpResponse) -> str:
    """The words of a page's content, or of a part of one."""
    assert answer.status_code in (200, 422), answer.content.decode()[:500]
    text = answer.content.decode()
    reader = _Reader()
    reader.feed(text[text.index("<main") :] if "<main" in text else text)
    return "\n".join(reader.words)


class Counter:
    """Everything that somebody at a counter opens in one language, page by page."""

    def __init__(self, shop: Store, language: str) -> None:
        staff = make_staff(Role.OWNER)
        self.client = client_of(staff, language=language)
        self.desk = Client(headers={"HX-Request": "true"})
        self.desk.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
        self.desk.cookies["shuke_language"] = language
        for client in (self.client, self.desk):
            client.post("/store", {"store": str(shop.id)})
        self.pages: dict[str, str] = {}

    def get(self, name: str, path: str, client: Client | None = None) -> str:
        self.pages[name] = read((client or self.client).get(path, follow=True))
        return self.pages[name]

    def post(self, name: str, path: str, **data: str) -> str:
        self.pages[name] = read(self.desk.post(f"/cashier/{path}", data))
        return self.pages[name]

    def part(self, name: str, member: Member, target: str) -> str:
        headers = {"HX-Request": "true", "HX-Target": target}
        self.pages[name] = read(self.client.get(f"/members/{member.id}", headers=headers))
        return self.pages[name]

    def walk(self, member: Member) -> None:
        """Sell, take back, exchange and redeem; look at everything on the way."""
        self.get("empty desk", "/cashier")
        self.post("cart", "scan", text="10*A")
        debtor = make_member("陈浩然", "+8613999990000", now=now())
        owe(debtor.id, 20, at=now())
        self.post("card of who owes", "pick", member=str(debtor.id))
        self.part("balances of who owes", debtor, "balances")
        self.post("card", "pick", member=str(member.id))
        for typed in ("many", "999999", "9900", "50", "250", "200"):
            self.post(f"use {typed}", "points", points=typed)
        page = self.desk.get("/cashier").content.decode()
        ticket = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("key", "seen")}  # type: ignore[index]
        self.desk.post("/cashier/commit", ticket)
        order = Order.objects.get(points_used=200)
        self.get("receipt", f"/cashier/receipt/{order.id}")
        self.get("void", f"/cashier/refund/{order.id}/void")
        self.get("part", f"/cashier/refund/{order.id}?goods1=2")
        self.desk.post(f"/cashier/exchange/{order.id}", {"goods1": "1"})
        self.get("exchange", "/cashier")
        self.desk.post("/cashier/exchange/drop")
        self.desk.post(
            f"/cashier/refund/{order.id}", {"reason": "x", "seen": self._seen(order), "goods1": ""}
        )
        assert Refund.objects.filter(order_id=order.id).exists()
        self.get("refunded", f"/cashier/refund/{order.id}")
        self.get("why", f"/orders/{order.id}")
        self.get("order of the member", f"/members/{member.id}/orders/{order.id}")
        self.get("members", "/members")
        self.get("file", f"/members/{member.id}")
        for target in ("ledger", "orders", "balances"):
            self.part(target, member, target)
        for page_of_member in ("edit", "moves", "offline", "tiers", "coupons", "plans"):
            self.get(page_of_member, f"/members/{member.id}/{page_of_member}")
        self.get("offline report", "/offline")
        self.get("catalogue", "/rewards")
        self.get("shelf", f"/members/{member.id}/rewards")
        asked = {"reward": "mug", "quantity": "1", "points": "300", "cash": "0", "token": "t1", "tender": ""}
        shelf = f"/members/{member.id}/rewards"
        self.pages["ask"] = read(self.client.post(shelf, asked))
        self.pages["too many"] = read(self.client.post(shelf, {**asked, "quantity": "99"}))
        self.pages["old price"] = read(self.client.post(shelf, {**asked, "points": "1", "sure": "yes"}))
        assert self.client.post(shelf, {**asked, "sure": "yes"}).status_code == 302
        made = Redemption.objects.get()
        self.get("redemption", f"/redemptions/{made.id}")
        self.client.post(f"/redemptions/{made.id}/act", {"act": "cancel", "reason": "x"})
        self.get("cancelled", f"/redemptions/{made.id}")

    def _seen(self, order: Order) -> str:
        page = self.client.get(f"/cashier/refund/{order.id}").content.decode()
        found = re.search(r'name="seen" value="([^"]*)"', page)
        assert found
        return found[1]


@pytest.fixture(autouse=True)
def _versions() -> Iterator[None]:
    yield
    forget_versions()


def member_of_the_shop(**changes: Any) -> tuple[Store, Member]:
    shop = make_shop(**changes)
    member = make_member("林若溪", "+8613812346621", join_store_id=shop.id, now=now())
    sell(("A", 50), member=member, now=now() - timedelta(minutes=2))
    give(member.id, 400, at=now() - timedelta(minutes=1))
    return shop, member


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_no_page_says_points_where_they_are_stars(language: str) -> None:
    shop, member = member_of_the_shop(**programme(STARS))
    counter, own = Counter(shop, language), LANGUAGES[language]
    counter.walk(member)
    wrong = {
        name: [line for line in page.splitlines() if ORDINARY.search(line)]
        for name, page in counter.pages.items()
        if ORDINARY.search(page)
    }
    assert wrong == {}
    silent = [name for name, page in counter.pages.items() if own not in page]
    assert set(silent) == {"tiers", "coupons"}


@pytest.mark.parametrize(
    ("language", "points", "sentences"),
    [
        (
            "en",
            {"zh-Hans": "积分", "en": "Points"},
            {
                "Usable points": "card",
                "20 pts": "card of who owes",
                "Points used: 200": "receipt",
                "Points earned": "receipt",
                "Earned points taken back": "part",
                "Points and": "ledger",
                "Rewards": "catalogue",
                "Not enough points": "shelf",
                "The member can use 900 points; 9900 were asked for.": "use 9900",
                "Only 900 of points are usable; 29700 were asked for.": "too many",
            },
        ),
        (
            "zh-hans",
            {"zh-Hans": "积分"},
            {
                "可用积分": "card",
                "欠 20 分": "card of who owes",
                "积分抵扣 200": "receipt",
                "获得积分": "receipt",
                "收回所得积分": "part",
                "积分商城": "catalogue",
                "积分不足": "shelf",
            },
        ),
    ],
)
def test_points_that_were_not_renamed_are_points(
    language: str, points: dict[str, str], sentences: dict[str, str]
) -> None:
    shop, member = member_of_the_shop(**programme(points))
    counter = Counter(shop, language)
    counter.walk(member)
    missing = [sentence for sentence, page in sentences.items() if sentence not in counter.pages[page]]
    assert missing == []


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Only 300 of Stars are usable; 400 were asked for."),
        ("zh-hans", "星星只有 300 可用，要求的是 400。"),
        ("zh-hant", "繁星只有 300 可用，要求的是 400。"),
    ],
)
def test_refusals_name_assets_in_words_and_keep_the_code_for_programs(language: str, told: str) -> None:
    publish(assets={"points": {"name": STARS}})
    refused = NotEnough(asset="points", usable=300, asked=400)
    with translation.override(language):
        assert (str(refused), refused.params["asset"], refused.code) == (told, "points", "not_enough")
        for error in (
            NotEnoughPoints(usable=300, asked=400),
            PointsNeedMember(),
            PriceChanged(points=300, cash_minor=0),
        ):
            assert LANGUAGES[language] in str(error) and not ORDINARY.search(str(error)), str(error)
            assert "asset" not in error.params
        assert "成长值" in str(TransferNotAllowed(asset="growth"))  # it has no other name here


def test_words_for_points() -> None:
    """A name with a mark that HTML escapes stays whole; one thing is counted like many: names have no other form."""
    publish(assets={"points": {"name": {"zh-Hans": "星星", "en": "Joe's points & more"}}})
    with translation.override("en"):
        assert points_word(now()) == "Joe's points & more"
        assert points_counted(1, now()) == "1 Joe's points & more"
        assert shelf_name(now()) == "Rewards for Joe's points & more"
        page = client_of(language="en").get("/rewards").content.decode()
    assert "Rewards for Joe&#x27;s points &amp; more" in page and "&amp;amp;" not in page
    with translation.override("zh-hant"):
        assert (points_word(now()), points_counted(1200, now())) == ("星星", "1,200 星星")
    # The ordinary name is nobody's own, also where the programme did not translate it for the reader.
    publish(now(), assets={"points": {"name": {"zh-Hans": "积分"}}})
    for language, word in (("zh-hans", "积分"), ("zh-hant", "積分"), ("en", "points")):
        with translation.override(language):
            assert points_word(now()) == word


def test_the_name_costs_no_query() -> None:
    _shop, member = member_of_the_shop()
    client, path = client_of(), f"/members/{member.id}"
    ordinary = queries_of(client, path)
    publish(now(), assets={"points": {"name": STARS}})
    assert "Stars" in client.get(path).content.decode()
    assert queries_of(client, path) == ordinary
