"""What money costs at the till: points and stored value on a sale, one busy member, a replayed key, and the proof of a year.

CPU ratios come from alternating rounds of one run; waiting times from the clients themselves.
"""

from __future__ import annotations

import time
from statistics import median

from benchmarks.rig import Rig, rows, seed, served
from benchmarks.sale import ROUNDS, Result, Sample, assert_sane, execute, load, middle

MEMBERS = 10_000
YEAR_ORDERS = 156_000
"""As many sales and households as the year of the demo has: a transfer of two assets, four entries and two lots each."""
YEAR_MEMBERS = 2_469
PROOFS = 3

_FUND = """
CREATE TEMP TABLE fund AS
SELECT m.id AS member_id, asset, gen_random_uuid() AS transfer_id, gen_random_uuid() AS lot_id
FROM members_member AS m
CROSS JOIN (VALUES ('points', 'issued'), ('stored_value', 'topped_up')) AS a(asset, account);
INSERT INTO ledger_book (member_id, revision) SELECT DISTINCT member_id, 1 FROM fund
ON CONFLICT (member_id) DO UPDATE SET revision = ledger_book.revision + 1;
INSERT INTO ledger_transfer (id, member_id, kind, occurred_at, recorded_at, actor, reason)
SELECT transfer_id, member_id, CASE asset WHEN 'points' THEN 'earn' ELSE 'top_up' END, now(), now(), 'system:bench', ''
FROM fund;
INSERT INTO ledger_lot (id, member_id, asset, amount, remaining, earned_at, active_at, pending)
SELECT lot_id, member_id, asset, 100000000, 100000000, now(), now(), false FROM fund;
INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id)
SELECT transfer_id, 1, member_id, 'member', asset, 100000000, lot_id FROM fund
UNION ALL SELECT transfer_id, 2, member_id, CASE asset WHEN 'points' THEN 'issued' ELSE 'topped_up' END, asset, -100000000, NULL
FROM fund;
INSERT INTO ledger_account (member_id, asset, balance, debt) SELECT member_id, asset, 100000000, 0 FROM fund
ON CONFLICT (member_id, asset) DO UPDATE SET balance = ledger_account.balance + 100000000;
DROP TABLE fund
"""

_YEAR = """
CREATE TEMP TABLE year_member AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, %(members)s) AS n;
INSERT INTO members_member (id, number, status, profile, tags, attributes, joined_at, updated_at)
SELECT id, 'Y' || n, 'active', ''::bytea, '{}', '{}', now(), now() FROM year_member;
CREATE TEMP TABLE year_sale AS
SELECT gen_random_uuid() AS id, m.id AS member_id, 10 + k %% 90 AS units, gen_random_uuid() AS points,
  gen_random_uuid() AS growth, now() - k %% 360 * interval '1 day' AS at
FROM generate_series(1, %(orders)s) AS k JOIN year_member m ON m.n = 1 + k %% %(members)s;
INSERT INTO ledger_transfer (id, member_id, kind, occurred_at, recorded_at, actor, reason)
SELECT id, member_id, 'earn', at, at, 'system:bench', '' FROM year_sale;
INSERT INTO ledger_lot (id, member_id, asset, amount, remaining, earned_at, active_at, pending)
SELECT points, member_id, 'points', units, units, at, at, false FROM year_sale
UNION ALL SELECT growth, member_id, 'growth', units, units, at, at, false FROM year_sale;
INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id)
SELECT id, 1, member_id, 'member', 'points', units, points FROM year_sale
UNION ALL SELECT id, 2, member_id, 'issued', 'points', -units, NULL FROM year_sale
UNION ALL SELECT id, 3, member_id, 'member', 'growth', units, growth FROM year_sale
UNION ALL SELECT id, 4, member_id, 'issued', 'growth', -units, NULL FROM year_sale;
INSERT INTO ledger_account (member_id, asset, balance, debt)
SELECT member_id, asset, sum(units), 0 FROM year_sale CROSS JOIN (VALUES ('points'), ('growth')) AS a(asset)
GROUP BY member_id, asset;
INSERT INTO ledger_book (member_id, revision) SELECT id, 1 FROM year_member;
VACUUM (ANALYZE) ledger_transfer, ledger_lot, ledger_entry, ledger_account
"""


def measure_money(target: Rig, *, seconds: float) -> list[Result]:
    """All figures of the suite at `MEMBERS` members."""
    seed(target, MEMBERS, stored_value=True)
    _run(_FUND)
    execute("VACUUM (ANALYZE)")
    taken: dict[str, list[Sample]] = {}
    with served(target):
        kinds = ("plain", "money", "again", "one", "spread")
        for kind in kinds:
            _load(target, kind, 2)
        execute("ANALYZE")
        for _ in range(ROUNDS):
            for kind in kinds:
                taken.setdefault(kind, []).append(_load(target, kind, seconds))
    assert_sane()
    if not rows("SELECT count(*) FROM checkout_tender WHERE kind = 'stored_value'")[0][0]:
        raise RuntimeError("no sale paid with stored value")
    return [*_sales(taken), _year()]


def _load(target: Rig, kind: str, seconds: float) -> Sample:
    """`one` and `spread` are the same sale with eight clients: at one member, and at all of them."""
    clients = 8 if kind in ("one", "spread") else 4
    return load(target, kind, clients, seconds)


def _sales(taken: dict[str, list[Sample]]) -> list[Result]:
    def cpu(kind: str) -> float:
        return middle(taken[kind], lambda s: s.cpu_ms)

    p99, p50 = middle(taken["one"], lambda s: s.p99_ms), middle(taken["spread"], lambda s: s.p50_ms)
    plain, money, again = cpu("plain"), cpu("money"), cpu("again")
    return [
        Result("Commit of 5 lines with points and stored value: CPU per order", f"{money:.2f} ms",
               f"plain, 5 lines {plain:.2f} ms", f"{money / plain:.2f}", "≤ 1.6", money <= 1.6 * plain),
        Result("8 clients at one member: p99, no error", f"{p99:.0f} ms", f"p50 of spread members {p50:.0f} ms",
               f"{p99 / p50:.2f}", "≤ 6", p99 <= 6 * p50),
        Result("A replayed key: CPU", f"{again:.2f} ms", f"plain commit {plain:.2f} ms", f"{again / plain:.2f}", "≤ 0.5",
               again <= 0.5 * plain),
    ]  # fmt: skip


def _year() -> Result:
    """Reconcile a book as large as the demo's year."""
    from shuke.ledger.queries import reconcile

    _run(_YEAR, members=YEAR_MEMBERS, orders=YEAR_ORDERS)
    times = []
    for _ in range(PROOFS):
        started = time.perf_counter()
        book = reconcile()
        times.append(time.perf_counter() - started)
        if not book.is_clean:
            raise RuntimeError(f"the book does not reconcile: {book.differences[:3]}")
    entries = rows("SELECT count(*) FROM ledger_entry")[0][0]
    spent = median(times)
    return Result(f"Reconcile {entries:,} entries, the size of the demo's year", f"{spent:.1f} s", "10 s",
                  f"{spent / 10:.2f}", "≤ 10 s", spent <= 10)  # fmt: skip


def _run(script: str, **figures: int) -> None:
    # Interpolated here: utility statements take no parameters.
    for statement in script.split(";\n"):
        if statement.strip():
            execute(statement % figures if figures else statement)
