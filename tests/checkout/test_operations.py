from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from shuke.checkout import errors
from shuke.checkout.models import Order, OrderLine, OrderStatus
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.refunds import quote_refund, refund_order
from shuke.checkout.values import LineRequest, MemberRef
from shuke.core.models import AuditEvent, IdempotentCall, OutboxEvent
from shuke.core.values import Actor
from shuke.ledger.models import Account, Entry, Lot, Transfer
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import Standing, TierChange
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)


def balance(member, asset="points"):
    row = Account.objects.filter(member_id=member.id, asset=asset).first()
    return (row.balance, row.debt) if row else (0, 0)


def assert_book_is_right():
    assert reconcile().is_clean


def test_a_sale_writes_order_lines_ledger_tier_outbox_and_answer():
    make_shop()
    member = make_member(now=NOW)
    answer = sell(("A", 100), ("B", 1), member=member, now=NOW, key="k1")
    assert answer["payable_minor"] == 100_250
    assert (answer["points_earned"], answer["growth_earned"]) == (1002, 1002)
    assert answer["member"]["tier"] == "silver"
    assert answer["member"]["tier_before"] == "classic"
    assert answer["member"]["balances"] == {"points": 1002, "growth": 1002}
    order = Order.objects.get(id=answer["id"])
    assert (order.sales_minor, order.qualifying_minor, order.tier) == (100_250, 100_250, "classic")
    assert list(OrderLine.objects.order_by("line_no").values_list("payable_minor", flat=True)) == [
        100_000,
        250,
    ]
    assert balance(member) == (1002, 0)
    lot = Lot.objects.get(member=member, asset="points")
    assert (lot.remaining, lot.expires_at) == (1002, datetime(2027, 3, 31, 16, tzinfo=UTC))
    assert Standing.objects.get(member=member).tier == "silver"
    assert TierChange.objects.get(member=member).order_id == order.id
    names = list(OutboxEvent.objects.order_by("id").values_list("name", flat=True))
    assert names[-2:] == ["loyalty.tier_changed.v1", "checkout.order_committed.v1"]
    entry = Entry.objects.get(account="member", asset="points")
    assert entry.explain == {"rules": [{"id": "base", "points": 1002}], "lines": [1000, 2]}
    assert_book_is_right()


def test_the_next_sale_is_priced_under_the_tier_that_the_last_one_reached():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 100), member=member, now=NOW)
    answer = sell(("A", 10), member=member, now=NOW)
    assert answer["discount_minor"] == 200
    assert answer["points_earned"] == 98 + 19  # 98 base, ×1.2 = 117.6


def test_quote_promises_exactly_what_commit_does_and_writes_nothing():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 100), member=member, now=NOW)
    before = (Order.objects.count(), Entry.objects.count(), OutboxEvent.objects.count())
    cart = sale(("A", 3), ("B", 7), member=member, points=500)
    quote = quote_order(actor=TILL, sale=cart, now=NOW)
    assert (Order.objects.count(), Entry.objects.count(), OutboxEvent.objects.count()) == before
    committed = json.loads(commit_order(actor=TILL, sale=cart, now=NOW).body)
    for figure in ("list_minor", "discount_minor", "sales_minor", "points_minor", "payable_minor", "points_used",
                   "points_earned", "growth_earned", "lines"):  # fmt: skip
        assert committed[figure] == json.loads(json.dumps(quote[figure])), figure
    assert quote["points_used"] == 500


def test_points_are_spent_soonest_expiry_first():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 20), member=member, now=NOW)
    later = NOW + timedelta(days=40)
    sell(("A", 20), member=member, now=later)
    sell(("A", 30), member=member, points=300, now=later)
    lots = Lot.objects.filter(member=member, asset="points").order_by("earned_at", "id")
    # 200 from the first lot, 100 from the second; what points paid does not earn.
    assert [lot.remaining for lot in lots] == [0, 100, 297]
    spent = Entry.objects.filter(transfer__kind="redeem", account="member").order_by("seq")
    assert [entry.amount for entry in spent] == [-200, -100]
    assert_book_is_right()


