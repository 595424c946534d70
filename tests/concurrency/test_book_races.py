"""What moves by hand or by a job against the till: the same points are never used twice, and every book adds up after it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.checkout import operations as checkout
from shuke.checkout.refunds import refund_order
from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.ledger.models import Account, Entry, Hold, Lot, Transfer
from shuke.ledger.operations import (
    activate_lots,
    expire_lots,
    place_hold,
    release_hold,
    transfer_points,
)
from shuke.ledger.queries import balances_of, reconcile
from shuke.ledger.values import TransferPolicy
from shuke.loyalty.queries import forget_versions
from shuke.members.models import Member
from tests.concurrency.rivals import Rivals
from tests.core.races import race
from tests.factories.checkout import START, TILL, make_shop, sell
from tests.factories.ledger import give
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOON = START + timedelta(days=400, hours=4)
DAY = timedelta(days=1)


@pytest.fixture
def member() -> Member:
    """A member with 1,000 points in a shop where 100 points pay 1.00, for at most half of a sale."""
    make_shop()
    forget_versions()
    made = make_member(now=NOON - 9 * DAY)
    give(made.id, 1000, at=NOON - 8 * DAY, expires_at=NOON + 30 * DAY)
    return made


def hold(member: Member, amount: int) -> Hold:
    return place_hold(
        actor=SYSTEM, member_id=member.id, asset="points", amount=amount, reason="table", now=NOON
    )


def spend(member: Member, points: int) -> dict[str, Any]:
    # 40.00 of B, which earns nothing that these tests spend: earned points are usable at once, too.
    return sell(("A", 4), now=NOON, member=member, points=points)


def left(member: Member) -> tuple[int, int]:
    """(usable, held) points."""
    points = next(each for each in balances_of(member.id, NOON) if each.asset == "points")
    return points.usable, points.held


def test_a_hold_placed_between_look_and_commit_is_respected(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The till has seen 1,000 usable points; when it commits, 900 of them are held."""
    rivals = Rivals(monkeypatch)
    rivals.before(checkout, "_price", lambda: hold(member, 900))
    with pytest.raises(ShukeError) as refusal:
        spend(member, 800)
    assert rivals.acted == 1
    assert (refusal.value.code, refusal.value.params["usable"]) == ("not_enough_points", 100)
    assert left(member) == (100, 900)
    assert reconcile().is_clean


def test_a_hold_that_leaves_enough_only_makes_the_till_look_again(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    rivals = Rivals(monkeypatch)
    rivals.before(checkout, "_price", lambda: hold(member, 200))
    answer = spend(member, 800)
    assert answer["points_used"] == 800
    assert left(member)[1] == 200
    assert reconcile().is_clean


def test_holds_and_sales_at_once_never_take_the_same_points(member: Member) -> None:
    results = race([lambda: hold(member, 300), lambda: spend(member, 300)] * 4)
    refused = [each for each in results if isinstance(each, BaseException)]
    assert {getattr(each, "code", each) for each in refused} <= {"not_enough", "not_enough_points"}
    spent = -sum(
        Entry.objects.filter(transfer__kind="redeem", account="member").values_list("amount", flat=True)
    )
    held = sum(Hold.objects.values_list("amount", flat=True))
    earned = sum(Lot.objects.filter(asset="points", order_id__isnull=False).values_list("amount", flat=True))
    assert spent + held <= 1000 + earned
    assert spent + held >= 900
    assert left(member) == (1000 + earned - spent - held, held)
    assert reconcile().is_clean


def test_a_lot_that_lapses_while_it_is_being_spent_goes_once(member: Member) -> None:
    """The sale happened just before the end, the run comes just after it: whoever has the book first gets the points."""
    last = NOON + 30 * DAY - timedelta(seconds=1)

    def late_sale() -> dict[str, Any]:
        return sell(("A", 4), now=last, member=member, points=1000)

    results = race([late_sale, lambda: expire_lots(now=last + timedelta(seconds=1))] * 2)
    while expire_lots(now=last + timedelta(seconds=1)):
        pass
    refused = [each for each in results if isinstance(each, BaseException)]
    assert {getattr(each, "code", each) for each in refused} <= {"not_enough_points"}
    lot = Lot.objects.get(order_id=None)
    assert lot.remaining == 0
    gone = dict.fromkeys(("redeem", "expire"), 0)
    for kind, amount in Entry.objects.filter(lot_id=lot.id, amount__lt=0).values_list(
        "transfer__kind", "amount"
    ):
        gone[kind] -= amount
    assert sum(gone.values()) == 1000
    assert reconcile().is_clean


def test_a_gift_and_a_sale_at_once_share_what_there_is(member: Member) -> None:
    friend = make_member(now=NOON - DAY)
    policy = TransferPolicy(1, None, None, 0)

    def present() -> Any:
        return transfer_points(
            actor=SYSTEM, sender_id=member.id, receiver_id=friend.id, asset="points", amount=400, reason="gift",
            now=NOON, policy=policy, day_start=NOON - DAY,
        )  # fmt: skip

    results = race([present, lambda: spend(member, 400)] * 2)
    refused = [each for each in results if isinstance(each, BaseException)]
    assert {getattr(each, "code", each) for each in refused} <= {"not_enough", "not_enough_points"}
    assert 1 <= len(refused) <= 2
    assert all(balance >= 0 for balance in Account.objects.values_list("balance", flat=True))
    assert reconcile().is_clean


def test_a_refund_does_not_take_back_what_is_held(member: Member) -> None:
    """The points that the order earned are held: the clawback takes others, and what they lack becomes a debt."""
    order = sell(("A", 50), now=NOON, member=member)
    earned = order["points_earned"]
    hold(member, 1000 + earned)
    race(
        [
            lambda: refund_order(actor=TILL, order_id=UUID(order["id"]), reason="back", now=NOON + DAY),
            lambda: release_hold(actor=SYSTEM, hold_id=Hold.objects.get().id, now=NOON + DAY),
        ]
    )
    account = Account.objects.get(member=member, asset="points")
    assert account.balance == 1000
    assert account.debt in (0, earned)
    assert reconcile().is_clean


def test_an_event_and_a_refund_at_once_leave_nothing_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop(
        assets={
            "points": {"name": {"zh-Hans": "积分"}, "pending": {"usable": "on_event", "event": "delivered"}}
        }
    )
    forget_versions()
    member = make_member(now=NOON - DAY)
    order = sell(("A", 50), now=NOON, member=member)
    order_id = UUID(order["id"])
    race(
        [
            lambda: activate_lots(actor=SYSTEM, event="delivered", order_id=order_id, now=NOON + DAY),
            lambda: refund_order(actor=TILL, order_id=order_id, reason="back", now=NOON + DAY),
            lambda: activate_lots(actor=SYSTEM, event="delivered", order_id=order_id, now=NOON + DAY),
        ]
    )
    assert left(member)[0] == 0
    assert Account.objects.get(member=member, asset="points").balance == 0
    assert Transfer.objects.filter(kind="reversal").count() == 1
    assert reconcile().is_clean
    assert json.dumps(order)  # the answer stays what the till was told
