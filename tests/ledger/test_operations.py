"""Expiry: once, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from shuke.core.models import OutboxEvent
from shuke.ledger.models import Account, Book, Entry, Lot, Transfer
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from tests.factories.core import NOW
from tests.factories.ledger import give, owe, spend
from tests.factories.members import make_member

DAY = timedelta(days=1)


@pytest.mark.django_db
def test_expiry_writes_a_transfer_at_the_instant_of_expiry() -> None:
    member = make_member()
    first = give(member.id, 30, at=NOW - 10 * DAY, expires_at=NOW - DAY)
    second = give(member.id, 12, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    spend(member.id, first, 10, at=NOW - 5 * DAY)
    kept = give(member.id, 5, expires_at=NOW + DAY)
    revision = Book.objects.get(member=member).revision

    assert expire_lots(now=NOW) == 2

    transfer = Transfer.objects.get(kind="expire")
    assert (transfer.member_id, transfer.occurred_at, transfer.recorded_at) == (member.id, NOW - DAY, NOW)
    assert transfer.actor == "system:shuke"
    legs = (
        Entry.objects.filter(transfer=transfer)
        .order_by("seq")
        .values_list("seq", "account", "amount", "lot_id")
    )
    assert list(legs) == [(1, "member", -20, first), (2, "member", -12, second), (3, "expired", 32, None)]
    assert dict(Lot.objects.values_list("id", "remaining")) == {first: 0, second: 0, kept: 5}
    assert Account.objects.get(member=member, asset="points").balance == 5
    assert Book.objects.get(member=member).revision == revision + 1
    event = OutboxEvent.objects.get(name="ledger.points_expired.v1")
    assert event.member_id == member.id
    assert event.payload == {"transfer_id": str(transfer.id), "asset": "points", "amount": 32, "lots": 2}
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_lot_lapses_at_its_instant_not_before() -> None:
    give(make_member().id, 5, at=NOW - DAY, expires_at=NOW)
    assert expire_lots(now=NOW - timedelta(microseconds=1)) == 0
    assert expire_lots(now=NOW) == 1
    assert expire_lots(now=NOW) == 0


@pytest.mark.django_db
def test_lots_of_other_instants_and_assets_get_their_own_transfers() -> None:
    member = make_member()
    give(member.id, 1, at=NOW - 9 * DAY, expires_at=NOW - 3 * DAY)
    give(member.id, 2, at=NOW - 9 * DAY, expires_at=NOW - 2 * DAY)
    give(member.id, 4, at=NOW - 9 * DAY, expires_at=NOW - 2 * DAY, asset="stars")
    assert expire_lots(now=NOW) == 3
    found = Entry.objects.filter(account="expired").values_list("transfer__occurred_at", "asset", "amount")
    assert set(found) == {
        (NOW - 3 * DAY, "points", 1),
        (NOW - 2 * DAY, "points", 2),
        (NOW - 2 * DAY, "stars", 4),
    }
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_debt_stays_when_points_lapse() -> None:
    member = make_member()
    give(member.id, 8, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    owe(member.id, 3)
    expire_lots(now=NOW)
    account = Account.objects.get(member=member, asset="points")
    assert (account.balance, account.debt) == (-3, 3)
    assert reconcile().is_clean


@pytest.mark.django_db
def test_batches_go_on_until_nothing_is_left() -> None:
    for _ in range(7):
        give(make_member().id, 3, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    done = []
    while expired := expire_lots(now=NOW, limit=3):
        done.append(expired)
    assert done == [3, 3, 1]
    assert reconcile().is_clean


@pytest.mark.django_db
def test_a_member_without_a_book_expires_too() -> None:
    member = make_member()
    give(member.id, 3, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    Book.objects.all().delete()
    assert expire_lots(now=NOW) == 1
    assert Book.objects.get(member=member).revision == 1


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["ledger_transfer", "ledger_entry"])
def test_the_database_refuses_to_change_history(table: str) -> None:
    give(make_member().id, 3)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # checks that still wait would refuse TRUNCATE first
    for statement in (
        f"UPDATE {table} SET member_id = member_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_two_runners_expire_each_lot_once() -> None:
    members = [make_member().id for _ in range(40)]
    for member in members:
        for day in range(1, 4):
            give(member, day, at=NOW - 30 * DAY, expires_at=NOW - day * DAY)
    totals: list[int] = []

    def run() -> None:
        total, idle = 0, 0
        while idle < 3:
            expired = expire_lots(now=NOW, limit=7)
            total += expired
            idle = 0 if expired else idle + 1
        totals.append(total)

    _in_threads([run] * 3)
    while expire_lots(now=NOW):  # what all of them skipped because another held it
        pass
    assert len(totals) == 3
    assert Entry.objects.filter(account="expired").count() == 120
    assert not Lot.objects.filter(remaining__gt=0).exists()
    assert set(Account.objects.values_list("balance", flat=True)) == {0}
    assert OutboxEvent.objects.filter(name="ledger.points_expired.v1").count() == 120
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_a_book_in_other_hands_is_left_for_the_next_run() -> None:
    busy, free = make_member().id, make_member().id
    for member in (busy, free):
        give(member, 5, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    taken, finish = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT ledger_take_book(%s, NULL)", [busy])
            taken.set()
            finish.wait(20)

    holder = threading.Thread(target=_closing(hold))
    holder.start()
    assert taken.wait(20)
    try:
        assert expire_lots(now=NOW) == 1
        assert set(Lot.objects.filter(remaining=0).values_list("member_id", flat=True)) == {free}
    finally:
        finish.set()
        holder.join()
    assert expire_lots(now=NOW) == 1
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_points_spent_while_the_runner_looked_are_not_expired_twice() -> None:
    """The lot is read again under the book: a sale of the last instant wins, and only the rest lapses."""
    member = make_member().id
    lot = give(member, 10, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    barrier = threading.Barrier(2)

    def sell() -> None:
        barrier.wait(20)
        for _ in range(5):
            try:
                spend(member, lot, 1, at=NOW - 2 * DAY)
            except IntegrityError:
                return  # the runner was faster: nothing was left to spend

    def expire() -> None:
        barrier.wait(20)
        for _ in range(5):
            expire_lots(now=NOW)

    _in_threads([sell, expire])
    expire_lots(now=NOW)
    assert Lot.objects.get(id=lot).remaining == 0
    assert reconcile().is_clean


@pytest.mark.django_db(transaction=True)
def test_a_run_that_breaks_off_changes_nothing() -> None:
    member: UUID = make_member().id
    give(member, 10, at=NOW - 9 * DAY, expires_at=NOW - DAY)

    with connection.cursor() as cursor:  # the last thing that a batch writes
        cursor.execute("ALTER TABLE core_outboxevent ADD CONSTRAINT broken CHECK (name = '') NOT VALID")
    with pytest.raises(IntegrityError), transaction.atomic():
        expire_lots(now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_outboxevent DROP CONSTRAINT broken")
    assert not Transfer.objects.filter(kind="expire").exists()
    assert Lot.objects.get().remaining == 10
    assert expire_lots(now=NOW) == 1
    assert reconcile().is_clean


_RUNNER = """
import django
django.setup()
from datetime import datetime
from shuke.ledger.operations import expire_lots
while expire_lots(now=datetime.fromisoformat("{now}"), limit=2):
    print("batch", flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_a_runner_that_is_killed_leaves_a_clean_book_and_the_rest_to_the_next() -> None:
    for _ in range(60):
        give(make_member().id, 5, at=NOW - 9 * DAY, expires_at=NOW - DAY)
    database = connection.settings_dict
    url = (
        f"postgres://{quote(database['USER'])}:{quote(database['PASSWORD'])}"
        f"@{quote(database['HOST'], safe='')}:{database['PORT']}/{database['NAME']}"
    )
    environment = {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, "-c", _RUNNER.format(now=NOW.isoformat())]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        for _ in range(3):
            assert runner.stdout.readline() == "batch\n"
        runner.kill()
    left = Lot.objects.filter(remaining__gt=0).count()
    assert 0 < left <= 54
    assert reconcile().is_clean

    give_up = time.monotonic() + 30  # the server needs a moment to notice that the runner is gone
    while Lot.objects.filter(remaining__gt=0).exists() and time.monotonic() < give_up:
        expire_lots(now=NOW)
    assert Entry.objects.filter(account="expired").count() == 60
    assert set(Account.objects.values_list("balance", flat=True)) == {0}
    assert reconcile().is_clean


def _closing(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return run


def _in_threads(works: list[Callable[[], None]]) -> None:
    """Run at once, each on its own connection; an exception of any fails the test."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return _closing(run)

    threads = [threading.Thread(target=guarded(work)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


@pytest.mark.django_db
def test_movement_puts_off_the_end_of_lots_that_lapse_by_inactivity() -> None:
    member, month = make_member(), 30 * DAY
    sliding = give(member.id, 10, at=NOW - 60 * DAY, expires_at=NOW + DAY)
    lapsed = give(member.id, 20, at=NOW - 60 * DAY, expires_at=NOW - DAY)
    fixed = give(member.id, 30, at=NOW - 60 * DAY, expires_at=NOW + DAY)
    later = give(member.id, 40, at=NOW - 60 * DAY, expires_at=NOW + 2 * month)
    Lot.objects.filter(id__in=[sliding, lapsed, later]).update(slides=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_slide(%s, 'points', %s, %s)", [member.id, NOW, NOW + month])
        cursor.execute("SELECT ledger_slide(%s, 'growth', %s, %s)", [member.id, NOW, NOW + 9 * month])
    assert dict(Lot.objects.values_list("id", "expires_at")) == {
        sliding: NOW + month,
        lapsed: NOW - DAY,
        fixed: NOW + DAY,
        later: NOW + 2 * month,
    }
