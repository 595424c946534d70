"""Stored value at the cashier's desk: shown beside the member, used up to what is there, printed on the slip."""

from __future__ import annotations

import re

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import translation

from shuke.checkout.gift_cards import activate_gift_cards, block_gift_card, codes_of, issue_gift_cards
from shuke.checkout.models import GiftCard, Order, OrderTender
from shuke.checkout.stored_value import top_up
from shuke.core.values import Role
from shuke.kit import clock
from shuke.loyalty.queries import forget_versions
from tests.console.test_cashier import Desk
from tests.factories.checkout import TILL, make_shop, publish
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
BONUS = {"id": "b", "name": {"zh-Hans": "送"}, "from": "100.00", "give": "10.00"}


@pytest.fixture
def desk():
    store = make_shop(stored_value={"spend_order": "principal_first", "bonuses": [BONUS]})
    member = make_member(now=clock.now())
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=10_000, tender="cash", now=clock.now())
    desk = Desk(make_staff(Role.CASHIER, store_ids=[store.id])).choose(store)
    desk.member = member
    desk.post("pick", member=str(member.id))
    yield desk
    forget_versions()


def test_stored_value_is_shown_used_and_printed(desk):
    desk.post("scan", text="12*A")
    page = desk.page()
    assert "¥110.00" in page and "¥10.00 of it bonus" in page
    page = desk.post("stored-value", most="110.00")
    assert "-¥110.00" in page and 'name="seen" value="1000"' in page
    desk.post("commit", 204, **desk.ticket())
    kinds = OrderTender.objects.order_by("seq").values_list("kind", "amount_minor")
    assert list(kinds) == [("stored_value", 10_000), ("bonus", 1_000)]
    slip = desk.client.get(desk.location).content.decode()
    assert "Bonus money" in slip and "¥100.00" in slip
    # The headline is what was taken now, and every tender is a line.
    told = (
        r"Taken at the till</p><p class=\"desk-amount num\">¥10.00</p><p class=\"meta num\">Total ¥120.00 · "
    )
    assert re.search(told, slip) and "<dt>Taken at the till</dt><dd>¥10.00</dd>" in slip
    manager = Desk(make_staff(Role.STORE_MANAGER)).client
    refund = manager.get(f"/cashier/refund/{Order.objects.get().id}").content.decode()
    assert re.search(r"Give back</p><p class=\"desk-amount num\">¥120.00<", refund)
    assert "Refund ¥120.00" in refund and "To pay out ¥10.00" in refund
    # A part says where its money goes as the whole does: before it is done and afterwards.
    address = f"/cashier/refund/{Order.objects.get().id}"
    ways = dict(re.findall(r'<p class="meta num">(Back to [a-z ]+|To pay out) ¥([0-9.]+)</p>', refund))
    assert ways == {
        "Back to the stored value": "100.00",
        "Back to the bonus money": "10.00",
        "To pay out": "10.00",
    }
    worked_out = manager.get(f"{address}?amount=60.00").content.decode()
    line = r'<p class="meta num">(Back to [a-z ]+|To pay out|Paid out to the customer) ¥([0-9.]+)</p>'
    told = re.findall(line, worked_out)
    assert len(told) >= 2
    manager.post(address, {"amount": "60.00", "reason": "spilt"})
    done = re.findall(line, manager.get(address).content.decode())
    assert done == [(way.replace("To pay out", "Paid out to the customer"), minor) for way, minor in told]
    assert Order.objects.get().payable_minor == 12_000


def test_less_is_used_when_the_cart_shrinks_and_the_total_stays_right(desk):
    desk.post("scan", text="5*A")
    desk.post("stored-value", stored="40")
    desk.post("line", sku="A", quantity="3")
    assert desk.ticket()["seen"] == "0"
    desk.post("commit", 204, **desk.ticket())
    assert OrderTender.objects.get().amount_minor == 3_000


@pytest.mark.parametrize(
    ("typed", "status"), [("abc", 422), ("-5", 422), ("1e9", 422), ("200", 200), ("", 200)]
)
def test_what_cannot_be_used_is_said_and_the_sale_stays_as_it_was(desk, typed, status):
    desk.post("scan", text="20*A")
    page = desk.post("stored-value", status, stored=typed)
    if typed == "200":
        assert "¥110.00 is used: no more can be taken for this sale." in page
    else:
        assert desk.ticket()["seen"] == "20000"


def test_another_member_starts_without_it_and_a_programme_without_it_does_not_show_it(desk):
    desk.post("scan", text="A")
    desk.post("stored-value", stored="5")
    desk.post("pick", member="")
    assert desk.ticket()["seen"] == "1000"
    publish(effective_at=clock.now())
    desk.post("pick", member=str(desk.member.id))
    assert 'id="stored"' not in desk.page()


