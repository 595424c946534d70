"""The review of all members' tiers at the end of a calendar year: everyone's term is over at one instant.

Ten sales a member in two years; half of the members bought enough in the year to keep their level, the others fall. The job's
own operation reviews them in batches of one transaction each: standing, history and event of every member.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from benchmarks.rig import Rig
from benchmarks.sale import Result

SALES = 10
LEAST_RATE = 1_000_000 / 600
"""Members a second: a million in ten minutes."""
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
YEAR_END = datetime(2025, 12, 31, 16, 0, tzinfo=UTC)
"""Midnight in Shanghai."""
NOW = datetime(2026, 1, 1, 4, 0, tzinfo=UTC)

_PROGRAMME = """\
shuke: 1
code: bench
name: {zh-Hans: Bench}
currency: CNY
time_zone: Asia/Shanghai
assets:
  points: {name: {zh-Hans: Points}}
earning:
  - {id: base, name: {zh-Hans: Base}, give: 1, per: 1.00}
tiers:
  metric: spend
  window: calendar_year
  levels:
    - {code: classic, name: {zh-Hans: Classic}, threshold: 0}
    - {code: silver, name: {zh-Hans: Silver}, threshold: 1000, multiplier: 1.1}
    - {code: gold, name: {zh-Hans: Gold}, threshold: 2000, multiplier: 1.2, discount_percent: 2}
"""

# The n-th member holds silver or gold in turn; of each, every second one bought enough in the year.
_MEMBERS = """
CREATE TABLE seed AS SELECT gen_random_uuid() AS id, n, n %% 2 = 0 AS is_gold, n %% 4 < 2 AS keeps
FROM generate_series(1, %(members)s) AS n;
INSERT INTO members_member (id, number, status, profile, tags, attributes, joined_at, updated_at)
SELECT id, 'T' || n, 'active', ''::bytea, '{}', '{}', '%(began)s', '%(began)s' FROM seed;
INSERT INTO ledger_book (member_id, revision) SELECT id, 1 FROM seed;
INSERT INTO loyalty_standing (member_id, tier, since, review_at)
SELECT id, CASE WHEN is_gold THEN 'gold' ELSE 'silver' END, '2024-06-01'::timestamptz, '%(year_end)s' FROM seed
"""
# Ids and numbers ascend, as those of real sales do.
_SALES = """
INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency, list_minor,
  discount_minor, sales_minor, points_minor, payable_minor, qualifying_minor, points_used, points_earned, growth_earned, tier,
  status, programme_version_id, actor)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(s.n::bigint * %(sales)s + k), 12, '0'))::uuid, s.id, '%(store)s',
  '%(channel)s', 'bench', to_char(s.n, 'FM0000000') || '-' || k, at, at, 'CNY', amount, 0, amount, 0,
  amount, amount, 0, amount / 100, 0, 'silver', 'committed', '%(version)s', 'system:bench'
FROM (SELECT * FROM seed WHERE n > {first} AND n <= {last} ORDER BY n) s CROSS JOIN generate_series(0, %(sales)s - 1) AS k
CROSS JOIN LATERAL (SELECT '2024-02-01'::timestamptz + k * interval '69 days' AS at,
  CASE WHEN s.is_gold THEN 2 ELSE 1 END * CASE WHEN s.keeps THEN 25000 ELSE 15000 END AS amount) AS v
"""
_FILLED = ("members_member", "ledger_book", "loyalty_standing", "checkout_order")
# What a row costs most: an index that it is put into alone, and a foreign key that is looked up for it alone.
_DROPPED = """
SELECT format('ALTER TABLE %%I DROP CONSTRAINT %%I', conrelid::regclass, conname),
  format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%(tables)s::regclass[])
UNION ALL
SELECT format('DROP INDEX %%I', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM pg_index i WHERE i.indrelid = ANY(%(tables)s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


def measure_tiers(target: Rig, *, members: int) -> list[Result]:
    """Review everybody, then see that each was looked at once and got what the sales say; then the preview of a draft."""
    from django.db import connection

    from shuke.checkout.queries import qualifying_totals
    from shuke.loyalty.tier_reviews import review_tiers

    _seed(members)
    cpu = target.cpu() + time.process_time()
    started, done, batches = time.perf_counter(), 0, 0
    while batch := review_tiers(now=NOW, qualifying=qualifying_totals):
        done, batches = done + batch, batches + 1
    seconds = time.perf_counter() - started
    cpu = target.cpu() + time.process_time() - cpu
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT member_id), count(*) FILTER (WHERE cause = 'renewed'),"
            " count(*) FILTER (WHERE cause = 'lapsed') FROM loyalty_tierchange"
        )
        changes, reviewed, renewed, lapsed = cursor.fetchone()
    right = changes == reviewed == done == members and renewed + lapsed == members
    right = right and abs(renewed - members // 2) <= 2
    rate = members / seconds
    previewed, seconds_of_preview = _preview()
    return [
        Result(f"Year-end review of {members:,} members' tiers", f"{seconds:.1f} s, {rate:,.0f} members/s",
               f"{cpu / members * 1000:.2f} CPU-ms each, {batches:,} batches, {renewed:,} kept, {lapsed:,} fell",
               f"1M in {1_000_000 / rate / 60:.1f} min",
               "1M ≤ 10 min, each once", rate >= LEAST_RATE and right),
        Result(f"Impact of a draft on {members:,} members", f"{seconds_of_preview:.1f} s", f"{previewed} moved", "–", "–",
               previewed != "0"),
    ]  # fmt: skip


def _seed(members: int) -> None:
    from django.db import connection

    from shuke.catalog.models import Channel, Store
    from shuke.core.values import SYSTEM
    from shuke.loyalty.operations import publish_programme

    store = Store.objects.create(code="S1", name="Bench", created_at=BEGAN)
    channel, _made = Channel.objects.get_or_create(code="pos", defaults={"name": "POS"})
    version = publish_programme(actor=SYSTEM, now=BEGAN, source=_PROGRAMME, effective_at=BEGAN)
    filled = {
        "members": members,
        "sales": SALES,
        "began": BEGAN,
        "year_end": YEAR_END,
        "store": store.pk,
        "channel": channel.pk,
        "version": version.id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DROPPED, {"tables": list(_FILLED)})
        without = cursor.fetchall()
        cursor.execute("SET maintenance_work_mem = '256MB'; SET synchronous_commit = off")
        for drop, _make in without:
            cursor.execute(drop)
        for statement in (_MEMBERS % filled).split(";\n"):
            cursor.execute(statement)
        _sell(_SALES % filled, members)
        for _drop, make in without:
            cursor.execute(make)
        cursor.execute("DROP TABLE seed; RESET maintenance_work_mem; RESET synchronous_commit")
        cursor.execute("VACUUM (ANALYZE)")


def _sell(statement: str, members: int) -> None:
    """The sales, half of the members by either of two connections."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    def part(first: int, last: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET synchronous_commit = off")
                cursor.execute(statement.format(first=first, last=last))
        finally:
            connection.close()

    half = members // 2
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(part, (0, half), (half, members)))


def _preview() -> tuple[str, float]:
    """(members that move, seconds) of the preview of a draft that moves every threshold."""
    from shuke.checkout.impact.operations import ask_impact, assess_impact
    from shuke.loyalty.document import validate

    draft = validate(_PROGRAMME.replace("threshold: 1000", "threshold: 700").replace("2000", "1400"))
    started = time.perf_counter()
    report = assess_impact(ask_impact(document=draft, now=NOW))
    told = report["tracks"][0]["in_time"]
    return f"{told['up'] + told['down']:,}", time.perf_counter() - started
