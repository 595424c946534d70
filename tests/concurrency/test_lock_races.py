"""A rival who acts between the look and the lock of every operation that takes one besides sales and refunds.

What was looked at before the lock may be stale by then; each of these would lose or double something if it went by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from shuke.checkout import allowances, errors, gift_cards, operations, receipts, stored_value
from shuke.checkout.allowances import issue_allowance
from shuke.checkout.answers import receipt_code
from shuke.checkout.gift_cards import activate_gift_cards, block_gift_card, codes_of, issue_gift_cards
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Allowance, Order
from shuke.checkout.offline import OfflineSale, commit_offline_sales
from shuke.checkout.receipts import attach_order
from shuke.checkout.refunds import (
    cancel_order,
    deliver_order,
    exchange_order,
    manners,
    refund_order,
    write_off,
    write_off_debt,
)
from shuke.checkout.refunds import operations as refunding
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT
from shuke.checkout.stored_value import return_stored_value, top_up
from shuke.checkout.tiers import replay_tiers
from shuke.checkout.values import MemberRef, TenderRequest
from shuke.core.values import SYSTEM, Actor, Role
from shuke.ledger import errors as refusals
from shuke.ledger.models import Account
from shuke.ledger.operations import adjustments, expire_holds, gifts, holds, lapse_adjustments
from shuke.ledger.queries import reconcile
from shuke.loyalty.books import (
    approve_adjustment,
    capture_hold,
    place_hold,
    request_adjustment,
    transfer_points,
)
from shuke.members.models import Member
from tests.concurrency.rivals import Rivals
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, sale, sell
from tests.factories.core import make_staff
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
BOSS = Actor("staff", TILL.id, "boss")
WITH_CARD = (TenderRequest("stored_value", None),)
PROGRAMME: dict[str, Any] = {
    "stored_value": {},
    "gift_cards": {},
    "card_limits": {"registered_most": "500.00"},
    "offline": {"allowance_points": 80, "allowance": "50.00", "accept_days": 30},
    "adjustments": {"points": {"limits": {"owner": 100_000}, "four_eyes_above": 10, "below_zero": "debt"}},
    "transfers": {"points": {}},
    "policies": {"refund_shortfall": "write_off"},
    "redemption": {"points": 100, "worth": "1.00", "step": 1, "minimum": 1, "max_percent": "100"},
    # One level: no discount and no multiplier stands between a price and its points.
    "tiers": {"levels": [{"code": "classic", "name": {"zh-Hans": "普通"}, "threshold": "0"}]},
}


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> Rivals:
    return Rivals(monkeypatch)


@pytest.fixture(autouse=True)
def shop(transactional_db: None) -> Iterator[None]:
    make_shop(**PROGRAMME)
    yield
    assert reconcile().differences == ()
    assert verify_orders()[1] == []
    assert replay_tiers().differences == ()


@pytest.fixture
def member() -> Member:
    """With 100 points and 200.00 on the card."""
    made = make_member(now=NOW - timedelta(days=1))
    sell(("A", 10), member=made, now=NOW - timedelta(hours=2))
    put_on_card(made, 20_000)
    return made


def put_on_card(member: Member, amount: int) -> dict[str, Any]:
    return top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=amount, tender="card", now=NOW)


def account(holder: UUID, asset: str = "points") -> tuple[int, int]:
    row = Account.objects.filter(member_id=holder, asset=asset).first()
    return (row.balance, row.debt) if row else (0, 0)


def allow(member: Member, device: str) -> dict[str, Any]:
    return issue_allowance(actor=TILL, member_id=member.id, device=device, store="S1", now=NOW)


def give_away_all(member: Member) -> None:
    transfer_points(
        actor=SYSTEM, sender_id=member.id, receiver_id=make_member(now=NOW).id, asset="points",
        amount=account(member.id)[0], reason="a gift", now=NOW,
    )  # fmt: skip


def gift_card(face: int = 3_000) -> tuple[UUID, str]:
    card = issue_gift_cards(actor=TILL, face_minor=face, count=1, now=NOW)[0]
    return card.id, codes_of([card.id])[0]


def activate(code: str) -> Any:
    return activate_gift_cards(actor=TILL, codes=[code], store="S1", tender="card", now=NOW)


def test_two_devices_are_never_promised_the_same_points(rivals: Rivals, member: Member) -> None:
    rivals.before(allowances, "take_books", partial(allow, member, "till-2"))
    assert (allow(member, "till-1")["points"], rivals.acted) == (20, 1)
    assert sorted(Allowance.objects.values_list("points", flat=True)) == [20, 80]


def test_uploads_under_one_allowance_at_once_use_it_once(member: Member) -> None:
    """Nothing is there any more; what was trusted is taken by one of them, and what it earns pays most of that."""
    token = allow(member, "till-1")["token"]
    give_away_all(member)
    rows = [
        OfflineSale(sale(("A", 8), member=member, points=80, number=f"D{n}", allowance=token), NOW)
        for n in range(6)
    ]
    outcomes = race([partial(commit_offline_sales, actor=TILL, rows=[row], now=NOW) for row in rows])
    done = [each[0].status for each in outcomes if not isinstance(each, BaseException)]
    assert sorted(done) == ["committed", *["refused"] * 5]
    assert Allowance.objects.get().points_used == 80
    assert account(member.id) == (-1, 1)


def test_a_debt_that_was_paid_meanwhile_is_not_forgiven_again(rivals: Rivals, member: Member) -> None:
    order = sell(("A", 6), member=member, now=NOW)
    give_away_all(member)
    refund = refund_order(actor=TILL, order_id=order["id"], reason="back", now=NOW)
    assert account(member.id) == (-60, 60)
    rivals.before(write_off, "rules_for", partial(sell, ("A", 4), member=member, now=NOW))
    told = write_off_debt(actor=BOSS, refund_id=refund["id"], reason="goodwill", now=NOW)
    assert (told["points_written_off"], rivals.acted) == (20, 1)
    assert account(member.id) == (0, 0)


def test_of_many_who_forgive_a_debt_one_does(member: Member) -> None:
    order = sell(("A", 6), member=member, now=NOW)
    give_away_all(member)
    refund = refund_order(actor=TILL, order_id=order["id"], reason="back", now=NOW)
    forgive = partial(write_off_debt, actor=BOSS, refund_id=refund["id"], reason="goodwill", now=NOW)
    outcomes = race([forgive] * 5)
    assert sum(isinstance(each, dict) for each in outcomes) == 1
    assert sum(isinstance(each, errors.NothingOwed) for each in outcomes) == 4
    assert account(member.id) == (0, 0)


def test_what_was_cancelled_meanwhile_is_not_delivered(rivals: Rivals, member: Member) -> None:
    order = sell(("A", 5), member=member, now=NOW, facts={"delivery": "pending"})
    cancel = partial(cancel_order, actor=TILL, order_id=order["id"], reason="too slow", now=NOW)
    rivals.before(manners, "find_order", cancel)
    with pytest.raises(errors.AlreadyRefunded):
        deliver_order(actor=TILL, order_id=order["id"], now=NOW)
    assert rivals.acted == 1
    assert account(member.id) == (100, 0)


def test_a_delivery_and_a_cancellation_at_once_are_one_of_the_two(member: Member) -> None:
    order = sell(("A", 5), member=member, now=NOW, facts={"delivery": "pending"})
    delivered, cancelled = race(
        [
            partial(deliver_order, actor=TILL, order_id=order["id"], now=NOW),
            partial(cancel_order, actor=TILL, order_id=order["id"], reason="too slow", now=NOW),
        ]
    )
    assert isinstance(delivered, dict) != isinstance(cancelled, dict), (delivered, cancelled)
    assert account(member.id)[0] == (150 if isinstance(delivered, dict) else 100)


def test_a_gift_card_is_sold_once() -> None:
    card, code = gift_card()
    outcomes = race([partial(activate, code)] * 5)
    assert sum(isinstance(each, list) for each in outcomes) == 1
    assert sum(isinstance(each, errors.GiftCardNotIssued) for each in outcomes) == 4
    assert account(card, "gift_card") == (3_000, 0)


def test_a_card_that_is_blocked_between_look_and_write_does_not_pay(rivals: Rivals) -> None:
    card, code = gift_card()
    activate(code)
    block = partial(block_gift_card, actor=TILL, code=code, reason="lost", now=NOW)
    rivals.before(operations, "sale_document", block)
    with pytest.raises(errors.GiftCardNotActive):
        sell(("A", 2), now=NOW, tenders=(TenderRequest("gift_card", None, code=code),))
    assert (rivals.acted, account(card, "gift_card")) == (1, (3_000, 0))


def test_a_card_that_pays_while_it_is_blocked_has_paid_once(rivals: Rivals) -> None:
    card, code = gift_card()
    activate(code)
    pay = partial(sell, ("A", 2), now=NOW, tenders=(TenderRequest("gift_card", None, code=code),))
    rivals.before(gift_cards, "take_books", pay)
    told = block_gift_card(actor=TILL, code=code, reason="lost", now=NOW)
    assert (rivals.acted, told["status"], account(card, "gift_card")) == (1, "blocked", (1_000, 0))


def test_two_top_ups_together_keep_the_legal_limit(rivals: Rivals, member: Member) -> None:
    rivals.before(stored_value, "take_books", partial(put_on_card, member, 20_000))
    with pytest.raises(errors.CardLimitExceeded):
        put_on_card(member, 20_000)
    assert (rivals.acted, account(member.id, "stored_value")) == (1, (40_000, 0))


def test_a_returned_card_pays_out_what_a_sale_has_left(rivals: Rivals, member: Member) -> None:
    rivals.before(
        stored_value, "take_books", partial(sell, ("A", 5), member=member, tenders=WITH_CARD, now=NOW)
    )
    told = return_stored_value(
        actor=TILL, member_id=member.id, store="S1", tender="cash", reason="moves", now=NOW
    )
    assert (rivals.acted, told["paid_minor"]) == (1, 15_000)
    assert account(member.id, "stored_value") == (0, 0)


def test_a_sale_finds_the_card_returned_that_it_meant_to_be_paid_from(rivals: Rivals, member: Member) -> None:
    give_back = partial(
        return_stored_value,
        actor=TILL, member_id=member.id, store="S1", tender="cash", reason="moves", now=NOW,
    )  # fmt: skip
    rivals.before(operations, "sale_document", give_back)
    sold = sell(("A", 5), member=member, tenders=WITH_CARD, now=NOW)
    assert (rivals.acted, sold["due_minor"]) == (1, 5_000)
    assert account(member.id, "stored_value") == (0, 0)


def test_an_adjustment_takes_what_a_sale_has_left_and_owes_the_rest(rivals: Rivals, member: Member) -> None:
    boss, other = make_staff(Role.OWNER).as_actor(), make_staff(Role.OWNER).as_actor()
    asked = request_adjustment(
        actor=boss, member_id=member.id, asset="points", amount=-100, reason="counted again", now=NOW
    )
    rivals.before(adjustments, "take_books", partial(sell, ("A", 20), member=member, points=100, now=NOW))
    approve_adjustment(actor=other, adjustment_id=asked.id, now=NOW, note="looked")
    assert (rivals.acted, account(member.id)) == (1, (99, 0))


def test_a_request_that_lapses_on_the_way_is_not_granted(rivals: Rivals, member: Member) -> None:
    boss, other = make_staff(Role.OWNER).as_actor(), make_staff(Role.OWNER).as_actor()
    asked = request_adjustment(
        actor=boss, member_id=member.id, asset="points", amount=50, reason="counted again", now=NOW
    )
    late = partial(lapse_adjustments, now=asked.lapses_at)
    rivals.before(adjustments, "_undecided", late)
    with pytest.raises(refusals.AdjustmentDecided):
        approve_adjustment(actor=other, adjustment_id=asked.id, now=NOW, note="looked")
    assert (rivals.acted, account(member.id)) == (1, (100, 0))


def test_a_hold_that_ends_on_the_way_is_not_captured(rivals: Rivals, member: Member) -> None:
    hold = place_hold(actor=SYSTEM, member_id=member.id, asset="points", amount=60, reason="booked", now=NOW)
    rivals.before(holds, "take_books", partial(expire_holds, now=hold.expires_at))
    with pytest.raises(refusals.HoldEnded):
        capture_hold(actor=SYSTEM, hold_id=hold.id, now=NOW)
    assert (rivals.acted, account(member.id)) == (1, (100, 0))


def test_a_hold_finds_what_a_sale_has_left(rivals: Rivals, member: Member) -> None:
    rivals.before(holds, "take_books", partial(sell, ("A", 1), member=member, points=50, now=NOW))
    with pytest.raises(refusals.NotEnough):
        place_hold(actor=SYSTEM, member_id=member.id, asset="points", amount=100, reason="booked", now=NOW)
    assert (rivals.acted, account(member.id)) == (1, (100 - 50 + 9, 0))


def test_a_gift_finds_what_a_hold_has_left(rivals: Rivals, member: Member) -> None:
    hold = partial(
        place_hold, actor=SYSTEM, member_id=member.id, asset="points", amount=60, reason="booked", now=NOW
    )
    other = make_member(now=NOW)
    rivals.before(gifts, "take_books", hold)
    with pytest.raises(refusals.NotEnough):
        transfer_points(
            actor=SYSTEM,
            sender_id=member.id,
            receiver_id=other.id,
            asset="points",
            amount=50,
            reason="x",
            now=NOW,
        )
    assert (rivals.acted, account(member.id), account(other.id)) == (1, (100, 0), (0, 0))


def test_goods_that_come_back_on_the_way_are_not_exchanged_again(rivals: Rivals, member: Member) -> None:
    order = sell(("A", 5), member=member, now=NOW)
    back = partial(refund_order, actor=TILL, order_id=order["id"], reason="back", now=NOW)
    rivals.before(refunding, "_take_books", back)
    with pytest.raises(errors.AlreadyRefunded):
        exchange_order(
            actor=TILL,
            order_id=order["id"],
            request=ALL_THAT_IS_LEFT,
            sale=sale(("B", 1)),
            reason="size",
            now=NOW,
        )
    assert (rivals.acted, account(member.id), Order.objects.count()) == (1, (100, 0), 2)


def test_a_receipt_of_goods_that_come_back_on_the_way_gives_nothing(rivals: Rivals) -> None:
    order, member = sell(("A", 5), now=NOW), make_member(now=NOW)
    rivals.before(
        receipts, "read_facts", partial(refund_order, actor=TILL, order_id=order["id"], reason="x", now=NOW)
    )
    with pytest.raises(errors.AlreadyRefunded):
        attach_order(
            actor=TILL,
            receipt=receipt_code(UUID(order["id"]), order["number"]),
            member=MemberRef("id", str(member.id)),
            now=NOW,
        )
    assert (rivals.acted, account(member.id)) == (1, (0, 0))
