"""A review of many tiers that is killed with SIGKILL goes on after its last batch, as if nobody had killed it."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from shuke.checkout.queries import qualifying_totals
from shuke.core.models import OutboxEvent
from shuke.loyalty.models import Standing, TierChange
from shuke.loyalty.tier_reviews import review_tiers
from tests.factories.checkout import make_shop
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 1, 1, 4, tzinfo=UTC)
MEMBERS, BATCH, KILLS = 1200, 20, 2

# Every second one bought enough in the year to stay silver.
_SEED = """
CREATE TEMP TABLE seed AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, %(members)s) AS n;
INSERT INTO members_member (id, number, status, profile, tags, attributes, joined_at, updated_at)
SELECT id, 'K' || n, 'active', ''::bytea, '{}', '{}', '2024-01-01', '2024-01-01' FROM seed;
INSERT INTO ledger_book (member_id, revision) SELECT id, 1 FROM seed;
INSERT INTO loyalty_standing (member_id, tier, since, review_at) SELECT id, 'silver', '2025-01-05', '2026-01-01' FROM seed;
INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency, list_minor,
  discount_minor, sales_minor, points_minor, payable_minor, qualifying_minor, points_used, points_earned, growth_earned, tier,
  status, actor)
SELECT gen_random_uuid(), s.id, '%(store)s', (SELECT id FROM catalog_channel WHERE code = 'pos'), 'k', s.n::text, '2025-06-01',
  '2025-06-01', 'CNY', v.amount, 0, v.amount, 0, v.amount, v.amount, 0, 0, 0, 'silver', 'committed', 'system:test'
FROM seed s CROSS JOIN LATERAL (SELECT CASE WHEN s.n %% 2 = 0 THEN 150000 ELSE 1000 END AS amount) AS v;
DROP TABLE seed
"""


def seed() -> None:
    tiers = document()["tiers"]
    store = make_shop(tiers={**tiers, "window": "calendar_year", "window_months": None})
    with connection.cursor() as cursor:
        for statement in (_SEED % {"members": MEMBERS, "store": store.pk}).split(";\n"):
            cursor.execute(statement)


def result() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What stands and what was written about it, without the ids of rows."""
    standings = Standing.objects.order_by("member_id").values_list(
        "member_id", "tier", "since", "review_at", "held"
    )
    changes = TierChange.objects.order_by("member_id").values_list(
        "member_id",
        "occurred_at",
        "from_tier",
        "to_tier",
        "cause",
        "metric",
        "review_at",
        "programme_version_id",
    )
    return list(standings), list(changes)


def begin() -> int:
    """A process of its own that reviews in small batches; its id. It shares no connection with this one."""
    connection.close()
    child = os.fork()
    if child:
        return child
    try:
        while review_tiers(now=NOW, qualifying=qualifying_totals, limit=BATCH):
            pass
    finally:
        os._exit(0)


def test_killed_twice_and_as_if_it_had_not_been() -> None:
    seed()
    with transaction.atomic():
        while review_tiers(now=NOW, qualifying=qualifying_totals):
            pass
        undisturbed = result()
        transaction.set_rollback(True)
    assert TierChange.objects.count() == 0
    for _ in range(KILLS):
        before = TierChange.objects.count()
        child = begin()
        try:
            deadline = time.monotonic() + 60
            while TierChange.objects.count() < before + 3 * BATCH:
                assert time.monotonic() < deadline
                time.sleep(0.002)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        _wait_until_the_server_noticed()
        done = TierChange.objects.count()
        assert done < MEMBERS and done % BATCH == 0
    while review_tiers(now=NOW, qualifying=qualifying_totals, limit=500):
        pass
    assert result() == undisturbed
    assert TierChange.objects.values("member_id").distinct().count() == TierChange.objects.count() == MEMBERS
    assert {row[1] for row in undisturbed[0]} == {"classic", "silver"}
    assert OutboxEvent.objects.filter(name="loyalty.tier_changed.v1").count() == MEMBERS


def _wait_until_the_server_noticed() -> None:
    """The server may still be ending the transaction of who was killed; its members' books are locked until then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM ledger_book FOR UPDATE")