def test_a_replayed_key_returns_the_stored_answer_and_changes_nothing():
    make_shop()
    member = make_member(now=NOW)
    request = sale(("A", 5), member=member)
    first = commit_order(actor=TILL, sale=request, now=NOW, key="k", input_hash=b"same")
    again = commit_order(actor=TILL, sale=request, now=NOW + timedelta(hours=1), key="k", input_hash=b"same")
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert (Order.objects.count(), balance(member)) == (1, (50, 0))
    with pytest.raises(errors.IdempotencyConflict):
        commit_order(actor=TILL, sale=request, now=NOW, key="k", input_hash=b"other")
    assert Order.objects.count() == 1


def test_an_answer_is_repeated_when_the_sale_could_no_longer_be_made():
    """A till that sold while it was cut off asks again, hours later: the stored answer counts, not today's rules."""
    make_shop()
    request, sold_at = sale(("A", 5)), NOW - timedelta(hours=23)

    def ask(now, input_hash=b"same"):
        return commit_order(
            actor=TILL, sale=request, now=now, key="k", input_hash=input_hash, occurred_at=sold_at
        )

    first = ask(NOW)
    too_old = NOW + timedelta(hours=2)
    again = ask(too_old)
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    with pytest.raises(errors.IdempotencyConflict):
        ask(too_old, b"other")
    with pytest.raises(errors.BadInstant):
        commit_order(actor=TILL, sale=request, now=too_old, key="new", occurred_at=sold_at)
    publish(effective_at=sold_at - timedelta(minutes=1), currency="JPY")
    assert ask(NOW).replayed
    assert Order.objects.count() == 1


def test_a_sale_of_a_till_whose_clock_runs_ahead_can_be_refunded_at_once():
    make_shop()
    member = make_member(now=NOW)
    ahead = NOW + timedelta(minutes=4)
    answer = commit_order(actor=TILL, sale=sale(("A", 5), member=member), now=NOW, occurred_at=ahead)
    order_id = json.loads(answer.body)["id"]
    assert quote_refund(actor=TILL, order_id=order_id, now=NOW)["points_clawed_back"] == 50
    done = refund_order(actor=TILL, order_id=order_id, reason="typed twice", now=NOW)
    assert (done["occurred_at"], done["points_clawed_back"]) == (ahead, 50)
    assert (Order.objects.get().status, balance(member)) == (OrderStatus.REFUNDED, (0, 0))
    assert_book_is_right()


def test_the_same_number_without_a_key_is_refused():
    make_shop()
    request = sale(("A", 5))
    commit_order(actor=TILL, sale=request, now=NOW)
    with pytest.raises(errors.OrderExists):
        commit_order(actor=TILL, sale=request, now=NOW)
    with pytest.raises(errors.OrderExists):
        commit_order(actor=TILL, sale=request, now=NOW, key="other", input_hash=b"x")
    assert (Order.objects.count(), IdempotentCall.objects.count()) == (1, 0)


REFUSALS = [
    (sale(("A", 1), store="S9"), errors.UnknownStore, "store"),
    (sale(("X", 1)), errors.UnknownProduct, "lines/0/sku"),
    (sale(("C", 1)), errors.PriceMissing, "lines/0/unit_price_minor"),
    (sale(("A", 1), currency="USD"), errors.CurrencyMismatch, "currency"),
    (sale(line_requests=(LineRequest("A", 0),)), errors.BadQuantity, "lines/0/quantity"),
    (sale(line_requests=(LineRequest("A", -1000),)), errors.BadQuantity, "lines/0/quantity"),
    (sale(line_requests=(LineRequest("A", 1000, unit_price_minor=-1),)), errors.AmountOutOfRange, "lines/0"),
    (
        sale(line_requests=(LineRequest("A", 10**9, unit_price_minor=10**15),)),
        errors.AmountOutOfRange,
        "lines/0",
    ),
    (sale(line_requests=()), errors.EmptyCart, "lines"),
    (sale(("A", 1), points=100), errors.PointsNeedMember, "points_to_use"),
]


