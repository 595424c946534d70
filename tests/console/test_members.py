"""The members list: who sees whom, what each filter does, what hostile addresses get, what it costs; and registering."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shuke.analytics.operations import refresh
from shuke.catalog.models import Channel, Store
from shuke.console.scope import SESSION_KEY
from shuke.core.models import AuditEvent
from shuke.core.values import ROLE_PERMISSIONS, SYSTEM, Permission, Role
from shuke.kit import clock
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from shuke.members.operations import change_status, define_attribute
from shuke.members.qr import issue_qr, redeem_qr
from shuke.members.queries import find_member, open_profiles
from tests.factories.checkout import make_shop, sell
from tests.factories.core import NOW, make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
HREF = re.compile(r'href="/members/([0-9a-f-]{36})"')


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_versions()
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def shop() -> Store:
    return make_shop()


def visitor(role: Role = Role.OWNER, *, stores: list[UUID] | None = None, language: str = "en") -> Client:
    client = Client()
    staff = make_staff(role, all_stores=stores is None, store_ids=stores or [])
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    return client


def listed(client: Client, **query: Any) -> list[UUID]:
    answer = client.get("/members", query)
    assert answer.status_code == 200
    return [UUID(found) for found in HREF.findall(answer.content.decode())]


def store_id(code: str) -> UUID:
    return Store.objects.values_list("id", flat=True).get(code=code)


@pytest.mark.parametrize("role", list(Role))
def test_the_list_opens_by_role(role: Role, shop: Store) -> None:
    granted = ROLE_PERMISSIONS[role]
    client = visitor(role)
    assert client.get("/members").status_code == (200 if Permission.MEMBERS_VIEW in granted else 403)
    may_write = Permission.MEMBERS_WRITE in granted
    assert client.get("/members/new").status_code == (200 if may_write else 403)
    assert client.post("/members/new", {"name": "林若溪"}).status_code in (
        (302, 422) if may_write else (403,)
    )


def test_a_row_shows_the_masked_person_and_their_figures(shop: Store) -> None:
    member = make_member("林若溪", "+8613812346621", tags=["高价值"], join_store_id=shop.id)
    sell(("A", 20), now=NOW - timedelta(days=3), member=member)
    Standing.objects.create(member=member, tier="silver", since=NOW)
    refresh(now=NOW, full=True)
    answer = visitor().get("/members")
    text = answer.content.decode()
    for shown in (
        "林*溪",
        "138****6621",
        "Silver" if "Silver" in text else "银卡",
        "¥200.00",
        "3 days ago",
        "高价值",
    ):
        assert shown in text
    assert re.search(r'<td class="end">\s*200\s*</td>', text), "points"
    assert "林若溪" not in text
    assert "13812346621" not in text
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    "text", ["13812346621", "6621", "林若溪", "若溪", "linruoxi", "lrx", "CARD-9", "zhang@example.com"]
)
def test_the_search_finds_by_whatever_is_typed(shop: Store, text: str) -> None:
    member = make_member("林若溪", "+8613812346621", cards=["CARD-9"], email="zhang@example.com")
    make_member("王大明", "+8613900001111")
    assert listed(visitor(), q=text) == [member.id]
    assert listed(visitor(), q=member.number) == [member.id]
    assert listed(visitor(), q=f" {text} ") == [member.id]


def test_filters_narrow_alone_and_together(shop: Store) -> None:
    define_attribute(
        actor=SYSTEM, now=NOW, code="diet", kind="choice", labels={"en": "Diet"}, choices=["vegan", "all"]
    )
    one = make_member("甲", tags=["vip"], attributes={"diet": "vegan"}, join_store_id=shop.id)
    two = make_member("乙", tags=["vip"], now=NOW - timedelta(days=40), join_store_id=store_id("S2"))
    three = make_member("丙", now=NOW - timedelta(days=80), attributes={"diet": "all"})
    change_status(actor=SYSTEM, now=NOW, member_id=three.id, status="frozen", reason="asked for it")
    Standing.objects.create(member=two, tier="gold", since=NOW)
    Standing.objects.create(member=three, tier="classic", since=NOW)
    client = visitor()
    assert listed(client) == [one.id, two.id, three.id]
    assert listed(client, tag="vip") == [one.id, two.id]
    assert listed(client, status="frozen") == [three.id]
    assert listed(client, tier="gold") == [two.id]
    assert listed(client, tier="classic") == [one.id, three.id], "without a row one holds the lowest tier"
    assert listed(client, tier="gold", q="乙") == [two.id]
    assert listed(client, tier="classic", q="乙") == []
    assert listed(client, store="S2") == [two.id]
    assert listed(client, attr_diet="vegan") == [one.id]
    assert listed(client, tag="vip", attr_diet="all") == []
    assert listed(client, **{"from": "2026-10-01", "to": "2026-10-31"}) == [two.id]


def test_tags_are_offered_and_found_by_the_word_that_is_shown(shop: Store) -> None:
    one = make_member("甲", tags=["sample", "vip"], join_store_id=shop.id)
    make_member("乙", tags=["other"], join_store_id=store_id("S2"))
    client = visitor(language="zh-hans")
    page = client.get("/members").content.decode()
    offered = re.search(r'<datalist id="known-tags">(.*?)</datalist>', page)
    assert offered
    assert re.findall(r'value="([^"]*)"', offered[1]) == ["other", "示例操作", "vip"]
    assert listed(client, tag="示例操作") == listed(client, tag="sample") == [one.id]


def test_a_field_of_the_value_grid_lists_its_members(shop: Store) -> None:
    recent, older = (
        make_member("甲", now=NOW - timedelta(days=60)),
        make_member("乙", now=NOW - timedelta(days=60)),
    )
    sell(("A", 1), now=NOW - timedelta(days=2), member=recent)
    sell(("A", 1), now=NOW - timedelta(days=20), member=older)
    refresh(now=NOW, full=True)
    assert listed(visitor(), rfm="1-1") == [recent.id]
    assert listed(visitor(), rfm="2-1") == [older.id]
    assert "Last order 8–30 days ago, 1 orders a year" in visitor().get("/members?rfm=2-1").content.decode()


def test_pages_follow_each_other_and_hold_everybody_once(shop: Store) -> None:
    made = [make_member(f"王{n}", now=NOW - timedelta(hours=n)).id for n in range(28)]
    client = visitor()
    first = client.get("/members?q=王").content.decode()
    following = re.search(r'href="(\?[^"]*cursor=[^"]*)"', first)
    assert following
    second = client.get("/members" + following[1].replace("&amp;", "&")).content.decode()
    assert [UUID(each) for each in HREF.findall(first) + HREF.findall(second)] == made
    assert 'rel="next"' not in second


def test_people_with_some_stores_list_their_members_and_find_others_only_by_a_whole_identifier(
    shop: Store,
) -> None:
    mine = make_member("林若溪", join_store_id=shop.id)
    theirs = make_member("林若水", "+8613812346621", cards=["CARD-9"], join_store_id=store_id("S2"))
    nowhere = make_member("林若山")
    client = visitor(Role.CASHIER, stores=[shop.id])
    assert listed(client) == [mine.id]
    assert listed(client, q="林若") == [mine.id]
    assert listed(client, q="6621") == []
    assert listed(client, store="S2") == [mine.id]
    assert client.get(f"/members/{theirs.id}").status_code == 404
    for text in ("138 1234 6621", "card-9", theirs.number):
        assert listed(client, q=text) == [theirs.id]
    assert client.get(f"/members/{theirs.id}").status_code == 200
    other = visitor(Role.CASHIER, stores=[shop.id])
    assert other.get(f"/members/{theirs.id}").status_code == 404, "found by somebody else"
    assert other.get(f"/members/{nowhere.id}").status_code == 200


def test_the_store_of_the_top_bar_narrows_the_list(shop: Store) -> None:
    here, there = make_member("甲", join_store_id=shop.id), make_member("乙", join_store_id=store_id("S2"))
    client = visitor()
    session = client.session
    session[SESSION_KEY] = str(shop.id)
    session.save()
    assert listed(client) == [here.id]
    assert listed(client, q=there.number) == [there.id]


HOSTILE = [
    {"q": "x" * 500},
    {"q": "\x00"},
    {"q": "%' OR 1=1 --"},
    {"status": "dead"},
    {"tier": "\x00"},
    {"tag": "\x00'\";"},
    {"rfm": "9-9"},
    {"rfm": "0-0"},
    {"rfm": "nonsense"},
    {"from": "2026-13-45"},
    {"from": "0001-01-01", "to": "9999-12-31"},
    {"cursor": "AAAA"},
    {"cursor": "x" * 5000},
    {"attr_diet": "\x00\x07"},
    {"attr_unknown": "1"},
    {"store": "nope", "region": "nope"},
]


@pytest.mark.parametrize("query", HOSTILE, ids=str)
def test_hostile_addresses_get_an_answer(shop: Store, query: dict[str, str]) -> None:
    define_attribute(actor=SYSTEM, now=NOW, code="diet", kind="integer", labels={"en": "Diet"})
    make_member()
    answer = visitor().get("/members", query)
    assert answer.status_code == 200


def test_what_could_not_be_used_is_said(shop: Store) -> None:
    text = (
        visitor()
        .get("/members", {"tier": "none", "status": "none", "from": "x", "store": "S99"})
        .content.decode()
    )
    for words in ("no such tier", "no such status", "A date could not be read", "not among yours"):
        assert words in text


def test_a_member_code_is_not_used_up_by_looking(shop: Store) -> None:
    member = make_member()
    token, _until = issue_qr(member.id, NOW)
    text = visitor().get("/members", {"q": token}).content.decode()
    assert "Scan it at the cashier" in text
    assert redeem_qr(token, NOW) == member.id


def test_markup_in_a_search_or_tag_stays_text(shop: Store) -> None:
    make_member(tags=["<b>x</b>"])
    text = visitor().get("/members", {"tag": "<b>x</b>"}).content.decode()
    assert "<b>x</b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_htmx_gets_the_changing_part_only(shop: Store) -> None:
    make_member()
    answer = visitor().get("/members", headers={"HX-Request": "true", "HX-Target": "members"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<div id="members"')
    assert "<html" not in text
    assert "HX-Target" in answer["Vary"]


def test_empty_lists_say_what_to_do(shop: Store) -> None:
    assert "No members yet" in visitor().get("/members").content.decode()
    assert "No member matches" in visitor().get("/members?q=nobody").content.decode()
    limited = visitor(Role.CASHIER, stores=[shop.id])
    assert "whole phone number" in limited.get("/members?q=nobody").content.decode()


@pytest.mark.parametrize("query", ["", "?q=林", "?tier=classic&tag=vip"])
def test_the_list_costs_the_same_for_one_row_and_for_three(shop: Store, query: str) -> None:
    def cost() -> int:
        client = visitor()
        forget_versions()  # kept for a second: without this the count would depend on how fast the machine is
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(f"/members{query}")
        return len(captured)

    make_member("林一", tags=["vip"])
    refresh(now=NOW, full=True)
    cost()
    one = cost()
    for name in ("林二", "林三"):
        sell(("A", 1), now=NOW, member=make_member(name, tags=["vip"]))
    refresh(now=NOW, full=True)
    assert cost() == one <= 15


# ---- registering ----


def test_a_new_member_is_registered_and_their_file_opens(shop: Store) -> None:
    client = visitor()
    answer = client.post(
        "/members/new",
        {
            "name": "林若溪",
            "phone": "138 1234 6621",
            "email": "Lin@Example.com",
            "birthday": "1994-05-17",
            "gender": "female",
            "card": "card-1",
            "store": str(shop.id),
            "channel": Channel.objects.get().code,
            "tags": "高价值，晨间, 高价值",
        },
    )
    member = Member.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/members/{member.id}"
    profile = open_profiles([member.id])[member.id]
    assert (profile.name, profile.phone, profile.email) == ("林若溪", "+8613812346621", "lin@example.com")
    assert member.tags == ["晨间", "高价值"]
    assert member.join_store_id == shop.id
    assert find_member("card", "CARD1") == member
    assert AuditEvent.objects.get(action="members.register_member").actor_id is not None


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"phone": "12"}, "phone", "phone number"),
        ({"phone": "13812346621", "birthday": "1600-01-01"}, "birthday", "between 1900 and today"),
        ({"phone": "13812346621", "birthday": "yesterday"}, "birthday", "valid date"),
        ({"email": "nobody"}, "email", "not an e-mail address"),
        ({"name": "甲", "card": "?!"}, "card", "card number"),
        ({"name": "甲", "tags": "x" * 41}, "tags", "At most"),
        ({"name": "甲\x07"}, "name", "control characters"),
        ({"name": "甲", "attr_size": "big"}, "attr_size", "whole number"),
        ({}, "phone", "at least"),
    ],
)
def test_a_refusal_lands_at_its_field_and_keeps_what_was_typed(
    shop: Store, typed: dict[str, str], field: str, words: str
) -> None:
    define_attribute(actor=SYSTEM, now=NOW, code="size", kind="integer", labels={"en": "Size"})
    answer: Any = visitor().post("/members/new", typed)
    assert answer.status_code == 422
    assert words in answer.context["form"].errors[field][0]
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Member.objects.exists()


def test_a_phone_that_is_taken_is_said_without_telling_whose(shop: Store) -> None:
    other = make_member("王大明", "+8613812346621")
    answer: Any = visitor().post("/members/new", {"name": "林若溪", "phone": "13812346621"})
    assert answer.status_code == 422
    assert "already belongs to a member" in answer.context["form"].errors["phone"][0]
    assert other.number not in answer.content.decode()


@pytest.mark.parametrize("value", ["", "other", "made-up", "unknown"])
def test_people_with_some_stores_register_only_there(shop: Store, value: str) -> None:
    client = visitor(Role.CASHIER, stores=[shop.id])
    chosen = {"other": str(store_id("S2")), "unknown": str(uuid4())}.get(value, value)
    answer = client.post("/members/new", {"name": "林若溪", "store": chosen})
    assert answer.status_code == 422
    assert not Member.objects.exists()
    assert client.post("/members/new", {"name": "林若溪", "store": str(shop.id)}).status_code == 302


def test_registering_needs_the_token_of_the_form(shop: Store) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_staff(Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/members/new", {"name": "林若溪"}).status_code == 403
    assert not Member.objects.exists()
