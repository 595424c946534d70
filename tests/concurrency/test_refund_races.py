"""Refunds against rivals: two of one order at once, against a sale, against expiry, against a claim of the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from shuke.checkout import errors
from shuke.checkout.answers import receipt_code
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, Refund
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import facts, operations, refund_order
from shuke.checkout.refunds.values import LineBack, RefundRequest
from shuke.checkout.values import MemberRef
from shuke.ledger.models import Account
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from tests.concurrency.rivals import Rivals
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.ledger import give
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
ONE = RefundRequest(lines=(LineBack(1, quantity=1000),))


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> Rivals:
    return Rivals(monkeypatch)


@pytest.fixture(autouse=True)
def shop(transactional_db: None) -> Iterator[None]:
    make_shop()
    yield
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def points(member_id: UUID) -> tuple[int, int]:
    row = Account.objects.filter(member_id=member_id, asset="points").first()
    return (row.balance, row.debt) if row else (0, 0)


def test_of_twelve_single_units_at_once_no_more_come_back_than_were_bought() -> None:
    member = make_member(now=NOW)
    order = sell(("A", 8), member=member, now=NOW)
    act = partial(refund_order, actor=TILL, order_id=order["id"], reason="one", now=NOW, request=ONE)
    outcomes = race([act] * 12)
    done = [each for each in outcomes if isinstance(each, dict)]
    assert len(done) == 8
    refused = (errors.AlreadyRefunded, errors.RefundExceedsQuantity)
    assert all(isinstance(each, refused) for each in outcomes if not isinstance(each, dict))
    assert sorted(Refund.objects.values_list("seq", flat=True)) == list(range(1, 9))
    assert (Order.objects.get().status, points(member.id)) == ("refunded", (0, 0))


def test_units_of_a_sale_without_member_come_back_once_each_too() -> None:
    order = sell(("A", 4), now=NOW)
    act = partial(refund_order, actor=TILL, order_id=order["id"], reason="one", now=NOW, request=ONE)
    assert sum(isinstance(each, dict) for each in race([act] * 7)) == 4
    assert Order.objects.get().refunded_sales_minor == 4000


def test_a_refund_and_a_sale_that_spends_the_same_points_leave_a_book_that_adds_up() -> None:
    member = make_member(now=NOW)
    order = sell(("A", 50), member=member, now=NOW)  # 500
    refund = partial(refund_order, actor=TILL, order_id=order["id"], reason="back", now=NOW)
    spend = partial(sell, ("A", 10), member=member, points=500, now=NOW)
    refunded, sold = race([refund, spend])
    assert isinstance(refunded, dict)
    if isinstance(sold, dict):  # the sale came first: what it spent is owed, less what it earned
        assert points(member.id) == (95 - 500, 405)  # 500 points are worth 5.00 of the 100.00
    else:
        assert isinstance(sold, errors.NotEnoughPoints)
        assert points(member.id) == (0, 0)


def test_a_refund_waits_for_an_expiry_that_came_between_its_look_and_its_lock(rivals: Rivals) -> None:
    """The spent lot lapses while the refund is on its way: what returns to it lapses again, once."""
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW, expires_at=NOW + timedelta(days=1))
    order = sell(("A", 10), member=member, points=200, now=NOW)
    late = NOW + timedelta(days=2)
    rivals.before(operations, "_take_books", partial(expire_lots, now=late))
    done = refund_order(actor=TILL, order_id=order["id"], reason="back", now=late)
    assert rivals.acted == 1
    assert (done["points_returned"], done["points_expired"]) == (200, 200)
    assert points(member.id) == (0, 0)


def test_expiry_while_a_refund_is_planned_waits_for_the_book() -> None:
    member = make_member(now=NOW)
    give(member.id, 300, at=NOW, expires_at=NOW + timedelta(days=1))
    order = sell(("A", 10), member=member, points=200, now=NOW)
    late = NOW + timedelta(days=2)
    refund = partial(refund_order, actor=TILL, order_id=order["id"], reason="back", now=late)
    for outcome in race([refund, partial(expire_lots, now=late), partial(expire_lots, now=late)]):
        assert not isinstance(outcome, BaseException), outcome
    expire_lots(now=late)
    assert points(member.id) == (0, 0)


def test_a_member_attached_between_look_and_lock_gives_the_points_back(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    order = sell(("A", 10), now=NOW)
    claim = partial(
        attach_order,
        actor=TILL,
        receipt=receipt_code(UUID(order["id"]), order["number"]),
        member=MemberRef("id", str(member.id)),
        now=NOW,
    )
    rivals.before(operations, "_take_books", claim)
    done = refund_order(actor=TILL, order_id=order["id"], reason="back", now=NOW)
    assert (done["points_clawed_back"], points(member.id)) == (100, (0, 0))


def test_of_two_members_who_claim_one_receipt_one_gets_it() -> None:
    members = [make_member(now=NOW), make_member(now=NOW)]
    order = sell(("A", 10), now=NOW)
    code = receipt_code(UUID(order["id"]), order["number"])
    claims = [
        partial(attach_order, actor=TILL, receipt=code, member=MemberRef("id", str(each.id)), now=NOW)
        for each in members
    ]
    outcomes = race(claims)
    assert sorted(type(each).__name__ for each in outcomes) == ["OrderHasMember", "dict"]
    assert sorted(points(each.id)[0] for each in members) == [0, 100]


def test_a_claim_and_a_refund_at_once_end_without_points_either_way() -> None:
    member = make_member(now=NOW)
    order = sell(("A", 10), now=NOW)
    code = receipt_code(UUID(order["id"]), order["number"])
    who = MemberRef("id", str(member.id))
    claimed, refunded = race(
        [
            partial(attach_order, actor=TILL, receipt=code, member=who, now=NOW),
            partial(refund_order, actor=TILL, order_id=order["id"], reason="back", now=NOW),
        ]
    )
    assert isinstance(refunded, dict)
    assert isinstance(claimed, dict | errors.AlreadyRefunded)
    assert points(member.id) == (0, 0)


def test_the_state_is_read_under_the_lock(rivals: Rivals) -> None:
    """A rival that refunds a unit before the state is read counts; the rest is what is left."""
    member = make_member(now=NOW)
    order = sell(("A", 3), member=member, now=NOW)
    one = partial(refund_order, actor=TILL, order_id=order["id"], reason="one", now=NOW, request=ONE)
    rivals.before(operations, "_take_books", one)
    assert refund_order(actor=TILL, order_id=order["id"], reason="rest", now=NOW)["sales_minor"] == 2000
    assert facts.read_state(Order.objects.get()).next_seq == 3
