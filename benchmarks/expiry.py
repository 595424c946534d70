"""The expiry run over very many lots against a bare UPDATE of the same rows, and the activation run beside it.

Five lots a member, all ending at one month's end, as a year's shopping leaves them. Expiry writes for each member a transfer,
its entries, balance, book and event; the bare UPDATE only sets `remaining` in a table with the same columns and indexes.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from benchmarks.sale import Result

LOTS_PER_MEMBER = 5
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)

_SEED = """
CREATE TEMP TABLE seed_member AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, %(members)s) AS n;
INSERT INTO members_member (id, number, status, profile, tags, attributes, joined_at, updated_at)
SELECT id, 'B' || n, 'active', ''::bytea, '{}', '{}', %(earned)s, %(earned)s FROM seed_member;
CREATE TEMP TABLE seed_lot AS
SELECT gen_random_uuid() AS id, gen_random_uuid() AS transfer_id, m.id AS member_id, k AS units,
  %(earned)s::timestamptz + k * interval '1 day' AS at
FROM seed_member m CROSS JOIN generate_series(1, %(lots)s) AS k;
INSERT INTO ledger_transfer (id, member_id, kind, occurred_at, recorded_at, actor, reason)
SELECT transfer_id, member_id, 'earn', at, at, 'system:bench', '' FROM seed_lot;
INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id)
SELECT transfer_id, 1, member_id, 'member', 'points', units, id FROM seed_lot
UNION ALL SELECT transfer_id, 2, member_id, 'issued', 'points', -units, NULL FROM seed_lot;
INSERT INTO ledger_lot (id, member_id, asset, amount, remaining, earned_at, active_at, expires_at, pending)
SELECT id, member_id, 'points', units, units, at, at + interval '7 days', %(expires)s, true FROM seed_lot;
INSERT INTO ledger_account (member_id, asset, balance, debt)
SELECT member_id, 'points', sum(units), 0 FROM seed_lot GROUP BY member_id;
INSERT INTO ledger_book (member_id, revision) SELECT id, 1 FROM seed_member;
CREATE TABLE bench_lot (LIKE ledger_lot INCLUDING ALL);
INSERT INTO bench_lot SELECT * FROM ledger_lot;
"""


def measure_expiry(*, lots: int) -> list[Result]:
    """Announce and expire `lots` lots through the jobs' own operations, then prove the book."""
    from django.db import connection

    from shuke.ledger.operations import announce_active, expire_lots
    from shuke.ledger.queries import reconcile

    expires = NOW - timedelta(hours=1)
    members = lots // LOTS_PER_MEMBER
    with connection.cursor() as cursor:
        for statement in _SEED.split(";\n"):
            if statement.strip():
                # Interpolated here: utility statements take no parameters.
                cursor.execute(
                    statement
                    % {
                        "members": members,
                        "lots": LOTS_PER_MEMBER,
                        "earned": f"'{expires - timedelta(days=400)}'",
                        "expires": f"'{expires}'",
                    }
                )
    bare = _timed("UPDATE bench_lot SET remaining = 0 WHERE remaining > held AND expires_at <= '{now}'")
    bare_flag = _timed("UPDATE bench_lot SET pending = false WHERE pending AND active_at <= '{now}'")
    woken, waking = _until_done(lambda: announce_active(now=NOW))
    expired, expiring = _until_done(lambda: expire_lots(now=NOW))
    book = reconcile()
    whole = expired == woken == members * LOTS_PER_MEMBER and book.is_clean
    return [
        Result(f"Expiry of {expired:,} lots of {members:,} members", f"{expiring:.1f} s",
               f"bare UPDATE {bare:.1f} s", f"{expiring / bare:.2f}", "≤ 10, every lot once, book clean",
               expiring <= 10 * bare and whole),
        Result(f"Activation of {woken:,} lots", f"{waking:.1f} s", f"bare UPDATE {bare_flag:.1f} s",
               f"{waking / bare_flag:.2f}", "≤ 10", waking <= 10 * bare_flag and whole),
    ]  # fmt: skip


def _timed(statement: str) -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        started = time.perf_counter()
        cursor.execute(statement.format(now=NOW))
        return time.perf_counter() - started


def _until_done(step) -> tuple[int, float]:
    """Call a job's step until it returns 0. Returns how many it did and the seconds."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    started, total = time.perf_counter(), 0
    while done := step():
        total += done
    return total, time.perf_counter() - started
