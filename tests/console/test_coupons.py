"""Coupons on the pages: figures and alarms, codes in bulk, the member's coupons, and who may do what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from shuke.catalog.models import Store
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.members.models import Member
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import CodeJob, Coupon
from shuke.rewards.operations import generate_codes
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import make_shop, publish
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
TEN = {
    "code": "ten", "name": {"zh-Hans": "十元券", "zh-Hant": "十元券", "en": "Ten off"}, "type": "amount_off",
    "amount": "10", "minimum_spend": "50", "transferable": True, "validity": {"days_after_issue": 7},
    "limits": {"stock": 10, "budget": "500", "alarm_percent": 50, "per_member": 2, "per_member_per": "month"},
    "auto_issue": {"on": "birthday"},
}  # fmt: skip
HELLO = {
    "code": "hello", "name": {"zh-Hans": "你好", "en": "Hello"}, "type": "percent_off", "percent": "15", "cap": "30",
    "public_code": "HELLO",
}  # fmt: skip


@pytest.fixture
def member() -> Member:
    make_shop(coupons=[TEN, HELLO])
    return make_member(now=now(), phone="13812345678")


def give(client: Client, member: Member, token: str = "t1", **typed: str) -> HttpResponse:
    sent = {"part": "give", "token": token, "template": "ten", "count": "1", "reason": "sorry", **typed}
    return client.post(f"/members/{member.id}/coupons", sent)


def order(client: Client, count: str = "7", token: str = "o1") -> HttpResponse:
    return client.post("/coupons/ten", {"count": count, "note": "flyers", "token": token})


def body_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["Coupons", "Ten off", "¥10.00 off, from a spend of ¥50.00", "on birthdays", "15% off, at most"],
        ),
        (
            "zh-hans",
            ["优惠券", "十元券", "立减 ¥10.00，消费满 ¥50.00 可用", "生日", "8.5 折，最高优惠 ¥30.00"],
        ),
        (
            "zh-hant",
            ["優惠券", "十元券", "立減 ¥10.00，消費滿 ¥50.00 可用", "發放張數", "85 折，最高優惠 ¥30.00"],
        ),
    ],
)
def test_the_templates_in_each_language(member: Member, language: str, words: list[str]) -> None:
    page = text_of(client_of(language=language).get("/coupons"))
    for word in words:
        assert word in page, word


def test_the_real_ways_to_a_coupon_are_named(owner_words: dict[str, str]) -> None:
    page = owner_words
    assert "pack of Black card" in page["black"] and "by staff" in page["black"]
    assert "reward “Swap”" in page["swap"] and "pack of" not in page["swap"]
    assert "birthday gift of Black card" in page["ten"] and "on birthdays" in page["ten"]
    assert "HELLO" in page["hello"]
    assert (page["ten"].count("Running"), page["old"].count("Over")) == (1, 1)


@pytest.fixture
def owner_words() -> dict[str, str]:
    """The row of each coupon on the list, by its code."""
    plain = {"type": "amount_off", "amount": "5"}
    black = {
        "code": "black", "name": {"zh-Hans": "黑卡", "en": "Black card"}, "price": "199.00", "duration": {"days": 365},
        "benefits": {
            "packs": [{"code": "m", "coupons": [{"template": "black", "count": 2}]}],
            "birthday": {"coupons": [{"template": "ten", "count": 1}]},
        },
    }  # fmt: skip
    swap = {
        "code": "s",
        "name": {"zh-Hans": "换", "en": "Swap"},
        "kind": "coupon",
        "points": 10,
        "coupon": "swap",
    }
    make_shop(
        coupons=[
            TEN, HELLO,
            {"code": "black", "name": {"zh-Hans": "黑", "en": "For black"}, **plain},
            {"code": "swap", "name": {"zh-Hans": "换", "en": "For points"}, **plain},
            {"code": "old", "name": {"zh-Hans": "旧", "en": "Old"}, **plain, "validity": {"until": "2020-01-01"}},
        ],
        plans=[black],
        rewards=[swap],
    )  # fmt: skip
    rows = text_of(client_of().get("/coupons")).split("<tr>")[2:]
    return {re.search(r"/coupons/([a-z]+)", row)[1]: row for row in rows}  # type: ignore[index]


def test_every_kind_of_coupon_is_told_in_words() -> None:
    terms: dict[str, dict[str, Any]] = {
        "threshold": {"steps": [{"spend": "100", "amount": "10"}, {"spend": "200", "amount": "30"}]},
        "fixed_price": {"price": "9.90", "buy": 3},
        "nth_item": {"nth": 2, "percent": "50"},
        "buy_x_get_y": {"buy": 2},
        "cheapest_free": {"buy": 3},
        "gift_item": {"gift": {"skus": ["A"]}},
        "free_shipping": {},
        "exchange": {"price": "1"},
    }
    make_shop(
        coupons=[
            {"code": kind, "name": {"zh-Hans": kind}, "type": kind, **term} for kind, term in terms.items()
        ]
    )
    page = text_of(client_of().get("/coupons"))
    for told in (
        "¥10.00 off from ¥100.00; ¥30.00 off from ¥200.00",
        "3 pieces for ¥9.90",
        "every piece number 2: 50% off",
        "buy 2, get 1: free of charge",
        "of 3 pieces the cheapest 1: free of charge",
        "a gift",
        "free shipping",
        "a piece for ¥1.00",
    ):
        assert told in page, told


def test_limits_near_their_end_are_told_above_the_list_and_stay_on_the_template(member: Member) -> None:
    client = client_of()
    assert "Limits that come to their end" not in text_of(client.get("/coupons"))
    give(client, member, count="5")
    page = text_of(client.get("/coupons"))
    assert "Limits that come to their end" in page
    assert "Pieces 50% used (5 / 10)" in page
    file = text_of(client.get("/coupons/ten"))
    assert "Alarms" in file
    assert "5 / 10" in file
    give(client, member, "t2", count="5")
    assert "Pieces used up (10 / 10)" in text_of(client.get("/coupons"))


def test_codes_are_ordered_once_watched_downloaded_and_called_back(member: Member) -> None:
    client = client_of()
    first, again = order(client), order(client)
    assert (first.status_code, again["Location"]) == (302, first["Location"])
    job = CodeJob.objects.get()
    assert (job.count, job.note) == (7, "flyers")
    page, part = f"/coupons/codes/{job.id}", {"HX-Request": "true"}
    running = text_of(client.get(page))
    assert "every 2s" in running
    assert "Download the codes" not in running
    early = client.post(f"{page}/file", {"reason": "printing"})
    assert early["Location"] == page
    generate_codes(job_id=job.id, now=now(), limit=3)
    fragment = client.get(f"{page}/progress", headers=part)
    assert "3 of 7 codes" in text_of(fragment)
    assert "HX-Refresh" not in fragment
    while generate_codes(job_id=job.id, now=now()):
        pass
    assert client.get(f"{page}/progress", headers=part)["HX-Refresh"] == "true"
    without = client.post(f"{page}/file", {"reason": " "})
    assert without.status_code == 302
    file = client.post(f"{page}/file", {"reason": "printing"})
    assert "attachment" in file["Content-Disposition"]
    assert "no-store" in file["Cache-Control"]
    head, *codes = body_of(file).splitlines()
    assert (head, len(set(codes))) == ("code", 7)
    assert AuditEvent.objects.get(action="rewards.codes_downloaded.v1").reason == "printing"
    client.post(f"/members/{member.id}/coupons", {"part": "claim", "token": "c1", "code": codes[0].lower()})
    assert Coupon.objects.get().last_four == codes[0][-4:]
    client.post(f"{page}/void", {"reason": "misprint"})
    ended = text_of(client.get(page))
    assert "Download the codes" not in ended
    assert verify_coupons()[1] == []
    assert order(client, "4", "o2").status_code == 422  # of ten pieces seven are gone
    assert order(client, "0", "o3").status_code == 422


def test_a_coupon_is_handed_out_once_with_its_reason(member: Member) -> None:
    client = client_of()
    first, again = give(client, member), give(client, member)
    assert (first.status_code, again.status_code) == (302, 302)
    piece = Coupon.objects.get()
    page = text_of(client.get(f"/members/{member.id}/coupons"))
    assert "Ten off" in page
    assert "Handed out by staff" in page
    file = text_of(client.get(f"/members/{member.id}/coupons/{piece.id}"))
    assert "sorry" in file
    assert give(client, member, "t2", reason="").status_code == 422
    assert give(client, member, "t3", count="11").status_code == 422
    assert give(client, member, "t4", template="none").status_code == 422
    assert Coupon.objects.count() == 1
    member_file = text_of(client.get(f"/members/{member.id}"))
    assert f"/members/{member.id}/coupons" in member_file


def test_passing_on_and_calling_back(member: Member) -> None:
    client, friend = client_of(), make_member("王小明", now=now(), phone="13900000001")
    give(client, member, count="2")
    kept, given = Coupon.objects.order_by("id")
    page = f"/members/{member.id}/coupons/{given.id}"
    wrong = client.post(page, {"part": "pass", "token": "p0", "receiver": "13900000009"})
    assert wrong.status_code == 422
    assert client.post(page, {"part": "pass", "token": "p1", "receiver": "13812345678"}).status_code == 422
    assert client.post(page, {"part": "pass", "token": "p2", "receiver": "13900000001"}).status_code == 302
    given.refresh_from_db()
    assert (given.member_id, given.passed_from) == (friend.id, member.id)
    assert client.get(page).status_code == 404, "it is in the friend's file now"
    assert "from a friend" in text_of(client.get(f"/members/{friend.id}/coupons"))
    mine = f"/members/{member.id}/coupons/{kept.id}"
    assert client.post(mine, {"part": "void", "token": "v1", "reason": ""}).status_code == 422
    assert client.post(mine, {"part": "void", "token": "v2", "reason": "mistake"}).status_code == 302
    kept.refresh_from_db()
    assert kept.state == "void"
    assert kept.id.hex not in text_of(client.get(f"/members/{member.id}/coupons")).replace("-", "")
    assert "called back" in text_of(client.get(f"/members/{member.id}/coupons?show=all"))
    assert "Call back" not in text_of(client.get(mine)).split("History")[1]
    assert verify_coupons()[1] == []


def test_each_role_does_what_it_may(member: Member) -> None:
    give(client_of(), member)
    piece = Coupon.objects.get()
    path = f"/members/{member.id}/coupons"
    store = Store.objects.get(code="S1")
    cashier = client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[store.id]))
    assert cashier.get("/coupons").status_code == 403
    cashier.post("/cashier/member", {"text": "13812345678"})
    page = text_of(cashier.get(path))
    assert "Claim by code" in page
    assert 'value="give"' not in page
    assert give(cashier, member, "x1").status_code == 403
    assert (
        cashier.post(f"{path}/{piece.id}", {"part": "void", "token": "x2", "reason": "x"}).status_code == 403
    )
    claimed = cashier.post(path, {"part": "claim", "token": "x3", "code": "hello"})
    assert (claimed.status_code, Coupon.objects.filter(source="claim").count()) == (302, 1)
    manager = client_of(make_staff(Role.STORE_MANAGER))
    assert give(manager, member, "x4").status_code == 302
    assert order(manager).status_code == 403
    assert "Order codes" not in text_of(manager.get("/coupons/ten"))
    marketer = client_of(make_staff(Role.MARKETER))
    assert order(marketer).status_code == 302
    job = CodeJob.objects.get()
    analyst = client_of(make_staff(Role.ANALYST))
    assert analyst.get(f"/coupons/codes/{job.id}").status_code == 200
    assert analyst.post(f"/coupons/codes/{job.id}/file", {"reason": "x"}).status_code == 403
    assert analyst.post(f"/coupons/codes/{job.id}/void", {"reason": "x"}).status_code == 403
    # A code is good at every store: who covers some stores orders, sees and calls back none.
    bound = client_of(make_staff(Role.MARKETER, all_stores=False, store_ids=[store.id]))
    assert order(bound).status_code == 403
    assert bound.post(f"/coupons/codes/{job.id}/file", {"reason": "x"}).status_code == 403
    assert bound.post(f"/coupons/codes/{job.id}/void", {"reason": "x"}).status_code == 403
    job.refresh_from_db()
    assert job.status == "running"


def test_strangers_to_a_store_do_not_open_its_members_coupons(member: Member) -> None:
    there = Store.objects.get(code="S2")
    hers = make_member(now=now(), join_store_id=Store.objects.get(code="S1").id)
    give(client_of(), hers)
    elsewhere = client_of(make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[there.id]))
    assert elsewhere.get(f"/members/{hers.id}/coupons").status_code == 404
    assert elsewhere.get(f"/members/{hers.id}/coupons/{Coupon.objects.get().id}").status_code == 404
    assert give(elsewhere, hers, "e1").status_code == 404
    assert Coupon.objects.count() == 1


def test_no_page_asks_too_many_questions(member: Member) -> None:
    client = client_of()
    for each in range(10):
        give(client, member, f"n{each}")
    piece = Coupon.objects.first()
    assert piece is not None
    for path in (
        "/coupons",
        "/coupons/ten",
        f"/members/{member.id}/coupons?show=all",
        f"/members/{member.id}/coupons/{piece.id}",
    ):
        assert queries_of(client, path) <= MOST_QUERIES, path


def test_forms_of_one_page_have_their_own_tokens(member: Member) -> None:
    page = text_of(client_of().get(f"/members/{member.id}/coupons"))
    tokens = re.findall(r'name="token" value="([0-9a-f]+)"', page)
    assert len(tokens) == len(set(tokens)) == 2


def test_unknown_things_are_not_found(member: Member) -> None:
    client = client_of()
    nobody = "00000000-0000-7000-8000-000000000000"
    for path in ("/coupons/none", f"/coupons/codes/{nobody}", f"/members/{member.id}/coupons/{nobody}"):
        assert client.get(path).status_code == 404, path


def test_what_left_the_programme_keeps_its_figures(member: Member) -> None:
    client = client_of()
    give(client, member)
    publish(now(), coupons=[HELLO])
    page = text_of(client.get("/coupons"))
    assert "No longer in the programme" in page
    assert client.get("/coupons/ten").status_code == 404
    assert "ten" in text_of(client.get(f"/members/{member.id}/coupons"))
