from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shuke.checkout import errors
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, OrderTender, StoredValueReturn, TopUp
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import get_order
from shuke.checkout.stored_value import quote_return, return_stored_value, stored_value_of, top_up
from shuke.checkout.values import TenderRequest
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.kit.prepared import Statement
from shuke.ledger.models import Account, Entry, Lot, Transfer
from shuke.ledger.queries import reconcile
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
BONUS = {"id": "hundred", "name": {"zh-Hans": "充百送二十"}, "from": "100.00", "give": "20.00"}
STORED = {"spend_order": "principal_first", "bonuses": [BONUS]}


def pay(member, amount=10_000, now=NOW, **more):
    return top_up(
        actor=TILL,
        member_id=member.id,
        store="S1",
        amount_minor=amount,
        tender=more.pop("tender", "wechat"),
        now=now,
        **more,
    )


def balances(member):
    rows = Account.objects.filter(member_id=member.id, asset__in=("stored_value", "bonus"))
    return {asset: (balance, debt) for asset, balance, debt in rows.values_list("asset", "balance", "debt")}


def assert_books_are_right():
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def test_a_top_up_books_principal_and_bonus_apart_and_tells_it_once():
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    done = pay(member, number="R1", reference="wx-1")
    assert (done["amount_minor"], done["bonus_minor"], done["rule"]) == (10_000, 2_000, "hundred")
    assert balances(member) == {"stored_value": (10_000, 0), "bonus": (2_000, 0)}
    accounts = Entry.objects.exclude(account="member").values_list("account", "asset", "amount")
    assert sorted(accounts) == [("bonus", "bonus", -2_000), ("topped_up", "stored_value", -10_000)]
    assert Transfer.objects.get().kind == "top_up"
    assert not Lot.objects.filter(expires_at__isnull=False).exists()
    name = "checkout.stored_value_topped_up.v1"
    assert OutboxEvent.objects.filter(name=name, member_id=member.id).count() == 1
    assert AuditEvent.objects.filter(action=name, object_id=str(member.id)).count() == 1
    with pytest.raises(errors.TopUpExists):
        pay(member, number="R1")
    assert (TopUp.objects.count(), balances(member)["stored_value"]) == (1, (10_000, 0))
    assert_books_are_right()


def test_a_bonus_in_instalments_becomes_usable_part_by_part_without_any_job():
    rule = {**BONUS, "give": "10.00", "instalments": 3, "every": "month", "valid_months": 6}
    make_shop(stored_value={"bonuses": [rule]})
    member = make_member(now=NOW)
    done = pay(member)
    assert [part["amount_minor"] for part in done["instalments"]] == [334, 333, 333]
    # The second part: local midnight of 10 April in Shanghai; gone six months after its own day.
    assert done["instalments"][1]["usable_from"] == datetime(2026, 4, 9, 16, tzinfo=UTC)
    assert done["instalments"][1]["expires_at"] == datetime(2026, 10, 10, 16, tzinfo=UTC)

    def usable(at):
        cart = sale(("A", 100), member=member)
        return quote_order(actor=TILL, sale=cart, now=at)["bonus_usable"]

    assert usable(NOW) == 334
    assert usable(datetime(2026, 4, 9, 15, 59, tzinfo=UTC)) == 334
    assert usable(datetime(2026, 4, 9, 16, tzinfo=UTC)) == 667
    assert usable(datetime(2026, 5, 20, tzinfo=UTC)) == 1_000
    assert balances(member)["bonus"] == (1_000, 0)
    told = stored_value_of(member.id, NOW)
    assert (told["principal_minor"], told["bonus_minor"], len(told["coming"])) == (10_000, 334, 2)


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"amount": 0}, errors.TopUpOutOfRange),
        ({"amount": 10**15 + 1}, errors.TopUpOutOfRange),
        ({"amount": 500_001}, errors.CardLimitExceeded),
        ({"amount": 500_000, "tender": "cash", "organisation": True}, errors.CashNotAllowed),
    ],
)
def test_top_ups_beyond_the_programme_or_the_law_are_refused_and_change_nothing(more, refusal):
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    with pytest.raises(refusal):
        pay(member, **more)
    assert (TopUp.objects.count(), Transfer.objects.count()) == (0, 0)