@pytest.mark.parametrize(("request_", "error", "field"), REFUSALS)
def test_bad_input_is_refused_by_name_and_changes_nothing(request_, error, field):
    make_shop()
    with pytest.raises(error) as refusal:
        commit_order(actor=TILL, sale=request_, now=NOW, key="k", input_hash=b"h")
    assert refusal.value.field == field
    assert (Order.objects.count(), Transfer.objects.count(), IdempotentCall.objects.count()) == (0, 0, 0)


def test_a_caller_sells_and_refunds_only_in_its_own_stores():
    store = make_shop()
    elsewhere = Actor("key", TILL.id, "other", False, frozenset())
    with pytest.raises(errors.StoreOutOfScope):
        sell(("A", 1), now=NOW, actor=elsewhere)
    answer = sell(("A", 1), now=NOW, actor=Actor("key", TILL.id, "here", False, frozenset({store.id})))
    with pytest.raises(errors.StoreOutOfScope):
        refund_order(actor=elsewhere, order_id=answer["id"], reason="wrong item", now=NOW)
    assert Order.objects.get().status == OrderStatus.COMMITTED


def test_a_frozen_member_neither_earns_nor_spends():
    make_shop()
    member = make_member(now=NOW)
    type(member).objects.filter(id=member.id).update(status="frozen")
    with pytest.raises(errors.MemberNotActive):
        sell(("A", 1), member=member, now=NOW)


def test_members_are_found_by_any_identifier_as_typed():
    make_shop()
    member = make_member(
        phone="+8613912345678",
        cards=["GC 1234-5678"],
        external_ids={"WeChat": "oX-1"},
        email="A@b.cn",
        now=NOW,
    )
    references = [
        MemberRef("phone", "139 1234 5678"),
        MemberRef("card", "gc12345678"),
        MemberRef("external", "oX-1", "wechat"),
        MemberRef("external", "oX-1", "WeChat"),
        MemberRef("email", "a@B.cn"),
        MemberRef("number", member.number),
    ]
    for reference in references:
        commit_order(actor=TILL, sale=replace(sale(("A", 2)), member=reference), now=NOW)
    assert balance(member) == (20 * len(references), 0)
    with pytest.raises(errors.UnknownMember):
        stranger = MemberRef("external", "oX-1", "alipay")
        commit_order(actor=TILL, sale=replace(sale(("A", 2)), member=stranger), now=NOW)


def test_full_refund_takes_back_what_the_order_brought():
    # Odoo's cases 2: balance 200; an order earns 70 and spends 150 → 120; refunded → 200.
    rules = [{"id": "base", "asset": "points", "give": 70, "per": "100.00"}]
    redemption = {"points": 150, "worth": "50.00", "step": 150, "minimum": 0, "max_percent": "100"}
    make_shop(earning=rules, redemption=redemption, policies={"points_paid_earn": True})
    member = make_member(now=NOW)
    sell(("A", 30), member=member, now=NOW)  # 210
    sell(("A", 10), member=member, now=NOW)  # 280
    order = sell(("A", 10), member=member, points=150, now=NOW)
    assert (order["points_earned"], order["points_used"], balance(member)) == (70, 150, (200, 0))
    planned = quote_refund(actor=TILL, order_id=order["id"], now=NOW)
    done = refund_order(actor=TILL, order_id=order["id"], reason="returned", now=NOW)
    assert {k: done[k] for k in planned if k != "order_id"} == {
        k: planned[k] for k in planned if k != "order_id"
    }
    assert (done["points_returned"], done["points_clawed_back"], done["debt_created"]) == (150, 70, 0)
    assert balance(member) == (280, 0)
    audited = AuditEvent.objects.get(action="checkout.order_refunded.v1")
    assert (audited.object_id, audited.actor_id, audited.reason) == (order["id"], TILL.id, "returned")
    with pytest.raises(errors.AlreadyRefunded):
        refund_order(actor=TILL, order_id=order["id"], reason="again", now=NOW)
    assert balance(member) == (280, 0)
    assert_book_is_right()


