"""Members give points to each other: within the policy, and with the end that the points had."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shuke.core.models import OutboxEvent
from shuke.core.values import SYSTEM
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.ledger.models import Account, Entry, Gift, Lot, Transfer
from shuke.ledger.moves import debts_of, list_gifts
from shuke.ledger.operations import place_hold, transfer_points
from shuke.ledger.queries import open_lots, reconcile
from shuke.ledger.values import TransferPolicy
from shuke.members.models import Member
from tests.core.races import race
from tests.factories.core import NOW, make_staff
from tests.factories.ledger import give, owe
from tests.factories.members import make_member

DAY = timedelta(days=1)
FREE = TransferPolicy(minimum=1, maximum=None, per_day=None, fee=0)


def send(
    sender: UUID, receiver: UUID, amount: int, policy: TransferPolicy | None = FREE, **more: Any
) -> Gift:
    asked: dict[str, Any] = {
        "actor": SYSTEM, "sender_id": sender, "receiver_id": receiver, "asset": "points", "amount": amount,
        "reason": "for my sister", "now": NOW, "policy": policy, "day_start": NOW - timedelta(hours=12), **more,
    }  # fmt: skip
    return transfer_points(**asked)


@pytest.mark.django_db
def test_points_keep_their_age_and_end_and_the_sender_pays_the_fee() -> None:
    sender, receiver = make_member(), make_member()
    soon = give(sender.id, 30, at=NOW - 9 * DAY, expires_at=NOW + DAY)
    late = give(sender.id, 100, at=NOW - 5 * DAY, expires_at=NOW + 9 * DAY)
    Lot.objects.filter(id=late).update(slides=True)
    give(receiver.id, 7, at=NOW - DAY)
    policy = TransferPolicy(minimum=10, maximum=100, per_day=200, fee=2_500)
    staff = make_staff()
    gift = send(sender.id, receiver.id, 50, policy, actor=staff.as_actor())
    assert gift.fee == 2  # 2.5 % of 50, rounded up
    assert dict(Lot.objects.filter(member=sender).values_list("id", "remaining")) == {soon: 0, late: 78}
    received = Lot.objects.filter(member=receiver, earned_at__lt=NOW - DAY).order_by("expires_at")
    assert list(received.values_list("amount", "earned_at", "expires_at", "slides")) == [
        (30, NOW - 9 * DAY, NOW + DAY, False),
        (20, NOW - 5 * DAY, NOW + 9 * DAY, True),
    ]
    assert dict(Account.objects.values_list("member_id", "balance")) == {sender.id: 78, receiver.id: 57}
    assert set(Transfer.objects.exclude(kind="earn").values_list("kind", "member_id", "reason", "actor")) == {
        (kind, who.id, "for my sister", f"staff:{staff.id}")
        for kind, who in (("transfer_out", sender), ("fee", sender), ("transfer_in", receiver))
    }
    assert sum(Entry.objects.filter(account="transferred").values_list("amount", flat=True)) == 0
    told = OutboxEvent.objects.filter(name__startswith="ledger.").order_by("id")
    assert list(told.values_list("name", "member_id")) == [
        ("ledger.points_given.v1", sender.id), ("ledger.points_received.v1", receiver.id),
    ]  # fmt: skip
    assert [each.id for each in list_gifts(receiver.id).rows] == [gift.id]
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_gift_pays_the_receivers_debt_first() -> None:
    sender, receiver = make_member(), make_member()
    give(sender.id, 30, at=NOW - 9 * DAY, expires_at=NOW + DAY)
    give(sender.id, 50, at=NOW - 9 * DAY, expires_at=NOW + 2 * DAY)
    owe(receiver.id, 40, at=NOW - DAY)
    send(sender.id, receiver.id, 60)
    account = Account.objects.get(member=receiver)
    assert (account.balance, account.debt) == (20, 0)
    assert [(lot.remaining, lot.expires_at) for lot in open_lots(receiver.id)] == [(20, NOW + 2 * DAY)]
    (paid,) = debts_of(receiver.id, NOW, settled=True)
    assert (paid.amount, paid.outstanding, [part.amount for part in paid.recoveries]) == (40, 0, [40])
    send(sender.id, receiver.id, 20)
    assert reconcile().is_clean


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"policy": None}, "transfer_not_allowed"),
        ({"amount": 9}, "transfer_out_of_range"),
        ({"amount": 61}, "transfer_out_of_range"),
        ({"amount": 0}, "bad_units"),
        ({"amount": -5}, "bad_units"),
        ({"receiver_id": "sender"}, "transfer_to_self"),
        ({"receiver_id": uuid7()}, "unknown_holder"),
        ({"amount": 60}, "not_enough"),
        ({"reason": ""}, "reason_missing"),
        ({"asset": "growth"}, "not_enough"),
    ],
)
def test_what_may_not_be_given(change: dict[str, Any], code: str) -> None:
    sender, receiver = make_member(), make_member()
    give(sender.id, 60, at=NOW - DAY)
    give(sender.id, 60, at=NOW - DAY, active_at=NOW + DAY)
    asked = {"policy": TransferPolicy(10, 60, None, 1_000), "amount": 20, **change}
    if asked.get("receiver_id") == "sender":
        asked["receiver_id"] = sender.id
    amount, policy = asked.pop("amount"), asked.pop("policy")
    with pytest.raises(ShukeError) as refusal:
        send(sender.id, receiver.id, amount, policy, **asked)
    assert refusal.value.code == code
    assert not Gift.objects.exists()
    assert not Transfer.objects.exclude(kind="earn").exists()


@pytest.mark.django_db
def test_a_frozen_member_neither_gives_nor_receives() -> None:
    sender, receiver = make_member(), make_member()
    give(sender.id, 60, at=NOW - DAY)
    Member.objects.filter(id=receiver.id).update(status="frozen")
    with pytest.raises(ShukeError) as refusal:
        send(sender.id, receiver.id, 20)
    assert (refusal.value.code, refusal.value.field) == ("unknown_holder", "receiver_id")


@pytest.mark.django_db
def test_the_day_has_a_limit_and_held_points_stay() -> None:
    sender, receiver = make_member(), make_member()
    give(sender.id, 100, at=NOW - DAY)
    policy = TransferPolicy(1, None, 50, 0)
    send(sender.id, receiver.id, 30, policy)
    with pytest.raises(ShukeError) as refusal:
        send(sender.id, receiver.id, 21, policy)
    assert (refusal.value.code, refusal.value.params) == ("transfer_beyond_day", {"per_day": 50, "given": 30})
    send(sender.id, receiver.id, 20, policy)
    send(sender.id, receiver.id, 10, policy, now=NOW + DAY, day_start=NOW + timedelta(hours=12))
    place_hold(actor=SYSTEM, member_id=sender.id, asset="points", amount=35, reason="r", now=NOW)
    with pytest.raises(ShukeError) as refusal:
        send(sender.id, receiver.id, 6)
    assert (refusal.value.code, refusal.value.params["usable"]) == ("not_enough", 5)


@pytest.mark.django_db(transaction=True)
def test_members_who_give_to_each_other_at_once_do_not_wait_in_a_circle() -> None:
    one, two = make_member().id, make_member().id
    give(one, 100, at=NOW - DAY)
    give(two, 100, at=NOW - DAY)
    results = race([lambda: send(one, two, 30), lambda: send(two, one, 20)] * 3)
    assert all(isinstance(each, Gift) for each in results), results
    assert dict(Account.objects.values_list("member_id", "balance")) == {one: 70, two: 130}
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_gifts_at_once_never_give_more_than_there_is_or_than_the_day_allows() -> None:
    sender, receiver = make_member().id, make_member().id
    give(sender, 100, at=NOW - DAY)
    results = race([lambda: send(sender, receiver, 30, TransferPolicy(1, None, 70, 0))] * 5)
    assert (
        sorted(getattr(each, "code", "sent") for each in results)
        == ["sent"] * 2 + ["transfer_beyond_day"] * 3
    )
    results = race([lambda: send(sender, receiver, 15)] * 4)
    assert sorted(getattr(each, "code", "sent") for each in results) == ["not_enough"] * 2 + ["sent"] * 2
    assert reconcile().is_clean
