"""What was paid in advance goes back where it came from, whatever the order of the refunds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shuke.checkout.allowances import issue_allowance
from shuke.checkout.gift_cards import activate_gift_cards, codes_of, issue_gift_cards, read_gift_card
from shuke.checkout.invariants import verify_orders
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.refunds import refund_order
from shuke.checkout.stored_value import quote_return, top_up
from shuke.checkout.values import TenderRequest
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from tests.factories.checkout import TILL, make_shop, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
BONUS = {"id": "b", "name": {"zh-Hans": "送"}, "from": "50.00", "give": "20.00"}
RATES = [{"code": "food", "name": {"zh-Hans": "食品"}, "percent": "9", "categories": ["FOOD"]}]


def balances(member):
    rows = Account.objects.filter(member_id=member.id, asset__in=("stored_value", "bonus"))
    return {asset: (balance, debt) for asset, balance, debt in rows.values_list("asset", "balance", "debt")}


def assert_books_are_right():
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


@pytest.mark.parametrize("prices", ["inclusive", "exclusive"])
def test_a_full_refund_gives_every_tender_back(prices):
    make_shop(stored_value={"bonuses": [BONUS]}, gift_cards={}, taxes={"prices": prices, "rates": RATES})
    member = make_member(now=NOW)
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=5_000, tender="card", now=NOW)
    cards = issue_gift_cards(actor=TILL, face_minor=2_000, count=1, now=NOW)
    code = codes_of([cards[0].id])[0]
    activate_gift_cards(actor=TILL, codes=[code], store="S1", tender="card", now=NOW)
    tenders = (
        TenderRequest("gift_card", None, code),
        TenderRequest("stored_value", 3_500),
        TenderRequest("cash"),
    )
    order = sell(("A", 8), ("B", 3), member=member, now=NOW, tenders=tenders)
    assert balances(member) == {"stored_value": (2_500, 0), "bonus": (1_000, 0)}
    done = refund_order(actor=TILL, order_id=order["id"], reason="faulty", now=NOW + timedelta(hours=1))
    assert done["payable_minor"] == order["payable_minor"]
    assert balances(member) == {"stored_value": (5_000, 0), "bonus": (2_000, 0)}
    assert read_gift_card(asker=TILL, code=code, now=NOW)["usable_minor"] == 2_000
    # Given back, bonus money counts as unspent when the card is returned.
    assert quote_return(member_id=member.id, now=NOW)["spent_bonus_minor"] == 0
    assert_books_are_right()


def test_a_sale_on_trust_that_left_a_debt_can_be_refunded():
    make_shop(stored_value={}, offline={"allowance": "50.00", "accept_days": 30})
    member, early = make_member(now=NOW), NOW - timedelta(hours=3)
    top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=5_000, tender="card", now=early)
    token = issue_allowance(actor=TILL, member_id=member.id, device="d", store="S1", now=early)["token"]
    sell(("A", 4), member=member, now=early, tenders=(TenderRequest("stored_value", 4_000),))
    cart = sale(
        ("A", 5), member=member, settled=True, tenders=(TenderRequest("stored_value"),), allowance=token
    )
    result = commit_offline_sales(actor=TILL, rows=[OfflineSale(cart, NOW - timedelta(hours=1))], now=NOW)[0]
    assert balances(member)["stored_value"] == (-4_000, 4_000)
    refund_order(actor=TILL, order_id=result.order_id, reason="wrong", now=NOW)
    balance, debt = balances(member)["stored_value"]
    assert (balance, debt) == (1_000, 0)
    assert_books_are_right()