def test_refunds_in_any_order_leave_what_the_kept_orders_brought():
    make_shop()
    member = make_member(now=NOW)
    first = sell(("A", 15), member=member, now=NOW)  # 150
    second = sell(("A", 15), member=member, points=100, now=NOW)  # −100 +149
    refund_order(actor=TILL, order_id=first["id"], reason="returned", now=NOW)
    assert balance(member) == (49, 0)
    sell(("A", 3), member=member, now=NOW)
    refund_order(actor=TILL, order_id=second["id"], reason="returned", now=NOW)  # +100 back, −149
    assert balance(member) == (30, 0)
    assert_book_is_right()


def test_a_clawback_beyond_the_balance_leaves_debt_and_the_next_sale_pays_it_first():
    make_shop()
    member = make_member(now=NOW)
    first = sell(("A", 10), member=member, now=NOW)
    sell(("A", 20), member=member, points=100, now=NOW)
    spent = Order.objects.get(points_used=100)
    assert balance(member) == (199, 0)
    refund_order(actor=TILL, order_id=first["id"], reason="returned", now=NOW)
    assert balance(member) == (99, 0)
    # Spend nearly all, then take back the sale that brought it.
    assert spent.points_earned == 199
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_take_book(%s, NULL)", [member.id])
        lot = Lot.objects.get(member=member, asset="points", remaining__gt=0)
        cursor.execute(
            "SELECT ledger_post(%s::jsonb)",
            [json.dumps({
                "id": "0193e6a0-0000-7000-8000-000000000001", "member_id": str(member.id), "kind": "redeem",
                "occurred_at": NOW.isoformat(), "recorded_at": NOW.isoformat(), "actor": "test", "lots": [],
                "entries": [
                    {"seq": 1, "account": "member", "asset": "points", "amount": -99, "lot_id": str(lot.id)},
                    {"seq": 2, "account": "redeemed", "asset": "points", "amount": 99},
                ],
            })],
        )  # fmt: skip
    done = refund_order(actor=TILL, order_id=spent.id, reason="returned", now=NOW)
    assert done["debt_created"] == 99
    assert balance(member) == (-99, 99)
    sell(("A", 12), member=member, now=NOW)  # 120: 99 settle the debt, 21 are new
    assert balance(member) == (21, 0)
    assert Lot.objects.get(member=member, asset="points", remaining__gt=0).remaining == 21
    assert_book_is_right()


def test_points_that_come_back_settle_an_older_debt_before_they_can_be_spent():
    make_shop()
    member = make_member(now=NOW)
    first = sell(("A", 50), member=member, now=NOW)  # 500
    second = sell(("A", 10), member=member, points=400, now=NOW)  # −400 +96 of 96.00
    assert balance(member) == (196, 0)
    done = refund_order(actor=TILL, order_id=first["id"], reason="returned", now=NOW)
    assert (done["debt_created"], balance(member)) == (304, (-304, 304))
    refund_order(actor=TILL, order_id=second["id"], reason="returned", now=NOW)  # +400, −96
    assert balance(member) == (0, 0)
    assert not Lot.objects.filter(member=member, asset="points", remaining__gt=0).exists()
    with pytest.raises(errors.NotEnoughPoints):
        sell(("A", 10), member=member, points=100, now=NOW)
    assert_book_is_right()


def test_points_returned_to_a_lapsed_lot_lapse_again():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 20), member=member, now=NOW)
    order = sell(("A", 20), member=member, points=200, now=NOW + timedelta(days=300))
    much_later = NOW + timedelta(days=500)
    done = refund_order(actor=TILL, order_id=order["id"], reason="returned", now=much_later)
    assert (done["points_returned"], done["points_expired"]) == (200, 200)
    assert Lot.objects.filter(member=member, asset="points").order_by("earned_at").first().remaining == 0
    assert_book_is_right()


