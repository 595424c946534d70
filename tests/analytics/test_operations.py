"""A refresh from events ends in exactly the rows that a rebuild makes, whatever happened and however often it is read."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from shuke.analytics.operations import CONSUMER, refresh
from shuke.analytics.values import RefreshResult
from shuke.checkout.refunds import refund_order, void_order
from shuke.core.models import OutboxCursor
from shuke.core.operations import publish_event
from shuke.core.values import SYSTEM
from shuke.ledger.operations import expire_lots
from shuke.loyalty.queries import forget_versions
from shuke.members.models import MemberStatus
from shuke.members.operations import change_status
from tests.factories.analytics import CHAIN_NOW, buy, make_chain
from tests.factories.checkout import TILL, publish
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = [
    "storeday",
    "newmembers",
    "visits",
    "visitgap",
    "membersummary",
    "homestore",
    "recencycount",
    "pointsday",
    "pointsmoved",
]


@pytest.fixture(autouse=True)
def _no_programme_of_another_test() -> None:
    forget_versions()


def take_in(now: datetime) -> RefreshResult:
    """Refresh until the last event is taken in: a neighbour's transaction on the same server that ends at the wrong
    moment may hold a single read back, which is right, and no business of these tests."""
    result = refresh(now=now)
    deadline = time.monotonic() + 120
    while not _caught_up():
        assert time.monotonic() < deadline, "something holds the events back"
        time.sleep(0.05)
        more = refresh(now=now)
        result = RefreshResult(
            events=result.events + more.events,
            days=max(result.days, more.days),
            members=max(result.members, more.members),
            full=result.full or more.full,
        )
    return result


def _caught_up() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM core_outboxevent, core_outboxcursor AS place WHERE place.consumer = %s"
            " AND (core_outboxevent.txid, core_outboxevent.id) > (place.txid, place.event_id))",
            [CONSUMER],
        )
        return bool(cursor.fetchone()[0])


def figures() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM analytics_{table} t ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def test_refreshes_from_events_equal_a_rebuild() -> None:
    chain = make_chain(sales=60)
    random = Random(3)
    now = CHAIN_NOW
    standing = buy(chain, now, chain.members[3], "S2", 4)
    first = take_in(now)
    assert first.full
    assert first.events > 60
    for step in range(6):
        now += timedelta(days=random.choice([0, 1, 40, 200]), hours=5)
        for _sale in range(4):
            buy(
                chain,
                now,
                random.choice([*chain.members[:12], None]),
                f"S{random.randrange(1, 6)}",
                9,
                random,
            )
        late = buy(chain, now - timedelta(hours=9), chain.members[step], "S3", 2)
        if step % 2:
            refund_order(actor=TILL, order_id=UUID(late["id"]), reason="test", now=now)
            make_member(now=now, join_store_id=chain.stores["S2"].id)
        else:
            # A void, and the end of a sale of another day: both change what stands of an earlier day.
            mistake = buy(chain, now, chain.members[step], "S1", 3)
            void_order(actor=TILL, order_id=UUID(mistake["id"]), reason="test", now=now)
            refund_order(actor=TILL, order_id=UUID(standing["id"]), reason="test", now=now)
        standing = buy(chain, now, chain.members[step], "S2", 4)
        if step == 5:
            change_status(
                actor=SYSTEM,
                now=now,
                member_id=chain.members[1].id,
                status=MemberStatus.CLOSED,
                reason="asked",
            )
        while expire_lots(now=now):
            pass
        result = take_in(now)
        assert not result.full
        assert result.events > 0
        kept = figures()
        refresh(now=now, full=True)
        assert kept == figures(), step


def test_an_event_that_is_read_twice_changes_nothing() -> None:
    make_chain(sales=30)
    take_in(CHAIN_NOW)
    before = figures()
    OutboxCursor.objects.filter(consumer=CONSUMER).update(txid=0, event_id=0)
    again = take_in(CHAIN_NOW)
    assert not again.full
    assert again.events > 30
    assert figures() == before
    assert all(before[table] for table in TABLES)


@pytest.mark.parametrize(
    ("days", "payload_ends", "full"), [(600, True, True), (20, True, False), (20, False, True)]
)
def test_an_import_is_taken_in_whole(days: int, payload_ends: bool, full: bool) -> None:
    chain = make_chain(sales=20)
    take_in(CHAIN_NOW)
    # As an import does: rows of the past, and one event for the chunk.
    first, last = CHAIN_NOW - timedelta(days=days), CHAIN_NOW - timedelta(days=2)
    buy(chain, first, None, "S5", 4)
    buy(chain, last, chain.members[3], "S5", 4)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_outboxevent")
    publish_event(
        name="checkout.orders_imported.v1",
        member_id=None,
        occurred_at=CHAIN_NOW,
        payload={"imported": 2, **({"first": first, "last": last} if payload_ends else {})},
    )
    assert take_in(CHAIN_NOW).full is full
    kept = figures()
    refresh(now=CHAIN_NOW, full=True)
    assert kept == figures()
    assert len([row for row in kept["storeday"] if str(chain.stores["S5"].id) in row[0]]) == 2


def test_another_time_zone_parts_the_days_anew() -> None:
    make_chain(sales=40)
    take_in(CHAIN_NOW)
    before = figures()
    publish(time_zone="America/New_York", effective_at=CHAIN_NOW - timedelta(days=1))
    result = take_in(CHAIN_NOW)
    assert result.full
    assert figures()["storeday"] != before["storeday"]


def test_nothing_new_costs_nothing() -> None:
    make_chain(sales=10)
    take_in(CHAIN_NOW)
    result = take_in(CHAIN_NOW + timedelta(minutes=1))
    assert (result.events, result.days, result.members, result.full) == (0, 0, 0, False)


def test_an_empty_shop_refreshes_to_nothing() -> None:
    result = take_in(CHAIN_NOW)
    assert result.full
    assert not any(figures().values())