def test_the_legal_limit_counts_what_the_card_holds_and_can_be_lifted():
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    pay(member, 300_000)
    with pytest.raises(errors.CardLimitExceeded) as refusal:
        pay(member, 200_001)
    assert refusal.value.params == {"limit": 500_000, "held": 300_000}
    pay(member, 200_000)


def test_a_sale_pays_with_points_and_stored_value_in_one_commit():
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    pay(member)
    sell(("A", 20), member=member, now=NOW)
    cart = sale(
        ("A", 20),
        member=member,
        points=200,
        tenders=(TenderRequest("stored_value", 11_000), TenderRequest("wechat", None, reference="wx-9")),
    )
    quote = quote_order(actor=TILL, sale=cart, now=NOW)
    assert (quote["stored_value_usable"], quote["bonus_usable"], quote["stored_value_limit"]) == (
        10_000,
        2_000,
        12_000,
    )
    answer = json.loads(commit_order(actor=TILL, sale=cart, now=NOW).body)
    for figure in ("payable_minor", "due_minor", "tenders", "points_earned", "lines"):
        assert answer[figure] == json.loads(json.dumps(quote[figure])), figure
    assert [(t["kind"], t["amount_minor"]) for t in answer["tenders"]] == [
        ("stored_value", 10_000),
        ("bonus", 1_000),
        ("wechat", 8_800),
    ]
    assert balances(member) == {"stored_value": (0, 0), "bonus": (1_000, 0)}
    assert answer["member"]["balances"]["bonus"] == 1_000
    # 198 of payable 198.00: what stored value pays earns, what points paid does not
    assert answer["points_earned"] == 198
    rows = OrderTender.objects.order_by("seq").values_list("kind", "holder_id", "reference")
    assert list(rows) == [
        ("stored_value", member.id, ""),
        ("bonus", member.id, ""),
        ("wechat", None, "wx-9"),
    ]
    assert get_order(order_id=answer["id"])["tenders"] == answer["tenders"]
    pay_entries = Entry.objects.filter(transfer__kind="pay", account="member").order_by("seq")
    assert [(e.asset, e.amount, e.explain) for e in pay_entries] == [
        ("stored_value", -10_000, {"tender": 1}),
        ("bonus", -1_000, {"tender": 2}),
    ]
    assert_books_are_right()


def test_a_sale_paid_with_stored_value_and_points_asks_no_more_questions_than_a_plain_one(monkeypatch):
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    pay(member)
    ask, asked = Statement.rows, []
    monkeypatch.setattr(Statement, "rows", lambda self, given: asked.append(self.name) or ask(self, given))

    def statements(**more):
        asked.clear()
        cart = sale(("A", 1), member=member, **more)
        with CaptureQueriesContext(connection) as context:
            commit_order(actor=TILL, sale=cart, now=NOW)
        other = [q["sql"] for q in context.captured_queries if "loyalty_programmeversion" not in q["sql"]]
        return [*asked, *other]

    assert statements() == ["shuke_facts", "shuke_commit"]
    assert statements(tenders=(TenderRequest("stored_value", None),)) == ["shuke_facts", "shuke_commit"]
    assert statements(points=1) == ["shuke_facts", "shuke_commit"]


def test_more_than_is_there_is_refused_with_the_figures_and_changes_nothing():
    make_shop(stored_value=STORED)
    member = make_member(now=NOW)
    pay(member, 5_000)
    with pytest.raises(errors.NotEnoughStoredValue) as refusal:
        sell(("A", 10), member=member, now=NOW, tenders=(TenderRequest("stored_value", 5_001),))
    assert refusal.value.params == {"asked": 5_001, "usable": 5_000}
    assert (refusal.value.field, Order.objects.count()) == ("tenders/0", 0)


