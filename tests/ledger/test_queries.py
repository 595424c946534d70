"""Balances, entries and the proof of the book."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from shuke.core.errors import InvalidInput
from shuke.core.values import SYSTEM
from shuke.kit.ids import uuid7
from shuke.ledger.logic import available, claw_back, consume
from shuke.ledger.models import Lot
from shuke.ledger.operations import capture_hold, expire_lots, place_hold, request_adjustment, transfer_points
from shuke.ledger.queries import (
    AssetBalance,
    Difference,
    Expiring,
    balances_of,
    list_entries,
    open_lots,
    reconcile,
)
from shuke.ledger.values import AdjustmentPolicy, LotTerms, TransferPolicy
from tests.factories.core import NOW
from tests.factories.ledger import give, owe, spend
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_balances_tell_usable_pending_lapsed_and_expiring() -> None:
    member = make_member()
    give(member.id, 100, at=NOW - 90 * DAY, expires_at=NOW + 20 * DAY)
    give(member.id, 7, at=NOW - 80 * DAY, expires_at=NOW + 20 * DAY)
    give(member.id, 40, at=NOW - 30 * DAY, expires_at=NOW + 300 * DAY)
    give(member.id, 9, at=NOW, active_at=NOW + DAY, expires_at=NOW + 10 * DAY)
    give(member.id, 3, at=NOW - 90 * DAY, expires_at=NOW)
    give(member.id, 55, asset="growth")
    assert balances_of(member.id, NOW) == [
        AssetBalance("points", 159, 147, 9, 3, 0, (Expiring(NOW + 20 * DAY, 107),)),
        AssetBalance("growth", 55, 55, 0, 0, 0, ()),
    ]


def test_a_debt_is_shown_and_a_stranger_has_nothing() -> None:
    member = make_member()
    owe(member.id, 12)
    assert balances_of(member.id, NOW) == [AssetBalance("points", -12, 0, 0, 0, 12, ())]
    give(member.id, 20, settle=12)
    assert balances_of(member.id, NOW) == [AssetBalance("points", 8, 8, 0, 0, 0, ())]
    assert balances_of(uuid7(), NOW) == []
    assert reconcile().is_clean


def test_open_lots_come_in_the_order_of_consumption() -> None:
    member = make_member()
    never = give(member.id, 1, at=NOW - 9 * DAY)
    late = give(member.id, 2, at=NOW - 8 * DAY, expires_at=NOW + 9 * DAY)
    soon = give(member.id, 3, at=NOW - 7 * DAY, expires_at=NOW + DAY)
    empty = give(member.id, 4, at=NOW - 7 * DAY, expires_at=NOW + DAY)
    spend(member.id, empty, 4)
    assert [lot.id for lot in open_lots(member.id)] == [soon, late, never]


def test_entries_page_newest_first_without_gaps_or_repeats() -> None:
    member, other = make_member(), make_member()
    for day in range(7):
        give(
            member.id,
            day + 1,
            at=NOW - day * DAY,
            explain={"rules": [{"id": "base", "points": day + 1}], "lines": []},
        )
    give(member.id, 50, at=NOW, asset="growth")
    give(other.id, 99)
    amounts, cursor, pages = [], None, 0
    while True:
        page = list_entries(member.id, asset="points", cursor=cursor, limit=3)
        amounts += [entry.amount for entry in page.entries]
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break
    assert (amounts, pages) == ([1, 2, 3, 4, 5, 6, 7], 3)
    newest = list_entries(member.id, asset="points").entries[0]
    assert newest.explain == {"rules": [{"id": "base", "points": 1}], "lines": []}
    assert (newest.kind, newest.occurred_at, newest.actor) == ("earn", NOW, "system:test")
    assert len(list_entries(member.id).entries) == 8


def test_legs_of_one_transfer_are_not_lost_between_pages() -> None:
    member = make_member()
    owe(member.id, 5, at=NOW - DAY)
    give(member.id, 20, settle=5)
    first = list_entries(member.id, limit=1)
    second = list_entries(member.id, limit=1, cursor=first.next_cursor)
    third = list_entries(member.id, limit=1, cursor=second.next_cursor)
    assert [page.entries[0].amount for page in (first, second, third)] == [15, 5, -5]
    assert third.next_cursor is None


def test_a_damaged_cursor_is_refused() -> None:
    with pytest.raises(InvalidInput):
        list_entries(uuid7(), cursor="nonsense")


def test_the_number_of_queries_does_not_grow(django_assert_num_queries: object) -> None:
    member = make_member()
    for count in (1, 3):
        for _ in range(count):
            give(member.id, 5)
        with django_assert_num_queries(1):  # type: ignore[operator]
            balances_of(member.id, NOW)
        with django_assert_num_queries(1):  # type: ignore[operator]
            list_entries(member.id)


def test_a_clean_book_says_what_it_checked() -> None:
    member = make_member()
    lot = give(member.id, 10)
    spend(member.id, lot, 4)
    result = reconcile()
    assert result.is_clean
    assert (result.transfers, result.entries, result.lots, result.accounts) == (2, 4, 1, 1)
    assert result.totals == {"points": (6, 0)}


def test_an_empty_book_is_clean() -> None:
    result = reconcile()
    assert (result.is_clean, result.totals) == (True, {})


@pytest.mark.parametrize(
    ("damage", "checks"),
    [
        (
            "UPDATE ledger_account SET balance = balance + 1",
            {"balance_is_entries", "lots_are_balance_and_debt"},
        ),
        ("UPDATE ledger_account SET debt = 2", {"debt_is_entries", "lots_are_balance_and_debt"}),
        ("DELETE FROM ledger_account", {"balance_is_entries", "lots_are_balance_and_debt"}),
        (
            "UPDATE ledger_lot SET remaining = remaining - 1",
            {"lots_are_balance_and_debt", "remaining_is_entries"},
        ),
        ("UPDATE ledger_lot SET amount = amount + 1", {"amount_is_entry"}),
        (
            "UPDATE ledger_entry SET amount = amount + 1 WHERE account = 'member'",
            {"transfer_balances", "balance_is_entries", "remaining_is_entries", "amount_is_entry"},
        ),
        ("UPDATE ledger_entry SET amount = amount + 1 WHERE account = 'issued'", {"transfer_balances"}),
        (
            "UPDATE ledger_entry SET member_id = gen_random_uuid() WHERE account = 'issued'",
            {"entry_has_transfer"},
        ),
        ("DELETE FROM ledger_entry WHERE account = 'issued'", {"transfer_balances"}),
    ],
)
def test_each_kind_of_damage_is_found(damage: str, checks: set[str]) -> None:
    give(make_member().id, 10)
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # a table with checks that still wait cannot be altered
        for table in ("ledger_entry", "ledger_transfer"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(damage)
    assert {difference.check for difference in reconcile().differences} == checks


def test_differences_name_what_is_expected_and_how_many_there_are() -> None:
    for _ in range(4):
        give(make_member().id, 10)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_lot SET amount = 11")
    result = reconcile(most=2)
    assert len(result.differences) == 2
    first = result.differences[0]
    assert first == Difference("amount_is_entry", first.subject, "10", "11", 4)
    assert "expected 10, found 11" in str(first)


@pytest.mark.django_db
def test_held_points_are_neither_usable_nor_spent_nor_expired() -> None:
    member = make_member()
    soon = give(member.id, 100, at=NOW - 9 * DAY, expires_at=NOW + DAY)
    give(member.id, 50, at=NOW - 9 * DAY, expires_at=NOW + 9 * DAY)
    Lot.objects.filter(id=soon).update(held=30)
    (points,) = balances_of(member.id, NOW)
    assert (points.balance, points.usable, points.held) == (150, 120, 30)
    lots = open_lots(member.id)
    assert available(lots, NOW) == 120
    assert [taken for _lot, taken in consume(lots, 90, NOW)] == [70, 20]
    with pytest.raises(ValueError):
        consume(lots, 121, NOW)
    assert claw_back(lots, None, 130)[1] == 10
    assert expire_lots(now=NOW + 2 * DAY) == 1
    (points,) = balances_of(member.id, NOW + 2 * DAY)
    assert (points.balance, points.usable, points.held, points.lapsed) == (80, 50, 30, 0)
    with pytest.raises(IntegrityError), transaction.atomic():
        spend(member.id, soon, 1)
    # No hold stands behind what this test wrote into the lot, and the proof says so.
    assert [(each.check, each.expected, each.found) for each in reconcile().differences] == [
        ("held_is_holds", "0", "30")
    ]


@pytest.mark.parametrize(
    ("damage", "checks"),
    [
        ("UPDATE ledger_hold SET amount = amount + 1", {"hold_is_lots"}),
        ("UPDATE ledger_holdlot SET amount = amount + 1 WHERE hold_id IN (SELECT id FROM ledger_hold WHERE status = 'held')",
         {"hold_is_lots", "held_is_holds"}),
        ("UPDATE ledger_lot SET held = 0", {"held_is_holds"}),
        ("UPDATE ledger_hold SET captured = captured - 1 WHERE status = 'captured'", {"capture_is_transfer"}),
        ("UPDATE ledger_gift SET fee = fee + 1", {"gift_is_transfers"}),
        ("UPDATE ledger_gift SET amount = amount + 1", {"gift_is_transfers"}),
        ("UPDATE ledger_adjustment SET amount = amount + 1", {"adjustment_is_transfer"}),
        ("UPDATE ledger_lot SET active_at = '9999-12-31'", {"pending_waits"}),
        ("UPDATE ledger_entry SET amount = amount + CASE account WHEN 'transferred' THEN 1 ELSE -1 END"
         " WHERE transfer_id IN (SELECT out_transfer_id FROM ledger_gift)",
         {"gifts_cancel_out", "gift_is_transfers", "balance_is_entries", "remaining_is_entries"}),
    ],
)  # fmt: skip
def test_damage_to_what_was_moved_by_hand_is_found(damage: str, checks: set[str]) -> None:
    member, other = make_member().id, make_member().id
    give(member, 100, at=NOW - DAY)
    by: dict[str, Any] = {"actor": SYSTEM, "asset": "points", "now": NOW, "reason": "r"}
    place_hold(member_id=member, amount=10, **by)
    capture_hold(actor=SYSTEM, hold_id=place_hold(member_id=member, amount=10, **by).id, amount=7, now=NOW)
    policy = TransferPolicy(1, None, None, 10_000)
    transfer_points(sender_id=member, receiver_id=other, amount=20, policy=policy, day_start=NOW - DAY, **by)
    limits = AdjustmentPolicy({}, 0, may_owe=True, request_days=1)
    request_adjustment(member_id=other, amount=-30, policy=limits, terms=LotTerms(NOW, None), **by)
    assert reconcile().is_clean
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER USER")
        cursor.execute(damage)
    assert {difference.check for difference in reconcile().differences} == checks