def cards(face: int, count: int = 1, *, sold: bool = True) -> list[str]:
    made = issue_gift_cards(actor=TILL, face_minor=face, count=count, now=clock.now())
    codes = codes_of([card.id for card in made])
    if sold:
        activate_gift_cards(actor=TILL, codes=codes, store="S1", tender="cash", now=clock.now())
    return codes


def test_gift_cards_pay_first_and_stored_value_the_rest(desk):
    publish(
        effective_at=clock.now(),
        stored_value={"spend_order": "principal_first"},
        gift_cards={},
    )
    desk.post("pick", member=str(desk.member.id))
    first, second = cards(3_000, 2)
    desk.post("scan", text="12*A")
    page = desk.post("scan", text=f" {first.lower()} ")  # scanned like a product
    assert "-¥30.00" in page and first not in page and desk.events["desk"]["focus"] == "commit"
    desk.post("gift-card", gift=second)
    desk.post("gift-card", gift=second)  # twice is once
    page = desk.post("stored-value", stored="100")
    assert "¥60.00 is used: no more can be taken for this sale." in page
    assert 'name="seen" value="0"' in page
    desk.post("line", sku="A", quantity="5")
    page = desk.page()
    assert "-¥20.00" in page and 'name="seen" value="0"' in page
    dropped = GiftCard.objects.get(last_four=second.replace("-", "")[-4:])
    desk.post("gift-card", drop=str(dropped.id))
    kept = SessionStore(session_key=Session.objects.latest("expire_date").session_key)
    assert first.replace("-", "") not in str(kept.load())
    desk.post("commit", 204, **desk.ticket())
    paid = OrderTender.objects.order_by("seq").values_list("kind", "amount_minor")
    assert list(paid) == [("gift_card", 3_000), ("stored_value", 2_000)]


def test_the_slip_says_what_is_left_on_the_card_after_this_sale_and_says_so_again_later(desk):
    publish(effective_at=clock.now(), gift_cards={})
    desk.post("pick", member="")
    (code,) = cards(5_000)
    four = code.replace("-", "")[-4:]
    slips = []
    for _each in range(2):
        desk.post("scan", text="2*A")
        desk.post("gift-card", gift=code)
        desk.post("commit", 204, **desk.ticket())
        slips.append(desk.location)
    for slip, left in zip(slips, ("¥30.00", "¥10.00"), strict=True):
        page = desk.client.get(slip).content.decode()
        assert f"<dt>Gift card {four}</dt><dd>¥20.00</dd>" in page
        assert f"<dt>Left on gift card {four}</dt><dd>{left}</dd>" in page


@pytest.mark.parametrize("case", ["typo", "unknown", "unsold", "blocked", "empty"])
def test_a_gift_card_that_cannot_pay_says_why_and_changes_nothing(desk, case):
    publish(effective_at=clock.now(), gift_cards={})
    desk.post("scan", text="A")
    code = cards(3_000, sold=case in ("blocked", "empty"))[0]
    said = {
        "typo": "no gift card code", "unknown": "no gift card with this code", "unsold": "not sold yet",
        "blocked": "is blocked", "empty": "nothing left",
    }[case]  # fmt: skip
    if case == "typo":
        code = code[:-1] + ("2" if code[-1] != "2" else "3")
    if case == "unknown":
        GiftCard.objects.all().delete()
    if case == "blocked":
        block_gift_card(actor=TILL, code=code, reason="lost", now=clock.now())
    if case == "empty":
        desk.post("scan", text="2*A")
        desk.post("gift-card", gift=code)
        desk.post("commit", 204, **desk.ticket())
        desk.post("scan", text="A")
    page = desk.post("gift-card", 422, gift=code)
    assert said in page and desk.ticket()["seen"] == "1000"


def test_a_card_that_is_blocked_in_the_cart_stops_the_sale_and_can_be_taken_out(desk):
    publish(effective_at=clock.now(), gift_cards={})
    code = cards(3_000)[0]
    desk.post("scan", text="A")
    desk.post("gift-card", gift=code)
    block_gift_card(actor=TILL, code=code, reason="stolen", now=clock.now())
    page = desk.page()
    assert "it is blocked" in page and 'name="drop"' in page
    desk.post("commit", 422, **desk.ticket())
    desk.post("gift-card", drop=str(GiftCard.objects.get().id))
    assert desk.ticket()["seen"] == "1000" and not Order.objects.exists()


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "使用储值"), ("zh-hant", "使用儲值")])
def test_it_speaks_chinese(desk, language, words):
    desk.post("scan", text="A")
    answer = desk.client.get("/cashier", headers={"Accept-Language": language})
    assert words in answer.content.decode()
    assert translation.get_language()