def test_rivals_cannot_spend_the_same_stored_value_twice():
    make_shop(stored_value={})
    member = make_member(now=NOW)
    pay(member, 10_000)
    barrier, outcomes = Barrier(8), []

    def spend():
        barrier.wait()
        try:
            sell(("A", 3), member=member, now=NOW, tenders=(TenderRequest("stored_value", 3_000),))
            outcomes.append("sold")
        except errors.NotEnoughStoredValue:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 5 + ["sold"] * 3
    assert balances(member)["stored_value"] == (1_000, 0)
    assert_books_are_right()


def test_returning_the_card_forfeits_unspent_bonus_and_deducts_what_was_spent_of_it():
    make_shop(stored_value={**STORED, "spend_order": "bonus_first"})
    member = make_member(now=NOW)
    pay(member)
    sell(
        ("A", 5),
        member=member,
        now=NOW,
        tenders=(TenderRequest("stored_value", 1_500), TenderRequest("cash")),
    )
    plan = quote_return(member_id=member.id, now=NOW)
    assert plan == {
        "currency": "CNY",
        "principal_minor": 10_000,
        "spent_bonus_minor": 1_500,
        "deducted_minor": 1_500,
        "paid_minor": 8_500,
        "forfeited_minor": 500,
    }
    done = return_stored_value(
        actor=TILL, member_id=member.id, store="S1", tender="transfer", reason="moves away", now=NOW
    )
    assert {key: done[key] for key in plan} == plan
    assert balances(member) == {"stored_value": (0, 0), "bonus": (0, 0)}
    paid_out = Entry.objects.get(account="paid_out")
    assert (paid_out.asset, paid_out.amount) == ("stored_value", 8_500)
    assert StoredValueReturn.objects.get().reason == "moves away"
    with pytest.raises(errors.NothingToReturn):
        return_stored_value(
            actor=TILL, member_id=member.id, store="S1", tender="cash", reason="again", now=NOW
        )
    # A later card starts afresh: the bonus of the returned one is settled.
    pay(member, 20_000, now=NOW + timedelta(days=1))
    assert quote_return(member_id=member.id, now=NOW + timedelta(days=1))["deducted_minor"] == 0
    assert_books_are_right()


def test_the_programme_may_leave_spent_bonus_with_the_member_or_refuse_returns():
    make_shop(stored_value={**STORED, "spend_order": "bonus_first", "spent_bonus_on_return": "keep"})
    member = make_member(now=NOW)
    pay(member)
    sell(("A", 1), member=member, now=NOW, tenders=(TenderRequest("stored_value", None),))
    assert quote_return(member_id=member.id, now=NOW)["paid_minor"] == 10_000
    publish(effective_at=NOW, stored_value={**STORED, "returnable": False})
    with pytest.raises(errors.NotReturnable):
        return_stored_value(
            actor=TILL, member_id=member.id, store="S1", tender="cash", reason="why not", now=NOW
        )


def test_instalments_still_to_come_are_forfeited_with_the_card():
    rule = {**BONUS, "instalments": 4}
    make_shop(stored_value={"bonuses": [rule]})
    member = make_member(now=NOW)
    pay(member)
    assert quote_return(member_id=member.id, now=NOW)["forfeited_minor"] == 2_000
    return_stored_value(actor=TILL, member_id=member.id, store="S1", tender="cash", reason="no", now=NOW)
    later = NOW + timedelta(days=200)
    assert stored_value_of(member.id, later)["bonus_minor"] == 0
    assert_books_are_right()


def test_taxes_are_stored_by_line_and_added_to_what_is_paid():
    rates = [{"code": "food", "name": {"zh-Hans": "食品"}, "percent": "9", "categories": ["FOOD"]}]
    make_shop(taxes={"prices": "exclusive", "rates": rates})
    answer = sell(("A", 3), ("B", 1), now=NOW)
    # 9 % of 32.50 = 2.925 → 2.93
    assert (answer["sales_minor"], answer["tax_added_minor"], answer["payable_minor"]) == (3_250, 293, 3_543)
    assert answer["taxes"][0]["taxable_minor"] == 3_250
    stored = get_order(order_id=answer["id"])
    assert [line["tax"]["tax_minor"] for line in stored["lines"]] == [270, 23]
    assert (stored["tax_minor"], stored["payable_minor"]) == (293, 3_543)
    assert_books_are_right()
