"""A member's prepaid money at the counter: worked out, then done once; and who may do what to whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.checkout.models import StoredValueReturn, TopUp
from shuke.checkout.stored_value import top_up
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from shuke.kit import clock
from shuke.ledger.queries import balances_of, reconcile
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.checkout import TILL, make_shop, publish, sell
from tests.factories.core import PASSWORD, make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
BONUS = {
    "id": "b", "name": {"zh-Hans": "充一百送三十", "en": "100 gives 30"}, "from": "100.00", "give": "30.00",
    "instalments": 3, "every": "month",
}  # fmt: skip


@pytest.fixture
def shop() -> Any:
    yield make_shop(
        stored_value={"top_up_least": "10.00", "top_up_most": "5000.00", "bonuses": [BONUS]},
        policies={"cashier_refund_most": "100.00"},
    )
    forget_versions()


@pytest.fixture
def member(shop: Store) -> Member:
    return make_member(now=clock.now(), phone="13812345678")


def cashier(shop: Store, language: str = "en") -> Client:
    return client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[shop.id]), language=language)


def token_of(page: str) -> str:
    return re.search(r'name="token" value="(\w+)"', page)[1]  # type: ignore[index]


def filled(member: Member, amount: int = 20_000) -> None:
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=amount, tender="cash", now=clock.now())


def held(member: Member, asset: str = "stored_value") -> int:
    return next((each.balance for each in balances_of(member.id, clock.now()) if each.asset == asset), 0)


def test_a_top_up_is_worked_out_and_then_done_once(shop: Store, member: Member) -> None:
    till, path = cashier(shop), f"/members/{member.id}/stored-value"
    form = {"part": "top_up", "amount": "150", "tender": "wechat", "reference": "W-1"}
    token = token_of(text_of(till.get(path)))
    page = text_of(till.post(path, {**form, "act": "quote", "token": token}))
    assert "¥150.00" in page and "+¥30.00" in page and "100 gives 30" in page
    assert page.count("usable from") == 3 and token_of(page) == token
    assert not TopUp.objects.exists() and held(member) == 0
    for _ in range(2):
        done = till.post(path, {**form, "act": "do", "token": token, "seen": "3000"})
        assert done.status_code == 302
    made = TopUp.objects.get()
    assert (made.amount_minor, made.bonus_minor, made.tender, made.store.code) == (
        15_000,
        3_000,
        "wechat",
        "S1",
    )
    assert (held(member), held(member, "bonus")) == (15_000, 3_000)
    page = text_of(till.get(path))
    assert "with a bonus of ¥30.00" in page and "WeChat Pay" in page and reconcile().is_clean
    assert queries_of(till, path) <= MOST_QUERIES


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "required"),
        ("abc", "Type an amount"),
        ("-5", "Type an amount"),
        ("1e9", "Type an amount"),
        ("9.99", "From ¥10.00 to ¥5,000.00."),
        ("0", "From ¥10.00 to ¥5,000.00."),
        ("5000.01", "From ¥10.00 to ¥5,000.00."),
        ("5000", "than cash"),
    ],
)
def test_what_cannot_be_topped_up_is_said_in_money(
    shop: Store, member: Member, typed: str, said: str
) -> None:
    form = {"part": "top_up", "amount": typed, "tender": "cash", "act": "do", "token": "t1"}
    form["organisation"] = "on"
    answer = cashier(shop).post(f"/members/{member.id}/stored-value", form)
    assert answer.status_code == 422 and said in text_of(answer)
    assert not TopUp.objects.exists()


def test_a_bonus_that_changed_meanwhile_is_not_given_unseen(shop: Store, member: Member) -> None:
    form = {"part": "top_up", "amount": "150", "tender": "cash", "act": "do", "token": "t2", "seen": "0"}
    answer = cashier(shop).post(f"/members/{member.id}/stored-value", form)
    assert answer.status_code == 422 and "The bonus has changed" in text_of(answer)
    assert not TopUp.objects.exists()


def test_a_card_is_returned_within_the_limit_alone_and_beyond_it_signed(shop: Store, member: Member) -> None:
    filled(member)
    till, path = cashier(shop), f"/members/{member.id}/stored-value"
    page = text_of(till.get(path))
    assert "Pay out ¥200.00" in page and 'name="approver"' in page
    form = {"part": "return", "tender": "cash", "reason": "moves away", "token": "r1", "seen": "20000"}
    assert "has to sign" in text_of(till.post(path, form)) and held(member) == 20_000
    boss = make_staff(Role.STORE_MANAGER, all_stores=False, store_ids=[shop.id])
    boss.set_password(PASSWORD)
    boss.save()
    signed = {**form, "approver": boss.username, "approver_password": PASSWORD}
    assert "has changed" in text_of(till.post(path, {**signed, "seen": "19999"})) and held(member) == 20_000
    assert till.post(path, signed).status_code == 302
    done = StoredValueReturn.objects.get()
    assert (done.paid_minor, done.forfeited_minor, held(member)) == (20_000, 3_000, 0)
    assert AuditEvent.objects.get(action="checkout.refund_approved.v1").actor_id == boss.id
    page = text_of(till.get(path))
    assert "moves away" in page and "Pay out ¥200.00" not in page and reconcile().is_clean


def test_who_may(shop: Store, member: Member) -> None:
    path = f"/members/{member.id}/stored-value"
    for role, status in ((Role.MARKETER, 403), (Role.ANALYST, 403), (Role.SERVICE_AGENT, 403)):
        assert client_of(make_staff(role)).get(path).status_code == status
    foreign = make_member(now=clock.now(), phone="13900000001", join_store_id=Store.objects.get(code="S2").id)
    till = cashier(shop)
    assert till.get(f"/members/{foreign.id}/stored-value").status_code == 404
    till.post("/cashier/member", {"text": "13900000001"})
    assert till.get(f"/members/{foreign.id}/stored-value").status_code == 200
    # Without a place nothing is taken in.
    owner = client_of()
    form = {"part": "top_up", "amount": "50", "tender": "cash", "act": "do", "token": "t3", "seen": "0"}
    assert owner.post(path, form).status_code == 200 and not TopUp.objects.exists()


def test_a_programme_without_stored_value_says_so_and_the_file_links_to_it_otherwise(
    shop: Store, member: Member
) -> None:
    client, path = client_of(), f"/members/{member.id}/stored-value"
    sell(("A", 1), member=member, now=clock.now())
    assert path in text_of(client.get(f"/members/{member.id}"))
    publish(effective_at=clock.now())
    assert path not in text_of(client.get(f"/members/{member.id}"))
    assert "There is no stored value" in text_of(client.get(path))


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "充值"), ("zh-hant", "儲值")])
def test_it_speaks_chinese(shop: Store, member: Member, language: str, words: str) -> None:
    filled(member)
    page = text_of(client_of(language=language).get(f"/members/{member.id}/stored-value"))
    assert words in page and "Top up" not in page and "Return the card" not in page


def test_the_member_at_the_desk_is_served_wherever_they_joined_and_their_file_stays_shut(shop: Store) -> None:
    stranger = make_member("王小明", now=clock.now(), phone="13812349999", join_store_id=make_store("S9").id)
    till, page = cashier(shop), f"/members/{stranger.id}/stored-value"
    # Not before they stand there, and not for a colleague at another desk.
    assert till.get(page).status_code == till.get(f"/members/{stranger.id}/plans").status_code == 404
    till.post("/cashier/pick", {"member": str(stranger.id)})
    assert cashier(shop).get(page).status_code == 404
    shown = text_of(till.get(page))
    assert f'href="/members/{stranger.id}"' not in shown
    assert till.get(f"/members/{stranger.id}").status_code == 404
    plans = till.get(f"/members/{stranger.id}/plans")
    assert plans.status_code == 200 and f'href="/members/{stranger.id}"' not in text_of(plans)
    sent = {"part": "top_up", "token": token_of(shown), "amount": "200", "tender": "cash", "act": "do"}
    quoted = text_of(till.post(page, {**sent, "act": "quote"}))
    seen = re.search(r'name="seen" value="(\d+)"', quoted)
    assert seen and till.post(page, {**sent, "seen": seen[1]}).status_code == 302
    assert held(stranger) == 20_000
    till.post("/cashier/pick", {"member": ""})
    assert till.get(page).status_code == 404


@pytest.mark.parametrize(
    ("language", "lapses", "never"),
    [("en", "lapses 1 Jan 2028", "does not lapse"), ("zh-hans", "2028-01-01 失效", "长期有效")],
)
def test_a_bonus_in_one_part_shows_its_end_before_it_is_sold(
    shop: Store, member: Member, language: str, lapses: str, never: str
) -> None:
    till = cashier(shop, language=language)
    page = f"/members/{member.id}/stored-value"
    till.post("/cashier/pick", {"member": str(member.id)})
    offer = {key: value for key, value in BONUS.items() if key not in ("instalments", "every")}
    for expiry, words in (({"model": "fixed_date", "on": "2027-12-31"}, lapses), ({"model": "never"}, never)):
        publish(
            stored_value={"bonuses": [offer]},
            assets={
                "stored_value": {"name": {"zh-Hans": "储值"}},
                "bonus": {"name": {"zh-Hans": "赠送金"}, "expiry": expiry},
            },
        )
        token = token_of(text_of(till.get(page)))
        quoted = till.post(
            page, {"part": "top_up", "token": token, "amount": "100", "tender": "cash", "act": "quote"}
        )
        assert words in text_of(quoted)
