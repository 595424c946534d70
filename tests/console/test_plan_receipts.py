"""The slip of a paid plan: after each act at the counter, found again by its number, and the same after prices changed."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import uuid4

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.loyalty.plans.models import PlanEvent, PlanTerm
from shuke.loyalty.plans.receipts import find_plan_event, find_plan_receipt
from shuke.loyalty.plans.renewals import charge_due
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan
from shuke.members.models import Member
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import TILL, publish
from tests.factories.core import make_staff
from tests.factories.members import make_member
from tests.factories.plans import BLACK, PLUS, make_club, plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    make_club(plan(PLUS, renewal={"manual": True, "ahead_days": 400}))
    return make_member("林知夏", "13812345678", now=now())


def person(role: Role = Role.STORE_MANAGER, store: str = "S1") -> Client:
    return client_of(make_staff(role, all_stores=False, store_ids=[Store.objects.get(code=store).id]))


def send(client: Client, member: Member, act: str, **typed: str) -> str:
    """Where the counter goes after the act."""
    typed = {"plan": "plus", "tender": "wechat", "token": uuid4().hex, **typed}
    answer = client.post(f"/members/{member.id}/plans", {"act": act, **typed})
    assert answer.status_code == 302, text_of(answer)
    return answer["Location"]


def send_and_read(client: Client, member: Member) -> str:
    """A plan is bought; when it ends."""
    send(client, member, "buy")
    return str(PlanEvent.objects.get(kind="plan_bought").data["ends_at"])


def slip_of(client: Client, address: str) -> str:
    """The paper's words, without tags."""
    page = text_of(client.get(address))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split('<article class="slip"')[1]))


def test_every_act_that_moves_money_ends_at_a_slip_that_says_what_and_how_much(member: Member) -> None:
    client = person()
    sold = send(client, member, "buy", reference="WX-778", token="aa")
    assert send(client, member, "buy", reference="WX-778", token="aa") == sold  # sent twice, booked once
    term = PlanTerm.objects.get()
    slip = slip_of(client, sold)
    for words in ("Plus", "12 months", "Plan sold", "¥120.00", "WeChat Pay", "WX-778", term.store.name):
        assert words in slip, words
    assert "林知夏" not in slip and "林*" in slip  # masked as on the slip of a sale
    renewed = slip_of(client, send(client, member, "renew", tender="cash"))
    assert "Plan renewed" in renewed and "Cash" in renewed and renewed != slip
    upgraded = slip_of(client, send(client, member, "upgrade", target="black"))
    black = PlanTerm.objects.get(plan="black")
    assert "Plan given up for it Plus" in upgraded and "Black" in upgraded
    assert (
        f"-¥{black.credit_minor / 100:.2f}" in upgraded and f"Total ¥{black.paid_minor / 100:.2f}" in upgraded
    )
    back = slip_of(client, send(client, member, "refund", plan="black", reason="moved", tender="alipay"))
    assert "Plan paid back" in back and "Alipay" in back and "Reason moved" in back
    assert "Given back ¥365.00" in back
    history = text_of(client.get(f"/members/{member.id}/plans")).split("History")[-1]
    assert history.count("/plans/receipts/") == 4


def test_a_slip_says_what_was_paid_then_whatever_the_programme_says_now(member: Member) -> None:
    client = person()
    sold, number = send(client, member, "buy"), PlanEvent.objects.get().id
    before = slip_of(client, sold)
    renamed = {"zh-Hans": "新卡", "en": "Renamed"}
    publish(now(), plans=[plan(PLUS, price="999.00", duration={"months": 1}, name=renamed), BLACK])
    assert slip_of(client, sold) == before and "¥120.00" in before and "999" not in before
    back = slip_of(client, send(client, member, "refund", reason="moved"))
    assert "Given back ¥120.00" in back and "Plus" in back and "Renamed" not in back
    publish(now(), plans=[BLACK])
    assert slip_of(client, sold) == before
    assert find_plan_receipt(number) is not None