def test_refund_drops_the_tier_that_only_this_order_carried():
    make_shop()
    member = make_member(now=NOW)
    small = sell(("A", 10), member=member, now=NOW)
    big = sell(("A", 100), member=member, now=NOW)
    assert Standing.objects.get(member=member).tier == "silver"
    refund_order(actor=TILL, order_id=small["id"], reason="returned", now=NOW)
    assert Standing.objects.get(member=member).tier == "silver"
    done = refund_order(actor=TILL, order_id=big["id"], reason="returned", now=NOW)
    assert done["tier"] == {"from": "silver", "to": "classic"}
    assert Standing.objects.get(member=member).tier == "classic"
    assert TierChange.objects.filter(member=member).order_by("id").last().cause == "refund"


def test_a_tier_whose_term_is_over_is_reviewed_before_the_sale_is_priced():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 100), member=member, now=NOW)
    after_term = datetime(2027, 5, 1, tzinfo=UTC)
    assert sell(("A", 10), member=member, now=after_term)["discount_minor"] == 0
    assert Standing.objects.get(member=member).tier == "classic"


def test_the_book_cannot_be_edited_and_an_unbalanced_transfer_is_refused():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 1), member=member, now=NOW)
    for statement in (
        "UPDATE ledger_entry SET amount = amount + 1",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_transfer SET kind = 'adjust'",
        "TRUNCATE ledger_transfer CASCADE",
    ):
        with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)
    document = {
        "id": "0193e6a0-0000-7000-8000-000000000002", "member_id": str(member.id), "kind": "adjust",
        "occurred_at": NOW.isoformat(), "recorded_at": NOW.isoformat(), "actor": "test", "lots": [],
        "entries": [{"seq": 1, "account": "member", "asset": "points", "amount": 5, "lot_id": None}],
    }  # fmt: skip
    with pytest.raises(IntegrityError, match="does not balance"), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_post(%s::jsonb)", [json.dumps(document)])
    assert balance(member) == (10, 0)


def in_threads(count, work):
    """Run work(i) in threads that start together, each on its own connection; returns outcomes in order."""
    barrier, outcomes = Barrier(count), [None] * count

    def run(i):
        try:
            barrier.wait()
            outcomes[i] = work(i)
        except Exception as error:
            outcomes[i] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_sixteen_rivals_on_one_member_lose_nothing():
    make_shop()
    member = make_member(now=NOW)
    outcomes = in_threads(16, lambda i: sell(("A", 1), member=member, now=NOW, key=f"k{i}"))
    assert [type(o) for o in outcomes] == [dict] * 16
    assert (Order.objects.count(), balance(member)) == (16, (160, 0))
    assert_book_is_right()


def test_rivals_cannot_spend_the_same_points_twice():
    make_shop()
    member = make_member(now=NOW)
    sell(("A", 50), member=member, now=NOW)  # 500 points
    outcomes = in_threads(8, lambda i: sell(("A", 4), member=member, points=200, now=NOW))
    won = [o for o in outcomes if isinstance(o, dict)]
    refused = [o for o in outcomes if isinstance(o, errors.NotEnoughPoints)]
    assert len(won) + len(refused) == 8
    used = sum(o["points_used"] for o in won)
    earned = sum(o["points_earned"] for o in won)
    assert balance(member) == (500 - used + earned, 0)
    assert_book_is_right()


def test_concurrent_twins_of_one_key_sell_once():
    make_shop()
    member = make_member(now=NOW)
    for request in (sale(("A", 5), member=member), sale(("A", 5))):
        outcomes = in_threads(
            8, lambda i, r=request: commit_order(actor=TILL, sale=r, now=NOW, key=r.number, input_hash=b"h")
        )
        assert {o.body for o in outcomes} == {outcomes[0].body}
        assert sorted(o.replayed for o in outcomes) == [False] + [True] * 7
    assert (Order.objects.count(), balance(member)) == (2, (50, 0))


def test_rival_refunds_refund_once():
    make_shop()
    member = make_member(now=NOW)
    order = sell(("A", 5), member=member, now=NOW)
    outcomes = in_threads(
        6, lambda i: refund_order(actor=TILL, order_id=order["id"], reason="returned", now=NOW)
    )
    assert sum(isinstance(o, dict) for o in outcomes) == 1
    assert sum(isinstance(o, errors.AlreadyRefunded) for o in outcomes) == 5
    assert balance(member) == (0, 0)
    assert_book_is_right()
