"""Moves by hand on the pages: who sees which form, what a refusal says, and that a second sending books nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from shuke.core.models import Staff
from shuke.core.values import SYSTEM, Role
from shuke.kit.clock import now
from shuke.ledger.models import Account, Adjustment, Gift, Hold
from shuke.ledger.operations import place_hold
from shuke.ledger.queries import reconcile
from shuke.loyalty import books
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.checkout import publish
from tests.factories.core import make_staff
from tests.factories.ledger import give, owe
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def member() -> Member:
    """A member with 500 points, under a programme with limits and transfers."""
    limits = {"store_manager": 300, "owner": 1000, "service_agent": 200}
    publish(
        adjustments={"points": {"limits": limits, "four_eyes_above": 100}},
        transfers={"points": {"maximum": 200}},
    )
    made = make_member(phone="13812345678")
    give(made.id, 500, at=now() - DAY)
    return made


def send(client: Client, member: Member, part: str, token: str = "t1", **typed: Any) -> HttpResponse:
    return client.post(
        f"/members/{member.id}/moves",
        {"part": part, "asset": "points", "amount": "50", "reason": "spilt coffee", "token": token, **typed},
    )


def ask(member: Member, staff: Staff, amount: int = 150) -> Adjustment:
    return books.request_adjustment(
        actor=staff.as_actor(),
        member_id=member.id,
        asset="points",
        amount=amount,
        reason="goodwill",
        now=now(),
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Adjust, hold, transfer", "Hold", "Transfer to another member", "Owed", "1 day"]),
        ("zh-hans", ["调整、冻结、转赠", "冻结天数", "转赠给其他会员", "欠分", "1 天"]),
        ("zh-hant", ["調整、凍結、轉贈", "凍結天數", "轉贈給其他會員", "欠分", "1 天"]),
    ],
)
def test_the_forms_are_there_in_each_language(member: Member, language: str, words: list[str]) -> None:
    owe(member.id, 20, at=now() - DAY, asset="growth")
    client = client_of(language=language)
    page = text_of(client.get(f"/members/{member.id}/moves"))
    for word in words:
        assert word in page, word
    assert f"/members/{member.id}/moves" in text_of(client.get(f"/members/{member.id}"))


def test_prepaid_money_is_an_amount(member: Member) -> None:
    give(member.id, 46_505, at=now() - DAY, asset="stored_value")
    client = client_of()
    for path in (f"/members/{member.id}/moves", f"/members/{member.id}", f"/members/{member.id}?asset=all"):
        page = text_of(client.get(path))
        assert "¥465.05" in page and "46,505" not in page, path
    assert "+¥465.05" in text_of(client.get(f"/members/{member.id}?asset=all"))


def test_a_small_adjustment_is_booked_once(member: Member) -> None:
    client = client_of(make_staff(Role.SERVICE_AGENT))
    for _ in range(2):
        assert send(client, member, "adjust", direction="take").status_code == 302
    assert Account.objects.get().balance == 450
    assert send(client, member, "adjust", token="t2", direction="add").status_code == 302
    assert Account.objects.get().balance == 500
    # Another amount under the token of a form that was booked is no repetition.
    assert send(client, member, "adjust", direction="take", amount="51").status_code == 422
    assert Adjustment.objects.count() == 2


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": "201"}, "amount"),
        ({"reason": ""}, "reason"),
        ({"asset": "growth"}, "asset"),
        ({"direction": "double"}, "direction"),
        ({"token": ""}, "token"),
    ],
)
def test_a_refusal_stands_beside_its_field(member: Member, typed: dict[str, str], field: str) -> None:
    client = client_of(make_staff(Role.SERVICE_AGENT))
    answer = send(client, member, "adjust", **{"direction": "add", **typed})
    assert answer.status_code == 422
    assert answer.context["forms"]["adjust"].errors[field]
    assert Account.objects.get().balance == 500


def test_a_hold_is_placed_and_ended(member: Member) -> None:
    client = client_of(make_staff(Role.STORE_MANAGER))
    send(client, member, "hold", days="3")
    hold = Hold.objects.get()
    assert hold.expires_at - hold.placed_at == 3 * DAY
    assert "spilt coffee" in text_of(client.get(f"/members/{member.id}/moves"))
    assert send(client, member, "hold", token="t2", days="3", amount="451").status_code == 422
    stranger = make_member()
    client.post(f"/members/{stranger.id}/holds/{hold.id}", {"act": "capture"})
    assert Hold.objects.get().status == "held"
    client.post(f"/members/{member.id}/holds/{hold.id}", {"act": "capture"})
    assert Account.objects.get().balance == 450
    client.post(f"/members/{member.id}/holds/{hold.id}", {"act": "release"})
    assert Hold.objects.get().status == "captured"
    other = place_hold(actor=SYSTEM, member_id=member.id, asset="points", amount=9, reason="r", now=now())
    client.post(f"/members/{member.id}/holds/{other.id}", {"act": "release"})
    assert Hold.objects.get(id=other.id).status == "released"


def test_points_are_given_by_a_whole_identifier(member: Member) -> None:
    receiver = make_member(phone="13900000001")
    client = client_of(make_staff(Role.STORE_MANAGER))
    assert send(client, member, "transfer", receiver="139 0000 0001").status_code == 302
    assert send(client, member, "transfer", token="t2", receiver=receiver.number).status_code == 302
    assert set(Gift.objects.values_list("receiver_id", "amount")) == {(receiver.id, 50)}
    for text in ("0001", "nobody", member.number):
        answer = send(client, member, "transfer", token="t3", receiver=text)
        assert answer.status_code == 422, text
    assert Gift.objects.count() == 2
    assert reconcile().is_clean


def test_the_inbox_shows_what_waits_and_lets_another_decide(member: Member) -> None:
    agent, manager = make_staff(Role.SERVICE_AGENT), make_staff(Role.STORE_MANAGER)
    send(client_of(agent), member, "adjust", direction="add", amount="150")
    request = Adjustment.objects.get()
    assert (request.status, Account.objects.get().balance) == ("requested", 500)
    own = text_of(client_of(agent).get("/adjustments"))
    assert "spilt coffee" in own
    assert 'value="approve"' not in own
    client_of(agent).post(f"/adjustments/{request.id}", {"act": "approve"})
    assert Adjustment.objects.get().status == "requested"
    client = client_of(manager)
    page = text_of(client.get("/adjustments"))
    ask = page[page.index('<dialog class="dlg" id="sure1"') :]
    assert 'value="approve" data-confirm="sure1"' in page
    assert all(part in ask for part in (member.number, "+150", "spilt coffee", agent.display_name))
    client.post(f"/adjustments/{request.id}", {"act": "approve", "note": "seen"})
    assert (Adjustment.objects.get().status, Account.objects.get().balance) == ("posted", 650)
    assert "spilt coffee" not in text_of(client.get("/adjustments"))
    decided = text_of(client.get("/adjustments?show=all"))
    assert manager.display_name in decided and "seen" in decided


def test_a_request_is_refused_with_a_note_or_taken_back(member: Member) -> None:
    agent, manager = make_staff(Role.SERVICE_AGENT), make_staff(Role.STORE_MANAGER)
    first, second = ask(member, agent), ask(member, agent)
    client = client_of(manager)
    assert "needed for a refusal" in text_of(client.get("/adjustments"))
    refused = client.post(f"/adjustments/{first.id}?show=all", {"act": "reject", "note": " "})
    page = text_of(refused)
    assert refused.status_code == 422 and page.count('aria-invalid="true"') == 1
    assert "Say why: the note stays with the request." in page
    assert Adjustment.objects.get(id=first.id).status == "requested"
    client.post(f"/adjustments/{first.id}", {"act": "reject", "note": "no receipt"})
    client_of(agent).post(f"/adjustments/{second.id}", {"act": "reject", "note": "typed wrong"})
    assert set(Adjustment.objects.values_list("status", "note")) == {
        ("rejected", "no receipt"), ("rejected", "typed wrong"),
    }  # fmt: skip
    assert Account.objects.get().balance == 500


@pytest.mark.parametrize("role", list(Role))
def test_who_gets_in(member: Member, role: Role) -> None:
    client = client_of(make_staff(role))
    expected = 200 if role in (Role.OWNER, Role.ADMIN, Role.STORE_MANAGER, Role.SERVICE_AGENT) else 403
    assert client.get("/adjustments").status_code == expected
    assert client.get(f"/members/{member.id}/moves").status_code == expected
    linked = f"/members/{member.id}/moves" in text_of(client.get(f"/members/{member.id}"))
    assert linked == (expected == 200)


def test_people_of_a_store_see_and_decide_for_its_members_only(member: Member) -> None:
    mine, theirs = make_store(), make_store()
    Member.objects.filter(id=member.id).update(join_store_id=theirs.id)
    request = ask(member, make_staff(Role.STORE_MANAGER))
    client = client_of(make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[mine.id]))
    assert "goodwill" not in text_of(client.get("/adjustments"))
    assert client.post(f"/adjustments/{request.id}", {"act": "approve"}).status_code == 404
    assert client.get(f"/members/{member.id}/moves").status_code == 404
    assert Adjustment.objects.get().status == "requested"


def test_the_pages_cost_the_same_with_one_row_and_with_many(member: Member) -> None:
    agent, client = make_staff(Role.SERVICE_AGENT), client_of()
    ask(member, agent)
    paths = ("/adjustments", f"/members/{member.id}/moves")
    one = [queries_of(client, path) for path in paths]
    for _ in range(4):
        ask(make_member(), make_staff(Role.SERVICE_AGENT))
        place_hold(actor=SYSTEM, member_id=member.id, asset="points", amount=9, reason="r", now=now())
    assert [queries_of(client, path) for path in paths] == one
    assert max(one) <= MOST_QUERIES


def test_without_a_programme_the_page_says_so() -> None:
    page = client_of().get(f"/members/{make_member().id}/moves")
    assert page.status_code == 200
    assert "No programme is in force" in text_of(page)