def test_what_an_upgrade_pays_out_stands_on_its_slip(db: None) -> None:
    small = {**PLUS, "code": "small", "name": {"zh-Hans": "小卡", "en": "Small"}, "price": "20.00"}
    make_club(plan(PLUS, upgrade_to=["small"]), {k: v for k, v in small.items() if k != "upgrade_to"})
    member, client = make_member(now=now()), person()
    send(client, member, "buy")
    slip = slip_of(client, send(client, member, "upgrade", target="small"))
    paid_out = PlanTerm.objects.get(plan="plus").refunded_minor
    assert paid_out > 9900 and f"Given back ¥{paid_out / 100:.2f}" in slip and "Total ¥0.00" in slip


def test_a_slip_belongs_to_the_people_of_its_store(member: Member) -> None:
    sold = send(person(), member, "buy")
    assert person(Role.CASHIER).get(sold).status_code == 200
    assert person(store="S2").get(sold).status_code == 404
    assert client_of(make_staff(Role.ANALYST)).get(sold).status_code == 403
    assert Client().get(sold).status_code == 302
    assert person().get(f"/plans/receipts/{uuid4()}").status_code == 404
    stranger = make_member(now=now(), join_store_id=Store.objects.get(code="S2").id)
    buy_plan(actor=TILL, member_id=stranger.id, plan="plus", sale=Sale("cash"), now=now())
    event = PlanEvent.objects.get(member=stranger)
    # Sold at no store: for whoever may serve the member.
    assert person().get(f"/plans/receipts/{event.id}").status_code == 404
    assert client_of().get(f"/plans/receipts/{event.id}").status_code == 200
    assert "/plans/receipts/" not in text_of(person(store="S2").get(f"/members/{member.id}/plans"))


def test_the_number_on_the_paper_finds_it_again_where_sales_are_looked_up(member: Member) -> None:
    client = person()
    sold = send(client, member, "buy")
    event = PlanEvent.objects.get()
    receipt = find_plan_receipt(event.id)
    assert receipt is not None
    number = receipt.number
    assert re.fullmatch(r"P\d{6}-[0-9A-F]{8}", number) and number in slip_of(client, sold)
    for typed in (number, f" {number.lower()} "):
        assert client.get("/cashier/refund", {"q": typed})["Location"] == sold
    assert person(store="S2").get("/cashier/refund", {"q": number}).status_code == 422
    other = f"{number[:-8]}{'0' * 8}"
    for wrong in (other, "P999999-00000000", "P261340-0000000A", f"P200102{number[7:]}"):
        assert find_plan_event(wrong) is None


def test_a_trial_has_no_slip_and_a_renewal_by_itself_has(member: Member) -> None:
    client = person()
    assert send(client, member, "try").endswith(f"/members/{member.id}/plans")
    (trial,) = PlanEvent.objects.all()
    assert find_plan_receipt(trial.id) is None
    assert client.get(f"/plans/receipts/{trial.id}").status_code == 404
    bought = datetime.fromisoformat(send_and_read(client, member))
    send(client, member, "auto_renew")
    charge_due(now=bought)
    event = PlanEvent.objects.get(kind="plan_renewed")
    slip = slip_of(client_of(), f"/plans/receipts/{event.id}")
    assert "Charged by agreement ¥120.00" in slip and "Cashier" not in slip


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ["付费会员已售出", "小票号", "12 个月", "微信支付", "有效期间"]),
        ("zh-hant", ["付費會員已售出", "收據號碼", "12 個月", "微信支付", "有效期間"]),
    ],
)
def test_a_slip_speaks_each_language(member: Member, language: str, words: list[str]) -> None:
    sold = send(person(), member, "buy")
    slip = slip_of(client_of(language=language), sold)
    for word in words:
        assert word in slip, word
    assert queries_of(client_of(), sold) <= MOST_QUERIES
